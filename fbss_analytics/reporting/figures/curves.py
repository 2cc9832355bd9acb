"""Curves over time: cumulative incidence, survival, and the log-log plot, with the counts under them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...formats import count, percent
from ..theme import HATCHES, MIDDLE_MM, PAPER
from ..words import capitalised, days_in_words, in_words
from .counts import RIGHT_EDGE_MM, legend_above, with_counts
from .layout import describe, label_axes, new_figure, panel, themed
from .published import draw_published, published_points
from .steps import Line, chosen_causes, curve_lines, last_day, require_kind, stack_lines, time_zero

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ...literature import Comparison
    from ...models.results import Curve

YEAR = 365


@themed
def plot_cumulative_incidence(
    curve: Curve,
    *,
    causes: Sequence[str] | None = None,
    stacked: bool = False,
    until_days: float | None = None,
    risk_days: Sequence[float] | None = None,
    published: Comparison | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the risk of an event over time, with its confidence band and the counts under it.

    **Definition.** The steps of the curve from day 0; each line ends on the last day with max(10, 5 % of the group) at
    risk. Under the ticks: at risk just before the day, events of each cause and censored before it, which add up to
    those who entered. Ticks are years of 365 days.

    Parameters
    ----------
    curve : Curve
        Of kind ``cumulative_incidence``.
    causes : sequence of str, optional
        Causes to draw, in order. When None, all that are not competing events; the five most frequent of more than
        six (a stack then adds up the others in one layer).
    stacked : bool
        Stack the causes of one group on one another, so that the upper edge is the risk of any of them (no bands).
    until_days : float, optional
        Last day of the axis; the last day followed when None.
    risk_days : sequence of float, optional
        Days of the ticks and counts; whole years when None.
    published : Comparison, optional
        Published risks within the axis, as points with their 95 % interval.
    ax : matplotlib.axes.Axes, optional
        Draw the curves alone there, without counts.

    Returns
    -------
    matplotlib.axes.Axes
        The axes with the curves.

    Raises
    ------
    InputError
        When the curve is of another kind, a cause is unknown, or a stack has several groups.

    When not to use it: for repeated events, where the mean number per patient is the question.

    References
    ----------
    Morris TP et al. Proposals on Kaplan-Meier plots in medical research (KMunicate). BMJ Open 2019;9:e030215.
    doi:10.1136/bmjopen-2019-030215

    Examples
    --------
    >>> import pandas as pd, fbss_analytics as fbss
    >>> people = pd.DataFrame({"days": [30, 400, 700, 900] * 10, "status": ["out", "censored", "death", "out"] * 10})
    >>> risk = fbss.estimate_cumulative_incidence(
    ...     people, duration="days", status="status", event="out", competing="death"
    ... )
    >>> axes = fbss.plot_cumulative_incidence(risk)
    >>> float(axes.get_ylim()[0])
    0.0
    """
    require_kind(curve, "cumulative_incidence")
    lines = (stack_lines if stacked else curve_lines)(curve, chosen_causes(curve, causes), until_days)
    last = last_day(curve, until_days)
    one_thing = stacked or len({line.cause for line in lines}) == 1
    name = "Cumulative incidence" + (f" of {in_words(curve.outcome)}" if one_thing else "")
    axes = _draw(curve, lines, last, risk_days, name, ax, stacked=stacked)
    points = [] if published is None else published_points(published, lines, curve, last)
    axes.set_ylim(0, _round_up(max([_highest(lines, stacked), *(point.top * 1.06 for point in points)])))
    percent_axis(axes)
    draw_published(axes, points)
    describe(axes.figure, _alt(curve, lines, "Cumulative incidence curve" + ("s, stacked" if stacked else "")))  # type: ignore[arg-type]
    return axes


