"""Rates: events of each cause per time at risk, by window of follow-up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..cohort import Cohort, Definition
from ..dates import DAYS_PER_YEAR
from ..errors import InputError
from ..formats import count, html_table, plural
from .followup import Columns, follow_up

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Rates:
    """Events per patient-year by cause and window.

    Attributes
    ----------
    outcome : str
        What is counted.
    data : DataFrame
        cause, window, events, patient_years, estimate (events per patient-year), conf_low, conf_high.
    method : str
        How it was estimated.
    definitions : tuple of Definition
        What it rests on.
    """

    outcome: str
    data: pd.DataFrame = field(repr=False)
    method: str
    definitions: tuple[Definition, ...] = ()

    @property
    def frame(self) -> pd.DataFrame:
        """A copy of the rates."""
        return self.data.copy()

    def sentence(self) -> str:
        """Say in one sentence how many events there were in how many patient-years."""
        years = self.data.drop_duplicates("window")["patient_years"].sum()
        events = int(self.data["events"].sum())
        return (
            f"{self.outcome.replace('_', ' ').capitalize()}: {plural(events, 'event')} in {count(years)} patient-years."
        )

    def _repr_html_(self) -> str:
        return html_table(self.frame, caption=self.sentence(), notes=self.method)


def estimate_rates(cohort: Cohort, *, outcome: str, cuts: Sequence[float], conf_level: float = 0.95) -> Rates:
    """Estimate the rate of each cause in windows of follow-up.

    **Definition**: events of a cause divided by the time at risk, in patient-years of 365.25 days, in each window of
    (previous cut, cut]; an event on a cut is in the window that ends there. Time at risk ends with the first event of
    any cause. Intervals are exact for a Poisson count (Garwood).

    Parameters
    ----------
    cohort : Cohort
    outcome : str
        Name of a time-to-event outcome.
    cuts : sequence of float
        Days at which windows end, in rising order; the last window is open.
    conf_level : float
        0.95 by default.

    Returns
    -------
    Rates

    Raises
    ------
    InputError
        Cuts that are not positive and rising, or an unknown outcome.

    Notes
    -----
    When not to use it: to compare groups that differ in more than the grouping; use `fit_cox`.

    References
    ----------
    Garwood F. Biometrika 1936;28:437-442, doi 10.1093/biomet/28.3-4.437.

    Examples
    --------
    >>> import fbss_analytics as fbss
    >>> source = fbss.simulate("surgical", n_patients=200, seed=1)
    >>> cohort = fbss.start_cohort(source, index="lumbar_surgery", occurrence="first", look_back_days=365)
    >>> cohort = fbss.add_time_to(cohort, "death", competing=None, until_days=3650)
    >>> rates = fbss.estimate_rates(cohort, outcome="death", cuts=(365,))
    >>> rates.frame["window"].tolist()
    ['days 0-365', 'after day 365']
    """
    edges = [float(cut) for cut in cuts]
    if not edges or edges[0] <= 0 or any(b <= a for a, b in pairwise(edges)):
        raise InputError(f"cuts={tuple(edges)}: expected days above 0 in rising order, for example (90, 730).")
    follow = follow_up(cohort, outcome, Columns())
    entry = np.zeros(len(follow.stop)) if follow.entry is None else follow.entry
    rows = []
    bounds = list(zip([0.0, *edges], [*edges, np.inf], strict=True))
    names = [
        f"days {0 if low == 0 else low + 1:g}-{high:g}" if np.isfinite(high) else f"after day {low:g}"
        for low, high in bounds
    ]
    for code, cause in enumerate(follow.causes, start=1):
        for name, (low, high) in zip(names, bounds, strict=True):
            days = np.clip(np.minimum(follow.stop, high) - np.maximum(entry, low), 0, None).sum()
            events = int(((follow.cause == code) & (follow.stop > low) & (follow.stop <= high)).sum())
            years = float(days) / DAYS_PER_YEAR
            lower, upper = poisson_interval(events, conf_level)
            scale = 1 / years if years > 0 else np.nan
            rows.append((cause, name, events, years, events * scale, lower * scale, upper * scale))
    columns = ["cause", "window", "events", "patient_years", "estimate", "conf_low", "conf_high"]
    method = "Events per patient-year at risk; time at risk ends with the first event; exact Poisson interval."
    return Rates(outcome, pd.DataFrame(rows, columns=columns), method, cohort.definitions)


def poisson_interval(events: int, conf_level: float) -> tuple[float, float]:
    """Return the exact interval of a Poisson mean (Garwood 1936)."""
    from scipy.stats import chi2

    tail = (1 - conf_level) / 2
    low = 0.0 if events == 0 else float(chi2.ppf(tail, 2 * events) / 2)
    return low, float(chi2.ppf(1 - tail, 2 * events + 2) / 2)
