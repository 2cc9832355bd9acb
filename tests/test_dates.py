"""The date convention."""

from collections.abc import Callable
from datetime import date

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from fbss_analytics import dates
from fbss_analytics.dates import FAR, NO_DAY
from fbss_analytics.errors import InputError

Refused = Callable[..., None]
DAYS = pa.array([date(1970, 1, 1), None, date(1969, 12, 31), date(2024, 2, 29)], pa.date32())
NUMBERS = [0, NO_DAY, -1, 19_782]


def test_days_count_from_1970() -> None:
    assert dates.to_days(DAYS).tolist() == NUMBERS
    assert dates.to_days(pa.chunked_array([DAYS[:2], DAYS[2:]])).tolist() == NUMBERS
    assert dates.to_days(DAYS).dtype == np.int32
    assert dates.to_days(pa.array([], pa.date32())).tolist() == []


def test_days_go_there_and_back() -> None:
    assert dates.to_date32(np.array(NUMBERS)).equals(DAYS)
    stamps = dates.to_timestamps(np.array(NUMBERS))
    assert stamps.dtype == "datetime64[s]"
    assert stamps.isna().tolist() == [False, True, False, False]
    assert stamps[3] == pd.Timestamp("2024-02-29")
    assert dates.from_timestamps(stamps).tolist() == NUMBERS
    assert dates.from_timestamps(stamps.astype("datetime64[ns]")).tolist() == NUMBERS


def test_years_and_months() -> None:
    days = np.array([-1, 0, 30, 31, 19_782])
    assert dates.year_of(days).tolist() == [1969, 1970, 1970, 1970, 2024]
    assert dates.month_of(days).tolist() == [12, 1, 1, 2, 2]


@pytest.mark.parametrize("window", [(-90, -1), (0, 0), [np.int64(-90), np.int32(-1)]])
def test_a_window_is_two_whole_days(window: tuple[int, int]) -> None:
    assert dates.check_window(window) == tuple(window)


@pytest.mark.parametrize("window", [5, (-90,), (-90, -1, 0), ("-90", "-1"), (None, -1), (-90.5, -1), None, "ab"])
def test_anything_else_is_no_window(window: object, refused: Refused) -> None:
    refused(InputError, lambda: dates.check_window(window, name="days"), "days=", "two whole days such as (-90, -1)")


def test_a_window_that_ends_before_it_starts(refused: Refused) -> None:
    refused(InputError, lambda: dates.check_window((-1, -90), name="days"), "days=(-1, -90)", "did you mean (-90, -1)?")
    refused(InputError, lambda: dates.open_window((1, 0)), "did you mean (0, 1)?")


def test_open_windows() -> None:
    assert dates.open_window((None, -1)) == (-FAR, -1)
    assert dates.open_window((-365, None)) == (-365, FAR)
    assert dates.open_window((None, None)) == (-FAR, FAR)


@pytest.mark.parametrize("window", [None, 5, (1, 2, 3)])
def test_no_open_window(window: object, refused: Refused) -> None:
    refused(InputError, lambda: dates.open_window(window), "(-365, -1) or (None, -1)")


@pytest.mark.parametrize(
    ("window", "words"),
    [
        ((None, None), "any day"),
        ((None, 0), "day 0 or before"),
        ((1, None), "day 1 or after"),
        ((-90, -1), "days -90 to -1"),
        ((0, 0), "day 0"),
    ],
)
def test_windows_in_words(window: tuple[int | None, int | None], words: str) -> None:
    assert dates.window_words(window) == words
