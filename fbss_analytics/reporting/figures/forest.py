"""Forest plots: ratios on a logarithmic axis, differences on a plain one, with aligned columns of text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...errors import InputError
from ...formats import count, plural
from ..rows import (
    DIFFERENCE,
    DaysContrast,
    Row,
    adjusted_words,
    arrange,
    by_period,
    common_measure,
    estimate_words,
    fewest_events,
    is_difference,
    series_labels,
    size_words,
)
from ..theme import DOUBLE_MM, GREY, INK, MARKERS, SERIES, SMALL_SIZE
from ..words import capitalised, in_words, term_in_words
from .beside import EDGE_MM, ROW_MM, Column, axes_beside, legend_above
from .layout import describe, text_height_mm, themed, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ...models.competing_fit import CompetingFit
    from ...models.restricted_mean import RestrictedMean
    from ...models.results import Fit
    from ...models.transition_cox import TransitionFit

TICKS = (0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 20.0, 50.0)
LARGEST_RATIO = 20.0
"""Intervals reaching further than this from 1, either way, are cut with an arrow."""


@dataclass(frozen=True)
class _Scale:
    """Where the reference stands, and beyond which values intervals are cut."""

    reference: float
    low: float
    high: float


RATIOS = _Scale(1.0, 1 / LARGEST_RATIO, LARGEST_RATIO)
DIFFERENCES = _Scale(0.0, -np.inf, np.inf)


@themed
def plot_forest(
    *fits: Fit | CompetingFit | TransitionFit | RestrictedMean, labels: Sequence[str] | None = None
) -> Axes:
    """Draw ratios, or differences, with their intervals, with reference rows, n, events and the numbers.

    **Definition.** The rows of `table_estimates`: a level's n and events are those of the last fit that has it (of a
    fit split by time, those of each period), the reference stands at 1. The axis of ratios is
    logarithmic, and an interval that leaves it ends in an arrow; its numbers are printed in full. Differences stand on
    a plain axis, their reference at 0.

    Parameters
    ----------
    *fits : Fit, CompetingFit, TransitionFit or RestrictedMean
        Fits of one measure (HR, OR or difference); a `CompetingFit` or `TransitionFit` is all its models, a
        `RestrictedMean` with groups the differences in days free and, where events compete, in days lost to each.
    labels : sequence of str, optional
        A name for each fit; fits with the same name share colour and marker.

    Returns
    -------
    matplotlib.axes.Axes
        The axes with the intervals.

    Raises
    ------
    InputError
        Without fits, with labels that do not match, with measures that differ, or with differences in several outcomes.

    When not to use it: to read all rows as effects; each is adjusted for the others, not for its own confounders.

    References
    ----------
    Westreich D, Greenland S. The Table 2 fallacy. Am J Epidemiol 2013;177:292-298. doi:10.1093/aje/kws412

    Examples
    --------
    >>> import pandas as pd, fbss_analytics as fbss
    >>> people = pd.DataFrame({
    ...     "is_out": [True, False, True, True] * 10, "days": list(range(1, 41)), "sex": ["male", "female"] * 20,
    ... })
    >>> fit = fbss.fit_cox(people, duration="days", status="is_out", event="out", formula="sex")
    >>> fbss.plot_forest(fit).get_xscale()
    'log'
    """
    shown = by_period(fits)
    series = series_labels(shown, labels)
    measure = common_measure(shown)
    scale = DIFFERENCES if is_difference(measure) else RATIOS
    axis_name = _axis_name(shown, measure)
    names = list(dict.fromkeys(series))
    rows = arrange(shown, series)
    # Rows at risk differ between periods, and events between causes, so that each has its own; else the last fit's.
    apart = any(fit.period for fit in shown) or len({fit.cause for fit in shown}) > 1
    tall = [not row.head and (apart or not row.reference) for row in rows]
    heights = [ROW_MM + (len(names) - 1) * 3.6 if high else ROW_MM for high in tall]
    level = f"{shown[0].conf_level:.0%}".replace("%", " %")
    before = _columns(rows, names, apart=apart, events=measure != DIFFERENCE)
    heights = [max(height, text_height_mm(text) + 1) for height, text in zip(heights, before[0].texts, strict=True)]
    after = [Column(f"{measure} ({level} CI)", [_numbers(row, names, measure) for row in rows])]
    note = wrapped(_forest_note(shown, series), DOUBLE_MM - 2 * EDGE_MM, SMALL_SIZE)
    listed = names if len(names) > 1 else ()
    axes, middles = axes_beside(before, after, heights, note, shaded=[_begins(row) for row in rows], legend=listed)
    for i, name in enumerate(names):
        shift = (i - (len(names) - 1) / 2) * 3.6
        _draw(axes, rows, [middle + shift for middle in middles], (name, i), scale)
    for row, middle in zip(rows, middles, strict=True):
        if row.reference:
            axes.plot([scale.reference], [middle], marker="|", ms=5, mec=INK, mew=1, ls="none")
    (_difference_axis if is_difference(measure) else _ratio_axis)(axes, rows)
    axes.axvline(scale.reference, color=GREY, lw=0.75, ls=(0, (3, 2)), zorder=0)
    axes.set_xlabel(f"{axis_name} ({adjusted_words(shown)})")
    if len(names) > 1:
        legend_above(axes)
    describe(axes.figure, _forest_alt(rows, names, measure, shown))  # type: ignore[arg-type]
    return axes


def _columns(rows: Sequence[Row], names: Sequence[str], *, apart: bool, events: bool) -> list[Column]:
    """Return the columns before the axes: what a row is, n and, with ``events``, the events."""
    indent = [row.label if row.head or row.label.startswith(_term_label(row)) else f"   {row.label}" for row in rows]
    sizes = ("n", "events") if events else ("n",)
    numbers = [[_size(row, names, which, apart) for row in rows] for which in range(len(sizes))]
    return [
        Column("", [wrapped_label(text) for text in indent]),
        *(Column(head, texts, right=True) for head, texts in zip(sizes, numbers, strict=True)),
    ]


def _size(row: Row, names: Sequence[str], which: int, apart: bool) -> str:
    """Return n (0) or events (1) of a row: one number, or, by period, one for each."""
    if row.n is None or row.events is None:
        return ""
    if apart:
        return "\n".join(count(row.sizes[name][which]) if name in row.sizes else "-" for name in names)
    return count((row.n, row.events)[which])


def wrapped_label(text: str) -> str:
    """Return a row's label in lines of at most 58 mm, keeping its indent."""
    indent = len(text) - len(text.lstrip())
    lines = wrapped(text.lstrip(), 58.0).split("\n")
    return "\n".join(" " * (indent if i == 0 else indent + 3) + line for i, line in enumerate(lines))


