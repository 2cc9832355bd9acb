"""Curves over time: cumulative incidence, survival, and the log-log plot, with the counts under them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ...errors import InputError, nearest
from ...formats import count, percent
from ...sources.events import event
from ..theme import DOUBLE_MM, FONT_SIZE, GREY, HATCHES, LINES, MARKERS, PAPER, SERIES, SMALL_SIZE
from ..words import capitalised, days_in_words, in_words
from .layout import (
    blank_panel,
    describe,
    line_mm,
    new_figure,
    note_below,
    panel,
    text_height_mm,
    themed,
    widest_mm,
    wrapped,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ...literature import Comparison
    from ...models.results import Curve

YEAR = 365
FEWEST_AT_RISK = 10
SMALLEST_SHARE_AT_RISK = 0.05

LEFT_EDGE_MM = 3.0
RIGHT_EDGE_MM = 6.0
PLOT_HEIGHT_MM = 70.0
ROW_MM = line_mm(SMALL_SIZE) + 0.3


@dataclass(frozen=True, eq=False)
class _Line:
    """One line of a figure: its steps as far as they are drawn, and how it is drawn."""

    group: str
    cause: str
    label: str
    steps: pd.DataFrame
    colour: str
    dashes: Any


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
        Causes to draw, in order; all causes that are not competing events when None.
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
    >>> axes.get_ylim()[0]
    0.0
    """
    _require_kind(curve, "cumulative_incidence")
    lines = _lines(curve, _chosen_causes(curve, causes), until_days)
    if stacked and len({line.group for line in lines}) > 1:
        raise InputError("stacked=True draws one group; estimate the curve without by=, or draw the groups unstacked.")
    last = _last_day(curve, until_days)
    name = (
        f"Cumulative incidence of {in_words(curve.outcome)}" if stacked or len(lines) == 1 else "Cumulative incidence"
    )
    axes = _draw(curve, lines, last, risk_days, name, ax, stacked=stacked)
    highest = _highest(lines, stacked)
    if published is not None:
        highest = max(highest, _draw_published(axes, published, lines, curve, last))
    axes.set_ylim(0, _round_up(highest))
    _percent_axis(axes)
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
        Of kind ``survival``.
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
    >>> axes.get_ylim()
    (0.0, 1.0)
    """
    _require_kind(curve, "survival")
    lines = _lines(curve, _chosen_causes(curve, None)[:1], until_days)
    last = _last_day(curve, until_days)
    axes = _draw(curve, lines, last, risk_days, f"Free of {in_words(curve.outcome)}", ax, stacked=False)
    axes.set_ylim(0, 1)
    _percent_axis(axes)
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
    _require_kind(curve, "cumulative_hazard")
    lines = _lines(curve, _chosen_causes(curve, None)[:1], None)
    if ax is None:
        figure = new_figure(DOUBLE_MM * 0.62, 78)
        ax = panel(figure, 18, 10, DOUBLE_MM * 0.62 - 18 - RIGHT_EDGE_MM, 54)
    for line in lines:
        seen = line.steps[line.steps["estimate"] > 0]
        ax.step(seen["time_days"], seen["estimate"], where="post", color=line.colour, ls=line.dashes, label=line.label)
    ax.set_xscale("log")
    ax.set_yscale("log")
    _plain_log_ticks(ax.xaxis)
    _plain_log_ticks(ax.yaxis)
    ax.set_xlabel(f"Days since {_time_zero(curve)} (log scale)")
    ax.set_ylabel(f"Cumulative hazard of {in_words(curve.outcome)} (log scale)")
    _legend_above(ax, [line.label for line in lines])
    by = f" by {in_words(curve.by)}" if curve.by else ""
    text = f"Log-log plot of the cumulative hazard of {in_words(curve.outcome)}{by}. " + " ".join(
        f"{capitalised(line.label)}: {end['estimate']:.3g} at day {end['time_days']:,.0f}."
        for line, end in ((line, line.steps.iloc[-1]) for line in lines)
    )
    describe(ax.figure, text)  # type: ignore[arg-type]
    return ax


def _require_kind(curve: Curve, kind: str) -> None:
    if curve.kind != kind:
        verbs = {
            "cumulative_incidence": "plot_cumulative_incidence",
            "survival": "plot_survival",
            "cumulative_hazard": "plot_log_log",
            "effect": "plot_effect_curve",
        }
        raise InputError(
            f"This plot needs a {kind.replace('_', ' ')} curve, not {curve.kind!r}; use {verbs[curve.kind]}."
        )


def _competing(curve: Curve) -> tuple[str, ...]:
    """Return the competing events that the outcome's definition names; none for a plain frame."""
    for definition in curve.definitions:
        if definition.name == curve.outcome:
            named = definition.arguments.get("competing") or ()
            return (named,) if isinstance(named, str) else tuple(str(name) for name in named)  # type: ignore[attr-defined]
    return ()


