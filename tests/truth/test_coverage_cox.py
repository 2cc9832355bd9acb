"""Whether intervals of a Cox model hold the truth as often as they say, on data simulated from the model fitted.

4,000 runs of each kind, seeds fixed beforehand. Of 4,000 runs the 99.9 % Monte-Carlo interval of a coverage of 95 % is
1.1 points wide to each side; it must lie inside 93-97 %. Declared beforehand as a departure: with 12 clusters the
sandwich is too small, and its intervals hold the truth in less than 93 % of the runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fbss_analytics.models.kernels import cox
from fbss_analytics.models.kernels.cox_variance import baseline
from fbss_analytics.models.kernels.profile import cox_profile, profile_limits

RUNS = 4_000
Z, Z_MC = 1.959964, 3.290527
TRUE = np.array([0.5, -0.7])
HORIZON = 200.0


def monte_carlo(held: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return the 99.9 % interval of each coverage from runs (runs, k) that held the truth or not."""
    share = held.mean(axis=0)
    half = Z_MC * np.sqrt(share * (1 - share) / len(held))
    return share - half, share + half


def draw(random: np.random.Generator, n: int) -> dict[str, Any]:
    """Return rows seen: two strata with their own Weibull hazards, entry after day 0, who has left by then unseen."""
    x = np.column_stack([random.normal(size=4 * n), random.random(4 * n) < 0.4]).astype(float)
    stratum = random.integers(0, 2, 4 * n)
    shape, scale = np.where(stratum == 0, 0.8, 1.4), np.where(stratum == 0, 500.0, 350.0)
    time = scale * (random.exponential(1, 4 * n) * np.exp(-x @ TRUE)) ** (1 / shape)
    entry = np.where(random.random(4 * n) < 0.5, random.uniform(0, 300, 4 * n), 0.0)
    # Whole days: events tie, and every event on a day lies after an entry on the day before.
    entry, time = np.floor(entry), np.ceil(time)
    seen = np.flatnonzero(time > entry)[:n]
    censored = entry + np.ceil(random.exponential(600, 4 * n))
    return {
        "x": x[seen], "stop": np.minimum(time, censored)[seen], "event": (time <= censored)[seen],
        "entry": entry[seen], "stratum": stratum[seen],
    }  # fmt: skip


def wald(sets: Any, fit: Any, covariance: Any) -> Any:
    return np.abs(fit.coefficients - TRUE) <= Z * np.sqrt(np.diag(covariance))


def model_based(random: np.random.Generator) -> Any:
    sets = cox.risk_sets(**draw(random, 300))
    fit = cox.fit_risk_sets(sets)
    return wald(sets, fit, fit.covariance)


def robust(random: np.random.Generator) -> Any:
    """300 patients in three pieces each, clustered on the patient."""
    rows = draw(random, 300)
    thirds = [rows["entry"] + (rows["stop"] - rows["entry"]) * k / 3 for k in range(4)]
    sets = cox.risk_sets(
        np.tile(rows["x"], (3, 1)),
        np.concatenate(thirds[1:]),
        np.concatenate([np.zeros_like(rows["event"])] * 2 + [rows["event"]]),
        entry=np.concatenate(thirds[:3]),
        stratum=np.tile(rows["stratum"], 3),
    )
    fit = cox.fit_risk_sets(sets)
    return wald(sets, fit, cox.sandwich(sets, fit, cluster=np.tile(np.arange(300), 3)))


def risk(random: np.random.Generator) -> Any:
    """Survival of one patient to day 200 in the first stratum, with its log-log interval."""
    sets = cox.risk_sets(**draw(random, 300))
    fit, x = cox.fit_risk_sets(sets), np.array([0.5, 1.0])
    base, mine = baseline(sets, fit.coefficients), (sets.stratum == 0) & (sets.time <= HORIZON)
    relative = np.exp((x - sets.center) @ fit.coefficients)
    hazard = base.hazard[mine].sum() * relative
    moved = ((x - sets.center) / sets.scale * base.hazard[mine].sum() - base.drift[:, mine].sum(axis=1)) * relative
    covariance = fit.covariance * np.outer(sets.scale, sets.scale)
    error = np.sqrt(base.variance[mine].sum() * relative**2 + moved @ covariance @ moved)
    truth = (HORIZON / 500) ** 0.8 * np.exp(x @ TRUE)
    return np.array([abs(np.log(hazard / truth)) <= Z * error / hazard])


def profile(random: np.random.Generator) -> Any:
    """A small sample: 60 rows, the profile of the first coefficient alone."""
    sets = cox.risk_sets(**draw(random, 60))
    fit = cox.fit_risk_sets(sets)
    # The truth lies inside the limits exactly when the profile there has not fallen too far.
    likelihood, top = cox_profile(sets, np.array([1.0, 0.0]))
    return np.array([2 * (top - likelihood(TRUE[0])) <= Z**2]) if not fit.flat.any() else np.array([True])


def few_clusters(random: np.random.Generator) -> Any:
    """12 centres whose level of x differs: rows are independent given x, but there are only 12 scores to add."""
    rows = draw(random, 300)
    cluster = np.argsort(np.argsort(rows["x"][:, 0])) * 12 // 300
    sets = cox.risk_sets(**rows)
    fit = cox.fit_risk_sets(sets)
    return wald(sets, fit, cox.sandwich(sets, fit, cluster=cluster))[:1]


def held(run: Callable[[np.random.Generator], Any], seed: int) -> Any:
    return np.array([run(np.random.default_rng([seed, number])) for number in range(RUNS)])


@pytest.mark.slow
@pytest.mark.parametrize(("run", "seed"), [(model_based, 501), (robust, 502), (risk, 503), (profile, 504)])
def test_intervals_hold_the_truth_as_often_as_they_say(run: Callable[[np.random.Generator], Any], seed: int) -> None:
    low, high = monte_carlo(held(run, seed))
    assert (low > 0.93).all(), low
    assert (high < 0.97).all(), high


@pytest.mark.slow
def test_few_clusters_fall_short_as_declared() -> None:
    _, high = monte_carlo(held(few_clusters, 505))
    assert (high < 0.93).all(), high


def test_limits_of_the_profile_are_where_the_likelihood_says() -> None:
    sets = cox.risk_sets(**draw(np.random.default_rng(506), 60))
    fit = cox.fit_risk_sets(sets)
    likelihood, top = cox_profile(sets, np.array([1.0, 0.0]))
    limits = profile_limits(likelihood, top, float(fit.coefficients[0]), float(np.sqrt(fit.covariance[0, 0])), z=Z)
    for limit in limits:
        assert 2 * (top - likelihood(limit)) == pytest.approx(Z**2, rel=1e-7)
