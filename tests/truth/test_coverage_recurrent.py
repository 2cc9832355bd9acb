"""Coverage of intervals for recurrent events, on data drawn from the very model fitted.

Seeds were fixed before the first run. The share of 95 % intervals that hold the truth has a Monte-Carlo error; its
99.9 % interval must lie inside 93 to 97 %. Declared beforehand: with a dozen patients the sandwich is too small, so
coverage is expected below 95 % and is asserted to be; nothing else is expected to depart.

Ratios take 8,000 runs, mean counts 4,000. With 4,000 (1.1 points either way) a method whose coverage is 94.6 %, about
what a sandwich of 200 patients has, misses the bound one time in ten, and two of the six did: 94.1 % with death, 94.0 %
in gap time. Rather than other seeds they were given more runs of the same ones (0.8 points either way).

The runs call the kernels as `fit_recurrent` does, which is held to be so on one run of each model; reading a formula
so often would take minutes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest

import fbss_analytics as fbss
from fbss_analytics.models.bands import hazard_limits
from fbss_analytics.models.kernels import counts, cox

RUNS, RUNS_OF_RATIOS, SEED = 4_000, 8_000, 20261121
Z95, Z999 = 1.959963984540054, 3.290526731491896
LOG_RATIO = 0.5
"""Log hazard ratio of the arm in all models but Wei-Lin-Weissfeld, whose marginal ratios are the same for every event
number only where there is no effect."""


@dataclass(frozen=True)
class Pieces:
    """Pieces of follow-up of one run: who, from when to when, ending with the event or not, as event number what."""

    patient: np.ndarray
    start: np.ndarray
    stop: np.ndarray
    event: np.ndarray
    number: np.ndarray
    arm: np.ndarray


def assert_covered(held: np.ndarray) -> None:
    share = held.mean()
    room = Z999 * np.sqrt(share * (1 - share) / len(held))
    assert share - room > 0.93, share
    assert share + room < 0.97, share


def in_pieces(times: np.ndarray, end: np.ndarray, arm: np.ndarray) -> Pieces:
    """Cut follow-up to ``end`` (n,) at ``times`` (n, k), in order along each row; times after the end are not seen."""
    n, most = times.shape
    seen = times < end[:, None]
    kept = np.column_stack([seen, np.ones(n, dtype=bool)])
    stop = np.column_stack([np.where(seen, times, np.inf), end])
    last = seen.sum(axis=1)
    start = np.column_stack([np.zeros(n), np.where(seen, times, 0.0)])
    start[np.arange(n), most] = np.where(last > 0, times[np.arange(n), np.maximum(last - 1, 0)], 0.0)
    number = np.column_stack([np.tile(np.arange(1, most + 1), (n, 1)), last + 1])
    event = np.column_stack([seen, np.zeros(n, dtype=bool)])
    patient = np.tile(np.arange(n)[:, None], (1, most + 1))
    return Pieces(patient[kept], start[kept], stop[kept], event[kept], number[kept], arm[patient[kept]])


def poisson(random: np.random.Generator, n: int, *, frailty: float, dying: bool = False) -> Pieces:
    """Events at a constant rate of 1.2 in a unit of time times the arm's ratio and a gamma frailty of mean 1.

    Given the arm, the rate averaged over frailties is proportional too, so the ratio is the model's. Death comes twice
    as often in the arm, independently of the frailty: the rate among those alive keeps its ratio.
    """
    arm = np.arange(n) % 2
    rate = 1.2 * np.exp(LOG_RATIO * arm)
    if frailty:
        rate = rate * random.gamma(1 / frailty, frailty, n)
    end = random.uniform(0.5, 1.5, n)
    if dying:
        end = np.minimum(end, random.exponential(1 / (0.6 * np.exp(np.log(2) * arm))))
    return in_pieces(np.cumsum(random.exponential(1.0, (n, 30)), axis=1) / rate[:, None], end, arm)


def gaps(random: np.random.Generator, n: int, *, log_ratio: float = LOG_RATIO) -> Pieces:
    """Up to three events, each gap exponential with its own rate, times the arm's ratio."""
    arm = np.arange(n) % 2
    rates = np.array([1.0, 1.6, 2.5]) * np.exp(log_ratio * arm)[:, None]
    return in_pieces(np.cumsum(random.exponential(1.0, (n, 3)) / rates, axis=1), random.uniform(0.5, 2.0, n), arm)


def fit(pieces: Pieces, *, model: str) -> tuple[float, float]:
    """Return the arm's log ratio and its robust standard error, the arrays being laid out as `fit_recurrent` does."""
    start, stop, event, stratum, patient, arm = (
        pieces.start, pieces.stop, pieces.event, pieces.number, pieces.patient, pieces.arm,
    )  # fmt: skip
    if model == "pwp_gap":
        start, stop = np.zeros(len(start)), stop - start
    if model == "wlw":
        rows = [np.flatnonzero(pieces.number <= k) for k in (1, 2, 3)]
        every, stratum = np.concatenate(rows), np.repeat([1, 2, 3], [len(mine) for mine in rows])
        start, stop, patient, arm = start[every], stop[every], patient[every], arm[every]
        event = event[every] & (pieces.number[every] == stratum)
    if model in ("pwp_gap", "pwp_total"):
        kept = stratum <= 3
        start, stop, event, stratum, patient, arm = (
            values[kept] for values in (start, stop, event, stratum, patient, arm)
        )
    sets = cox.risk_sets(
        arm[:, None].astype(float),
        stop,
        event,
        entry=start,
        stratum=None if model == "andersen_gill" else stratum.astype(np.int64) - 1,
    )
    # Where Newton starts does not matter for where it ends; near the truth it takes a step less.
    result = cox.fit_risk_sets(sets, start=np.array([LOG_RATIO]))
    robust = cox.sandwich(sets, result, cluster=patient.astype(np.int64))
    return float(result.coefficients[0]), float(np.sqrt(robust[0, 0]))


