"""The cohort: what travels with it, and what it refuses. What its verbs mean stands in `spec/who.py`."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from spec.notation import build, parse

from fbss_analytics.cohort import Attrition, Cohort, Definition, Outcome, Step
from fbss_analytics.cohort.linkage import any_in, observed_days, observed_spans, relative_days, relative_events
from fbss_analytics.cohort.nouns import add_columns, keep_rows
from fbss_analytics.cohort.verbs import (
    exclude_condition,
    require_age,
    require_event,
    require_fbss,
    require_observation,
    start_cohort,
)
from fbss_analytics.errors import DataError, InputError
from fbss_analytics.exposure.covariates import add_condition
from fbss_analytics.sources.source import Source

Refused = Callable[..., None]


def test_a_new_cohort_says_who_is_in_it(small_source: Source) -> None:
    cohort = start_cohort(small_source, index="scs_implant", occurrence="first")
    assert list(cohort.frame.columns) == ["patient_id", "index_date", "age_years", "sex"]
    assert (len(cohort), cohort.unit, cohort.index) == (3, "patient", "scs_implant")
    assert cohort.sentence() == (
        "3 patients from the specification; day 0 is the permanent implant of a spinal cord stimulator generator."
    )
    assert repr(cohort) == f"Cohort({cohort.sentence()} 4 columns.)"
    assert cohort.definitions[0].known_at_day == 0
    assert cohort.frame["sex"].tolist() == ["female", "male", None]
    assert cohort.frame["age_years"].dtype == np.float64


def test_the_frame_is_a_copy(small_cohort: Cohort) -> None:
    frame = small_cohort.frame
    frame["age_years"] = 0.0
    assert small_cohort.frame["age_years"].iloc[0] == 54.0


def test_collected_frames_are_backed_by_numpy(small_cohort: Cohort) -> None:
    assert all(isinstance(dtype, np.dtype) for dtype in small_cohort.frame.dtypes)


def test_nothing_changes_in_place(small_cohort: Cohort) -> None:
    before = small_cohort.frame
    kept = require_age(small_cohort, at_least=57)
    wider = add_condition(small_cohort, "depression", days=(None, -1))
    pd.testing.assert_frame_equal(small_cohort.frame, before)
    assert (len(kept), len(kept.attrition.steps)) == (1, 3)
    assert (len(wider.definitions), len(small_cohort.definitions)) == (2, 1)


def test_attrition_is_an_ordered_story(small_cohort: Cohort) -> None:
    cohort = require_age(small_cohort, at_least=18)
    cohort = exclude_condition(cohort, "cancer", days=(None, -1))
    frame = cohort.attrition.frame
    assert frame.columns.tolist() == ["step", "words", "n_before", "n_excluded", "n_after"]
    assert frame["n_after"].tolist() == [3, 3, 2, 2]
    assert frame["words"].tolist() == [
        "patients in the specification",
        "with a permanent implant of a spinal cord stimulator generator",
        "aged at least 18 years at day 0 (1 without a year of birth)",
        "without cancer on day -1 or before",
    ]
    assert cohort.attrition.sentence() == "2 of 3 patients are in the cohort."
    assert str(cohort.attrition).splitlines()[2:] == [
        "        2  aged at least 18 years at day 0 (1 without a year of birth) (-1)",
        "        2  without cancer on day -1 or before",
    ]


def test_attrition_counts_with_thousands() -> None:
    story = Attrition((Step("patients in a source", 12_345, 12_345), Step("with an implant", 12_345, 2_345)))
    assert story.sentence() == "2,345 of 12,345 patients are in the cohort."
    assert "(-10,000)" in str(story)
    assert story.steps[1].n_excluded == 10_000


@pytest.mark.parametrize(
    ("require", "words"),
    [
        (lambda c: require_age(c, at_most=90), "aged at most 90 years at day 0 (1 without a year of birth)"),
        (
            lambda c: require_age(c, at_least=18, at_most=90),
            "aged at least 18 and at most 90 years at day 0 (1 without a year of birth)",
        ),
        (
            lambda c: require_fbss(c, definition="surgery_then_pain"),
            "with a lumbar operation at least 180 days before day 0 and pain after it",
        ),
        (
            lambda c: require_fbss(c, definition="code", days=(None, 0)),
            "with a diagnosis of FBSS on day 0 or before",
        ),
        (
            lambda c: require_observation(c, domain="pharmacy", days=(-90, -1)),
            "with pharmacy observation throughout days -90 to -1",
        ),
        (lambda c: require_event(c, "lumbar_surgery", days=(None, None)), "with a lumbar operation on any day"),
        (
            lambda c: require_event(c, "lumbar_surgery", days=(-900, None)),
            "with a lumbar operation on day -900 or after",
        ),
        (
            lambda c: require_event(c, "scs_implant", days=(0, 0)),
            "implant of a spinal cord stimulator generator on day 0",
        ),
    ],
)
def test_each_requirement_writes_one_line(
    small_cohort: Cohort, require: Callable[[Cohort], Cohort], words: str
) -> None:
    story = require(small_cohort).attrition.steps
    assert len(story) == 3
    assert story[-1].words.endswith(words)


def test_ages_of_a_subset_are_its_own(small_cohort: Cohort) -> None:
    older = require_age(keep_rows(small_cohort, np.array([False, True, True]), "a subset"), at_least=18)
    assert older.frame["patient_id"].tolist() == ["id-4712"]
    assert older.frame["age_years"].tolist() == [60.0]


def test_the_html_escapes_and_explains(small_cohort: Cohort) -> None:
    cohort = add_columns(small_cohort, {"x": np.zeros(3)}, Definition("x", "a < b", ("x",), citation="A & B 2020"))
    html = cohort._repr_html_()
    assert "Who is in the cohort" in html
    assert "a &lt; b" in html
    assert "A &amp; B 2020" in html


def test_an_outcome_by_name(small_cohort: Cohort, refused: Refused) -> None:
    refused(InputError, lambda: small_cohort.outcome("explant"), "no outcome 'explant'", "none yet", "add_time_to")
    outcome = Outcome("explant", "days", "status", None, ("event",), (), 365, "words")
    cohort = add_columns(small_cohort, {"days": np.ones(3)}, Definition("explant", "w", ("days",)), outcome=outcome)
    assert cohort.outcome("explant") is outcome
    refused(InputError, lambda: cohort.outcome("explants"), "Did you mean 'explant'?")


def test_an_existing_column_is_never_overwritten(small_cohort: Cohort, refused: Refused) -> None:
    cohort = add_condition(small_cohort, "depression", days=(-365, -1))
    refused(
        InputError,
        lambda: add_condition(cohort, "depression", days=(-30, -1)),
        "already has has_depression",
        "name=",
    )
    assert "recent" in add_condition(cohort, "depression", days=(-30, -1), name="recent").frame


def test_a_patient_with_two_rows_has_its_events_in_both(small_cohort: Cohort) -> None:
    data = pd.concat([small_cohort.data, small_cohort.data.iloc[[0]].assign(index_date=pd.Timestamp("2016-07-01"))])
    twice = Cohort(small_cohort.source, data.reset_index(drop=True), small_cohort.attrition, "scs_implant")
    rows = relative_events(twice, "scs_removal")
    assert rows.sort_values("row")[["row", "day"]].to_numpy().tolist() == [[0, 654], [3, 654 - 366]]
    assert observed_days(twice, ("medical",), (3999, 4001)).tolist() == [2, 0, 2, 0]


def test_rows_without_a_date_are_left_out(small_cohort: Cohort) -> None:
    assert relative_days(small_cohort, "patients", date="death_date")["day"].tolist() == [987]


def test_any_in_a_window_without_rows(small_cohort: Cohort) -> None:
    assert not any_in(small_cohort, relative_events(small_cohort, "device_revision"), (-9, 9)).any()


def test_spans_of_observation_are_merged_over_domains() -> None:
    source = build(
        parse("""
        observation_periods
        patient_id | start_date | end_date | domain
        b          | 20         | 29       | medical
        b          | 0          | 9        | medical
        b          | 10         | 15       | registry
        a          | 0          | 9        | pharmacy
        """)
    )
    cohort = start_cohort(source, index="scs_implant", occurrence="first")
    assert observed_spans(cohort, ("medical", "registry")).to_numpy().tolist() == [[1, 0, 15], [1, 20, 29]]
    assert observed_spans(cohort, ("survey",)).empty


# What is refused, and in which words.


def test_start_cohort_refuses(small_source: Source, refused: Refused) -> None:
    refused(
        InputError,
        lambda: start_cohort(small_source, index="scs_implnt", occurrence="first"),
        "'scs_implnt' is not a named event",
        "Did you mean 'scs_implant'?",
    )
    refused(
        InputError,
        lambda: start_cohort(small_source, index="scs_implant", occurrence="frist"),
        "occurrence='frist'",
        "Did you mean 'first'?",
    )
    refused(
        DataError,
        lambda: start_cohort(small_source, index="scs_trial", occurrence="first"),
        "Nobody",
        "'scs_trial'",
        "start of a spinal cord stimulation trial",
    )


def test_start_cohort_needs_the_table_of_its_event(refused: Refused) -> None:
    bare = build({"patients": [{"patient_id": "id-4711"}]}, implanted=False)
    refused(
        DataError,
        lambda: start_cohort(bare, index="scs_implant", occurrence="first"),
        "needs the table device_events",
        "does not have",
    )


def test_require_age_refuses(small_cohort: Cohort, refused: Refused) -> None:
    refused(InputError, lambda: require_age(small_cohort), "at_least=18")
    refused(InputError, lambda: require_age(small_cohort, at_least=81, at_most=80), "at_least=81", "at_most=80")


def test_nobody_left_is_an_error(small_cohort: Cohort, refused: Refused) -> None:
    refused(DataError, lambda: require_age(small_cohort, at_least=110), "Nobody is left", "at least 110", "3 before")


def test_require_fbss_refuses(small_cohort: Cohort, bare_cohort: Cohort, refused: Refused) -> None:
    refused(
        InputError,
        lambda: require_fbss(small_cohort, definition="surgery_then_pian"),
        "Did you mean 'surgery_then_pain'?",
    )
    refused(InputError, lambda: require_fbss(small_cohort, definition="code"), "needs days=", "(None, 0)")
    refused(
        InputError,
        lambda: require_fbss(small_cohort, definition="surgery_then_pain", days=(-9, 0)),
        'days= belongs to definition="code"',
    )
    refused(
        DataError,
        lambda: require_fbss(bare_cohort, definition="surgery_then_pain"),
        "'lumbar_surgery' needs the table surgeries",
    )
    refused(
        DataError, lambda: require_fbss(bare_cohort, definition="code", days=(None, 0)), "needs the table conditions"
    )


def test_fbss_by_pain_needs_a_table_that_shows_pain(refused: Refused) -> None:
    source = build(parse("surgeries\npatient_id | date\nid-4711 | -400"))
    cohort = start_cohort(source, index="scs_implant", occurrence="first")
    refused(
        DataError,
        lambda: require_fbss(cohort, definition="surgery_then_pain"),
        "conditions or measurements or therapies or dispensings",
    )


def test_fbss_by_pain_makes_do_with_one_table_that_shows_pain() -> None:
    source = build(parse("surgeries\npatient_id | date\na | -400\nb | -400\ndispensings\npatient_id | date\na | -9"))
    cohort = start_cohort(source, index="scs_implant", occurrence="first")
    assert require_fbss(cohort, definition="surgery_then_pain").frame["patient_id"].tolist() == ["a"]


def test_require_observation_refuses(small_cohort: Cohort, refused: Refused) -> None:
    refused(
        InputError,
        lambda: require_observation(small_cohort, domain="farmacy", days=(-9, -1)),
        "domain='farmacy'",
        "Did you mean 'pharmacy'?",
    )
    refused(
        InputError,
        lambda: require_observation(small_cohort, domain="pharmacy", days=(-1, -9)),
        "did you mean (-9, -1)?",
    )


def test_require_event_and_exclude_condition_refuse(
    small_cohort: Cohort, bare_cohort: Cohort, refused: Refused
) -> None:
    refused(InputError, lambda: require_event(small_cohort, "scs_tral", days=(None, 0)), "Did you mean 'scs_trial'?")
    refused(InputError, lambda: require_event(small_cohort, "scs_trial", days=(5, 0)), "did you mean (0, 5)?")
    refused(
        InputError,
        lambda: exclude_condition(small_cohort, "cancr", days=(None, -1)),
        "condition='cancr'",
        "Did you mean 'cancer'?",
    )
    refused(
        DataError,
        lambda: exclude_condition(bare_cohort, "cancer", days=(None, -1)),
        "exclude_condition('cancer') needs conditions",
    )