@themed
def plot_survival(
    curve: Curve,
    *,
    until_days: float | None = None,
    risk_days: Sequence[float] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a survival curve, with its confidence band and the counts under it.

    **Definition.** As `plot_cumulative_incidence`, for the share still free of the event, from 0 to 100 %.

    Parameters
    ----------
    curve : Curve
        Of kind ``survival``; or 1 - Kaplan-Meier with competing events censored, which is drawn beside the risk as
        `plot_cumulative_incidence` does.
    until_days, risk_days, ax
        As for `plot_cumulative_incidence`.

    Returns
    -------
    matplotlib.axes.Axes
        The axes with the curves.

    Raises
    ------
    InputError
        When the curve is of another kind.

    When not to use it: where death or another event competes; 1 - survival then overstates the risk.

    Examples
    --------
    >>> import pandas as pd, fbss_analytics as fbss
    >>> people = pd.DataFrame({"days": [30, 400, 700, 900] * 10, "is_out": [True, False, False, True] * 10})
    >>> axes = fbss.plot_survival(fbss.estimate_survival(people, duration="days", status="is_out", event="out"))
    >>> [float(end) for end in axes.get_ylim()]
    [0.0, 1.0]
    """
    if curve.overstated:
        return plot_cumulative_incidence(curve, until_days=until_days, risk_days=risk_days, ax=ax)
    require_kind(curve, "survival")
    lines = curve_lines(curve, chosen_causes(curve, None)[:1], until_days)
    last = last_day(curve, until_days)
    axes = _draw(curve, lines, last, risk_days, f"Free of {in_words(curve.outcome)}", ax, stacked=False)
    axes.set_ylim(0, 1)
    percent_axis(axes)
    describe(axes.figure, _alt(curve, lines, "Survival curve"))  # type: ignore[arg-type]
    return axes


@themed
def plot_log_log(curve: Curve, *, ax: Axes | None = None) -> Axes:
    """Draw the cumulative hazard against time, both on a logarithmic scale, one line per group.

    **Definition.** Where hazards are proportional the lines are a constant vertical distance apart; where they cross or
    close up, one hazard ratio does not describe them. A line begins with the first event and ends as in
    `plot_cumulative_incidence`.

    Parameters
    ----------
    curve : Curve
        Of kind ``cumulative_hazard``, with groups.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
        The axes with the lines.

    Raises
    ------
    InputError
        When the curve is of another kind.

    When not to use it: as a test; few events at either end make lines wander.

    References
    ----------
    Kay R. Proportional hazard regression models and the analysis of censored survival data. Appl Stat 1977;26:227-237.
    doi:10.2307/2346962
    """
    require_kind(curve, "cumulative_hazard")
    lines = curve_lines(curve, chosen_causes(curve, None)[:1], None)
    if ax is None:
        figure = new_figure(MIDDLE_MM, 92)
        ax = panel(figure, 21, 10, MIDDLE_MM - 21 - RIGHT_EDGE_MM, 64)
    for line in lines:
        seen = line.steps[line.steps["estimate"] > 0]
        ax.step(seen["time_days"], seen["estimate"], where="post", color=line.colour, ls=line.dashes, label=line.label)
    ax.set_xscale("log")
    ax.set_yscale("log")
    _plain_log_ticks(ax.xaxis)
    _plain_log_ticks(ax.yaxis)
    name = f"Cumulative hazard of {in_words(curve.outcome)} (log scale)"
    label_axes(ax, f"Days since {time_zero(curve.definitions, curve.outcome)} (log scale)", name)
    legend_above(ax, [line.label for line in lines])
    by = f" by {in_words(curve.by)}" if curve.by else ""
    text = f"Log-log plot of the cumulative hazard of {in_words(curve.outcome)}{by}. " + " ".join(
        f"{capitalised(line.label)}: {end['estimate']:.3g} at day {end['time_days']:,.0f}."
        for line, end in ((line, line.steps.iloc[-1]) for line in lines)
    )
    describe(ax.figure, text)  # type: ignore[arg-type]
    return ax


def _draw(
    curve: Curve,
    lines: list[Line],
    last: float,
    risk_days: Sequence[float] | None,
    y_label: str,
    ax: Axes | None,
    *,
    stacked: bool,
) -> Axes:
    days, tick_labels, unit = time_ticks(last, risk_days)
    if ax is None:
        ax = with_counts(curve, lines, days, last, stacked=stacked)
    (_draw_stack if stacked else draw_lines)(ax, lines)
    ax.set_xlim(0, last)
    ax.set_xticks(days, tick_labels)
    label_axes(ax, f"{unit} since {time_zero(curve.definitions, curve.outcome)}", y_label)
    if len(lines) > 1:
        legend_above(ax, [line.label for line in lines])
    return ax


def draw_lines(axes: Axes, lines: list[Line]) -> None:
    """Draw each line as steps with its band."""
    for line in lines:
        steps = line.steps
        axes.step(
            steps["time_days"], steps["estimate"], where="post", color=line.colour, ls=line.dashes, label=line.label
        )
        axes.fill_between(
            steps["time_days"], steps["conf_low"], steps["conf_high"], step="post", color=line.colour, alpha=0.18, lw=0
        )


def _draw_stack(axes: Axes, lines: list[Line]) -> None:
    tops = np.cumsum([line.steps["estimate"].to_numpy() for line in lines], axis=0)
    for i, (line, top) in enumerate(zip(lines, tops, strict=True)):
        # Each layer reaches down to 0 and is covered by those below it: half the points of a band of its own.
        axes.stairs(
            top[:-1],
            line.steps["time_days"].to_numpy(),
            fill=True,
            facecolor=line.colour,
            edgecolor=PAPER,
            hatch=HATCHES[i],
            lw=0.4,
            label=line.label,
            zorder=2 - i / 10,
        )


def _highest(lines: list[Line], stacked: bool) -> float:
    if stacked:
        return float(sum(line.steps["estimate"].max() for line in lines))
    return max(float(np.nanmax(line.steps[["estimate", "conf_high"]].to_numpy())) for line in lines)


def _round_up(share: float) -> float:
    """Return the top of a risk axis: the next mark of a scale that keeps rare events readable."""
    marks = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)
    return next((mark for mark in marks if share <= mark), 1.0)


def percent_axis(axes: Axes) -> None:
    """Label the vertical axis in percent."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.yaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 2.5, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{share * 100:.4g} %"))


