"""Proportional hazards with a spline for the baseline on arrays (Royston and Parmar), by Newton steps.

    log H(t | x) = s(log t) + x b,    s(z) = g_0 + g_1 z + sum_j g_j v_j(z),

``v_j`` restricted cubic in ``z`` with given knots. With ``B`` the columns of s and x together and ``D`` those of s'(z)
(0 for x), a row that leaves at t with (d = 1) or without (d = 0) the event and enters at t_0 adds

    d (B c + log D c - z) - exp(B c) + exp(B_0 c),

whose gradient is ``B' (d - H) + D' (d / D c) + B_0' H_0`` and whose information is ``B' H B + D' (d / (D c)^2) D -
B_0' H_0 B_0``. Steps on which the hazard of an event is not positive are halved. Without ``v_j`` it is Weibull's model.

Reference: Royston and Parmar 2002 (doi:10.1002/sim.1203).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .accelerated import Accelerated, climb

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Columns:
    """Shapes (n, q): ``basis`` and ``slope`` at leaving, ``entry`` at entry; (n,): ``late`` and ``event`` bool, ``z``.

    The first columns of ``basis`` are those of s, the others x.
    """

    basis: Floats
    slope: Floats
    entry: Floats
    late: npt.NDArray[np.bool_]
    event: npt.NDArray[np.bool_]
    z: Floats


def spline_slope(x: Floats, knots: Floats) -> Floats:
    """Return the derivatives (n, k - 1) of Harrell's restricted cubic columns (see `splines.spline_basis`)."""
    t = np.asarray(knots, dtype=np.float64)
    gap, width = t[-1] - t[-2], (t[-1] - t[0]) ** 2
    end, before = np.maximum(x - t[-1], 0.0) ** 2, np.maximum(x - t[-2], 0.0) ** 2
    columns = [np.ones_like(x)]
    for knot in t[:-2]:
        term = np.maximum(x - knot, 0.0) ** 2 - before * (t[-1] - knot) / gap + end * (t[-2] - knot) / gap
        columns.append(3 * term / width)
    return np.column_stack(columns)


def fit_flexible(columns: Columns, weight: Floats, start: Floats) -> Accelerated:
    """Maximise the likelihood from a start (q,) at which every event has a positive hazard; ``weight`` (n,)."""
    return climb(lambda theta: _derivatives(theta, columns, weight), start)


def _derivatives(theta: Floats, columns: Columns, weight: Floats) -> tuple[float, Floats, Floats]:
    """Return the log likelihood, the weighted scores (n, q) and the information (q, q)."""
    event = columns.event.astype(np.float64)
    slope = columns.slope @ theta
    if (slope[columns.event] <= 0).any():
        q = len(theta)
        return -np.inf, np.zeros((len(event), q)), np.eye(q)
    with np.errstate(over="ignore"):
        log_hazard = columns.basis @ theta
        hazard = np.exp(log_hazard)
        gone = np.where(columns.late, np.exp(columns.entry @ theta), 0.0)
    rate = np.where(columns.event, 1.0 / np.where(columns.event, slope, 1.0), 0.0)
    value = event * (log_hazard - columns.z) - np.log(np.where(columns.event, rate, 1.0)) - hazard + gone
    scores = columns.basis * (event - hazard)[:, None] + columns.slope * rate[:, None] + columns.entry * gone[:, None]
    information = (columns.basis * (weight * hazard)[:, None]).T @ columns.basis
    information += (columns.slope * (weight * rate**2)[:, None]).T @ columns.slope
    information -= (columns.entry * (weight * gone)[:, None]).T @ columns.entry
    likelihood = float(weight @ value)
    return likelihood if np.isfinite(likelihood) else -np.inf, scores * weight[:, None], information
