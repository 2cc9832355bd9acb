"""Rates in a table: causes downwards, windows across."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

from ...formats import count, decimal, interval
from ..words import capitalised, in_words
from .noun import Table, text_table

if TYPE_CHECKING:
    from ...models.rates import Rates


def _cell(row: dict[Hashable, Any]) -> str:
    bounds = interval(row["conf_low"], row["conf_high"], scale=100)
    return f"{decimal(100 * row['estimate'], 2)} ({bounds}), {count(row['events'])}"


def table_rates(rates: Rates) -> Table:
    """Print rates per 100 patient-years, causes downwards and windows across.

    Parameters
    ----------
    rates : Rates
        From `estimate_rates`.

    Returns
    -------
    Table
        ``cause`` and, for each window, ``rate (95 % CI), events``.

    When not to use it: to compare groups that differ in more than the grouping.
    """
    frame = rates.frame
    windows = list(dict.fromkeys(frame["window"]))
    rows = []
    for cause, part in frame.groupby("cause", sort=False):
        cells = [_cell(row) for row in part.to_dict("records")]
        rows.append([in_words(rates.outcome if cause == "event" else str(cause)), *cells])
    years = frame.drop_duplicates("window").set_index("window")["patient_years"]
    rows.append(["patient-years", *[count(years[window]) for window in windows]])
    title = f"{capitalised(in_words(rates.outcome))}: rate per 100 patient-years (95 % CI), events"
    return text_table(title, rows, ["cause", *windows], (rates.method,))
