"""Variance of a Cox model on arrays: score residuals, the sandwich of Lin and Wei, baseline hazard with its variance.

In the notation of `risk_sets`, the score residual of row ``i`` is

    U_i = sum_{own events} (x_i - mean of a) - exp(x_i b + o_i) sum_{k,l at risk} c (x_i - a),

and the sandwich adds ``V w_i U_i`` within clusters. The baseline hazard steps by ``sum_l c`` at the k-th event time
(Breslow's estimator, Efron's form with Efron's ties).

References: Lin and Wei 1989 (doi:10.1080/01621459.1989.10478874); Tsiatis 1981 (doi:10.1214/aos/1176345339) for the
variance of the baseline; Therneau and Grambsch 2000, Modeling Survival Data, chapters 7, 8 and 10
(doi:10.1007/978-1-4757-3294-8).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .indexing import gram
from .risk_sets import Floats, Ints, RiskSets, RiskSums, passed, passed_times, per_time, risk_sums, summed_means

if TYPE_CHECKING:
    from .cox import CoxEstimate


@dataclass(frozen=True, eq=False)
class Baseline:
    """Steps at the event times of a row at ``center`` and offset 0: ``hazard``, ``variance`` (K,), ``drift`` (p, K).

    ``drift`` is the step of ``sum c (a - center)``, which the variance of a prediction needs; standardised scale.
    """

    hazard: Floats
    variance: Floats
    drift: Floats


def sandwich(sets: RiskSets, estimate: CoxEstimate, *, cluster: Ints | None = None) -> Floats:
    """Return the robust covariance (p, p) of Lin and Wei: dfbetas, summed within clusters, times themselves.

    Right for rows that are pieces of a patient's follow-up (start, stop] when ``cluster`` (n,) codes the patient.
    """
    residuals = score_residuals(sets, estimate.coefficients) * sets.weight
    if cluster is not None:
        size = int(cluster.max()) + 1
        residuals = np.stack([np.bincount(cluster, row, size) for row in residuals])
    residuals *= sets.scale[:, None]
    meat = gram(residuals, np.ones(residuals.shape[1]), residuals)
    robust: Floats = estimate.covariance @ meat @ estimate.covariance
    return robust


def score_residuals(sets: RiskSets, coefficients: Floats, *, factor: Floats | None = None) -> Floats:
    """Return each row's contribution (p, n) to the score, on the standardised scale, without its case weight.

    ``factor`` (m,) multiplies each event's share, the same for events of one time: the score of columns times it.
    """
    return residuals_of(sets, risk_sums(sets, coefficients * sets.scale), factor=factor)


def residuals_of(sets: RiskSets, sums: RiskSums, *, factor: Floats | None = None) -> Floats:
    """Return the `score_residuals` at the coefficients of the sums."""
    k = sets.event_time
    times = np.ones(len(k)) if factor is None else factor
    c = times * sets.mean_weight[k] / sums.denominator
    relative = sums.risk / sets.weight
    residuals = sets.x * (-relative * (sums.hazard if factor is None else passed(sets, c)))
    means, own = summed_means(sets, sums, c), summed_means(sets, sums, sets.fraction * c)
    expected = summed_means(sets, sums, np.ones(len(k))) / sets.deaths
    for row, columns, step, tied, mean in zip(residuals, sets.x_events, means, own, expected, strict=True):
        row += relative * passed_times(sets, step, tied)
        row[sets.events] += times * (columns - mean[k])
    return residuals


def baseline_hazard(sets: RiskSets, coefficients: Floats) -> Floats:
    """Return the steps (K,) of the cumulative hazard at ``sets.time`` for a row at ``center``.

    Breslow's estimator, or its Efron form when the sets were made with Efron's ties (R: ``survfit(..., ctype)``).
    """
    return baseline(sets, coefficients).hazard


def baseline(sets: RiskSets, coefficients: Floats) -> Baseline:
    """Return the baseline hazard's steps with what their variance needs."""
    sums = risk_sums(sets, coefficients * sets.scale)
    shift = np.exp(-sums.log_shift)
    c = sets.mean_weight[sets.event_time] / sums.denominator
    return Baseline(
        hazard=per_time(sets, c) * shift,
        variance=per_time(sets, c / sums.denominator) * shift**2,
        drift=summed_means(sets, sums, c) * shift,
    )
