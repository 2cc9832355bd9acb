"""From a cohort's outcome, or a plain frame's columns, to checked arrays of time, status and entry."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..cohort import Cohort, Definition
from ..errors import DataError, InputError, nearest
from ..formats import count, plural
from .rows import check_columns, complete_rows

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

CENSORED = "censored"

MOST_GROUPS = 20
"""More groups than this in one picture cannot be told apart."""


@dataclass(frozen=True, eq=False)
class FollowUp:
    """Rows that can be used.

    Shapes (n,): ``stop`` > ``entry`` >= 0; ``cause`` is 0 for censored, else 1 + its place in ``causes``. ``causes``
    are the events of interest (``n_events`` of them), then the competing ones.
    """

    frame: pd.DataFrame = field(repr=False)
    stop: Floats = field(repr=False)
    entry: Floats | None = field(repr=False)
    cause: Ints = field(repr=False)
    causes: tuple[str, ...]
    n_events: int
    outcome: str
    unit: str
    cluster: str | None
    definitions: tuple[Definition, ...]
    excluded: pd.DataFrame = field(repr=False)

    @property
    def competing(self) -> tuple[str, ...]:
        """Names of the competing events."""
        return self.causes[self.n_events :]

    def name_of(self, cause: str) -> str:
        """Return a cause as a reader knows it: the plain "event" is called by its outcome."""
        return self.outcome if cause == "event" else cause

    def codes(self, column: str) -> Ints:
        """Return a column as whole numbers from 0, for strata and clusters."""
        return np.asarray(pd.factorize(self.frame[column])[0], dtype=np.int64)


@dataclass(frozen=True)
class Columns:
    """The escape hatch of a plain frame: which columns hold what."""

    duration: str | None = None
    status: str | None = None
    event: str | Sequence[str] | None = None
    competing: str | Sequence[str] | None = None
    entry: str | None = None


def follow_up(
    data: Cohort | pd.DataFrame,
    outcome: str | None,
    columns: Columns,
    *,
    also: Iterable[str] = (),
    others: str = "refuse",
) -> FollowUp:
    """Return the checked follow-up of a cohort's outcome or of a plain frame.

    Parameters
    ----------
    data : cohort or frame. outcome : the cohort's outcome by name. columns : what a plain frame holds where.
    also : further columns in which a missing value leaves the row out.
    others : a status that is neither the event, named as competing nor ``censored``: "refuse" it or let it "compete".

    Raises
    ------
    InputError
        Wrong arguments, an ambiguous status, or no event.
    DataError
        Times that are negative, 0, or not after entry.
    """
    if isinstance(data, Cohort):
        return _of_cohort(data, outcome, columns, tuple(also))
    if not isinstance(data, pd.DataFrame):
        raise InputError(f"Expected a Cohort or a pandas DataFrame, got {type(data).__name__}.")
    if outcome is not None:
        raise InputError("outcome= names an outcome of a Cohort; with a DataFrame give duration=, status= and event=.")
    return _of_frame(data, columns, tuple(also), others)


def groups(follow: FollowUp, by: str | None) -> list[tuple[str, npt.NDArray[np.bool_]]]:
    """Return (name, mask) of each group in order; one group "all" without ``by``."""
    if by is None:
        return [("all", np.ones(len(follow.stop), dtype=bool))]
    values = follow.frame[by]
    if isinstance(values.dtype, pd.CategoricalDtype):
        levels = list(values.cat.remove_unused_categories().cat.categories)
    else:
        levels = sorted(values.unique())
    if len(levels) > MOST_GROUPS:
        raise InputError(f"by={by!r} has {len(levels)} distinct values; expected a category of {MOST_GROUPS} at most.")
    return [(group_name(level), (values == level).to_numpy(dtype=bool)) for level in levels]


def pick_cause(follow: FollowUp, cause: str | None) -> str:
    """Return the cause to model: the only event, or the one named."""
    if cause is None:
        if follow.n_events > 1:
            raise InputError(f"{follow.outcome!r} has several causes; give cause= one of {', '.join(follow.causes)}.")
        return follow.causes[0]
    if cause not in follow.causes:
        raise InputError(f"cause={cause!r} is no event of {follow.outcome!r}.{nearest(cause, follow.causes)}")
    if not (follow.cause == 1 + follow.causes.index(cause)).any():
        raise InputError(f"No row has the event {cause!r}; there is nothing to estimate.")
    return cause


def ended_by(follow: FollowUp, cause: str) -> str:
    """Return which other events end follow-up, in words."""
    others = [name for name in follow.causes if name != cause]
    return f" ({', '.join(others)} counted as censored)" if others else ""


def group_name(level: object) -> str:
    """Return a group's name: yes and no for true and false, whole numbers without a decimal point."""
    if isinstance(level, bool | np.bool_):
        return "yes" if level else "no"
    return str(int(level)) if isinstance(level, float) and level.is_integer() else str(level)


