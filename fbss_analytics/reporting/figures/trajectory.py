"""Trajectories in three panels: who uses, how much users take, and what that makes on average."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ...formats import count, decimal, percent
from ..theme import DOUBLE_MM, FONT_SIZE, GREY, LINES, MM_PER_INCH, SERIES, SMALL_SIZE
from ..words import in_words
from .below import EDGE_MM, ROW_MM, Numbers, legend_columns, legend_mm, numbers_below
from .layout import describe, line_mm, new_figure, note_below, panel, text_height_mm, themed, wrapped
from .steps import time_zero

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ...models.trajectory import Trajectory

MONTH_DAYS = 30
PANELS = (
    ("share_using", "A", "Share using"),
    ("dose_if_using", "B", "Mean dose of users, {unit}"),
    ("mean_dose", "C", "Mean dose of everyone, {unit}"),
)
PANEL_MM = 50.0
BETWEEN_MM = 14.0
MINUS = "\N{MINUS SIGN}"


@themed
def plot_trajectory(trajectory: Trajectory, *, marks: Mapping[str, float] | None = None) -> Axes:
    """Draw a trajectory in three panels: share using, mean dose of users, mean dose of everyone.

    **Definition.** A point per month at its middle, in months of 30 days from day 0, joined before and after it but not
    across; bands are pointwise intervals; a line marks day 0. Below: rows observed in the month (users under the
    second panel).

    Parameters
    ----------
    trajectory : Trajectory
    marks : mapping of str to float, optional
        Further days to mark, for instance ``{"implant": 10}`` where day 0 is the trial.

    Returns
    -------
    matplotlib.axes.Axes
        The first panel; the other two are in its figure.

    When not to use it: alone, to claim an effect; doses peak before implants.

    References
    ----------
    Barnett AG, van der Pols JC, Dobson AJ. Regression to the mean. Int J Epidemiol 2005;34:215-220.
    doi:10.1093/ije/dyh299

    Examples
    --------
    >>> import pandas as pd, fbss_analytics as fbss
    >>> months = [-2, -1, 1, 2]
    >>> frame = pd.DataFrame({
    ...     "row": [i // 4 for i in range(80)], "month": months * 20, "start_day": [-60, -30, 1, 31] * 20,
    ...     "stop_day": [-30, 0, 31, 61] * 20, "is_using": [1, 1, 1, 0] * 20, "mme_per_day": [50.0, 60, 40, 0] * 20,
    ... })
    >>> axes = fbss.plot_trajectory(fbss.estimate_trajectory(frame))
    >>> len(axes.figure.axes) >= 3
    True
    """
    frame = trajectory.frame.assign(x=lambda rows: rows["middle_day"] / MONTH_DAYS)
    several = len(trajectory.groups) > 1
    ticks = _ticks(frame["x"])
    names = [in_words(group) for group in trajectory.groups]
    marked = {"day 0": 0.0} | {str(name): float(day) for name, day in (marks or {}).items()}
    figure, panels = _panels(trajectory, frame, ticks, names if several else [], len(marked) > 1)
    handles: list[Any] = []
    for number, (axes, (measure, _, _)) in enumerate(zip(panels, PANELS, strict=True)):
        mine = frame[frame["measure"] == measure]
        handles = [
            _draw(axes, mine[mine["group"] == group], SERIES[i % len(SERIES)], LINES[i % len(LINES)])
            for i, group in enumerate(trajectory.groups)
        ]
        axes.set_xlim(frame["x"].min() - 0.5, frame["x"].max() + 0.5)
        axes.set_xticks(ticks, [f"{tick:g}".replace("-", MINUS) for tick in ticks])
        axes.set_ylim(bottom=0)
        _y_axis(axes, measure)
        _marks(axes, marked, label=number == 0)
    panels[1].set_xlabel(f"Months of {MONTH_DAYS} days since {time_zero(trajectory.definitions)}")
    if several:
        _legend(figure, handles, names)
    describe(figure, _alt(trajectory, frame))
    return panels[0]


def _panels(
    trajectory: Trajectory, frame: pd.DataFrame, ticks: list[float], legend: list[str], marked: bool
) -> tuple[Figure, list[Axes]]:
    """Return the figure and its three panels, with the numbers and the note below."""
    several = len(trajectory.groups) > 1
    left = EDGE_MM + 20
    width = (DOUBLE_MM - left - 4 - 2 * BETWEEN_MM) / 3
    titles = [wrapped(words.format(unit=trajectory.unit_of_dose), width) for _, _, words in PANELS]
    top = 2 + max(text_height_mm(title) for title in titles) + 2
    top += legend_mm(legend, DOUBLE_MM - 2 * EDGE_MM) - 3 if several else 0
    level = f"{trajectory.conf_level:.0%}".replace("%", " %")
    note = wrapped(
        f"Points: months of {MONTH_DAYS} days, over those observed in the month. Bands: {level} pointwise intervals. "
        "C is A times B." + (" Dotted lines: the days named in A." if marked else ""),
        DOUBLE_MM - 2 * EDGE_MM,
        SMALL_SIZE,
    )
    below = top + PANEL_MM + 11
    lines = len(trajectory.groups) + 1
    figure = new_figure(DOUBLE_MM, below + lines * ROW_MM + 1 + text_height_mm(note, SMALL_SIZE) + 3.5)
    panels = []
    low, span = frame["x"].min() - 0.5, frame["x"].max() - frame["x"].min() + 1
    for number, ((measure, letter, _), title) in enumerate(zip(PANELS, titles, strict=True)):
        start = left + number * (width + BETWEEN_MM)
        panels.append(panel(figure, start, top, width, PANEL_MM))
        panels[-1].set_title(title, size=FONT_SIZE, loc="left", pad=4)
        look: dict[str, Any] = {"weight": "bold", "size": 10, "transform": panels[-1].transAxes, "va": "bottom"}
        panels[-1].text(-9.0 / width, 1 + 2.2 / PANEL_MM, letter, ha="right", **look)
        if measure != "mean_dose":
            at = [start + width * (tick - low) / span for tick in ticks]
            rows = [Numbers("Observed" if number == 0 else "Users"), *_rows(trajectory, frame, measure, ticks)]
            counts = numbers_below(figure, rows, at, label_mm=EDGE_MM if number == 0 else start - 9, top_mm=below)
            if several and number == 0:
                _samples(counts, len(trajectory.groups))
    note_below(figure, note, left_mm=EDGE_MM)
    return figure, panels


def _samples(counts: Axes, groups: int) -> None:
    """Draw each group's line where its row of numbers begins."""
    for i in range(groups):
        y = ROW_MM * (i + 1.5)
        look: dict[str, Any] = {"color": SERIES[i % len(SERIES)], "ls": LINES[i % len(LINES)], "lw": 1.25}
        counts.plot([EDGE_MM + 1.5, EDGE_MM + 9.5], [y, y], **look)


def _legend(figure: Figure, handles: list[Any], names: list[str]) -> None:
    high = figure.get_size_inches()[1] * MM_PER_INCH
    figure.legend(
        handles,
        names,
        loc="upper left",
        bbox_to_anchor=(EDGE_MM / DOUBLE_MM, 1 - 1.5 / high),
        ncols=legend_columns(names, DOUBLE_MM - 2 * EDGE_MM),
        borderaxespad=0,
        borderpad=0,
        handlelength=2.6,
        columnspacing=1.4,
        labelspacing=0.3,
    )


def _rows(trajectory: Trajectory, frame: pd.DataFrame, measure: str, ticks: list[float]) -> list[Numbers]:
    """Return how many stand behind the points nearest the ticks, by group."""
    rows = []
    for group in trajectory.groups:
        mine = frame[(frame["measure"] == measure) & (frame["group"] == group)]
        x, n = mine["x"].to_numpy(), mine["n"].to_numpy()
        # Where two months are as near, as on day 0, the one before stands.
        near = [int(np.argmin(np.abs(x - tick + 1e-9))) for tick in ticks]
        rows.append(Numbers("", tuple(count(n[k]) for k in near)))
    return rows


def _ticks(x: pd.Series) -> list[float]:
    reach = max(abs(float(x.min())), abs(float(x.max()))) + 0.5
    step = next((step for step in (1, 2, 3, 6, 12, 24, 60) if reach / step <= 2.6), 120)
    first, last = np.ceil((x.min() - 0.5) / step), np.floor((x.max() + 0.5) / step)
    return [float(step * k) for k in range(int(first), int(last) + 1)]


def _draw(axes: Axes, rows: pd.DataFrame, colour: str, dashes: Any) -> Any:
    handle = None
    for part in (rows[rows["x"] < 0], rows[rows["x"] > 0]):
        if part.empty:
            continue
        (handle,) = axes.plot(part["x"], part["estimate"], color=colour, ls=dashes, lw=1.25)
        axes.fill_between(part["x"], np.maximum(part["conf_low"], 0), part["conf_high"], color=colour, alpha=0.18, lw=0)
    return handle


def _y_axis(axes: Axes, measure: str) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]))
    if measure == "share_using":
        axes.set_ylim(0, 1)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{share * 100:.3g} %"))


