"""The sweep over supplies: each patient's daily dose as steps, and the totals, days and maxima of a window.

Works on interval edges, never on single days: at every edge the sums of what is active change by what begins or ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..dates import FAR
from .supply import Supplies

Numbers = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
GRAIN = 2.0**-33
"""The step in which doses are counted, about 1e-10 MME: exact to 1e-9, with room for 1e9 MME a day."""


@dataclass(frozen=True, eq=False)
class Steps:
    """Daily dose as steps: on days ``start .. stop - 1`` a ``row`` has ``mme_per_day`` from ``n_active`` fills."""

    row: Integers
    start: Integers
    stop: Integers
    mme_per_day: Numbers
    n_active: Integers


def cut(supplies: Supplies, *, row: Integers, start: Integers, end: Integers) -> tuple[Supplies, Integers]:
    """Return the supplies' parts inside spans of their row (both ends included), and which supply each part is of.

    The spans are sorted by row; those of one row do not overlap.
    """
    # Rows and days on one axis, on which the rows lie too far apart to meet: only spans a supply touches are paired.
    axis = 8 * FAR
    first = np.searchsorted(row * axis + end, supplies.row * axis + supplies.start, side="left")
    spans = np.searchsorted(row * axis + start, supplies.row * axis + supplies.end, side="right") - first
    which = np.repeat(np.arange(len(supplies.row)), spans)
    span = np.repeat(first - (np.cumsum(spans) - spans), spans) + np.arange(len(which))
    begin, finish = np.maximum(supplies.start[which], start[span]), np.minimum(supplies.end[which], end[span])
    inside = finish >= begin
    which = which[inside]
    known, banded = supplies.mme_per_day[which], supplies.banded_mg_per_day[which]
    return Supplies(supplies.row[which], begin[inside], finish[inside], known, banded), which


def to_steps(supplies: Supplies, *, upper_edges: Numbers, factors: Numbers) -> Steps:
    """Add up concurrent supplies; an unknown dose covers its days and adds nothing to the known dose.

    ``upper_edges`` and ``factors`` are the bands of the ingredient converted by its total daily dose: the band is that
    of the total on the day, its upper edge included, and applies to the whole dose.
    """
    n = len(supplies.row)
    row = np.concatenate([supplies.row, supplies.row])
    day = np.concatenate([supplies.start, supplies.end + 1])
    sign = np.repeat([1, -1], n)
    order = np.lexsort((day, row))
    row, day, sign = row[order], day[order], sign[order]
    known = np.nan_to_num(supplies.mme_per_day)
    linear = _running(np.concatenate([known, -known])[order])
    banded = _running(np.concatenate([supplies.banded_mg_per_day, -supplies.banded_mg_per_day])[order])
    active = np.cumsum(sign)
    # Within a patient the sums return to zero at the last edge, so one running sum serves all patients.
    last = np.ones(2 * n, dtype=bool)
    last[:-1] = (row[1:] != row[:-1]) | (day[1:] != day[:-1])
    row, day, active, linear, banded = row[last], day[last], active[last], linear[last], banded[last]
    following = np.roll(day, -1)
    open_ = active > 0
    dose = linear + banded_mme(banded, upper_edges, factors)
    return Steps(row[open_], day[open_], following[open_], dose[open_], active[open_])


def _running(changes: Numbers) -> Numbers:
    """Return the running sum without the drift of adding and taking away: doses are counted in steps of `GRAIN` MME."""
    return np.asarray(np.cumsum(np.rint(changes / GRAIN).astype(np.int64)) * GRAIN)


def banded_mme(mg_per_day: Numbers, upper_edges: Numbers, factors: Numbers) -> Numbers:
    """Convert a total daily dose by its band; the upper edge belongs to the band."""
    if len(factors) == 0:
        return np.zeros_like(mg_per_day)
    # Three fills of 40/3 mg a day are 40 mg, although their sum comes out a hair above it.
    band = np.searchsorted(upper_edges, np.round(mg_per_day, 6), side="left")
    return np.asarray(mg_per_day * factors[np.minimum(band, len(factors) - 1)])


def window_totals(steps: Steps, n_rows: int) -> dict[str, Numbers]:
    """Return per row ``total_mme``, ``days_covered`` and ``max_daily_mme`` of steps already cut to a window."""
    length = (steps.stop - steps.start).astype(float)
    maximum = np.zeros(n_rows)
    np.maximum.at(maximum, steps.row, steps.mme_per_day)
    return {
        "total_mme": sum_by_row(steps.row, steps.mme_per_day * length, n_rows),
        "days_covered": sum_by_row(steps.row, length, n_rows),
        "max_daily_mme": maximum,
    }


def sum_by_row(row: Integers, values: npt.NDArray[Any], n_rows: int) -> Numbers:
    """Return the sum of values per row, 0 for rows without any."""
    return np.asarray(np.bincount(row, weights=values, minlength=n_rows), dtype=np.float64)
