"""Risk sets of a Cox model on arrays: rows and event times indexed once, sums over the rows at risk, derivatives.

Row ``i`` is at risk at the event time ``t`` when ``entry_i < t <= stop_i`` in its stratum. With weights ``w``, offset
``o``, ``r_i = w_i exp(x_i b + o_i)`` and, over the rows at risk at the ``k``-th distinct event time, ``S0 = sum r`` and
``S1 = sum r x`` (``E0``, ``E1``: the same over the ``d`` rows with the event at that time, ``v`` their mean weight),

    log L(b) = sum_events w (x b + o) - sum_k sum_{l < d} v log(S0 - f_l E0),      f_l = l / d (Efron) or 0 (Breslow).

With ``D = S0 - f E0``, ``a = (S1 - f E1) / D`` and ``c = v / D``, gradient and information are

    g = sum_events w x - sum_k (S1 sum_l c - E1 sum_l f c),        I = sum_i r_i h_i x_i x_i' - sum_{k,l} v a a',

where ``h_i`` adds ``c`` over the times at which row ``i`` was at risk (``(1 - f) c`` at its own event time). So a
Newton step costs one weighted Gram matrix and sums at the distinct event times; no loop over rows and no sort of the
matrix. A sum over the events of one time adds neighbours, the events being indexed in the order of time; sums over
times begin anew in each stratum, so that no stratum's rounding drowns another's sums.

References: Cox 1972 (doi:10.1111/j.2517-6161.1972.tb00899.x); Breslow 1974 (doi:10.2307/2529620); Efron 1977
(doi:10.1080/01621459.1977.10480613); Therneau and Grambsch 2000, Modeling Survival Data, chapter 3
(doi:10.1007/978-1-4757-3294-8).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from .indexing import columns, ended, gram, place_of, running, standardised
from .tail import Tail, tail_at_risk, tail_passed

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

SMALLEST = 1e-150
"""Risk sums below this have underflowed beside the largest risk: the coefficients have run away."""


@dataclass(frozen=True, eq=False)
class RiskSets:
    """Rows and event times of one data set, indexed once.

    Shapes: ``x`` (p, n) standardised; ``weight``, ``first``, ``last`` (n,): row ``i`` is at risk at the event times
    ``first[i] .. last[i] - 1`` of the grid; ``events`` (m,) rows with the event, ``x_events`` (p, m) their columns,
    ``observed`` (p,) their weighted sum, ``event_time`` (m,) their place in the grid, ``fraction`` (m,) Efron's f;
    ``starts`` (where its events begin), ``time``, ``stratum``, ``deaths``, ``mean_weight`` (K,); ``bounds`` (S + 1,):
    where the strata begin and end in the grid; ``leaving``, ``entering`` (n,): ``last`` and ``first``, 0 where no event
    time of the stratum comes before; ``offset`` (n,), None for none; ``tail``: rows at risk, in part, after ``last``.
    """

    x: Floats
    center: Floats
    scale: Floats
    weight: Floats
    first: Ints | None
    last: Ints
    events: Ints
    x_events: Floats
    observed: Floats
    event_time: Ints
    fraction: Floats
    starts: Ints
    time: Floats
    stratum: Ints
    deaths: Floats
    mean_weight: Floats
    bounds: Ints
    leaving: Ints
    entering: Ints | None
    offset: Floats | None = None
    tail: Tail | None = None


@dataclass(frozen=True, eq=False)
class RiskSums:
    """Sums over risk sets at one value of the coefficients.

    ``risk`` and ``hazard`` (n,): r and h; ``denominator`` (m,) D; ``s1``, ``e1`` (p, K). Risks are relative to
    ``exp(log_shift)``, so that the largest is 1.
    """

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
    offset: Floats | None = None,
    ties: str = "efron",
) -> RiskSets:
    """Index a data set for the partial likelihood.

    Parameters
    ----------
    x : (n, p) covariates, no intercept. stop : (n,) time. event : (n,) bool.
    entry : (n,) late entry, at risk from just after it. stratum : (n,) codes from 0. weight : (n,) positive.
    offset : (n,) added to the linear predictor. ties : "efron" or "breslow".
    """
    n = len(stop)
    weights = np.ones(n) if weight is None else np.asarray(weight, dtype=np.float64)
    strata = np.zeros(n, dtype=np.int64) if stratum is None else np.asarray(stratum, dtype=np.int64)
    last = ended(stop, event, None if stratum is None else strata)
    rows = np.flatnonzero(event)
    # By time, then by row: two halves of 16 bits are sorted faster than the whole.
    place = last[rows] - 1
    rows = rows[np.lexsort(((place & 0xFFFF).astype(np.uint16), (place >> 16).astype(np.uint16)))]
    place = last[rows] - 1
    starts = np.flatnonzero(np.append(True, place[1:] != place[:-1]))
    time, stratum_of = stop[rows[starts]], strata[rows[starts]]
    deaths = np.diff(np.append(starts, len(rows))).astype(np.float64)
    standard, center, scale = standardised(x, weights)
    x_events, own = columns(standard, rows), weights[rows]
    begun = None if stratum is None else np.searchsorted(stratum_of, strata, side="left")
    late = None if entry is None else place_of(np.asarray(entry, dtype=np.float64), strata, time, stratum_of)
    return RiskSets(
        x=standard,
        center=center,
        scale=scale,
        weight=weights,
        first=begun if late is None else late,
        last=last,
        events=rows,
        x_events=x_events,
        observed=np.einsum("im,m->i", x_events, own),
        event_time=place,
        fraction=(np.arange(len(rows)) - starts[place]) / deaths[place] if ties == "efron" else np.zeros(len(rows)),
        starts=starts,
        time=time,
        stratum=stratum_of,
        deaths=deaths,
        mean_weight=np.add.reduceat(own, starts) / deaths,
        bounds=np.concatenate([[0], np.flatnonzero(np.diff(stratum_of)) + 1, [len(time)]]),
        leaving=last if begun is None else np.where(last > begun, last, 0),
        entering=late if late is None or begun is None else np.where(late > begun, late, 0),
        offset=None if offset is None else np.asarray(offset, dtype=np.float64),
    )


def recombined(sets: RiskSets, combine: Floats, *, more: Floats | None = None) -> RiskSets:
    """Return the sets with columns ``combine @ x`` (q, p), on their own scale, and ``more`` (n,) added to the offset.

    With ``b = combine' u`` the linear predictor is the same, so that a combination of coefficients can be held.
    """
    offset = sets.offset if more is None else more if sets.offset is None else sets.offset + more
    x, x_events, observed = combine @ sets.x, combine @ sets.x_events, combine @ sets.observed
    center, scale = np.zeros(len(combine)), np.ones(len(combine))
    return replace(sets, x=x, x_events=x_events, observed=observed, center=center, scale=scale, offset=offset)


def risk_sums(sets: RiskSets, beta: Floats) -> RiskSums:
    """Return likelihood and risk sums; the likelihood is minus infinity where it cannot be computed."""
    k, f, p, size = sets.event_time, sets.fraction, len(sets.x), len(sets.time)
    eta = np.einsum("i,in->n", beta, sets.x)
    observed = float(beta @ sets.observed)
    if sets.offset is not None:
        eta += sets.offset
        observed += float(sets.weight[sets.events] @ sets.offset[sets.events])
    shift = float(eta.max()) if len(eta) else 0.0
    eta -= shift
    risk = np.exp(eta, out=eta)
    risk *= sets.weight
    dying = risk[sets.events]
    e0 = per_time(sets, dying)
    denominator = at_risk(sets, risk)[k] - f * e0[k]
    if not (denominator.min() > SMALLEST and denominator.max() < np.inf):
        empty = np.empty((0, 0))
        return RiskSums(-np.inf, risk, risk, denominator, empty, empty, shift)
    observed -= shift * float(sets.mean_weight @ sets.deaths)
    log_likelihood = observed - float(sets.mean_weight @ per_time(sets, np.log(denominator)))
    s1, e1, product = np.empty((p, size)), np.empty((p, size)), np.empty(len(risk))
    for j in range(p):
        s1[j] = at_risk(sets, np.multiply(risk, sets.x[j], out=product))
        e1[j] = per_time(sets, np.multiply(dying, sets.x_events[j], out=product[: len(dying)]))
    hazard = passed(sets, sets.mean_weight[k] / denominator)
    return RiskSums(log_likelihood, risk, hazard, denominator, s1, e1, shift)


def per_time(sets: RiskSets, value: Floats) -> Floats:
    """Return the sum (K,) of ``value`` (m,) over the events of each time."""
    return np.asarray(np.add.reduceat(value, sets.starts), dtype=np.float64)


def at_risk(sets: RiskSets, value: Floats) -> Floats:
    """Return the sum (K,) of ``value`` (n,) over the rows at risk at each event time."""
    size = len(sets.time) + 1
    moved: Floats = np.bincount(sets.leaving, value, size).astype(np.float64, copy=False)
    if sets.entering is not None:
        moved -= np.bincount(sets.entering, value, size)
    total = running(moved[:0:-1], size - 1 - sets.bounds[::-1])[::-1]
    return total if sets.tail is None else total + tail_at_risk(sets.tail, value)


def passed(sets: RiskSets, value: Floats) -> Floats:
    """Return the sum (n,) of ``value`` (m,) over the events at which each row was at risk, less f of it at its own."""
    return passed_times(sets, per_time(sets, value), per_time(sets, sets.fraction * value))


def passed_times(sets: RiskSets, step: Floats, own: Floats) -> Floats:
    """Return the sum (n,) of ``step`` (K,) over the times each row was at risk, less ``own`` (K,) at its own."""
    cumulative = np.append(0.0, running(step, sets.bounds))
    total = cumulative[sets.leaving] - (0.0 if sets.entering is None else cumulative[sets.entering])
    if sets.tail is not None:
        total[sets.tail.rows] += tail_passed(sets.tail, step)
    total[sets.events] -= own[sets.event_time]
    return np.asarray(total, dtype=np.float64)


def risk_means(sets: RiskSets, sums: RiskSums) -> Floats:
    """Return the mean (p, m) of the columns over the rows at risk, of each event: ``a``."""
    k = sets.event_time
    return np.asarray((sums.s1[:, k] - sets.fraction * sums.e1[:, k]) / sums.denominator, dtype=np.float64)


def summed_means(sets: RiskSets, sums: RiskSums, value: Floats) -> Floats:
    """Return the sum (p, K) over the events of each time of ``value`` (m,) times ``a``."""
    share = value / sums.denominator
    return sums.s1 * per_time(sets, share) - sums.e1 * per_time(sets, sets.fraction * share)


def derivatives(sets: RiskSets, sums: RiskSums, *, factor: Floats | None = None) -> tuple[Floats, Floats]:
    """Return gradient (p,) and information (p, p) of the log likelihood.

    ``factor`` (m,) multiplies each event's share of both, as for a coefficient times a function of time.
    """
    k, f = sets.event_time, sets.fraction
    c, observed, hazard = sets.mean_weight[k] / sums.denominator, sets.observed, sums.hazard
    if factor is not None:
        c, observed = c * factor, np.einsum("im,m->i", sets.x_events, sets.weight[sets.events] * factor)
        hazard = passed(sets, c)
    gradient = observed - np.einsum("ik,k->i", sums.s1, per_time(sets, c))
    gradient += np.einsum("ik,k->i", sums.e1, per_time(sets, f * c))
    information = gram(sets.x, sums.risk * hazard, sets.x)
    c /= sums.denominator
    cross = gram(sums.s1, per_time(sets, f * c), sums.e1)
    information -= gram(sums.s1, per_time(sets, c), sums.s1) - cross - cross.T
    information -= gram(sums.e1, per_time(sets, f * f * c), sums.e1)
    return gradient, information
