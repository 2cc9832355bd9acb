"""Fabricated courses for the figures of questions 2 to 4: no simulation, the same numbers every time."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd

import fbss_analytics as fbss
from fbss_analytics.models.multiverse import Multiverse

STATES = ["on pump, free", "on pump, using", "pump out", "dead", "unobserved"]
BANDS = ["0", "1-49", "50-89", "90 or more"]
N = 400
LEAVING = {
    "on pump, using": (160, [0.75, 0, 0.07, 0.06, 0.12]),
    "on pump, free": (420, [0, 0.7, 0.1, 0.1, 0.1]),
    "pump out": (900, [0, 0, 0, 0.7, 0.3]),
    "unobserved": (300, [0.5, 0.5, 0, 0, 0]),
}
"""Mean days in a state, and the chances of each next one."""


@cache
def courses() -> pd.DataFrame:
    """Return who is in which state when, over five years, for 400 pumps."""
    random = np.random.default_rng(11)
    rows = []
    for row in range(N):
        day, state, end = 0, "on pump, using", int(random.integers(500, 1826))
        while day < end:
            mean, chances = LEAVING[state]
            stop = min(end, day + 1 + int(random.exponential(mean)))
            rows.append((row, day, stop, state))
            day, state = stop, str(random.choice(STATES, p=chances))
            if state == "dead" and day < end:
                rows.append((row, day, day, "dead"))
                break
    return pd.DataFrame(rows, columns=["row", "start_day", "stop_day", "state"])


@cache
def occupancy() -> fbss.Curve:
    """Return the state occupancy of the pumps."""
    return fbss.estimate_state_occupancy(courses(), states=STATES)


@cache
def reoperations(by: str | None = None) -> fbss.Curve:
    """Return the mean number of reoperations, death ending it."""
    random = np.random.default_rng(12)
    rows = []
    for row in range(N):
        prior = bool(row % 2)
        day, end, dies = 0, int(random.integers(400, 3650)), random.random() < 0.12
        frailty = random.gamma(1.0) * (1.7 if prior else 1.0)
        while (next_day := day + 1 + int(random.exponential(2600 / (frailty + 0.05)))) < end:
            rows.append((row, day, next_day, "event", prior))
            day = next_day
        rows.append((row, day, end, "death" if dies else "censored", prior))
    frame = pd.DataFrame(rows, columns=["row", "start_day", "stop_day", "status", "prior"])
    frame["prior_surgery"] = np.where(frame["prior"], "prior surgery", "no prior surgery")
    return fbss.estimate_mean_cumulative_count(frame, terminal="death", outcome="reoperations", by=by)


@cache
def trajectory(by: str | None = "group") -> fbss.Trajectory:
    """Return opioid doses from two years before to two years after day 0."""
    random = np.random.default_rng(13)
    months = np.array([m for m in range(-24, 25) if m])
    rows = []
    for row in range(300):
        group = "spinal cord stimulation" if row % 2 else "conventional management"
        level, taker = np.exp(random.normal(3.7, 0.9)), random.random()
        for month in months:
            if month > 0 and random.random() < 0.004 * month:
                break
            before = 0.55 + 0.008 * (month + 24) if month < 0 else 0.74 - 0.004 * month * (1 + (row % 2))
            using = taker < before
            dose = level * (1 + 0.015 * (month + 24) if month < 0 else 1.36 - 0.006 * month * (1 + (row % 2)))
            start = 30 * (month - 1) + 1 if month > 0 else 30 * month
            rows.append((row, group, month, start, start + 30, float(using), dose * using))
    columns = ["row", "group", "month", "start_day", "stop_day", "is_using", "mme_per_day"]
    return fbss.estimate_trajectory(pd.DataFrame(rows, columns=columns), by=by)


@cache
def transitions() -> fbss.Transitions:
    """Return dose bands before, and 3, 6, 12 and 24 months after implant."""
    random = np.random.default_rng(14)
    chains = [random.choice(4, p=[0.3, 0.35, 0.2, 0.15]) for _ in range(N)]
    columns = {"before": [BANDS[c] for c in chains]}
    state: list[str] = list(columns["before"])
    for label in ("3 months", "6 months", "1 year", "2 years"):
        for i, now in enumerate(state):
            if now not in BANDS:
                continue
            u = random.random()
            if u < 0.09:
                state[i] = ("explanted", "dead", "not followed")[int(u / 0.03)]
            else:
                state[i] = BANDS[
                    int(np.clip(BANDS.index(now) + random.choice([-1, 0, 0, 1], p=[0.3, 0.3, 0.27, 0.13]), 0, 3))
                ]
        columns[label] = list(state)
    names = {label: label for label in columns}
    return fbss.estimate_transitions(
        pd.DataFrame(columns), states=[*BANDS, "explanted", "dead", "not followed"], columns=names
    )


@cache
def early_and_late() -> fbss.Fit:
    """Return hazard ratios of reoperation in three periods, from one model."""
    random = np.random.default_rng(15)
    n = 3000
    osteoporosis, diabetes = random.random(n) < 0.15, random.random(n) < 0.2
    levels = random.choice(["one level", "two levels", "three or more"], n, p=[0.55, 0.3, 0.15])
    many = np.select([levels == "two levels", levels == "three or more"], [1.3, 1.9], 1.0)
    early = random.exponential(900 / (np.where(osteoporosis, 3.0, 1.0) * np.where(diabetes, 2.0, 1.0)))
    late = 90 + random.exponential(8000 / many, n)
    event, lost = np.where(early <= 90, early, late), random.uniform(500, 3650, n)
    death = random.exponential(15000, n)
    days = np.ceil(np.minimum.reduce([event, lost, death]))
    status = np.where(np.ceil(event) == days, "reoperation", np.where(np.ceil(death) == days, "death", "censored"))
    frame = pd.DataFrame({"days": days, "status": status, "osteoporosis": osteoporosis, "diabetes": diabetes})
    frame["levels"] = pd.Categorical(levels, ["one level", "two levels", "three or more"])
    return fbss.fit_cox(
        frame, duration="days", status="status", event="reoperation", formula="osteoporosis + diabetes + levels",
        periods=(90, 730),
    )  # fmt: skip


@cache
def specifications(*, of_term: bool) -> Multiverse:
    """Return six definitions of a response: shares, or odds ratios of which one could not be estimated."""
    choices = {
        "rule": ["stopped", "stopped", "fall_50", "fall_50", "fall_20", "fall_20"],
        "gap_days": ["30", "180", "", "", "", ""],
        "factors": ["", "", "cdc_2016", "cdc_2022", "cdc_2016", "cdc_2022"],
    }
    middle = np.array([0.4, 0.6, 0.9, 1.0, 1.3, np.nan]) if of_term else np.linspace(0.1, 0.6, 6)
    numbers = {"estimate": middle, "conf_low": 0.8 * middle, "conf_high": 1.25 * middle, "p_value": np.nan}
    counts = {"n": 200, "events": 80, "n_missing": 10, "is_chosen": [False, False, False, True, False, False]}
    why = {"why_missing": ["", "", "", "", "", "the model has no finite estimate" if of_term else ""]}
    frame = pd.DataFrame(choices | numbers | counts | why)
    measure, term = ("OR", "baseline_mme_per_day") if of_term else ("share", "")
    return Multiverse(frame, tuple(choices), measure, term, "fabricated", ())


@cache
def daily() -> fbss.DailyDose:
    """Return fills that overlap, one of them of unknown dose."""
    fills = pd.DataFrame(
        {
            "patient_id": "made up",
            "date": pd.to_datetime(["2020-01-01", "2020-01-01", "2020-02-10"]),
            "ingredient": "oxycodone",
            "form": ["tablet_er", "tablet", "tablet"],
            "route": "oral",
            "strength_value": [30.0, 5.0, np.nan],
            "strength_unit": "mg",
            "quantity": [60, 14, 30],
            "quantity_unit": "unit",
            "days_supply": [30, 7, 10],
        }
    )
    dose = fbss.DoseDefinition(factors="cdc_2022", overlap="concurrent", buprenorphine="exclude")
    return fbss.daily_dose(fills, dose, index_date="2020-01-01", days=(0, 89))