def _begins(row: Row) -> bool:
    """Return whether a term begins with this row."""
    return row.head or row.label.startswith(_term_label(row))


def _term_label(row: Row) -> str:
    return capitalised(term_in_words(row.term))


def _numbers(row: Row, names: Sequence[str], measure: str) -> str:
    if row.head:
        return ""
    if row.reference:
        return "0 (reference)" if is_difference(measure) else "1 (reference)"
    cells = [row.cells.get(name) for name in names]
    return "\n".join("-" if cell is None else estimate_words(cell, measure) for cell in cells)


def _draw(axes: Axes, rows: list[Row], middles: list[float], series: tuple[str, int], scale: _Scale) -> None:
    """Draw the intervals of one series, given by name and place."""
    name, place = series
    colour, marker = SERIES[place % len(SERIES)], MARKERS[place % len(MARKERS)]
    label: str | None = name
    for row, middle in zip(rows, middles, strict=True):
        cell = row.cells.get(name)
        if cell is None or not np.isfinite(cell.estimate):
            continue
        low, high = max(cell.low, scale.low), min(cell.high, scale.high)
        axes.plot([low, high], [middle, middle], color=colour, lw=1.25, solid_capstyle="butt")
        for cut, end, arrow in ((cell.low < low, low, "<"), (cell.high > high, high, ">")):
            if cut:
                axes.plot([end], [middle], marker=arrow, ms=4, color=colour, ls="none")
        if low <= cell.estimate <= high:
            axes.plot([cell.estimate], [middle], marker=marker, ms=4.5, color=colour, ls="none", label=label)
            label = None


