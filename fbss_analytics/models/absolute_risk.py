"""`predict_cumulative_incidence`: the risk of an event for given patients, from both kinds of competing-risk model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..cohort import Definition
from ..errors import InputError
from ..formats import html_table, percent, plural
from .bands import normal_quantile
from .competing_fit import CompetingFit
from .cox_case import case_of
from .followup import group_name
from .kernels.absolute_risk import absolute_risk
from .kernels.fine_gray import incidence_with_error
from .predicted import new_matrix
from .result_table import estimate_table, intervals, percent_words

Floats = npt.NDArray[np.float64]

MODELS = {"cox": "cause-specific models", "fine_gray": "Fine-Gray model"}
"""The models a risk is predicted from, in words."""


@dataclass(frozen=True, eq=False)
class PredictedRisk:
    """Risks of one event for given patients by given days.

    Attributes
    ----------
    outcome, cause, formula : str
        What was modelled.
    table : DataFrame
        `ESTIMATE_COLUMNS`: a row ``risk`` for each model (``cox``: the cause-specific models together; ``fine_gray``),
        patient (``level``) and day.
    n, events : int
        Rows the models were fitted to, and events of the cause among them.
    """

    outcome: str
    cause: str
    formula: str
    table: pd.DataFrame = field(repr=False)
    n: int
    events: int
    method: str
    conf_level: float
    definitions: tuple[Definition, ...] = field(repr=False)
    excluded: pd.DataFrame = field(repr=False)
    unit: str = "row"

    @property
    def estimates(self) -> pd.DataFrame:
        """A copy of the estimates."""
        return self.table.copy()

    def sentence(self) -> str:
        """Say every patient's risk by the last day, from both models."""
        last = self.table[self.table["horizon_days"] == self.table["horizon_days"].max()]
        level = percent_words(self.conf_level)
        said = []
        for patient, rows in last.groupby("level", sort=False):
            bounds = intervals(rows, digits=1, scale=100.0)
            values = [
                f"{percent(estimate)} ({level} CI {text}) from the {MODELS[model]}"
                for estimate, text, model in zip(rows["estimate"], bounds, rows["model"], strict=True)
            ]
            said.append(f"{patient} {', '.join(values)}")
        name = self.outcome if self.cause == "event" else self.cause
        return (
            f"Predicted risk of {name} by day {last['horizon_days'].iloc[0]:,g}: {'; '.join(said)} (models of "
            f"{plural(self.n, self.unit)}, {plural(self.events, 'event')})."
        )

    def _repr_html_(self) -> str:
        shown = pd.DataFrame({"patient": self.table["level"], "day": self.table["horizon_days"].map("{:,g}".format)})
        shown["model"] = self.table["model"].map(MODELS)
        shown["risk"] = self.table["estimate"].map(percent)
        shown["interval"] = intervals(self.table, digits=1, scale=100.0)
        return html_table(shown, caption=self.sentence(), notes=self.method)


