"""Alluvial figures: who moves from which state to which between times, with the numbers of every state and time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ...formats import count, percent
from ..theme import DOUBLE_MM, GREY, INK, LIGHT, OKABE_ITO, PAPER, SMALL_SIZE
from ..words import capitalised, in_words
from .below import EDGE_MM, RIGHT_MM, Numbers, axes_above_numbers, legend_over
from .layout import describe, line_mm, themed, widest_mm

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ...models.transitions import Transitions

ENDS = ("explanted", "pump out", "pump_out", "dead", "death", "not followed", "not_followed", "censored", "unobserved")
"""States that end a course and stand apart, above the others, in the order given."""
END_LOOKS = {
    "explanted": (OKABE_ITO["vermillion"], ""),
    "pump out": (OKABE_ITO["vermillion"], ""),
    "pump_out": (OKABE_ITO["vermillion"], ""),
    "dead": (INK, ""),
    "death": (INK, ""),
}
OTHER_END = (GREY, "....")
PLOT_MM = 84.0
NODE_MM = 15.0
APART_MM = 2.4
TOGETHER_MM = 0.5


@themed
def plot_alluvial(transitions: Transitions, *, ends: Sequence[str] | None = None) -> Axes:
    """Draw who moves from which state to which between times; widths are numbers of patients.

    **Definition.** A column per time, a block per state, blocks as high as their share of everyone, in the order of the
    states from below, the first (no dose) in grey, the others in one hue from light to dark; states that end a course
    stand apart above. Bands between neighbouring columns are the moves, in the colour of where they come from. The
    table below holds the number and share of every block, small ones included.

    Parameters
    ----------
    transitions : Transitions
    ends : sequence of str, optional
        States that stand apart; when None those called explanted, dead, not followed, censored or unobserved.

    Returns
    -------
    matplotlib.axes.Axes
        The axes with the bands.

    When not to use it: for risks where many are censored; see `plot_state_occupancy`.

    Examples
    --------
    >>> import pandas as pd, fbss_analytics as fbss
    >>> frame = pd.DataFrame({"before": ["0", "1-49", "50+"] * 20, "after": ["0", "0", "dead", "1-49"] * 15})
    >>> moves = fbss.estimate_transitions(
    ...     frame, states=["0", "1-49", "50+", "dead"], columns={"before": "before", "1 year": "after"}
    ... )
    >>> fbss.plot_alluvial(moves).get_xticks().tolist()
    [0, 1]
    """
    known = ENDS if ends is None else tuple(ends)
    states = [s for s in transitions.states if s not in known] + [s for s in transitions.states if s in known]
    counts = transitions.counts.pivot(index="state", columns="time", values="n").loc[states, list(transitions.times)]
    states = [state for state in states if counts.loc[state].sum() > 0]
    counts = counts.loc[states]
    looks = _looks(states, known)
    names = [capitalised(in_words(state)) for state in states]
    axes = axes_above_numbers(
        _numbers(counts, names, transitions.n),
        _places(len(transitions.times), names),
        note=f"{count(transitions.n)} {transitions.unit}s, each counted once at every time. Bands: moves between "
        "times, in the colour of where they come from.",
        legend=names,
        height_mm=PLOT_MM,
        gap_mm=7.0,
    )
    bottoms = _bottoms(counts, states, known, transitions.n)
    width = _axes_width(axes)
    half = NODE_MM / 2 / width * (len(transitions.times) - 1) / _span(axes, len(transitions.times))
    _draw_moves(axes, transitions, counts, bottoms, looks, half)
    handles = _draw_blocks(axes, counts, bottoms, looks, half, transitions.n)
    _finish(axes, list(transitions.times))
    legend_over(axes, handles, names)
    describe(axes.get_figure(root=True), f"Alluvial figure. {transitions.sentence()}")  # type: ignore[arg-type]
    return axes


Look = tuple[str, float, str]
"""Colour, opacity, hatch."""


def _looks(states: Sequence[str], ends: Sequence[str]) -> dict[str, Look]:
    """Return how each state is drawn: grey for the first, then one hue from light to dark; ends apart."""
    course = [state for state in states if state not in ends]
    looks: dict[str, Look] = {}
    for place, state in enumerate(course):
        depth = place / max(len(course) - 1, 1)
        looks[state] = (OKABE_ITO["blue"], 0.25 + 0.75 * depth, "") if place else (LIGHT, 1.0, "")
    for state in states:
        if state in ends:
            colour, hatch = END_LOOKS.get(state, OTHER_END)
            looks[state] = (colour, 1.0, hatch)
    return looks


def _axes_width(axes: Axes) -> float:
    box = axes.get_position()
    return float(box.width * DOUBLE_MM)


def _places(n_times: int, names: Sequence[str]) -> list[float]:
    """Return where the columns stand, as shares of the axes' width; a block's half stays inside on both sides."""
    left = EDGE_MM + max(widest_mm(names, SMALL_SIZE) + 8, 18)
    margin = NODE_MM / 2 / (DOUBLE_MM - left - RIGHT_MM)
    return [float(place) for place in np.linspace(margin, 1 - margin, n_times)]


def _span(axes: Axes, n_times: int) -> float:
    """Return the share of the axes' width between first and last column."""
    return 1 - NODE_MM / _axes_width(axes)