def _chosen_causes(curve: Curve, causes: Sequence[str] | None) -> tuple[str, ...]:
    known = [str(cause) for cause in curve.frame["cause"].unique()]
    if causes is None:
        own = tuple(cause for cause in known if cause not in _competing(curve))
        return own or tuple(known)
    for cause in causes:
        if cause not in known:
            raise InputError(f"The curve has no cause {cause!r}.{nearest(cause, known)}")
    return tuple(causes)


def _lines(curve: Curve, causes: tuple[str, ...], until_days: float | None) -> list[_Line]:
    """Return the lines: colours tell groups apart, or causes where there is one group; dashes double them."""
    frame = curve.frame
    lines = []
    several = len(curve.groups) > 1
    for i, group in enumerate(curve.groups):
        for j, cause in enumerate(causes):
            rows = frame[(frame["group"] == group) & (frame["cause"] == cause)]
            enough = rows["n_at_risk"] >= max(FEWEST_AT_RISK, SMALLEST_SHARE_AT_RISK * curve.sizes[group])
            last = rows.loc[enough, "time_days"].max() if enough.any() else rows["time_days"].max()
            rows = rows[rows["time_days"] <= min(last, np.inf if until_days is None else until_days)]
            words = in_words(curve.outcome if cause == "event" else cause)
            parts = [in_words(group)] if several else []
            parts += [words] if len(causes) > 1 or not several else []
            place = i if several else j
            dashes = LINES[(j if several and len(causes) > 1 else place) % len(LINES)]
            lines.append(_Line(group, cause, ", ".join(parts), rows, SERIES[place % len(SERIES)], dashes))
    return lines


def _last_day(curve: Curve, until_days: float | None) -> float:
    followed = float(curve.frame["time_days"].max())
    return followed if until_days is None else min(float(until_days), followed)


def _draw(
    curve: Curve,
    lines: list[_Line],
    last: float,
    risk_days: Sequence[float] | None,
    y_label: str,
    ax: Axes | None,
    *,
    stacked: bool,
) -> Axes:
    days, tick_labels, unit = _ticks(last, risk_days)
    if ax is None:
        ax = _with_counts(curve, days, last)
    (_draw_stack if stacked else _draw_lines)(ax, lines)
    ax.set_xlim(0, last * 1.0)
    ax.set_xticks(days, tick_labels)
    ax.set_xlabel(f"{unit} since {_time_zero(curve)}")
    ax.set_ylabel(y_label)
    if len(lines) > 1:
        _legend_above(ax, [line.label for line in lines])
    return ax


def _draw_lines(axes: Axes, lines: list[_Line]) -> None:
    for line in lines:
        steps = line.steps
        axes.step(
            steps["time_days"], steps["estimate"], where="post", color=line.colour, ls=line.dashes, label=line.label
        )
        axes.fill_between(
            steps["time_days"], steps["conf_low"], steps["conf_high"], step="post", color=line.colour, alpha=0.18, lw=0
        )


def _draw_stack(axes: Axes, lines: list[_Line]) -> None:
    floor = np.zeros(len(lines[0].steps))
    for i, line in enumerate(lines):
        top = floor + line.steps["estimate"].to_numpy()
        axes.fill_between(
            line.steps["time_days"],
            floor,
            top,
            step="post",
            facecolor=line.colour,
            edgecolor=PAPER,
            hatch=HATCHES[i % len(HATCHES)],
            lw=0.4,
            label=line.label,
        )
        floor = top


def _highest(lines: list[_Line], stacked: bool) -> float:
    if stacked:
        return float(sum(line.steps["estimate"].max() for line in lines))
    return max(float(np.nanmax(line.steps[["estimate", "conf_high"]].to_numpy())) for line in lines)


