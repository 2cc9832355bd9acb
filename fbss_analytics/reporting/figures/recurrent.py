"""The mean number of events per patient over time, with the counts under it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ...formats import count, decimal, interval
from ..theme import SERIES
from ..words import capitalised, days_in_words, in_words
from .below import Numbers, axes_above_numbers, legend_over
from .curves import draw_lines, time_ticks
from .layout import describe, label_axes, themed
from .steps import (
    FEWEST_AT_RISK,
    SMALLEST_SHARE_AT_RISK,
    Line,
    curve_lines,
    last_day,
    require_kind,
    time_zero,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ...models.results import Curve


@themed
def plot_mean_cumulative_count(
    curve: Curve,
    *,
    until_days: float | None = None,
    risk_days: Sequence[float] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the mean number of events per patient over time, with its robust band and the counts under it.

    **Definition.** The steps of the curve from day 0; each line ends on the last day with max(10, 5 % of the group) at
    risk. Under the ticks: at risk just before the day; events, terminal events and censored before it.

    Parameters
    ----------
    curve : Curve
        Of kind ``mean_cumulative_count``.
    until_days : float, optional
        Last day of the axis; the last day followed when None.
    risk_days : sequence of float, optional
        Days of the ticks and counts; whole years when None.
    ax : matplotlib.axes.Axes, optional
        Draw the curves alone there, without counts.

    Returns
    -------
    matplotlib.axes.Axes
        The axes with the curves.

    Raises
    ------
    InputError
        When the curve is of another kind.

    When not to use it: for the share who ever have an event; see `plot_cumulative_incidence`.

    Examples
    --------
    >>> import pandas as pd, fbss_analytics as fbss
    >>> frame = pd.DataFrame({
    ...     "row": [i // 2 for i in range(80)], "start_day": [0, 200] * 40, "stop_day": [200, 800] * 40,
    ...     "status": ["event", "censored", "event", "death"] * 20,
    ... })
    >>> curve = fbss.estimate_mean_cumulative_count(frame, terminal="death", outcome="reoperation")
    >>> axes = fbss.plot_mean_cumulative_count(curve)
    >>> axes.get_ylabel()
    'Mean number of reoperation per row'
    """
    require_kind(curve, "mean_cumulative_count")
    lines = curve_lines(curve, (curve.outcome,), until_days)
    last = last_day(curve, until_days)
    days, labels, unit = time_ticks(last, risk_days)
    if ax is None:
        level = f"{curve.conf_level:.0%}".replace("%", " %")
        death = f", {' or '.join(in_words(name) for name in curve.competing)} ending it" if curve.competing else ""
        note = (
            f"Mean number of events per {curve.unit}{death}. Band: {level} pointwise robust confidence interval "
            f"({curve.conf_type}). At risk just before the day, events and censored before it. Lines end where fewer "
            f"than {FEWEST_AT_RISK}, or {SMALLEST_SHARE_AT_RISK * 100:.0f} % of the group, are at risk."
        )
        names = [line.label for line in lines]
        ax = axes_above_numbers(_rows(curve, days), [day / last for day in days], note=note, legend=names)
    draw_lines(ax, lines)
    ax.set_xlim(0, last)
    ax.set_xticks(days, labels)
    top = max(float(np.nanmax(line.steps[["estimate", "conf_high"]].to_numpy())) for line in lines)
    ax.set_ylim(0, _nice(top))
    label_axes(
        ax,
        f"{unit} since {time_zero(curve.definitions, curve.outcome)}",
        f"Mean number of {in_words(curve.outcome)} per {curve.unit}",
    )
    if len(lines) > 1:
        legend_over(ax, *ax.get_legend_handles_labels())
    describe(ax.get_figure(root=True), _alt(curve, lines))  # type: ignore[arg-type]
    return ax


def _rows(curve: Curve, days: Sequence[float]) -> list[Numbers]:
    """Return the rows under the curve: at risk, events, terminal events, censored, by group."""
    table = curve.risk_table(days)
    rows = []
    for i, group in enumerate(curve.groups):
        mine = table[table["group"] == group]
        first = mine[mine["cause"] == curve.outcome]
        if len(curve.groups) > 1:
            rows.append(Numbers(in_words(group), colour=SERIES[i % len(SERIES)]))
        rows.append(Numbers("At risk", _texts(first["n_at_risk"])))
        for cause, events in mine.groupby("cause", sort=False):
            rows.append(Numbers(f"{capitalised(in_words(str(cause)))} (cum.)", _texts(events["n_events"])))
        rows.append(Numbers("Censored (cum.)", _texts(first["n_censored"])))
    return rows


def _texts(values: pd.Series) -> tuple[str, ...]:
    return tuple(count(n) for n in values)


def _nice(top: float) -> float:
    """Return the top of a count's axis: the next of 1, 1.5, 2, 2.5, 3, 4, 5, 6, 8 or 10 times a power of ten."""
    power = 10.0 ** np.floor(np.log10(top))
    return float(next(m for m in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10) if top <= m * power * (1 + 1e-9)) * power)


def _alt(curve: Curve, lines: Sequence[Line]) -> str:
    by = f" by {in_words(curve.by)}" if curve.by else ""
    ends = []
    for line in lines:
        row = line.steps.iloc[-1]
        ends.append(
            f"{capitalised(line.label)}: {decimal(row['estimate'], 2)} "
            f"({interval(row['conf_low'], row['conf_high'])}) after {days_in_words(float(row['time_days']))}."
        )
    return (
        f"Mean cumulative count of {in_words(curve.outcome)}{by}, {count(curve.n)} {curve.unit}s, "
        f"{count(curve.events)} events. " + " ".join(ends)
    )
