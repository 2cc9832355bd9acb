"""Axes between aligned columns of text: every row of numbers beside what is drawn of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..theme import DOUBLE_MM, FONT_SIZE, INK, LIGHT, SMALL_SIZE
from .layout import blank_panel, line_mm, new_figure, note_below, panel, text_height_mm, widest_mm

if TYPE_CHECKING:
    from matplotlib.axes import Axes

EDGE_MM = 3.0
GAP_MM = 4.0
HEAD_MM = 6.5
AXIS_MM = 11.0
ROW_MM = 4.6


@dataclass(frozen=True, eq=False)
class Column:
    """A column of text: heading, one text per row, the side it is flush with; ``free`` rows may run out of it."""

    head: str
    texts: list[str]
    right: bool = False
    free: tuple[int, ...] = ()

    @property
    def counted(self) -> list[int]:
        """Rows that make the column's width."""
        return [i for i in range(len(self.texts)) if i not in self.free]


def axes_beside(
    before: list[Column],
    after: list[Column],
    heights: list[float],
    note: str,
    *,
    shaded: list[bool],
    legend: Sequence[str],
) -> tuple[Axes, list[float]]:
    """Return the axes between the columns of text (data units: millimetres downwards), and the middle of each row."""
    widths = [
        max(widest_mm(column.texts[i] for i in column.counted), widest_mm([column.head], bold=True))
        for column in (*before, *after)
    ]
    left = EDGE_MM + sum(widths[: len(before)]) + GAP_MM * len(before)
    right = EDGE_MM + sum(widths[len(before) :]) + GAP_MM * len(after)
    body = sum(heights)
    lines = -(-len(legend) // _in_one_line(DOUBLE_MM - left - right, legend)) if legend else 0
    head = HEAD_MM + (max(lines - 1, 1) * line_mm() if legend else 0)
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


def legend_above(axes: Axes) -> None:
    """Put the names of the series above the axes, each once, in as many columns as fit their width."""
    handles, texts = axes.get_legend_handles_labels()
    shown = dict(zip(texts, handles, strict=True))
    wide = axes.get_position().width * axes.figure.get_size_inches()[0] * 25.4  # type: ignore[union-attr]
    axes.legend(
        list(shown.values()),
        list(shown),
        loc="lower left",
        bbox_to_anchor=(0, 1.0),
        ncols=_in_one_line(wide, list(shown)),
        borderaxespad=0.2,
        handletextpad=0.3,
        columnspacing=1.0,
        labelspacing=0.25,
    )


def _in_one_line(wide: float, texts: Sequence[str]) -> int:
    """Return how many texts of a legend stand beside each other in so many millimetres."""
    return max(1, min(len(texts), int(wide // (widest_mm(texts, FONT_SIZE) + 8))))
