"""Elimination, relapse, months and states of random histories against a slow day-by-day calculation.

The calculation walks over single days and uses none of the library's interval algebra. Days and states agree exactly,
doses to 1e-9 MME (the library counts doses in steps of 2**-33 MME).
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import numpy as np
import pytest
from spec.notation import build

from fbss_analytics.cohort import Cohort
from fbss_analytics.cohort.verbs import start_cohort
from fbss_analytics.endpoints.elimination import add_opioid_elimination, add_opioid_relapse
from fbss_analytics.endpoints.states import add_opioid_states
from fbss_analytics.exposure.definition import DoseDefinition
from fbss_analytics.exposure.trajectory import add_opioid_trajectory

DOSE = DoseDefinition(factors="cdc_2022", overlap="concurrent", buprenorphine="exclude")
PATIENTS = 400
AT = (20, 90, 365)
UNTIL = 300


@dataclass(frozen=True)
class History:
    """Fills (day, days' supply), pharmacy observation, and death of one patient."""

    fills: tuple[tuple[int, int], ...]
    first: int
    last: int
    death: int | None
    covered: frozenset[int] = field(init=False)

    def __post_init__(self) -> None:
        days = {day for start, n in self.fills for day in range(start, start + n) if start != 0 or day != 0}
        object.__setattr__(self, "covered", frozenset(days))

    @property
    def end(self) -> int:
        """The last day observed: nobody is observed after death."""
        return self.last if self.death is None else min(self.last, self.death)

    def is_observed(self, day: int) -> bool:
        """Whether a fill on this day would have been seen."""
        return self.first <= day <= self.end

    def is_dead(self, day: int) -> bool:
        """Whether the patient is dead on this day."""
        return self.death is not None and day >= self.death


def histories(seed: int) -> list[History]:
    """Return random histories: dense and sparse fills, some not observed from day 0, some who die."""
    chance = random.Random(seed)
    made = []
    for _ in range(PATIENTS):
        n = chance.choice((0, 1, 3, 8, 20))
        fills = tuple((chance.randint(-120, 500), chance.choice((1, 7, 14, 28, 30, 90))) for _ in range(n))
        first = chance.choice((-400, -400, -95, 1, 40))
        last = chance.choice((100, 250, 400, 900, chance.randint(60, 600)))
        death = chance.choice((None, None, chance.randint(1, 500)))
        made.append(History(fills, first, last, death if death is None or death > first else None))
    return made


def cohort_of(people: list[History]) -> Cohort:
    """Return the cohort of these histories."""
    names = [f"p{number:04d}" for number in range(len(people))]
    fills = [
        {"patient_id": name, "date": str(day), "days_supply": str(n)}
        for name, each in zip(names, people, strict=True)
        for day, n in each.fills
    ]
    periods = [
        {"patient_id": name, "start_date": str(each.first), "end_date": str(each.last), "domain": domain}
        for name, each in zip(names, people, strict=True)
        for domain in ("pharmacy", "medical")
    ]
    patients = [
        {"patient_id": name, "birth_year": "1960"} | ({"death_date": str(each.death)} if each.death is not None else {})
        for name, each in zip(names, people, strict=True)
    ]
    source = build({"patients": patients, "observation_periods": periods, "dispensings": fills})
    return start_cohort(source, index="scs_implant", occurrence="first")


def slow_elimination(person: History, free_days: int) -> tuple[float, str | None]:
    """Return time and status of the first elimination, day by day."""
    if person.end < 0:
        return np.nan, None
    first_day = max(person.first, 1)
    run: list[int] = []
    for day in range(first_day, person.end + 1):
        run = [] if day in person.covered else [*run, day]
        if len(run) == free_days:
            return (float(run[0]), "event") if run[0] <= UNTIL else (float(UNTIL), "censored")
    dies = person.death is not None and person.end == person.death
    end = run[0] - 1 if run and not dies else person.end
    if end < max(person.first, 0):
        return np.nan, None
    if dies and person.end <= UNTIL:
        return float(max(person.end, 0.5)), "death"
    return max(min(end, UNTIL), 0.5), "censored"


def slow_relapse(person: History, since: int, free_days: int, least: int) -> tuple[float, str | None]:
    """Return time since elimination and status of the relapse, day by day."""
    end = person.end
    dies = person.death is not None and person.end == person.death
    day = since
    found = None
    while day <= end:
        if day in person.covered and day - 1 not in person.covered:
            length = next(n for n in range(1, 2000) if day + n not in person.covered)
            if length >= least:
                found = day
                break
            if day + length - 1 >= end and not dies:
                end = day - 1
                break
        day += 1
    if found is not None and found - since <= UNTIL:
        return float(found - since), "event"
    time, status = end - since, "censored"
    if dies and end - since <= UNTIL:
        status = "death"
    time = min(time, UNTIL)
    return (float(time), status) if time >= free_days else (np.nan, None)


def slow_state(person: History, day: int) -> str:
    """Return what a patient is doing on a day."""
    if person.is_dead(day):
        return "dead"
    window = range(day - 14, day + 15)
    if person.is_observed(day) and any(d in person.covered and person.is_observed(d) for d in window):
        return "using"
    seen_to_death = person.death is not None and person.end == person.death
    known = [person.is_observed(d) or (seen_to_death and person.is_dead(d)) for d in window]
    return (
        "free" if all(known) and not any(d in person.covered for d in window if person.is_observed(d)) else "unobserved"
    )


@pytest.fixture(scope="module", params=[11, 12])
def drawn(request: pytest.FixtureRequest) -> tuple[list[History], Cohort]:
    """Random histories and their cohort."""
    people = histories(request.param)
    return people, cohort_of(people)


@pytest.mark.parametrize("free_days", [90, 30])
def test_elimination_and_relapse(drawn: tuple[list[History], Cohort], free_days: int) -> None:
    people, cohort = drawn
    cohort = add_opioid_elimination(
        cohort, DOSE, until_days=UNTIL, competing="death", baseline_days=None, at_days=AT, free_days=free_days
    )
    for least in (1, 30):
        cohort = add_opioid_relapse(
            cohort, DOSE, until_days=UNTIL, competing="death", least_days=least, name=f"relapse_{least}"
        )
    frame = cohort.frame
    for person, row in zip(people, frame.to_dict("records"), strict=True):
        days, status = slow_elimination(person, free_days)
        got = (row["opioid_elimination_days"], row["opioid_elimination_status"])
        assert got == (days, status) or (np.isnan(days) and np.isnan(got[0]) and got[1] is None), person
        for day in AT:
            expected = slow_state(person, day).replace("free", "eliminated")
            assert row[f"opioid_elimination_state_at_{day}"] == expected, (person, day)
        for least in (1, 30):
            time, status = (np.nan, None)
            if got[1] == "event":
                time, status = slow_relapse(person, int(got[0]), free_days, least)
            found = (row[f"relapse_{least}_days"], row[f"relapse_{least}_status"])
            assert found == (time, status) or (np.isnan(time) and np.isnan(found[0]) and found[1] is None), person
    assert (frame["opioid_elimination_status"] == "event").sum() > 30
    assert (frame["relapse_1_status"] == "event").sum() > 5


def test_the_states_of_every_day(drawn: tuple[list[History], Cohort]) -> None:
    people, cohort = drawn
    cohort = add_opioid_states(cohort, DOSE, until_days=UNTIL, unobserved="state", device=None)
    pieces = cohort.episodes("opioid_states").frame
    for row, each in pieces.groupby("row"):
        assert each["start_day"].iloc[0] == 0
        assert each["stop_day"].iloc[-1] == UNTIL
        assert (each["start_day"].to_numpy()[1:] == each["stop_day"].to_numpy()[:-1]).all()
        day_by_day = [each.loc[(each["start_day"] <= day), "state"].iloc[-1] for day in range(0, UNTIL + 1, 7)]
        assert day_by_day == [slow_state(people[int(row)], day) for day in range(0, UNTIL + 1, 7)], people[int(row)]


def test_the_months(drawn: tuple[list[History], Cohort]) -> None:
    people, cohort = drawn
    months = add_opioid_trajectory(cohort, DOSE, months=(-5, 14)).episodes("opioids").frame
    assert len(months) == len(people) * 19
    for row in months.to_dict("records"):
        person, month = people[row["row"]], row["month"]
        days = range(30 * (month - 1) + 1, 30 * month + 1) if month > 0 else range(30 * month, 30 * (month + 1))
        assert (row["start_day"], row["stop_day"]) == (days[0], days[-1] + 1)
        total = sum(10 for start, n in person.fills for day in range(start, start + n) if day in days)
        if any(person.is_dead(day) for day in days):
            expected: tuple[str, float] = ("dead", np.nan)
        elif not all(person.is_observed(day) for day in days):
            expected = ("unobserved", np.nan)
        else:
            expected = ("using" if total else "not_using", total / 30)
        assert row["state"] == expected[0]
        assert row["mme_per_day"] == pytest.approx(expected[1], abs=1e-9, nan_ok=True)
        assert np.isnan(row["mme_per_day_if_using"]) == (row["state"] != "using")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20, 25))
def test_more_histories(seed: int) -> None:
    people = histories(seed)
    test_elimination_and_relapse((people, cohort_of(people)), 90)
