"""Published risks as points beside a curve, with a key below the figure."""

from __future__ import annotations

from dataclasses import dataclass
from string import ascii_lowercase
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

NO_BREAK = "\u00a0"


@dataclass(frozen=True)
class Point:
    """A published risk: where it stands (``x`` in days, moved aside where several share a day) and how it is drawn."""

    x: float
    published: float
    low: float
    high: float
    study: str
    colour: str
    letter_below: bool

    @property
    def top(self) -> float:
        """The highest share the point needs."""
        return max(self.published, self.high) if np.isfinite(self.high) else self.published


def published_points(published: Comparison, lines: list[Line], curve: Curve, last: float) -> list[Point]:
    """Return the published risks within the axis that belong to a line, in the order of their days."""
    frame = published.frame
    colours = {
        "any" if line.cause in ("event", curve.outcome) else line.cause: line.colour if len(lines) > 1 else INK
        for line in lines
    }
    here = frame["statistic"].ne("rate") & frame["cause"].isin(list(colours)) & frame["horizon_days"].le(last)
    shown = frame[here].sort_values(["horizon_days", "published", "study_key"], kind="stable")
    # Points of one day stand side by side, leftwards of it, so that none leaves the axes at the last day.
    aside = shown.groupby("horizon_days").cumcount(ascending=False) * last * 0.021
    return [
        Point(
            x=row["horizon_days"] - move,
            published=row["published"],
            low=row["published_low"],
            high=row["published_high"],
            study=row["label"],
            colour=colours[row["cause"]],
            letter_below=bool(row["difference"] > 0 and row["published_low"] > 0.03),
        )
        for row, move in zip(shown.to_dict("records"), aside, strict=True)
    ]


def draw_published(axes: Axes, points: list[Point]) -> None:
    """Draw published risks as open squares with their intervals and a letter; the key stands in the note."""
    if not points:
        return
    letters = dict(zip(dict.fromkeys(point.study for point in points), ascii_lowercase, strict=False))
    for point in points:
        if np.isfinite(point.low):
            axes.plot([point.x] * 2, [point.low, point.high], color=point.colour, lw=0.75, zorder=3, clip_on=False)
        look: dict[str, Any] = {"marker": MARKERS[1], "ms": 3.6, "mfc": PAPER, "mec": point.colour, "mew": 0.9}
        axes.plot([point.x], [point.published], ls="none", zorder=4, clip_on=False, **look)
        # The letter stands on the side of the interval that is away from our curve.
        at, shift, side = (point.low, -1.5, "top") if point.letter_below else (point.top, 1.5, "bottom")
        axes.annotate(
            letters[point.study],
            (point.x, at),
            xytext=(0, shift),
            textcoords="offset points",
            size=SMALL_SIZE,
            color=INK,
            ha="center",
            va=side,
        )
    key = "; ".join(f"{letter} {study}".replace(" ", NO_BREAK) for study, letter in letters.items())
    _append_note(axes, f"Published (95 % CI): {key}. Points of one day stand side by side.")


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
