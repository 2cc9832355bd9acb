"""One patient's fills and daily dose, with the four definitions of dose per day beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ...exposure.daily import FOUR
from ...formats import decimal
from ..theme import DOUBLE_MM, GREY, INK, LINES, SERIES, SMALL_SIZE
from ..words import in_words
from .layout import describe, label_axes, new_figure, panel, themed, widest_mm

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ...exposure.daily import DailyDose

FILL_MM, DOSE_MM, LEFT_MM, TOP_MM = 4.6, 50.0, 18.0, 4.0


@themed
def plot_daily_dose(daily: DailyDose) -> Axes:
    """Draw one patient's fills as bars, the daily dose under them, and the four definitions of dose per day.

    **Definition.** Bars run from a fill's first day to the end of its last; the filled area is the known dose of each
    day, so that its surface is the total MME; horizontal lines are what the four definitions make of it.

    Parameters
    ----------
    daily : DailyDose
        From `daily_dose`.

    Returns
    -------
    matplotlib.axes.Axes
        The axes with the daily dose.

    When not to use it: for a real patient in anything that leaves the machine.

    References
    ----------
    Dasgupta N et al. Clin J Pain 2021;37(8):565-574. doi:10.1097/AJP.0000000000000948
    """
    rows = len(daily.fills)
    names = [f"{words}: {decimal(daily.exposure[name])}" for name, words in FOUR.items()]
    right = widest_mm(names, SMALL_SIZE) + 6
    wide = DOUBLE_MM - LEFT_MM - right
    figure = new_figure(DOUBLE_MM, TOP_MM + rows * FILL_MM + 3 + DOSE_MM + 13)
    bars = panel(figure, LEFT_MM, TOP_MM, wide, rows * FILL_MM)
    axes = panel(figure, LEFT_MM, TOP_MM + rows * FILL_MM + 3, wide, DOSE_MM)
    _draw_fills(bars, daily.fills)
    _draw_steps(axes, daily.steps)
    _draw_lines(axes, daily)
    for each in (bars, axes):
        each.set_xlim(daily.days[0], daily.days[1] + 1)
    label_axes(axes, "Day", "MME on the day")
    describe(figure, f"{len(daily.fills)} fills and the daily dose. {daily.sentence()}")
    return axes


def _draw_fills(axes: Axes, fills: pd.DataFrame) -> None:
    for place, fill in enumerate(fills.to_dict("records")):
        known = np.isfinite(fill["mme_per_day"])
        axes.barh(
            place, fill["stop_day"] - fill["start_day"], left=fill["start_day"], height=0.62, lw=0.6, edgecolor=INK,
            color=SERIES[5] if known else "none", hatch="" if known else "////",
        )  # fmt: skip
        dose = f"{decimal(fill['mme_per_day'])} MME a day" if known else "converted by the day's total, or unknown"
        label = f" {in_words(fill['ingredient'])}, {in_words(fill['form'])}: {dose}"
        axes.text(fill["stop_day"], place, label, size=SMALL_SIZE, va="center", ha="left", clip_on=False)
    axes.set_ylim(len(fills) - 0.5, -0.5)
    axes.set_axis_off()


def _draw_steps(axes: Axes, steps: pd.DataFrame) -> None:
    for step in steps.to_dict("records"):
        axes.fill_between([step["start_day"], step["stop_day"]], step["mme_per_day"], color=GREY, alpha=0.3, lw=0)


def _draw_lines(axes: Axes, daily: DailyDose) -> None:
    """Draw each definition's dose as a line with its name at the right, names pushed apart where doses are close."""
    doses = [float(daily.exposure[name]) for name in FOUR]
    top = max([*doses, 1.0]) * 1.08
    least = top * (SMALL_SIZE * 0.5) / DOSE_MM
    at = -np.inf
    for place in np.argsort(doses):
        name = list(FOUR)[place]
        axes.axhline(doses[place], color=SERIES[place], ls=LINES[place])
        at = max(doses[place], at + least)
        label = f"{FOUR[name]}: {decimal(doses[place])}"
        axes.text(1.02, at, label, transform=axes.get_yaxis_transform(), size=SMALL_SIZE, va="center", color=INK)
        axes.plot([1.0, 1.018], [doses[place], at], color=SERIES[place], lw=0.75, clip_on=False,
                  transform=axes.get_yaxis_transform())  # fmt: skip
    axes.set_ylim(0, top)
