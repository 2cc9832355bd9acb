"""What all figures share: sizes in millimetres, measured text, axes at exact places, alt text."""

from __future__ import annotations

import functools
import textwrap
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from ..theme import FONT, FONT_SIZE, INK, MM_PER_INCH, RC, SMALL_SIZE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

P = ParamSpec("P")
R = TypeVar("R")

POINTS_PER_INCH = 72.0

HINTING = 1.04
"""Room for renderers that round letters to whole pixels and so set lines a little wider."""


def themed(plot: Callable[P, R]) -> Callable[P, R]:
    """Return a plot that draws in the journal theme and leaves the session's own settings alone."""

    @functools.wraps(plot)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> R:
        import matplotlib

        with matplotlib.rc_context(RC):
            return plot(*args, **kwargs)

    return drawn


def new_figure(width_mm: float, height_mm: float) -> Figure:
    """Return an empty figure of that size, known to pyplot so that a notebook shows it."""
    from matplotlib import pyplot

    return pyplot.figure(figsize=(width_mm / MM_PER_INCH, height_mm / MM_PER_INCH))


def panel(figure: Figure, left_mm: float, top_mm: float, width_mm: float, height_mm: float) -> Axes:
    """Return axes at a place measured in millimetres from the figure's upper left corner."""
    wide, high = figure.get_size_inches() * MM_PER_INCH
    return figure.add_axes((left_mm / wide, 1 - (top_mm + height_mm) / high, width_mm / wide, height_mm / high))


def blank_panel(figure: Figure, left_mm: float, top_mm: float, width_mm: float, height_mm: float) -> Axes:
    """Return axes without frame or ticks whose data units are millimetres from their upper left corner."""
    axes = panel(figure, left_mm, top_mm, width_mm, height_mm)
    axes.set_xlim(0, width_mm)
    axes.set_ylim(height_mm, 0)
    axes.set_axis_off()
    return axes


@functools.lru_cache(maxsize=4096)
def text_width_mm(text: str, size: float = FONT_SIZE, bold: bool = False) -> float:
    """Return how wide a line of text is, in millimetres."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    if not text.strip():
        return 0.0
    font = FontProperties(family=FONT, weight="bold" if bold else "normal")
    path = TextPath((0, 0), text.replace("$", r"\$"), size=size, prop=font)
    return float(path.get_extents().x1) / POINTS_PER_INCH * MM_PER_INCH * HINTING


def widest_mm(texts: Iterable[str], size: float = FONT_SIZE, bold: bool = False) -> float:
    """Return the width of the widest line in millimetres, 0 without lines."""
    return max((text_width_mm(line, size, bold) for text in texts for line in text.split("\n")), default=0.0)


def wrapped(text: str, width_mm: float, size: float = FONT_SIZE) -> str:
    """Return a text broken into lines no wider than ``width_mm`` (a single longer word stays whole)."""
    characters = len(text)
    while characters > 8:
        broken = "\n".join(textwrap.wrap(text, characters, break_long_words=False, break_on_hyphens=False))
        if widest_mm([broken], size) <= width_mm:
            return broken
        characters -= 1
    return "\n".join(text.split())


def line_mm(size: float = FONT_SIZE) -> float:
    """Return the height of a line of text in millimetres."""
    return size * 1.3 / POINTS_PER_INCH * MM_PER_INCH


def text_height_mm(text: str, size: float = FONT_SIZE) -> float:
    """Return the height of a block of lines in millimetres."""
    return (text.count("\n") + 1) * line_mm(size)


def note_below(figure: Figure, text: str, *, left_mm: float, bottom_mm: float = 1.5) -> None:
    """Write a note of small print along the lower edge of the figure."""
    wide, high = figure.get_size_inches() * MM_PER_INCH
    figure.text(
        left_mm / wide, bottom_mm / high, text, size=SMALL_SIZE, color=INK, ha="left", va="bottom", linespacing=1.25
    )


def label_axes(axes: Axes, x: str, y: str) -> None:
    """Name both axes, in lines that are no longer than the axes."""
    wide, high = axes.get_figure(root=True).get_size_inches() * MM_PER_INCH  # type: ignore[union-attr]
    box = axes.get_position()
    axes.set_xlabel(wrapped(x, max(box.width * wide, 40.0)))
    axes.set_ylabel(wrapped(y, max(box.height * high, 40.0)))


def describe(figure: Figure, text: str) -> None:
    """Keep the alt text with the figure; `fbss_analytics.reporting.alt_text` reads it back."""
    figure.set_label(text)
