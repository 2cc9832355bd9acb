"""Cox partial likelihood on arrays: Newton steps, sandwich variance, baseline hazard.

Row ``i`` is at risk at the event time ``t`` when ``entry_i < t <= stop_i`` in its stratum. With weights ``w``,
``r_i = w_i exp(x_i b)`` and, over the rows at risk at the ``k``-th distinct event time, ``S0 = sum r`` and
``S1 = sum r x`` (``E0``, ``E1``: the same over the ``d`` rows with the event at that time, ``v`` their mean weight),

    log L(b) = sum_events w x b - sum_k sum_{l < d} v log(S0 - f_l E0),      f_l = l / d (Efron) or 0 (Breslow).

With ``D = S0 - f E0``, ``a = (S1 - f E1) / D`` and ``c = v / D``, gradient and information are sums over rows,

    g = sum_events w x - sum_i r_i h_i x_i,        I = sum_i r_i h_i x_i x_i' - sum_{k,l} v a a',

where ``h_i`` adds ``c`` over the times at which row ``i`` was at risk (``(1 - f) c`` at its own event time). So a
Newton step costs one weighted Gram matrix and sums at the distinct event times; no loop over rows and no sort of the
matrix.

References: Cox 1972 (doi:10.1111/j.2517-6161.1972.tb00899.x); Breslow 1974 (doi:10.2307/2529620); Efron 1977
(doi:10.1080/01621459.1977.10480613); Lin and Wei 1989 (doi:10.1080/01621459.1989.10478874) for the sandwich; Therneau
and Grambsch 2000, Modeling Survival Data, chapters 3, 7 and 8 (doi:10.1007/978-1-4757-3294-8).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

BLOCK = 1 << 14
"""Rows per block of the Gram matrix: small enough to stay in the processor's cache."""

DECREMENT = 1e-12
"""Newton stops when the predicted gain in log likelihood is below this; R at 1e-9 stops one step earlier."""

NOTHING_TO_GAIN = 1e-3
"""Gain in log likelihood below which a flat direction is an infinite estimate and no overshot step."""

LONGEST = 20.0
"""Longest Newton step, in log hazard ratio per standard deviation; halved thirty times it is below rounding."""

FLAT = 1e-5
"""Share of its null information below which a direction of the likelihood counts as flat (an infinite estimate)."""


SMALLEST = 1e-150
"""Risk sums below this have underflowed beside the largest risk: the coefficients have run away."""


@dataclass(frozen=True, eq=False)
class RiskSets:
    """Rows and event times of one data set, indexed once.

    Shapes: ``x`` (p, n) standardised; ``weight``, ``first``, ``last`` (n,): row ``i`` is at risk at the event times
    ``first[i] .. last[i] - 1`` of the grid; ``events`` (m,) rows with the event, ``x_events`` (p, m) their columns,
    ``event_time`` (m,) their place in the grid, ``fraction`` (m,) Efron's f; ``time``, ``stratum``, ``deaths``,
    ``mean_weight`` (K,).
    """

    x: Floats
    center: Floats
    scale: Floats
    weight: Floats
    first: Ints | None
    last: Ints
    events: Ints
    x_events: Floats
    event_time: Ints
    fraction: Floats
    time: Floats
    stratum: Ints
    deaths: Floats
    mean_weight: Floats


@dataclass(frozen=True, eq=False)
class CoxEstimate:
    """Maximum partial likelihood: ``coefficients`` (p,), ``covariance`` (p, p), on the scale of the matrix given.

    ``flat`` (p,) marks columns whose coefficient runs to infinity; ``center`` (p,) is where the baseline hazard stands.
    """

    coefficients: Floats
    covariance: Floats
    log_likelihood: float
    log_likelihood_null: float
    steps: int
    converged: bool
    flat: npt.NDArray[np.bool_]
    center: Floats


@dataclass(frozen=True, eq=False)
class _Sums:
    """Risk sums at one value of the coefficients."""

    log_likelihood: float
    risk: Floats
    hazard: Floats
    denominator: Floats
    s1: Floats
    e1: Floats
    log_shift: float


