"""From days of events to the columns of an outcome, for endpoints that find their events in their own way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ..cohort import Cohort, Definition, Outcome
from ..cohort.linkage import relative_events
from ..cohort.nouns import add_columns
from ..dates import whole_days
from ..sources.events import event

Numbers = npt.NDArray[np.float64]


def rivals_of(competing: str | tuple[str, ...] | None) -> tuple[str, ...]:
    """Return the names of competing events as a tuple; each must be a named event."""
    rivals = (competing,) if isinstance(competing, str) else tuple(competing or ())
    for rival in rivals:
        event(rival)
    return rivals


def rivals_words(rivals: tuple[str, ...]) -> str:
    """Return what competes, in words: ``; death competes``."""
    against = f"; {' and '.join(event(rival).words for rival in rivals)}" if rivals else ""
    return against + {0: "", 1: " competes"}.get(len(rivals), " compete")


def check_until(until_days: int) -> None:
    """Raise `InputError` where the last day of follow-up leaves no follow-up."""
    whole_days(until_days, name="until_days", example=1825)


def first_days(cohort: Cohort, name: str, *, after: Numbers | None = None) -> Numbers:
    """Return the day of each row's first event of a name on day 0 or later (or after a day by row); else infinite."""
    rows = relative_events(cohort, name)
    row, day = rows["row"].to_numpy(), rows["day"].to_numpy(float)
    least = np.zeros(len(cohort)) if after is None else after + 1
    keep = day >= least[row]
    first = np.full(len(cohort), np.inf)
    np.minimum.at(first, row[keep], day[keep])
    return first


def follow(
    found: Numbers, end: Numbers, rivals: Mapping[str, Numbers], *, entry: Numbers, until_days: int
) -> tuple[Numbers, npt.NDArray[Any], Numbers]:
    """Return days, status and entry.

    ``found`` is the day of the event (infinite without one), ``end`` the last day followed and ``entry`` the first;
    missing days leave the row out. The event wins a tie, and the first rival named wins one among rivals.
    """
    day, status = np.minimum(end, until_days), np.full(len(found), "censored", dtype=object)
    for rival in reversed(list(rivals)):
        comes = rivals[rival] <= day
        day, status = np.where(comes, rivals[rival], day), np.where(comes, rival, status)
    happens = found <= day
    day, status = np.where(happens, found, day), np.where(happens, "event", status)
    unseen = np.isnan(end) | np.isnan(entry) | ~(day >= entry)
    status[unseen] = None
    late = np.where(entry > 0, entry - 0.5, 0.0)
    return np.where(unseen, np.nan, np.maximum(day, 0.5)), status, np.where(unseen, np.nan, late)


def add_outcome(
    cohort: Cohort,
    definition: Definition,
    columns: Mapping[str, npt.NDArray[Any]],
    *,
    competing: tuple[str, ...],
    until_days: int,
) -> Cohort:
    """Return the cohort with an outcome named as its definition: columns ``_days``, ``_status``, ``_entry_days``."""
    name = definition.name
    outcome = Outcome(
        name, f"{name}_days", f"{name}_status", f"{name}_entry_days", ("event",), competing, until_days,
        definition.words,
    )  # fmt: skip
    return add_columns(cohort, columns, definition, outcome=outcome)
