"""`fit_logistic`, and `estimate_effect_curve` over a term of any fit."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..cohort import Cohort
from ..errors import InputError, nearest
from ..formats import plural
from .adequacy import check_clusters, refuse_flat, warn_if_few
from .bands import normal_quantile
from .crosscheck_regression import check_logistic
from .formula import Design, build_design, formula_variables
from .kernels.cox import flat_directions
from .results import Curve, Fit
from .rows import check_columns, complete_rows
from .terms import make_fit, partners

Floats = npt.NDArray[np.float64]


def fit_logistic(
    cohort: Cohort | pd.DataFrame,
    *,
    outcome: str,
    formula: str,
    cluster: str | None = None,
    crosscheck: bool = False,
    conf_level: float = 0.95,
) -> Fit:
    """Fit a logistic regression for a yes/no column.

    **Definition**: odds ratios from maximum likelihood with Wald intervals; every row counts in full, so the outcome
    must be known for every row over the same span of time.

    Parameters
    ----------
    cohort : Cohort or DataFrame
    outcome : str
        Column of true/false or 0/1, for instance trial success.
    formula : str
        Right-hand side, as in `fit_cox`.
    cluster : str, optional
        Column of the patient or centre: robust standard errors. A cohort with several rows per patient uses
        ``patient_id``.
    crosscheck : bool
        Fit again by iteratively reweighted least squares (own; statsmodels where there are clusters), and stop when
        the two disagree.
    conf_level : float
        Of the Wald intervals.

    Returns
    -------
    Fit
        ``model`` logistic, ``measure`` OR; ``coefficients`` and ``covariance`` start with the intercept.

    Raises
    ------
    InputError
        The outcome is a time-to-event outcome, or not yes/no; wrong formula; constant or collinear columns.
    DataError
        A column separates yes from no perfectly, or a second engine disagrees.

    Warns
    -----
    StudyWarning
        Rows with missing values left out; fewer than 10 of the rarer outcome, or 10 per parameter.

    When not to use it
    ------------------
    For "ever explanted" with unequal follow-up: who was followed longer had more time for it; use `fit_cox`.

    References
    ----------
    Hosmer, Lemeshow and Sturdivant 2013, doi:10.1002/9781118548387. Fitted by statsmodels; held to R ``glm``.

    Examples
    --------
    >>> import pandas as pd
    >>> success = [(5 * i) % 7 > 3 for i in range(60)]
    >>> frame = pd.DataFrame({"success": success, "pain_score": [(3 * i) % 10 for i in range(60)]})
    >>> fit = fit_logistic(frame, outcome="success", formula="pain_score")
    >>> fit.estimates[["term", "measure", "n", "events"]].values.tolist()
    [['pain_score', 'OR', 60, 25]]
    """
    if isinstance(cohort, Cohort):
        _refuse_time_to_event(cohort, outcome)
        cluster = cluster or (None if cohort.unit == "patient" else "patient_id")
    elif not isinstance(cohort, pd.DataFrame):
        raise InputError(f"Expected a Cohort or a pandas DataFrame, got {type(cohort).__name__}.")
    frame = cohort.frame if isinstance(cohort, Cohort) else cohort
    grouped = [cluster] if cluster else []
    check_columns(frame, [outcome, *grouped], argument="The call")
    kept, excluded = complete_rows(frame, [outcome, *formula_variables(formula, frame), *grouped])
    frame = frame[kept].reset_index(drop=True)
    happened = _yes_no(frame[outcome], outcome)
    design = build_design(frame, formula, intercept=True)
    rarer = int(min(happened.sum(), (~happened).sum()))
    warn_if_few(rarer, design.n_parameters)
    coefficients, log_likelihood = _maximum(design, happened)
    risk = 1 / (1 + np.exp(-(design.matrix @ coefficients)))
    covariance = np.linalg.inv((design.matrix.T * (risk * (1 - risk))) @ design.matrix).astype(np.float64)
    method = "Logistic regression (statsmodels), maximum likelihood, Wald intervals; model-based standard errors."
    codes = None if cluster is None else np.asarray(pd.factorize(frame[cluster])[0], dtype=np.int64)
    if codes is not None:
        clusters = plural(check_clusters(codes, design.n_parameters, cluster=str(cluster)), "cluster")
        covariance = _clustered(design.matrix, happened - risk, covariance, codes)
        method = method.replace("model-based", "robust").replace(
            "errors.", f"errors, clustered on {cluster} ({clusters})."
        )
    mean = happened.mean()
    null = float(len(frame) * (mean * np.log(mean) + (1 - mean) * np.log(1 - mean)))
    fit = make_fit(
        design,
        coefficients,
        covariance,
        happened,
        conf_level=conf_level,
        log_likelihood=(log_likelihood, null),
        robust=cluster is not None,
        model="logistic",
        measure="OR",
        outcome=outcome,
        cause="",
        method=method,
        definitions=tuple(cohort.definitions) if isinstance(cohort, Cohort) else (),
        excluded=excluded,
        unit=cohort.unit if isinstance(cohort, Cohort) else "row",
    )
    return check_logistic(fit, design.matrix, happened, cluster=codes) if crosscheck else fit


def estimate_effect_curve(fit: Fit, *, term: str, reference: float, values: Iterable[float] | None = None) -> Curve:
    """Return the hazard or odds ratio over a number, against a reference value.

    **Definition**: exp of the difference in linear predictor between each value and ``reference``, other columns held
    at their typical value (median, reference level), with Wald intervals from the covariance of all coefficients.

    Parameters
    ----------
    fit : Fit
    term : str
        A numeric column of the formula, for instance one in ``rcs()``.
    reference : float
        The value whose ratio is 1.
    values : iterable of float, optional
        Where to evaluate; the 1st to the 99th percentile of the rows used, in 99 equal steps, by default.

    Returns
    -------
    Curve
        Of kind ``effect``.

    Raises
    ------
    InputError
        ``term`` is not a numeric column of the formula, or ``reference`` is not a number.

    When not to use it
    ------------------
    Beyond the data: a restricted cubic spline is a straight line outside its knots.

    References
    ----------
    Harrell, Regression Modeling Strategies, chapter 2, doi:10.1007/978-3-319-19425-7.

    Examples
    --------
    >>> import pandas as pd
    >>> success, score = [(5 * i) % 7 > 3 for i in range(60)], [(3 * i) % 10 for i in range(60)]
    >>> frame = pd.DataFrame({"success": success, "score": score})
    >>> fit = fit_logistic(frame, outcome="success", formula="rcs(score, 3)")
    >>> estimate_effect_curve(fit, term="score", reference=5, values=[5.0]).frame["estimate"].tolist()
    [1.0]
    """
    if fit.parts:
        periods = ", ".join(part.period for part in fit.parts)
        raise InputError(f"The curve differs between periods ({periods}); give one of them, such as fit.parts[0].")
    if fit.case is not None and term in fit.case.over_time:
        raise InputError(f"The ratio of {term!r} changes with time; its coefficients are in .estimates.")
    if fit.measure == "difference":
        raise InputError("An effect curve shows ratios; the differences of this fit are in .estimates.")
    known = list(fit.design.percentiles.columns)
    if term not in known:
        raise InputError(f"term={term!r} is not a numeric column of the formula.{nearest(term, known)}")
    if isinstance(reference, bool) or not isinstance(reference, int | float) or not np.isfinite(reference):
        raise InputError("reference= must be a number: the value whose ratio is 1.")
    percentiles = fit.design.percentiles[term].to_numpy()
    drawn = (
        np.linspace(percentiles[1], percentiles[99], 100)
        if values is None
        else np.asarray(list(values), dtype=np.float64)
    )
    table = _ratios(fit, term, drawn, float(reference))
    involved = next(one for one in fit.design.terms if term in one.variables)
    return Curve(
        kind="effect",
        outcome=fit.outcome,
        by=None,
        data=table,
        method=f"{fit.measure} against {term} {reference:g}{partners(fit.design, involved)}. {fit.method}",
        conf_type="Wald",
        conf_level=fit.conf_level,
        definitions=fit.definitions,
        excluded=fit.excluded,
        n=fit.n,
        events=fit.events,
        unit=fit.unit,
    )


def _maximum(design: Design, happened: npt.NDArray[np.bool_]) -> tuple[Floats, float]:
    """Return the coefficients at the maximum and the log likelihood there; refuse an infinite estimate."""
    from statsmodels.discrete.discrete_model import Logit

    with warnings.catch_warnings():
        # Separation and a missed maximum are found below, and named.
        warnings.simplefilter("ignore")
        model = Logit(happened.astype(np.float64), design.matrix)
        result = model.fit(method="newton", maxiter=60, tol=1e-12, disp=0, skip_hessian=True)
    coefficients = np.asarray(result.params, dtype=np.float64)
    information, mean = -np.asarray(model.hessian(coefficients), dtype=np.float64), happened.mean()
    flat = flat_directions(information, mean * (1 - mean) * design.matrix.T @ design.matrix)
    refuse_flat(design, flat, bool(result.mle_retvals["converged"]), happened)
    return coefficients, float(result.llf)


def _ratios(fit: Fit, term: str, values: Floats, reference: float) -> pd.DataFrame:
    """Return the ratio at each value against the reference, with Wald limits."""
    rows = fit.design.at(term, np.append(values, reference))
    change = rows[:-1] - rows[-1]
    coefficient = change @ fit.coefficients["coefficient"].to_numpy()
    error = np.sqrt(np.maximum(np.einsum("ij,jk,ik->i", change, fit.covariance, change), 0.0))
    z = normal_quantile(fit.conf_level)
    return pd.DataFrame(
        {
            "term": term,
            "value": values,
            "estimate": np.exp(coefficient),
            "std_error": error,
            "conf_low": np.exp(coefficient - z * error),
            "conf_high": np.exp(coefficient + z * error),
            "reference": reference,
            "measure": fit.measure,
        }
    )


def _refuse_time_to_event(cohort: Cohort, outcome: str) -> None:
    """Raise `InputError` when a logistic model is asked for an outcome with unequal follow-up."""
    for name, one in cohort.outcomes.items():
        if outcome in (name, one.status):
            raise InputError(
                f"{name!r} is a time-to-event outcome with unequal follow-up: a logistic model would count those lost "
                f"early as free of it. Use fit_cox(cohort, outcome={name!r}, formula=...)."
            )


def _yes_no(values: pd.Series, name: str) -> npt.NDArray[np.bool_]:
    """Return a yes/no column as bool; refuse anything but true/false and 0/1, and a column with one value only."""
    distinct = set(values.unique())
    if not distinct <= {0, 1}:
        raise InputError(
            f"outcome={name!r} must hold True/False or 0/1; it has {plural(len(distinct), 'distinct value')}."
        )
    if len(distinct) == 1:
        only = "yes" if next(iter(distinct)) else "no"
        raise InputError(f"outcome={name!r} is {only} in all {plural(len(values), 'row')}; there is nothing to model.")
    return values.astype(bool).to_numpy()


def _clustered(x: Floats, residual: Floats, covariance: Floats, codes: npt.NDArray[np.int64]) -> Floats:
    """Return the sandwich covariance with scores summed within clusters."""
    size = int(codes.max()) + 1
    scores = np.stack([np.bincount(codes, column * residual, size) for column in x.T], axis=1)
    influence = scores @ covariance
    return np.asarray(influence.T @ influence, dtype=np.float64)