def risk_sets(
    x: Floats,
    stop: Floats,
    event: npt.NDArray[np.bool_],
    *,
    entry: Floats | None = None,
    stratum: Ints | None = None,
    weight: Floats | None = None,
    ties: str = "efron",
) -> RiskSets:
    """Index a data set for the partial likelihood.

    Parameters
    ----------
    x : (n, p) covariates, no intercept. stop : (n,) time. event : (n,) bool.
    entry : (n,) late entry, at risk from just after it. stratum : (n,) codes from 0. weight : (n,) positive.
    ties : "efron" or "breslow".

    Returns
    -------
    RiskSets
    """
    n = len(stop)
    weights = np.ones(n) if weight is None else np.asarray(weight, dtype=np.float64)
    strata = np.zeros(n, dtype=np.int64) if stratum is None else np.asarray(stratum, dtype=np.int64)
    begin = np.full(n, -np.inf) if entry is None else np.asarray(entry, dtype=np.float64)
    rows = np.flatnonzero(event)
    rows = rows[np.lexsort((stop[rows], strata[rows]))]
    new = np.append(True, (np.diff(stop[rows]) != 0) | (np.diff(strata[rows]) != 0))
    starts, place = np.flatnonzero(new), np.cumsum(new) - 1
    time, stratum_of = stop[rows][starts], strata[rows][starts]
    deaths = np.bincount(place).astype(np.float64)
    rank = np.arange(len(rows)) - starts[place]
    standard, center, scale = _standardised(x, weights)
    late = entry is not None or stratum is not None
    return RiskSets(
        x=standard,
        center=center,
        scale=scale,
        weight=weights,
        first=_place(begin, strata, time, stratum_of) if late else None,
        last=_place(stop, strata, time, stratum_of),
        events=rows,
        x_events=standard[:, rows],
        event_time=place,
        fraction=rank / deaths[place] if ties == "efron" else np.zeros(len(rows)),
        time=time,
        stratum=stratum_of,
        deaths=deaths,
        mean_weight=np.bincount(place, weights[rows], len(time)) / deaths,
    )


def fit_risk_sets(sets: RiskSets, *, start: Floats | None = None, max_steps: int = 40) -> CoxEstimate:
    """Maximise the partial likelihood by Newton steps, halving a step that does not raise it."""
    p = len(sets.x)
    null = np.zeros(p)
    sums = _sums(sets, null)
    log_likelihood_null = sums.log_likelihood
    gradient, information = _derivatives(sets, sums)
    null_information = information
    beta = null
    if start is not None:
        beta = np.asarray(start, dtype=np.float64) * sets.scale
        sums = _sums(sets, beta)
        gradient, information = _derivatives(sets, sums)
    converged, steps = p == 0, 0
    flat = flat_directions(null_information, null_information)
    while not converged and not flat.any() and steps < max_steps:
        step = np.linalg.lstsq(information, gradient)[0]
        step *= LONGEST / max(LONGEST, float(np.abs(step).max()))
        gain = float(gradient @ step)
        if gain < NOTHING_TO_GAIN:
            # An infinite estimate is recognised before rounding drowns what is left of the information.
            flat = flat_directions(information, null_information)
            if flat.any():
                break
        converged = gain < DECREMENT
        trial, halvings = _sums(sets, beta + step), 0
        lowest = sums.log_likelihood - 1e-9 * abs(sums.log_likelihood)
        while trial.log_likelihood < lowest and halvings < 30:
            step, halvings = step / 2, halvings + 1
            trial = _sums(sets, beta + step)
        beta, sums, steps = beta + step, trial, steps + 1
        gradient, information = _derivatives(sets, sums)
    if not converged and not flat.any():
        flat = flat_directions(information, null_information)
    covariance = np.full((p, p), np.nan) if flat.any() or not converged else np.linalg.inv(information)
    return CoxEstimate(
        coefficients=beta / sets.scale,
        covariance=covariance / np.outer(sets.scale, sets.scale),
        log_likelihood=sums.log_likelihood,
        log_likelihood_null=log_likelihood_null,
        steps=steps,
        converged=converged,
        flat=flat,
        center=sets.center,
    )


