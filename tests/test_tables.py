"""Tables: Table 1 with standardised differences by hand, estimates with reference rows, risks, estimand."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from reporting_cases import N, cohort, comparison, days_free, dose_later, effect, fit, risk

import fbss_analytics as fbss
from fbss_analytics.errors import InputError
from fbss_analytics.reporting.tables import standardised_difference
from fbss_analytics.reporting.tables.baseline import kind_of
from fbss_analytics.reporting.words import days_in_words, in_words, term_in_words

GOLDEN = Path(__file__).parent / "golden"

PEOPLE = pd.DataFrame(
    {
        "age_years": [40.0, 50.0, 60.0, 45.0, 55.0, np.nan],
        "is_smoker": [True, False, True, False, False, None],
        "pattern": pd.Categorical(["leg", "back", "leg", "back", "back", "both"], categories=["leg", "back", "both"]),
        "arm": ["a", "a", "a", "b", "b", "b"],
    }
)


def test_table_one_is_hand_arithmetic() -> None:
    table = fbss.table_one(PEOPLE, variables=["age_years", "is_smoker", "pattern"], by="arm").frame
    rows = [list(row) for row in table.itertuples(index=False)]
    assert list(table.columns) == ["characteristic", "value", "a", "b", "SMD", "missing"]
    assert rows[0] == ["Patients", "n", "3", "3", "", ""]
    # Means 50 and 50: no difference; SDs 10 and 7.07.
    assert rows[1] == ["Age, years", "mean (SD)", "50.0 (10.0)", "50.0 (7.1)", "0.00", "1"]
    assert rows[2] == ["", "median (Q1, Q3)", "50.0 (45.0, 55.0)", "50.0 (47.5, 52.5)", "", ""]
    # 2/3 against 0/2: 0.667 / sqrt((0.2222 + 0) / 2) = 2.
    assert rows[3] == ["Smoker", "yes", "2 (66.7 %)", "0 (0.0 %)", "2.00", "1"]
    assert [row[1:4] for row in rows[4:]] == [
        ["leg", "2 (66.7 %)", "0 (0.0 %)"],
        ["back", "1 (33.3 %)", "2 (66.7 %)"],
        ["both", "0 (0.0 %)", "1 (33.3 %)"],
    ]


def test_shares_are_of_those_with_a_value_and_missing_is_counted() -> None:
    frame = fbss.table_one(PEOPLE, variables=["is_smoker"]).frame
    assert frame.loc[1, ["all", "missing"]].tolist() == ["2 (40.0 %)", "1"]


def test_rows_without_a_group_are_left_out_and_counted() -> None:
    people = PEOPLE.assign(arm=["a", "a", None, "b", "b", "c"])
    table = fbss.table_one(people, variables=["age_years"], by="arm")
    assert list(table.frame.columns) == ["characteristic", "value", "a", "b", "c", "missing"]
    assert table.notes[-1] == "1 without arm left out."
    assert table.frame.loc[1, "c"] == "-"


def test_no_p_values() -> None:
    table = fbss.table_one(cohort(), variables=["age_years", "sex", "smoking"], by="takes_gabapentinoid")
    assert list(table.frame.columns) == ["characteristic", "value", "no", "yes", "SMD", "missing"]
    assert "p" not in table.frame.columns
    counts = table.frame.loc[0, ["no", "yes"]].astype(int)
    assert counts.sum() == N


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (np.array([1.0, 2.0, 3.0]), np.array([3.0, 4.0, 5.0]), 2.0),
        (np.array([True, False]), np.array([True, True, True, False]), 0.25 / math.sqrt((0.25 + 0.1875) / 2)),
        (np.array([5.0, 5.0]), np.array([5.0]), 0.0),
        (np.array([5.0, 5.0]), np.array([6.0, 6.0]), math.inf),
        (np.array(["x", "x"]), np.array(["x"]), 0.0),
        (np.array(["x", "x"]), np.array(["y"]), math.inf),
    ],
)
def test_standardised_difference_by_hand(first: np.ndarray, second: np.ndarray, expected: float) -> None:
    assert standardised_difference(first, second) == pytest.approx(expected)


def test_standardised_difference_of_a_category_is_a_mahalanobis_distance() -> None:
    # Shares (0.5, 0.3, 0.2) and (0.2, 0.5, 0.3); over the last two levels the gap is (-0.2, -0.1) and the mean
    # covariance [[0.23, -0.105], [-0.105, 0.185]], whose determinant is 0.031525.
    first = np.repeat(["a", "b", "c"], [5, 3, 2])
    second = np.repeat(["a", "b", "c"], [2, 5, 3])
    square = (0.185 * 0.04 + 2 * 0.105 * 0.02 + 0.23 * 0.01) / 0.031525
    assert standardised_difference(first, second) == pytest.approx(math.sqrt(square))


def test_standardised_difference_of_two_levels_is_that_of_yes_and_no() -> None:
    first, second = np.array([True] * 3 + [False] * 7), np.array([True] * 6 + [False] * 4)
    words = [np.where(values, "yes", "no") for values in (first, second)]
    assert standardised_difference(*words) == pytest.approx(standardised_difference(first, second))
    assert standardised_difference(*words) == pytest.approx(0.3 / math.sqrt((0.21 + 0.24) / 2))
    assert math.isnan(standardised_difference(first[:0], second))


def test_kinds_of_columns() -> None:
    assert kind_of(pd.Series([True, None], dtype=object)) == "yes_no"
    assert kind_of(pd.Series([1, 2])) == "number"
    assert kind_of(pd.Series(["a", None])) == "category"


def test_table_one_says_what_is_wrong() -> None:
    with pytest.raises(InputError, match="Did you mean 'age_years'"):
        fbss.table_one(PEOPLE, variables=["age_year"])
    with pytest.raises(InputError, match="expects a list of columns"):
        fbss.table_one(PEOPLE, variables="age_years")
    with pytest.raises(InputError, match="expects a list of columns"):
        fbss.table_one(PEOPLE, variables=[])
    with pytest.raises(InputError, match="'patient_id' has 400 different values"):
        fbss.table_one(cohort(), variables=["patient_id"])


def test_table_one_of_the_fabricated_cohort_is_the_golden_one() -> None:
    variables = ["age_years", "smoking", "takes_gabapentinoid", "baseline_mme_per_day"]
    table = fbss.table_one(cohort(), variables=variables, by="sex")
    assert table.frame.to_csv(index=False, lineterminator="\n") == (GOLDEN / "table_one.csv").read_text("utf-8")


def test_estimates_have_reference_rows_with_their_counts() -> None:
    table = fbss.table_estimates(fit())
    frame = table.frame
    assert table.title == "Explant: association, mutually adjusted"
    assert list(frame.columns) == ["characteristic", "level", "n", "events", "HR (95 % CI)", "p"]
    reference = frame[frame["level"] == "female (reference)"].iloc[0]
    levels = fit().levels
    female = levels[(levels["term"] == "sex") & (levels["level"] == "female")].iloc[0]
    assert (reference["n"], reference["events"], reference["HR (95 % CI)"]) == (
        str(female["n"]),
        str(female["events"]),
        "1",
    )
    male = fit().estimates.query("term == 'sex'").iloc[0]
    assert frame.loc[frame["level"] == "male", "HR (95 % CI)"].item().startswith(f"{male['estimate']:.2f} (")
    assert "events per parameter" in table.notes[0]


def test_estimates_of_several_fits_share_rows() -> None:
    singles = [fit("sex"), fit("age_years")]
    table = fbss.table_estimates(*singles, fit("sex + age_years"), labels=["unadjusted", "unadjusted", "adjusted"])
    assert list(table.frame.columns[4:]) == [
        "unadjusted: HR (95 % CI)", "unadjusted: p", "adjusted: HR (95 % CI)", "adjusted: p",
    ]  # fmt: skip
    filled = table.frame[table.frame["level"] == "male"].iloc[0]
    assert (filled[4:] != "").all()
    assert table.title.endswith("association, unadjusted or mutually adjusted as headed")
    assert "2 models" in table.notes[0]
    alone = fbss.table_estimates(fit("sex"), fit("age_years"))
    assert [note.split(":")[0] for note in alone.notes[:2]] == ["Model 1", "Model 2"]
    assert alone.title.endswith("association, unadjusted")
    assert (alone.frame.loc[alone.frame["level"] == "male"].iloc[0][6:] == "").all()


def test_differences_have_0_as_reference_and_no_events() -> None:
    table = fbss.table_estimates(dose_later())
    assert list(table.frame.columns) == ["characteristic", "level", "n", "difference (95 % CI)", "p"]
    assert table.frame.loc[table.frame["level"] == "female (reference)", "difference (95 % CI)"].tolist() == ["0"]
    assert table.notes[0].endswith(": 400 rows, 4 parameters.")
    both = fbss.table_estimates(dose_later("sex"), dose_later("smoking"), labels=["alone", "alone"])
    assert both.notes[0] == "alone: 2 models."


def test_a_restricted_mean_has_a_column_for_each_kind_of_days() -> None:
    mean = days_free()
    table = fbss.table_estimates(mean)
    lost = mean.estimates.query("measure == 'difference in days lost' and cause == 'death'").iloc[0]
    cell = table.frame.query("level == 'male'")["Days lost to death by day 1,800: difference in days (95 % CI)"].item()
    assert cell == f"{lost['estimate']:.1f} ({lost['conf_low']:.1f} to {lost['conf_high']:.1f})"
    by_then = cohort().frame.query("explant_days <= 1800")["explant_status"].value_counts()
    assert table.notes[0] == f"Days free by day 1,800: 400 patients, {by_then['event'] + by_then['death']} events."


def test_estimates_say_what_is_wrong() -> None:
    with pytest.raises(InputError, match="at least one fit"):
        fbss.table_estimates()
    with pytest.raises(InputError, match="2 names for 1 fits"):
        fbss.table_estimates(fit(), labels=["a", "b"])
    frame = cohort().frame.assign(is_out=lambda rows: rows["explant_status"] == "event")
    odds = fbss.fit_logistic(frame, outcome="is_out", formula="sex")
    with pytest.raises(InputError, match="estimate HR and OR"):
        fbss.table_estimates(fit("sex"), odds)


def test_estimates_name_what_was_left_out() -> None:
    frame = cohort().frame
    frame.loc[:9, "age_years"] = np.nan
    with pytest.warns(fbss.StudyWarning, match="10 of 400"):
        some = fbss.fit_cox(
            frame,
            duration="explant_days",
            status="explant_status",
            event="event",
            formula="age_years",
        )
    assert "Left out: 10 rows (missing age_years)." in fbss.table_estimates(some).notes


def test_risk_table_holds_the_curves_numbers() -> None:
    curve = risk(by="sex")
    table = fbss.table_risk(curve)
    at = curve.at(365)
    mine = at[(at["level"] == "male") & (at["cause"] == "event")].iloc[0]
    shown = table.frame.query("group == 'male' and cause == 'explant' and time == '1 year'").iloc[0]
    counted = curve.risk_table(365).query("group == 'male' and cause == 'event'").iloc[0]
    assert shown["at risk"] == str(counted["n_at_risk"])
    assert shown["events"] == str(mine["events"])
    assert shown["risk (95 % CI)"].startswith(f"{mine['estimate'] * 100:.1f} % (")
    assert table.notes[-1] == "Nobody was followed to 10 years."
    with pytest.raises(InputError, match="needs curves of one kind"):
        fbss.table_risk(effect())


def test_risk_table_of_one_group_and_cause_has_no_needless_columns() -> None:
    from reporting_cases import survival

    table = fbss.table_risk(survival(), days=[365])
    assert list(table.frame.columns) == ["time", "at risk", "events", "free of the event (95 % CI)"]


def test_comparison_table_prints_rates_per_100_patient_years() -> None:
    table = fbss.table_comparison(comparison())
    rate = table.frame[table.frame["statistic"] == "per 100 patient-years"].iloc[0]
    assert rate["published (95 % CI)"].startswith("3.5 (")
    beyond = table.frame[table.frame["time"] == "10 years"]
    assert (beyond["ours (95 % CI)"] == "-").all()
    assert len(table.frame) == len(comparison().frame)


def test_attrition_and_definitions_print_what_the_cohort_carries() -> None:
    rows = fbss.table_attrition(cohort()).frame
    assert rows["left"].tolist() == ["1,000", "450", "450", "400"]
    assert rows["excluded"].tolist() == ["", "550", "", "50"]
    words = fbss.table_definitions(cohort()).frame
    assert words.loc[0].tolist() == ["index_date", "day 0 is the first implant", "0", ""]


def test_estimand_names_what_is_handled_by_treatment_policy() -> None:
    parts = {
        "population": "adults with FBSS", "time_zero": "implant", "endpoint": "explant", "horizon": "5 years",
        "contrast": "risk", "death": "competing event",
    }  # fmt: skip
    table = fbss.table_estimand(**parts)
    assert table.frame["part"].tolist()[-1] == "Contrast (population-level summary)"
    assert table.notes[0].startswith("Treatment policy strategy for what is not named: explant, switch")
    with pytest.raises(InputError, match="Did you mean 'population'"):
        fbss.table_estimand(**(parts | {"populaton": "x"}))
    with pytest.raises(InputError, match="needs population"):
        fbss.table_estimand(**(parts | {"population": ""}))
    every = dict.fromkeys(("explant", "device_switch", "reoperation", "cancer", "opioid_use_disorder_treatment"), "x")
    assert fbss.table_estimand(**(parts | every)).notes == ()


def test_a_table_shows_and_writes_itself(tmp_path: Path) -> None:
    table = fbss.Table("A < B", pd.DataFrame({"x": ["1 & 2"]}), ("A note.",))
    page = table._repr_html_()
    assert "<caption>A &lt; B</caption>" in page
    assert "1 &amp; 2" in page
    assert str(table).splitlines()[0] == "A < B"
    assert table.sentence() == "A < B."
    assert table.to_csv(tmp_path / "t.csv").read_text("utf-8") == "x\n1 & 2\n"
    copy = table.frame
    copy.loc[0, "x"] = "changed"
    assert table.frame.loc[0, "x"] == "1 & 2"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("baseline_mme_per_day", "baseline MME per day"),
        ("age_years", "age, years"),
        ("years", "years"),
        ("scs_trial", "SCS trial"),
        ("lead_failure_or_migration", "lead failure or migration"),
    ],
)
def test_names_as_words(name: str, words: str) -> None:
    assert in_words(name) == words
    assert term_in_words(f"rcs({name}, 4)") == words
    assert term_in_words(f"C({name})") == words


def test_days_as_words() -> None:
    assert [days_in_words(days) for days in (1, 30, 365, 1825)] == ["1 day", "30 days", "1 year", "5 years"]
