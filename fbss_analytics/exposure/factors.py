"""Conversion factors to oral morphine equivalents (MME), by table version, ingredient, form, route and strength unit.

A factor is never applied outside its form and route: no oral factor reaches an intrathecal, intravenous or
transdermal dose. A dispensing without a factor is *unknown*, never 0.
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
import numpy.typing as npt

from ..errors import one_of

Numbers = npt.NDArray[np.float64]
BY_TOTAL = "amount_by_total_daily_dose"


@dataclass(frozen=True)
class Factor:
    """One row of a conversion table.

    ``basis``: ``amount`` (MME per unit of drug), ``day_worn`` (MME per mcg/h and day a patch is worn), or
    ``amount_by_total_daily_dose`` (MME per mg, where the band ``above_mg_per_day < dose <= up_to_mg_per_day`` is that
    of the ingredient's total daily dose over all concurrent dispensings).
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


@cache
def _all_tables() -> dict[str, tuple[Factor, ...]]:
    text = files("fbss_analytics").joinpath("data/conversion_factors.csv").read_text(encoding="utf-8")
    tables: dict[str, list[Factor]] = {}
    for row in csv.DictReader(text.splitlines()):
        factor = Factor(
            ingredient=row["ingredient"],
            forms=tuple(row["forms"].split(";")),
            routes=tuple(row["routes"].split(";")),
            unit=row["unit"],
            factor=float(row["factor"]),
            basis=row["basis"],
            above_mg_per_day=float(row["above_mg_per_day"] or 0),
            up_to_mg_per_day=float(row["up_to_mg_per_day"] or math.inf),
            source=row["source"],
        )
        tables.setdefault(row["table"], []).append(factor)
    return {name: tuple(rows) for name, rows in tables.items()}


def factor_tables() -> tuple[str, ...]:
    """Return the names of the conversion tables."""
    return tuple(_all_tables())


def conversion_factors(table: str) -> tuple[Factor, ...]:
    """Return the rows of a conversion table, or raise `InputError` with the nearest name."""
    return _all_tables()[one_of(table, factor_tables(), name="factors")]


def bands(table: str, ingredient: str) -> tuple[Numbers, Numbers]:
    """Return the upper edges (mg/day, included) and factors of an ingredient converted by its total daily dose."""
    rows = [row for row in conversion_factors(table) if row.ingredient == ingredient and row.basis == BY_TOTAL]
    rows.sort(key=lambda row: row.up_to_mg_per_day)
    return np.array([row.up_to_mg_per_day for row in rows]), np.array([row.factor for row in rows])


def banded_ingredients(table: str) -> tuple[str, ...]:
    """Return the ingredients a table converts by their total daily dose (methadone in ``cdc_2016``)."""
    return tuple(dict.fromkeys(row.ingredient for row in conversion_factors(table) if row.basis == BY_TOTAL))
