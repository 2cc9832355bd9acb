"""Conversion factors to oral morphine equivalents (MME), by table version, ingredient, form, route and strength unit.

A factor is never applied outside its form and route: no oral factor reaches an intrathecal, intravenous or
transdermal dose. A dispensing without a factor is *unknown*, never 0.

A patch's factor is per mcg/h and day *worn*. The files of the CDC print 7.2 (fentanyl) and 12.6 (buprenorphine), which
hold only for strength x patches / days' supply with the days' supply reset to 3 (7) days per patch: 7.2 = 3 x 2.4 and
12.6 = 7 x 1.8. Applied to days worn they overstate the dose three- and sevenfold.

Methadone's bands of 2016 are half-open at their lower edge, as CMS prints them. The integer bands of the CDC's table
(1-20, 21-40, 41-60) leave 20.5 mg a day without a factor.

No table has a factor for nalbuphine. Levomethadyl (8 per mg in the CDC's files, withdrawn in 2003) is no word of the
schema.
"""

from __future__ import annotations

import csv
import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, astuple, dataclass, fields
from functools import cache
from importlib.resources import files

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import one_of
from ..formats import html_table, plural

Numbers = npt.NDArray[np.float64]
AMOUNT, DAY_WORN, BY_TOTAL = "amount", "day_worn", "amount_by_total_daily_dose"
PATCH_HOURS = {"fentanyl": (72, 48), "buprenorphine": (168,)}
"""Hours a patch is worn, as labelled; the second is the shorter change interval in use."""


@dataclass(frozen=True)
class Factor:
    """One row of a conversion table.

    ``basis``: ``amount`` (MME per unit of drug), ``day_worn`` (MME per mcg/h and day a patch is worn), or
    ``amount_by_total_daily_dose`` (MME per mg, where the band ``above_mg_per_day < dose <= up_to_mg_per_day`` is that
    of the ingredient's total daily dose over all concurrent dispensings). ``name`` is what the source calls the row
    where its users type it (`heal_mme`).
    """

    ingredient: str
    forms: tuple[str, ...]
    routes: tuple[str, ...]
    unit: str
    factor: float
    basis: str
    above_mg_per_day: float
    up_to_mg_per_day: float
    source: str
    name: str = ""


@dataclass(frozen=True)
class FactorTable:
    """A conversion table: its name, its rows and where they come from; two tables of equal content are equal.

    Made by `read_factor_table`, which checks it; the shipped tables are known by name.

    Parameters
    ----------
    name : str
        What sentences and reports call it.
    rows : tuple of Factor
    source : str
        Citation.
    """

    name: str
    rows: tuple[Factor, ...]
    source: str

    @property
    def frame(self) -> pd.DataFrame:
        """The rows as columns, several forms or routes separated by semicolons: as `read_factor_table` takes them."""
        frame = pd.DataFrame([asdict(row) for row in self.rows], columns=[each.name for each in fields(Factor)])
        banded = frame["basis"] == BY_TOTAL
        words = {column: frame[column].str.join(";") for column in ("forms", "routes")}
        edges = {column: frame[column].where(banded) for column in ("above_mg_per_day", "up_to_mg_per_day")}
        return frame.assign(**words, **edges)

    def sentence(self) -> str:
        """Say what the table holds."""
        rows, drugs = plural(len(self.rows), "row"), len({row.ingredient for row in self.rows})
        return f"Conversion table {self.name}: {rows} for {plural(drugs, 'ingredient')}. {self.source}."

    def _repr_html_(self) -> str:
        return html_table(self.frame.drop(columns="name"), caption=self.sentence())

    @property
    def label(self) -> str:
        """The name with the first 12 digits of the content's SHA-256: what a report needs to know it again."""
        return f"{self.name} (sha256 {hashlib.sha256(repr(astuple(self)).encode()).hexdigest()[:12]})"


def to_factor(row: Mapping[str, str]) -> Factor:
    """Return a line of a conversion table as a row; its words and numbers are not checked."""
    return Factor(
        ingredient=row["ingredient"],
        forms=tuple(row["forms"].split(";")),
        routes=tuple(row["routes"].split(";")),
        unit=row["unit"],
        factor=float(row["factor"]),
        basis=row["basis"],
        above_mg_per_day=float(row["above_mg_per_day"] or 0),
        up_to_mg_per_day=float(row["up_to_mg_per_day"] or math.inf),
        source=row["source"],
        name=row["name"],
    )


@cache
def _all_tables() -> dict[str, FactorTable]:
    text = files("fbss_analytics").joinpath("data/conversion_factors.csv").read_text(encoding="utf-8")
    tables: dict[str, list[Factor]] = {}
    for row in csv.DictReader(text.splitlines()):
        tables.setdefault(row["table"], []).append(to_factor(row))
    return {name: FactorTable(name, tuple(rows), rows[0].source) for name, rows in tables.items()}


def factor_tables() -> tuple[str, ...]:
    """Return the names of the conversion tables."""
    return tuple(_all_tables())


def factor_table(table: str | FactorTable) -> FactorTable:
    """Return a shipped conversion table by name; a table of your own comes back as it is.

    **Definition**: ``cdc_2016`` is the guideline of 2016 with its methadone bands, and the CDC's compilation of 2016
    for drugs it leaves out; ``cdc_file_2018`` the CDC's file of September 2018 (methadone at a flat 3, no
    buprenorphine); ``cdc_2022`` the guideline of 2022; ``nih_heal`` the NIH HEAL calculator's list.

    Parameters
    ----------
    table : str or FactorTable

    Returns
    -------
    FactorTable
        ``.frame`` holds the rows, each with its source.

    Raises
    ------
    InputError
        No table has that name; the nearest one is given.

    Notes
    -----
    When not to use it: to convert a patient from one opioid to another. The factors are for research.

    References
    ----------
    CDC 2022: doi 10.15585/mmwr.rr7103a1. CDC 2016: doi 10.15585/mmwr.rr6501e1. HEAL: doi
    10.1097/j.pain.0000000000003529.

    Examples
    --------
    >>> import fbss_analytics as fbss
    >>> table = fbss.factor_table("cdc_2016").frame
    >>> table.loc[table["ingredient"] == "methadone", ["above_mg_per_day", "factor"]].to_numpy().tolist()
    [[0.0, 4.0], [20.0, 8.0], [40.0, 10.0], [60.0, 12.0]]
    """
    return table if isinstance(table, FactorTable) else _all_tables()[one_of(table, factor_tables(), name="factors")]


def conversion_factors(table: str | FactorTable) -> tuple[Factor, ...]:
    """Return the rows of a conversion table, or raise `InputError` with the nearest name."""
    return factor_table(table).rows


def bands(table: str | FactorTable, ingredient: str) -> tuple[Numbers, Numbers]:
    """Return the upper edges (mg/day, included) and factors of an ingredient converted by its total daily dose."""
    rows = [row for row in conversion_factors(table) if row.ingredient == ingredient and row.basis == BY_TOTAL]
    rows.sort(key=lambda row: row.up_to_mg_per_day)
    return np.array([row.up_to_mg_per_day for row in rows]), np.array([row.factor for row in rows])


def banded_ingredients(table: str | FactorTable) -> tuple[str, ...]:
    """Return the ingredients a table converts by their total daily dose (methadone in ``cdc_2016``)."""
    return distinct(row.ingredient for row in conversion_factors(table) if row.basis == BY_TOTAL)


def distinct(words: Iterable[str]) -> tuple[str, ...]:
    """Return words in the order they first come in, each once."""
    return tuple(dict.fromkeys(words))
