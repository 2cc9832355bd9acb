"""Linear mixed model with each patient's own level, and slope, by restricted maximum likelihood; on arrays.

With ``V_i = I + Z_i L L' Z_i'`` (``L`` lower triangular, in units of the residual's standard deviation) and
``A_i = I + L' Z_i'Z_i L``, ``V_i^-1 = I - Z_i L A_i^-1 L' Z_i'``, so only sums of products per patient are needed.
Given ``L`` the coefficients are ``b = (X'V^-1 X)^-1 X'V^-1 y``, the residual variance ``r / (n - p)`` with
``r = y'V^-1 y - b'X'V^-1 y``, and minus twice the restricted log likelihood is

    sum_i log |A_i| + log |X'V^-1 X| + (n - p) (1 + log(2 pi r / (n - p))),

minimised over the one or three elements of ``L``.

Statsmodels' MixedLM stops 2 units of log likelihood short on ordinary data (70 patients, random slope); this does not.

References: Laird and Ware 1982 (doi:10.2307/2529876); Bates, Machler, Bolker and Walker 2015
(doi:10.18637/jss.v067.i01) for the profiled criterion.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

STARTS = (1.0, 0.2)
"""Standard deviations between patients, over the residual one, from which the search begins."""


@dataclass(frozen=True, eq=False)
class MixedEstimate:
    """``coefficients`` (p,), ``covariance`` (p, p), ``between`` patients (q, q), ``within``: of residuals."""

    coefficients: Floats
    covariance: Floats
    between: Floats
    within: float
    log_likelihood: float
    converged: bool


@dataclass(frozen=True, eq=False)
class _Sums:
    """Sums of products: of all rows ``xx`` (p, p), ``xy`` (p,), ``yy``; per patient ``zz``, ``zx``, ``zy``."""

    xx: Floats
    xy: Floats
    yy: float
    zz: Floats
    zx: Floats
    zy: Floats
    n: int


def fit_mixed_lines(x: Floats, y: Floats, patient: Ints, slope: Floats | None = None) -> MixedEstimate:
    """Maximise the restricted likelihood for ``x`` (n, p), ``y`` (n,), ``patient`` (n,) codes, ``slope`` (n,)."""
    from scipy.optimize import minimize

    scale = np.sqrt((x**2).mean(axis=0))
    unit = 1.0 if slope is None else float(np.sqrt((slope**2).mean())) or 1.0
    z = np.ones((len(y), 1)) if slope is None else np.column_stack([np.ones(len(y)), slope / unit])
    sums = _sums(x / scale, y - y.mean(), z, patient)
    lower = np.tril_indices(z.shape[1])
    best = None
    for start in STARTS:
        first = (np.eye(z.shape[1]) * start)[lower]
        for _ in range(2):
            # A second simplex begins anew where the first has shrunk, which it may do before the minimum.
            found = minimize(
                lambda theta: _profile(sums, theta, lower)[0], first, method="Nelder-Mead",
                options={"xatol": 1e-9, "fatol": 1e-11, "maxiter": 4000, "maxfev": 8000},
            )  # fmt: skip
            first = found.x
        best = found if best is None or found.fun < best.fun else best
    assert best is not None
    criterion, coefficients, information, within, factor = _profile(sums, best.x, lower)
    # The columns were scaled and y centred: the criterion moves by the first, the intercept by the second.
    shift = np.linalg.lstsq(x / scale, np.full(len(y), y.mean()))[0]
    units = np.append(1.0, unit)[: z.shape[1]]
    return MixedEstimate(
        coefficients=(coefficients + shift) / scale,
        covariance=np.asarray(within * np.linalg.inv(information) / np.outer(scale, scale)),
        between=np.asarray(within * factor @ factor.T / np.outer(units, units)),
        within=within,
        log_likelihood=-(criterion + 2 * float(np.log(scale).sum())) / 2,
        converged=bool(best.success),
    )


def _sums(x: Floats, y: Floats, z: Floats, patient: Ints) -> _Sums:
    def per_patient(values: Floats) -> Floats:
        return np.asarray(np.bincount(patient, values), dtype=np.float64)

    q, p = z.shape[1], x.shape[1]
    zz = np.stack([np.stack([per_patient(z[:, a] * z[:, b]) for b in range(q)], -1) for a in range(q)], -2)
    zx = np.stack([np.stack([per_patient(z[:, a] * x[:, b]) for b in range(p)], -1) for a in range(q)], -2)
    zy = np.stack([per_patient(z[:, a] * y) for a in range(q)], -1)
    return _Sums(x.T @ x, x.T @ y, float(y @ y), zz, zx, zy, len(y))


def _profile(sums: _Sums, theta: Floats, lower: tuple[Ints, ...]) -> tuple[float, Floats, Floats, float, Floats]:
    """Return the criterion, coefficients, X'V^-1 X, residual variance and L at one value of its elements."""
    q = sums.zz.shape[1]
    factor = np.zeros((q, q))
    factor[lower] = theta
    inner = np.eye(q) + factor.T @ sums.zz @ factor
    left = factor.T @ sums.zx
    right = (factor.T @ sums.zy[:, :, None])[:, :, 0]
    solved = np.linalg.solve(inner, np.concatenate([left, right[:, :, None]], axis=2))
    information = sums.xx - np.einsum("iqp,iqr->pr", left, solved[:, :, :-1])
    score = sums.xy - np.einsum("iqp,iq->p", left, solved[:, :, -1])
    square = sums.yy - float(np.einsum("iq,iq->", right, solved[:, :, -1]))
    coefficients = np.linalg.solve(information, score)
    free = sums.n - len(score)
    within = max(square - float(coefficients @ score), 1e-300) / free
    logs = float(np.linalg.slogdet(inner)[1].sum() + np.linalg.slogdet(information)[1])
    return logs + free * (1 + float(np.log(2 * np.pi * within))), coefficients, information, within, factor
