"""The first long enough gap in supply as the columns of an outcome; elimination and discontinuation both rest on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..cohort import Cohort
from ..exposure.freedom import Coverage, free_runs
from ..exposure.intervals import first_run, run_open_at
from .assemble import Numbers, first_days, follow


@dataclass(frozen=True, eq=False)
class FirstGap:
    """First gap of each row, in days relative to day 0.

    Attributes
    ----------
    day : (n,) float
        First day of the first gap that lasts long enough; infinite without one.
    entry, end : (n,) float
        First and last day on which the absence of a gap is certain; missing for rows never observed.
    open_since : (n,) float
        First day of a gap that the end of observation cuts short, before death and without a long enough one earlier;
        missing where there is none. It may or may not become a long enough gap.
    """

    day: Numbers
    entry: Numbers
    end: Numbers
    open_since: Numbers


def first_gap(found: Coverage, least_days: int) -> FirstGap:
    """Return each row's first run of at least some observed days without supply, from day 1 on."""
    runs, entry, end = free_runs(found)
    day = first_run(runs, least_days, found.n_rows)
    open_since = np.where(np.isnan(day) & (end < found.death), run_open_at(runs, end, found.n_rows), np.nan)
    # A gap still open when observation ends may become long enough: nothing is known from its first day on.
    end = np.where(np.isnan(open_since), end, open_since - 1)
    return FirstGap(np.where(np.isnan(day), np.inf, day), entry, end, open_since)


def gap_columns(
    cohort: Cohort,
    gap: FirstGap,
    chosen: npt.NDArray[np.bool_],
    *,
    rivals: tuple[str, ...],
    until_days: int,
    name: str,
) -> dict[str, npt.NDArray[Any]]:
    """Return the columns ``_days``, ``_status`` and ``_entry_days`` of the time to the first gap of chosen rows."""
    times = {rival: first_days(cohort, rival) for rival in rivals}
    entry = np.where(chosen, gap.entry, np.nan)
    days, status, entry = follow(gap.day, gap.end, times, entry=entry, until_days=until_days)
    return {f"{name}_days": days, f"{name}_status": status, f"{name}_entry_days": entry}
