"""Estimating equations of a normal mean with an exchangeable working correlation, on arrays.

With residuals ``e``, ``phi = sum e^2 / n`` and ``alpha = sum_{pairs of a patient} e e' / (pairs phi)`` as in geepack.
For a patient with ``m`` rows the inverse working correlation is ``(I - c 11') / (1 - alpha)`` with
``c = alpha / (1 + (m - 1) alpha)``, so sums over patients replace matrices. Coefficients and ``alpha`` are solved in
turn until they stand still; the covariance is the sandwich of patients' scores.

Reference: Liang and Zeger 1986 (doi:10.1093/biomet/73.1.13).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class GeeEstimate:
    """``coefficients`` (p,), robust ``covariance`` (p, p), and the working ``correlation``."""

    coefficients: Floats
    covariance: Floats
    correlation: float


def fit_exchangeable(
    x: Floats, y: Floats, patient: Ints, *, independent: bool = False, steps: int = 200
) -> GeeEstimate:
    """Solve the estimating equations for ``x`` (n, p), ``y`` (n,), ``patient`` (n,) codes from 0."""
    scale = np.sqrt((x**2).mean(axis=0))
    z = x / scale
    sizes = np.bincount(patient).astype(np.float64)
    sums: Floats = np.stack([np.bincount(patient, column) for column in z.T], axis=1).astype(np.float64)
    pairs = float((sizes * (sizes - 1)).sum()) / 2
    alpha, beta = 0.0, np.linalg.lstsq(z, y)[0]
    for _ in range(0 if independent or pairs == 0 else steps):
        residual = y - z @ beta
        square = float(residual @ residual)
        between = float((np.bincount(patient, residual) ** 2).sum())
        new = (between - square) / 2 / pairs / (square / len(y))
        beta_new = _solve(z, y, patient, sums, _share(sizes, new))
        moved = abs(new - alpha) + float(np.abs(beta_new - beta).max() / (np.abs(beta_new).max() + 1e-300))
        alpha, beta = new, beta_new
        if moved < 1e-13:
            break
    c = _share(sizes, alpha)
    residual = y - z @ beta
    own = np.bincount(patient, residual)
    scores = np.stack([np.bincount(patient, column * residual) for column in z.T], axis=1) - (c * own)[:, None] * sums
    bread = np.linalg.inv(z.T @ z - (sums * c[:, None]).T @ sums)
    covariance = bread @ (scores.T @ scores) @ bread
    return GeeEstimate(beta / scale, np.asarray(covariance / np.outer(scale, scale)), alpha)


def _share(sizes: Floats, alpha: float) -> Floats:
    return np.asarray(alpha / (1 + (sizes - 1) * alpha), dtype=np.float64)


def _solve(z: Floats, y: Floats, patient: Ints, sums: Floats, c: Floats) -> Floats:
    """Return the weighted least squares solution for a working correlation; 1 - alpha cancels."""
    weighted = sums * c[:, None]
    return np.asarray(
        np.linalg.solve(z.T @ z - weighted.T @ sums, z.T @ y - weighted.T @ np.bincount(patient, y)), dtype=np.float64
    )
