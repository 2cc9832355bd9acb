"""What must hold of every cohort and outcome, whatever the data are."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st
from spec.notation import build

from fbss_analytics.cohort import Cohort
from fbss_analytics.cohort.verbs import (
    exclude_condition,
    require_age,
    require_event,
    require_fbss,
    require_observation,
    start_cohort,
)
from fbss_analytics.endpoints import add_time_to
from fbss_analytics.errors import DataError

SETTINGS = settings(max_examples=30, deadline=None, derandomize=True, database=None)
Row = dict[str, str]
REQUIREMENTS: tuple[Callable[[Cohort], Cohort], ...] = (
    lambda c: require_age(c, at_least=18, at_most=70),
    lambda c: require_fbss(c, definition="surgery_then_pain"),
    lambda c: require_observation(c, domain="pharmacy", days=(-90, -1)),
    lambda c: require_event(c, "scs_removal", days=(0, None)),
    lambda c: exclude_condition(c, "cancer", days=(None, -1)),
)


def rows(**columns: st.SearchStrategy[str]) -> st.SearchStrategy[list[Row]]:
    """Return tables of up to twenty rows of ten patients."""
    patient = st.integers(0, 9).map(lambda n: f"p{n}")
    return st.lists(st.fixed_dictionaries({"patient_id": patient} | columns), max_size=20)


def days(first: int, last: int) -> st.SearchStrategy[str]:
    """Return a day as text."""
    return st.integers(first, last).map(str)


DEVICE_EVENTS = rows(
    date=days(0, 400),
    event=st.sampled_from(["explant", "implant", "replace", "stop_use", "revise"]),
    system_id=st.sampled_from(["1", "2"]),
    reason=st.sampled_from(["", "infection", "inadequate_relief", "unknown"]),
)


def tables(devices: list[Row], conditions: list[Row], surgeries: list[Row], ends: list[int]) -> dict[str, list[Row]]:
    """Return the tables of ten patients, each observed to an end of its own."""
    names = [f"p{number}" for number in range(10)]
    return {
        "patients": [{"patient_id": name, "birth_year": str(1930 + 8 * n)} for n, name in enumerate(names)],
        "observation_periods": [
            {"patient_id": name, "start_date": str(-20 * n), "end_date": str(end)}
            for n, (name, end) in enumerate(zip(names, ends, strict=True))
        ],
        # One patient has a row in every table, so that none is empty.
        "conditions": [{"patient_id": "p0", "date": "-30", "condition": "cancer"}, *conditions],
        "surgeries": [{"patient_id": "p0", "date": "-300"}, *surgeries],
        "device_events": devices,
    }


@SETTINGS
@given(
    DEVICE_EVENTS,
    rows(date=days(-400, 0), condition=st.sampled_from(["cancer", "low_back_pain"])),
    rows(date=days(-400, 0)),
    st.permutations(range(len(REQUIREMENTS))),
)
def test_attrition_adds_up(devices: list[Row], conditions: list[Row], surgeries: list[Row], order: list[int]) -> None:
    source = build(tables(devices, conditions, surgeries, [400] * 10))
    cohort = start_cohort(source, index="scs_implant", occurrence="first")
    everyone = set(cohort.frame["patient_id"])
    for number in order:
        before = cohort
        try:
            cohort = REQUIREMENTS[number](cohort)
        except DataError:
            break
        assert set(cohort.frame["patient_id"]) <= set(before.frame["patient_id"])
        assert cohort.attrition.steps[:-1] == before.attrition.steps
    frame = cohort.attrition.frame
    assert frame["n_before"].tolist()[1:] == frame["n_after"].tolist()[:-1]
    assert (frame["n_before"] - frame["n_excluded"]).tolist() == frame["n_after"].tolist()
    assert frame["n_excluded"].sum() == source.counts["patients"] - len(cohort)
    assert frame["n_after"].iloc[-1] == len(cohort)
    assert len(everyone) == frame["n_after"].iloc[1]


@SETTINGS
@given(
    DEVICE_EVENTS,
    st.lists(st.integers(0, 400), min_size=10, max_size=10),
    st.integers(0, 120),
    st.randoms(use_true_random=False),
)
def test_explant_holds_together(devices: list[Row], ends: list[int], wait: int, chance: random.Random) -> None:
    def start(events: list[Row]) -> Cohort:
        return start_cohort(build(tables(events, [], [], ends)), index="scs_implant", occurrence="first")

    def outcome(cohort: Cohort, event: str = "explant", **changed: Any) -> pd.DataFrame:
        standard = {"definition": "without_replacement", "within_days": wait, "clock": "therapy", "competing": "death"}
        return add_time_to(cohort, event, **standard | {"until_days": 300, "name": "x"} | changed).frame

    turned = devices.copy()
    chance.shuffle(turned)
    cohort = start(devices)
    frame = outcome(cohort, by_reason=True)
    pd.testing.assert_frame_equal(outcome(start(turned), by_reason=True), frame)
    plain, any_removal = outcome(cohort), outcome(cohort, definition="any_removal", within_days=None)
    failure = outcome(cohort, "explant_or_non_use")
    cautious = outcome(cohort, unascertained="censored")
    happened = plain["x_status"].eq("event")
    assert plain["x_days"].between(0.5, 300).all()
    assert plain["x_days"].tolist() == frame["x_days"].tolist()
    assert (any_removal["x_days"] <= plain["x_days"]).all()
    assert any_removal["x_status"].eq("event")[happened].all()
    assert (failure["x_days"] <= plain["x_days"]).all()
    assert cautious["x_days"].tolist() == plain["x_days"].tolist()
    assert (cautious["x_status"].eq("event") == (happened & plain["x_is_ascertained"])).all()
    assert plain.loc[~happened, "x_is_ascertained"].all()
    assert frame["x_reason"].notna().eq(happened).all()
