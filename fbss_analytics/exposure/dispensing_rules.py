"""What a dispensing must satisfy to give a dose: each rule with what becomes of a row that breaks it.

Rules that set a row aside come first, in the order in which a row is counted; the importer's row rules set aside what
they share with them (`sources.rules`). A row that is kept under a rule counts as the rule says, never as 0.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..dates import NO_DAY, from_timestamps
from ..errors import DataError, InputError, nearest
from ..sources import schema
from .columns import column_names
from .supply import COLUMNS, WORDS, to_numbers, word_codes

Mask = npt.NDArray[np.bool_]
REQUIRED = ("patient_id", "date", *COLUMNS)
MOST_DAYS = 365
MOST_UNITS_PER_DAY = 1e6
"""Assumed: strength x quantity a day beyond it (a kilogram in mg) is a slip, and too large for exact sums."""


@dataclass(frozen=True)
class Rule:
    """A rule by name: what breaks it, and what becomes of the row."""

    name: str
    words: str
    handling: str


_ASIDE = "set aside"
_KEPT_UNKNOWN = "kept: its days count, its dose is unknown"
PATIENT_MISSING = Rule("patient_missing", "patient_id is missing", _ASIDE)
DATE_UNUSABLE = Rule("date_unusable", "date is missing, no date, or outside the years 1880 to 2100", _ASIDE)
INGREDIENT_UNKNOWN = Rule("ingredient_unknown", "ingredient is missing or not in the vocabulary", _ASIDE)
DAYS_MISSING = Rule("days_supply_missing", "days_supply is missing or no number", _ASIDE)
DAYS_NEGATIVE = Rule("days_supply_negative", "days_supply is below 0", _ASIDE)
DAYS_ZERO = Rule("days_supply_zero", "days_supply is 0", _ASIDE)
DAYS_FRACTIONAL = Rule("days_supply_fractional", "days_supply is no whole number", _ASIDE)
DAYS_TOO_LONG = Rule("days_supply_over_365", "days_supply is more than 365", _ASIDE)
REVERSAL = Rule("reversal", "quantity is below 0 and equals a fill of the same patient, day and drug", _ASIDE)
REVERSED = Rule("reversed_fill", "a reversal takes this fill back", _ASIDE)
QUANTITY_NEGATIVE = Rule("quantity_negative", "quantity is below 0 without a fill it takes back", _ASIDE)
QUANTITY_ZERO = Rule("quantity_zero", "quantity is 0", _ASIDE)
AMOUNT_IMPOSSIBLE = Rule("amount_impossible", "strength x quantity / days_supply is above 1,000,000 a day", _ASIDE)
QUANTITY_MISSING = Rule("quantity_missing", "quantity is missing or no finite number", _KEPT_UNKNOWN)
STRENGTH_UNUSABLE = Rule("strength_unusable", "strength_value is missing or not above 0", _KEPT_UNKNOWN)
WORD_UNKNOWN = {
    name: Rule(f"{name}_unknown", f"{name} is missing or not in the vocabulary", _KEPT_UNKNOWN)
    for name in ("form", "route", "strength_unit")
} | {"quantity_unit": Rule("quantity_unit_unknown", "quantity_unit is not in the vocabulary", _KEPT_UNKNOWN)}
BOTTLES = Rule("quantity_in_bottles", "quantity counts bottles: rescale it to mL", _KEPT_UNKNOWN)
NOT_IN_ML = Rule("quantity_not_in_ml", "strength is per mL and quantity is not in mL", _KEPT_UNKNOWN)


@dataclass(frozen=True, eq=False)
class Fills:
    """Dispensings as arrays: days since 1970-01-01 (`NO_DAY` where unusable), word codes, numbers with NaN for none."""

    frame: pd.DataFrame
    day: npt.NDArray[np.int64]
    codes: dict[str, npt.NDArray[np.int16]]
    strength: npt.NDArray[Any]
    quantity: npt.NDArray[Any]
    days_supply: npt.NDArray[Any]


def read_fills(dispensings: pd.DataFrame) -> Fills:
    """Return a frame with the schema's columns as arrays, or raise `DataError` naming the columns it lacks."""
    names = column_names(dispensings, "dispensings")
    if not isinstance(dispensings, pd.DataFrame):
        raise InputError("dispensings is a pyarrow Table; type dispensings.to_pandas().")
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        given = [name for name in names if name not in REQUIRED]
        advice = nearest(missing[0], given) if given else ""
        raise DataError(
            f"The dispensings have no column {' and no '.join(missing)}; expected {', '.join(REQUIRED)}. A column "
            f"without any value can be given as missing, for example dispensings.assign(quantity_unit=None).{advice}"
        )
    return Fills(
        dispensings,
        _days(dispensings["date"]),
        {name: word_codes(dispensings[name], name) for name in WORDS},
        *(_readable(dispensings[name]) for name in ("strength_value", "quantity", "days_supply")),
    )


