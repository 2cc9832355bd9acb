"""The sweep over supplies: each patient's daily dose as steps, and the totals, days and maxima of a window.

Works on interval edges, never on single days: at every edge the sums of what is active change by what begins or ends.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..dates import Window
from .supply import Supplies

Numbers = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Steps:
    """Daily dose as steps: on days ``start .. stop - 1`` of ``row`` the dose is ``mme_per_day`` from ``n_active`` fills."""

    row: Integers
    start: Integers
    stop: Integers
    mme_per_day: Numbers
    n_active: Integers


def clip(supplies: Supplies, days: Window) -> Supplies:
    """Return the supplies' parts inside a window, both ends included."""
    start, end = np.maximum(supplies.start, days[0]), np.minimum(supplies.end, days[1])
    inside = end >= start
    parts = (supplies.row, start, end, supplies.mme_per_day, supplies.banded_mg_per_day)
    return Supplies(*(part[inside] for part in parts))


def to_steps(supplies: Supplies, *, upper_edges: Numbers, factors: Numbers) -> Steps:
    """Add up concurrent supplies; an unknown dose covers its days and adds nothing to the known dose.

    ``upper_edges`` and ``factors`` are the bands of the ingredient converted by its total daily dose: the band is that of
    the total on the day, its upper edge included, and applies to the whole dose.
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
    last = np.append((row[1:] != row[:-1]) | (day[1:] != day[:-1]), True)
    row, day, active, linear, banded = row[last], day[last], active[last], linear[last], banded[last]
    following = np.append(day[1:], 0)
    open_ = active > 0
    dose = linear + banded_mme(banded, upper_edges, factors)
    return Steps(row[open_], day[open_], following[open_], dose[open_], active[open_])


def _running(changes: Numbers) -> Numbers:
    """Return the running sum without the drift of adding and taking away: doses are multiples of 1e-9 MME."""
    return np.cumsum(np.rint(changes * 1e9).astype(np.int64)) / 1e9


def banded_mme(mg_per_day: Numbers, upper_edges: Numbers, factors: Numbers) -> Numbers:
    """Convert a total daily dose by its band; the upper edge belongs to the band."""
    if len(factors) == 0:
        return np.zeros_like(mg_per_day)
    band = np.searchsorted(upper_edges, mg_per_day, side="left")
    return np.asarray(mg_per_day * factors[np.minimum(band, len(factors) - 1)])


def window_totals(steps: Steps, n_rows: int) -> dict[str, Numbers]:
    """Return per row ``total_mme``, ``days_covered`` and ``max_daily_mme`` of steps already cut to a window."""
    length = (steps.stop - steps.start).astype(float)
    maximum = np.zeros(n_rows)
    np.maximum.at(maximum, steps.row, steps.mme_per_day)
    return {
        "total_mme": np.bincount(steps.row, weights=steps.mme_per_day * length, minlength=n_rows),
        "days_covered": np.bincount(steps.row, weights=length, minlength=n_rows),
        "max_daily_mme": maximum,
    }
