"""`start_landmark`: follow-up that begins anew at a fixed day, among those still free of the event then."""

from __future__ import annotations

from dataclasses import replace
from typing import overload

import numpy as np
import pandas as pd

from ..cohort import Cohort, Definition
from ..cohort.nouns import keep_rows
from ..dates import to_timestamps
from ..errors import InputError, nearest
from ..sources.events import event


@overload
def start_landmark(cohort: Cohort, outcome: str, *, day: float) -> Cohort: ...


@overload
def start_landmark(
    cohort: pd.DataFrame, outcome: None = None, *, day: float, duration: str, entry: str | None = None
) -> pd.DataFrame: ...


def start_landmark(
    cohort: Cohort | pd.DataFrame,
    outcome: str | None = None,
    *,
    day: float,
    duration: str | None = None,
    entry: str | None = None,
) -> Cohort | pd.DataFrame:
    """Move time zero to a later day, among rows still under observation and free of the event at its end.

    **Definition**: a row stays when it entered before ``day`` (or was followed from day 0) and is followed beyond it:
    whoever has the event, a competing event or the end of follow-up on ``day`` itself or before leaves. Days then count
    from the end of ``day``: an event on day ``day + 1`` stands at 1. What is known on ``day``, that day included, may
    serve as a covariate.

    Parameters
    ----------
    cohort : Cohort or DataFrame
    outcome : str
        A time-to-event outcome of the cohort; its others are dropped, as their days count from the former day 0.
    day : int
        Above 0, relative to day 0.
    duration, entry : str
        A plain frame's columns of days and of late entry.

    Returns
    -------
    Cohort or DataFrame
        A cohort with its index date and the outcome's days moved, one attrition line, and no episodes; columns added
        before are kept as they are. A frame with ``duration`` less ``day``, and ``entry`` 0.

    Raises
    ------
    InputError
        Unknown outcome or columns, or a day that is not above 0.
    DataError
        Nobody is left.

    Notes
    -----
    When not to use it: to speak of everyone from day 0; it says nothing of those with an event before the landmark.

    References
    ----------
    Anderson JR, Cain KC and Gelber RD. J Clin Oncol 1983;1:710-719, doi 10.1200/JCO.1983.1.11.710.

    Examples
    --------
    >>> frame = pd.DataFrame({"days": [10.0, 30.0, 31.0, 400.0]})
    >>> start_landmark(frame, day=30, duration="days")["days"].tolist()
    [1.0, 370.0]
    """
    if isinstance(day, bool) or not isinstance(day, int | float) or not 0 < day < np.inf:
        raise InputError(f"day={day!r} is no landmark; expected a day above 0, for example 30.")
    if isinstance(cohort, pd.DataFrame):
        return _of_frame(cohort, day, duration, entry, outcome)
    if duration is not None or entry is not None or outcome is None:
        raise InputError("A cohort takes the name of its outcome; duration= and entry= are for a DataFrame.")
    return _of_cohort(cohort, outcome, day)


def _of_cohort(cohort: Cohort, outcome: str, day: float) -> Cohort:
    """Return the cohort with time zero moved."""
    if day != int(day):
        raise InputError(f"day={day!r}: the index date of a cohort moves by whole days.")
    one = cohort.outcome(outcome)
    data = cohort.data
    entered = data[one.entry].to_numpy(float) < day if one.entry else np.ones(len(data), dtype=bool)
    keep = (data[one.days].to_numpy(float) > day) & entered
    zero = f"day {day:g} after the {event(cohort.index).words}"
    smaller = keep_rows(cohort, keep, f"followed beyond {zero} without {outcome.replace('_', ' ')}")
    others = [definition for definition in cohort.definitions if _counts_days(cohort, definition, outcome)]
    dropped = [column for definition in others for column in definition.columns]
    data = smaller.data.drop(columns=dropped)
    data[one.days] = data[one.days] - day
    data["index_date"] = to_timestamps((smaller.index_days + int(day)).astype(np.int32)).to_numpy()
    if one.entry:
        data[one.entry] = 0.0
    moved = replace(one, until_days=int(one.until_days - day), words=f"{one.words}, counted from {zero}")
    definitions = tuple(_moved(each, outcome, int(day), zero) for each in cohort.definitions if each not in others)
    return replace(
        smaller,
        data=data,
        definitions=definitions,
        outcomes={outcome: moved},
        intervals={},
        landmark_day=cohort.landmark_day + int(day),
    )


def _counts_days(cohort: Cohort, definition: Definition, outcome: str) -> bool:
    """Return whether a definition is another outcome, or intervals, whose days count from the former day 0."""
    return definition.name != outcome and definition.name in {*cohort.outcomes, *cohort.intervals}


def _moved(definition: Definition, outcome: str, day: int, zero: str) -> Definition:
    """Return a definition whose days are relative to the new day 0."""
    if definition.name == outcome:
        return replace(
            definition,
            words=f"{definition.words}; counted from {zero}",
            arguments={**definition.arguments, "time_zero": zero, "landmark_day": day},
        )
    known = definition.known_at_day
    return definition if known is None else replace(definition, known_at_day=known - day)


def _of_frame(
    frame: pd.DataFrame, day: float, duration: str | None, entry: str | None, outcome: str | None
) -> pd.DataFrame:
    """Return the frame's rows beyond the landmark, their days less it."""
    if duration is None or outcome is not None:
        raise InputError("A DataFrame needs duration=, its column of days, and no outcome=.")
    for column in (duration, *([entry] if entry else [])):
        if column not in frame.columns:
            raise InputError(f"{column!r} is no column of the frame.{nearest(column, map(str, frame.columns))}")
    keep = frame[duration] > day
    if entry:
        keep &= frame[entry].fillna(0) < day
    if not keep.any():
        raise InputError(f"Nobody of {len(frame):,} rows is followed beyond day {day:g}; choose an earlier landmark.")
    moved = frame[keep].assign(**{duration: frame.loc[keep, duration] - day}).reset_index(drop=True)
    return moved.assign(**{entry: 0.0}) if entry else moved
