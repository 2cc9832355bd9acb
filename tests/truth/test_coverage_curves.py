"""Coverage of Kaplan-Meier and Aalen-Johansen intervals with delayed entry, on data drawn from the very model.

Hazards are constant, so that truths are closed forms. 4,000 runs each, seeds fixed before the first; the 99.9 %
Monte-Carlo interval of the coverage (1.1 points either way) must lie inside 93 to 97 %. Declared beforehand: with 30
rows log-log intervals of a risk stay within 90 to 98 %; nothing else is expected to depart.
"""

from __future__ import annotations

import numpy as np
import pytest

from fbss_analytics.models.bands import probability_limits
from fbss_analytics.models.kernels import aalen_johansen

RUNS, SEED = 4_000, 20261121
Z999 = 3.290526731491896
RATE, DYING, DAY = 0.5, 0.25, 1.5
"""Rates of the event and of death in a unit of time, and the time at which risks are judged."""


def covered(held: np.ndarray) -> tuple[float, float]:
    """Return the limits of the 99.9 % Monte-Carlo interval of the coverage."""
    share = held.mean()
    room = Z999 * np.sqrt(share * (1 - share) / len(held))
    return float(share - room), float(share + room)


def seen_late(
    random: np.random.Generator, time: np.ndarray, rows: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return which rows are ever seen, their entry, stop and whether the time was reached.

    Half enter at 0, the others uniformly up to 1 if nothing has ended before; all are followed to at most 2 to 3.
    """
    entry = np.where(random.uniform(size=len(time)) < 0.5, 0.0, random.uniform(0, 1, len(time)))
    end = random.uniform(2, 3, len(time))
    chosen = np.flatnonzero(time > entry)[:rows]
    stop = np.minimum(time, end)[chosen]
    return chosen, entry[chosen], stop, (time <= end)[chosen]


def risks(random: np.random.Generator, rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return entry, stop and cause (0 censored, 1 the event, 2 death) of rows seen late."""
    first, second = random.exponential(1 / RATE, 2 * rows), random.exponential(1 / DYING, 2 * rows)
    chosen, entry, stop, happened = seen_late(random, np.minimum(first, second), rows)
    return entry, stop, np.where(happened, np.where(first < second, 1, 2)[chosen], 0).astype(np.int64)


def intervals(random: np.random.Generator, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Return, run by run, whether the log-log intervals of survival and of the event's risk at `DAY` hold the truth."""
    both = RATE + DYING
    truth = np.array([np.exp(-both * DAY), RATE / both * (1 - np.exp(-both * DAY))])
    held = []
    for _ in range(RUNS):
        entry, stop, cause = risks(random, rows)
        steps = aalen_johansen.curves(stop, cause, 2, entry=entry)
        k = int(np.searchsorted(steps.time, DAY, side="right")) - 1
        estimate = np.array([steps.survival[k], steps.incidence[0, k]])
        error = np.array([steps.survival_error[k], steps.incidence_error[0, k]])
        low, high = probability_limits(estimate, error, conf_type="log-log", conf_level=0.95)
        held.append((low <= truth) & (truth <= high))
    survival, risk = np.array(held).T
    return survival, risk


@pytest.mark.slow
def test_kaplan_meier_and_aalen_johansen_with_delayed_entry() -> None:
    for held in intervals(np.random.default_rng([SEED, 2]), 250):
        low, high = covered(held)
        assert low > 0.93
        assert high < 0.97


@pytest.mark.slow
def test_risks_of_thirty_rows_are_less_sure() -> None:
    _, held = intervals(np.random.default_rng([SEED, 3]), 30)
    low, high = covered(held)
    assert low > 0.90
    assert high < 0.98


def test_the_share_of_intervals_can_fail() -> None:
    assert covered(np.arange(RUNS) % 100 < 93)[0] < 0.93
    assert covered(np.arange(RUNS) % 100 < 97)[1] > 0.97
