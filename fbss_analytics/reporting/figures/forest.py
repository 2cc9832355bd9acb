"""Forest plots: ratios on a logarithmic axis, and published figures beside ours, with aligned columns of text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ...errors import InputError
from ...formats import count, decimal, interval, plural, ratio
from ..rows import Row, adjusted_words, arrange, by_period, common_measure, series_labels
from ..tables.results import share_words
from ..theme import DOUBLE_MM, FONT_SIZE, GREY, INK, LIGHT, MARKERS, PAPER, SERIES, SMALL_SIZE
from ..words import capitalised, days_in_words, in_words, term_in_words
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
    from ...models.results import Fit

EDGE_MM = 3.0
GAP_MM = 4.0
HEAD_MM = 6.5
AXIS_MM = 11.0
ROW_MM = 4.6
TICKS = (0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 20.0, 50.0)
LARGEST_RATIO = 20.0
"""Intervals reaching further than this from 1, either way, are cut with an arrow."""


@dataclass(frozen=True, eq=False)
class _Column:
    """A column of text: heading, one text per row, the side it is flush with; ``free`` rows may run out of it."""

    head: str
    texts: list[str]
    right: bool = False
    free: tuple[int, ...] = ()

    @property
    def counted(self) -> list[int]:
        """Rows that make the column's width."""
        return [i for i in range(len(self.texts)) if i not in self.free]