def _plain_log_ticks(axis: Any) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.set_major_locator(LogLocator(base=10, subs=(1.0, 3.0)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axis.set_minor_formatter(NullFormatter())


def time_ticks(last: float, risk_days: Sequence[float] | None) -> tuple[list[float], list[str], str]:
    """Return tick days, their labels and the unit of the axis."""
    if risk_days is not None:
        days = [float(day) for day in risk_days if day <= last]
        whole = all(day % YEAR == 0 for day in days)
    elif last >= 2 * YEAR:
        step = YEAR * max(1, int(np.ceil(last / YEAR / 12)))
        days, whole = [float(day) for day in range(0, int(last) + 1, step)], True
    else:
        step = next((step for step in (7, 14, 30, 60, 90) if last / step <= 10), 180)
        days, whole = [float(day) for day in range(0, int(last) + 1, step)], False
    if whole:
        return days, [f"{day / YEAR:g}" for day in days], "Years"
    return days, [f"{day:g}" for day in days], "Days"


def _alt(curve: Curve, lines: list[Line], what: str) -> str:
    """Return the alt text: what is drawn, and where each line ends."""
    by = f" by {in_words(curve.by)}" if curve.by else ""
    ends = []
    for line in lines:
        row = line.steps.iloc[-1]
        band = f" ({percent(row['conf_low'])} to {percent(row['conf_high'])})" if np.isfinite(row["conf_low"]) else ""
        after = days_in_words(float(row["time_days"]))
        ends.append(f"{capitalised(line.label)}: {percent(row['estimate'])}{band} after {after}.")
    return (
        f"{what} of {in_words(curve.outcome)}{by}, {count(curve.n)} {curve.unit}s, {count(curve.events)} events. "
        + " ".join(ends)
    )
