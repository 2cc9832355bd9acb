"""`fit_parametric`: time ratios or hazard ratios from a distribution of the time to an event."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..cohort import Cohort
from ..errors import DataError, InputError, one_of
from ..formats import decimal, plural
from .adequacy import check_clusters, refuse_flat, warn_if_few
from .bands import normal_quantile, wald_p
from .contrasts import contrast_rows
from .event_times import EventTimes, event_times
from .fit import Fit
from .followup import Columns
from .formula import Design, build_design, formula_variables
from .kernels.accelerated import ERRORS, Accelerated, fit_accelerated
from .kernels.flatness import flat_directions
from .kernels.flexible import Columns as SplineColumns
from .kernels.flexible import fit_flexible, spline_slope
from .result_table import estimate_table
from .splines import spline_basis
from .terms import make_fit
from .weights import Weights, case_weights

Floats = npt.NDArray[np.float64]

DISTRIBUTIONS = (*ERRORS, "spline")

MOST_KNOTS = 7


@dataclass(frozen=True, eq=False)
class ParametricFit(Fit):
    """A `Fit` of a parametric model, with what describes the distribution.

    Attributes
    ----------
    distribution : str
        ``weibull``, ``exponential``, ``lognormal``, ``loglogistic`` or ``spline``.
    baseline : DataFrame
        parameter, coefficient, std_error: intercept and log scale, or the coefficients of the spline of log days.
    hazard_ratios : DataFrame
        `ESTIMATE_COLUMNS`, measure HR: of a Weibull or exponential model, whose time ratios are hazard ratios too.
    aic : float
        -2 log likelihood + 2 parameters, those of the distribution included.
    """

    distribution: str = ""
    baseline: pd.DataFrame = field(default_factory=pd.DataFrame, repr=False)
    hazard_ratios: pd.DataFrame = field(default_factory=pd.DataFrame, repr=False)
    aic: float = np.nan


def fit_parametric(
    cohort: Cohort | pd.DataFrame,
    *,
    outcome: str | None = None,
    formula: str,
    distribution: str,
    knots: int = 3,
    cause: str | None = None,
    weights: str | None = None,
    cluster: str | None = None,
    lower: str | None = None,
    upper: str | None = None,
    conf_level: float = 0.95,
    duration: str | None = None,
    status: str | None = None,
    event: str | None = None,
    entry: str | None = None,
) -> ParametricFit:
    """Fit a parametric model of the time to an event: accelerated failure time, or proportional hazards with a spline.

    **Definition**: log T = x b + sigma W; exp(b) is the *time ratio*, how many times as long it takes. With ``spline``
    the log cumulative hazard is a restricted cubic spline of log days and exp(b) the hazard ratio. Competing events end
    follow-up on their day. With ``lower=`` and ``upper=`` the event is known to lie in (lower, upper]: free of it on
    day ``lower``, not any more on day ``upper``; no upper limit is censored on day ``lower``, equal days are exact.

    Parameters
    ----------
    cohort : Cohort or DataFrame
        As in `fit_cox`, or with ``lower=`` and ``upper=``.
    outcome : str
        Name of a time-to-event outcome of the cohort.
    formula : str
        Right-hand side, as in `fit_cox`.
    distribution : str
        ``weibull``, ``exponential``, ``lognormal``, ``loglogistic`` or ``spline``: a scientific choice, without
        default. Compare ``aic``.
    knots : int
        Of the spline, 2 (a Weibull model) to 7, at equal quantiles of the log days of events, the outer ones the first
        and the last.
    cause : str, optional
        Which event, where the outcome has several.
    weights : str, optional
        Column of weights above 0: whole numbers count rows, others make standard errors robust.
    cluster : str, optional
        Column of the patient or centre: robust standard errors. A cohort with several rows per patient uses
        ``patient_id``.
    lower, upper : str, optional
        Columns of days of interval-censored data, instead of ``duration`` and ``status``; missing ``upper`` is not yet.
    conf_level : float
        Of the Wald intervals.
    duration, status, event, entry : str
        Columns of a plain frame.

    Returns
    -------
    ParametricFit
        ``measure`` "time ratio", or HR with ``spline``.

    Raises
    ------
    InputError
        Wrong formula or arguments; ``spline`` with interval-censored data.
    DataError
        Times that cannot be, or no maximum of the likelihood.

    Warns
    -----
    StudyWarning
        Rows with missing values left out; few events.

    When not to use it
    ------------------
    To predict beyond follow-up, where only the distribution speaks. And a distribution the data contradict: draw its
    survival over Kaplan-Meier first.

    References
    ----------
    Kalbfleisch and Prentice 2002, doi:10.1002/9781118032985; Royston and Parmar 2002, doi:10.1002/sim.1203. Held to R
    survival 3.5-3 ``survreg``. (lifelines 0.30.3 stops short of the maximum: its log-logistic coefficients of R's lung
    data are 0.002 off.)

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"days": [float(day) for day in range(1, 41)], "sex": ["female", "male"] * 20})
    >>> frame["explanted"] = [day % 4 > 0 for day in range(40)]
    >>> fit = fit_parametric(
    ...     frame, duration="days", status="explanted", event="explant", formula="sex", distribution="weibull"
    ... )
    >>> fit.estimates[["term", "level", "measure", "estimate"]].round(2).values.tolist()
    [['sex', 'male', 'time ratio', 0.71]]
    """
    one_of(distribution, DISTRIBUTIONS, name="distribution")
    columns = Columns(duration=duration, status=status, event=event, entry=entry)
    frame = cohort.frame if isinstance(cohort, Cohort) else cohort
    also = [name for name in (weights, cluster) if name]
    if isinstance(frame, pd.DataFrame):
        also = [*formula_variables(formula, frame), *also]
    data = event_times(cohort, outcome, columns, cause=cause, limits=(lower, upper), also=also)
    spline = distribution == "spline"
    design = build_design(data.follow.frame, formula, intercept=not spline)
    warn_if_few(int(data.happened.sum()), design.n_parameters)
    weighted = case_weights(data.follow, weights)
    weight = np.ones(len(design.matrix)) if weighted is None else weighted.values
    grouped = cluster or data.follow.cluster
    if spline:
        result, null, words = _spline(design, data, weight, knots)
    else:
        result = fit_accelerated(design.matrix, data.times, weight, distribution=distribution)
        null = fit_accelerated(design.matrix[:, :1], data.times, weight, distribution=distribution).log_likelihood
        words = ()
    if not np.isfinite(result.covariance).all():
        raise DataError(
            f"The {distribution} model has no maximum within reach: look for extreme days. Leave terms out, or use "
            f"another distribution."
        )
    refuse_flat(design, _infinite(design, result, weight, spline=spline), result.converged, data.happened)
    covariance = _covariance(result, data, weighted, grouped, design.n_parameters)
    return _fit(design, data, result, covariance, null, distribution, conf_level, (weighted, grouped, words))


def _spline(design: Design, data: EventTimes, weight: Floats, knots: int) -> tuple[Accelerated, float, tuple[str, ...]]:
    """Return the fit with a spline baseline, the log likelihood without terms, and where the knots stand."""
    if data.is_interval:
        raise InputError('distribution="spline" takes exact and censored days; use another one with lower= and upper=.')
    if not isinstance(knots, int) or not 2 <= knots <= MOST_KNOTS:
        raise InputError(f"knots={knots!r} must be a whole number from 2 (a Weibull model) to {MOST_KNOTS}.")
    z = np.log(data.follow.stop)
    places = np.quantile(z[data.happened], np.linspace(0, 1, knots))
    if len(np.unique(places)) < knots:
        raise InputError(f"The days of the events do not give {knots} different knots; ask for fewer.")
    columns = _spline_columns(z, data, places)
    null = _spline_fit(columns, np.zeros((len(z), 0)), data, weight)
    days = ", ".join(decimal(float(day), 0) for day in np.exp(places))
    return _spline_fit(columns, design.matrix, data, weight), null.log_likelihood, (f"knots at days {days}",)


def _spline_columns(z: Floats, data: EventTimes, places: Floats) -> SplineColumns:
    """Return the columns of the spline of log days; with two knots it is a straight line."""

    def basis(at: Floats) -> Floats:
        line = at[:, None] if len(places) < 3 else spline_basis(at, places)
        return np.hstack([np.ones((len(at), 1)), line])

    slope = np.ones((len(z), 1)) if len(places) < 3 else spline_slope(z, places)
    late = data.times.entry > 0
    entered = np.log(np.where(late, data.times.entry, 1.0))
    slope = np.hstack([np.zeros((len(z), 1)), slope])
    return SplineColumns(basis(z), slope, basis(entered) * late[:, None], late, data.happened, z)


def _spline_fit(columns: SplineColumns, x: Floats, data: EventTimes, weight: Floats) -> Accelerated:
    """Return the fit from a Weibull start, whose hazard is positive everywhere."""
    one = np.ones((len(x), 1))
    straight = fit_accelerated(np.hstack([one, x]), data.times, weight, distribution="weibull")
    weibull = straight.coefficients
    scale, n_spline = np.exp(weibull[-1]), columns.basis.shape[1]
    start = np.zeros(n_spline + x.shape[1])
    start[0], start[1], start[n_spline:] = -weibull[0] / scale, 1 / scale, -weibull[1:-1] / scale
    both = SplineColumns(
        np.hstack([columns.basis, x]),
        np.hstack([columns.slope, np.zeros_like(x)]),
        np.hstack([columns.entry, x * columns.late[:, None]]),
        columns.late,
        columns.event,
        columns.z,
    )
    return fit_flexible(both, weight, start)


def _infinite(design: Design, result: Accelerated, weight: Floats, *, spline: bool) -> npt.NDArray[np.bool_]:
    """Mark the columns whose coefficient runs to infinity: next to none of the information rows could hold is left."""
    p, terms = len(design.names), np.arange(int(design.intercept), len(design.names))
    place = terms + (len(result.coefficients) - p if spline else 0)
    x = design.matrix[:, terms] - np.average(design.matrix[:, terms], axis=0, weights=weight)
    left = np.asarray(np.linalg.inv(result.covariance[np.ix_(place, place)]), dtype=np.float64)
    scale = 1.0 if spline or len(result.coefficients) == p else float(np.exp(result.coefficients[-1]))
    flat = np.zeros(p, dtype=bool)
    flat[terms] = flat_directions(left, (x * weight[:, None]).T @ x / scale**2)
    return flat


def _covariance(
    result: Accelerated, data: EventTimes, weighted: Weights | None, cluster: str | None, parameters: int
) -> Floats:
    """Return the covariance: the inverse information, or the sandwich with clusters or sampling weights."""
    scores = result.scores
    if cluster is not None:
        codes = data.follow.codes(cluster)
        check_clusters(codes, parameters, cluster=cluster)
        scores = np.stack([np.bincount(codes, column) for column in scores.T], axis=1)
    elif weighted is None or weighted.repeats:
        return result.covariance
    return np.asarray(result.covariance @ (scores.T @ scores) @ result.covariance, dtype=np.float64)


def _fit(
    design: Design,
    data: EventTimes,
    result: Accelerated,
    covariance: Floats,
    null: float,
    distribution: str,
    conf_level: float,
    asked: tuple[Weights | None, str | None, tuple[str, ...]],
) -> ParametricFit:
    """Return the result with its words and tables."""
    weighted, cluster, more = asked
    spline, p = distribution == "spline", len(design.names)
    theta, names = result.coefficients, list(design.names)
    columns = np.arange(len(theta))[len(theta) - p :] if spline else np.arange(p)
    others = [j for j in range(len(theta)) if j not in columns]
    robust = cluster is not None or (weighted is not None and not weighted.repeats)
    within = np.ix_(columns, columns)
    fit = make_fit(
        design,
        theta[columns],
        covariance[within],
        data.happened,
        conf_level=conf_level,
        log_likelihood=(result.log_likelihood, null),
        robust=robust,
        model="parametric",
        measure="HR" if spline else "time ratio",
        outcome=data.follow.outcome,
        cause=data.cause,
        method=_method(data, distribution, weighted, cluster, more),
        definitions=data.follow.definitions,
        excluded=data.follow.excluded,
        unit=data.follow.unit,
    )
    described = [f"spline {j}" for j in others] if spline else ["log scale"][: len(others)]
    index = others if spline else [0, *others]
    baseline = pd.DataFrame(
        {
            "parameter": described if spline else [names[0], *described],
            "coefficient": theta[index],
            "std_error": np.sqrt(np.diag(covariance))[index],
        }
    )
    return ParametricFit(
        **{item.name: getattr(fit, item.name) for item in fields(fit)},
        distribution=distribution,
        baseline=baseline,
        hazard_ratios=_hazard_ratios(fit, theta, covariance, distribution),
        aic=2 * len(theta) - 2 * result.log_likelihood,
    )


def _hazard_ratios(fit: Fit, theta: Floats, covariance: Floats, distribution: str) -> pd.DataFrame:
    """Return the hazard ratios exp(-b / sigma) of a Weibull or exponential model; empty for the others."""
    if ERRORS.get(distribution) != "extreme":
        return fit.estimates if distribution == "spline" else estimate_table([])
    combine = contrast_rows(fit.design)
    scale = float(np.exp(theta[-1])) if distribution == "weibull" else 1.0
    b = combine @ theta[: combine.shape[1]]
    if distribution == "weibull":
        # The derivative of -b / sigma with respect to log sigma is b / sigma.
        combine = np.hstack([combine, -b[:, None]])
    error = np.sqrt(np.einsum("ij,jk,ik->i", combine, covariance, combine)) / scale
    z, coefficient = normal_quantile(fit.conf_level), -b / scale
    table = fit.estimates.assign(measure="HR", coefficient=coefficient, std_error=error)
    table["estimate"] = np.exp(coefficient)
    table["conf_low"], table["conf_high"] = np.exp(coefficient - z * error), np.exp(coefficient + z * error)
    table["p_value"] = wald_p(coefficient / error)
    return table


def _method(
    data: EventTimes, distribution: str, weighted: Weights | None, cluster: str | None, more: tuple[str, ...]
) -> str:
    """Say in words how it was estimated."""
    named = {"lognormal": "Log-normal", "loglogistic": "Log-logistic"}.get(distribution, distribution.capitalize())
    words = [f"{named} accelerated failure time model"]
    if distribution == "spline":
        words = ["Proportional hazards with a restricted cubic spline of log days for the log cumulative hazard", *more]
    words.append(f"time to {data.follow.name_of(data.cause)}{data.words}, by maximum likelihood")
    if data.is_interval:
        words.append("interval-censored days")
    if (data.times.entry > 0).any():
        words.append("at risk only after entry")
    if weighted is not None:
        words.append(f"rows weighted by {weighted.column}")
    if cluster is not None:
        clusters = plural(int(data.follow.codes(cluster).max()) + 1, "cluster")
        words.append(f"robust standard errors, clustered on {cluster} ({clusters})")
    elif weighted is not None and not weighted.repeats:
        words.append("robust standard errors")
    return "; ".join(words) + "."
