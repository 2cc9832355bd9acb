"""From a cohort or frame to the days between which each row's event happened, for parametric models."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..cohort import Cohort
from ..errors import DataError, InputError
from ..formats import count
from .followup import Columns, FollowUp, ended_by, follow_up, pick_cause
from .kernels.accelerated import Times
from .rows import check_columns, complete_rows

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class EventTimes:
    """Rows with the days of their events; ``happened`` (n,) whether the event did, ``words`` what ends follow-up."""

    follow: FollowUp
    times: Times = field(repr=False)
    happened: Mask = field(repr=False)
    cause: str
    words: str
    is_interval: bool


def event_times(
    data: Cohort | pd.DataFrame,
    outcome: str | None,
    columns: Columns,
    *,
    cause: str | None,
    limits: tuple[str | None, str | None],
    also: Iterable[str],
) -> EventTimes:
    """Return the days of the events, from follow-up or from two columns of limits.

    Raises
    ------
    InputError
        Both or half of the two ways are given.
    DataError
        Days that cannot be.
    """
    lower, upper = limits
    if lower is None and upper is None:
        follow = follow_up(data, outcome, columns, also=also, others="compete")
        which = pick_cause(follow, cause)
        happened = follow.cause == 1 + follow.causes.index(which)
        entry = np.zeros(len(follow.stop)) if follow.entry is None else follow.entry
        times = Times(follow.stop, np.where(happened, follow.stop, np.inf), entry)
        return EventTimes(follow, times, happened, which, ended_by(follow, which), is_interval=False)
    if lower is None or upper is None:
        raise InputError("Interval-censored days need both lower= and upper=.")
    if columns != Columns() or outcome is not None or cause is not None:
        raise InputError("lower= and upper= stand in place of outcome=, cause=, duration=, status=, event= and entry=.")
    return _limits(data, lower, upper, list(also))


def _limits(data: Cohort | pd.DataFrame, lower: str, upper: str, also: list[str]) -> EventTimes:
    """Return the days between which the event happened; a missing upper limit is infinite."""
    if not isinstance(data, Cohort | pd.DataFrame):
        raise InputError(f"Expected a Cohort or a pandas DataFrame, got {type(data).__name__}.")
    frame = data.frame if isinstance(data, Cohort) else data
    check_columns(frame, [lower, upper, *also], argument="The call")
    for name in (lower, upper):
        if not pd.api.types.is_numeric_dtype(frame[name]) or pd.api.types.is_bool_dtype(frame[name]):
            raise InputError(f"{name!r} must hold days as numbers; it holds {frame[name].dtype}.")
    kept, excluded = complete_rows(frame, [lower, *also])
    frame = frame[kept].reset_index(drop=True)
    low = frame[lower].to_numpy(dtype=np.float64)
    high = np.nan_to_num(frame[upper].to_numpy(dtype=np.float64), nan=np.inf, posinf=np.inf)
    n = count(len(frame))
    for wrong, why in (
        (low < 0, f"a negative {lower!r}"),
        (high <= 0, f"an {upper!r} of 0 or less"),
        (low > high, f"{lower!r} after {upper!r}"),
        ((low == 0) & np.isinf(high), f"neither a {lower!r} above 0 nor an {upper!r}, which says nothing"),
    ):
        if wrong.any():
            raise DataError(f"{count(wrong.sum())} of {n} rows have {why}; expected 0 <= {lower} <= {upper}.")
    happened = np.isfinite(high)
    if not happened.any():
        raise InputError(f"No row of {n} has an {upper!r}: no event is known; there is nothing to estimate.")
    cohort = data if isinstance(data, Cohort) else None
    follow = FollowUp(
        frame=frame,
        stop=np.where(happened, high, low),
        entry=None,
        cause=happened.astype(np.int64),
        causes=("event",),
        n_events=1,
        outcome="event",
        unit="row" if cohort is None else cohort.unit,
        cluster=None if cohort is None or cohort.unit == "patient" else "patient_id",
        definitions=() if cohort is None else tuple(cohort.definitions),
        excluded=excluded,
    )
    return EventTimes(follow, Times(low, high, np.zeros(len(low))), happened, "event", "", is_interval=True)
