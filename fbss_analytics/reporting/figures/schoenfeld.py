"""Scaled Schoenfeld residuals of a Cox model's term, over time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...errors import InputError, nearest
from ...formats import decimal, interval, p_value
from ..theme import GREY, INK, MIDDLE_MM, SERIES
from ..words import capitalised, in_words, term_in_words
from .layout import describe, label_axes, new_figure, panel, themed

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from ...models.proportionality import ProportionalHazards

WIDTH_MM = MIDDLE_MM
TICKS = 6
"""About so many days are written under a stretched time axis."""

SCALES = {
    "km": "the share with the event",
    "identity": "days",
    "rank": "the rank of the day",
    "log": "their logarithm",
}
"""What each scale of time spaces days by."""


@themed
def plot_schoenfeld(result: ProportionalHazards, *, term: str, ax: Axes | None = None) -> Axes:
    """Draw how a term's log hazard ratio moves over time: scaled Schoenfeld residuals with a smoother and its band.

    **Definition**: one point per event; their trend is that of the log hazard ratio (of a term with several columns, of
    its linear predictor as a multiple of the fitted one). The line is a natural spline with
    four degrees of freedom through the points, the dashed one the constant log hazard ratio of the model. Time runs on
    the scale of the test, its ticks in days.

    Parameters
    ----------
    result : ProportionalHazards
        From `check_proportional_hazards`.
    term : str
        A term as its ``.frame`` names it.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
        The axes with the points.

    Raises
    ------
    InputError
        ``term`` is not in the model.

    When not to use it: with few events, whose points let the smoother bend at will.

    References
    ----------
    Grambsch PM and Therneau TM. Biometrika 1994;81:515-526. doi:10.1093/biomet/81.3.515
    """
    if term not in result.ratios:
        raise InputError(f"term={term!r} is not in the model.{nearest(term, result.ratios)}")
    if ax is None:
        ax = panel(new_figure(WIDTH_MM, 80), 18, 8, WIDTH_MM - 18 - 6, 58)
    points, smooth = result.residuals, result.smooths[result.smooths["term"] == term]
    test = result.table.set_index("term").loc[term]
    ax.plot(points["transformed"], points[term], ls="none", marker="o", ms=2.2, mfc=GREY, mec="none", alpha=0.55)
    ax.axhline(result.ratios[term], color=INK, lw=0.75, ls=(0, (4, 2)), zorder=1)
    if not smooth.empty:
        x, low, high = (smooth[name].to_numpy(float) for name in ("transformed", "conf_low", "conf_high"))
        ax.fill_between(x, low, high, color=SERIES[0], alpha=0.18, lw=0)
        ax.plot(x, smooth["estimate"].to_numpy(float), color=SERIES[0])
    _day_axis(ax, points)
    name = capitalised(term_in_words(term))
    level = f"{result.conf_level:.0%}".replace("%", " %")
    what = "log hazard ratio" if test["df"] == 1 else "multiple of its fitted effect"
    label_axes(ax, f"Days (spaced by {SCALES[result.transform]})", f"{name}: {what} ({level} CI)")
    p = p_value(float(test["p_value"]))
    p = f"p {p}" if p.startswith("<") else f"p = {p}"
    ax.set_title(f"Proportional hazards: {p}", loc="left")
    describe(ax.figure, _alt(result, smooth, f"{name}, {what}", result.ratios[term], p))  # type: ignore[arg-type]
    return ax


def _day_axis(axes: Axes, points: pd.DataFrame) -> None:
    """Write days under the transformed time, those of events spread evenly along it."""
    x, day = points["transformed"].to_numpy(float), points["day"].to_numpy(float)
    wanted = np.interp(np.linspace(x.min(), x.max(), TICKS), x, day)
    # Two digits tell a day well enough, and round numbers are read faster.
    shown = sorted({float(f"{round(value) if value >= 1 else value:.2g}") for value in wanted})
    shown = [value for value in shown if day.min() <= value <= day.max()]
    axes.set_xticks(np.interp(shown, day, x), [f"{value:,g}" for value in shown])


def _alt(result: ProportionalHazards, smooth: pd.DataFrame, name: str, constant: float, p: str) -> str:
    words = (
        f"Scaled Schoenfeld residuals of {name} at {result.events} events of {in_words(result.outcome)}, about a "
        f"constant {decimal(constant, 2)}; test of proportional hazards {p}."
    )
    if smooth.empty:
        return words
    first, last = smooth.iloc[0], smooth.iloc[-1]
    return words + "".join(
        f" On day {row['day']:,.0f} the smoother stands at {decimal(row['estimate'], 2)} "
        f"({interval(row['conf_low'], row['conf_high'])})."
        for row in (first, last)
    )
