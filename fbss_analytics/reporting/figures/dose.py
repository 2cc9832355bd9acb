"""The distribution of a dose: the share without any, and the doses of the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ...errors import InputError, nearest
from ...formats import count, decimal, percent
from ..theme import LINES, MIDDLE_MM, PAPER, SERIES, SMALL_SIZE
from ..words import capitalised, in_words
from .layout import describe, new_figure, note_below, panel, text_height_mm, themed, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ...cohort import Cohort

WIDTH_MM = MIDDLE_MM
TICKS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 90, 200, 500, 2000)
BINS = 24


@themed
def plot_dose_distribution(cohort: Cohort | pd.DataFrame, *, column: str, by: str | None = None) -> Axes:
    """Draw the distribution of a dose: users on a logarithmic axis, and the share at 0 in words.

    **Definition.** Bars are the share of all patients with a known dose, so that the bars of users and the share at 0
    add up to 100 %; unknown doses are counted in the note and left out.

    Parameters
    ----------
    cohort : Cohort or pandas.DataFrame
        One row per patient.
    column : str
        The dose, for example ``"baseline_mme_per_day"``; 0 or more.
    by : str, optional
        Column with at most six groups, drawn as outlines.

    Returns
    -------
    matplotlib.axes.Axes
        The axes with the bars.

    Raises
    ------
    InputError
        When a column is not there, the dose is not a number of 0 or more, nobody uses, or there are too many groups.

    When not to use it: to compare groups; their means and shares belong in a table with intervals.
    """
    frame = cohort if isinstance(cohort, pd.DataFrame) else cohort.frame
    known, unknown = _known(frame, column, by)
    groups = (
        {"all": known[column]}
        if by is None
        else {str(name): rows[column] for name, rows in known.groupby(by, observed=True)}
    )
    if len(groups) > len(SERIES):
        raise InputError(f"by={by!r} has {len(groups)} groups; at most {len(SERIES)} can be told apart.")
    note = wrapped(_note(groups, unknown), WIDTH_MM - 6, SMALL_SIZE)
    top = 4.0 if by is None else 9.0
    figure = new_figure(WIDTH_MM, top + 52 + 13 + text_height_mm(note, SMALL_SIZE) + 2)
    axes = panel(figure, 18, top, WIDTH_MM - 18 - 6, 52)
    _draw(axes, groups)
    axes.set_xlabel(f"{capitalised(in_words(column))}, users only (log scale)")
    axes.set_ylabel("Share of all patients" if by is None else "Share of the group")
    if by is not None:
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=len(groups), borderaxespad=0.2, columnspacing=1.4)
    note_below(figure, note, left_mm=3)
    describe(
        figure,
        f"Distribution of {in_words(column)}{'' if by is None else ' by ' + in_words(by)}. {_note(groups, unknown)}",
    )
    return axes


def _known(frame: pd.DataFrame, column: str, by: str | None) -> tuple[pd.DataFrame, int]:
    for name in (column, *([] if by is None else [by])):
        if name not in frame.columns:
            raise InputError(f"There is no column {name!r}.{nearest(name, frame.columns)}")
    if frame[column].dtype.kind not in "fiu":
        raise InputError(f"{column!r} must hold doses as numbers; it holds {frame[column].dtype}.")
    known = frame[frame[column].notna() & (True if by is None else frame[by].notna())]
    if (known[column] < 0).any():
        raise InputError(f"{count((known[column] < 0).sum())} of {count(len(known))} rows of {column!r} are below 0.")
    if not (known[column] > 0).any():
        raise InputError(f"Nobody has a dose above 0 in {column!r}; there is nothing to draw.")
    return known, len(frame) - len(known)


def _draw(axes: Axes, groups: dict[str, pd.Series]) -> None:
    import seaborn
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    users = {name: doses[doses > 0].to_numpy(dtype=float) for name, doses in groups.items()}
    every = np.concatenate(list(users.values()))
    edges = np.geomspace(every.min(), every.max() * 1.001, BINS + 1)
    for i, (name, doses) in enumerate(users.items()):
        single = len(users) == 1
        look = {"edgecolor": PAPER, "linewidth": 0.5} if single else {"linewidth": 1.25, "linestyle": LINES[i]}
        seaborn.histplot(
            pd.DataFrame({"dose": doses, "share": 1 / len(groups[name])}),
            x="dose",
            weights="share",
            bins=list(edges),
            element="bars" if single else "step",
            fill=single,
            color=SERIES[i],
            alpha=1,
            **look,
            label=in_words(name),
            ax=axes,
        )
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator([tick for tick in TICKS if edges[0] <= tick <= edges[-1]]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{share * 100:.3g} %"))
    axes.set_ylim(bottom=0)


def _note(groups: dict[str, pd.Series], unknown: int) -> str:
    parts = []
    for name, doses in groups.items():
        users = doses[doses > 0]
        low, middle, high = (decimal(float(q)) for q in np.quantile(users.to_numpy(dtype=float), (0.25, 0.5, 0.75)))
        who = "" if name == "all" and len(groups) == 1 else f"{capitalised(in_words(name))}: "
        parts.append(
            f"{who}{count(len(doses))} patients, {percent(float((doses == 0).mean()))} with a dose of 0; "
            f"users' median {middle} (quartiles {low} and {high})."
        )
    return " ".join([*parts, *([f"{count(unknown)} with an unknown dose left out."] if unknown else [])])