CASES: dict[str, tuple[str, Callable[[np.random.Generator], Pieces], float]] = {
    "Andersen-Gill, Poisson": ("andersen_gill", lambda random: poisson(random, 200, frailty=0.0), LOG_RATIO),
    "Andersen-Gill, frailty": ("andersen_gill", lambda random: poisson(random, 200, frailty=0.5), LOG_RATIO),
    "Andersen-Gill, death": (
        "andersen_gill",
        lambda random: poisson(random, 200, frailty=0.3, dying=True),
        LOG_RATIO,
    ),
    "PWP total time": ("pwp_total", lambda random: gaps(random, 200), LOG_RATIO),
    "PWP gap time": ("pwp_gap", lambda random: gaps(random, 200), LOG_RATIO),
    "Wei-Lin-Weissfeld, no effect": ("wlw", lambda random: gaps(random, 200, log_ratio=0.0), 0.0),
}


def run(case: str, number: int) -> Pieces:
    return CASES[case][1](np.random.default_rng([SEED, list(CASES).index(case), number]))


@pytest.mark.parametrize("case", CASES)
def test_the_kernels_are_called_as_the_verb_calls_them(case: str) -> None:
    pieces, model = run(case, 0), CASES[case][0]
    frame = pd.DataFrame({"row": pieces.patient, "start_day": pieces.start, "stop_day": pieces.stop, "arm": pieces.arm})
    up_to = {} if model == "andersen_gill" else {"up_to": 3}
    verb = fbss.fit_recurrent(frame.assign(status=pieces.event), model=model, formula="arm", **up_to)
    assert verb.coefficients.iloc[0, 1:].tolist() == pytest.approx(fit(pieces, model=model), rel=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_intervals_of_ratios_hold_the_truth(case: str) -> None:
    model, _, truth = CASES[case]
    estimates = np.array([fit(run(case, number), model=model) for number in range(RUNS_OF_RATIOS)])
    assert_covered(np.abs(estimates[:, 0] - truth) <= Z95 * estimates[:, 1])


@pytest.mark.slow
def test_with_a_dozen_patients_robust_errors_are_too_small() -> None:
    random = np.random.default_rng([SEED, 100])
    estimates = []
    for _ in range(RUNS):
        pieces = poisson(random, 12, frailty=0.5)
        # Without events in both arms there is no ratio.
        if len(np.unique(pieces.arm[pieces.event])) == 2:
            estimates.append(fit(pieces, model="andersen_gill"))
    values = np.array(estimates)
    share = (np.abs(values[:, 0] - LOG_RATIO) <= Z95 * values[:, 1]).mean()
    assert share + Z999 * np.sqrt(share * (1 - share) / len(values)) < 0.95


DAYS, DAILY, DYING = 20, 0.08, 0.03


def daily(random: np.random.Generator, n: int, *, dying: bool) -> counts.Pieces:
    """Days on which each patient has an event with a chance of its own, of mean `DAILY`; death and censoring by day."""
    chance = DAILY * random.gamma(2.0, 0.5, n)
    happens = random.uniform(size=(n, DAYS)) < chance[:, None]
    end = np.minimum(random.integers(5, 2 * DAYS, n), DAYS)
    dead = np.full(n, False)
    if dying:
        death = random.geometric(DYING, n)
        dead = death <= end
        end = np.minimum(end, death)
    row, day = np.nonzero(happens & (np.arange(1, DAYS + 1) <= end[:, None]))
    # Whatever comes on the last day, it ends with a piece of its own, without length after an event that day.
    rows, stop = np.append(row, np.arange(n)), np.append(day + 1.0, end)
    event, ended = np.arange(len(rows)) < len(row), np.append(np.zeros(len(row), dtype=bool), dead)
    order = np.lexsort((~event, stop, rows))
    rows, stop, event, ended = rows[order], stop[order], event[order], ended[order]
    first = np.append(True, np.diff(rows) != 0)
    start = np.where(first, 0.0, np.append(0.0, stop[:-1]))
    return counts.Pieces(rows.astype(np.int64), start, stop.astype(float), event, ended)


@pytest.mark.slow
@pytest.mark.parametrize("dying", [False, True])
def test_intervals_of_mean_counts_hold_the_truth(dying: bool) -> None:
    # Alive before day u with chance (1 - q)^(u - 1); an event on the day of death counts.
    truth = DAILY * sum((1 - DYING * dying) ** (day - 1) for day in range(1, DAYS + 1))
    random = np.random.default_rng([SEED, 200 + dying])
    held = []
    for _ in range(RUNS):
        result = counts.mean_counts(daily(random, 150, dying=dying), 150)
        low, high = hazard_limits(result.mean[-1:], result.mean_error[-1:], conf_level=0.95)
        held.append(low[0] <= truth <= high[0])
    assert_covered(np.array(held))


def test_the_share_of_intervals_can_fail() -> None:
    bad: Any = np.arange(RUNS) % 100 < 93
    with pytest.raises(AssertionError):
        assert_covered(bad)
