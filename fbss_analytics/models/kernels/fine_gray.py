"""Fine-Gray model of the subdistribution hazard on arrays: O(n p^2) a step, no expansion of the data.

A row is at risk of the event at ``t`` as in the Cox model; a row with a competing event at ``s`` stays at risk at all
``t > s``, counting ``g(t) / g(s)`` times (`censoring`). So the partial likelihood is that of `risk_sets` with a `Tail`:
each sum over rows at risk is a sum over those still under observation plus, by stratum, ``g(t)`` times a cumulative
sum of ``r_i / g(s_i)`` over the competing events so far.

Variance: with information ``I`` and the influence of row ``i`` on the score, ``eta_i`` with the weights taken as known
and ``psi_i`` for having estimated them (Fine and Gray 1999, section 3), it is

    I^-1 { sum over clusters of (sum_i w_i (eta_i + psi_i))^2 } I^-1.

The cumulative incidence of a row ``x`` is ``F(t) = 1 - exp(-L(t) exp(x b))`` with Breslow's (or Efron's) ``L``; its
variance stands on log(-log(1 - F)) and has the influence of every row on ``b``, on ``L`` and on the weights.

The check of proportionality is the score test of columns ``x g(t)`` for a centred function of time; its variance is
that of the efficient score by rows or clusters, weights included (Zhou, Fine and Laird 2013).

References: Fine and Gray 1999 (doi:10.1080/01621459.1999.10474144); Geskus 2011
(doi:10.1111/j.1541-0420.2010.01420.x); Zhou, Fine, Latouche and Labopin 2012 (doi:10.1093/biostatistics/kxr032) for
clusters; Zhou, Fine and Laird 2013 (doi:10.1002/sim.5815). Held to R survival ``finegray`` with ``coxph``, and cmprsk
``crr``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from .absolute_risk import hazard_influence, summed
from .censoring import Stratum, censoring_strata, weight_influence
from .cox import CoxEstimate
from .cox_variance import baseline, residuals_of
from .indexing import gram
from .risk_sets import Floats, Ints, RiskSets, derivatives, per_time, risk_sets, risk_sums, summed_means
from .tail import Tail

TIES = ("efron", "breslow", "cmprsk")


@dataclass(frozen=True, eq=False)
class Subdistribution:
    """The risk sets of a Fine-Gray model, and the censoring strata their weights come from.

    ``left`` (m,) is when the rows of the tail had their competing event. ``unknown`` counts rows whose weight cannot be
    estimated, because nobody was under observation between their competing event and a later event; the model can be
    fitted only where it is 0.
    """

    sets: RiskSets
    tail: Tail
    strata: tuple[Stratum, ...]
    left: Floats
    unknown: int


def subdistribution(
    x: Floats,
    stop: Floats,
    cause: Ints,
    *,
    entry: Floats | None = None,
    weight: Floats | None = None,
    stratum: Ints | None = None,
    ties: str = "efron",
) -> Subdistribution:
    """Index a data set for the Fine-Gray likelihood.

    Parameters
    ----------
    x : (n, p) covariates, no intercept. stop : (n,) time. cause : (n,) 0 censored, 1 the event, 2 and more competing.
    entry : (n,) late entry. weight : (n,) positive case weights. stratum : (n,) codes from 0 of the censoring strata.
    ties : "efron", "breslow", or "cmprsk": Breslow with the censoring distribution of R ``crr``.
    """
    weights = np.ones(len(stop)) if weight is None else np.asarray(weight, dtype=np.float64)
    codes = np.zeros(len(stop), dtype=np.int64) if stratum is None else stratum
    handled = "efron" if ties == "efron" else "breslow"
    sets = risk_sets(x, stop, cause == 1, entry=entry, weight=weights, ties=handled)
    strata = censoring_strata(stop, cause == 0, entry, codes, weights, events_first=ties != "cmprsk")
    rows = np.flatnonzero((cause > 1) & (sets.last < len(sets.time)))
    left, group, at_exit = stop[rows], codes[rows], np.ones(len(rows))
    for code, own in enumerate(strata):
        at_exit[group == code] = own.remaining(left[group == code])
    known = at_exit > 0
    share = np.stack([own.remaining(sets.time) for own in strata])
    over = np.divide(1.0, at_exit, out=np.zeros(len(rows)), where=known)
    tail = Tail(rows, group, sets.last[rows], over, share)
    return Subdistribution(replace(sets, tail=tail), tail, strata, left, int((~known).sum()))


def score_influence(
    model: Subdistribution, coefficients: Floats, *, known_weights: bool = False, factor: Floats | None = None
) -> Floats:
    """Return the influence (p, n) of each row on the score, on the standardised scale, without its case weight.

    ``known_weights`` leaves out what estimating the weights adds, as R ``coxph`` on the rows of ``finegray`` does.
    ``factor`` (m,) gives the score of columns times a function of time, as in `score_residuals`.
    """
    sets = model.sets
    sums = risk_sums(sets, coefficients * sets.scale)
    eta = residuals_of(sets, sums, factor=factor)
    if known_weights:
        return eta
    c = sets.mean_weight[sets.event_time] / sums.denominator * (1.0 if factor is None else factor)
    rows = model.tail.rows
    risk = sums.risk[rows]
    pulls = _across(model, risk * sets.x[:, rows], per_time(sets, c)[None, :])
    less = _across(model, risk[None, :], summed_means(sets, sums, c))
    return eta + weight_influence(model.strata, [a - b for a, b in zip(pulls, less, strict=True)], len(sets.weight))


def influence(
    model: Subdistribution, estimate: CoxEstimate, *, cluster: Ints | None = None, known_weights: bool = False
) -> Floats:
    """Return the weighted influence (p, n), or (p, clusters), on the coefficients: the dfbetas."""
    return np.asarray(estimate.covariance @ _scores(model, estimate, cluster, known_weights), dtype=np.float64)


def sandwich(
    model: Subdistribution, estimate: CoxEstimate, *, cluster: Ints | None = None, known_weights: bool = False
) -> Floats:
    """Return the robust covariance (p, p) of the coefficients, rows of a ``cluster`` (n,) taken together."""
    scores = _scores(model, estimate, cluster, known_weights)
    meat = gram(scores, np.ones(scores.shape[1]), scores)
    return np.asarray(estimate.covariance @ meat @ estimate.covariance, dtype=np.float64)


def _scores(model: Subdistribution, estimate: CoxEstimate, cluster: Ints | None, known_weights: bool) -> Floats:
    """Return the weighted influence (p, n), or (p, clusters), on the score, on the scale of the matrix given."""
    scores = score_influence(model, estimate.coefficients, known_weights=known_weights)
    scores *= model.sets.weight
    scores *= model.sets.scale[:, None]
    return summed(scores, cluster)


def incidence(model: Subdistribution, estimate: CoxEstimate, x: Floats, days: Floats) -> Floats:
    """Return the cumulative incidence (m, h) of rows ``x`` (m, p) by ``days`` (h,)."""
    place = np.searchsorted(model.sets.time, days, side="right")
    level = np.append(0.0, np.cumsum(baseline(model.sets, estimate.coefficients).hazard))[place]
    relative = np.exp((x - estimate.center) @ estimate.coefficients)
    return np.asarray(-np.expm1(-relative[:, None] * level), dtype=np.float64)


def incidence_with_error(
    model: Subdistribution, estimate: CoxEstimate, x: Floats, days: Floats, *, cluster: Ints | None = None
) -> tuple[Floats, Floats]:
    """Return the incidence (m, h) of rows ``x`` (m, p) at ``days`` (h,), and the standard error of log(-log(1 - F)).

    Where no event has been seen by the day the incidence is 0 and the error missing.
    """
    sets = model.sets
    steps = baseline(sets, estimate.coefficients)
    place = np.searchsorted(sets.time, days, side="right")
    level = np.append(0.0, np.cumsum(steps.hazard))[place]
    drift = np.append(np.zeros((len(sets.x), 1)), np.cumsum(steps.drift, axis=1), axis=1)[:, place]
    of_baseline = summed(_baseline_influence(model, estimate, place) * sets.weight, cluster)
    of_beta = influence(model, estimate, cluster=cluster)
    moved = of_baseline - (drift * sets.scale[:, None]).T @ of_beta
    away = x - estimate.center
    error = np.full((len(x), len(days)), np.nan)
    for h in np.flatnonzero(level > 0):
        error[:, h] = np.sqrt(((away @ of_beta + moved[h] / level[h]) ** 2).sum(axis=1))
    return incidence(model, estimate, x, days), error


def _baseline_influence(model: Subdistribution, estimate: CoxEstimate, place: Ints) -> Floats:
    """Return the influence (h, n) of each row on the baseline hazard of the first ``place`` times, b being held."""
    sets = model.sets
    sums = risk_sums(sets, estimate.coefficients * sets.scale)
    until = (np.arange(len(sets.time)) < place[:, None]).astype(np.float64)
    steps = until * per_time(sets, sets.mean_weight[sets.event_time] / sums.denominator**2)
    pulls = _across(model, sums.risk[model.tail.rows][None, :], steps)
    by_weights = weight_influence(model.strata, pulls, len(sets.weight)) * np.exp(-sums.log_shift)
    return np.asarray(hazard_influence(sets, estimate.coefficients, until) + by_weights, dtype=np.float64)


def proportionality_test(
    model: Subdistribution,
    coefficients: Floats,
    g: Floats,
    terms: Sequence[Sequence[int]],
    *,
    cluster: Ints | None = None,
) -> tuple[Floats, list[int]]:
    """Return chi2 and df of each term's columns times ``g`` (m,), a function of time at each event; of all terms last.

    At the maximum the model's own score is 0, so that the efficient score of the added columns is their score, each
    row's influence on it being ``b_i - C I^-1 a_i`` with ``C`` the information shared with the model's columns.
    """
    sets = model.sets
    centred = g - np.average(g, weights=sets.weight[sets.events])
    sums = risk_sums(sets, coefficients * sets.scale)
    _, information = derivatives(sets, sums)
    score, shared = derivatives(sets, sums, factor=centred)
    plain = score_influence(model, coefficients)
    added = score_influence(model, coefficients, factor=centred)
    moved = summed((added - shared @ np.linalg.solve(information, plain)) * sets.weight, cluster)
    chi2, df = [], []
    for columns in [*(list(term) for term in terms), list(range(len(sets.x)))]:
        own = moved[columns]
        chi2.append(float(score[columns] @ np.linalg.solve(own @ own.T, score[columns])))
        df.append(len(columns))
    return np.array(chi2), df


def _across(model: Subdistribution, value: Floats, step: Floats) -> list[Floats]:
    """Return, per stratum, how much of ``value`` (d or 1, m) times ``step`` (d or 1, K) reaches across each jump.

    A row that left at ``s`` reaches across ``u`` at every event time ``t`` with s <= u < t (`Stratum.side`).
    """
    sets, tail, reach = model.sets, model.tail, []
    for code, stratum in enumerate(model.strata):
        own = np.flatnonzero(tail.group == code)
        own = own[np.argsort(model.left[own], kind="stable")]
        begun = np.cumsum(np.pad(value[:, own] * tail.over[own], ((0, 0), (1, 0))), axis=1)
        ahead = np.cumsum(np.pad(step * tail.share[code], ((0, 0), (0, 1)))[:, ::-1], axis=1)[:, ::-1]
        at = stratum.times
        before = np.searchsorted(model.left[own], at, side=stratum.side)
        reach.append(begun[:, before] * ahead[:, np.searchsorted(sets.time, at, side=stratum.side)])
    return reach
