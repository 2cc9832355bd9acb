"""When a patient is free of systemic opioids, when using, and when it cannot be told."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..cohort import Cohort
from .coverage import covered_spans, death_days, followed, pharmacy_spans
from .definition import DoseDefinition
from .intervals import Numbers, common, gaps, less, make_spans, merge, widen, within


@dataclass(frozen=True, eq=False)
class Coverage:
    """Merged spans by row: days with supply, and days on which a fill would have been seen; and days of death."""

    covered: pd.DataFrame
    observed: pd.DataFrame
    death: Numbers
    n_rows: int


def coverage(cohort: Cohort, dose: DoseDefinition, *, what: str) -> Coverage:
    """Return what is known of a cohort's supply under a dose definition."""
    observed = pharmacy_spans(cohort, what=what)
    return Coverage(covered_spans(cohort, dose), observed, death_days(cohort), len(cohort))


def free_and_using(found: Coverage, margin_days: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return merged spans of days t that are free, and that are not.

    **Definition**: t is free when no supply covers t-m .. t+m and all these days are observed; t is using when it is
    observed and one of these days is observed and covered. After death a patient is known to have no supply, so a
    window that death cuts short counts as observed to its end; a day after death is neither.
    """
    n = found.n_rows
    dead = np.flatnonzero(np.isfinite(found.death))
    last = found.observed.groupby("row")["end"].max().reindex(dead).to_numpy(float)
    seen_to_death = dead[last == found.death[dead]]
    beyond = make_spans(seen_to_death, found.death[seen_to_death] + 1, found.death[seen_to_death] + margin_days)
    known = widen(merge(pd.concat([found.observed, beyond])), -margin_days)
    near = widen(common(found.covered, found.observed, n), margin_days)
    alive = gaps(make_spans(dead, found.death[dead], np.full(len(dead), 10**6)), n)
    free = common(common(less(known, near, n), found.observed, n), alive, n)
    return free, common(common(near, found.observed, n), alive, n)


def free_runs(found: Coverage) -> tuple[pd.DataFrame, Numbers, Numbers]:
    """Return observed days without supply from day 1 on as merged spans, and first and last day followed by row."""
    entry, end = followed(found.observed, found.n_rows)
    rows = np.flatnonzero(np.isfinite(end))
    view = make_spans(rows, np.maximum(entry[rows], 1), end[rows])
    return less(view, found.covered, found.n_rows), entry, end


def was_covered(found: Coverage, days: tuple[int, int]) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Return which rows have observed supply on at least one day of a window."""
    had = np.zeros(found.n_rows, dtype=bool)
    had[within(common(found.covered, found.observed, found.n_rows), *days)["row"].to_numpy()] = True
    return had