def sandwich(sets: RiskSets, estimate: CoxEstimate, *, cluster: Ints | None = None) -> Floats:
    """Return the robust covariance (p, p) of Lin and Wei: dfbetas, summed within clusters, times themselves.

    Right for rows that are pieces of a patient's follow-up (start, stop] when ``cluster`` (n,) codes the patient.
    """
    residuals = score_residuals(sets, estimate.coefficients) * sets.weight
    if cluster is not None:
        size = int(cluster.max()) + 1
        residuals = np.stack([np.bincount(cluster, row, size) for row in residuals])
    influence = residuals.T @ (estimate.covariance * np.outer(sets.scale, sets.scale))
    robust: Floats = influence.T @ influence / np.outer(sets.scale, sets.scale)
    return robust


def score_residuals(sets: RiskSets, coefficients: Floats) -> Floats:
    """Return each row's contribution (p, n) to the score, on the standardised scale, without its case weight."""
    sums = _sums(sets, coefficients * sets.scale)
    k, f, size = sets.event_time, sets.fraction, len(sets.time)
    c = sets.mean_weight[k] / sums.denominator
    mean = (sums.s1[:, k] - f * sums.e1[:, k]) / sums.denominator
    relative = sums.risk / sets.weight
    residuals = sets.x * (-relative * sums.hazard)
    for j in range(len(sets.x)):
        drift = np.append(0.0, np.cumsum(np.bincount(k, c * mean[j], size)))
        own = np.bincount(k, f * c * mean[j], size)
        passed = drift[sets.last] - (0.0 if sets.first is None else drift[sets.first])
        passed[sets.events] -= own[k]
        residuals[j] += relative * passed
        expected = np.bincount(k, mean[j], size) / sets.deaths
        residuals[j, sets.events] += sets.x_events[j] - expected[k]
    return residuals


def baseline_hazard(sets: RiskSets, coefficients: Floats) -> Floats:
    """Return the steps (K,) of the cumulative hazard at ``sets.time`` for a row at ``center``.

    Breslow's estimator, or its Efron form when the sets were made with Efron's ties (R: ``survfit(..., ctype)``).
    """
    sums = _sums(sets, coefficients * sets.scale)
    steps = np.bincount(sets.event_time, sets.mean_weight[sets.event_time] / sums.denominator, len(sets.time))
    return np.asarray(steps * np.exp(-sums.log_shift), dtype=np.float64)


def _standardised(x: Floats, weight: Floats) -> tuple[Floats, Floats, Floats]:
    """Return columns (p, n) less their weighted mean, over their standard deviation (1 for a constant), and both."""
    total = weight.sum()
    center = weight @ x / total
    standard, scale = np.empty((x.shape[1], len(x))), np.ones(x.shape[1])
    for a in range(0, len(x), BLOCK):
        np.subtract(x[a : a + BLOCK].T, center[:, None], out=standard[:, a : a + BLOCK])
    for j in range(x.shape[1]):
        spread = np.sqrt(np.dot(weight * standard[j], standard[j]) / total)
        if spread > 0:
            scale[j] = spread
            standard[j] /= spread
    return standard, center, scale


def _place(value: Floats, stratum: Ints, time: Floats, stratum_of: Ints) -> Ints:
    """Return how many event times of the grid lie at or before each value, counted through its own stratum."""
    if stratum_of[0] == stratum_of[-1] and not stratum.any():
        return np.searchsorted(time, value, side="right")
    of_row = np.append(np.zeros(len(time)), np.ones(len(value)))
    order = np.lexsort((of_row, np.append(time, value), np.append(stratum_of, stratum)))
    counted = np.empty(len(order), dtype=np.int64)
    counted[order] = np.cumsum(order < len(time))
    return counted[len(time) :]


