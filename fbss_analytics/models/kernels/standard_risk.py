"""Risk of one of several causes by a day, averaged over rows, from cause-specific proportional hazards; on arrays.

With the steps ``h_j(u)`` of the cumulative baseline hazard of cause ``j`` and relative hazards ``r_ij``, row ``i``
leaves at ``u`` with the total hazard ``g = sum_j h_j r_ij`` and

    F_i = sum_{u <= day} S_i(u-) (1 - exp(-g)) h_1 r_i1 / g,    S_i(u) = exp(-sum_{v <= u} g),

so that the risks of all causes and survival add up to 1 (a product limit differs in the fourth digit).

Reference: Benichou and Gail 1990 (doi:10.2307/2532087).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

CELLS = 2_000_000
"""Values of rows by times held at once (16 MB)."""


def standard_risk(hazards: Floats, relative: Floats, weight: Floats) -> float:
    """Return the weighted mean risk of the first cause.

    Parameters
    ----------
    hazards : (J, K) steps of the baseline hazards on one grid of times up to the day. relative : (J, n).
    weight : (n,).
    """
    total = 0.0
    n, width = relative.shape[1], max(1, CELLS // max(hazards.shape[1], 1))
    for a in range(0, n, width):
        own = relative[:, a : a + width]
        leaving = own.T @ hazards
        passed = np.cumsum(leaving, axis=1)
        share = np.divide(own[0][:, None] * hazards[0], leaving, out=np.zeros_like(leaving), where=leaving > 0)
        risk = (np.exp(leaving - passed) * -np.expm1(-leaving) * share).sum(axis=1)
        total += float(weight[a : a + width] @ risk)
    return total / float(weight.sum())