def _of_cohort(cohort: Cohort, outcome: str | None, columns: Columns, also: tuple[str, ...]) -> FollowUp:
    """Return the follow-up of a cohort's outcome."""
    if columns != Columns():
        raise InputError(
            "duration=, status=, event=, competing= and entry= are for a DataFrame; a Cohort takes outcome=."
        )
    if outcome is None:
        known = ", ".join(cohort.outcomes) or "none yet: add one with add_time_to"
        raise InputError(f"outcome= is needed; the cohort has {known}.")
    definition = cohort.outcome(outcome)
    frame = cohort.frame
    check_columns(frame, also, argument="The call")
    needed = [definition.days, definition.status, *([definition.entry] if definition.entry else [])]
    kept, excluded = complete_rows(frame, [*needed, *also])
    frame = frame[kept].reset_index(drop=True)
    causes = (*definition.causes, *definition.competing)
    return _checked(
        frame,
        Columns(duration=definition.days, status=definition.status, entry=definition.entry),
        cause=_coded(frame[definition.status], causes, name=definition.status),
        causes=causes,
        n_events=len(definition.causes),
        outcome=outcome,
        unit=cohort.unit,
        cluster=None if cohort.unit == "patient" else "patient_id",
        definitions=tuple(cohort.definitions),
        excluded=excluded,
    )


def _of_frame(frame: pd.DataFrame, columns: Columns, also: tuple[str, ...], others: str) -> FollowUp:
    """Return the follow-up of a plain frame."""
    if columns.duration is None or columns.status is None:
        raise InputError(
            "A DataFrame needs duration= (column of days), status= (column) and event= (its word in status)."
        )
    needed = [columns.duration, columns.status, *([columns.entry] if columns.entry else [])]
    check_columns(frame, [*needed, *also], argument="The call")
    kept, excluded = complete_rows(frame, [*needed, *also])
    frame = frame[kept].reset_index(drop=True)
    status = text_status(frame[columns.status], columns)
    events, competing = _named(columns.event) or ("event",), _named(columns.competing)
    _check_words(status, events, competing, columns.status)
    left = sorted(set(status) - {CENSORED, *events, *competing})
    if left and others == "refuse":
        listed = ", ".join(repr(word) for word in left)
        raise InputError(
            f"status={columns.status!r} also holds {listed}. If these end follow-up without the event they compete: "
            f"use estimate_cumulative_incidence(..., competing=({listed},)); else recode them to 'censored'."
        )
    if left and CENSORED not in set(status):
        raise InputError(f"status={columns.status!r} has no 'censored'; recode the word for censoring to 'censored'.")
    causes = (*events, *competing, *left)
    return _checked(
        frame,
        columns,
        cause=_coded(status, causes, name=columns.status),
        causes=causes,
        n_events=len(events),
        outcome=events[0] if len(events) == 1 else "event",
        unit="row",
        cluster=None,
        definitions=(),
        excluded=excluded,
    )


