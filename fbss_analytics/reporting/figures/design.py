"""The design diagram: which window of time, relative to day 0, each column is taken from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import InputError
from ..theme import DOUBLE_MM, GREY, INK, OKABE_ITO, SMALL_SIZE
from ..words import capitalised, in_words
from .layout import describe, new_figure, note_below, panel, themed, widest_mm

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ...cohort import Cohort

ROW_MM = 6.0


@themed
def plot_design(cohort: Cohort) -> Axes:
    """Draw the time windows of a cohort's columns and outcomes relative to day 0.

    **Definition.** A bar from the first to the last day of each recorded window, both ends included; an open end is an
    arrow. Follow-up of an outcome runs from day 0 to its last day.

    Parameters
    ----------
    cohort : Cohort
        With columns that record a window (``days=``) or outcomes.

    Returns
    -------
    matplotlib.axes.Axes
        Days on the horizontal axis.

    Raises
    ------
    InputError
        When no column of the cohort records a window.

    When not to use it: for who is in the cohort; that is `plot_flow`.

    References
    ----------
    Schneeweiss S et al. Graphical depiction of longitudinal study designs in health care databases. Ann Intern Med
    2019;170:398-406. doi:10.7326/M18-3079
    """
    bars = _windows(cohort)
    if not bars:
        raise InputError("No column of the cohort records a window; add some, for example with add_opioid_dose.")
    reach = max(max(abs(day) for day in (low, high) if day is not None) for _, low, high in bars)
    left = widest_mm([name for name, _, _ in bars], SMALL_SIZE) + 6
    height = ROW_MM * len(bars)
    figure = new_figure(DOUBLE_MM, height + 22)
    axes = panel(figure, left, 4, DOUBLE_MM - left - 6, height)
    for place, (_, low, high) in enumerate(bars):
        start, stop = (-1.15 * reach if low is None else low - 0.5), (1.15 * reach if high is None else high + 0.5)
        colour = OKABE_ITO["blue"] if stop <= 1 else OKABE_ITO["vermillion"]
        axes.barh(place, stop - start, left=start, height=0.55, color=colour, hatch="" if stop <= 1 else "////")
        if low is None:
            axes.plot(start, place, marker="<", color=colour, ms=5, clip_on=False)
        if high is None:
            axes.plot(stop, place, marker=">", color=colour, ms=5, clip_on=False)
    axes.axvline(0, color=INK, lw=1)
    axes.set_yticks(range(len(bars)), [name for name, _, _ in bars], size=SMALL_SIZE)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(bars) - 0.4, -0.6)
    axes.set_xlim(-1.2 * reach, 1.2 * reach)
    axes.set_xlabel("Days relative to day 0")
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x", color=GREY, lw=0.2)
    note_below(figure, "Plain: before day 0. Hatched: after it. Both ends of each window are included.", left_mm=3)
    words = "; ".join(f"{name}: {_ends(low, high)}" for name, low, high in bars)
    describe(figure, f"Design diagram, days relative to day 0. {words}.")
    return axes


def _windows(cohort: Cohort) -> list[tuple[str, int | None, int | None]]:
    bars: list[tuple[str, int | None, int | None]] = []
    for definition in cohort.definitions:
        days = definition.arguments.get("days")
        until = definition.arguments.get("until_days")
        name = capitalised(in_words(definition.name))
        if isinstance(days, tuple) and len(days) == 2:
            bars.append((name, days[0], days[1]))
        elif isinstance(until, int):
            bars.append((name, 0, until))
    return bars


def _ends(low: int | None, high: int | None) -> str:
    return f"{'any day before' if low is None else low} to {'any day after' if high is None else high}"
