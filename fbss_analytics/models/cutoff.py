"""The cut-off of a marker that best tells who has an event by a day, with its uncertainty."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..cohort import Cohort, Definition
from ..errors import InputError
from ..formats import decimal, html_table, interval, plural
from .bootstrap import bootstrap
from .followup import Columns, follow_up

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class CutOff:
    """A cut-off, and how well the marker and the cut-off tell cases from the others.

    Attributes
    ----------
    outcome, marker : str
        What is told, and from what.
    data : DataFrame
        quantity (cut_off, auc, sensitivity, specificity), estimate, conf_low, conf_high.
    method : str
        How it was estimated.
    n, events : int
        Rows used, and cases by the day.
    excluded : DataFrame
        Rows left out: reason, n.
    definitions : tuple of Definition
        What it rests on.
    """

    outcome: str
    marker: str
    data: pd.DataFrame = field(repr=False)
    method: str
    n: int
    events: int
    excluded: pd.DataFrame = field(repr=False)
    definitions: tuple[Definition, ...] = ()

    @property
    def frame(self) -> pd.DataFrame:
        """A copy of the numbers."""
        return self.data.copy()

    def sentence(self) -> str:
        """Say the cut-off with its interval, and the area under the curve."""
        rows = self.data.set_index("quantity").to_dict("index")
        cut, auc = rows["cut_off"], rows["auc"]
        return (
            f"{self.marker} for {self.outcome}: cut-off {decimal(cut['estimate'])} "
            f"(95 % CI {interval(cut['conf_low'], cut['conf_high'], digits=1)}), AUC {decimal(auc['estimate'], 2)} "
            f"({interval(auc['conf_low'], auc['conf_high'])}); {plural(self.events, 'case')} among {self.n}."
        )

    def _repr_html_(self) -> str:
        cells = self.data.assign(
            **{c: self.data[c].map(lambda v: decimal(v, 2)) for c in ("estimate", "conf_low", "conf_high")}
        )
        return html_table(cells, caption=self.sentence(), notes=self.method)


def estimate_cut_off(
    cohort: Cohort, *, outcome: str, marker: str, horizon_days: float, seed: int, n_samples: int = 500
) -> CutOff:
    """Estimate the value of a marker that best tells who has an event by a day (Youden).

    **Definition**: cases have the event on or before ``horizon_days``; the others have not, those with a competing
    event among them. Who is censored before is neither, and the rest is weighted by the inverse probability of being
    followed (Kaplan-Meier of censoring). The cut-off c is the observed value with the largest
    sensitivity + specificity - 1 of *marker >= c*, the smallest of several. Intervals are 2.5th and 97.5th percentiles
    over resampled patients.

    Parameters
    ----------
    cohort : Cohort
    outcome : str
        Name of a time-to-event outcome with one cause.
    marker : str
        A numeric column; higher means more likely.
    horizon_days : float
        The day.
    seed : int
        Of the resampling.
    n_samples : int
        Resampled cohorts, 500 by default.

    Returns
    -------
    CutOff

    Raises
    ------
    InputError
        The marker is no numeric column, or there are no cases or no others.

    Notes
    -----
    When not to use it: to act on. A cut-off throws the dose away on both sides of it, and its interval is wide; use the
    curve (`estimate_effect_curve`).

    References
    ----------
    Youden WJ. Cancer 1950;3:32-35, doi 10.1002/1097-0142(1950)3:1<32::AID-CNCR2820030106>3.0.CO;2-3. Blanche P et al.
    Stat Med 2013;32:5381-5397, doi 10.1002/sim.5958.

    Examples
    --------
    >>> import fbss_analytics as fbss
    >>> source = fbss.simulate("neuromodulation", n_patients=1500, seed=1)
    >>> cohort = fbss.start_cohort(source, index="scs_implant", occurrence="first")
    >>> cohort = fbss.add_time_to(cohort, "explant", definition="any_removal", clock="therapy", competing="death",
    ...                           until_days=1825)
    >>> found = fbss.estimate_cut_off(
    ...     cohort, outcome="explant", marker="age_years", horizon_days=730, seed=1, n_samples=20
    ... )
    >>> found.frame["quantity"].tolist()
    ['cut_off', 'auc', 'sensitivity', 'specificity']
    """
    if marker not in cohort.data or cohort.data[marker].dtype.kind not in "fiu":
        raise InputError(f"marker={marker!r} is no numeric column of the cohort.")
    follow = follow_up(cohort, outcome, Columns(), also=(marker,))
    value = follow.frame[marker].to_numpy(float)
    case = (follow.cause == 1) & (follow.stop <= horizon_days)
    other = ~case & ((follow.cause > 0) & (follow.stop <= horizon_days) | (follow.stop > horizon_days))
    other |= (follow.cause == 0) & (follow.stop == horizon_days)
    if not case.any() or not other.any():
        raise InputError(
            f"By day {horizon_days:g} there are {plural(int(case.sum()), 'case')} and {int(other.sum())} others."
        )
    patient = np.arange(len(value)) if follow.cluster is None else follow.codes(follow.cluster)

    def one(times: Floats) -> tuple[float, float, float, float]:
        """Return the cut-off of rows counted ``times`` (n,)."""
        at = times > 0
        if not (case[at].any() and other[at].any()):
            return (np.nan,) * 4
        weight = times[at] * _weights(follow.stop[at], follow.cause[at], times[at], horizon_days)
        return best_cut_off(value[at], case[at], other[at], weight)

    found = one(np.ones(len(value)))
    samples = bootstrap(
        lambda counts: np.array([one(drawn[patient]) for drawn in counts]),
        int(patient.max()) + 1,
        n_samples=n_samples,
        seed=seed,
        advice="they hold no case, or no others, by the day. Take a later horizon_days=.",
    )
    low, high = np.percentile(samples.values, [2.5, 97.5], axis=0)
    rows = {
        "quantity": ["cut_off", "auc", "sensitivity", "specificity"],
        "estimate": found,
        "conf_low": low,
        "conf_high": high,
    }
    method = (
        f"Cases by day {horizon_days:g} against the others, weighted for censoring; Youden's index; percentile "
        f"interval of {samples.words('resampled cohorts')}, seed {seed}."
    )
    return CutOff(
        outcome, marker, pd.DataFrame(rows), method, len(value), int(case.sum()), follow.excluded, cohort.definitions
    )


def best_cut_off(value: Floats, case: Mask, other: Mask, weight: Floats) -> tuple[float, float, float, float]:
    """Return cut-off, area under the ROC curve, sensitivity and specificity of weighted cases and others."""
    cuts, place = np.unique(value[case | other], return_inverse=True)
    cases = np.bincount(place, weights=(weight * case)[case | other], minlength=len(cuts))
    others = np.bincount(place, weights=(weight * other)[case | other], minlength=len(cuts))
    cases, others = cases / cases.sum(), others / others.sum()
    sensitivity = cases[::-1].cumsum()[::-1]
    below = others.cumsum() - others
    area = float((cases * (below + others / 2)).sum())
    best = int(np.argmax(np.round(sensitivity + below - 1, 12)))
    return float(cuts[best]), area, float(sensitivity[best]), float(below[best])


def _weights(stop: Floats, cause: npt.NDArray[np.int64], times: Floats, horizon: float) -> Floats:
    """Return 1 / the probability (Kaplan-Meier) of not being censored before the event, or before the horizon.

    Of those who leave on one day, events leave first, so they are not at risk of being censored on it. ``times`` (n,):
    how often each row counts.
    """
    days, place = np.unique(stop, return_inverse=True)
    censored = np.bincount(place, weights=times * (cause == 0), minlength=len(days))
    left = np.bincount(place, weights=times, minlength=len(days))
    at_risk = left[::-1].cumsum()[::-1] - (left - censored)
    stays = np.cumprod(1 - np.divide(censored, at_risk, out=np.zeros(len(days)), where=at_risk > 0))
    before = np.searchsorted(days, np.minimum(stop, horizon), side="left")
    return 1 / np.append(1.0, stays)[before]
