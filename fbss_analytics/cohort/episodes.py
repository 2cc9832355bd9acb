"""`Episodes`: intervals of a cohort's rows - months, states, and the pieces of follow-up between recurrent events."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..formats import count, html_table, plural

if TYPE_CHECKING:
    from .nouns import Cohort, Definition

KINDS = {
    "months": ("month", "blocks of 30 days"),
    "days": ("day", "single days"),
    "states": ("interval", "states that follow each other without a gap"),
    "recurrent": ("interval", "pieces of follow-up, each up to an event or the end"),
    "time_varying": ("interval", "pieces of follow-up in which each covariate has one value"),
}
SHOWN = 10


@dataclass(frozen=True, eq=False)
class Episodes:
    """Intervals of the rows of a cohort, as columns ``row``, ``start_day``, ``stop_day`` and what holds in them.

    **Definition**: days count from day 0. An interval begins on ``start_day`` and the next one on ``stop_day``: a state
    holds on the days ``start_day .. stop_day - 1``. Of recurrent events and of changing covariates, the row is at risk
    after ``start_day`` up to ``stop_day``, that day included, and ``status`` says what happened on ``stop_day``; an
    event on day 0 stands at 0.5, and an end of follow-up on the day of the last recurrent event is an interval without
    length.

    Attributes
    ----------
    name : str
        The name under which the cohort has them (``cohort.episodes(name)``).
    kind : {"months", "days", "states", "recurrent", "time_varying"}
        What an interval is.
    cohort : Cohort
        The cohort whose rows they belong to.
    definition : Definition
        What they mean, in words, with the arguments used.

    Examples
    --------
    >>> import fbss_analytics as fbss
    >>> source = fbss.simulate("neuromodulation", n_patients=200, seed=1)
    >>> cohort = fbss.start_cohort(source, index="scs_implant", occurrence="first")
    >>> cohort = fbss.add_recurrent(cohort, "device_revision", competing="death", until_days=1825)
    >>> list(cohort.episodes("device_revision").frame.columns[:6])
    ['row', 'patient_id', 'start_day', 'stop_day', 'status', 'events_before']
    """

    name: str
    kind: str
    data: pd.DataFrame = field(repr=False)
    cohort: Cohort = field(repr=False)
    definition: Definition

    @property
    def frame(self) -> pd.DataFrame:
        """A copy of the intervals, in order of row and day, with the cohort's columns beside them."""
        row = self.data["row"].to_numpy()
        beside = self.cohort.data.drop(columns=[name for name in self.data if name in self.cohort.data])
        beside = beside.take(row).reset_index(drop=True)
        joined = pd.concat([self.data.reset_index(drop=True), beside], axis=1)
        return joined[["row", "patient_id", *(name for name in joined if name not in ("row", "patient_id"))]]

    @property
    def definitions(self) -> tuple[Definition, ...]:
        """The definitions of the cohort, which the intervals rest on."""
        return self.cohort.definitions

    def __len__(self) -> int:
        return len(self.data)

    def of_rows(self, keep: npt.NDArray[np.bool_]) -> Episodes:
        """Return the intervals of some rows of the cohort, which are counted anew from 0."""
        row = self.data["row"].to_numpy()
        place = np.cumsum(keep) - 1
        data = self.data[keep[row]].reset_index(drop=True)
        return replace(self, data=data.assign(row=place[data["row"].to_numpy()]))

    def sentence(self) -> str:
        """Say in one sentence what the intervals are."""
        one, words = KINDS[self.kind]
        rows = plural(self.data["row"].nunique(), self.cohort.unit)
        return f"{plural(len(self), one)} of {rows}: {words}; {self.definition.words}"

    def __repr__(self) -> str:
        return f"Episodes({self.name!r}: {self.sentence()})"

    def _repr_html_(self) -> str:
        label = "status" if self.kind in ("recurrent", "time_varying") else "state"
        counts = self.data[label].value_counts().head(SHOWN)
        shown = pd.DataFrame({label: counts.index, "intervals": [count(n) for n in counts]})
        return f"<p>{self.sentence()}</p>{html_table(shown, caption=self.name)}"
