"""Time to an event: what is recorded, what is refused. What the outcomes mean stands in `spec/explant.py`."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from spec.notation import build, parse

from fbss_analytics.cohort import Cohort
from fbss_analytics.cohort.verbs import start_cohort
from fbss_analytics.endpoints import EXPLANT_DEFINITIONS, add_time_to
from fbss_analytics.errors import DataError, InputError

Refused = Callable[..., None]
EXPLANT: dict[str, Any] = {
    "definition": "without_replacement",
    "within_days": 90,
    "clock": "therapy",
    "competing": "death",
    "until_days": 1825,
}


def test_an_outcome_travels_with_the_cohort(small_cohort: Cohort) -> None:
    cohort = add_time_to(small_cohort, "explant", **EXPLANT)
    outcome = cohort.outcome("explant")
    assert (outcome.days, outcome.status, outcome.entry) == ("explant_days", "explant_status", "explant_entry_days")
    assert (outcome.causes, outcome.competing, outcome.until_days) == (("event",), ("death",), 1825)
    assert outcome.words == (
        "time from day 0 on the therapy clock to removal of the generator without a new system of the same therapy "
        "within 90 days, dated at removal, followed to day 1825; death competes; day 0 counts as 0.5."
    )
    definition = cohort.definitions[-1]
    assert definition.columns == (
        "explant_days", "explant_status", "explant_entry_days", "explant_reason", "explant_is_ascertained",
    )  # fmt: skip
    assert definition.arguments == EXPLANT | {"competing": ("death",), "by_reason": False, "unascertained": "event"}
    assert "10.1111/ner.13207" in definition.citation
    assert cohort.frame["explant_status"].tolist() == ["event", "death", "censored"]
    assert cohort.frame["explant_days"].dtype == np.float64
    assert all(isinstance(dtype, np.dtype) for dtype in cohort.frame.dtypes)


def test_two_outcomes_stand_side_by_side(small_cohort: Cohort) -> None:
    cohort = add_time_to(small_cohort, "explant", **EXPLANT)
    cohort = add_time_to(cohort, "explant", **EXPLANT | {"within_days": 30}, name="strict")
    cohort = add_time_to(cohort, "death", competing=None, until_days=365)
    assert list(cohort.outcomes) == ["explant", "strict", "death"]
    assert [column for column in cohort.frame if column.startswith("death")] == [
        "death_days", "death_status", "death_entry_days",
    ]  # fmt: skip
    assert cohort.outcome("death").competing == ()


def test_words_name_what_competes(small_cohort: Cohort) -> None:
    none = add_time_to(small_cohort, "device_revision", competing=None, until_days=365)
    assert none.outcome("device_revision").words == (
        "time from day 0 to revision of a part of the spinal cord stimulator, followed to day 365; day 0 counts as 0.5."
    )
    two = add_time_to(small_cohort, "explant_or_non_use", **EXPLANT | {"competing": ["device_revision", "death"]})
    words = two.outcome("explant_or_non_use").words
    assert "dated at removal, or end of use without removal, followed" in words
    assert "; revision of a part of the spinal cord stimulator and death compete;" in words


@pytest.mark.parametrize(
    ("unascertained", "fate"), [("event", "2 counted although"), ("censored", "2 censored at removal although")]
)
def test_words_count_what_is_not_certain(unascertained: str, fate: str) -> None:
    source = build(
        parse("""
        observation_periods
        patient_id | start_date | end_date
        a          | 0          | 200
        b          | 0          | 200
        device_events
        patient_id | date | event
        a          | 150  | explant
        b          | 150  | explant
        c          | 150  | explant
        """)
    )
    cohort = start_cohort(source, index="scs_implant", occurrence="first")
    words = add_time_to(cohort, "explant", **EXPLANT, unascertained=unascertained).outcome("explant").words
    assert f" {fate} observation ended before a new implant could be ruled out." in words


def test_reasons_are_causes_the_most_frequent_first() -> None:
    source = build(
        parse("""
        device_events
        patient_id | date | event   | reason
        a          | 10   | explant | infection
        b          | 20   | explant | inadequate_relief
        c          | 30   | explant | inadequate_relief
        d          | 40   | explant |
        e          | 9999 | explant | other
        patients
        patient_id | birth_year | death_date
        f          | 1960       | 50
        """)
    )
    cohort = start_cohort(source, index="scs_implant", occurrence="first")
    outcome = add_time_to(cohort, "explant", **EXPLANT, by_reason=True).outcome("explant")
    assert outcome.causes == ("inadequate_relief", "infection", "unknown")
    assert outcome.competing == ("death",)


@pytest.mark.parametrize("definition", EXPLANT_DEFINITIONS)
def test_every_definition_has_words(small_cohort: Cohort, definition: str) -> None:
    waits = definition in ("without_replacement", "with_reason")
    changed = {"definition": definition, "within_days": 90 if waits else None}
    words = add_time_to(small_cohort, "explant", **EXPLANT | changed).outcome("explant").words
    assert "{" not in words
    assert ("90 days" in words) is waits


# What is refused, and in which words.


def refusal(cohort: Cohort, event: str = "explant", **changed: Any) -> Callable[[], Cohort]:
    arguments = {key: value for key, value in (EXPLANT | changed).items() if value != "left out"}
    return partial(add_time_to, cohort, event, **arguments)


NAMED = {"definition": None, "within_days": None, "clock": None}


@pytest.mark.parametrize(
    ("event", "changed", "words"),
    [
        ("explnat", {}, ("'explnat' is not a named event", "Did you mean 'explant'?")),
        ("explant", {"until_days": 0}, ("until_days=0", "expected a whole number of days, 1 or more", "1825")),
        ("explant", {"unascertained": "drop"}, ("unascertained='drop'", "censored, event")),
        ("explant", {"definition": "left out"}, ("needs definition=", "any_removal", "without_replacement")),
        ("explant", {"definition": "without_replacment"}, ("Did you mean 'without_replacement'?",)),
        ("explant", {"clock": "left out"}, ("needs clock=", 'clock="therapy"')),
        ("explant", {"clock": "patient"}, ("clock='patient'", "Known: component, system, therapy.")),
        ("explant", {"within_days": "left out"}, ("needs within_days=", "within_days=90")),
        ("explant", {"within_days": -1}, ("needs within_days=, 0 or more",)),
        ("explant", {"definition": "any_removal"}, ("'any_removal' takes no within_days=", "leave it out")),
        ("explant", {"competing": "deth"}, ("'deth' is not a named event", "Did you mean 'death'?")),
        ("death", {}, ("'death' cannot compete with itself", "competing=")),
        ("device_revision", {}, ("takes no definition or within_days or clock; they belong to explant",)),
        ("explant", {"by_reason": ("infektion",)}, ("by_reason='infektion'", "Did you mean 'infection'?")),
        ("device_revision", NAMED | {"by_reason": True}, ("takes no by_reason; it belongs to explant",)),
        ("device_revision", NAMED | {"unascertained": "censored"}, ("takes no unascertained; it belongs to explant",)),
    ],
)
def test_wrong_use_is_refused(
    small_cohort: Cohort, refused: Refused, event: str, changed: dict[str, Any], words: tuple[str, ...]
) -> None:
    refused(InputError, refusal(small_cohort, event, **changed), *words)


def test_the_table_of_the_event_is_needed(bare_cohort: Cohort, refused: Refused) -> None:
    refused(DataError, refusal(bare_cohort, "lumbar_surgery", **NAMED), "'lumbar_surgery' needs the table surgeries")


def test_observation_is_needed(refused: Refused) -> None:
    source = build(parse("patients\npatient_id | sex\nid-4711 | male"))
    tables = {name: table for name, table in source.tables.items() if name != "observation_periods"}
    counts = {name: source.counts[name] for name in tables}
    cohort = start_cohort(type(source)("unobserved", tables, counts), index="scs_implant", occurrence="first")
    refused(DataError, refusal(cohort), "Time to explant needs observation_periods", "patients (1)")


def test_a_column_is_never_overwritten(small_cohort: Cohort, refused: Refused) -> None:
    cohort = add_time_to(small_cohort, "explant", **EXPLANT)
    refused(InputError, refusal(cohort), "already has explant_days", "name=")