@themed
def plot_forest(*fits: Fit, labels: Sequence[str] | None = None) -> Axes:
    """Draw ratios with their intervals on a logarithmic axis, with reference rows, n, events and the numbers.

    **Definition.** The rows of `table_estimates`: a level's n and events are those of the last fit that has it (of a
    fit split by time, those of each period), the reference stands at 1. An interval that leaves the axis ends in
    an arrow; its numbers are printed in full.

    Parameters
    ----------
    *fits : Fit
        Fits of one measure (HR or OR).
    labels : sequence of str, optional
        A name for each fit; fits with the same name share colour and marker.

    Returns
    -------
    matplotlib.axes.Axes
        The axes with the intervals.

    Raises
    ------
    InputError
        Without fits, with labels that do not match, or with measures that differ.

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
    fits = by_period(fits)
    series = series_labels(fits, labels)
    measure = common_measure(fits)
    names = list(dict.fromkeys(series))
    rows = arrange(fits, series)
    # Rows at risk differ between periods, so that each has its own; else the last fit's stand for all.
    apart = any(fit.period for fit in fits)
    tall = [not row.head and (apart or not row.reference) for row in rows]
    heights = [ROW_MM + (len(names) - 1) * 3.6 if high else ROW_MM for high in tall]
    level = f"{fits[0].conf_level:.0%}".replace("%", " %")
    indent = [row.label if row.head or row.label.startswith(_term_label(row)) else f"   {row.label}" for row in rows]
    before = [
        _Column("", [wrapped_label(text) for text in indent]),
        _Column("n", [_size(row, names, 0, apart) for row in rows], right=True),
        _Column("events", [_size(row, names, 1, apart) for row in rows], right=True),
    ]
    heights = [max(height, text_height_mm(text) + 1) for height, text in zip(heights, before[0].texts, strict=True)]
    after = [_Column(f"{measure} ({level} CI)", [_numbers(row, names) for row in rows])]
    note = wrapped(_forest_note(fits, series), DOUBLE_MM - 2 * EDGE_MM, SMALL_SIZE)
    axes, middles = _layout(before, after, heights, note, shaded=[_begins(row) for row in rows], legend=len(names) > 1)
    for i, name in enumerate(names):
        shift = (i - (len(names) - 1) / 2) * 3.6
        _draw_ratios(axes, rows, [middle + shift for middle in middles], name, i)
    for row, middle in zip(rows, middles, strict=True):
        if row.reference:
            axes.plot([1], [middle], marker="|", ms=5, mec=INK, mew=1, ls="none")
    _ratio_axis(axes, rows, f"{measure} ({adjusted_words(fits)})")
    if len(names) > 1:
        _legend(axes)
    describe(axes.figure, _forest_alt(rows, names, measure, fits))  # type: ignore[arg-type]
    return axes


@themed
def plot_comparison(comparison: Comparison) -> Axes:
    """Draw published risks and rates, each with ours beside it.

    **Definition.** The rows of the comparison that have our number, in its order: published as open squares, ours as
    filled circles, each with its 95 % interval where there is one. Shares in percent; rates per 100 patient-years.

    Parameters
    ----------
    comparison : Comparison
        From `compare_with_published`.

    Returns
    -------
    matplotlib.axes.Axes
        The axes with the intervals.

    Raises
    ------
    InputError
        When no published figure could be set beside ours.

    When not to use it: as a test of agreement; see `compare_with_published`.
    """
    frame = comparison.frame
    shown = frame[frame["ours"].notna()]
    if shown.empty:
        raise InputError(f"Nothing to draw. {comparison.sentence()}")
    records = _with_heads(shown)
    heads = ["head" in record for record in records]
    texts = [("", "", "") if head else _comparison_texts(record) for head, record in zip(heads, records, strict=True)]
    labels = [record["head"] if "head" in record else f"   {record['label']}" for record in records]
    before = [
        _Column("Study", labels, free=tuple(i for i, head in enumerate(heads) if head)),
        _Column("n", [text[0] for text in texts], right=True),
        _Column("after", [text[1] for text in texts]),
    ]
    after = [_Column("published\nours", [text[2] for text in texts])]
    left_out = len(frame) - len(shown)
    words = f"Squares: published; circles: ours; lines: 95 % CI. {comparison.sentence()}"
    words += f" Not drawn: {plural(left_out, 'figure')} without a counterpart." if left_out else ""
    note = wrapped(words, DOUBLE_MM - 2 * EDGE_MM, SMALL_SIZE)
    heights = [ROW_MM if head else 2 * line_mm() + 0.8 for head in heads]
    axes, middles = _layout(before, after, heights, note, shaded=heads, legend=True)
    for record, middle in zip(records, middles, strict=True):
        if "head" not in record:
            _draw_share(axes, record, "published", middle - line_mm() / 2, INK, MARKERS[1], PAPER)
            _draw_share(axes, record, "ours", middle + line_mm() / 2, SERIES[0], MARKERS[0], SERIES[0])
    axes.set_xlim(left=0)
    axes.set_xlabel("Percent, or per 100 patient-years")
    _legend(axes)
    describe(axes.figure, f"Published figures beside ours. {comparison.sentence()}")  # type: ignore[arg-type]
    return axes


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


def _numbers(row: Row, names: Sequence[str]) -> str:
    if row.head:
        return ""
    if row.reference:
        return "1 (reference)"
    cells = [row.cells.get(name) for name in names]
    return "\n".join("-" if c is None else f"{ratio(c.estimate)} ({interval(c.low, c.high)})" for c in cells)


def _layout(
    before: list[_Column], after: list[_Column], heights: list[float], note: str, *, shaded: list[bool], legend: bool
) -> tuple[Axes, list[float]]:
    """Return the axes between the columns of text (data units: millimetres downwards), and the middle of each row."""
    widths = [
        max(widest_mm(column.texts[i] for i in column.counted), widest_mm([column.head], bold=True))
        for column in (*before, *after)
    ]
    left = EDGE_MM + sum(widths[: len(before)]) + GAP_MM * len(before)
    right = EDGE_MM + sum(widths[len(before) :]) + GAP_MM * len(after)
    body = sum(heights)
    head = HEAD_MM + (line_mm() if legend else 0)
    high = head + body + AXIS_MM + text_height_mm(note, SMALL_SIZE) + 3
    figure = new_figure(DOUBLE_MM, high)
    text = blank_panel(figure, 0, head, DOUBLE_MM, body)
    axes = panel(figure, left, head, DOUBLE_MM - left - right, body)
    axes.patch.set_alpha(0)
    middles = [float(middle) for middle in np.cumsum(heights) - np.array(heights) / 2]
    x = EDGE_MM
    for i, (column, width) in enumerate(zip((*before, *after), widths, strict=True)):
        if i == len(before):
            x = DOUBLE_MM - right + GAP_MM
        at, side = (x + width, "right") if column.right else (x, "left")
        text.text(at, -1.6, column.head, ha=side, va="bottom", weight="bold")
        for words, middle in zip(column.texts, middles, strict=True):
            text.text(at, middle, words, ha=side, va="center", linespacing=1.25)
        x += width + GAP_MM
    _bands(text, heights, shaded)
    axes.set_ylim(body, 0)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    note_below(figure, note, left_mm=EDGE_MM)
    return axes, middles


def _bands(text: Axes, heights: list[float], heads: list[bool]) -> None:
    """Draw a thin line above every heading, across the figure, and one under the column heads."""
    tops = np.cumsum(heights) - np.array(heights)
    text.plot([EDGE_MM, DOUBLE_MM - EDGE_MM], [0, 0], color=INK, lw=0.75, clip_on=False)
    for top, head in zip(tops, heads, strict=True):
        if head and top > 0:
            text.plot([EDGE_MM, DOUBLE_MM - EDGE_MM], [top, top], color=LIGHT, lw=0.5)


def _draw_ratios(axes: Axes, rows: list[Row], middles: list[float], name: str, place: int) -> None:
    colour, marker = SERIES[place % len(SERIES)], MARKERS[place % len(MARKERS)]
    label: str | None = name
    for row, middle in zip(rows, middles, strict=True):
        cell = row.cells.get(name)
        if cell is None or not np.isfinite(cell.estimate):
            continue
        low, high = max(cell.low, 1 / LARGEST_RATIO), min(cell.high, LARGEST_RATIO)
        axes.plot([low, high], [middle, middle], color=colour, lw=1.25, solid_capstyle="butt")
        for cut, end, arrow in ((cell.low < low, low, "<"), (cell.high > high, high, ">")):
            if cut:
                axes.plot([end], [middle], marker=arrow, ms=4, color=colour, ls="none")
        if low <= cell.estimate <= high:
            axes.plot([cell.estimate], [middle], marker=marker, ms=4.5, color=colour, ls="none", label=label)
            label = None


def _ratio_axis(axes: Axes, rows: list[Row], name: str) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    ends = [end for row in rows for cell in row.cells.values() for end in (cell.low, cell.high) if np.isfinite(end)]
    low = max(min([*ends, 0.8]), 1 / LARGEST_RATIO) * 0.93
    high = min(max([*ends, 1.25]), LARGEST_RATIO) * 1.07
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    axes.xaxis.set_major_locator(FixedLocator([tick for tick in _ratio_ticks(low, high) if low <= tick <= high]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.axvline(1, color=GREY, lw=0.75, ls=(0, (3, 2)), zorder=0)
    axes.set_xlabel(name)


def _ratio_ticks(low: float, high: float) -> tuple[float, ...]:
    """Return tick values: finer ones where the axis is short."""
    if high / low < 4:
        return (0.4, 0.5, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 2.5)
    return TICKS


def _legend(axes: Axes) -> None:
    handles, texts = axes.get_legend_handles_labels()
    shown = dict(zip(texts, handles, strict=True))
    axes.legend(
        list(shown.values()),
        list(shown),
        loc="lower left",
        bbox_to_anchor=(0, 1.0),
        ncols=_columns(axes, list(shown)),
        borderaxespad=0.2,
        handletextpad=0.3,
        columnspacing=1.0,
        labelspacing=0.25,
    )


def _columns(axes: Axes, texts: list[str]) -> int:
    wide = axes.get_position().width * axes.figure.get_size_inches()[0] * 25.4  # type: ignore[union-attr]
    return max(1, min(len(texts), int(wide // (widest_mm(texts, FONT_SIZE) + 8))))


def _forest_note(fits: Sequence[Fit], series: Sequence[str]) -> str:
    notes = []
    for name in dict.fromkeys(series):
        mine = [fit for fit, label in zip(fits, series, strict=True) if label == name]
        parameters = min(fit.events_per_parameter for fit in mine)
        if len(mine) > 1:
            few, many = min(fit.n for fit in mine), max(fit.n for fit in mine)
            sizes = count(many) if few == many else f"{count(few)} to {count(many)}"
            notes.append(
                f"{capitalised(name)}: {len(mine)} models, {sizes} {mine[0].unit}s, "
                f"{decimal(parameters)} or more events per parameter."
            )
        else:
            sizes = f"{plural(mine[0].n, mine[0].unit)}, {plural(mine[0].events, 'event')}"
            notes.append(f"{capitalised(name)}: {sizes}, {decimal(parameters)} events per parameter.")
    return " ".join(notes)


def _forest_alt(rows: list[Row], names: Sequence[str], measure: str, fits: Sequence[Fit]) -> str:
    said = []
    head = ""
    for row in rows:
        head = row.label if row.head else head
        for name in names:
            cell = row.cells.get(name)
            if cell is not None:
                words = row.label if row.label.startswith(_term_label(row)) else f"{head} {row.label}"
                which = f" ({name})" if len(names) > 1 else ""
                said.append(f"{words}{which}: {ratio(cell.estimate)} ({interval(cell.low, cell.high)}).")
    return (
        f"Forest plot of {measure} for {in_words(fits[-1].outcome)}, {adjusted_words(fits)}; "
        f"{plural(fits[-1].n, fits[-1].unit)}, {plural(fits[-1].events, 'event')}. " + " ".join(said)
    )


def _with_heads(shown: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows with a heading before each cause, and before rates."""
    records: list[dict[str, Any]] = []
    for (cause, is_rate), rows in shown.groupby(["cause", shown["statistic"].eq("rate")], sort=False):
        kind = "per 100 patient-years" if is_rate else "risk or share"
        whole = "any reason" if rows["outcome"].iloc[0] == "explant" else in_words(str(rows["outcome"].iloc[0]))
        reason = whole if cause == "any" else in_words(str(cause))
        records.append({"head": f"{capitalised(reason)}, {kind}"})
        records.extend(rows.to_dict("records"))  # type: ignore[arg-type]
    return records


def _comparison_texts(record: dict[str, Any]) -> tuple[str, str, str]:
    n = "" if np.isnan(record["n"]) else count(record["n"])
    when = "all" if np.isnan(record["horizon_days"]) else days_in_words(record["horizon_days"])
    when += ", share" if record["statistic"] == "fraction" else ""
    return n, when, f"{share_words(record, 'published')}\n{share_words(record, 'ours')}"


def _draw_share(axes: Axes, record: dict[str, Any], name: str, y: float, colour: str, marker: str, face: str) -> None:
    low, high = record[f"{name}_low"], record[f"{name}_high"]
    if np.isfinite(low):
        axes.plot([low * 100, high * 100], [y, y], color=colour, lw=1, solid_capstyle="butt")
    look: dict[str, Any] = {"marker": marker, "ms": 3.8, "mec": colour, "mfc": face, "mew": 0.9, "ls": "none"}
    axes.plot([record[name] * 100], [y], **look, label=name, zorder=3, clip_on=False)