def _round_up(share: float) -> float:
    """Return the top of a risk axis: the next mark of a scale that keeps rare events readable."""
    marks = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)
    return next((mark for mark in marks if share <= mark), 1.0)


def _percent_axis(axes: Axes) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.yaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 2.5, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{share * 100:.4g} %"))


def _plain_log_ticks(axis: Any) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.set_major_locator(LogLocator(base=10, subs=(1.0, 3.0)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def _ticks(last: float, risk_days: Sequence[float] | None) -> tuple[list[float], list[str], str]:
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


def _time_zero(curve: Curve) -> str:
    """Return what day 0 is, from the definitions the curve rests on."""
    for definition in curve.definitions:
        if definition.name == "index" and definition.arguments.get("index"):
            return event(str(definition.arguments["index"])).words
    return "day 0"


def _with_counts(curve: Curve, days: list[float], last: float) -> Axes:
    """Return the axes of the curves, with the table of counts drawn below them on their own axes."""
    table = curve.risk_table(days)
    blocks = [(group, _count_rows(curve, table, group)) for group in curve.groups]
    several = len(blocks) > 1
    labels = [label for _, rows in blocks for label, _ in rows]
    heads = [in_words(group) for group in curve.groups] if several else []
    left = LEFT_EDGE_MM + max(widest_mm(labels, SMALL_SIZE) + 7, widest_mm(heads, SMALL_SIZE, True) + 7, 18)
    width = DOUBLE_MM - left - RIGHT_EDGE_MM
    lines = sum(len(rows) for _, rows in blocks) + len(heads)
    top, gap = 12.0, 11.0
    foot = _foot(curve)
    note = wrapped(foot, DOUBLE_MM - 2 * LEFT_EDGE_MM, SMALL_SIZE)
    table_height = lines * ROW_MM + 1
    figure = new_figure(DOUBLE_MM, top + PLOT_HEIGHT_MM + gap + table_height + text_height_mm(note, SMALL_SIZE) + 3.5)
    axes = panel(figure, left, top, width, PLOT_HEIGHT_MM)
    below = blank_panel(figure, 0, top + PLOT_HEIGHT_MM + gap, DOUBLE_MM, table_height)
    below.set_label("counts")
    y = ROW_MM / 2
    for i, (group, rows) in enumerate(blocks):
        if several:
            colour = SERIES[i % len(SERIES)]
            below.text(LEFT_EDGE_MM, y, in_words(group), size=SMALL_SIZE, weight="bold", color=colour, va="center")
            y += ROW_MM
        for label, numbers in rows:
            below.text(LEFT_EDGE_MM + (1.5 if several else 0), y, label, size=SMALL_SIZE, va="center")
            for day, number in zip(days, numbers, strict=True):
                below.text(left + width * day / last, y, count(number), size=SMALL_SIZE, ha="center", va="center")
            y += ROW_MM
    note_below(figure, note, left_mm=LEFT_EDGE_MM)
    return axes


def _count_rows(curve: Curve, table: pd.DataFrame, group: str) -> list[tuple[str, list[int]]]:
    mine = table[table["group"] == group]
    causes = [str(cause) for cause in mine["cause"].unique()]
    first = mine[mine["cause"] == causes[0]]
    rows = [("At risk", [int(n) for n in first["n_at_risk"]])]
    for cause in causes:
        words = capitalised(in_words(curve.outcome if cause == "event" else cause))
        rows.append((f"{words} (cum.)", [int(n) for n in mine.loc[mine["cause"] == cause, "n_events"]]))
    return [*rows, ("Censored (cum.)", [int(n) for n in first["n_censored"]])]


def _foot(curve: Curve) -> str:
    return (
        f"Band: {curve.conf_level:.0%} pointwise confidence interval ({curve.conf_type}). ".replace("%", " %")
        + "At risk just before the day, events and censored before it. Lines end when fewer than "
        f"{FEWEST_AT_RISK} or {SMALLEST_SHARE_AT_RISK * 100:.0f} % of the group are at risk."
    )


def _legend_above(axes: Axes, labels: list[str]) -> None:
    """Put the legend above the axes, in as many columns as fit the width."""
    handles, texts = axes.get_legend_handles_labels()
    wide = axes.get_position().width * axes.figure.get_size_inches()[0] * 25.4  # type: ignore[union-attr]
    each = widest_mm(texts or labels, FONT_SIZE) + 13
    axes.legend(
        handles,
        texts,
        loc="lower left",
        bbox_to_anchor=(0, 1.0),
        ncols=max(1, min(len(texts), int(wide // each))),
        borderaxespad=0.2,
        handlelength=2.6,
        columnspacing=1.4,
        labelspacing=0.3,
    )


def _draw_published(axes: Axes, published: Comparison, lines: list[_Line], curve: Curve, last: float) -> float:
    """Draw published risks as open points in the colour of the line they belong to; return the highest of them."""
    frame = published.frame
    colours = {("any" if line.cause in ("event", curve.outcome) else line.cause): line.colour for line in lines}
    shown = frame[
        frame["statistic"].ne("rate") & frame["cause"].isin(list(colours)) & frame["horizon_days"].le(last)
    ].sort_values(["horizon_days", "published", "study_key"], kind="stable")
    if shown.empty:
        return 0.0
    studies = list(dict.fromkeys(shown["label"]))
    letters = dict(zip(studies, "abcdefghijklmnopqrstuvwxyz", strict=False))
    step = last * 0.021
    for _, together in shown.groupby("horizon_days", sort=True):
        # Points of one day stand side by side, leftwards of it, so that none leaves the axes at the last day.
        for k, row in enumerate(together.iloc[::-1].to_dict("records")):
            _published_point(axes, row, row["horizon_days"] - k * step, colours[row["cause"]], letters[row["label"]])
    key = "; ".join(f"{letter}, {study}" for study, letter in letters.items())
    _append_note(axes, f"Published (95 % CI): {key}.")
    return float(shown[["published", "published_high"]].max().max()) * 1.06


def _published_point(axes: Axes, row: dict[Any, Any], x: float, colour: str, letter: str) -> None:
    high = row["published"]
    if np.isfinite(row["published_low"]):
        high = row["published_high"]
        axes.plot([x, x], [row["published_low"], high], color=colour, lw=0.75, solid_capstyle="butt", zorder=3)
    axes.plot([x], [row["published"]], marker=MARKERS[1], ms=3.6, mfc=PAPER, mec=colour, mew=0.9, ls="none", zorder=4)
    axes.annotate(
        letter,
        (x, high),
        xytext=(0, 1.5),
        textcoords="offset points",
        size=SMALL_SIZE,
        color=GREY,
        ha="center",
        va="bottom",
    )


def _append_note(axes: Axes, words: str) -> None:
    """Add a line to the note below the figure, growing the figure upwards so that nothing else moves."""
    figure: Any = axes.figure
    if not figure.texts:
        axes.set_title(wrapped(words, 80, SMALL_SIZE), size=SMALL_SIZE, loc="left")
        return
    note = figure.texts[-1]
    wide, high = figure.get_size_inches()
    more = wrapped(words, DOUBLE_MM - 2 * LEFT_EDGE_MM, SMALL_SIZE)
    extra = text_height_mm(more, SMALL_SIZE) / 25.4
    figure.set_size_inches(wide, high + extra)
    for each in figure.axes:
        box = each.get_position()
        each.set_position(
            (box.x0, (box.y0 * high + extra) / (high + extra), box.width, box.height * high / (high + extra))
        )
    note.set_y(note.get_position()[1] * high / (high + extra))
    note.set_text(f"{note.get_text()}\n{more}")


def _alt(curve: Curve, lines: list[_Line], what: str) -> str:
    """Return the alt text: what is drawn, and where each line ends."""
    by = f" by {in_words(curve.by)}" if curve.by else ""
    ends = []
    for line in lines:
        row = line.steps.iloc[-1]
        ends.append(
            f"{capitalised(line.label)}: {percent(row['estimate'])} ({percent(row['conf_low'])} to "
            f"{percent(row['conf_high'])}) after {days_in_words(float(row['time_days']))}."
        )
    return (
        f"{what} of {in_words(curve.outcome)}{by}, {count(curve.n)} {curve.unit}s, {count(curve.events)} events. "
        + " ".join(ends)
    )
