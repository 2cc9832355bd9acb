"""Diagnoses and treatments other than opioids and devices."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ...dates import DAYS_PER_YEAR, NO_DAY
from .draws import Flags, Whole, in_days
from .parameters import Parameters
from .people import People
from .rows import Block, build, where, word_codes

_MOST_PROCEDURES = 3


def conditions_table(people: People, p: Parameters, last_surgery: Whole, patient_id: pa.Array) -> pa.Table:
    """Return the diagnoses: FBSS near eligibility, what was known before it, and what was new after it."""
    days = _days_of_conditions(people, p, last_surgery)
    codes = word_codes("condition", list(days))
    blocks = [
        where(day != NO_DAY, date=day, condition=np.full(people.number, code))
        for code, day in zip(codes, days.values(), strict=True)
    ]
    return build("conditions", blocks, patient_id)


def _days_of_conditions(people: People, p: Parameters, last_surgery: Whole) -> dict[str, Whole]:
    draws = people.draws
    fbss = np.maximum(people.eligible - draws.days("fbss recorded", (0, 60)), last_surgery + 30)
    days = {"fbss": np.maximum(fbss, people.start)}
    had = {name: draws.below(f"had {name}", p.number(f"conditions.prevalence.{name}"))
           for name in p.group("conditions.prevalence")}  # fmt: skip
    had |= _had_by_trait(people, p)
    for name, is_known in had.items():
        first = people.eligible - 365 if name in ("chronic_pain", "low_back_pain", "radiculopathy") else people.start
        span = people.eligible - first
        day = first + np.floor(draws.uniform(f"{name} recorded") * span).astype(np.int64)
        days[name] = np.where(is_known, day, NO_DAY)
    for name in p.group("conditions.incidence"):
        day = people.eligible + draws.wait(f"new {name}", p.number(f"conditions.incidence.{name}"))
        at_risk = days.get(name, np.full(people.number, NO_DAY)) == NO_DAY
        if name in ("opioid_use_disorder", "overdose"):
            at_risk &= people.is_user
        is_new = at_risk & (day <= people.end)
        days[name] = np.where(is_new, day, days.get(name, np.full(people.number, NO_DAY)))
    return days


def _had_by_trait(people: People, p: Parameters) -> dict[str, Flags]:
    anxiety = np.where(
        people.has_depression,
        p.number("conditions.anxiety_with_depression"),
        p.number("conditions.anxiety_without_depression"),
    )
    constipation = np.where(
        people.is_user, p.number("conditions.constipation_of_users"), p.number("conditions.constipation_of_others")
    )
    disorder = np.where(people.is_user, p.number("conditions.opioid_use_disorder_of_users"), 0.0)
    return {
        "depression": people.has_depression,
        "anxiety": people.draws.below("had anxiety", anxiety),
        "constipation": people.draws.below("had constipation", constipation),
        "opioid_use_disorder": people.draws.below("had opioid_use_disorder", disorder),
    }


def therapies_table(people: People, p: Parameters, patient_id: pa.Array) -> pa.Table:
    """Return drugs as spans and procedures as days, before and after eligibility."""
    return build("therapies", therapies_rows(people, p), patient_id)


def therapies_rows(people: People, p: Parameters) -> list[Block]:
    """Return the rows of the therapies table."""
    blocks: list[Block] = []
    for name in p.group("therapies.drugs"):
        blocks += _drug(people, p, name)
    for name in p.group("therapies.procedures"):
        blocks += _procedure(people, p, name)
    return blocks


def therapy_rows(mask: Flags, name: str, start: Whole, end: npt.NDArray[np.int64] | None = None) -> Block:
    """Return a treatment as a day or, with an end, as a span."""
    code = word_codes("therapy", [name])[0]
    last = np.full(len(mask), NO_DAY, dtype=np.int64) if end is None else end
    return where(mask, date=start, end_date=last, therapy=np.full(len(mask), code))


def _drug(people: People, p: Parameters, name: str) -> list[Block]:
    draws, eligible = people.draws, people.eligible
    takes = draws.below(name, p.number(f"therapies.drugs.{name}"))
    since = in_days(draws.exponential(f"{name} since") * p.number("therapies.since_mean_years"))
    until = in_days(draws.exponential(f"{name} until") * p.number("therapies.span_mean_years"))
    start = np.maximum(eligible - since, people.pharmacy_start)
    blocks = [therapy_rows(takes, name, start, np.minimum(eligible + until, people.end))]
    new = eligible + draws.wait(f"{name} new", p.number(f"therapies.drug_starts.{name}"))
    stop = new + in_days(draws.exponential(f"{name} new until") * p.number("therapies.span_mean_years"))
    return [*blocks, therapy_rows(~takes & (new <= people.end), name, new, np.minimum(stop, people.end))]


def _procedure(people: People, p: Parameters, name: str) -> list[Block]:
    draws, eligible = people.draws, people.eligible
    had = draws.below(name, p.number(f"therapies.procedures.{name}"))
    blocks = []
    for k in range(_MOST_PROCEDURES):
        had = had if k == 0 else had & draws.below(f"{name} again", 0.45, k)
        day = eligible - draws.days(f"{name} before", (1, DAYS_PER_YEAR - 1), k)
        blocks.append(therapy_rows(had, name, day))
    if name in p.group("therapies.procedure_rates"):
        now = eligible
        for k in range(_MOST_PROCEDURES):
            now = now + draws.wait(f"{name} after", p.number(f"therapies.procedure_rates.{name}"), k)
            blocks.append(therapy_rows(now <= people.end, name, now))
    return blocks
