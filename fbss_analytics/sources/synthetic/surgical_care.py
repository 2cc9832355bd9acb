"""Diagnoses, opioid use and other treatments of a surgical cohort, where they differ from those of a device cohort."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa

from ...dates import NO_DAY
from .care import therapies_rows, therapy_rows
from .draws import NEVER, Flags, Whole, in_days
from .parameters import Parameters
from .people import People
from .persistent_pain import Pain
from .reoperations import Reoperations
from .rows import build, where, word_codes
from .spells import SPELLS, Spells
from .surgical_people import FUSION, Candidates

_AFTER_PAIN = ("gabapentinoid", "snri", "epidural_steroid", "physical_therapy")
_PROCEDURES = ("epidural_steroid", "physical_therapy")


def surgical_conditions(
    people: People, p: Parameters, who: Candidates, again: Reoperations, pain: Pain, patient_id: pa.Array
) -> pa.Table:
    """Return diagnoses known before the index operation, new ones, complications, adjacent segments and FBSS."""
    days = _before(people, p, who) | {"fbss": np.where(pain.fbss < NEVER, pain.fbss, NO_DAY)}
    days["adjacent_segment_disease"] = _adjacent(people, p, who, again)
    for name in p.group("conditions.incidence"):
        wait = people.draws.wait(f"new {name}", p.number(f"conditions.incidence.{name}"))
        is_new = (days[name] == NO_DAY) & (people.eligible + wait <= people.end)
        days[name] = np.where(is_new, people.eligible + wait, days[name])
    codes = word_codes("condition", list(days))
    blocks = [where(day != NO_DAY, date=day, condition=np.full(people.number, code))
              for code, day in zip(codes, days.values(), strict=True)]  # fmt: skip
    infected = again.reason == word_codes("surgery_reason", ["ssi"])[0]
    code = word_codes("condition", ["surgical_site_infection"])[0]
    blocks += [where(infected[k] & (again.day[k] < NEVER), date=again.day[k], condition=np.full(people.number, code))
               for k in range(len(again.day))]  # fmt: skip
    return build("conditions", blocks, patient_id)


def _before(people: People, p: Parameters, who: Candidates) -> dict[str, Whole]:
    draws = people.draws
    had = {name: draws.below(f"had {name}", p.number(f"conditions.prevalence.{name}"))
           for name in p.group("conditions.prevalence")}  # fmt: skip
    had |= {
        "depression": people.has_depression,
        "diabetes": who.has_diabetes,
        "osteoporosis": who.has_osteoporosis,
        "rheumatoid_arthritis": who.has_arthritis,
        "obesity": (who.bmi >= 30) & draws.below("obesity coded", p.number("conditions.obesity_coded")),
    }
    span = people.eligible - people.start
    first = {name: people.start + np.floor(draws.uniform(f"{name} recorded") * span).astype(np.int64) for name in had}
    return {name: np.where(is_known, first[name], NO_DAY) for name, is_known in had.items()}


def _adjacent(people: People, p: Parameters, who: Candidates, again: Reoperations) -> Whole:
    """Return the day adjacent segment disease is recorded: before its operation, or without one."""
    draws = people.draws
    for_it = (again.reason == word_codes("surgery_reason", ["asd"])[0]) & (again.day < NEVER)
    operated = np.where(for_it, again.day, NEVER).min(axis=0)
    since = np.where(who.family == FUSION, people.eligible, NEVER)
    for k in range(len(again.day)):
        since = np.minimum(since, np.where((again.family[k] == FUSION) & (again.day[k] < NEVER), again.day[k], NEVER))
    known = np.maximum(operated - draws.days("adjacent segment known", (14, 240)), since + 1)
    wait = draws.wait("adjacent segment", p.number("reoperation.adjacent_not_operated"))
    day = np.minimum(np.where(operated < NEVER, known, NEVER), since + wait)
    return np.where(day <= people.end, day, NO_DAY)


def surgical_spells(people: People, p: Parameters, spells: Spells, pain: Pain) -> Spells:
    """Return the spells with what a lumbar operation adds: in some who took none, use after it goes on."""
    draws = people.draws
    hurts = pain.since == people.eligible
    share = np.where(hurts, p.number("opioids.persistent_in_pain"), p.number("opioids.persistent"))
    persists = ~people.is_user & draws.below("persistent opioid use", share)
    begin, stop = spells.begin.copy(), spells.stop.copy()
    begin[1] = np.where(persists, people.eligible + draws.days("persistent use from", (5, 21)), begin[1])
    length = draws.wait("persistent use", p.number("opioids.persistent_stop"))
    stop[1] = np.where(persists, begin[1] + np.maximum(length, 90), stop[1])
    begin[2:SPELLS] = np.where(persists, NEVER, begin[2:SPELLS])
    stop[2:SPELLS] = np.where(persists, NEVER, stop[2:SPELLS])
    return replace(spells, begin=begin, stop=stop, conventional_stop=stop)


def surgical_therapies(people: People, p: Parameters, pain: Pain, patient_id: pa.Array) -> pa.Table:
    """Return the treatments of everyone, and those that begin when pain after the operation is recognised."""
    draws, blocks = people.draws, therapies_rows(people, p)
    for name in _AFTER_PAIN:
        day = np.where(pain.fbss < NEVER, pain.fbss, NEVER) + draws.days(f"{name} for fbss", (0, 120))
        treated: Flags = draws.below(f"{name} for fbss given", p.number("therapies.for_fbss")) & (day <= people.end)
        span = in_days(draws.exponential(f"{name} for fbss span") * p.number("therapies.span_mean_years"))
        end = None if name in _PROCEDURES else np.minimum(day + span, people.end)
        blocks.append(therapy_rows(treated, name, day, end))
    return build("therapies", blocks, patient_id)
