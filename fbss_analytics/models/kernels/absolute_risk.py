"""Risk of one of several causes from cause-specific Cox models, with the influence of every row on it; on arrays.

With the steps ``h_j(u)`` of the baseline hazard of cause ``j``, a row's relative hazard ``r_j = exp(x b_j)`` and
``l_j = h_j r_j``, it leaves at ``u`` with the total hazard ``g = sum_j l_j``, and as in `standard_risk`

    F = sum_{u <= day} S(u-) A(u) l_1 / g,    A = 1 - exp(-g),    S(u) = exp(-sum_{v <= u} g).

The derivative of ``F`` by ``l_j(u)`` is

    [j = 1] S(u-) A / g + S(u-) l_1 (g exp(-g) - A) / g^2 - (F - F(u)),

and the influence of a row of the data on ``l_j(u)`` is that on ``h_j`` and on ``b_j`` (its dfbeta). On a weighted sum
``sum_k a_k h(t_k)`` at held coefficients it is, in the notation of `risk_sets`,

    sum_{own event} a (sum_l 1 / D) / d - exp(x b) sum_{k,l at risk} a v / D^2.

References: Benichou and Gail 1990 (doi:10.2307/2532087); Ozenne, Sorensen, Scheike, Torp-Pedersen and Gerds 2017
(doi:10.32614/RJ-2017-062) for influence functions of absolute risks.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .cox import CoxEstimate
from .cox_variance import baseline, score_residuals
from .risk_sets import Floats, Ints, RiskSets, passed, risk_sums


def hazard_influence(sets: RiskSets, coefficients: Floats, weights: Floats) -> Floats:
    """Return the influence (q, n) of each row, unweighted, on sums of baseline steps with ``weights`` (q, K)."""
    sums = risk_sums(sets, coefficients * sets.scale)
    k, size = sets.event_time, len(sets.time)
    share = weights[:, k] * (sets.mean_weight[k] / sums.denominator**2)
    moved = np.stack([-sums.risk / sets.weight * passed(sets, row) for row in share])
    own = np.bincount(k, 1 / sums.denominator, size) / sets.deaths
    moved[:, sets.events] += weights[:, k] * own[k]
    return np.asarray(moved * np.exp(-sums.log_shift), dtype=np.float64)


def summed(values: Floats, cluster: Ints | None) -> Floats:
    """Return values (q, n) added up within clusters (q, C)."""
    if cluster is None:
        return values
    size = int(cluster.max()) + 1
    return np.stack([np.bincount(cluster, row, size) for row in values])


def dfbetas(sets: RiskSets, estimate: CoxEstimate, cluster: Ints | None) -> Floats:
    """Return the weighted influence (p, n), or (p, clusters), on the coefficients."""
    scores = score_residuals(sets, estimate.coefficients) * sets.weight
    return np.asarray(estimate.covariance @ summed(scores * sets.scale[:, None], cluster), dtype=np.float64)


def absolute_risk(
    models: Sequence[tuple[RiskSets, CoxEstimate]],
    rows: Sequence[Floats],
    days: Floats,
    *,
    cluster: Ints | None = None,
) -> tuple[Floats, Floats]:
    """Return the risk (m, h) of the first cause by ``days`` (h,), and its standard error.

    Parameters
    ----------
    models : risk sets and estimate of every cause, of the same rows. rows : (m, p) for every model.
    cluster : (n,) codes of rows that belong together.
    """
    grid = np.unique(np.concatenate([sets.time for sets, _ in models]))
    steps = [baseline(sets, estimate.coefficients) for sets, estimate in models]
    places = [np.searchsorted(grid, sets.time) for sets, _ in models]
    moved = [dfbetas(sets, estimate, cluster) for sets, estimate in models]
    m, h = len(rows[0]), len(days)
    risk, error = np.empty((m, h)), np.empty((m, h))
    for i in range(m):
        away = [x[i] - estimate.center for x, (_, estimate) in zip(rows, models, strict=True)]
        relative = [np.exp(a @ estimate.coefficients) for a, (_, estimate) in zip(away, models, strict=True)]
        leaving = np.zeros((len(models), len(grid)))
        for own, place, step, r in zip(leaving, places, steps, relative, strict=True):
            own[place] = step.hazard * r
        risk[i], slopes = _risk_and_slopes(leaving, np.searchsorted(grid, days, side="right"))
        influence = 0.0
        for j, (sets, estimate) in enumerate(models):
            slope = slopes[:, j, places[j]] * relative[j]
            direct = summed(hazard_influence(sets, estimate.coefficients, slope) * sets.weight, cluster)
            along = (slope @ steps[j].hazard)[:, None] * away[j] - slope @ steps[j].drift.T * sets.scale
            influence = influence + direct + along @ moved[j]
        error[i] = np.sqrt(np.square(influence).sum(axis=1))
    return risk, error


def _risk_and_slopes(leaving: Floats, place: Ints) -> tuple[Floats, Floats]:
    """Return the risk (h,) of the first cause after the first ``place`` times, and its derivatives (h, J, K)."""
    total = leaving.sum(axis=0)
    before = np.exp(total - np.cumsum(total))
    some = -np.expm1(-total)
    share = np.divide(some, total, out=np.ones_like(total), where=total > 0)
    bend = np.divide(total - some - total * some, total**2, out=np.zeros_like(total), where=total > 0)
    risk = np.append(0.0, np.cumsum(before * share * leaving[0]))
    slopes = np.repeat((before * leaving[0] * bend)[None, :], len(leaving), axis=0)
    slopes[0] += before * share
    reached = risk[place]
    every = slopes[None, :, :] - (reached[:, None] - risk[1:])[:, None, :]
    return reached, every * (np.arange(len(total)) < place[:, None])[:, None, :]
