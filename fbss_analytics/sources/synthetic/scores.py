"""Scores at the baseline visit and at visits after it: pain, function, mood, sleep, impression of change."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from ...dates import DAYS_PER_YEAR
from .. import schema
from .draws import NEVER, Flags, Numbers, Whole
from .parameters import Parameters
from .people import People
from .pump_trials import PumpTrials
from .rows import Block, build, where, word_codes
from .trials import Trials

_MONTHS = {"m3": 3, "m6": 6, "m12": 12, "m24": 24, "m36": 36}
_PUMP_VISITS = 10
_DECIMALS = {"eq5d": 3, "bmi": 1}
# Change of a score per unit of relief (1 is full relief of leg pain); pain itself falls in proportion.
_CHANGE = {"odi": -26.0, "eq5d": 0.38, "phq9": -4.0, "sleep": -2.6}
_AT_VISITS = ("nrs_back", "nrs_leg", "odi", "eq5d", "sleep")
_AT_YEARS = ("phq9",)
_BASELINE = ("nrs_back", "nrs_leg", "odi", "eq5d", "phq9", "anxiety", "pain_catastrophizing", "sleep", "bmi")


@dataclass(frozen=True, eq=False)
class _Visit:
    """A visit of everyone: its day, who came, and the latent relief of back and leg pain then."""

    name: str
    day: Whole
    came: Flags
    back: Numbers
    leg: Numbers
    number: int


def measurements_table(
    people: People, p: Parameters, trials: Trials, removed: Whole, pumps: PumpTrials, pump_removed: Whole,
    patient_id: pa.Array,
) -> pa.Table:  # fmt: skip
    """Return the scores; on ``removed`` the first stimulator, on ``pump_removed`` the pump stops relieving."""
    baseline = {name: baseline_value(people, p, name) for name in _BASELINE}
    blocks = _baseline_rows(people, p, baseline)
    for number, name in enumerate(_MONTHS, start=1):
        visit = _visit(people, p, trials, removed, number, name)
        # Once a pump is planned that leads to an implant, visits are counted from the implant.
        goes_on = (pumps.implant >= NEVER) | (visit.day < pumps.decision)
        blocks += _visit_rows(people, p, baseline, replace(visit, came=visit.came & goes_on))
        blocks += _visit_rows(people, p, baseline, _pump_visit(people, p, pumps, pump_removed, number, name))
    return build("measurements", blocks, patient_id)


def limited(name: str, value: Numbers) -> Numbers:
    """Return values rounded as the score is recorded, within its range."""
    limits = schema.measures()[name]
    step = 2.0 if name == "odi" else 1.0
    rounded = np.round(value / step, _DECIMALS.get(name, 0)) * step
    low = 13.0 if name == "bmi" else limits["minimum"]
    return np.asarray(np.round(np.clip(rounded, low, limits["maximum"]), 3), dtype=np.float64)


def baseline_value(people: People, p: Parameters, name: str) -> Numbers:
    """Return a score at baseline before rounding; scores share a severity, and mood goes with depression."""
    mean, sd = p.pair(f"scores.{name}")
    depressed = {"phq9": 4.0, "anxiety": 3.0, "pain_catastrophizing": 4.0}.get(name, 0.0)
    shift = depressed * (people.has_depression - p.number("conditions.depression"))
    loading = p.number("scores.severity") * {"eq5d": -1.0, "bmi": 0.0}.get(name, 1.0)
    spread = loading * people.draws.normal("severity")
    spread = spread + np.sqrt(1 - loading**2) * people.draws.normal(f"baseline {name}")
    return np.asarray(mean + shift + sd * spread, dtype=np.float64)


def score_rows(name: str, mask: Flags, day: Whole, value: Numbers) -> Block:
    """Return one recorded score for each patient where the mask holds."""
    code = word_codes("measure", [name])[0]
    unit = str(schema.measures()[name]["unit"])
    measure = np.full(len(mask), code)
    return where(mask, date=day, measure=measure, value=limited(name, value), unit=unit, source="clinic")


def _baseline_rows(people: People, p: Parameters, baseline: dict[str, Numbers]) -> list[Block]:
    draws = people.draws
    day = people.eligible - draws.days("baseline visit", (0, 21))
    duration = np.exp(p.number("scores.pain_duration_sigma") * draws.normal("pain duration"))
    duration = p.number("scores.pain_duration_median_months") * duration
    # Pain cannot be older than the patient's adult life.
    values = baseline | {"pain_duration": np.minimum(duration, 12 * (people.age - 15))}
    blocks = []
    for name, value in values.items():
        known = ~draws.below(f"missing {name}", p.number("scores.missing_baseline"))
        blocks.append(score_rows(name, known, day, value))
    return blocks


def _visit(people: People, p: Parameters, trials: Trials, removed: Whole, number: int, name: str) -> _Visit:
    draws, implanted = people.draws, trials.implant < NEVER
    start = np.where(implanted, trials.implant, people.eligible)
    months = _MONTHS[name]
    day = start + int(months * DAYS_PER_YEAR / 12) + draws.days("visit", (-14, 21), number)
    came = draws.below("attendance", p.shares("scores.attendance")[name], number) & (day <= people.end)
    working = implanted & (day < removed)
    waning = p.number("scores.waning_per_year") * months / 12
    leg = np.where(working, trials.lasting_relief + waning, _conventional_relief(people, p, "leg", number))
    spread = p.number("scores.relief_sd") * 0.5 * draws.normal("back relief")
    difference = p.number("scores.leg_relief_scs") - p.number("scores.back_relief_scs")
    back = np.where(
        working, trials.lasting_relief - difference + waning + spread, _conventional_relief(people, p, "back", number)
    )
    return _Visit(name, day, came, np.clip(back, -0.5, 1), np.clip(leg, -0.5, 1), number)


def _pump_visit(people: People, p: Parameters, pumps: PumpTrials, removed: Whole, number: int, name: str) -> _Visit:
    draws, months, draw = people.draws, _MONTHS[name], _PUMP_VISITS + number
    day = pumps.implant + int(months * DAYS_PER_YEAR / 12) + draws.days("visit", (-14, 21), draw)
    came = draws.below("attendance", p.shares("scores.attendance")[name], draw) & (day <= people.end)
    working = day < removed
    waning = p.number("pump.relief.waning_per_year") * months / 12
    back = np.where(working, pumps.lasting_relief + waning, _conventional_relief(people, p, "back", draw))
    less = p.number("pump.relief.back") - p.number("pump.relief.leg")
    own = 0.5 * p.number("pump.relief.sd") * draws.normal("leg relief by pump")
    leg = np.where(working, pumps.lasting_relief - less + waning + own, _conventional_relief(people, p, "leg", draw))
    return _Visit(name, day, came, np.clip(back, -0.5, 1), np.clip(leg, -0.5, 1), draw)


def _conventional_relief(people: People, p: Parameters, where_felt: str, number: int) -> Numbers:
    lasting = people.draws.normal(f"conventional {where_felt}")
    passing = people.draws.normal(f"conventional {where_felt} at visit", number)
    spread = p.number("scores.relief_conventional_sd") * (0.8 * lasting + 0.6 * passing)
    return np.asarray(p.number("scores.relief_conventional") + spread, dtype=np.float64)


def _visit_rows(people: People, p: Parameters, baseline: dict[str, Numbers], visit: _Visit) -> list[Block]:
    names = _AT_VISITS + (_AT_YEARS if _MONTHS[visit.name] % 12 == 0 else ())
    blocks = []
    for name in names:
        if name.startswith("nrs"):
            relief = visit.leg if name == "nrs_leg" else visit.back
            value = np.clip(baseline[name], 0, 10) * (1 - relief)
        else:
            value = baseline[name] + _CHANGE[name] * visit.leg
        spread = 0.25 * p.pair(f"scores.{name}")[1]
        value = value + spread * people.draws.normal(f"{name} at visit", visit.number)
        blocks.append(score_rows(name, _known(people, p, visit, name), visit.day, value))
    impression = 3.9 - 4.2 * visit.leg + 0.7 * people.draws.normal("pgic", visit.number)
    blocks.append(score_rows("pgic", _known(people, p, visit, "pgic"), visit.day, impression))
    return blocks


def _known(people: People, p: Parameters, visit: _Visit, name: str) -> Flags:
    return visit.came & ~people.draws.below(f"missing {name} at visit", p.number("scores.missing_visit"), visit.number)