def _marks(axes: Axes, marked: Mapping[str, float], *, label: bool) -> None:
    for number, (name, day) in enumerate(marked.items()):
        x = day / MONTH_DAYS
        axes.axvline(x, color=GREY, lw=0.75, ls=(0, (1, 1.5)), zorder=0)
        if label:
            y = 0.02 + number * (line_mm(SMALL_SIZE) + 0.4) / PANEL_MM
            axes.text(x + 0.8, y, name, size=SMALL_SIZE, color=GREY, transform=axes.get_xaxis_transform(), va="bottom")


def _alt(trajectory: Trajectory, frame: pd.DataFrame) -> str:
    said = []
    for group in trajectory.groups:
        mine = frame[frame["group"] == group].set_index(["month", "measure"])["estimate"]
        months = mine.index.get_level_values(0)
        ends = [
            f"month {month:g} {percent(mine[month, 'share_using'])} using, users "
            f"{decimal(mine[month, 'dose_if_using'], 0)}, everyone {decimal(mine[month, 'mean_dose'], 0)}"
            for month in (months.min(), -1, 1, months.max())
            if (month, "share_using") in mine.index
        ]
        said.append(f"{in_words(group)}: {'; '.join(ends)} {trajectory.unit_of_dose}.")
    return "Trajectory by month in three panels: share using, dose of users, mean dose. " + " ".join(said)
