"""State occupancy over time, stacked to 100 %, with the numbers in each state under it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ...errors import InputError
from ...formats import count, percent
from ..theme import GREY, HATCHES, LIGHT, PAPER, SERIES
from ..words import capitalised, days_in_words, in_words
from .below import Numbers, axes_above_numbers, legend_over
from .curves import percent_axis, time_ticks
from .layout import describe, label_axes, themed
from .steps import FEWEST_AT_RISK, SMALLEST_SHARE_AT_RISK, require_kind, time_zero

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ...models.results import Curve

FILLS = (*SERIES[:1], SERIES[5], SERIES[4], SERIES[1], SERIES[2], SERIES[3])
ENDS = {"dead": GREY, "death": GREY, "unobserved": LIGHT, "not_followed": LIGHT, "not followed": LIGHT}
"""States with a colour of their own wherever they occur."""


@themed
def plot_state_occupancy(
    curve: Curve,
    *,
    group: str = "all",
    until_days: float | None = None,
    risk_days: Sequence[float] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the share of everyone in each state over time, stacked to 100 %, with the numbers observed in each.

    **Definition.** Steps of the curve from day 0, in the order of its states from below. The figure ends on the last
    day with max(10, 5 % of the rows) under observation, those in a state nobody leaves apart. Under the ticks:
    rows seen in each state just before the day; of a state whose intervals have no
    length (an end), those who have come to it.

    Parameters
    ----------
    curve : Curve
        Of kind ``state_occupancy``.
    group : str
        Which group of a curve with several.
    until_days : float, optional
        Last day of the axis.
    risk_days : sequence of float, optional
        Days of the ticks and numbers; whole years when None.
    ax : matplotlib.axes.Axes, optional
        Draw the areas alone there, without numbers.

    Returns
    -------
    matplotlib.axes.Axes
        The axes with the areas.

    Raises
    ------
    InputError
        When the curve is of another kind, or lacks the group.

    When not to use it: to compare groups closely, or to show uncertainty: areas have no bands; see ``curve.at()``.

    Examples
    --------
    >>> import pandas as pd, fbss_analytics as fbss
    >>> frame = pd.DataFrame({
    ...     "row": [i // 2 for i in range(80)], "start_day": [0, 200] * 40, "stop_day": [200, 800] * 40,
    ...     "state": ["using", "free", "using", "using"] * 20,
    ... })
    >>> axes = fbss.plot_state_occupancy(fbss.estimate_state_occupancy(frame))
    >>> [float(end) for end in axes.get_ylim()]
    [0.0, 1.0]
    """
    require_kind(curve, "state_occupancy")
    if group not in curve.groups:
        raise InputError(f"The curve has no group {group!r}; give group= one of {', '.join(curve.groups)}.")
    frame = curve.frame
    frame = frame[frame["group"] == group]
    states = list(dict.fromkeys(frame["cause"]))
    shares = frame.pivot(index="time_days", columns="cause", values="estimate")[states]
    seen = _seen(frame, states)
    ends = _ends(frame, states)
    last = _last_day(seen.drop(columns=ends), curve.sizes[group], until_days)
    days, labels, unit = time_ticks(last, risk_days)
    names = [capitalised(in_words(state)) for state in states]
    if ax is None:
        note = (
            "Areas: Aalen-Johansen state occupancy, of everyone from day 0. Numbers: observed in the state just before "
            f"the day. The figure ends where fewer than {FEWEST_AT_RISK}, or {SMALLEST_SHARE_AT_RISK * 100:.0f} %, "
            "are observed."
        )
        if "among those" in curve.method:
            note = note.replace("everyone from day 0", "those in one of these states")
        rows = [
            Numbers(name, tuple(count(n) for n in _before(seen[state], days)))
            for state, name in zip(states[::-1], names[::-1], strict=True)
        ]
        ax = axes_above_numbers(rows, [day / last for day in days], note=note, legend=names)
    handles = _draw(ax, shares.loc[:last], states, last)
    ax.set_xlim(0, last)
    ax.set_ylim(0, 1)
    ax.set_xticks(days, labels)
    percent_axis(ax)
    label_axes(ax, f"{unit} since {time_zero(curve.definitions, curve.outcome)}", "Share in each state")
    legend_over(ax, handles, names)
    describe(ax.get_figure(root=True), _alt(curve, shares, names, last))  # type: ignore[arg-type]
    return ax


def _seen(frame: pd.DataFrame, states: list[str]) -> pd.DataFrame:
    """Return, by day and state, how many are seen in it; of an end those who have come to it."""
    present = frame.pivot(index="time_days", columns="cause", values="n_at_risk")[states]
    entered = frame.pivot(index="time_days", columns="cause", values="n_events")[states]
    for state in states:
        if present[state].iloc[1:].sum() == 0:
            present[state] += entered[state].cumsum().shift(fill_value=0)
    return present


def _ends(frame: pd.DataFrame, states: list[str]) -> list[str]:
    """Return the states that are entered and never left."""
    ends = []
    for state in states:
        mine = frame[frame["cause"] == state]
        present, entered, censored = (mine[name].to_numpy() for name in ("n_at_risk", "n_events", "n_censored"))
        left = present[1:-1] + (entered - censored)[1:-1] - present[2:]
        if entered.sum() and not present[0] and not left.any():
            ends.append(state)
    return ends


def _last_day(seen: pd.DataFrame, size: int, until_days: float | None) -> float:
    enough = seen.sum(axis=1) >= max(FEWEST_AT_RISK, SMALLEST_SHARE_AT_RISK * size)
    last = float(seen.index[enough.to_numpy()].max()) if enough.any() else float(seen.index.max())
    return last if until_days is None else min(last, float(until_days))


def _before(seen: pd.Series, days: Sequence[float]) -> list[int]:
    """Return the numbers just before each day: those of the first step at or after it."""
    place = np.minimum(np.searchsorted(seen.index.to_numpy(), days, side="left"), len(seen) - 1)
    return [int(n) for n in seen.to_numpy()[place]]


def _draw(axes: Axes, shares: pd.DataFrame, states: list[str], last: float) -> list[object]:
    # Days on which no area moves need no point.
    moved = np.append(True, np.abs(np.diff(shares.to_numpy(), axis=0)).max(axis=1) > 1e-12)
    shares = shares[moved]
    edges = np.append(shares.index.to_numpy(), last)
    tops = np.cumsum(shares.to_numpy(), axis=1)
    free = iter(enumerate(FILLS))
    handles: list[object] = []
    floor = np.zeros(len(shares))
    for state, top in zip(states, tops.T, strict=True):
        place, colour = (0, ENDS[state]) if state in ENDS else next(free)
        area = axes.stairs(
            top, edges, baseline=floor, fill=True, facecolor=colour, edgecolor=PAPER, lw=0.4, hatch=HATCHES[place % 6]
        )
        handles.append(area)
        floor = top
    return handles


def _alt(curve: Curve, shares: pd.DataFrame, names: list[str], last: float) -> str:
    ends = ", ".join(f"{name} {percent(x)}" for name, x in zip(names, shares.loc[:last].iloc[-1], strict=True))
    start = ", ".join(f"{name} {percent(x)}" for name, x in zip(names, shares.iloc[0], strict=True))
    return (
        f"State occupancy, stacked to 100 %, {count(curve.n)} {curve.unit}s. At day 0: {start}. After "
        f"{days_in_words(last)}: {ends}."
    )
