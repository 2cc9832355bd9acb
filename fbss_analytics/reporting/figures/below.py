"""Axes with a table of numbers under them, each number under the place of the x axis it belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..theme import DOUBLE_MM, FONT_SIZE, INK, MM_PER_INCH, SMALL_SIZE
from .layout import blank_panel, line_mm, new_figure, note_below, panel, text_height_mm, widest_mm, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

EDGE_MM = 3.0
RIGHT_MM = 6.0
GAP_MM = 11.0
ROW_MM = line_mm(SMALL_SIZE) + 0.3


@dataclass(frozen=True)
class Numbers:
    """One row of the table: its label, a text per place, and, for a heading, no texts."""

    label: str
    texts: tuple[str, ...] = ()
    colour: str = INK

    @property
    def is_head(self) -> bool:
        """Whether the row is a heading."""
        return not self.texts


def axes_above_numbers(
    rows: Sequence[Numbers],
    places: Sequence[float],
    *,
    note: str,
    legend: Sequence[str] = (),
    height_mm: float = 70.0,
    gap_mm: float = GAP_MM,
) -> Axes:
    """Return the axes of a figure of full width; ``places`` are shares (0 to 1) of the axes' width."""
    left = EDGE_MM + max(
        widest_mm([row.label for row in rows if not row.is_head], SMALL_SIZE) + 8,
        widest_mm([row.label for row in rows if row.is_head], SMALL_SIZE, True) + 4,
        18,
    )
    width = DOUBLE_MM - left - RIGHT_MM
    top = legend_mm(legend, width)
    words = wrapped(note, DOUBLE_MM - 2 * EDGE_MM, SMALL_SIZE)
    table = len(rows) * ROW_MM + 1
    figure = new_figure(DOUBLE_MM, top + height_mm + gap_mm + table + text_height_mm(words, SMALL_SIZE) + 3.5)
    axes = panel(figure, left, top, width, height_mm)
    at = [left + width * place for place in places]
    numbers_below(figure, rows, at, label_mm=EDGE_MM, top_mm=top + height_mm + gap_mm)
    note_below(figure, words, left_mm=EDGE_MM)
    return axes


def numbers_below(
    figure: Figure, rows: Sequence[Numbers], at_mm: Sequence[float], *, label_mm: float, top_mm: float
) -> Axes:
    """Return axes below ``top_mm`` with the rows: labels from ``label_mm``, numbers centred at ``at_mm``."""
    below = blank_panel(figure, 0, top_mm, DOUBLE_MM, len(rows) * ROW_MM + 1)
    below.set_label("counts")
    indent = 1.5 if any(row.is_head for row in rows) else 0.0
    for i, row in enumerate(rows):
        y = ROW_MM * (i + 0.5)
        look: dict[str, Any] = {"weight": "bold", "color": row.colour} if row.is_head else {}
        if row.label:
            below.text(label_mm + (0 if row.is_head else indent), y, row.label, size=SMALL_SIZE, va="center", **look)
        for x, text in zip(at_mm, row.texts, strict=False):
            below.text(x, y, text, size=SMALL_SIZE, ha="center", va="center")
    return below


def legend_columns(labels: Sequence[str], width_mm: float) -> int:
    """Return how many labels of a legend stand side by side."""
    return max(1, min(len(labels), int(width_mm // (widest_mm(labels, FONT_SIZE) + 13))))


def legend_mm(labels: Sequence[str], width_mm: float) -> float:
    """Return the room above axes: for the legend where there are several labels, else for the topmost tick."""
    if len(labels) < 2:
        return 4.0
    rows = -(-len(labels) // legend_columns(labels, width_mm))
    return 4.0 + rows * (line_mm(FONT_SIZE) + 0.6)


def legend_over(axes: Axes, handles: Sequence[Any], labels: Sequence[str]) -> None:
    """Put a legend above the axes, in as many columns as fit the width."""
    wide = axes.get_position().width * axes.get_figure(root=True).get_size_inches()[0] * MM_PER_INCH  # type: ignore[union-attr]
    axes.legend(
        list(handles),
        list(labels),
        loc="lower left",
        bbox_to_anchor=(0, 1.0),
        ncols=legend_columns(labels, wide),
        borderaxespad=0.2,
        handlelength=2.6,
        columnspacing=1.4,
        labelspacing=0.3,
    )
