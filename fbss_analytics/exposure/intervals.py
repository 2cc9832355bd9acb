"""Algebra of day intervals by row: merge, widen, cut, take away, and the first long enough run.

Spans are frames with int columns ``row``, ``start`` and ``end``, both days included. Merged spans are sorted, and
those of one row neither overlap nor touch.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..dates import FAR

Integers = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]
_REACH = 8 * FAR
"""More days than any span is long, so that the spans of a row never reach those of the next on the joint axis."""


def make_spans(row: npt.ArrayLike, start: npt.ArrayLike, end: npt.ArrayLike) -> pd.DataFrame:
    """Return spans as a frame, those that end before they start left out."""
    columns = {"row": row, "start": start, "end": end}
    spans = pd.DataFrame({name: np.asarray(values, dtype=np.int64) for name, values in columns.items()})
    return spans[spans["end"] >= spans["start"]].reset_index(drop=True)


def merge(spans: pd.DataFrame) -> pd.DataFrame:
    """Return the union of the spans of each row; spans that touch become one."""
    if spans.empty:
        return make_spans([], [], [])
    spans = spans.sort_values(["row", "start"], kind="stable")
    row, start = spans["row"].to_numpy(), np.clip(spans["start"].to_numpy(), -FAR, FAR)
    end = np.clip(spans["end"].to_numpy(), -FAR, FAR)
    reach = np.maximum.accumulate(row * _REACH + end)
    opens = np.append(True, (row * _REACH + start)[1:] > reach[:-1] + 1)
    last = np.append(np.flatnonzero(opens)[1:], len(row)) - 1
    return make_spans(row[opens], start[opens], reach[last] - row[opens] * _REACH)


def widen(spans: pd.DataFrame, days: int) -> pd.DataFrame:
    """Return spans longer by some days at each end (shorter where ``days`` is negative), merged."""
    return merge(make_spans(spans["row"], spans["start"] - days, spans["end"] + days))


def gaps(spans: pd.DataFrame, n_rows: int) -> pd.DataFrame:
    """Return what merged spans leave of each row's axis, which reaches from minus to plus `FAR`."""
    all_rows = np.arange(n_rows)
    row = np.concatenate([spans["row"].to_numpy(), all_rows])
    after = np.concatenate([spans["end"].to_numpy() + 1, np.full(n_rows, -FAR)])
    before = np.concatenate([spans["start"].to_numpy() - 1, np.full(n_rows, FAR)])
    order_after, order_before = np.lexsort((after, row)), np.lexsort((before, row))
    return make_spans(row[order_after], after[order_after], before[order_before])


def common(one: pd.DataFrame, other: pd.DataFrame, n_rows: int) -> pd.DataFrame:
    """Return the days that are in both of two sets of merged spans."""
    return gaps(merge(pd.concat([gaps(one, n_rows), gaps(other, n_rows)])), n_rows)


def less(one: pd.DataFrame, other: pd.DataFrame, n_rows: int) -> pd.DataFrame:
    """Return the days of the first merged spans that are not in the second."""
    return common(one, gaps(other, n_rows), n_rows)


def within(spans: pd.DataFrame, first: npt.ArrayLike, last: npt.ArrayLike) -> pd.DataFrame:
    """Return the parts of spans between two days by row (or the same for all), both included."""
    row = spans["row"].to_numpy()
    low, high = (np.broadcast_to(np.asarray(day), row.shape) if np.ndim(day) == 0 else np.asarray(day)[row]
                 for day in (first, last))  # fmt: skip
    return make_spans(row, np.maximum(spans["start"], low), np.minimum(spans["end"], high))


def holds_throughout(spans: pd.DataFrame, first: int, last: int, n_rows: int) -> npt.NDArray[np.bool_]:
    """Return the rows with one merged span over every day of a window."""
    over = np.zeros(n_rows, dtype=bool)
    over[spans["row"].to_numpy()[(spans["start"] <= first) & (spans["end"] >= last)]] = True
    return over


def holds_on_any(spans: pd.DataFrame, first: int, last: int, n_rows: int) -> npt.NDArray[np.bool_]:
    """Return the rows with a span on at least one day of a window."""
    over = np.zeros(n_rows, dtype=bool)
    over[spans["row"].to_numpy()[(spans["start"] <= last) & (spans["end"] >= first)]] = True
    return over


def first_run(spans: pd.DataFrame, least_days: int, n_rows: int) -> Numbers:
    """Return the first day of each row's first span of at least some days; missing without one."""
    long_enough = spans[spans["end"] - spans["start"] + 1 >= least_days].drop_duplicates("row")
    day = np.full(n_rows, np.nan)
    day[long_enough["row"].to_numpy()] = long_enough["start"].to_numpy()
    return day


def run_open_at(spans: pd.DataFrame, end: Numbers, n_rows: int) -> Numbers:
    """Return the first day of the span that is still open on a row's last day; missing where none is."""
    row = spans["row"].to_numpy()
    still = spans[spans["end"].to_numpy() == end[row]]
    day = np.full(n_rows, np.nan)
    day[still["row"].to_numpy()] = still["start"].to_numpy()
    return day


def holds_day(spans: pd.DataFrame, row: Integers, day: Integers) -> npt.NDArray[np.bool_]:
    """Return which (row, day) pairs lie in merged spans."""
    at = np.searchsorted(spans["row"].to_numpy() * _REACH + spans["start"].to_numpy(), row * _REACH + day, "right") - 1
    last = np.append(spans["row"].to_numpy() * _REACH + spans["end"].to_numpy(), -_REACH)
    return np.asarray(last[at] >= row * _REACH + day)


def to_lists(spans: pd.DataFrame, n_rows: int) -> tuple[Integers, Integers, Integers]:
    """Return merged spans as arrays: where those of each row begin (n_rows + 1), first days and last days."""
    first = np.searchsorted(spans["row"].to_numpy(), np.arange(n_rows + 1)).astype(np.int64)
    return first, spans["start"].to_numpy(np.int64), spans["end"].to_numpy(np.int64)
