"""The specification curve: estimates in order above, the choices that each rests on below."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ...errors import InputError
from ...formats import plural
from ..theme import DOUBLE_MM, GREY, INK, OKABE_ITO, PAPER, SMALL_SIZE
from ..words import capitalised, in_words, term_in_words
from .layout import describe, label_axes, new_figure, panel, themed, widest_mm

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ...models.multiverse import Multiverse

CURVE_MM, ROW_MM, HEAD_MM = 55.0, 3.4, 4.6
CHOSEN = OKABE_ITO["vermillion"]
HEADS = {"rule": "responder", "per": "denominator", "factors": "conversion factors", "gap_days": "gap, days"}
"""How dimensions are called where a column's name would not do."""


@themed
def plot_specification_curve(multiverse: Multiverse) -> Axes:
    """Draw the estimates of all specifications in order, and under each what it rests on.

    **Definition.** One column per specification with an estimate, from the lowest to the highest: above the estimate
    with its 95 % interval, below a mark in the row of each choice it was made with. The chosen specification stands out
    in both. A dimension that a rule has no use for has no mark.

    Parameters
    ----------
    multiverse : Multiverse
        From `compare_definitions`.

    Returns
    -------
    matplotlib.axes.Axes
        The axes with the curve.

    Raises
    ------
    InputError
        When no specification has an estimate, or nothing was varied.

    When not to use it: as evidence by counting; specifications share their patients.

    References
    ----------
    Simonsohn U, Simmons JP, Nelson LD. Nat Hum Behav 2020;4:1208-1214. doi:10.1038/s41562-020-0912-z
    """
    known = multiverse.known.reset_index(drop=True)
    if known.empty or not multiverse.dimensions:
        raise InputError("There is no specification with an estimate to draw, or nothing was varied.")
    rows = _choice_rows(known, multiverse.dimensions)
    left = max(widest_mm([_choice_words(choice) for _, choice in rows], SMALL_SIZE) + 5, 22.0)
    height = sum(ROW_MM if choice else HEAD_MM for _, choice in rows) + ROW_MM
    figure = new_figure(DOUBLE_MM, 4 + CURVE_MM + 3 + height + 9)
    width = DOUBLE_MM - left - 6
    above = panel(figure, left, 4, width, CURVE_MM)
    below = panel(figure, left, 4 + CURVE_MM + 3, width, height)
    _draw_estimates(above, known, multiverse)
    _draw_choices(below, known, rows)
    describe(figure, f"Specification curve. {multiverse.sentence()}")
    return above


def _choice_rows(known: pd.DataFrame, dimensions: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return (dimension, choice) for each row of marks, after a headline (dimension, "") for each dimension."""
    rows = []
    for dimension in dimensions:
        rows.append((dimension, ""))
        choices = [choice for choice in dict.fromkeys(known[dimension]) if choice]
        rows += [(dimension, choice) for choice in sorted(choices, key=_by_number)]
    return rows


def _choice_words(choice: str) -> str:
    """Return a choice in words: a fall with its percent, other names as they are."""
    fall = choice.removeprefix("fall_")
    return f"fall of {fall} %" if fall != choice else in_words(choice)


def _by_number(choice: str) -> tuple[float, str]:
    """Return a sort key that puts 30 before 180 and words in their own order."""
    return (float(choice), "") if choice.isdigit() else (np.inf, choice)


def _draw_estimates(axes: Axes, known: pd.DataFrame, multiverse: Multiverse) -> None:
    place, chosen = np.arange(len(known)), known["is_chosen"].to_numpy(bool)
    is_share = multiverse.measure == "share"
    scale = 100.0 if is_share else 1.0
    low, middle, high = (scale * known[name].to_numpy(float) for name in ("conf_low", "estimate", "conf_high"))
    axes.vlines(place, low, high, color=GREY, lw=0.6)
    axes.plot(place[~chosen], middle[~chosen], marker="o", ms=2.2, mfc=INK, mec="none", ls="none", clip_on=False)
    axes.vlines(place[chosen], low[chosen], high[chosen], color=CHOSEN, lw=1.25)
    axes.plot(place[chosen], middle[chosen], marker="D", ms=5, mfc=CHOSEN, mec=PAPER, mew=0.6, ls="none", clip_on=False,
              label="chosen definition")  # fmt: skip
    axes.set_xlim(-0.8, len(known) - 0.2)
    axes.tick_params(axis="x", bottom=False, labelbottom=False)
    if is_share:
        axes.set_ylim(bottom=0)
        label_axes(axes, "", "Responders, % (95 % CI)")
    else:
        axes.set_yscale("log")
        _plain_ratio_axis(axes)
        axes.axhline(1, color=GREY, lw=0.75, ls=(0, (3, 2)), zorder=0)
        label_axes(axes, "", f"{multiverse.measure} of {term_in_words(multiverse.term)} (95 % CI)")
    if chosen.any():
        axes.legend(loc="lower right", borderaxespad=0.2)


def _plain_ratio_axis(axes: Axes) -> None:
    """Label a logarithmic axis with plain numbers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _draw_choices(axes: Axes, known: pd.DataFrame, rows: list[tuple[str, str]]) -> None:
    chosen = known["is_chosen"].to_numpy(bool)
    y = 0.0
    heights: list[float] = []
    for dimension, choice in rows:
        y += ROW_MM if choice else HEAD_MM
        heights.append(y)
        if not choice:
            continue
        made = (known[dimension] == choice).to_numpy(bool)
        for which, colour, size in ((made & ~chosen, INK, 1.8), (made & chosen, CHOSEN, 3.6)):
            axes.plot(np.flatnonzero(which), np.full(which.sum(), y), marker="s" if size < 2 else "D", ms=size,
                      mfc=colour, mec="none", ls="none", clip_on=False)  # fmt: skip
    labelled = [(at, choice) for at, (_, choice) in zip(heights, rows, strict=True) if choice]
    axes.set_yticks([at for at, _ in labelled], [_choice_words(choice) for _, choice in labelled], size=SMALL_SIZE)
    axes.set_xlim(-0.8, len(known) - 0.2)
    axes.set_ylim(y + ROW_MM, 0)
    axes.tick_params(length=0, labelbottom=False)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.set_xlabel(f"{plural(len(known), 'definition')}, in order of the estimate; marks: what each rests on")
    for at, (dimension, choice) in zip(heights, rows, strict=True):
        if not choice:
            head = capitalised(HEADS.get(dimension, in_words(dimension)))
            axes.text(-0.8, at, head, size=SMALL_SIZE, weight="bold", ha="left", va="center")
