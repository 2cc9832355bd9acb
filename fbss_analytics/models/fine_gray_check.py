"""`check_fine_gray`: whether a subdistribution hazard ratio stays the same over time, and whether its risks fit."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import InputError, one_of
from ..formats import html_table, interval, p_value, percent, plural
from .bands import chi2_p, probability_limits
from .competing_fit import CompetingFit
from .cox_case import CoxRows, case_of
from .kernels.aalen_johansen import curves
from .kernels.fine_gray import incidence, proportionality_test
from .result_table import p_words

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

TRANSFORMS = ("log", "identity")

FEWEST = 2
"""Groups below which predicted and observed risks cannot be set against each other."""


@dataclass(frozen=True, eq=False)
class FineGrayCheck:
    """Score tests of proportional subdistribution hazards, and predicted beside observed risks.

    Attributes
    ----------
    table : DataFrame
        term, statistic (chi-squared), df, p_value; the last row, ``GLOBAL``, tests all terms together.
    calibration : DataFrame
        group (1 has the lowest predicted risks), n, predicted (mean), observed (Aalen-Johansen), conf_low, conf_high.
    day : float
        The day of the risks.
    """

    outcome: str
    cause: str
    transform: str
    day: float
    table: pd.DataFrame = field(repr=False)
    calibration: pd.DataFrame = field(repr=False)
    conf_level: float
    events: int
    method: str

    @property
    def frame(self) -> pd.DataFrame:
        """A copy of the tests."""
        return self.table.copy()

    def sentence(self) -> str:
        """Say the global test, the term that departs most, and the group whose risk is predicted worst."""
        whole, terms = self.table.iloc[-1], self.table.iloc[:-1]
        worst = terms.iloc[int(terms["p_value"].argmin())]
        off = self.calibration.iloc[int((self.calibration["predicted"] - self.calibration["observed"]).abs().argmax())]
        name = self.outcome if self.cause == "event" else self.cause
        return (
            f"Proportional subdistribution hazards for {name}: global test p {p_words(whole['p_value'])} "
            f"({whole['df']:.0f} df); of single terms {worst['term']} departs most, p {p_words(worst['p_value'])} "
            f"({plural(self.events, 'event')}, time scale {self.transform}). By day {self.day:,g} predicted and "
            f"observed risk lie furthest apart in group {off['group']:.0f} of {len(self.calibration)}: "
            f"{percent(off['predicted'])} predicted, {percent(off['observed'])} observed. A large p-value does not "
            f"show that the model holds."
        )

    def _repr_html_(self) -> str:
        tests = self.table.assign(
            statistic=self.table["statistic"].map("{:.2f}".format), p=self.table["p_value"].map(p_value)
        ).drop(columns="p_value")
        risks = self.calibration[["group", "n"]].copy()
        for column in ("predicted", "observed"):
            risks[column] = self.calibration[column].map(percent)
        ends = zip(self.calibration["conf_low"], self.calibration["conf_high"], strict=True)
        risks["interval"] = [interval(low, high, digits=1, scale=100.0) for low, high in ends]
        groups = html_table(risks, caption=f"Predicted and observed risk by day {self.day:,g}", notes=self.method)
        return html_table(tests, caption=self.sentence()) + groups


def check_fine_gray(fit: CompetingFit, *, day: float, groups: int = 4, transform: str = "log") -> FineGrayCheck:
    """Test whether a Fine-Gray model's ratios stay the same over time, and set its risks against those observed.

    **Definition**: score test that c is 0 in the log subdistribution hazard ratio b + c g(day), for each term (all its
    columns together) and for all terms, with a robust variance that counts the estimation of the weights; the mean
    predicted risk up to and including ``day`` in groups of equal size by the linear predictor, beside the
    Aalen-Johansen estimate of the group.

    Parameters
    ----------
    fit : CompetingFit
        From `fit_fine_gray`.
    day : float
        Day of the risks, within follow-up.
    groups : int
        Number of groups; rows with equal linear predictors stay together, so that there may be fewer.
    transform : {"log", "identity"}
        g: the logarithm of the day, or the day.

    Returns
    -------
    FineGrayCheck

    Raises
    ------
    InputError
        Not such a fit, an unknown transform, a day outside follow-up, or fewer than two groups.

    When not to use it
    ------------------
    As validation: the risks are set against the patients they were fitted to. And to choose between models by its
    p-value.

    References
    ----------
    Zhou, Fine and Laird 2013, doi:10.1002/sim.5815. Held to the score test made from R cmprsk 2.2-11 ``crr`` with
    ``cov2``.

    Examples
    --------
    >>> import pandas as pd
    >>> from fbss_analytics import fit_fine_gray
    >>> ended = [("explant", "death", "censored", "explant")[(3 * i) % 4] for i in range(80)]
    >>> frame = pd.DataFrame({"days": [float(1 + (7 * i) % 80) for i in range(80)], "ended": ended})
    >>> frame["dose"] = [(11 * i) % 13 for i in range(80)]
    >>> keys = {"duration": "days", "status": "ended", "event": "explant", "competing": "death"}
    >>> check = check_fine_gray(fit_fine_gray(frame, formula="dose", **keys), day=60, groups=2)
    >>> check.frame["term"].tolist(), check.calibration["n"].tolist()
    (['dose', 'GLOBAL'], [43, 37])
    """
    one_of(transform, TRANSFORMS, name="transform")
    if not isinstance(fit, CompetingFit):
        raise InputError("check_fine_gray needs the result of fit_fine_gray.")
    rows = case_of(fit.cause_specific[0], "check_fine_gray").rows
    last = float(rows.follow.stop.max())
    if not 0 < day <= last:
        raise InputError(f"day={day:g} lies outside follow-up, which ends on day {last:,g}.")
    model, estimate, design = fit.case.model, fit.case.estimate, rows.design
    time = model.sets.time[model.sets.event_time]
    columns = [list(range(term.start, term.stop)) for term in design.terms]
    chi2, df = proportionality_test(
        model, estimate.coefficients, np.log(time) if transform == "log" else time, columns, cluster=rows.cluster
    )
    table = pd.DataFrame({"term": [*(term.label for term in design.terms), "GLOBAL"], "statistic": chi2, "df": df})
    table["p_value"] = [chi2_p(value, each) for value, each in zip(chi2, df, strict=True)]
    predicted = incidence(model, estimate, design.matrix, np.array([float(day)]))[:, 0]
    return FineGrayCheck(
        outcome=fit.outcome,
        cause=fit.cause,
        transform=transform,
        day=float(day),
        table=table,
        calibration=_calibration(rows, predicted, float(day), groups, fit.fine_gray.conf_level),
        conf_level=fit.fine_gray.conf_level,
        events=fit.fine_gray.events,
        method=(
            f"Score test of proportional subdistribution hazards, time scale {transform}; observed risks by "
            f"Aalen-Johansen, log-log interval, in the patients the model was fitted to. {fit.fine_gray.method}"
        ),
    )


def _calibration(rows: CoxRows, predicted: Floats, day: float, groups: int, conf_level: float) -> pd.DataFrame:
    """Return predicted and observed risks of the groups."""
    group = _groups(predicted, groups)
    follow, weight = rows.follow, rows.weight
    other = np.where(rows.happened, 1, np.where(follow.cause > 0, 2, 0))
    made = []
    for code in range(int(group.max()) + 1):
        mine = group == code
        steps = curves(
            follow.stop[mine],
            other[mine],
            2,
            entry=None if follow.entry is None else follow.entry[mine],
            weight=None if weight is None else weight[mine],
            cluster=None if rows.cluster is None else rows.cluster[mine],
        )
        k = int(np.searchsorted(steps.time, day, side="right")) - 1
        observed, error = steps.incidence[0, k], steps.incidence_error[0, k]
        low, high = probability_limits(observed, error, conf_type="log-log", conf_level=conf_level)
        mean = np.average(predicted[mine], weights=None if weight is None else weight[mine])
        made.append((code + 1, int(mine.sum()), float(mean), float(observed), float(low), float(high)))
    return pd.DataFrame(made, columns=["group", "n", "predicted", "observed", "conf_low", "conf_high"])


def _groups(predicted: Floats, groups: int) -> Ints:
    """Return each row's group by quantiles of the predicted risk, codes from 0 without gaps."""
    if not isinstance(groups, int) or groups < FEWEST:
        raise InputError(f"groups={groups!r} must be a whole number of {FEWEST} or more.")
    cuts = np.quantile(predicted, np.arange(1, groups) / groups)
    place = np.searchsorted(np.unique(cuts), predicted, side="left")
    return np.asarray(np.unique(place, return_inverse=True)[1], dtype=np.int64)
