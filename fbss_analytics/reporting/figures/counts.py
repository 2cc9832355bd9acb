"""What stands around a curve: the legend above it, the counts and the note below it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ...formats import count
from ..theme import DOUBLE_MM, FONT_SIZE, MM_PER_INCH, SERIES, SMALL_SIZE
from ..words import capitalised, group_in_words, in_words
from .layout import blank_panel, line_mm, new_figure, note_below, panel, text_height_mm, widest_mm, wrapped
from .steps import FEWEST_AT_RISK, SMALLEST_SHARE_AT_RISK, Line, competing_causes, further_causes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ...models.results import Curve

LEFT_EDGE_MM = 3.0
RIGHT_EDGE_MM = 6.0
PLOT_HEIGHT_MM = 70.0
ROW_MM = line_mm(SMALL_SIZE) + 0.3


def with_counts(curve: Curve, lines: list[Line], days: list[float], last: float, *, stacked: bool) -> Axes:
    """Return the axes of the curves, with the table of counts drawn below them on their own axes."""
    table = curve.risk_table(days)
    drawn = tuple(dict.fromkeys(line.cause for line in lines if line.cause not in ("", *curve.overstated)))
    blocks = [(group, _count_rows(curve, table, group, drawn)) for group in curve.groups]
    several = len(blocks) > 1
    labels = [label for _, rows in blocks for label, _ in rows]
    heads = [group_in_words(curve.by, group) for group in curve.groups] if several else []
    left = LEFT_EDGE_MM + max(widest_mm(labels, SMALL_SIZE) + 7, widest_mm(heads, SMALL_SIZE, True) + 7, 18)
    width = DOUBLE_MM - left - RIGHT_EDGE_MM
    n_rows = sum(len(rows) for _, rows in blocks) + len(heads)
    top, gap = _legend_mm([line.label for line in lines], width), 11.0
    foot = _foot(curve, stacked, () if stacked else further_causes(curve, drawn))
    note = wrapped(foot, DOUBLE_MM - 2 * LEFT_EDGE_MM, SMALL_SIZE)
    table_height = n_rows * ROW_MM + 1
    figure = new_figure(DOUBLE_MM, top + PLOT_HEIGHT_MM + gap + table_height + text_height_mm(note, SMALL_SIZE) + 3.5)
    axes = panel(figure, left, top, width, PLOT_HEIGHT_MM)
    below = blank_panel(figure, 0, top + PLOT_HEIGHT_MM + gap, DOUBLE_MM, table_height)
    below.set_label("counts")
    y = ROW_MM / 2
    for i, (group, rows) in enumerate(blocks):
        if several:
            colour = SERIES[i % len(SERIES)]
            below.text(
                LEFT_EDGE_MM,
                y,
                group_in_words(curve.by, group),
                size=SMALL_SIZE,
                weight="bold",
                color=colour,
                va="center",
            )
            y += ROW_MM
        for label, numbers in rows:
            below.text(LEFT_EDGE_MM + (1.5 if several else 0), y, label, size=SMALL_SIZE, va="center")
            for day, number in zip(days, numbers, strict=True):
                below.text(left + width * day / last, y, count(number), size=SMALL_SIZE, ha="center", va="center")
            y += ROW_MM
    note_below(figure, note, left_mm=LEFT_EDGE_MM)
    return axes


def _count_rows(curve: Curve, table: pd.DataFrame, group: str, drawn: tuple[str, ...]) -> list[tuple[str, list[int]]]:
    """Return the rows of one group; with events of every cause and the censored they add up to those who entered."""
    mine = table[table["group"] == group]
    first = mine[mine["cause"] == mine["cause"].iloc[0]]
    events = {str(cause): rows["n_events"].to_numpy() for cause, rows in mine.groupby("cause", sort=False)}
    further = further_causes(curve, drawn)
    rows = [("At risk", first["n_at_risk"].to_numpy())]
    rows += [(_cumulative(curve, cause), events[cause]) for cause in drawn]
    if further:
        words = _cumulative(curve, further[0]) if len(further) == 1 else f"{len(further)} further reasons (cum.)"
        rows.append((words, np.sum([events[cause] for cause in further], axis=0)))
    rows += [(_cumulative(curve, cause), events[cause]) for cause in competing_causes(curve) if cause not in drawn]
    rows.append(("Censored (cum.)", first["n_censored"].to_numpy()))
    return [(label, [int(n) for n in numbers]) for label, numbers in rows]


def _cumulative(curve: Curve, cause: str) -> str:
    return f"{capitalised(in_words(curve.outcome if cause == 'event' else cause))} (cum.)"


def _foot(curve: Curve, stacked: bool, further: tuple[str, ...]) -> str:
    level = f"{curve.conf_level:.0%}".replace("%", " %")
    band = f"Band: {level} pointwise confidence interval ({curve.conf_type})."
    counted = "At risk just before the day, events and censored before it."
    share = f"{SMALLEST_SHARE_AT_RISK * 100:.0f} % of the group"
    ends = f"Lines end where fewer than {FEWEST_AT_RISK}, or {share}, are at risk."
    absent = [f"Not drawn: {', '.join(in_words(cause) for cause in further)}."] if further else []
    absent += ["1 - Kaplan-Meier counts competing events as censored and is no risk."] if curve.overstated else []
    return " ".join(("Upper edge: risk of any reason." if stacked else band, counted, ends, *absent))


def _legend_columns(labels: list[str], width_mm: float) -> int:
    """Return how many labels of a legend stand side by side."""
    return max(1, min(len(labels), int(width_mm // (widest_mm(labels, FONT_SIZE) + 13))))


def _legend_mm(labels: list[str], width_mm: float) -> float:
    """Return the room above the axes: for the legend where there are several lines, else for the topmost tick."""
    if len(labels) < 2:
        return 4.0
    rows = -(-len(labels) // _legend_columns(labels, width_mm))
    return 4.0 + rows * (line_mm(FONT_SIZE) + 0.6)


def legend_above(axes: Axes, labels: list[str]) -> None:
    """Put the legend above the axes, in as many columns as fit the width."""
    handles, texts = axes.get_legend_handles_labels()
    wide = axes.get_position().width * axes.figure.get_size_inches()[0] * MM_PER_INCH  # type: ignore[union-attr]
    axes.legend(
        handles,
        texts,
        loc="lower left",
        bbox_to_anchor=(0, 1.0),
        ncols=_legend_columns(labels, wide),
        borderaxespad=0.2,
        handlelength=2.6,
        columnspacing=1.4,
        labelspacing=0.3,
    )
