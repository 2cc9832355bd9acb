"""A user's own conversion table: read, checked in full before it is used, and refused with every fault named."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, pairwise
from pathlib import Path

import pandas as pd

from ..errors import InputError, nearest
from ..formats import plural
from ..sources import schema
from .factors import AMOUNT, BY_TOTAL, DAY_WORN, PATCH_HOURS, Factor, FactorTable, distinct, factor_tables, to_factor

REQUIRED = ("ingredient", "forms", "routes", "unit", "factor", "basis", "source")
OPTIONAL = ("above_mg_per_day", "up_to_mg_per_day", "name")
UNITS = ("mg", "mcg", "mcg/h")
BASES = (AMOUNT, DAY_WORN, BY_TOTAL)
INJECTED = ("intravenous", "subcutaneous", "intramuscular")
SHOWN = 5


def read_factor_table(table: str | Path | pd.DataFrame, *, name: str | None = None) -> FactorTable:
    """Read a conversion table of your own, for ``DoseDefinition(factors=...)``.

    **Definition**: one row gives the MME per unit of an ingredient in the forms and by the routes it names, and in no
    other. A dispensing that no row fits is unknown. ``basis`` is ``amount`` (per mg or mcg), ``day_worn`` (patches: per
    mcg/h and day worn, not per patch), or ``amount_by_total_daily_dose``: bands ``(above_mg_per_day,
    up_to_mg_per_day]`` of one ingredient's total daily dose, upper edge included, from 0 to ``inf`` without holes.

    Parameters
    ----------
    table : str, Path or DataFrame
        CSV file (UTF-8) or frame with the columns ingredient, forms, routes (words of the schema; several separated by
        semicolons), unit (``mg``, ``mcg`` or ``mcg/h``), factor, basis, source; for bands above_mg_per_day and
        up_to_mg_per_day.
    name : str, optional
        What reports call it; the file's name without its ending when not given. Required with a frame.

    Returns
    -------
    FactorTable

    Raises
    ------
    InputError
        A column, word or number that cannot be used, rows that overlap, bands with holes; every fault by its line (the
        header is line 1), words with the nearest known one.

    Notes
    -----
    When not to use it: to repeat a published study; take the table it used by name. Leave out a drug you have no factor
    for, rather than give it 0: unknown doses are counted and said, zeros are not.

    References
    ----------
    Each row's own, in the column ``source``.

    Examples
    --------
    >>> import pandas as pd
    >>> import fbss_analytics as fbss
    >>> rows = {"ingredient": ["tramadol"], "forms": ["tablet;capsule"], "routes": ["oral"], "unit": ["mg"],
    ...         "factor": [0.15], "basis": ["amount"], "source": ["local formulary 2024"]}
    >>> table = fbss.read_factor_table(pd.DataFrame(rows), name="local")
    >>> fbss.DoseDefinition(factors=table, overlap="concurrent", buprenorphine="exclude").sentence()
    'Oral MME by your own table local; doses of concurrent fills add; buprenorphine is excluded.'
    """
    lines = _frame_lines(table) if isinstance(table, pd.DataFrame) else _file_lines(Path(table))
    name = _checked_name(name if isinstance(table, pd.DataFrame) or name is not None else Path(table).stem)
    faults = [f"line {place}: {words}" for place, line in enumerate(lines, start=2) for words in _line_faults(line)]
    rows = () if faults else tuple(to_factor(line) for line in lines)
    faults = faults or list(_table_faults(rows))
    if faults:
        more = f"; and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
        raise InputError(
            f"The conversion table {name!r} has {plural(len(faults), 'fault')}: {'; '.join(faults[:SHOWN])}{more}."
        )
    return FactorTable(name, rows, "; ".join(distinct(row.source for row in rows)))


def _checked_name(name: str | None) -> str:
    if not name:
        raise InputError('A conversion table needs a name; type read_factor_table(table, name="local_2024").')
    if name in factor_tables():
        raise InputError(f"{name!r} is a shipped conversion table; give yours another name with name=.")
    return name


def _file_lines(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        raise InputError(f"There is no conversion table {path.name!r} here; type the path of a CSV file.")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{path.name} is not UTF-8 text; save it as CSV UTF-8 and read it again.") from None
    reader = csv.DictReader(text.splitlines(), restval="")
    _check_columns(tuple(reader.fieldnames or ()))
    return [_filled(line) for line in reader]


def _frame_lines(frame: pd.DataFrame) -> list[dict[str, str]]:
    _check_columns(tuple(str(column) for column in frame.columns))
    records = frame.rename(columns=str).to_dict("records")
    return [_filled({str(key): "" if pd.isna(value) else str(value) for key, value in row.items()}) for row in records]


def _check_columns(columns: Sequence[str]) -> None:
    unknown = [column for column in columns if column not in (*REQUIRED, *OPTIONAL)]
    if unknown:
        raise InputError(f"A conversion table has no column {unknown[0]!r}.{nearest(unknown[0], REQUIRED + OPTIONAL)}")
    missing = [column for column in REQUIRED if column not in columns]
    if missing:
        gone = " and no ".join(missing)
        raise InputError(f"The conversion table has no column {gone}; expected {', '.join(REQUIRED)}.")


def _filled(line: Mapping[str, str]) -> dict[str, str]:
    return {column: (line.get(column) or "").strip() for column in (*REQUIRED, *OPTIONAL)}


def _line_faults(line: Mapping[str, str]) -> Iterator[str]:
    """Yield what is wrong with one row by itself."""
    for column, name in (("ingredient", "ingredient"), ("forms", "form"), ("routes", "route")):
        words = line[column].split(";") if column != "ingredient" else [line[column]]
        for word in words:
            if word not in schema.vocabulary(name):
                yield f"{name} {word!r} is not known.{nearest(word, schema.vocabulary(name))}".rstrip(".")
    if line["unit"] not in UNITS:
        yield f"unit {line['unit']!r} is not known; expected mg (which serves mg/mL too), mcg or mcg/h"
    if line["basis"] not in BASES:
        yield f"basis {line['basis']!r} is not known.{nearest(line['basis'], BASES)}".rstrip(".")
    if not line["source"]:
        yield "source is empty; say where the factor comes from"
    yield from _number_faults(line)
    yield from _meaning_faults(line)


def _number_faults(line: Mapping[str, str]) -> Iterator[str]:
    factor = _number(line["factor"])
    if factor is None or not 0 < factor < math.inf:
        yield "factor is not a number above 0; leave out a drug without a factor, whose dose is then unknown"
    low, high = _number(line["above_mg_per_day"] or "0"), _number(line["up_to_mg_per_day"] or "inf")
    if line["basis"] == BY_TOTAL:
        if low is None or high is None or not 0 <= low < high:
            yield "above_mg_per_day and up_to_mg_per_day are no band; expected 0 or more, and more than that (or inf)"
    elif line["above_mg_per_day"] or line["up_to_mg_per_day"]:
        yield f"a band needs basis {BY_TOTAL!r}"


def _meaning_faults(line: Mapping[str, str]) -> Iterator[str]:
    """Yield combinations that would turn a factor into a wrong dose."""
    routes = line["routes"].split(";")
    if "intrathecal" in routes:
        yield "an intrathecal dose is not systemic and has no factor here"
    if "oral" in routes and any(route in INJECTED for route in routes):
        yield "an oral factor does not hold for an injected dose; give each route its own row"
    if line["basis"] == BY_TOTAL and line["unit"] != "mg":
        yield "bands of a total daily dose are in mg; unit must be mg"
    worn = (line["basis"] == DAY_WORN, line["unit"] == "mcg/h", line["forms"] == "patch")
    if any(worn) and not all(worn):
        yield f"a patch is converted per mcg/h and day worn: form patch, unit mcg/h and basis {DAY_WORN!r} go together"
    elif all(worn) and line["ingredient"] not in PATCH_HOURS:
        yield f"it is not known how long a patch of this ingredient is worn; known are {' and '.join(PATCH_HOURS)}"


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return None if math.isnan(number) else number


def _table_faults(rows: Sequence[Factor]) -> Iterator[str]:
    """Yield what is wrong with rows that are right by themselves; lines count from 2, below the header."""
    if not rows:
        yield "it has no rows"
    placed = list(enumerate(rows, start=2))
    for (place, one), (other_place, other) in combinations(placed, 2):
        if _meet(one, other):
            yield f"lines {place} and {other_place} overlap: both convert {one.ingredient} in the same form and route"
    banded = distinct(row.ingredient for row in rows if row.basis == BY_TOTAL)
    if len(banded) > 1:
        yield f"{' and '.join(banded)} are converted by their total daily dose; only one can be"
    for ingredient in banded:
        bands = sorted((row for row in rows if row.ingredient == ingredient and row.basis == BY_TOTAL), key=_band)
        if len({(row.forms, row.routes) for row in bands}) > 1:
            yield f"the bands of {ingredient} do not all name the same forms and routes"
        edges = [(0.0, 0.0), *map(_band, bands), (math.inf, math.inf)]
        if any(high != low for (_, high), (low, _) in pairwise(edges)):
            yield f"the bands of {ingredient} have a hole or overlap; each must begin where the one before ends"


def _band(row: Factor) -> tuple[float, float]:
    return row.above_mg_per_day, row.up_to_mg_per_day


def _meet(one: Factor, other: Factor) -> bool:
    """Return whether two rows would both convert a dispensing; bands of one ingredient are compared by their edges."""
    if one.basis == BY_TOTAL and other.basis == BY_TOTAL:
        return False
    by_rate = (one.unit == "mcg/h") == (other.unit == "mcg/h")
    same = one.ingredient == other.ingredient and by_rate
    return same and bool(set(one.forms) & set(other.forms)) and bool(set(one.routes) & set(other.routes))
