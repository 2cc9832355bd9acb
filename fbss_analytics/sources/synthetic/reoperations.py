"""When a patient is operated on again after an index operation, and why: early and late causes, one after the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .. import schema
from .draws import NEVER, Draws, Flags, Numbers, Whole, in_days, to_truncated_normal, to_weibull
from .parameters import Parameters
from .people import People
from .rows import word_codes
from .surgical_people import DECOMPRESSION, DISC, FAMILIES, FUSION, LOWEST, Candidates

MOST = 6
_EARLY_LAST_DAY = 90
_LATE_FIRST_DAY = 14
_SAME_FAMILY = -1
# What is done about each reason, and the kind of spine it leaves (the one before where it changes nothing).
PROCEDURES = (
    "discectomy", "decompression", "laminectomy", "fusion", "decompression_fusion", "hardware_removal", "debridement",
    "dural_repair",
)  # fmt: skip
_FAMILY_OF = (DISC, DECOMPRESSION, DECOMPRESSION, FUSION, FUSION, _SAME_FAMILY, _SAME_FAMILY, _SAME_FAMILY)
_SAME_LEVEL = ("ssi", "haematoma", "csf_leak", "hardware", "pseudarthrosis", "instability")


@dataclass(frozen=True, eq=False)
class Reoperations:
    """Operations after the index operation, in order; arrays have shape (operations, patients).

    ``day`` is `NEVER` where there is none in observation. ``is_early`` marks complications of the operation before;
    ``family`` is the kind of spine after it.
    """

    day: Whole
    reason: Whole
    procedure: Whole
    top: Whole
    bottom: Whole
    family: Whole
    is_early: Flags


def make_reoperations(people: People, p: Parameters, who: Candidates) -> Reoperations:
    """Draw the reoperations one after the other; the clock begins again at each."""
    ratio_early, ratio_late = early_log_ratio(people, p, who), late_log_ratio(people, p, who)
    since, family, top, bottom = people.eligible, who.family, who.top, who.bottom
    kept: list[tuple[Whole, ...]] = []
    for k in range(MOST):
        again = p.number("reoperation.ratios.after_reoperation") if k else 1.0
        has_next = (top > 0) | (bottom < LOWEST)
        days, reason, is_early = _next(people, p, who, k, family, has_next, ratio_early, ratio_late + np.log(again))
        day = np.minimum(since + days, NEVER)
        happens = (day <= people.end) & (since < NEVER)
        day = np.where(happens, day, NEVER)
        procedure = _procedure(people.draws, p, k, reason)
        new_top, new_bottom = _levels(people.draws, p, k, reason, top, bottom)
        left = np.array(_FAMILY_OF)[procedure]
        family = np.where(happens & (left != _SAME_FAMILY), np.where(family == FUSION, FUSION, left), family)
        kept.append((day, reason, procedure, new_top, new_bottom, family, is_early & happens))
        top = np.where(happens, np.minimum(top, new_top), top)
        bottom = np.where(happens, np.maximum(bottom, new_bottom), bottom)
        since = day
    return Reoperations(*(np.array(each) for each in zip(*kept, strict=True)))


def _log(p: Parameters, name: str) -> float:
    return float(np.log(p.number(f"reoperation.ratios.{name}")))


def early_log_ratio(people: People, p: Parameters, who: Candidates) -> Numbers:
    """Return the log ratio of the risk of an early complication against the average patient."""
    total = _log(p, "early_osteoporosis") * who.has_osteoporosis + _log(p, "early_diabetes") * who.has_diabetes
    total = total + _log(p, "early_bmi_from_40") * (who.bmi >= 40) + _log(p, "early_asa_from_3") * (who.asa >= 3)
    total = total + _log(p, "early_multilevel") * who.is_multilevel + _log(p, "early_prior") * who.has_prior
    return np.asarray(total - p.number("reoperation.ratios.early_mean_log"), dtype=np.float64)


def late_log_ratio(people: People, p: Parameters, who: Candidates) -> Numbers:
    """Return the log hazard ratio of late reoperation against the average patient, without age and arthritis."""
    fused = who.family == FUSION
    total = _log(p, "late_prior") * who.has_prior + _log(p, "late_smoking") * who.is_smoker
    total = total + _log(p, "late_multilevel_fusion") * (who.is_multilevel & fused)
    total = total + _log(p, "late_multilevel_other") * (who.is_multilevel & ~fused)
    total = total + _log(p, "late_diabetes") * who.has_diabetes + _log(p, "late_depression") * people.has_depression
    total = total + _log(p, "late_obesity") * (who.bmi >= 30) + _log(p, "late_opioid_user") * people.is_user
    total = total + _log(p, "frailty") * people.frailty
    return np.asarray(total - p.number("reoperation.ratios.late_mean_log"), dtype=np.float64)


def _next(
    people: People,
    p: Parameters,
    who: Candidates,
    k: int,
    family: Whole,
    has_next: Flags,
    early: Numbers,
    late: Numbers,
) -> tuple[Whole, Whole, Flags]:
    """Return days to the next operation, its reason as a code, and whether it is an early complication."""
    days = np.full(people.number, NEVER)
    reason = np.full(people.number, -1)
    is_early = np.zeros(people.number, dtype=bool)
    for number, name in enumerate(FAMILIES):
        waits = [(cause, True, _early_days(people.draws, p, k, name, cause, early))
                 for cause in p.group(f"reoperation.early.{name}")]  # fmt: skip
        waits += [(cause, False, _late_days(people, p, who, k, name, cause, late))
                  for cause in p.group(f"reoperation.late.{name}")]  # fmt: skip
        for cause, is_early_cause, wait in waits:
            is_next = (family == number) & (wait < days) & (has_next | (cause != "asd"))
            days = np.where(is_next, wait, days)
            reason = np.where(is_next, word_codes("surgery_reason", [cause])[0], reason)
            is_early = np.where(is_next, is_early_cause, is_early)
    return days, reason, is_early


def _early_days(draws: Draws, p: Parameters, k: int, family: str, cause: str, log_ratio: Numbers) -> Whole:
    share = np.minimum(p.number(f"reoperation.early.{family}.{cause}") * np.exp(log_ratio), 0.8)
    happens = draws.below(f"early {cause}", share, k)
    log_day = to_truncated_normal(
        draws.uniform(f"early {cause} day", k), np.log(p.number(f"reoperation.early_median_days.{cause}")),
        p.number("reoperation.early_sigma"), (0.0, np.log(_EARLY_LAST_DAY)),
    )  # fmt: skip
    return np.where(happens, np.ceil(np.exp(log_day)), NEVER).astype(np.int64)


def _late_days(
    people: People, p: Parameters, who: Candidates, k: int, family: str, cause: str, log_ratio: Numbers
) -> Whole:
    cumulative, shape = p.pair(f"reoperation.late.{family}.{cause}")
    ratio = log_ratio
    if cause == "reherniation":
        ratio = ratio + _log(p, "reherniation_age_per_decade") * (people.age - 45) / 10
    rate = cumulative * np.exp(np.minimum(ratio, 4.0))
    need = people.draws.exponential(f"late {cause}", k)
    # Arthritis acts after the first year only: what is needed beyond it is reached faster.
    first_year = rate * (1 / 3) ** shape
    faster = p.number("reoperation.ratios.arthritis_after_year_1")
    need = np.where(who.has_arthritis & (need > first_year), first_year + (need - first_year) / faster, need)
    # A late cause takes time to show; its hazard begins when the first fortnight, that of the early causes, is over.
    return in_days(to_weibull(need, rate, 3.0, shape)) + _LATE_FIRST_DAY


def _procedure(draws: Draws, p: Parameters, k: int, reason: Whole) -> Whole:
    chosen = np.zeros(len(reason), dtype=np.int64)
    for name in p.group("reoperation.procedure"):
        shares = p.shares(f"reoperation.procedure.{name}")
        places = np.array([PROCEDURES.index(each) for each in shares])
        code = word_codes("surgery_reason", [name])[0]
        chosen = np.where(reason == code, places[draws.choice("reoperation procedure", shares, k)], chosen)
    return chosen


def _levels(draws: Draws, p: Parameters, k: int, reason: Whole, top: Whole, bottom: Whole) -> tuple[Whole, Whole]:
    """Return the levels of an operation: the same, the lowest of the same, or the one next to them."""
    names = np.array(schema.vocabulary("surgery_reason"))[np.maximum(reason, 0)]
    above = (draws.below("level above", p.number("reoperation.adjacent_above"), k) & (top > 0)) | (bottom == LOWEST)
    next_level = np.where(above, np.maximum(top - 1, 0), np.minimum(bottom + 1, LOWEST))
    elsewhere = draws.below("another level", p.number("reoperation.another_level"), k)
    is_adjacent = (names == "asd") | (~np.isin(names, _SAME_LEVEL) & elsewhere)
    is_whole = np.isin(names, _SAME_LEVEL)
    new_top = np.where(is_adjacent, next_level, np.where(is_whole, top, bottom))
    return new_top, np.where(is_adjacent, next_level, bottom)