def _numbers(counts: pd.DataFrame, names: Sequence[str], n: int) -> list[Numbers]:
    rows = []
    for name, (_, row) in zip(reversed(names), counts.iloc[::-1].iterrows(), strict=True):
        rows.append(Numbers(name, tuple(f"{count(k)} ({percent(k / n, 0)})" for k in row)))
    return rows


def _bottoms(counts: pd.DataFrame, states: Sequence[str], ends: Sequence[str], n: int) -> pd.DataFrame:
    """Return the lower edge of every block, in patients; gaps are the same at all times so that blocks line up."""
    unit = n / (PLOT_MM - APART_MM - TOGETHER_MM * len(states))
    gaps, first_end = [], True
    for place, state in enumerate(states):
        gaps.append(0.0 if place == 0 else APART_MM * unit if state in ends and first_end else TOGETHER_MM * unit)
        first_end = first_end and state not in ends
    below = counts.cumsum().shift(fill_value=0)
    return below.add(np.cumsum(gaps), axis=0)


def _draw_blocks(
    axes: Axes, counts: pd.DataFrame, bottoms: pd.DataFrame, looks: dict[str, Look], half: float, n: int
) -> list[Any]:
    from matplotlib.patches import Rectangle

    tall = n * (line_mm(SMALL_SIZE) + 0.6) / PLOT_MM
    handles = []
    sizes, edges = counts.to_numpy(dtype=float), bottoms.to_numpy(dtype=float)
    for row, state in enumerate(counts.index):
        colour, alpha, hatch = looks[state]
        style: dict[str, Any] = {"facecolor": colour, "alpha": alpha, "hatch": hatch, "edgecolor": PAPER, "lw": 0.4}
        handles.append(Rectangle((0, 0), 1, 1, **style))
        for x, (size, bottom) in enumerate(zip(sizes[row], edges[row], strict=True)):
            if not size:
                continue
            axes.add_patch(Rectangle((x - half, bottom), 2 * half, size, zorder=3, **style))
            if size >= tall and not hatch:
                dark = alpha > 0.6 and colour not in (LIGHT, OKABE_ITO["vermillion"])
                axes.text(
                    x, bottom + size / 2, percent(size / n, 0), size=SMALL_SIZE, ha="center", va="center", zorder=4,
                    color=PAPER if dark else INK,
                )  # fmt: skip
    return handles


def _draw_moves(
    axes: Axes,
    transitions: Transitions,
    counts: pd.DataFrame,
    bottoms: pd.DataFrame,
    looks: dict[str, Look],
    half: float,
) -> None:
    """Draw the bands; within a block they leave and arrive in the order of the states, so that few cross."""
    order = {state: place for place, state in enumerate(counts.index)}
    moves = transitions.frame
    for x, (a, b) in enumerate(zip(transitions.times, transitions.times[1:], strict=False)):
        mine = moves[(moves["from_time"] == a) & (moves["to_time"] == b)]
        rows = sorted(
            zip(mine["from_state"], mine["to_state"], mine["n"], strict=True), key=lambda m: (order[m[0]], order[m[1]])
        )
        leaving, arriving = bottoms[a].to_dict(), bottoms[b].to_dict()
        for start, end, n in rows:
            colour, alpha, _ = looks[start]
            _band(axes, (x + half, leaving[start]), (x + 1 - half, arriving[end]), float(n), colour, 0.45 * alpha)
            leaving[start] += n
            arriving[end] += n


def _band(
    axes: Axes, start: tuple[float, float], end: tuple[float, float], high: float, colour: str, alpha: float
) -> None:
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    (x0, y0), (x1, y1) = start, end
    middle = (x0 + x1) / 2
    points = [
        (x0, y0), (middle, y0), (middle, y1), (x1, y1),
        (x1, y1 + high), (middle, y1 + high), (middle, y0 + high), (x0, y0 + high), (x0, y0),
    ]  # fmt: skip
    codes = [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4, Path.LINETO, Path.CURVE4, Path.CURVE4, Path.CURVE4,
             Path.CLOSEPOLY]  # fmt: skip
    axes.add_patch(PathPatch(Path(points, codes), facecolor=colour, alpha=alpha, lw=0, zorder=2))


def _finish(axes: Axes, times: list[str]) -> None:
    """Name the columns, and drop the frame: the table says the numbers."""
    margin = NODE_MM / 2 / _axes_width(axes) / _span(axes, len(times)) * (len(times) - 1)
    axes.set_xlim(-margin, len(times) - 1 + margin)
    axes.autoscale(axis="y", tight=True)
    axes.set_xticks(range(len(times)), [in_words(time) for time in times])
    axes.set_yticks([])
    axes.tick_params(axis="x", length=0)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
