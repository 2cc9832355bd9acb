"""Residuals of a Cox model on arrays, and the score test of proportional hazards.

In the notation of `risk_sets`: martingale residuals are ``d_i - exp(x_i b + o_i) h_i``; Schoenfeld residuals are the
covariates of a row with the event less the mean of ``a`` at its time; scaled, they are ``n_events V s + b``.

The test adds ``x g(t)`` for a centred function ``g`` of time to the model. At coefficient 0 of the added columns their
score is ``u = sum g(t) s`` (s the Schoenfeld residuals with their case weights), and the information of both sets of
columns has the blocks ``sum I_k``, ``sum g I_k`` and ``sum g^2 I_k``, with ``I_k`` the share of the k-th event time;
chi2 is the score test of the added columns of a term, or of all.

References: Therneau, Grambsch and Fleming 1990 (doi:10.1093/biomet/77.1.147); Schoenfeld 1982
(doi:10.1093/biomet/69.1.239); Grambsch and Therneau 1994 (doi:10.1093/biomet/81.3.515), the score test itself rather
than its approximation, as R survival has it since version 3.0.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .risk_sets import Floats, RiskSets, derivatives, risk_means, risk_sums


def martingale_residuals(sets: RiskSets, coefficients: Floats) -> Floats:
    """Return events less expected events (n,) of each row, without its case weight."""
    sums = risk_sums(sets, coefficients * sets.scale)
    residuals = -sums.risk / sets.weight * sums.hazard
    residuals[sets.events] += 1.0
    return np.asarray(residuals, dtype=np.float64)


def deviance_residuals(sets: RiskSets, martingale: Floats) -> Floats:
    """Return martingale residuals made symmetric about 0: sign(M) sqrt(-2 (M + d log(d - M)))."""
    happened = np.zeros(len(martingale))
    happened[sets.events] = 1.0
    expected = happened - martingale
    logs = np.log(expected, out=np.zeros_like(expected), where=happened > 0)
    return np.asarray(np.sign(martingale) * np.sqrt(np.maximum(-2 * (martingale + logs), 0.0)), dtype=np.float64)


def schoenfeld_residuals(sets: RiskSets, coefficients: Floats) -> Floats:
    """Return the residuals (p, m) of the rows with the event, in the order of ``sets.events``, on the given scale."""
    sums = risk_sums(sets, coefficients * sets.scale)
    k, size = sets.event_time, len(sets.time)
    means = risk_means(sets, sums)
    expected = np.stack([np.bincount(k, row, size) for row in means]) / sets.deaths
    return np.asarray((sets.x_events - expected[:, k]) * sets.scale[:, None], dtype=np.float64)


def proportionality_test(
    sets: RiskSets, coefficients: Floats, g: Floats, terms: Sequence[Sequence[int]]
) -> tuple[Floats, list[int]]:
    """Return chi2 and df of each term's columns, and of all columns last.

    Parameters
    ----------
    coefficients : (p,) at the maximum. g : (m,) the function of time at each event. terms : columns of each term.
    """
    sums = risk_sums(sets, coefficients * sets.scale)
    p, centred = len(sets.x), g - g.mean()
    _, plain = derivatives(sets, sums)
    score, crossed = derivatives(sets, sums, factor=centred)
    _, squared = derivatives(sets, sums, factor=centred**2)
    # What the added columns hold beyond those of the model, whose own score is 0 at the maximum.
    whole = np.block([[plain, crossed], [crossed.T, squared]])
    chi2 = []
    for columns in [*terms, range(p)]:
        added = [p + j for j in columns]
        index = [*range(p), *added]
        u = np.append(np.zeros(p), score[list(columns)])
        chi2.append(float(u @ np.linalg.solve(whole[np.ix_(index, index)], u)))
    return np.array(chi2), [*(len(columns) for columns in terms), p]
