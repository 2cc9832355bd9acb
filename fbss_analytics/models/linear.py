"""`fit_linear`: differences in a continuous outcome, adjusted for where patients started."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from ..cohort import Cohort
from ..errors import InputError, one_of
from ..formats import plural
from .adequacy import check_clusters
from .crosscheck_regression import check_linear
from .differences import Floats, complete, difference_fit
from .results import Fit

ERRORS: dict[str, Callable[[Floats, Floats, Floats, float], Floats]] = {
    "hc3": lambda x, e, h, df: (x * ((e / (1 - h)) ** 2)[:, None]).T @ x,
    "classical": lambda x, e, h, df: x.T @ x * float(e @ e) / df,
}
"""The middle of the sandwich of each kind of standard error, from matrix, residual, leverage and residual df."""

WORDS = {"hc3": "robust standard errors (HC3)", "classical": "standard errors of equal variance"}


def fit_linear(
    cohort: Cohort | pd.DataFrame,
    *,
    outcome: str,
    formula: str,
    baseline: str | None,
    errors: str = "hc3",
    cluster: str | None = None,
    crosscheck: bool = False,
    conf_level: float = 0.95,
) -> Fit:
    """Fit a linear model of a continuous outcome, adjusted for its baseline (ANCOVA).

    **Definition**: differences in the mean from least squares; ``baseline`` enters as a further term. Intervals are t
    with n minus parameters (with ``cluster``: clusters minus 1) degrees of freedom. A yes-or-no outcome counts as 1 or
    0: differences are then differences in risk (Cheung 2007), and standard errors must be robust.

    Parameters
    ----------
    cohort : Cohort or DataFrame
    outcome : str
        Column of numbers at follow-up, for instance the dose in days 275 to 365: the value itself, not its change; or
        a column of True and False.
    formula : str
        Right-hand side, as in `fit_cox`.
    baseline : str or None
        Column of the same quantity before day 0, or a term of it such as ``rcs(baseline_mme_per_day, 4)``; None only
        where there is no such thing.
    errors : str
        ``hc3`` (right whatever the variances, also in small samples) or ``classical``.
    cluster : str, optional
        Column of the patient or centre: clustered standard errors (HC1). A cohort with several rows per patient uses
        ``patient_id``.
    crosscheck : bool
        Fit again with statsmodels, and stop when it disagrees.
    conf_level : float
        0.95 by default.

    Returns
    -------
    Fit
        ``model`` linear, ``measure`` difference; ``coefficients`` and ``covariance`` start with the intercept.

    Raises
    ------
    InputError
        The outcome is neither a number nor yes/no; wrong formula; constant or collinear columns; too few rows or
        clusters.
    DataError
        A second engine disagrees.

    Warns
    -----
    StudyWarning
        Rows with missing values left out; fewer than 10 rows per parameter.

    When not to use it
    ------------------
    With the change as outcome: who starts high falls most by chance alone (regression to the mean). And for a dose that
    is 0 in many: the mean difference stands, but say the share of users beside it.

    References
    ----------
    Vickers and Altman 2001, doi:10.1136/bmj.323.7321.1123; Long and Ervin 2000, doi:10.1080/00031305.2000.10474549
    (HC3). Held to R ``lm`` and ``sandwich``.

    Examples
    --------
    >>> import pandas as pd
    >>> before, high = [float((3 * i) % 11) for i in range(60)], [i % 3 == 0 for i in range(60)]
    >>> after = [0.5 * b - 2 * h + (i % 2) for i, (b, h) in enumerate(zip(before, high))]
    >>> frame = pd.DataFrame({"after": after, "before": before, "high": high})
    >>> fit = fit_linear(frame, outcome="after", formula="high", baseline="before")
    >>> fit.estimates[["term", "measure", "n"]].values.tolist()
    [['before', 'difference', 60], ['high', 'difference', 20]]
    """
    one_of(errors, tuple(ERRORS), name="errors")
    if isinstance(cohort, Cohort):
        cluster = cluster or (None if cohort.unit == "patient" else "patient_id")
    text = formula if baseline is None else f"{baseline} + {formula}"
    rows = complete(cohort, outcome, text, also=[cluster] if cluster else [], yes_no=errors == "hc3")
    x, y = rows.design.matrix, rows.y
    df: float = len(y) - x.shape[1]
    if df < 1:
        raise InputError(f"{plural(len(y), 'row')} for {plural(x.shape[1], 'parameter')}; leave terms out.")
    coefficients, residual, bread = _least_squares(x, y)
    codes = None if cluster is None else rows.codes(cluster)
    if codes is None:
        middle, words = ERRORS[errors](x, residual, _leverage(x, bread, errors), df), WORDS[errors]
    else:
        size = check_clusters(codes, rows.design.n_parameters, cluster=str(cluster))
        scores = np.stack([np.bincount(codes, column * residual, size) for column in x.T], axis=1)
        middle = np.asarray(scores.T @ scores, dtype=np.float64) * (size / (size - 1) * (len(y) - 1) / df)
        words, df = f"robust standard errors (HC1), clustered on {cluster} ({plural(size, 'cluster')})", size - 1
    adjusted = f"adjusted for {baseline} (ANCOVA)" if baseline else "not adjusted for a baseline"
    spread = float(residual @ residual)
    fit = difference_fit(
        rows,
        coefficients,
        bread @ middle @ bread,
        df=df,
        model="linear",
        method=f"Linear regression by least squares, {adjusted}; {words}; t intervals, {df:g} degrees of freedom.",
        conf_level=conf_level,
        log_likelihood=(_log_likelihood(spread, len(y)), _log_likelihood(float(((y - y.mean()) ** 2).sum()), len(y))),
    )
    return check_linear(fit, x, y, errors=errors, cluster=codes) if crosscheck else fit


def _least_squares(x: Floats, y: Floats) -> tuple[Floats, Floats, Floats]:
    """Return coefficients, residuals and the inverse of x'x, by QR of the standardised columns."""
    scale = np.sqrt((x**2).mean(axis=0))
    q, r = np.linalg.qr(x / scale)
    inverse = np.linalg.inv(r)
    coefficients = inverse @ (q.T @ y) / scale
    return coefficients, y - x @ coefficients, np.asarray(inverse @ inverse.T / np.outer(scale, scale))


def _leverage(x: Floats, bread: Floats, errors: str) -> Floats:
    """Return the leverages (n,); a row that alone decides a coefficient has none left for HC3."""
    leverage = np.einsum("ij,jk,ik->i", x, bread, x)
    decided = int((leverage > 1 - 1e-9).sum())
    if errors == "hc3" and decided:
        raise InputError(
            f"{plural(decided, 'row')} alone decide a coefficient (a category with one row); HC3 does not exist. "
            f"Join small categories, or take errors='classical'."
        )
    return np.asarray(leverage)


def _log_likelihood(spread: float, n: int) -> float:
    return float(-n / 2 * (np.log(2 * np.pi * spread / n) + 1))
