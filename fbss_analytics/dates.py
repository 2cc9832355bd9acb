"""The one date convention: whole days, counted from 1970-01-01, windows that include both ends.

Day 0 of a patient is the index date. A supply of ``n`` days from day ``s`` covers ``s .. s + n - 1``.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from .errors import InputError

DAYS_PER_YEAR = 365.25
NO_DAY = np.iinfo(np.int32).min
"""Stands for a missing date among int32 day numbers; smaller than every real day."""

Days = npt.NDArray[np.int32]
Window = tuple[int, int]
OpenWindow = tuple[int | None, int | None]
FAR = 1_000_000
"""Days that no history reaches; stands for *no bound* in an open window."""


def to_days(column: pa.Array | pa.ChunkedArray) -> Days:
    """Return an Arrow ``date32`` column as int32 days since 1970-01-01, `NO_DAY` where it is null."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    filled = array.cast(pa.int32()).fill_null(int(NO_DAY))
    return np.asarray(filled.to_numpy(zero_copy_only=False), dtype=np.int32)


def to_date32(days: npt.NDArray[Any]) -> pa.Array:
    """Return int day numbers as an Arrow ``date32`` array, null where they are `NO_DAY`."""
    numbers = np.asarray(days, dtype=np.int32)
    return pa.array(numbers, mask=numbers == NO_DAY, type=pa.int32()).cast(pa.date32())


def to_timestamps(days: npt.NDArray[Any]) -> pd.Series:
    """Return int day numbers as a pandas datetime column, NaT where they are `NO_DAY`."""
    numbers = np.asarray(days, dtype=np.int64)
    stamps = numbers.astype("datetime64[D]").astype("datetime64[s]")
    stamps[numbers == NO_DAY] = np.datetime64("NaT")
    return pd.Series(stamps)


def from_timestamps(column: pd.Series) -> Days:
    """Return a pandas datetime column as int32 days since 1970-01-01, `NO_DAY` where it is NaT.

    A time counts for its day, and one with a time zone for the day it was there.
    """
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        column = column.dt.tz_localize(None)
    values = column.to_numpy().astype("datetime64[D]")
    missing = np.isnat(values)
    numbers = np.where(missing, 0, values.astype(np.int64)).astype(np.int32)
    numbers[missing] = NO_DAY
    return numbers


def year_of(days: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Return the calendar year of each day number."""
    years = np.asarray(days, dtype=np.int64).astype("datetime64[D]").astype("datetime64[Y]")
    return years.astype(np.int64) + 1970


def month_of(days: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Return the calendar month (1-12) of each day number."""
    months = np.asarray(days, dtype=np.int64).astype("datetime64[D]").astype("datetime64[M]")
    return months.astype(np.int64) % 12 + 1


def check_window(days: Window, *, name: str = "days") -> Window:
    """Return a window ``(first, last)``, both ends included, or raise `InputError` when it ends before it starts."""
    try:
        first, last = (operator.index(day) for day in days)
    except (TypeError, ValueError):
        raise InputError(f"{name}={days!r} is not a window; expected two whole days such as (-90, -1).") from None
    if last < first:
        raise InputError(f"{name}=({first}, {last}) ends before it starts; did you mean ({last}, {first})?")
    return first, last


def whole_days(days: float, *, name: str, least: int = 1, example: int = 30) -> int:
    """Return a whole number of days, at most `FAR`, or raise `InputError` where it is none or below ``least``."""
    try:
        number = operator.index(int(days) if isinstance(days, float) and days.is_integer() else days)  # type: ignore[arg-type]
    except TypeError:
        number = least - 1
    if number < least or isinstance(days, bool):
        raise InputError(f"{name}={days!r}: expected a whole number of days, {least} or more, for example {example}.")
    return min(number, FAR)


def open_window(days: OpenWindow, *, name: str = "days") -> Window:
    """Return a window whose missing bounds (`None`) are out of reach."""
    try:
        first, last = days
    except (TypeError, ValueError):
        raise InputError(
            f"{name}={days!r} is not a window; expected two days such as (-365, -1) or (None, -1)."
        ) from None
    return check_window((-FAR if first is None else first, FAR if last is None else last), name=name)


def window_words(days: OpenWindow) -> str:
    """Return a window in words, for example ``days -90 to -1``; both ends are always included."""
    first, last = days
    if first is None and last is None:
        return "any day"
    if first == last:
        return f"day {first}"
    if first is None:
        return f"day {last} or before"
    return f"day {first} or after" if last is None else f"days {first} to {last}"
