"""`Comparison`: a cohort's estimates beside published ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..formats import count, html_table, percent, plural
from .published import records

DAYS_PER_PUBLISHED_YEAR = 365
"""Published years are counted as 365 days, so that 5 years is day 1,825 and lies inside ``until_days=1825``."""
COMPARISON_COLUMNS = (
    "study_key",
    "label",
    "outcome",
    "cause",
    "statistic",
    "n",
    "horizon_days",
    "definition",
    "published",
    "published_low",
    "published_high",
    "published_interval",
    "ours",
    "ours_low",
    "ours_high",
    "difference",
    "z",
    "comparable_note",
    "citation",
    "address",
)


@dataclass(frozen=True, eq=False)
class Comparison:
    """A cohort's estimates beside published ones.

    Attributes
    ----------
    topic : str
        The topic of the published figures.
    outcome : str
        The published outcome that the curves stand for.
    conf_level : float
        Level of our intervals.
    frame : pandas.DataFrame
        One row per published figure: ``study_key, label, outcome, cause, statistic, n, horizon_days, definition,
        published, published_low, published_high, published_interval, ours, ours_low, ours_high, difference, z,
        comparable_note, citation, address``. Risks and fractions are shares, rates are per patient-year;
        ``difference`` is ours minus published; ``ours`` is missing where the published horizon lies
        beyond our follow-up or we have no such outcome.
    """

    topic: str
    outcome: str
    conf_level: float
    _frame: pd.DataFrame

    @property
    def frame(self) -> pd.DataFrame:
        """Return a copy of the rows."""
        return self._frame.copy()

    def sentence(self) -> str:
        """Return the comparison in one sentence.

        Returns
        -------
        str
            How many published figures could be compared, and how many agree within two standard errors.
        """
        return _comparison_words(self._frame, self.outcome)

    def __str__(self) -> str:
        return self.sentence()

    def _repr_html_(self) -> str:
        return html_table(_display(self._frame), caption=self.sentence())


def _comparison_words(frame: pd.DataFrame, outcome: str) -> str:
    compared = frame[frame["ours"].notna()]
    if compared.empty:
        return f"None of {plural(len(frame), 'published figure')} on {outcome} can be set beside this cohort."
    text = (
        f"{count(len(compared))} of {plural(len(frame), 'published figure')} on {outcome} "
        f"({plural(compared['study_key'].nunique(), 'study', 'studies')}) can be set beside this cohort"
    )
    judged = compared[compared["z"].notna()]
    if judged.empty:
        return text + "; none of them allows a standard error."
    near = int((judged["z"].abs() < 2).sum())
    text += f"; ours lies within two standard errors of {near} of the {len(judged)} that allow one"
    return text + "."


def _display(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows as text for reading."""

    def cell(row: Mapping[str, Any], name: str) -> str:
        value, low, high = row[name], row[f"{name}_low"], row[f"{name}_high"]
        if np.isnan(value):
            return "-"
        if np.isnan(low):
            return percent(value)
        return f"{percent(value)} ({percent(low)} to {percent(high)})"

    rows = records(frame)
    return pd.DataFrame(
        {
            "study": [row["label"] for row in rows],
            "cause": [str(row["cause"]).replace("_", " ") for row in rows],
            "statistic": [row["statistic"] for row in rows],
            "years": ["-" if np.isnan(h) else f"{h / DAYS_PER_PUBLISHED_YEAR:.3g}" for h in frame["horizon_days"]],
            "n": ["-" if np.isnan(n) else count(n) for n in frame["n"]],
            "published (95 % CI)": [cell(row, "published") for row in rows],
            "ours (95 % CI)": [cell(row, "ours") for row in rows],
            "z": ["-" if np.isnan(z) else f"{z:.1f}" for z in frame["z"]],
            "what differs": [row["comparable_note"] for row in rows],
        }
    )
