"""Endpoints of opioid therapy: what is recorded, what is refused, and random histories day by day.

Meanings stand in `spec/stopping.py` and `spec/charted.py`. The day-by-day calculations walk over single days and use
none of the library's interval algebra; days and answers agree exactly.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from properties.test_opioid_history import UNTIL, History, cohort_of, histories, slow_elimination
from spec.notation import build, parse

import fbss_analytics as fbss
from fbss_analytics.cohort import Cohort
from fbss_analytics.endpoints.opioid_published import PUBLISHED
from fbss_analytics.errors import DataError, InputError

Refused = Callable[..., None]
DOSE = fbss.DoseDefinition(factors="cdc_2022", overlap="concurrent", buprenorphine="exclude")
OTHER = fbss.DoseDefinition(factors="cdc_2016", overlap="concurrent", buprenorphine="exclude")
STAYS = fbss.DoseDefinition(factors="cdc_2022", overlap="concurrent", buprenorphine="exclude", stays="assume_supplied")
BOTH = """
dispensings
patient_id | date | days_supply
id-4711    | -30  | 30
measurements
patient_id | date | measure            | value
id-4711    | -5   | opioid_mme_per_day | 20
id-4711    | 5    | opioid_mme_per_day | 10
"""
STOP = {"until_days": UNTIL, "competing": "death", "baseline_days": None}


def start(text: str, index: str = "scs_implant") -> Cohort:
    return fbss.start_cohort(build(parse(text)), index=index, occurrence="first")


@pytest.fixture(scope="module", params=[31, 32])
def drawn(request: pytest.FixtureRequest) -> tuple[list[History], Cohort]:
    """Random histories, sparse and dense, and their cohort."""
    people = histories(request.param) + dense_histories(request.param)
    return people, cohort_of(people)


def dense_histories(seed: int) -> list[History]:
    """Return random histories of long-term users, observed long, some of whom stop or die."""
    chance = random.Random(seed)
    made = []
    for _ in range(200):
        stops = chance.choice((30, 200, 600))
        fills = tuple((chance.randint(-400, stops), chance.choice((14, 30, 60))) for _ in range(chance.choice((8, 60))))
        death = chance.choice((None, None, None, chance.randint(1, 500)))
        made.append(History(fills, -400, chance.choice((379, 380, 900)), death))
    return made


# Day by day


@pytest.mark.parametrize("gap_days", [1, 60, 365])
def test_discontinuation_day_by_day(drawn: tuple[list[History], Cohort], gap_days: int) -> None:
    people, cohort = drawn
    frame = fbss.add_opioid_discontinuation(cohort, DOSE, gap_days=gap_days, **STOP).frame
    unclear = 0
    for person, row in zip(people, frame.to_dict("records"), strict=True):
        days, status = slow_elimination(person, gap_days)
        assert row["opioid_discontinuation_status"] == status, person
        assert row["opioid_discontinuation_days"] == pytest.approx(days, nan_ok=True), person
        known = slow_ascertained(person, gap_days) if status else None
        assert row["opioid_discontinuation_ascertained"] == known, person
        unclear += known is False
    # A gap of one day is never cut short.
    assert (unclear > 10) == (gap_days > 1)


def slow_ascertained(person: History, gap_days: int) -> bool:
    """Return whether observation lasted long enough to tell, day by day."""
    if person.end == person.death:
        return True
    run = 0
    for day in range(max(person.first, 1), person.end + 1):
        run = 0 if day in person.covered else run + 1
        if run == gap_days:
            return True
    return run == 0 or person.end - run + 1 > UNTIL


def test_elimination_is_the_discontinuation_of_90_days(drawn: tuple[list[History], Cohort]) -> None:
    _, cohort = drawn
    cohort = fbss.add_opioid_elimination(cohort, DOSE, **STOP)
    frame = fbss.add_opioid_discontinuation(cohort, DOSE, gap_days=90, **STOP).frame
    for column in ("days", "status", "entry_days"):
        assert frame[f"opioid_elimination_{column}"].equals(frame[f"opioid_discontinuation_{column}"])


def slow_long_term(person: History, days: tuple[int, int], gap_days: int) -> dict[str, tuple[bool | None, str]]:
    """Return the answers of the three definitions for a window, day by day."""
    last = days[1] if person.death is None else min(days[1], person.death)
    window = range(days[0], last + 1)
    if not all(person.is_observed(day) for day in window) or person.end < last:
        return dict.fromkeys(("von_korff2008", "costa2020", "neprash2021"), (None, "unobserved"))
    used = [day for day in window if day in person.covered]
    quarters = [
        sum(day in person.covered for day in window if first <= day <= first + 90) > 60
        for first in range(days[1] - 90, days[0] - 1, -91)
    ]
    four = any(all(quarters[place : place + 4]) for place in range(len(quarters) - 3))
    met = {"von_korff2008": slow_episode(person, used, window, gap_days), "costa2020": len(used) >= 90,
           "neprash2021": four}  # fmt: skip
    dies = person.death is not None and person.death <= days[1]
    return {name: (yes, "death" if dies and not yes else "observed") for name, yes in met.items()}


def slow_episode(person: History, used: list[int], window: range, gap_days: int) -> bool:
    """Return whether an episode is long enough, with enough fills or supply, day by day."""
    episodes: list[list[int]] = []
    for day in used:
        if episodes and day - episodes[-1][-1] - 1 < gap_days:
            episodes[-1].append(day)
        else:
            episodes.append([day])
    for each in episodes:
        inside = range(each[0], each[-1] + 1)
        fills = sum(day in inside and day != 0 for day, _ in person.fills)
        supply = sum(
            day in inside and day in window and (day > 0 or begin != 0)
            for begin, n in person.fills
            for day in range(begin, begin + n)
        )
        if len(inside) > 90 and (fills >= 10 or supply >= 120):
            return True
    return False


@pytest.mark.parametrize("days", [(1, 365), (-365, -1)])
def test_long_term_therapy_day_by_day(drawn: tuple[list[History], Cohort], days: tuple[int, int]) -> None:
    people, cohort = drawn
    for definition in ("von_korff2008", "costa2020", "neprash2021"):
        gap = {"gap_days": 45} if definition == "von_korff2008" else {}
        cohort = fbss.add_long_term_opioid_therapy(
            cohort, DOSE, days=days, definition=definition, name=definition, **gap
        )
    yes = dict.fromkeys(("von_korff2008", "costa2020", "neprash2021"), 0)
    for person, row in zip(people, cohort.frame.to_dict("records"), strict=True):
        for definition, expected in slow_long_term(person, days, 45).items():
            assert (row[definition], row[f"{definition}_status"]) == expected, (definition, person)
            yes[definition] += expected[0] is True
    assert min(yes.values()) > 3, yes


def test_fraifeld_day_by_day(drawn: tuple[list[History], Cohort]) -> None:
    people, cohort = drawn
    frame = fbss.add_opioid_responder(
        cohort, DOSE, definition="fraifeld2021", floor=0.01, baseline_days=(-60, -1), days=(1, 380)
    ).frame
    reasons = []
    for person, row in zip(people, frame.to_dict("records"), strict=True):
        answer, reason, status = slow_fraifeld(person)
        got = (row["opioid_responder"], row["opioid_responder_reason"], row["opioid_responder_status"])
        assert got == (answer, reason, status), person
        reasons.append(reason)
    assert min(reasons.count("stopped"), reasons.count("reduced"), reasons.count(None)) > 5


def slow_fraifeld(person: History) -> tuple[bool | None, str | None, str]:
    """Return answer, reason and status over days 1 to 380, day by day; every fill gives 10 MME a day."""

    def mean(days: range) -> float:
        return sum(10 for begin, n in person.fills for day in range(begin, begin + n) if day in days) / len(days)

    last = 380 if person.death is None else min(380, person.death)
    if not all(person.is_observed(day) for day in [*range(-60, 0), *range(1, last + 1)]):
        return None, None, "unobserved"
    before, after = mean(range(-60, 0)), mean(range(1, 381))
    if before < 0.01:
        return None, None, "below_floor"
    if last != 380 or person.death == 380:
        return False, None, "death"
    run, longest = 0, 0
    for day in range(1, 381):
        run = 0 if day in person.covered else run + 1
        longest = max(longest, run)
    if longest >= 365 or after * 380 / 10 <= 30:
        return True, "stopped", "observed"
    return (True, "reduced", "observed") if after <= before / 2 else (False, None, "observed")


def test_the_order_of_rows_changes_nothing() -> None:
    people = histories(33)
    turned = [History(each.fills[::-1], each.first, each.last, each.death) for each in people]
    one, other = (every_endpoint(cohort_of(each)) for each in (people, turned))
    assert one.frame.equals(other.frame)


def every_endpoint(cohort: Cohort) -> Cohort:
    """Return a cohort with every endpoint of opioid therapy."""
    cohort = fbss.add_opioid_discontinuation(cohort, DOSE, gap_days=60, **STOP)
    cohort = fbss.add_abrupt_stop(cohort, DOSE)
    cohort = fbss.add_taper(cohort, DOSE, baseline_days=(-60, -1), floor=1)
    cohort = fbss.add_new_persistent_use(cohort, DOSE, naive_days=(-90, -31))
    cohort = fbss.add_long_term_opioid_therapy(cohort, DOSE, days=(1, 100), definition="von_korff2008", gap_days=30)
    return fbss.add_opioid_responder(
        cohort, DOSE, definition="adil2020", floor=1, baseline_days=(-60, -1), days=(200, 260)
    )


# What is recorded


def test_a_discontinuation_is_recorded(small_cohort: Cohort) -> None:
    cohort = fbss.add_opioid_discontinuation(
        small_cohort, DOSE, gap_days=60, until_days=365, competing="death", baseline_days=(-90, -1)
    )
    made = cohort.definitions[-1]
    assert made.words == (
        "time from day 0 to discontinuation of systemic opioids, the first of at least 60 observed days in a row "
        "without supply, followed to day 365; death competes. 1 of 3 had supply on days -90 to -1. 0 are censored "
        "inside a gap too short to judge. Oral MME by the table cdc_2022; doses of concurrent fills add; buprenorphine "
        "is excluded."
    )
    assert made.arguments["gap_days"] == 60
    assert made.arguments["factors"] == "cdc_2022"
    assert "10.1007/s11606-020-06402-z" in made.citation
    assert cohort.outcome("opioid_discontinuation").competing == ("death",)


@pytest.mark.parametrize(("definition", "doi"), [(name, rule.citation) for name, rule in PUBLISHED.items()])
def test_every_published_endpoint_cites_its_paper_and_says_its_windows(
    definition: str, doi: str, small_cohort: Cohort
) -> None:
    rule = PUBLISHED[definition]
    given: dict[str, Any] = {"stop_days": (336, 365)} if rule.needs_stop_days else {}
    given |= {} if rule.baseline_days else {"baseline_days": (-90, -1)}
    given |= {"days": (275, 365)} if rule.compares_doses and rule.days is None else {}
    cohort = fbss.add_opioid_responder(small_cohort, DOSE, definition=definition, floor=5, **given)
    made = cohort.definitions[-1]
    assert made.citation == doi
    assert ("doi 10." in doi) or "PMID" in doi or "PMC" in doi
    assert f"opioid responder ({definition}): alive and {rule.words}; baseline days" in made.words
    assert "other than the published" not in made.words
    assert made.arguments["definition"] == definition
    later = made.arguments["days"], made.arguments["stop_days"]
    assert made.known_at_day == max(window[1] for window in later if window)  # type: ignore[index]
    assert made.columns == tuple(f"opioid_responder{end}" for end in ("", "_reason", "_status", "_share_unknown"))


def test_other_windows_than_the_published_are_said(small_cohort: Cohort) -> None:
    cohort = fbss.add_opioid_responder(
        small_cohort, DOSE, definition="fraifeld2021", floor=5, baseline_days=(-365, -91)
    )
    assert "windows other than the published ones" in cohort.definitions[-1].words
    same = fbss.add_opioid_responder(small_cohort, DOSE, definition="fraifeld2021", floor=5, days=(1, 730))
    assert "windows other" not in same.definitions[-1].words


def test_definitions_know_when_they_are_known(small_cohort: Cohort) -> None:
    cohort = fbss.add_taper(small_cohort, DOSE, baseline_days=(-365, -1), floor=5)
    assert cohort.definitions[-1].known_at_day == 210
    assert "10.1001/jama.2021.11013" in cohort.definitions[-1].citation
    cohort = fbss.add_taper(cohort, DOSE, baseline_days=(-575, -211), floor=5, from_day=-210, name="before")
    assert cohort.definitions[-1].known_at_day == -1
    cohort = fbss.add_new_persistent_use(cohort, DOSE)
    assert cohort.definitions[-1].known_at_day == 180
    assert "10.1001/jamasurg.2017.0504" in cohort.definitions[-1].citation
    cohort = fbss.add_long_term_opioid_therapy(cohort, DOSE, days=(-365, -1), definition="neprash2021")
    assert cohort.definitions[-1].known_at_day == -1
    cohort = fbss.add_opioid_discontinuation(cohort, DOSE, gap_days=60, **STOP)
    cohort = fbss.add_abrupt_stop(cohort, DOSE)
    assert "10.1007/s11606-020-06402-z" in cohort.definitions[-1].citation


def test_an_abrupt_stop_may_follow_an_elimination(small_cohort: Cohort) -> None:
    cohort = fbss.add_opioid_elimination(small_cohort, DOSE, **STOP)
    cohort = fbss.add_abrupt_stop(cohort, DOSE, discontinuation="opioid_elimination")
    # The 28 days of day -45 end on day -18: nothing is dispensed from day 1 on, and nothing was a year before.
    assert cohort.frame["abrupt_stop_status"].tolist() == ["no_dose", "no_dose", "no_dose"]


# Anchors


def test_a_taper_before_the_trial_moves_the_anchor(refused: Refused) -> None:
    cohort = start("""
    dispensings
    patient_id | date | strength_value | days_supply
    tapers     | -330 | 20             | 270
    tapers     | -60  | 5              | 60
    steady     | -330 | 20             | 330
    device_events
    patient_id | date | device           | component | event
    tapers     | -20  | intrathecal_pump | system    | trial_start
    steady     | -20  | intrathecal_pump | system    | trial_start
    """)
    refused(InputError, partial(fbss.add_anchor_day, cohort, "pump_trial", days=(-90, -1), taper="t"), "no taper 't'")
    cohort = fbss.add_taper(cohort, DOSE, baseline_days=(-330, -1), floor=5, name="after")
    late = partial(fbss.add_anchor_day, cohort, "pump_trial", days=(-90, -1), taper="after")
    refused(InputError, late, "judged to day 210", "from_day=-210")
    cohort = fbss.add_taper(cohort, DOSE, baseline_days=(-330, -211), floor=5, from_day=-210, name="early")
    near = partial(fbss.add_anchor_day, cohort, ("pump_trial",), days=(-90, -1), taper="earl")
    refused(InputError, near, "Did you mean 'early'?")
    cohort = fbss.add_anchor_day(cohort, "pump_trial", days=(-90, -1), taper="early")
    assert dict(zip(cohort.frame["patient_id"], cohort.frame["anchor_day"], strict=True)) == {
        "tapers": -90.0, "steady": -20.0,
    }  # fmt: skip
    cohort = fbss.add_anchored_opioid_dose(
        cohort, DOSE, anchor="anchor_day", name="b", days=(-30, -1), per="day_in_window"
    )
    assert cohort.frame["b_mme_per_day"].tolist() == [20.0, 20.0]
    made = cohort.definitions[-1]
    assert made.known_at_day == -21
    assert "The days are counted from anchor day, which 2 of 2 have." in made.words
    cohort = fbss.add_opioid_dose(cohort, DOSE, name="later", days=(1, 30), per="day_in_window")
    cohort = fbss.add_opioid_change(cohort, baseline="b", later="later", unit="percent", floor=5, at_least=50)
    assert cohort.frame["opioid_change"].tolist() == [-100.0, -100.0]
    assert "from days -30 to -1 counted from anchor day to days 1 to 30" in cohort.definitions[-1].words
    turned = partial(fbss.add_opioid_change, cohort, baseline="later", later="b", unit="mme_per_day", name="x")
    refused(InputError, turned, "must count from day 0")
    cohort = fbss.add_dose_category(cohort, "b", bands="cdc")
    assert "days -30 to -1 counted from anchor day" in cohort.definitions[-1].words


def test_a_change_begins_after_the_last_anchored_day(refused: Refused) -> None:
    cohort = start(BOTH.split("measurements")[0])
    cohort = cohort.__class__(**{**vars(cohort), "data": cohort.data.assign(late_day=100.0)})
    cohort = fbss.add_anchored_opioid_dose(cohort, DOSE, anchor="late_day", name="b", days=(-9, -1), per="day_covered")
    cohort = fbss.add_opioid_dose(cohort, DOSE, name="l", days=(50, 60), per="day_covered")
    change = partial(fbss.add_opioid_change, cohort, baseline="b", later="l", unit="mme_per_day")
    refused(InputError, change, "must begin after")


def test_anchors_refuse(small_cohort: Cohort, refused: Refused) -> None:
    refused(InputError, partial(fbss.add_anchor_day, small_cohort, (), days=(None, 0)), "names no event")
    refused(InputError, partial(fbss.add_anchor_day, small_cohort, "pump_trail", days=(None, 0)), "pump_trial")
    dose = partial(fbss.add_anchored_opioid_dose, small_cohort, DOSE, name="b", days=(-9, -1), per="day_covered")
    refused(InputError, partial(dose, anchor="sex"), "no column of days", "add_anchor_day")
    cohort = fbss.add_anchor_day(small_cohort, "pump_trial", days=(None, 0))
    refused(InputError, partial(fbss.add_anchored_opioid_dose, cohort, DOSE, anchor="anchor_dy", name="b",
                                days=(-9, -1), per="day_covered"), "Did you mean 'anchor_day'?")  # fmt: skip


# Fills and charts


def test_fills_and_charts_are_never_mixed(refused: Refused) -> None:
    cohort = start(BOTH)
    window = partial(fbss.add_opioid_dose, cohort, name="d", days=(-90, -1))
    refused(InputError, partial(window, None, per="mean_recorded"), "never mixed", 'basis="dispensed"')
    refused(InputError, partial(window, DOSE, per="mean_recorded", basis="recorded"), "no dose definition")
    refused(InputError, partial(window, None, per="day_in_window", basis="dispensed"), "a DoseDefinition")
    refused(InputError, partial(window, "cdc_2022", per="day_in_window"), "is a DoseDefinition")
    refused(InputError, partial(window, None, per="day_in_window", basis="recorded"), "per='day_in_window'")
    refused(InputError, partial(window, None, per="mean_recorded", basis="charted"), "basis='charted'")
    refused(InputError, partial(window, None, per="mean_recorded", basis="recorded", mask_days=(0, 90)), "mask_days=")
    assert window(DOSE, per="day_in_window").frame["d_mme_per_day"].tolist() == [30 / 9]
    cohort = window(DOSE, per="day_in_window", basis="dispensed")
    cohort = fbss.add_opioid_dose(cohort, None, name="c", days=(1, 9), per="mean_recorded", basis="recorded")
    assert cohort.definitions[-1].arguments == {"basis": "recorded", "days": (1, 9), "per": "mean_recorded"}
    assert cohort.definitions[-1].words.endswith("mean of the charted doses, as charted (MME per day)")
    change = partial(fbss.add_opioid_change, cohort, baseline="d", later="c", unit="mme_per_day")
    refused(InputError, change, "dispensed and recorded doses, which are never mixed")
    measured = fbss.add_measurement(cohort, "opioid_mme_per_day", days=(-9, -1), take="mean", name="m")
    mixed = partial(fbss.add_opioid_change, measured, baseline="m", later="c", unit="mme_per_day")
    refused(InputError, mixed, "differ in basis and measure and per and take")
    assert fbss.add_dose_category(cohort, "c", bands="cdc").frame["c_category"].tolist() == ["(0, 50)"]
    # The endpoints read fills, whatever else there is.
    assert fbss.add_taper(cohort, DOSE, baseline_days=(-30, -1), floor=5).frame["taper"].tolist() == [True]


def test_charts_alone_need_no_basis(refused: Refused) -> None:
    cohort = start("measurements" + BOTH.split("measurements")[1])
    dose = fbss.add_opioid_dose(cohort, None, name="d", days=(-90, -1), per="mean_recorded").frame
    assert dose["d_mme_per_day"].tolist() == [20.0]
    fills = start(BOTH.split("measurements")[0])
    recorded = partial(fbss.add_opioid_dose, fills, None, name="d", days=(-90, -1), per="mean_recorded")
    refused(DataError, partial(recorded, basis="recorded"), "no charted dose", 'basis="dispensed"')


def test_masked_days_are_recorded(small_cohort: Cohort, refused: Refused) -> None:
    cohort = fbss.add_opioid_dose(small_cohort, DOSE, name="d", days=(1, 300), per="day_in_window", mask_days=(0, 90))
    assert cohort.definitions[-1].arguments["mask_days"] == (0, 90)
    assert cohort.definitions[-1].words.endswith("Left out: days 0 to 90 after any operation.")
    assert cohort.frame["d_days_in_window"].tolist() == [210.0] * 3
    cohort = fbss.add_opioid_dose(cohort, DOSE, name="e", days=(301, 400), per="day_in_window")
    change = partial(fbss.add_opioid_change, cohort, baseline="d", later="e", unit="mme_per_day")
    refused(InputError, change, "differ in mask_days")
    tables = {name: table for name, table in small_cohort.source.tables.items()
              if name not in ("surgeries", "device_events")}  # fmt: skip
    from fbss_analytics.sources.source import in_memory

    bare = cohort.__class__(**{**vars(small_cohort), "source": in_memory("bare", tables)})
    masked = partial(fbss.add_opioid_dose, bare, DOSE, name="d", days=(1, 9), per="day_in_window", mask_days=(0, 90))
    refused(InputError, masked, "surgeries or device events")


# Wrong use


def test_endpoints_refuse(small_cohort: Cohort, refused: Refused) -> None:
    cohort = small_cohort
    stop = partial(fbss.add_opioid_discontinuation, cohort, **STOP)
    refused(InputError, partial(stop, DOSE, gap_days=0), "gap_days=0")
    for no_days in ("60", 60.5, True, float("nan")):
        refused(InputError, partial(stop, DOSE, gap_days=no_days), "gap_days=", "whole number of days")
    refused(InputError, partial(stop, DOSE, gap_days=60, until_days="365"), "until_days='365'")
    refused(InputError, partial(stop, "cdc_2022", gap_days=60), "is a DoseDefinition")
    taper = partial(fbss.add_taper, cohort, DOSE, baseline_days=(-365, -1), floor=5)
    refused(InputError, partial(taper, floor=0), "floor=0", "undefined")
    refused(InputError, partial(taper, at_least=0), "at_least=0")
    refused(InputError, partial(taper, floor="5"), "floor='5'")
    refused(InputError, partial(taper, at_least=float("nan")), "at_least=nan")
    refused(InputError, partial(taper, from_day="1"), "from_day='1'")
    refused(InputError, partial(taper, baseline_days=(-30, 1)), "must end before from_day=1")
    windows = partial(fbss.add_new_persistent_use, cohort, DOSE)
    refused(InputError, partial(windows, naive_days=(-365, -30)), "overlap", "(-365, -31)")
    refused(InputError, partial(windows, days=(14, 180)), "overlap")
    refused(InputError, partial(fbss.add_abrupt_stop, cohort, DOSE), "no outcome 'opioid_discontinuation'")
    stopped = stop(DOSE, gap_days=60)
    for other in (OTHER, STAYS):
        refused(InputError, partial(fbss.add_abrupt_stop, stopped, other), "another DoseDefinition")


def test_long_term_therapy_refuses(small_cohort: Cohort, refused: Refused) -> None:
    verb = partial(fbss.add_long_term_opioid_therapy, small_cohort, DOSE, days=(-365, -1))
    refused(InputError, partial(verb, definition="vonkorff2008"), "Did you mean 'von_korff2008'?")
    refused(InputError, partial(verb, definition="von_korff2008"), "needs gap_days=")
    refused(InputError, partial(verb, definition="von_korff2008", gap_days=0), "gap_days=0")
    refused(InputError, partial(verb, definition="costa2020", gap_days=90), "gap_days= belongs to von_korff2008")
    refused(InputError, partial(verb, definition="costa2020", days=(-90, -1)), "holds 90 days", "type days=(-365, -1)")
    refused(InputError, partial(verb, definition="diprete2022"), "holds 365 days", "type days=(-90, -1)")
    refused(InputError, partial(verb, definition="neprash2021", days=(-363, -1)), "holds 363 days", "at least 364")
    short = partial(verb, definition="von_korff2008", gap_days=30)
    refused(InputError, partial(short, days=(-90, -1)), "holds 90 days", "at least 91")
    assert short(days=(-91, -1)).frame["long_term_opioid_therapy"].tolist() == [False] * 3


def test_responders_refuse(small_cohort: Cohort, refused: Refused) -> None:
    verb = partial(fbss.add_opioid_responder, small_cohort, DOSE, floor=5)
    refused(InputError, partial(verb, definition="fraifeld2020"), "Did you mean 'fraifeld2021'?")
    refused(InputError, partial(verb, definition="fraifeld2021", floor=0), "floor=0")
    refused(InputError, partial(verb, definition="fraifeld2021", stop_days=(1, 9)), "leave stop_days= out")
    refused(InputError, partial(verb, definition="yong2024"), "needs stop_days=")
    refused(InputError, partial(verb, definition="adil2020"), "gives no such window", "baseline_days=")
    refused(InputError, partial(verb, definition="adil2020", baseline_days=(-90, -1)), "days=(275, 365)")
    visit = partial(verb, definition="caraway2015", baseline_days=(-90, -1), stop_days=(16, 44))
    refused(InputError, partial(visit, days=(1, 30)), "counts stopping only")
    refused(InputError, partial(visit, stop_days=(-5, 44)), "must begin after baseline_days")
    refused(InputError, partial(verb, definition="fraifeld2021", days=(-1, 730)), "must begin after baseline_days")


@pytest.mark.parametrize(
    "call",
    [
        partial(fbss.add_opioid_discontinuation, dose=DOSE, gap_days=60, **STOP),
        partial(fbss.add_long_term_opioid_therapy, dose=DOSE, days=(-365, -1), definition="costa2020"),
        partial(fbss.add_new_persistent_use, dose=DOSE),
        partial(fbss.add_taper, dose=DOSE, baseline_days=(-365, -1), floor=5),
        partial(fbss.add_opioid_responder, dose=DOSE, definition="fraifeld2021", floor=5),
    ],
)
def test_without_pharmacy_observation_nothing_is_judged(call: Any, refused: Refused) -> None:
    periods = "observation_periods\npatient_id | start_date | end_date | domain\nid-4711 | -900 | 900 | medical"
    refused(DataError, lambda: call(start(BOTH.split("measurements")[0] + periods)), "needs pharmacy observation")


def test_a_fall_that_an_unknown_dose_makes_up_can_be_seen() -> None:
    cohort = start("""
    dispensings
    patient_id | date | strength_value | days_supply
    a          | -365 | 20             | 365
    a          | 1    | 10             | 365
    a          | 1    |                | 365
    a          | 366  | 10             | 365
    """)
    cohort = fbss.add_opioid_responder(cohort, DOSE, definition="fraifeld2021", floor=5)
    cohort = fbss.add_taper(cohort, DOSE, baseline_days=(-365, -1), floor=5)
    row = cohort.frame.iloc[0]
    assert (row["opioid_responder"], row["taper"]) == (True, True)
    # One of three fills of the follow-up, one of two of each period.
    assert row["opioid_responder_share_unknown"] == pytest.approx(1 / 3)
    assert row["taper_share_unknown"] == 0.5


def test_answers_are_true_false_or_missing(small_cohort: Cohort) -> None:
    cohort = fbss.add_taper(small_cohort, DOSE, baseline_days=(-45, -18), floor=5)
    assert cohort.frame["taper"].tolist() == [True, None, None]
    assert cohort.frame["taper"].dtype == object
    assert np.isnan(cohort.frame["taper_start_day"].to_numpy()[1:]).all()
