"""Firth's penalised likelihood of a Cox model on arrays: finite estimates where events are few or separated.

Maximises ``log L(b) + log det I(b) / 2``. The r-th derivative of the penalty is ``trace(V dI/db_r) / 2`` with
``V = I^-1``. As ``dI/db`` adds third central moments over the risk sets, with ``q_i = x_i' V x_i`` and, at each event,
``a`` the mean of x and ``u = V a``,

    2 dpenalty/db = sum_{k,l} v (E[q x] - E[q] a - 2 E[x x'] u + 2 a (a' u)),

the E being means over the risk set as in `risk_sets`: no third-order array is made. Newton steps with the
information as the matrix, halved where they do not raise the penalised likelihood.

References: Firth 1993 (doi:10.1093/biomet/80.1.27); Heinze and Schemper 2001
(doi:10.1111/j.0006-341X.2001.00114.x).
"""

from __future__ import annotations

import numpy as np

from .cox import LONGEST, CoxEstimate, flat_at_start
from .risk_sets import Floats, RiskSets, RiskSums, at_risk, derivatives, passed, risk_means, risk_sums

DECREMENT = 1e-13
"""Steps stop when the predicted gain is below this: the matrix is not that of the penalised likelihood, so that the
steps shorten in proportion rather than ever faster."""


def fit_firth(sets: RiskSets, *, held: Floats | None = None, max_steps: int = 200) -> CoxEstimate:
    """Maximise the penalised likelihood over all coefficients but the first ones, which have the values ``held``.

    The covariance is the inverse of the information at the maximum; ``log_likelihood`` is not penalised, ``maximum``
    is.
    """
    p = len(sets.x)
    beta = np.zeros(p)
    null = _state(sets, beta)
    free = np.arange(p) >= (0 if held is None else len(held))
    flat = flat_at_start(sets, null[1])
    if held is not None:
        beta[: len(held)] = held
    state = null if held is None else _state(sets, beta)
    steps, converged = 0, not free.any()
    while not converged and not flat.any() and steps < max_steps:
        sums, information, reached = state
        gradient = derivatives(sets, sums)[0] + _penalty_gradient(sets, sums, information)
        step = np.zeros(p)
        step[free] = np.linalg.solve(information[np.ix_(free, free)], gradient[free])
        step *= LONGEST / max(LONGEST, float(np.abs(step).max()))
        converged = float(gradient[free] @ step[free]) < DECREMENT
        halvings = 0
        while True:
            state = _state(sets, beta + step)
            if state[2] >= reached - 1e-10 * abs(reached) or halvings == 30:
                break
            step, halvings = step / 2, halvings + 1
        beta, steps = beta + step, steps + 1
    covariance = np.full((p, p), np.nan) if flat.any() or not converged else np.linalg.inv(state[1])
    return CoxEstimate(
        coefficients=beta / sets.scale,
        covariance=covariance / np.outer(sets.scale, sets.scale),
        log_likelihood=state[0].log_likelihood,
        log_likelihood_null=null[0].log_likelihood,
        steps=steps,
        converged=converged,
        flat=flat,
        center=sets.center,
        maximum=state[2],
        maximum_null=null[2],
    )


def _state(sets: RiskSets, beta: Floats) -> tuple[RiskSums, Floats, float]:
    """Return risk sums, information and penalised likelihood, minus infinity where it cannot be computed."""
    sums = risk_sums(sets, beta)
    if not np.isfinite(sums.log_likelihood):
        return sums, np.empty((0, 0)), -np.inf
    information = derivatives(sets, sums)[1]
    sign, log_determinant = np.linalg.slogdet(information)
    return sums, information, sums.log_likelihood + log_determinant / 2 if sign > 0 else -np.inf


def _penalty_gradient(sets: RiskSets, sums: RiskSums, information: Floats) -> Floats:
    """Return the gradient (p,) of half the log determinant of the information."""
    k, f, size, p = sets.event_time, sets.fraction, len(sets.time), len(sets.x)
    inverse = np.linalg.inv(information)
    means = risk_means(sets, sums)
    c = sets.mean_weight[k] / sums.denominator
    squares = np.einsum("in,in->n", sets.x, inverse @ sets.x)
    weighted = sums.risk * squares

    def mean_over_risk(value: Floats) -> Floats:
        dying = np.bincount(k, value[sets.events], size)
        return np.asarray((at_risk(sets, value)[k] - f * dying[k]) / sums.denominator)

    turned = inverse @ means
    crossed = np.zeros(sets.x.shape[1])
    for j in range(p):
        crossed += sets.x[j] * passed(sets, c * turned[j])
    v = sets.mean_weight[k]
    gradient = -2 * (sets.x @ (sums.risk * crossed)) - means @ (v * mean_over_risk(weighted))
    gradient += 2 * means @ (v * np.einsum("im,im->m", means, turned))
    for j in range(p):
        gradient[j] += v @ mean_over_risk(weighted * sets.x[j])
    return np.asarray(gradient / 2, dtype=np.float64)