def _ratio_axis(axes: Axes, rows: list[Row]) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    ends = [end for row in rows for cell in row.cells.values() for end in (cell.low, cell.high) if np.isfinite(end)]
    low = max(min([*ends, 0.8]), 1 / LARGEST_RATIO) * 0.93
    high = min(max([*ends, 1.25]), LARGEST_RATIO) * 1.07
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    axes.xaxis.set_major_locator(FixedLocator([tick for tick in _ratio_ticks(low, high) if low <= tick <= high]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _difference_axis(axes: Axes, rows: list[Row]) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    ends = [end for row in rows for cell in row.cells.values() for end in (cell.low, cell.high) if np.isfinite(end)]
    low, high = min([*ends, 0.0]), max([*ends, 0.0])
    margin = 0.07 * ((high - low) or 1.0)
    axes.set_xlim(low - margin, high + margin)
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))


def _axis_name(fits: Sequence[Fit | DaysContrast], measure: str) -> str:
    """Return what the axis shows; raise `InputError` for differences in several outcomes, which share no axis."""
    if measure != DIFFERENCE:
        return capitalised(measure) if is_difference(measure) else measure
    outcomes = list(dict.fromkeys(fit.outcome for fit in fits))
    if len(outcomes) > 1:
        raise InputError(f"Differences in {' and '.join(outcomes)} do not share an axis; draw them apart.")
    return f"Difference in {in_words(outcomes[0])}"


def _ratio_ticks(low: float, high: float) -> tuple[float, ...]:
    """Return tick values: finer ones where the axis is short."""
    if high / low < 4:
        return (0.4, 0.5, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 2.5)
    return TICKS


def _forest_note(fits: Sequence[Fit | DaysContrast], series: Sequence[str]) -> str:
    notes = []
    for name in dict.fromkeys(series):
        mine = [fit for fit, label in zip(fits, series, strict=True) if label == name]
        if len(mine) > 1:
            few, many = min(fit.n for fit in mine), max(fit.n for fit in mine)
            sizes = count(many) if few == many else f"{count(few)} to {count(many)}"
            least = fewest_events(mine)
            enough = f", {least} or more events per parameter" if least else ""
            notes.append(f"{capitalised(name)}: {len(mine)} models, {sizes} {mine[0].unit}s{enough}.")
        else:
            notes.append(f"{capitalised(name)}: {size_words(mine[0], parameters=False)}.")
    return " ".join(notes)


def _forest_alt(rows: list[Row], names: Sequence[str], measure: str, fits: Sequence[Fit | DaysContrast]) -> str:
    said = []
    head = ""
    for row in rows:
        head = row.label if row.head else head
        for name in names:
            cell = row.cells.get(name)
            if cell is not None:
                words = row.label if row.label.startswith(_term_label(row)) else f"{head} {row.label}"
                which = f" ({name})" if len(names) > 1 else ""
                said.append(f"{words}{which}: {estimate_words(cell, measure)}.")
    # Of several causes each has its own events.
    none = measure == DIFFERENCE or len({fit.cause for fit in fits}) > 1
    events = "" if none else f", {plural(fits[-1].events, 'event')}"
    return (
        f"Forest plot of {measure} for {in_words(fits[-1].outcome)}, {adjusted_words(fits)}; "
        f"{plural(fits[-1].n, fits[-1].unit)}{events}. " + " ".join(said)
    )
