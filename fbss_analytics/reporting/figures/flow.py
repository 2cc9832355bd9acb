"""The flow of patients: who entered, who left at which requirement, and what became of those who stayed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...errors import DataError
from ...formats import count, percent
from ..theme import DOUBLE_MM, FONT_SIZE, GREY, INK, LIGHT, PAPER
from ..words import capitalised, in_words
from .layout import blank_panel, describe, new_figure, text_height_mm, themed, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ...cohort import Cohort

EDGE_MM = 3.0
PAD_MM = 2.0
GAP_MM = 3.0
MAIN_MM = 57.0
SIDE_MM = 102.0


@dataclass(frozen=True)
class _Box:
    """A box of the chart in millimetres from the upper left corner, with its text."""

    x: float
    y: float
    wide: float
    high: float
    text: str
    centred: bool = True
    shaded: bool = False


@themed
def plot_flow(cohort: Cohort, *, outcome: str | None = None) -> Axes:
    """Draw who entered the cohort and who left, requirement by requirement, as a flow chart.

    **Definition.** Downwards: who is left; to the right: the requirement and how many did not meet it. With ``outcome``
    the last row splits the cohort by what came first: an event, a competing event, or the end of observation. Counts
    are checked to add up before anything is drawn.

    Parameters
    ----------
    cohort : Cohort
        Any cohort.
    outcome : str, optional
        An outcome of the cohort, for the last row.

    Returns
    -------
    matplotlib.axes.Axes
        The axes of the chart; its units are millimetres.

    Raises
    ------
    DataError
        When the counts of the attrition, or of the outcome, do not add up.
    InputError
        When the cohort has no such outcome.

    When not to use it: for exclusions a model made (missing values); those stand in ``Fit.excluded``.

    References
    ----------
    von Elm E et al. STROBE statement. Lancet 2007;370:1453-1457. doi:10.1016/S0140-6736(07)61602-X
    """
    steps = cohort.attrition.frame
    rows = [
        (str(r["words"]), int(r["n_before"]), int(r["n_excluded"]), int(r["n_after"])) for r in steps.to_dict("records")
    ]
    _check_sums(rows, len(cohort))
    ends = [] if outcome is None else _ends(cohort, outcome)
    left, right = EDGE_MM, DOUBLE_MM - EDGE_MM - SIDE_MM
    start = wrapped(capitalised(rows[0][0]), MAIN_MM - 2 * PAD_MM) + f"\nn = {count(rows[0][3])}"
    exits = [
        (f"n = {count(gone)} left out\n" + wrapped(f"Required: {words}", SIDE_MM - 2 * PAD_MM), after)
        for words, _, gone, after in rows[1:]
    ]
    boxes: list[_Box] = []
    y = EDGE_MM
    high = _height(start)
    boxes.append(_Box(left, y, MAIN_MM, high, start))
    y += high
    arrows: list[tuple[float, float, float, float]] = []
    middle = left + MAIN_MM / 2
    for i, (words, after) in enumerate(exits):
        side = _height(words)
        stay = ("In the cohort\n" if i == len(exits) - 1 else "") + f"n = {count(after)}"
        arrows += [
            (middle, y, middle, y + side + 2 * GAP_MM),
            (middle, y + GAP_MM + side / 2, right, y + GAP_MM + side / 2),
        ]
        boxes.append(_Box(right, y + GAP_MM, SIDE_MM, side, words, centred=False))
        y += side + 2 * GAP_MM
        boxes.append(_Box(left, y, MAIN_MM, _height(stay), stay, shaded=i == len(exits) - 1))
        y += _height(stay)
    if ends:
        y = _place_ends(boxes, arrows, ends, middle, y)
    figure = new_figure(DOUBLE_MM, y + EDGE_MM)
    axes = blank_panel(figure, 0, 0, DOUBLE_MM, y + EDGE_MM)
    for line in arrows:
        _arrow(axes, *line)
    for box in boxes:
        _draw_box(axes, box)
    describe(figure, _alt(rows, ends))
    return axes


def _check_sums(rows: list[tuple[str, int, int, int]], size: int) -> None:
    for (_, before, gone, after), (_, _, _, earlier) in zip(rows[1:], rows[:-1], strict=True):
        if before != earlier or before - gone != after:
            raise DataError("The attrition does not add up: a step does not begin where the step before it ended.")
    if rows[-1][3] != size:
        raise DataError(f"The attrition ends with {count(rows[-1][3])} rows and the cohort has {count(size)}.")


def _ends(cohort: Cohort, name: str) -> list[tuple[str, int, list[tuple[str, int]]]]:
    """Return what came first and for how many: the event with its reasons, competing events, end of observation."""
    outcome = cohort.outcome(name)
    status = cohort.frame[outcome.status]
    found = {str(word): int(n) for word, n in status.value_counts().items()}
    reasons = [(in_words(cause), found[cause]) for cause in outcome.causes if found.get(cause)]
    ends = [
        (capitalised(in_words(outcome.name)), sum(n for _, n in reasons), reasons if len(outcome.causes) > 1 else [])
    ]
    ends += [(capitalised(in_words(word)), found.get(word, 0), []) for word in outcome.competing]
    ends.append(
        (
            "Neither when observation ended" if outcome.competing else "Free of it when observation ended",
            found.get("censored", 0),
            [],
        )
    )
    missing = int(status.isna().sum())
    if missing:
        ends.append(("Not observed", missing, []))
    if sum(n for _, n, _ in ends) != len(cohort):
        raise DataError(
            f"The statuses of outcome {name!r} do not add up to the {count(len(cohort))} rows of the cohort."
        )
    return ends


def _place_ends(
    boxes: list[_Box],
    arrows: list[tuple[float, float, float, float]],
    ends: list[tuple[str, int, list[tuple[str, int]]]],
    middle: float,
    y: float,
) -> float:
    """Place the last row of boxes side by side and return where it ends."""
    total = sum(n for _, n, _ in ends)
    wide = (DOUBLE_MM - 2 * EDGE_MM - (len(ends) - 1) * 3) / len(ends)
    texts = []
    for words, n, reasons in ends:
        lines = [wrapped(words, wide - 2 * PAD_MM), f"n = {count(n)} ({percent(n / total)})"]
        texts.append("\n".join(lines + [f"{reason}: {count(some)}" for reason, some in reasons]))
    centres = [EDGE_MM + i * (wide + 3) + wide / 2 for i in range(len(ends))]
    trunk = y + GAP_MM
    arrows.append((middle, y, middle, -trunk))
    arrows.append((min(*centres, middle), trunk, max(*centres, middle), -trunk))
    arrows += [(centre, trunk, centre, trunk + GAP_MM) for centre in centres]
    top = trunk + GAP_MM
    boxes += [
        _Box(centre - wide / 2, top, wide, _height(text), text) for centre, text in zip(centres, texts, strict=True)
    ]
    return top + max(_height(text) for text in texts)


def _height(text: str) -> float:
    return text_height_mm(text, FONT_SIZE) + 2 * PAD_MM - 0.5


def _draw_box(axes: Axes, box: _Box) -> None:
    from matplotlib.patches import Rectangle

    face = LIGHT if box.shaded else PAPER
    axes.add_patch(Rectangle((box.x, box.y), box.wide, box.high, facecolor=face, edgecolor=INK, lw=0.75))
    x, side = (box.x + box.wide / 2, "center") if box.centred else (box.x + PAD_MM, "left")
    axes.text(x, box.y + box.high / 2, box.text, ha=side, va="center", linespacing=1.25)


def _arrow(axes: Axes, x0: float, y0: float, x1: float, y1: float) -> None:
    """Draw an arrow; a negative ``y1`` means a plain line to ``-y1``."""
    if y1 < 0:
        axes.plot([x0, x1], [y0, -y1], color=GREY, lw=0.75, solid_capstyle="projecting")
        return
    axes.annotate(
        "",
        (x1, y1),
        (x0, y0),
        arrowprops={
            "arrowstyle": "-|>,head_width=0.16,head_length=0.32",
            "color": GREY,
            "lw": 0.75,
            "shrinkA": 0,
            "shrinkB": 0,
        },
    )


def _alt(rows: list[tuple[str, int, int, int]], ends: list[tuple[str, int, list[tuple[str, int]]]]) -> str:
    left = "; ".join(f"{words}: {count(after)} ({count(gone)} left out)" for words, _, gone, after in rows[1:])
    last = ", ".join(f"{words.lower()} {count(n)}" for words, n, _ in ends)
    return f"Flow chart. {capitalised(rows[0][0])}: {count(rows[0][3])}. {capitalised(left)}." + (
        f" Of these: {last}." if ends else ""
    )
