"""`crosscheck=True` of logistic and linear models."""

from __future__ import annotations

import warnings

import numpy as np
import numpy.typing as npt

from .crosscheck import EXACT, compare_engines, confirmed
from .fit import Fit

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

MOST_STEPS = 100
CLOSE = 1e-10
"""A step that moves no row's log odds by more is the last."""


def check_logistic(fit: Fit, x: Floats, happened: npt.NDArray[np.bool_], *, cluster: Ints | None) -> Fit:
    """Return a logistic fit that a second engine has confirmed; `DataError` where it disagrees.

    The fit itself takes Newton's steps in statsmodels' ``Logit`` and its own covariance. Without clusters it is held to
    own iteratively reweighted least squares, with clusters to statsmodels' ``GLM``.
    """
    if cluster is None:
        return _held_to(fit, reweighted_least_squares(x, happened.astype(np.float64)), "own reweighted least squares")
    from statsmodels.genmod.families import Binomial
    from statsmodels.genmod.generalized_linear_model import GLM

    with warnings.catch_warnings():
        # What it says of its own steps is no news to who asked for a comparison.
        warnings.simplefilter("ignore")
        model = GLM(happened.astype(np.float64), x, family=Binomial())
        groups = {"groups": cluster, "use_correction": False}
        theirs = model.fit(tol=CLOSE, maxiter=MOST_STEPS, cov_type="cluster", cov_kwds=groups)
    return _held_to(fit, (np.asarray(theirs.params), np.asarray(theirs.bse)), "statsmodels")


def check_linear(fit: Fit, x: Floats, y: Floats, *, errors: str, cluster: Ints | None) -> Fit:
    """Return a linear fit that statsmodels' ``OLS`` has confirmed; `DataError` where it disagrees."""
    from statsmodels.regression.linear_model import OLS

    # Columns of very different size would leave the comparison to rounding.
    scale = np.sqrt((x**2).mean(axis=0))
    how = {"hc3": "HC3", "classical": "nonrobust"}[errors] if cluster is None else "cluster"
    theirs = OLS(y, x / scale).fit(cov_type=how, cov_kwds=None if cluster is None else {"groups": cluster})
    coefficients, error = np.asarray(theirs.params) / scale, np.asarray(theirs.bse) / scale
    return _held_to(fit, (coefficients, error), "statsmodels", tolerance=EXACT)


def reweighted_least_squares(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Return coefficients (p,) and model-based standard errors of a logistic model.

    Each step solves ``x b = z`` by QR, with weights ``v = p (1 - p)`` and ``z = eta + (y - p) / v`` at the last step's
    log odds ``eta``; McCullagh and Nelder 1989, section 2.5 (doi:10.1007/978-1-4899-3242-6).
    """
    scale = np.sqrt((x**2).mean(axis=0))
    columns, start = x / scale, (y + 0.5) / 2
    eta = np.log(start / (1 - start))
    for _ in range(MOST_STEPS):
        risk = 1 / (1 + np.exp(-eta))
        root = np.sqrt(risk * (1 - risk))
        q, r = np.linalg.qr(columns * root[:, None])
        b = np.linalg.solve(r, q.T @ (root * eta + (y - risk) / root))
        last, eta = eta, columns @ b
        if np.abs(eta - last).max() < CLOSE:
            break
    inverse = np.linalg.inv(r)
    return np.asarray(b / scale), np.sqrt((inverse**2).sum(axis=1)) / scale


def _held_to(fit: Fit, theirs: tuple[Floats, Floats], engine: str, **tolerance: float) -> Fit:
    ours = (fit.coefficients["coefficient"].to_numpy(), fit.coefficients["std_error"].to_numpy())
    compare_engines(ours, theirs, list(fit.coefficients["parameter"]), engine=engine, **tolerance)
    return confirmed(fit, engine, "coefficients and standard errors")
