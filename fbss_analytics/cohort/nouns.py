"""`Cohort` and what travels with it: attrition, definitions and outcomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..dates import from_timestamps
from ..errors import DataError, InputError, nearest
from ..formats import count, html_table, plural
from ..sources.events import event
from ..sources.source import Source
from .episodes import Episodes

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Definition:
    """What a column means: in words, with its arguments, its source, and the day it is known at (index date is 0)."""

    name: str
    words: str
    columns: tuple[str, ...]
    arguments: Mapping[str, object] = field(default_factory=dict)
    citation: str = ""
    known_at_day: int | None = None


@dataclass(frozen=True)
class Outcome:
    """A time-to-event outcome by name: its columns, the causes that count, and the events that compete.

    ``days`` holds the time (0.5 for day 0), ``status`` text: ``censored``, one of ``causes`` or one of ``competing``;
    ``entry`` when observation began: 0, or half a day before the first observed day where that lies after day 0, so
    that an event on that day is seen.
    """

    name: str
    days: str
    status: str
    entry: str | None
    causes: tuple[str, ...]
    competing: tuple[str, ...]
    until_days: int
    words: str


@dataclass(frozen=True)
class Step:
    """One line of the attrition: what was required, and how many rows were there before and after."""

    words: str
    n_before: int
    n_after: int

    @property
    def n_excluded(self) -> int:
        """Rows that left at this step."""
        return self.n_before - self.n_after


@dataclass(frozen=True)
class Attrition:
    """The ordered story of who entered and who left."""

    steps: tuple[Step, ...]

    @property
    def frame(self) -> pd.DataFrame:
        """The steps as columns step, words, n_before, n_excluded, n_after."""
        rows = [(i, s.words, s.n_before, s.n_excluded, s.n_after) for i, s in enumerate(self.steps)]
        return pd.DataFrame(rows, columns=["step", "words", "n_before", "n_excluded", "n_after"])

    def sentence(self) -> str:
        """Say in one sentence how many of how many are left."""
        return f"{count(self.steps[-1].n_after)} of {plural(self.steps[0].n_before, 'patient')} are in the cohort."

    def __str__(self) -> str:
        lines = [
            f"{count(s.n_after):>9}  {s.words}" + (f" (-{count(s.n_excluded)})" if s.n_excluded else "")
            for s in self.steps
        ]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        frame = self.frame.rename(columns={"words": "requirement", "n_excluded": "excluded", "n_after": "left"})
        return html_table(frame[["requirement", "excluded", "left"]], caption="Who is in the cohort")


@dataclass(frozen=True, eq=False)
class Cohort:
    """Patients at an index date, with columns, attrition, definitions and outcomes.

    Attributes
    ----------
    source : Source
        Where the events come from.
    unit : str
        What a row is: ``patient``.
    attrition : Attrition
        Ordered requirements with counts.
    definitions : tuple of Definition
        What every added column means.
    outcomes : mapping of str to Outcome
        Outcomes by name.
    intervals : mapping of str to Episodes
        Intervals by name; taken with `episodes`.
    index : str
        The named event that is day 0.
    landmark_day : int
        How many days after that event day 0 is (`start_landmark`).
    """

    source: Source
    data: pd.DataFrame = field(repr=False)
    attrition: Attrition
    index: str
    unit: str = "patient"
    definitions: tuple[Definition, ...] = ()
    outcomes: Mapping[str, Outcome] = field(default_factory=dict)
    intervals: Mapping[str, Episodes] = field(default_factory=dict, repr=False)
    landmark_day: int = 0

    @property
    def frame(self) -> pd.DataFrame:
        """A copy of the rows: patient_id, index_date, age_years, sex and every column added."""
        return self.data.copy()

    def __len__(self) -> int:
        return len(self.data)

    @property
    def index_days(self) -> npt.NDArray[np.int32]:
        """The index date of each row as days since 1970-01-01."""
        return from_timestamps(self.data["index_date"])

    def outcome(self, name: str) -> Outcome:
        """Return an outcome by name, or raise `InputError` with the nearest name."""
        if name not in self.outcomes:
            known = nearest(name, self.outcomes) if self.outcomes else " It has none yet: add one with add_time_to."
            raise InputError(f"The cohort has no outcome {name!r}.{known}")
        return self.outcomes[name]

    def episodes(self, name: str) -> Episodes:
        """Return intervals by name, or raise `InputError` with the nearest name."""
        if name not in self.intervals:
            known = nearest(name, self.intervals) if self.intervals else " It has none yet."
            raise InputError(f"The cohort has no episodes {name!r}.{known}")
        return replace(self.intervals[name], cohort=self)

    def sentence(self) -> str:
        """Say in one sentence who is in the cohort."""
        return f"{plural(len(self), self.unit)} from {self.source.name}; day 0 is {self._day_zero()}."

    def _day_zero(self) -> str:
        after = f"day {self.landmark_day} after " if self.landmark_day else ""
        return f"{after}the {event(self.index).words}"

    def __repr__(self) -> str:
        return f"Cohort({self.sentence()} {len(self.data.columns)} columns.)"

    def _repr_html_(self) -> str:
        words = pd.DataFrame(
            [(", ".join(d.columns), d.words, d.citation) for d in self.definitions],
            columns=["columns", "meaning", "source"],
        )
        meanings = html_table(words, caption="What the columns mean")
        return f"<p>{self.sentence()}</p>{self.attrition._repr_html_()}{meanings}"


def keep_rows(cohort: Cohort, keep: Mask, words: str) -> Cohort:
    """Return the cohort with the rows kept and one attrition line."""
    step = Step(words, len(cohort), int(keep.sum()))
    if not keep.any():
        raise DataError(f"Nobody is left in the cohort after: {words} ({count(len(cohort))} before).")
    data = cohort.data.loc[keep].reset_index(drop=True)
    intervals = {name: each.of_rows(keep) for name, each in cohort.intervals.items()}
    return replace(cohort, data=data, attrition=Attrition((*cohort.attrition.steps, step)), intervals=intervals)


def add_columns(
    cohort: Cohort,
    columns: Mapping[str, npt.NDArray[Any] | pd.Series],
    definition: Definition,
    *,
    outcome: Outcome | None = None,
    intervals: tuple[str, pd.DataFrame] | None = None,
) -> Cohort:
    """Return the cohort with new columns and their recorded definition; an existing column is never overwritten.

    ``intervals`` are the kind and rows of the `Episodes` that go by the definition's name.
    """
    taken = [name for name in columns if name in cohort.data.columns]
    if taken:
        raise InputError(f"The cohort already has {' and '.join(taken)}; give name= another value.")
    data = pd.concat([cohort.data, pd.DataFrame(dict(columns), index=cohort.data.index)], axis=1)
    outcomes = dict(cohort.outcomes) | ({outcome.name: outcome} if outcome else {})
    long = dict(cohort.intervals)
    if intervals is not None:
        if definition.name in long:
            raise InputError(f"The cohort already has episodes {definition.name!r}; give name= another value.")
        long[definition.name] = Episodes(definition.name, *intervals, cohort, definition)
    definitions = (*cohort.definitions, definition)
    return replace(cohort, data=data, definitions=definitions, outcomes=outcomes, intervals=long)