def _named(words: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return one or several words as a tuple."""
    if words is None:
        return ()
    return (words,) if isinstance(words, str) else tuple(words)


def text_status(values: pd.Series[Any], columns: Columns) -> pd.Series[Any]:
    """Return status as text; true/false and 0/1 become the event's name and "censored"; other numbers are refused."""
    distinct = set(values.unique())
    kind = pd.api.types.infer_dtype(values, skipna=True)
    if kind in ("string", "categorical"):
        return values.astype(object)
    event = _named(columns.event) or ("event",)
    if len(event) > 1 or columns.competing is not None:
        raise InputError(f"status={columns.status!r} must be text to tell several events apart.")
    if kind == "boolean" or (distinct <= {0, 1} and 0 in distinct):
        return pd.Series(np.where(values.astype(bool), event[0], CENSORED), index=values.index, dtype=object)
    shown = ", ".join(f"{value:g}" for value in sorted(distinct)[:5]) if kind in ("integer", "floating") else kind
    raise InputError(
        f"status={columns.status!r} holds {shown}, which does not say what is an event. Use text ('censored', "
        f"the event's name), True/False, or 0/1 with both present."
    )


def _check_words(status: pd.Series[Any], events: tuple[str, ...], competing: tuple[str, ...], name: str) -> None:
    """Raise `InputError` when an event is not found in the status column, or is named twice."""
    words = {str(word) for word in status.unique()}
    if len({*events, *competing, CENSORED}) != len(events) + len(competing) + 1:
        raise InputError("event= and competing= must name different words, none of them 'censored'.")
    for word in events:
        if word not in words and words != {CENSORED}:
            raise InputError(f"event={word!r} does not occur in status={name!r}.{nearest(word, words - {CENSORED})}")


def _coded(status: pd.Series[Any], causes: tuple[str, ...], *, name: str) -> Ints:
    """Return 0 for censored, else 1 + the place of the status among ``causes``."""
    codes = pd.Index([CENSORED, *causes]).get_indexer(pd.Index(status.astype(object)))
    if (codes < 0).any():
        known = ", ".join(repr(cause) for cause in causes)
        raise DataError(f"{plural(int((codes < 0).sum()), 'row')} of {name!r} hold neither 'censored' nor {known}.")
    return np.asarray(codes, dtype=np.int64)


def _days(frame: pd.DataFrame, column: str) -> Floats:
    """Return a column of days as floats."""
    if not pd.api.types.is_numeric_dtype(frame[column]) or pd.api.types.is_bool_dtype(frame[column]):
        raise InputError(f"{column!r} must hold days as numbers; it holds {frame[column].dtype}.")
    return frame[column].to_numpy(dtype=np.float64)


def _checked(frame: pd.DataFrame, columns: Columns, *, cause: Ints, causes: tuple[str, ...], **rest: Any) -> FollowUp:
    """Return the follow-up once its times hold; see `follow_up` for what is refused."""
    assert columns.duration is not None
    stop, n = _days(frame, columns.duration), count(len(frame))
    if (stop < 0).any():
        raise DataError(
            f"{count((stop < 0).sum())} of {n} rows have a negative {columns.duration!r}; expected more than 0."
        )
    if (stop == 0).any():
        zero = count((stop == 0).sum())
        raise DataError(
            f"{zero} of {n} rows have {columns.duration!r} of 0; nobody is at risk at 0. An event on day 0 "
            f"stands at 0.5 by convention; rows without any follow-up must be excluded."
        )
    entry = _days(frame, columns.entry) if columns.entry is not None else None
    if entry is not None:
        if (entry < 0).any():
            raise DataError(
                f"{count((entry < 0).sum())} of {n} rows have a negative {columns.entry!r}; expected 0 or more."
            )
        if (entry >= stop).any():
            wrong = count((entry >= stop).sum())
            raise DataError(
                f"{wrong} of {n} rows enter ({columns.entry!r}) on or after they leave ({columns.duration!r})."
            )
        entry = entry if (entry > 0).any() else None
    interest = cause[(cause > 0) & (cause <= rest["n_events"])]
    if len(interest) == 0:
        raise InputError(f"No row of {n} has the event {causes[0]!r}; there is nothing to estimate.")
    return FollowUp(frame=frame, stop=stop, entry=entry, cause=cause, causes=causes, **rest)
