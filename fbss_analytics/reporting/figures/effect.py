"""The effect curve of a continuous predictor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ...errors import InputError
from ...formats import interval, ratio
from ..theme import GREY, INK, MIDDLE_MM, PAPER, SERIES
from ..words import capitalised, in_words, term_in_words
from .layout import describe, label_axes, new_figure, panel, themed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ...models.results import Curve

WIDTH_MM = MIDDLE_MM


@themed
def plot_effect_curve(curve: Curve, *, values: pd.Series | None = None, ax: Axes | None = None) -> Axes:
    """Draw the ratio against the value of a predictor, with its band and its reference.

    **Definition.** The curve's ratio at each value against the reference value, which is marked at 1 with no
    uncertainty by construction; a logarithmic axis for the ratio.

    Parameters
    ----------
    curve : Curve
        Of kind ``effect``, from `estimate_effect_curve`.
    values : pandas.Series, optional
        The predictor's values in the cohort, drawn as a histogram below the curve; without ``ax`` only.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
        The axes with the curve.

    Raises
    ------
    InputError
        When the curve is of another kind.

    When not to use it: to choose a cut-off; the curve says that there is none unless it jumps.

    References
    ----------
    Harrell FE. Regression Modeling Strategies. 2nd ed. Springer 2015. doi:10.1007/978-3-319-19425-7
    """
    if curve.kind != "effect":
        raise InputError(f"plot_effect_curve needs a curve from estimate_effect_curve, not one of kind {curve.kind!r}.")
    frame = curve.frame
    name = capitalised(term_in_words(str(frame["term"].iloc[0])))
    measure, reference = str(frame["measure"].iloc[0]), float(frame["reference"].iloc[0])
    below = None
    if ax is None:
        ax, below = _axes(with_histogram=values is not None)
    ax.fill_between(frame["value"], frame["conf_low"], frame["conf_high"], color=SERIES[0], alpha=0.18, lw=0)
    ax.plot(frame["value"], frame["estimate"], color=SERIES[0])
    ax.axhline(1, color=GREY, lw=0.75, ls=(0, (3, 2)), zorder=0)
    ax.plot([reference], [1], marker="o", ms=5, mfc=PAPER, mec=INK, mew=1, ls="none", zorder=4, clip_on=False)
    _ratio_scale(ax, frame)
    level = f"{curve.conf_level:.0%}".replace("%", " %")
    ax.set_xlim(float(frame["value"].min()), float(frame["value"].max()))
    lower = ax if below is None else below
    if below is not None and values is not None:
        _histogram(below, values, frame)
        ax.tick_params(labelbottom=False)
    label_axes(ax, "", f"{measure} for {in_words(curve.outcome)} ({level} CI)")
    lower.set_xlabel(f"{name} (circle: reference, {reference:g})")
    describe(ax.figure, _alt(frame, name, measure, reference, curve))  # type: ignore[arg-type]
    return ax


def _axes(*, with_histogram: bool) -> tuple[Axes, Axes | None]:
    extra = 14.0 if with_histogram else 0.0
    figure = new_figure(WIDTH_MM, 72 + extra)
    wide = WIDTH_MM - 18 - 6
    axes = panel(figure, 18, 4, wide, 55)
    return axes, panel(figure, 18, 62, wide, 11) if with_histogram else None


def _histogram(axes: Axes, values: pd.Series, frame: pd.DataFrame) -> None:
    import seaborn
    from matplotlib.ticker import FuncFormatter

    low, high = float(frame["value"].min()), float(frame["value"].max())
    shown = values[(values >= low) & (values <= high)].astype(float)
    seaborn.histplot(
        x=shown.to_numpy(), bins=40, binrange=(low, high), color=GREY, edgecolor=PAPER, lw=0.3, alpha=1, ax=axes
    )
    axes.set_xlim(low, high)
    axes.set_ylabel("n")
    axes.locator_params(axis="y", nbins=2)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda n, _: f"{n:,g}"))


def _ratio_scale(axes: Axes, frame: pd.DataFrame) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    low = float(np.nanmin([0.8, *frame["conf_low"]])) * 0.95
    high = float(np.nanmax([1.25, *frame["conf_high"]])) * 1.05
    axes.set_yscale("log")
    axes.set_ylim(low, high)
    scales = {
        2.5: (0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5, 1.75, 2.0),
        8.0: (0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0),
        np.inf: (0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0),
    }
    ticks = next(ticks for span, ticks in scales.items() if high / low < span)
    axes.yaxis.set_major_locator(FixedLocator([tick for tick in ticks if low <= tick <= high]))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _alt(frame: pd.DataFrame, name: str, measure: str, reference: float, curve: Curve) -> str:
    def say(row: Any) -> str:
        return f"{row['value']:.3g}: {ratio(row['estimate'])} ({interval(row['conf_low'], row['conf_high'])})"

    picked = [frame.iloc[round(share * (len(frame) - 1))] for share in (0, 0.5, 1)]
    return (
        f"{measure} for {in_words(curve.outcome)} by {name}, against {reference:g}; association, mutually adjusted. "
        f"At {'; at '.join(say(row) for row in picked)}."
    )
