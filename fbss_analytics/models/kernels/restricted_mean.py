"""Restricted mean time free of events, and lost to each cause, on arrays.

With ``S`` and ``F_j`` of `aalen_johansen` and a horizon ``T``,

    free = int_0^T S(t) dt,    lost_j = int_0^T F_j(t) dt,    free + sum_j lost_j = T.

The influence of a row is the integral of its influence on the curve, which is a stochastic integral again (see
`jackknife`), of

    - q(u) int_u^T S    for free,    (T - u) p_c(u) - q(u) int_u^T F_j    for lost_j,

so that no curve of influences is needed. Without late entry the sum of squares for ``free`` is Greenwood's variance of
the restricted mean, ``sum_u (int_u^T S)^2 d / (Y (Y - d))``.

References: Andersen 2013 (doi:10.1002/sim.5903); Klein and Moeschberger 2003, Survival Analysis, section 4.5
(doi:10.1007/b97377); Uno et al. 2014 (doi:10.1200/JCO.2014.55.2208).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .aalen_johansen import integrand, place_rows, risk_process
from .jackknife import Process, Rows, row_integral

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class RestrictedMeans:
    """Days up to a horizon: ``means`` (1 + J,), free first, then lost to each cause; ``influence`` (n, 1 + J) of rows.

    ``survival`` (K,) and ``time`` (K,) are those the means integrate.
    """

    means: Floats
    influence: Floats
    time: Floats
    survival: Floats


def restricted_means(
    stop: Floats,
    cause: Ints,
    n_causes: int,
    until: float,
    *,
    entry: Floats | None = None,
    weight: Floats | None = None,
) -> RestrictedMeans:
    """Return the means of one group.

    Parameters
    ----------
    stop : (n,) positive times. cause : (n,) 0 for censored, 1 .. ``n_causes``. until : the horizon, within follow-up.
    entry : (n,) times of late entry. weight : (n,) positive.
    """
    # The means and influences are the same whether weights repeat rows or sample them; only sums of squares differ.
    time, rows = place_rows(stop, cause, entry=entry, weight=weight, repeats=True)
    process, before = risk_process(rows, len(time), n_causes, repeats=True)
    share = process.events / process.risk
    survival = np.cumprod(np.maximum(1.0 - share.sum(axis=0), 0.0))
    incidence = np.cumsum(before * share, axis=1)
    within = np.minimum(time, until)
    width = np.diff(np.append(within, until))
    free, lost = survival * width, incidence * width
    bare = Rows(rows.began, rows.place, rows.cause, rows.late)
    columns = [_influence(process, -process.q * _after(free), bare)]
    for j in range(n_causes):
        p = integrand(process, before, incidence, j)
        columns.append(_influence(process, (until - within) * p - process.q * _after(lost[j]), bare))
    return RestrictedMeans(
        means=np.append(free.sum(), lost.sum(axis=1)),
        influence=np.stack(columns, axis=1),
        time=time,
        survival=survival,
    )


def _after(area: Floats) -> Floats:
    """Return the area (K,) under a curve from each time on."""
    return np.asarray(np.cumsum(area[::-1])[::-1], dtype=np.float64)


def _influence(process: Process, a: Floats, rows: Rows) -> Floats:
    """Return each row's whole integral (n,) of ``a``, (K,) for all causes alike or (J, K)."""
    every = np.broadcast_to(a, process.events.shape)
    last = np.array([every.shape[1] - 1])
    return row_integral(process, every, rows, last)[:, 0]
