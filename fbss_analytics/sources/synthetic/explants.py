"""Why and when a stimulator is removed: cause-specific hazards, infection, and what comes after a removal."""

from __future__ import annotations

import numpy as np

from .draws import NEVER, Draws, Flags, Numbers, Whole, in_days, to_weibull
from .parameters import Parameters
from .people import SMOKING, People
from .rows import word_codes

INADEQUATE_RELIEF, INFECTION, END_OF_LIFE = "inadequate_relief", "infection", "battery_end_of_life"


def log_hazard_ratio(people: People, p: Parameters, mme: Numbers, rechargeable: Flags) -> Numbers:
    """Return the log hazard ratio of removal for inadequate relief, against the average patient."""

    def log_of(name: str) -> float:
        return float(np.log(p.number(f"explant.hazard_ratios.{name}")))

    total = log_of("mme_per_doubling") * np.log2(1 + mme / 25)
    total = total + log_of("female") * people.is_female
    total = total + log_of("current_smoker") * (people.smoking == SMOKING.index("current"))
    total = total + log_of("depression") * people.has_depression
    total = total + log_of("disability_pension") * people.has_pension
    total = total + log_of("gabapentinoid") * people.takes_gabapentinoid
    total = total + log_of("rechargeable") * rechargeable
    total = total + log_of("age_per_decade") * (people.age - 54) / 10
    total = total + log_of("frailty") * people.frailty
    return np.asarray(total - p.number("explant.hazard_ratios.mean_log"), dtype=np.float64)


def removal(
    draws: Draws, p: Parameters, system: int, log_ratio: Numbers, *, section: str = "explant"
) -> tuple[Whole, Whole]:
    """Return the days from implant to removal by its earliest cause (infection apart), and the cause as a code."""
    causes = p.group(f"{section}.baseline")
    codes = word_codes("device_reason", causes)
    days = np.full(len(log_ratio), NEVER)
    reason = np.full(len(log_ratio), -1, dtype=np.int64)
    for cause, code in zip(causes, codes, strict=True):
        cumulative, shape = p.pair(f"{section}.baseline.{cause}")
        ratio = np.exp(log_ratio) if cause == INADEQUATE_RELIEF else np.ones(len(log_ratio))
        years = to_weibull(draws.exponential(f"explant {cause}", system), cumulative * ratio, 3.0, shape)
        day = in_days(years)
        reason = np.where(day < days, code, reason)
        days = np.minimum(days, day)
    return days, reason


def infection(draws: Draws, p: Parameters, system: int, *, section: str = "explant") -> tuple[Whole, Whole]:
    """Return the days from implant to a deep infection, and to the removal it leads to."""
    infected = draws.below("infected", p.number(f"{section}.infection.infected"), system)
    spread = np.exp(p.number(f"{section}.infection.sigma") * draws.normal("infection day", system))
    day = np.ceil(p.number(f"{section}.infection.median_days") * spread).astype(np.int64)
    removed = draws.below("infection removed", p.number(f"{section}.infection.explanted"), system)
    wait = draws.days("infection removal", p.pair(f"{section}.infection.until_explant_days"), system)
    return np.where(infected, day, NEVER), np.where(infected & removed, day + wait, NEVER)


def next_implant(
    draws: Draws, p: Parameters, system: int, removed: Whole, reason: Whole, *, section: str = "explant"
) -> Whole:
    """Return the day of the next system after a removal, `NEVER` where there is none."""
    share = np.zeros(len(removed))
    for cause in p.group(f"{section}.reimplant"):
        if cause.startswith("wait_"):
            continue
        code = word_codes("device_reason", [cause])[0]
        share = np.where(reason == code, p.number(f"{section}.reimplant.{cause}"), share)
    again = draws.below("reimplanted", share, system)
    spread = np.exp(p.number(f"{section}.reimplant.wait_sigma") * draws.normal("reimplant wait", system))
    least = np.where(
        reason == word_codes("device_reason", [INFECTION])[0],
        p.number(f"{section}.reimplant.wait_after_infection_days"),
        p.number(f"{section}.reimplant.wait_least_days"),
    )
    wait = np.maximum(np.ceil(p.number(f"{section}.reimplant.wait_median_days") * spread), least).astype(np.int64)
    return np.where(again & (removed < NEVER), removed + wait, NEVER)