def predict_cumulative_incidence(
    fit: CompetingFit, rows: pd.DataFrame, *, days: float | Iterable[float]
) -> PredictedRisk:
    """Predict the risk of an event for patients with given covariates, from cause-specific models and from Fine-Gray.

    **Definition**: the risk of the event up to and including each day. From the cause-specific Cox models, F(t) = sum
    over the days u <= t of S(u-) (1 - exp(-g)) l / g, with l the patient's hazard of the event on day u, g that of all
    events, and S = exp(-sum of g), so that all risks and survival add up to 1; from the Fine-Gray model, F(t) = 1 -
    exp(-L(t) exp(x b)). Standard errors are from the influence of every row on coefficients, baselines and weights;
    intervals stand on log(-log(1 - F)).

    Parameters
    ----------
    fit : CompetingFit
        From `fit_fine_gray`.
    rows : DataFrame
        One row per patient to predict for, with the columns of the formula. Its index names them.
    days : float or list of float
        Days of the risks, within follow-up.

    Returns
    -------
    PredictedRisk

    Raises
    ------
    InputError
        Days outside follow-up, columns missing from ``rows``, or a level the models do not know.
    DataError
        A value is missing, or a column made from it is not finite.

    When not to use it
    ------------------
    To choose between the models by which risk suits better: proportional cause-specific hazards and a proportional
    subdistribution hazard exclude each other except by chance, and a difference says that one of them does not hold
    (`check_fine_gray`). And for patients unlike those of the data.

    References
    ----------
    Benichou and Gail 1990, doi:10.2307/2532087; Fine and Gray 1999, doi:10.1080/01621459.1999.10474144. Held to the
    same sums over R survival 3.5-3 ``coxph``, and to cmprsk ``predict.crr``.

    Examples
    --------
    >>> import pandas as pd
    >>> from fbss_analytics import fit_fine_gray
    >>> ended = [("explant", "death", "censored", "explant")[(3 * i) % 4] for i in range(80)]
    >>> frame = pd.DataFrame({"days": [float(1 + (7 * i) % 80) for i in range(80)], "ended": ended})
    >>> frame["dose"] = [(11 * i) % 13 for i in range(80)]
    >>> keys = {"duration": "days", "status": "ended", "event": "explant", "competing": "death"}
    >>> fit = fit_fine_gray(frame, formula="dose", **keys)
    >>> predict_cumulative_incidence(fit, pd.DataFrame({"dose": [0, 12]}), days=60).estimates["model"].tolist()
    ['cox', 'cox', 'fine_gray', 'fine_gray']
    """
    if not isinstance(fit, CompetingFit):
        raise InputError("predict_cumulative_incidence needs the result of fit_fine_gray.")
    cases = [case_of(own, "predict_cumulative_incidence") for own in fit.cause_specific]
    asked = _days(days, float(cases[0].rows.follow.stop.max()))
    needed = [*dict.fromkeys(name for term in cases[0].rows.design.terms for name in term.variables)]
    matrix = new_matrix(rows, needed, cases[0], verb="predict_cumulative_incidence")
    risk, error = absolute_risk(
        [(case.sets, case.estimate) for case in cases], [matrix] * len(cases), asked, cluster=cases[0].rows.cluster
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled = error / ((1 - risk) * -np.log1p(-risk))
    incidence, log_error = incidence_with_error(
        fit.case.model, fit.case.estimate, matrix, asked, cluster=cases[0].rows.cluster
    )
    names = [group_name(name) for name in rows.index]
    table = [
        *_risk_rows("cox", risk, scaled, names, asked, fit),
        *_risk_rows("fine_gray", incidence, log_error, names, asked, fit),
    ]
    return PredictedRisk(
        outcome=fit.outcome,
        cause=fit.cause,
        formula=fit.fine_gray.formula,
        table=estimate_table(table),
        n=fit.fine_gray.n,
        events=fit.fine_gray.events,
        method=f"Risks of both models, standard errors by influence, interval on log(-log(1 - F)). {fit.method}",
        conf_level=fit.fine_gray.conf_level,
        definitions=fit.definitions,
        excluded=fit.excluded,
        unit=fit.fine_gray.unit,
    )


def _days(days: float | Iterable[float], last: float) -> Floats:
    """Return the days asked for, all within follow-up."""
    asked = np.atleast_1d(np.asarray(days if isinstance(days, float | int) else list(days), dtype=np.float64))
    outside = asked[~((asked > 0) & (asked <= last))]
    if len(outside) or not len(asked):
        which = f"{outside[0]:g} lies" if len(outside) else "no day lies"
        raise InputError(f"days=: {which} outside follow-up, which ends on day {last:,g}.")
    return asked


def _risk_rows(
    model: str, risk: Floats, log_error: Floats, names: list[str], days: Floats, fit: CompetingFit
) -> list[dict[str, object]]:
    """Return a row of the table for every patient and day; ``log_error`` is that of log(-log(1 - risk))."""
    spread = np.exp(normal_quantile(fit.fine_gray.conf_level) * log_error)
    hazard = -np.log1p(-risk)
    low, high = -np.expm1(-hazard / spread), -np.expm1(-hazard * spread)
    common = {
        "model": model,
        "outcome": fit.outcome,
        "cause": fit.cause,
        "term": "patient",
        "measure": "risk",
        "n": fit.fine_gray.n,
        "events": fit.fine_gray.events,
    }
    return [
        common
        | {
            "level": names[i],
            "horizon_days": days[h],
            "estimate": risk[i, h],
            "coefficient": risk[i, h],
            "std_error": log_error[i, h] * hazard[i, h] * (1 - risk[i, h]),
            "conf_low": low[i, h],
            "conf_high": high[i, h],
        }
        for i in range(len(names))
        for h in range(len(days))
    ]
