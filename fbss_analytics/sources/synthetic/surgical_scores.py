"""Scores before and after an index operation, with visits that those who fare badly attend less often."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from ...dates import DAYS_PER_YEAR
from .draws import Flags, Numbers, Whole, expit
from .parameters import Parameters
from .people import People
from .persistent_pain import Pain, in_pain
from .reoperations import Reoperations
from .rows import Block, build
from .scores import baseline_value, score_rows
from .surgical_people import Candidates
from .trials import Trials

_MONTHS = {"m3": 3, "m12": 12, "m24": 24, "m60": 60, "m120": 120}
_BASELINE = ("nrs_back", "nrs_leg", "odi", "eq5d", "phq9", "bmi")
# Change of a score per unit of relief; pain itself falls in proportion.
_CHANGE = {"odi": -45.0, "eq5d": 0.66}
_AT_VISITS = ("nrs_back", "nrs_leg", "odi", "eq5d")


@dataclass(frozen=True, eq=False)
class Course:
    """What the visits show: the patients, their operations, pain and devices."""

    people: People
    who: Candidates
    again: Reoperations
    pain: Pain
    trials: Trials
    removed: Whole


def surgical_scores(course: Course, p: Parameters, patient_id: pa.Array) -> pa.Table:
    """Return the scores at baseline and at visits up to ten years."""
    people, draws = course.people, course.people.draws
    baseline = {name: baseline_value(people, p, name) for name in _BASELINE} | {"bmi": course.who.bmi}
    day = people.eligible - draws.days("baseline visit", (0, 21))
    duration = p.number("scores.pain_duration_median_months") * np.exp(
        p.number("scores.pain_duration_sigma") * draws.normal("pain duration"))  # fmt: skip
    values = baseline | {"pain_duration": np.minimum(duration, 12 * (people.age - 15))}
    blocks = [
        score_rows(name, ~draws.below(f"missing {name}", p.number("scores.missing_baseline")), day, value)
        for name, value in values.items()
    ]
    for number, name in enumerate(_MONTHS, start=1):
        blocks += _visit(course, p, baseline, number, name)
    return build("measurements", blocks, patient_id)


def _visit(course: Course, p: Parameters, baseline: dict[str, Numbers], number: int, name: str) -> list[Block]:
    people, draws = course.people, course.people.draws
    day = people.eligible + int(_MONTHS[name] * DAYS_PER_YEAR / 12) + draws.days("visit", (-14, 28), number)
    hurts = in_pain(course.pain, course.again, day)
    came = draws.below("attendance", _attendance(course, p, name, hurts), number) & (day <= people.end)
    relief = _relief(course, p, day, hurts, number)
    blocks = []
    for score in _AT_VISITS:
        if score.startswith("nrs"):
            value = np.clip(baseline[score], 0, 10) * (1 - relief)
        else:
            value = baseline[score] + _CHANGE[score] * relief
        value = value + 0.3 * p.pair(f"scores.{score}")[1] * draws.normal(f"{score} at visit", number)
        blocks.append(score_rows(score, _known(people, p, came, score, number), day, value))
    if name in ("m12", "m24"):
        answer = _satisfaction(course, p, hurts, number)
        blocks.append(score_rows("satisfaction_nass", _known(people, p, came, "satisfaction", number), day, answer))
    return blocks


def _known(people: People, p: Parameters, came: Flags, score: str, number: int) -> Flags:
    return came & ~people.draws.below(f"missing {score} at visit", p.number("scores.missing_visit"), number)


def _attendance(course: Course, p: Parameters, name: str, hurts: Flags) -> Numbers:
    share = p.shares("scores.attendance")[name]
    odds = np.log(share / (1 - share)) + p.number("attendance.smoking") * course.who.is_smoker
    odds = odds + p.number("attendance.prior") * course.who.has_prior
    odds = odds + p.number("attendance.pain") * hurts + p.number("attendance.depression") * course.people.has_depression
    return expit(np.asarray(odds, dtype=np.float64))


def _relief(course: Course, p: Parameters, day: Whole, hurts: Flags, number: int) -> Numbers:
    """Return the share of pain taken away: much in most, little where pain persists, some back by a stimulator."""
    draws = course.people.draws
    spread = 0.8 * draws.normal("relief") + 0.6 * draws.normal("relief at visit", number)
    good, poor = p.pair("scores.relief_good"), p.pair("scores.relief_poor")
    mean, sd = (np.where(hurts, bad, well) for bad, well in zip(poor, good, strict=True))
    relief = mean + sd * spread
    stimulated = (course.trials.implant <= day) & (day < course.removed)
    relief = np.where(hurts & stimulated, np.maximum(relief, course.trials.lasting_relief), relief)
    return np.asarray(np.clip(relief, -0.5, 1), dtype=np.float64)


def _satisfaction(course: Course, p: Parameters, hurts: Flags, number: int) -> Numbers:
    """Return the NASS answer: 1 and 2 satisfied, 3 and 4 not."""
    draws, who = course.people.draws, course.who
    odds = np.where(hurts, p.number("satisfaction.odds_in_pain"), p.number("satisfaction.odds"))
    odds = odds + p.number("satisfaction.smoking") * who.is_smoker + p.number("satisfaction.prior") * who.has_prior
    odds = odds + p.number("satisfaction.depression") * course.people.has_depression
    odds = odds + p.number("satisfaction.opioid_user") * course.people.is_user
    unhappy = draws.below("dissatisfied", expit(np.asarray(odds, dtype=np.float64)), number)
    stronger = draws.below("how satisfied", np.where(unhappy, 0.45, 0.62), number)
    return np.select([unhappy & stronger, unhappy, stronger], [4.0, 3.0, 1.0], 2.0)
