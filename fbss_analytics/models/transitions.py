"""`estimate_transitions`: who moves from which state to which between chosen times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from ..cohort import Cohort, Definition
from ..errors import DataError, InputError, nearest
from ..formats import html_table, percent, plural
from .episodes import unit_of
from .rows import check_columns

AFTER_THE_END = "not followed"
"""State of a row on a day after its last interval, unless it has been told otherwise."""


@dataclass(frozen=True, eq=False)
class Transitions:
    """Counts of rows by state at successive times, and of moves between them.

    Attributes
    ----------
    frame : DataFrame
        from_time, to_time, from_state, to_state, n, share (of those in ``from_state``).
    counts : DataFrame
        time, state, n, share (of everyone), a row for every time and state.
    times, states : tuple of str
        In order.
    n : int
        Rows; the same at every time.
    """

    data: pd.DataFrame = field(repr=False)
    counted: pd.DataFrame = field(repr=False)
    times: tuple[str, ...]
    states: tuple[str, ...]
    n: int
    unit: str
    definitions: tuple[Definition, ...] = field(default=(), repr=False)

    @property
    def frame(self) -> pd.DataFrame:
        """A copy of the moves."""
        return self.data.copy()

    @property
    def counts(self) -> pd.DataFrame:
        """A copy of the counts by time and state."""
        return self.counted.copy()

    def sentence(self) -> str:
        """Say first and last time in one sentence."""
        said = []
        for time in (self.times[0], self.times[-1]):
            mine = self.counted[(self.counted["time"] == time) & (self.counted["n"] > 0)]
            shares = ", ".join(f"{s} {percent(x)}" for s, x in zip(mine["state"], mine["share"], strict=True))
            said.append(f"{time}: {shares}")
        return f"Of {plural(self.n, self.unit)}, {'; '.join(said)}."

    def _repr_html_(self) -> str:
        wide = self.counted.pivot(index="state", columns="time", values="n")
        shown = wide.reindex(index=list(self.states), columns=list(self.times)).reset_index()
        return html_table(shown, caption=self.sentence())


def estimate_transitions(
    data: Any,
    *,
    states: Sequence[str],
    columns: Mapping[str, str] | None = None,
    days: Mapping[str, float] | None = None,
    afterwards: str = AFTER_THE_END,
) -> Transitions:
    """Count who is in which state at successive times, and who moves from which to which in between.

    **Definition**: every row counts once at every time, in exactly one state; moves are between neighbouring times.
    From intervals, the state of a day is that of the interval with start <= day < stop; a day at or after the end of
    the last one finds the row in its last state if that interval has no length (an end such as death), else
    ``afterwards``.

    Parameters
    ----------
    data : Cohort, Episodes or DataFrame
        With ``columns``: one row each. With ``days``: intervals with ``row``, ``start_day``, ``stop_day``, ``state``.
    states : list of str
        All states in the order of the figure, those of the end (explanted, dead, not followed) last.
    columns : mapping of str to str
        Label of each time to the column that holds its state, in order: ``{"before": "dose_band_before", ...}``.
    days : mapping of str to float
        Label of each time to its day, in order.
    afterwards : str
        State of rows no longer followed, with ``days``; with ``columns`` the state of rows without a value, where
        ``states`` names it.

    Returns
    -------
    Transitions

    Raises
    ------
    InputError
        Neither or both of ``columns`` and ``days``; fewer than two times; a state that is not named.
    DataError
        A row has no state at a time.

    When not to use it
    ------------------
    As risks: rows no longer followed are a state here, and what became of them is not told. With much censoring use
    `estimate_state_occupancy`.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"before": ["50-89", "0", "90+"], "after": ["0", "0", "dead"]})
    >>> moves = estimate_transitions(
    ...     frame, states=["0", "50-89", "90+", "dead"], columns={"before": "before", "1 year": "after"}
    ... )
    >>> moves.frame[["from_state", "to_state", "n"]].values.tolist()
    [['0', '0', 1], ['50-89', '0', 1], ['90+', 'dead', 1]]
    """
    if (columns is None) == (days is None):
        raise InputError("Give columns= (one column per time) or days= (of intervals), one of the two.")
    frame = data.frame if isinstance(data, Cohort) or hasattr(data, "frame") else data
    if not isinstance(frame, pd.DataFrame):
        raise InputError(f"Expected a Cohort, Episodes or a pandas DataFrame, got {type(frame).__name__}.")
    if columns is not None:
        wide = _from_columns(frame, columns, afterwards if afterwards in states else None)
    else:
        wide = _from_intervals(frame, days or {}, afterwards)
    times, order = tuple(str(name) for name in wide.columns), tuple(states)
    if len(times) < 2 or len(set(order)) < len(order):
        raise InputError("Transitions need two times or more, and states= that names each state once.")
    for time in times:
        missing = int(wide[time].isna().sum())
        if missing:
            raise DataError(f"{plural(missing, 'row')} of {len(wide):,} without a state at {time!r}; give them one.")
        for state in wide[time].unique():
            if state not in order:
                raise InputError(f"states= does not name {state!r}, which occurs at {time!r}.{nearest(state, order)}")
    return Transitions(
        data=pd.concat([_moves(wide, a, b, order) for a, b in pairwise(times)], ignore_index=True),
        counted=_counts(wide, times, order),
        times=times,
        states=order,
        n=len(wide),
        unit=data.unit if isinstance(data, Cohort) else unit_of(data),
        definitions=tuple(getattr(data, "definitions", ())),
    )


def _from_columns(frame: pd.DataFrame, columns: Mapping[str, str], otherwise: str | None) -> pd.DataFrame:
    check_columns(frame, columns.values(), argument="columns=")
    wide = pd.DataFrame({label: frame[name].astype(object).to_numpy() for label, name in columns.items()})
    return wide if otherwise is None else wide.where(wide.notna(), otherwise)


def _from_intervals(frame: pd.DataFrame, days: Mapping[str, float], afterwards: str) -> pd.DataFrame:
    """Return the state of every row on each day."""
    check_columns(frame, ["row", "start_day", "stop_day", "state"], argument="days=")
    ordered = frame.sort_values(["row", "start_day", "stop_day"], kind="stable")
    last = ordered.groupby("row", sort=True).tail(1).set_index("row")
    ended = last["state"].where(last["start_day"] == last["stop_day"], afterwards)
    wide = {}
    for label, day in days.items():
        there = ordered[(ordered["start_day"] <= day) & (day < ordered["stop_day"])].set_index("row")["state"]
        state = there.reindex(last.index)
        wide[label] = state.where(state.notna() | (last["stop_day"] > day), ended).to_numpy()
    return pd.DataFrame(wide)


def _moves(wide: pd.DataFrame, a: str, b: str, states: tuple[str, ...]) -> pd.DataFrame:
    table = pd.crosstab(wide[a], wide[b]).reindex(index=list(states), columns=list(states), fill_value=0)
    counts = table.to_numpy()
    start, end = np.nonzero(counts)
    n = counts[start, end]
    names = np.array(states, dtype=object)
    share = n / counts.sum(axis=1)[start]
    return pd.DataFrame(
        {"from_time": a, "to_time": b, "from_state": names[start], "to_state": names[end], "n": n, "share": share}
    )


def _counts(wide: pd.DataFrame, times: tuple[str, ...], states: tuple[str, ...]) -> pd.DataFrame:
    rows = [(time, state, int((wide[time] == state).sum())) for time in times for state in states]
    table = pd.DataFrame(rows, columns=["time", "state", "n"])
    return table.assign(share=table["n"] / len(wide))
