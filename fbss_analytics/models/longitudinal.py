"""`fit_gee` and `fit_mixed`: trajectories, on average or with patients' own lines."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..errors import DataError, InputError, one_of
from ..formats import plural
from .adequacy import check_clusters
from .differences import Rows, complete, difference_fit
from .kernels.gee import fit_exchangeable
from .kernels.mixed import fit_mixed_lines
from .results import Fit
from .rows import warn

EDGE = 1e-6
"""Smallest share of the variance between patients that lies in one direction, below which it counts as none."""


def fit_gee(
    measurements: pd.DataFrame,
    *,
    outcome: str,
    formula: str,
    patient: str,
    correlation: str = "exchangeable",
    conf_level: float = 0.95,
) -> Fit:
    """Fit the mean of a repeated measurement over time, by generalised estimating equations.

    **Definition**: differences in the mean of everyone measured; measurements of one patient share a working
    correlation; standard errors are robust (Liang-Zeger), right even where the correlation is another.

    Parameters
    ----------
    measurements : DataFrame
        One row per patient and time.
    outcome : str
        Column of numbers, for instance ``mme_per_day``.
    formula : str
        Right-hand side, as in `fit_cox`, with time as one of its columns, such as ``group * rcs(month, 4)``.
    patient : str
        Column of the patient.
    correlation : str
        ``exchangeable`` (one correlation between any two measurements) or ``independence``.
    conf_level : float
        0.95 by default.

    Returns
    -------
    Fit
        ``model`` gee, ``measure`` difference; ``coefficients`` and ``covariance`` start with the intercept.

    Raises
    ------
    InputError
        Wrong columns or formula, or too few patients.

    When not to use it
    ------------------
    Where patients drop out because of how they do: it takes the missing for missing completely at random. `fit_mixed`
    asks for less.

    References
    ----------
    Liang and Zeger 1986, doi:10.1093/biomet/73.1.13. Held to R geepack 1.3.9.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"patient": [i // 4 for i in range(80)], "month": [i % 4 for i in range(80)]})
    >>> frame["dose"] = 20 + frame["month"] + (frame["patient"] * 7) % 5 + (frame["month"] * frame["patient"]) % 3
    >>> fit = fit_gee(frame, outcome="dose", formula="month", patient="patient")
    >>> round(float(fit.estimates["estimate"].iloc[0]), 2)
    1.0
    """
    one_of(correlation, ("exchangeable", "independence"), name="correlation")
    rows = _rows(measurements, outcome, formula, patient)
    codes = rows.codes(patient)
    size = check_clusters(codes, rows.design.n_parameters, cluster=patient)
    found = fit_exchangeable(rows.design.matrix, rows.y, codes, independent=correlation == "independence")
    method = (
        f"Generalised estimating equations (own kernel), normal mean, {correlation} working correlation "
        f"({found.correlation:.3f}); robust standard errors, {plural(size, 'patient')}."
    )
    return difference_fit(
        rows,
        found.coefficients,
        found.covariance,
        df=np.inf,
        model="gee",
        method=method,
        conf_level=conf_level,
        # Estimating equations have no likelihood.
        log_likelihood=(np.nan, np.nan),
    )


def fit_mixed(
    measurements: pd.DataFrame,
    *,
    outcome: str,
    formula: str,
    patient: str,
    slope: str | None = None,
    conf_level: float = 0.95,
) -> Fit:
    """Fit a repeated measurement over time with each patient's own level, and slope, by a linear mixed model.

    **Definition**: differences in the mean by restricted maximum likelihood; patients' levels (and slopes over
    ``slope``, correlated with them) are normal about it; Wald intervals.

    Parameters
    ----------
    measurements : DataFrame
        One row per patient and time.
    outcome, formula, patient
        As in `fit_gee`.
    slope : str, optional
        Column, usually time, whose slope differs between patients.
    conf_level : float
        0.95 by default.

    Returns
    -------
    Fit
        ``model`` mixed, ``measure`` difference; ``coefficients`` and ``covariance`` start with the intercept. The
        standard deviations of levels, slopes and residuals are in ``method``.

    Raises
    ------
    InputError
        Wrong columns or formula, too few patients, or one row per patient.
    DataError
        The likelihood did not reach its maximum.

    Warns
    -----
    StudyWarning
        Patients' slopes do not differ, or go together with their levels entirely.

    When not to use it
    ------------------
    For a dose that is 0 in many: neither levels nor residuals are normal then; take `fit_gee`, or model users apart.

    References
    ----------
    Laird and Ware 1982, doi:10.2307/2529876. Held to R lme4 1.1-31.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"patient": [i // 4 for i in range(80)], "month": [i % 4 for i in range(80)]})
    >>> frame["dose"] = 20 + frame["month"] + (frame["patient"] * 7) % 5 + (frame["month"] * frame["patient"]) % 3
    >>> fit = fit_mixed(frame, outcome="dose", formula="month", patient="patient")
    >>> round(float(fit.estimates["estimate"].iloc[0]), 2)
    1.01
    """
    rows = _rows(measurements, outcome, formula, patient, *([slope] if slope else []))
    codes = rows.codes(patient)
    size = check_clusters(codes, rows.design.n_parameters, cluster=patient)
    if size == len(rows.y):
        raise InputError(f"patient={patient!r} has one row per patient; nothing is repeated. Use fit_linear.")
    over = None if slope is None else rows.frame[slope].to_numpy(dtype=np.float64)
    found = fit_mixed_lines(rows.design.matrix, rows.y, codes, over)
    if not found.converged:
        raise DataError("The likelihood did not reach its maximum; leave slope= out, or use fit_gee.")
    spread = np.sqrt(np.diag(found.between))
    if np.linalg.eigvalsh(found.between)[0] < EDGE * np.trace(found.between):
        warn(
            "The mixed model stands at the edge of what is possible: beyond their level patients hardly differ, or "
            "their levels and slopes go together entirely. Leave slope= out, or use fit_gee."
        )
    names = ["level", *([f"slope over {slope}"] if slope else [])]
    words = ", ".join(f"{name} {value:.3g}" for name, value in zip(names, spread, strict=True))
    method = (
        f"Linear mixed model (own kernel), restricted maximum likelihood; standard deviation between patients: {words}"
        f"; within: {float(np.sqrt(found.within)):.3g}; {plural(size, 'patient')}."
    )
    return difference_fit(
        rows,
        found.coefficients,
        found.covariance,
        df=np.inf,
        model="mixed",
        method=method,
        conf_level=conf_level,
        log_likelihood=(found.log_likelihood, np.nan),
    )


def _rows(measurements: pd.DataFrame, outcome: str, formula: str, patient: str, *also: str) -> Rows:
    if not isinstance(measurements, pd.DataFrame):
        raise InputError(f"Expected a DataFrame with one row per patient and time, got {type(measurements).__name__}.")
    return complete(measurements, outcome, formula, also=[patient, *also])
