"""Kaplan-Meier, Nelson-Aalen and Aalen-Johansen curves on arrays, exact on ties, with late entry and weights.

Row ``i`` is at risk at ``t`` when ``entry_i < t <= stop_i``; ``Y`` adds up their weights, ``d_j`` those of events of
cause ``j`` at ``t``, all causes of one time taken together:

    S(t) = prod_{u <= t} (1 - d / Y),    F_j(t) = sum_{u <= t} S(u-) d_j / Y,    H_j(t) = sum_{u <= t} d_j / Y.

Standard errors are the infinitesimal jackknife, as R's multi-state ``survfit``: with ``q = 1 / (1 - d / Y)`` the
influence of row ``i`` on ``F_j(t)`` is ``P_i(t) - F_j(t) B_i(t)``, where ``P`` and ``B`` are its integrals (see
`jackknife`) of ``p_c = S(u-) [c = j] + F_j(u) q`` and of ``q``. The sums of squares follow in closed form from counts
(and, with late entry, from sums over entry times), so the cost is O(rows + times). Without late entry and weights this
is Greenwood's variance for ``S``. Rows of one patient (``cluster``) are summed before squaring.

References: Kaplan and Meier 1958 (doi:10.1080/01621459.1958.10501452); Aalen and Johansen 1978
(https://www.jstor.org/stable/4615704); Andersen, Borgan, Gill and Keiding 1993 (doi:10.1007/978-1-4612-4348-9);
Therneau, Crowson and Atkinson, vignette "Multi-state models and competing risks" of R survival (variance).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .jackknife import Process, Rows, counts, grid, product, row_integral

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

CELLS = 4_000_000
"""Influence values held at once when rows are clustered (32 MB)."""


@dataclass(frozen=True, eq=False)
class Steps:
    """Curves of one group at its distinct times, the first of them 0. Shapes (K,) and, per cause, (J, K).

    ``at_risk`` counts just before each time (at time 0: those under observation then). Rows are counted, and where
    weights are repeats as often as they stand for.
    """

    time: Floats
    at_risk: Ints
    events: Ints
    censored: Ints
    survival: Floats
    survival_error: Floats
    incidence: Floats
    incidence_error: Floats
    hazard: Floats
    hazard_error: Floats


def curves(
    stop: Floats,
    cause: Ints,
    n_causes: int,
    *,
    entry: Floats | None = None,
    cluster: Ints | None = None,
    weight: Floats | None = None,
    repeats: bool = False,
    entry_in_variance: bool = True,
) -> Steps:
    """Estimate all curves of one group.

    Parameters
    ----------
    stop : (n,) positive times. cause : (n,) 0 for censored, 1 .. ``n_causes``. entry : (n,) times of late entry.
    cluster : (n,) codes of the patient, where a patient may have several rows.
    weight : (n,) positive. repeats : weights count the rows that a row stands for, instead of being sampling weights.
    entry_in_variance : keep the terms by which late entry makes the jackknife differ from Greenwood's variance. R keeps
        them in a multi-state ``survfit`` and in a weighted one, and leaves them out of an unweighted two-state one.
    """
    time, rows = place_rows(stop, cause, entry=entry, weight=weight, repeats=repeats)
    shown, at_risk = counts(rows, len(time), n_causes, weight if repeats else None)
    process, before = risk_process(rows, len(time), n_causes, repeats=repeats)
    share = process.events / process.risk
    survival = np.cumprod(np.maximum(1.0 - share.sum(axis=0), 0.0))
    incidence = np.cumsum(before * share, axis=1)
    if cluster is None:
        sampled = weight is not None and not repeats
        entries = rows if rows.late and (entry_in_variance or sampled) else None
        variance_s, variance_f = _variance(process, before, survival, incidence, entries)
    else:
        variance_s, variance_f = _clustered(process, before, survival, incidence, rows, cluster)
    return Steps(
        time=time,
        at_risk=np.rint(at_risk).astype(np.int64),
        events=np.rint(shown[1:]).astype(np.int64),
        censored=np.rint(shown[0]).astype(np.int64),
        survival=survival,
        survival_error=np.sqrt(variance_s),
        incidence=incidence,
        incidence_error=np.sqrt(variance_f),
        hazard=np.cumsum(share, axis=1),
        hazard_error=np.sqrt(np.cumsum(share / process.risk, axis=1)),
    )


def place_rows(
    stop: Floats, cause: Ints, *, entry: Floats | None, weight: Floats | None, repeats: bool
) -> tuple[Floats, Rows]:
    """Return the grid of distinct times and where the rows stand on it; arguments as in `curves`."""
    begin = np.zeros(len(stop)) if entry is None else np.asarray(entry, dtype=np.float64)
    time, place, began = grid(np.asarray(stop, dtype=np.float64), begin, late=entry is not None)
    squared = weight if weight is None or repeats else weight**2
    return time, Rows(began, place, cause, entry is not None, weight, squared)


def risk_process(rows: Rows, size: int, n_causes: int, *, repeats: bool) -> tuple[Process, Floats]:
    """Return the weights at risk and with events, and the survival just before each time (K,)."""
    leaving, at_risk = counts(rows, size, n_causes, rows.weight)
    risk = np.where(at_risk > 0, at_risk, 1.0) if rows.weight is None else _present(rows, at_risk, leaving)
    process = Process(risk, leaving[1:].astype(np.float64))
    if rows.weight is not None and not repeats:
        left2, risk2 = counts(rows, size, n_causes, rows.squared)
        process = Process(risk, process.events, _present(rows, risk2, left2), left2[1:])
    survival = np.cumprod(np.maximum(1.0 - process.events.sum(axis=0) / risk, 0.0))
    return process, np.append(1.0, survival[:-1])


def _present(rows: Rows, at_risk: Floats, leaving: Floats) -> Floats:
    """Return the weights at risk, 1 where nobody is: running sums of weights leave rounding errors there."""
    _, people = counts(rows, len(at_risk), len(leaving) - 1, None)
    return np.where(people > 0, np.maximum(at_risk, leaving.sum(axis=0)), 1.0)


def integrand(process: Process, before: Floats, incidence: Floats, j: int) -> Floats:
    """Return p (J, K) of cause ``j``."""
    p = np.tile(incidence[j] * process.q, (len(process.events), 1))
    p[j] += before
    return p


def _variance(
    process: Process, before: Floats, survival: Floats, incidence: Floats, rows: Rows | None
) -> tuple[Floats, Floats]:
    """Return the jackknife variances of S (K,) and F (J, K) in closed form."""
    q = np.tile(process.q, (len(process.events), 1))
    squared = product(process, q, q, rows)
    variance = np.empty_like(incidence)
    for j, risk in enumerate(incidence):
        p = integrand(process, before, incidence, j)
        mixed = product(process, p, q, rows)
        variance[j] = product(process, p, p, rows) - 2 * risk * mixed + risk**2 * squared
    return np.maximum(survival**2 * squared, 0.0), np.maximum(variance, 0.0)


def _clustered(
    process: Process, before: Floats, survival: Floats, incidence: Floats, rows: Rows, cluster: Ints
) -> tuple[Floats, Floats]:
    """Return the variances with the influence of a patient's rows summed, in blocks of times."""
    order = np.argsort(cluster, kind="stable")
    weight = None if rows.weight is None else rows.weight[order]
    rows = Rows(rows.began[order], rows.place[order], rows.cause[order], rows.late, weight)
    starts = np.flatnonzero(np.append(True, np.diff(cluster[order]) != 0))
    q = np.tile(process.q, (len(process.events), 1))
    integrands = [integrand(process, before, incidence, j) for j in range(len(incidence))]
    variance_s, variance_f = np.zeros_like(survival), np.zeros_like(incidence)
    width = max(1, CELLS // len(order))
    for a in range(0, len(survival), width):
        at = np.arange(a, min(a + width, len(survival)))
        base = np.add.reduceat(row_integral(process, q, rows, at), starts, axis=0)
        variance_s[at] = ((survival[at] * base) ** 2).sum(axis=0)
        for j, p in enumerate(integrands):
            own = np.add.reduceat(row_integral(process, p, rows, at), starts, axis=0)
            variance_f[j, at] = ((own - incidence[j, at] * base) ** 2).sum(axis=0)
    return variance_s, variance_f