def _sums(sets: RiskSets, beta: Floats) -> _Sums:
    """Return likelihood and risk sums; the likelihood is minus infinity where it cannot be computed."""
    k, f, size = sets.event_time, sets.fraction, len(sets.time)
    eta = beta @ sets.x
    shift = float(eta.max()) if len(eta) else 0.0
    eta -= shift
    risk = np.exp(eta) * sets.weight
    s0 = _at_risk(sets, risk)
    dying = risk[sets.events]
    e0 = np.bincount(k, dying, size)
    denominator = s0[k] - f * e0[k]
    if not (np.all(np.isfinite(denominator)) and np.all(denominator > SMALLEST)):
        empty = np.empty((0, 0))
        return _Sums(-np.inf, risk, risk, denominator, empty, empty, shift)
    log_likelihood = sets.weight[sets.events] @ eta[sets.events] - sets.mean_weight[k] @ np.log(denominator)
    s1 = np.stack([_at_risk(sets, risk * row) for row in sets.x]) if len(sets.x) else np.empty((0, size))
    e1: Floats = np.stack([np.bincount(k, dying * row, size) for row in sets.x_events]) if len(sets.x) else s1
    c = sets.mean_weight[k] / denominator
    cumulative: Floats = np.append(0.0, np.cumsum(np.bincount(k, c, size)))
    hazard = cumulative[sets.last] - (0.0 if sets.first is None else cumulative[sets.first])
    hazard[sets.events] -= np.bincount(k, f * c, size)[k]
    return _Sums(float(log_likelihood), risk, hazard, denominator, s1, e1, shift)


def _at_risk(sets: RiskSets, value: Floats) -> Floats:
    """Return the sum of ``value`` over the rows at risk at each event time."""
    size = len(sets.time) + 1
    ended = np.bincount(sets.last, value, size)
    if sets.first is not None:
        ended -= np.bincount(sets.first, value, size)
    return np.asarray(np.cumsum(ended[::-1])[::-1][1:], dtype=np.float64)


def _derivatives(sets: RiskSets, sums: _Sums) -> tuple[Floats, Floats]:
    """Return gradient (p,) and information (p, p) of the log likelihood."""
    k, f, p, size = sets.event_time, sets.fraction, len(sets.x), len(sets.time)
    v = sums.risk * sums.hazard
    observed = -v
    observed[sets.events] += sets.weight[sets.events]
    gradient = sets.x @ observed
    information = np.zeros((p, p))
    for a in range(0, sets.x.shape[1], BLOCK):
        block = sets.x[:, a : a + BLOCK]
        information += (block * v[a : a + BLOCK]) @ block.T
    per_term = sets.mean_weight[k] / sums.denominator**2
    squares = np.bincount(k, per_term, size)
    crossed = np.bincount(k, per_term * f, size)
    dying = np.bincount(k, per_term * f**2, size)
    cross = (sums.s1 * crossed) @ sums.e1.T
    information -= (sums.s1 * squares) @ sums.s1.T - cross - cross.T + (sums.e1 * dying) @ sums.e1.T
    return gradient, information


def flat_directions(information: Floats, null: Floats) -> npt.NDArray[np.bool_]:
    """Mark the columns that make up a direction without information, at the start or by the end of the steps.

    None at the start: the column does not vary among rows at risk together. None left at the end: an infinite estimate.
    """
    p = len(null)
    if p == 0:
        return np.zeros(0, dtype=bool)
    values, vectors = np.linalg.eigh(null)
    if values[0] <= 1e-9 * values[-1]:
        size = np.abs(vectors[:, 0])
        return np.asarray(size > 0.5 * size.max(), dtype=bool)
    root = vectors / np.sqrt(values)
    share, direction = np.linalg.eigh(root.T @ information @ root)
    if share[0] > FLAT:
        return np.zeros(p, dtype=bool)
    size = np.abs(root @ direction[:, 0]) * np.sqrt(np.diag(null))
    return np.asarray(size > 0.5 * size.max(), dtype=bool)
