"""Published risks as points beside a curve, with a key below the figure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..theme import DOUBLE_MM, INK, MARKERS, MM_PER_INCH, PAPER, SMALL_SIZE
from .counts import LEFT_EDGE_MM
from .layout import text_height_mm, wrapped
from .steps import Line

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ...literature import Comparison
    from ...models.results import Curve


def draw_published(axes: Axes, published: Comparison, lines: list[Line], curve: Curve, last: float) -> float:
    """Draw published risks as open points in the colour of the line they belong to; return the highest of them."""
    frame = published.frame
    colours = {
        "any" if line.cause in ("event", curve.outcome) else line.cause: line.colour if len(lines) > 1 else INK
        for line in lines
    }
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
    _append_note(axes, f"Published (95 % CI): {key}. Points of one day stand side by side.")
    return float(shown[["published", "published_high"]].max().max()) * 1.06


def _published_point(axes: Axes, row: dict[Any, Any], x: float, colour: str, letter: str) -> None:
    high = row["published"]
    if np.isfinite(row["published_low"]):
        high = row["published_high"]
        axes.plot(
            [x, x], [row["published_low"], high], color=colour, lw=0.75, solid_capstyle="butt", zorder=3, clip_on=False
        )
    axes.plot(
        [x],
        [row["published"]],
        marker=MARKERS[1],
        ms=3.6,
        mfc=PAPER,
        mec=colour,
        mew=0.9,
        ls="none",
        zorder=4,
        clip_on=False,
    )
    axes.annotate(
        letter,
        (x, high),
        xytext=(0, 1.5),
        textcoords="offset points",
        size=SMALL_SIZE,
        color=INK,
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
    extra = text_height_mm(more, SMALL_SIZE) / MM_PER_INCH
    figure.set_size_inches(wide, high + extra)
    for each in figure.axes:
        box = each.get_position()
        each.set_position(
            (box.x0, (box.y0 * high + extra) / (high + extra), box.width, box.height * high / (high + extra))
        )
    note.set_y(note.get_position()[1] * high / (high + extra))
    note.set_text(f"{note.get_text()}\n{more}")