def faults_that_set_aside(fills: Fills) -> Iterator[tuple[Rule, Mask]]:
    """Yield each rule that sets rows aside, in the order of counting, with the rows that break it."""
    yield PATIENT_MISSING, np.asarray(fills.frame["patient_id"].isna(), dtype=bool)
    yield DATE_UNUSABLE, fills.day == NO_DAY
    yield INGREDIENT_UNKNOWN, fills.codes["ingredient"] < 0
    # Before the rules on numbers, which the two rows of a reversal may break as well.
    reversal, reversed_fill = reversals(fills)
    yield REVERSAL, reversal
    yield REVERSED, reversed_fill
    days, quantity = fills.days_supply, fills.quantity
    yield DAYS_MISSING, np.isnan(days)
    yield DAYS_NEGATIVE, days < 0
    yield DAYS_ZERO, days == 0
    yield DAYS_FRACTIONAL, np.isfinite(days) & (days != np.floor(days))
    yield DAYS_TOO_LONG, days > MOST_DAYS
    yield QUANTITY_NEGATIVE, quantity < 0
    yield QUANTITY_ZERO, quantity == 0
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        yield AMOUNT_IMPOSSIBLE, (days >= 1) & (fills.strength * (quantity / days) > MOST_UNITS_PER_DAY)


def faults_that_stay(fills: Fills) -> Iterator[tuple[Rule, Mask]]:
    """Yield each rule whose rows are kept although no dose can be told, with the rows that break it."""
    yield QUANTITY_MISSING, ~np.isfinite(fills.quantity)
    yield STRENGTH_UNUSABLE, ~(fills.strength > 0)
    for name, rule in WORD_UNKNOWN.items():
        unknown = fills.codes[name] < 0
        # Where nothing says what the quantity counts, it counts units: only a word that is there can be wrong.
        yield rule, unknown & ~_missing(fills.frame[name]) if name == "quantity_unit" else unknown
    counted, unit = schema.vocabulary("quantity_unit"), schema.vocabulary("strength_unit")
    bottles = fills.codes["quantity_unit"] == counted.index("bottle")
    yield BOTTLES, bottles
    per_ml = fills.codes["strength_unit"] == unit.index("mg/mL")
    yield NOT_IN_ML, per_ml & ~bottles & (fills.codes["quantity_unit"] != counted.index("mL"))


def reversals(fills: Fills) -> tuple[Mask, Mask]:
    """Return which rows take a fill back, and which fills are taken back; each reversal takes back one fill.

    A reversal has a negative quantity and otherwise equals the fill in patient, day, drug, strength and quantity. The
    last of several equal fills goes first. The sign of a reversal's days' supply does not matter.
    """
    n = len(fills.frame)
    back, taken = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
    negative = fills.quantity < 0
    if not negative.any():
        return back, taken
    patients = fills.frame["patient_id"]
    concerned = np.flatnonzero(np.asarray(patients.isin(patients[negative]), dtype=bool))
    key = pd.DataFrame({name: fills.codes[name][concerned] for name in WORDS})
    key["patient"] = pd.factorize(patients.iloc[concerned])[0]
    key["day"], key["strength"] = fills.day[concerned], fills.strength[concerned]
    key["quantity"], key["days_supply"] = abs(fills.quantity[concerned]), abs(fills.days_supply[concerned])
    same = key.groupby(list(key.columns), dropna=False, sort=False).ngroup().to_numpy()
    is_back = negative[concerned]
    size = int(same.max()) + 1
    pairs = np.minimum(np.bincount(same[is_back], minlength=size), np.bincount(same[~is_back], minlength=size))
    rank = pd.Series(same).groupby([same, is_back]).cumcount(ascending=False).to_numpy()
    paired = rank < pairs[same]
    back[concerned[paired & is_back]], taken[concerned[paired & ~is_back]] = True, True
    return back, taken


def day_numbers(dates: pd.Series) -> npt.NDArray[np.int64]:
    """Return dates of any kind as days since 1970-01-01, `NO_DAY` where there is none.

    Numbers are no dates: a bare 2015 would be read as a year, and what counts days says not from when.
    """
    if dates.dtype.kind in "iufb":
        return np.full(len(dates), NO_DAY, dtype=np.int64)
    return from_timestamps(dates if dates.dtype.kind == "M" else _read_dates(dates)).astype(np.int64)


def _days(dates: pd.Series) -> npt.NDArray[np.int64]:
    """Return dates as days since 1970-01-01, `NO_DAY` where there is none or it lies out of range."""
    days = day_numbers(dates)
    first, last = (np.datetime64(f"{year}", "D").astype(np.int64) for year in (schema.FIRST_YEAR, schema.LAST_YEAR + 1))
    days[(days < first) | (days >= last)] = NO_DAY
    return days


def _read_dates(dates: pd.Series) -> pd.Series:
    """Return dates from text or objects; a time with a time zone is of the day it was there."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", FutureWarning)
        try:
            return pd.to_datetime(dates, errors="coerce", format="ISO8601")
        except (FutureWarning, ValueError):
            # Zones that differ within a column, as summer and winter time do, are cut off.
            text = dates.astype("string").str.replace(r"(:\d\d(?:\.\d+)?)(?:Z|[+-]\d\d:?\d\d)$", r"\1", regex=True)
            return pd.to_datetime(text, errors="coerce", format="ISO8601")


def _readable(column: pd.Series) -> npt.NDArray[Any]:
    """Return numbers, NaN where a value is missing or no number."""
    if column.dtype.kind in "iuf":
        return to_numbers(column)
    return to_numbers(pd.to_numeric(column, errors="coerce"))


def _missing(column: pd.Series) -> Mask:
    return np.asarray(column.isna(), dtype=bool)
