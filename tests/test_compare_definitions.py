"""Many definitions of one response: who is judged and responds under each, worked out by hand, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from spec.notation import build, parse
from statsmodels.stats.proportion import proportion_confint

import fbss_analytics as fbss
from fbss_analytics.models.multiverse import Multiverse

# Daily mg of morphine (factor 1) before and after; hydromorphone 4.5 mg is 18 MME by CDC 2016 and 22.5 by CDC 2022.
HISTORIES = """
dispensings
patient_id      | date | ingredient    | strength_value | days_supply
cut by 60 %     | -30  | morphine      | 100            | 30
cut by 60 %     | 61   | morphine      | 40             | 30
cut by 10 %     | -30  | morphine      | 100            | 30
cut by 10 %     | 1    | morphine      | 90             | 90
nothing left    | -30  | morphine      | 100            | 30
below the floor | -30  | morphine      | 10             | 30
below the floor | 1    | morphine      | 1              | 90
at the floor    | -30  | hydromorphone | 4.5            | 30
"""
DOSE = fbss.DoseDefinition(factors="cdc_2022", overlap="concurrent", buprenorphine="exclude")
ASKED: dict[str, Any] = {
    "rule": "fall_50",
    "per": "day_in_window",
    "gap_days": 30,
    "baseline_days": (-30, -1),
    "later_days": (61, 90),
    "floor": 20,
}


@cache
def patients() -> fbss.Cohort:
    return fbss.start_cohort(build(parse(HISTORIES)), index="scs_implant", occurrence="first")


def many(**vary: list[Any]) -> Multiverse:
    return fbss.compare_definitions(patients(), DOSE, **ASKED, vary=vary)


def of(found: Multiverse, **choices: str) -> dict[Any, Any]:
    """Return the one specification with these choices."""
    frame = found.frame
    for name, choice in choices.items():
        frame = frame[frame[name] == choice]
    (row,) = frame.to_dict("records")
    return row


def test_each_definition_judges_and_counts_its_own_patients() -> None:
    found = many(factors=["cdc_2016"], rule=["stopped"], gap_days=[60, 61])
    counts = {
        (row["rule"], row["factors"], row["gap_days"]): (row["events"], row["n"], row["n_missing"])
        for row in found.frame.to_dict("records")
    }
    assert counts == {
        ("fall_50", "cdc_2022", ""): (3, 4, 1),
        ("fall_50", "cdc_2016", ""): (2, 3, 2),
        ("stopped", "", "30"): (3, 5, 0),
        ("stopped", "", "60"): (3, 5, 0),
        ("stopped", "", "61"): (2, 5, 0),
    }
    assert [row["rule"] for row in found.frame.to_dict("records") if row["is_chosen"]] == ["fall_50"]
    assert list(found.frame["estimate"]) == sorted(found.frame["estimate"])


def test_share_has_wilsons_interval() -> None:
    row = of(many(factors=["cdc_2016"]), factors="cdc_2022")
    low, high = proportion_confint(3, 4, method="wilson")
    assert (row["estimate"], row["conf_low"], row["conf_high"]) == pytest.approx((0.75, low, high), rel=1e-12)


def test_what_a_rule_has_no_use_for_makes_no_further_specification() -> None:
    assert len(many(gap_days=[60, 90])) == 1
    assert many(gap_days=[60, 90]).dimensions == ()
    assert len(many(overlap=["truncate"], overlap_within=["ingredient"])) == 2
    assert len(many(overlap=["truncate"], overlap_within=["ingredient", "ingredient_and_form"])) == 3


def test_published_endpoint_is_a_rule() -> None:
    found = of(many(rule=["fraifeld2021"]), rule="fraifeld2021")
    # Fraifeld's baseline is a year: 100 mg on 30 days are 100 x 30 / 365 = 8.2 MME per day, and nobody has 20.
    assert (found["n"], found["events"], found["why_missing"]) == (0, 0, "nobody can be judged")
    # With a floor of 5, three have a baseline year to judge; the baseline month of adil2020 has all five.
    found = fbss.compare_definitions(
        patients(), DOSE, **{**ASKED, "floor": 5, "rule": "fraifeld2021"}, vary={"rule": ["adil2020"]}
    )
    assert of(found, rule="adil2020")["n"] == 5
    assert of(found, rule="fraifeld2021")["n"] == 3


@cache
def trialled() -> fbss.Cohort:
    source = fbss.simulate("neuromodulation", n_patients=3000, seed=5)
    cohort = fbss.start_cohort(source, index="scs_trial", occurrence="first")
    cohort = fbss.require_observation(cohort, domain="pharmacy", days=(-365, -1))
    return fbss.add_opioid_dose(cohort, DOSE, name="baseline", days=(-90, -1), per="day_in_window")


MODEL: dict[str, Any] = {
    "rule": "fall_50",
    "per": "day_in_window",
    "gap_days": 90,
    "baseline_days": (-90, -1),
    "later_days": (276, 365),
    "floor": 20,
    "formula": "baseline_mme_per_day + age_years",
    "term": "baseline_mme_per_day",
}


def test_odds_ratio_is_that_of_the_model_fitted_by_itself() -> None:
    found = fbss.compare_definitions(trialled(), DOSE, **MODEL, vary={"rule": ["stopped"]})
    cohort = fbss.add_opioid_dose(trialled(), DOSE, name="later", days=(276, 365), per="day_in_window")
    cohort = fbss.add_opioid_change(
        cohort, baseline="baseline", later="later", unit="percent", floor=20, at_least=50, name="cut"
    )
    with pytest.warns(fbss.StudyWarning, match="left out"):
        fit = fbss.fit_logistic(cohort, outcome="cut_is_reduced", formula=MODEL["formula"])
    expected = fit.estimates.set_index("term").loc["baseline_mme_per_day"]
    row = of(found, rule="fall_50")
    names = ["estimate", "conf_low", "conf_high", "p_value"]
    assert [row[name] for name in names] == pytest.approx([expected[name] for name in names], rel=1e-9)
    assert row["n"] + row["n_missing"] == len(trialled())
    assert of(found, rule="stopped")["estimate"] < row["estimate"]
    assert "chosen" in found.sentence()
    assert "2 definitions" in found.sentence()


def test_a_model_without_finite_estimate_is_said_and_not_dropped() -> None:
    cohort = fbss.start_cohort(build(parse(HISTORIES)), index="scs_implant", occurrence="first")
    cohort = fbss.add_opioid_dose(cohort, DOSE, name="baseline", days=(-30, -1), per="day_in_window")
    found = fbss.compare_definitions(
        cohort, DOSE, **ASKED, vary={}, formula="baseline_mme_per_day", term="baseline_mme_per_day"
    )
    (row,) = found.frame.to_dict("records")
    assert row["why_missing"] == "the model has no finite estimate"
    assert row["estimate"] != row["estimate"]
    assert found.sentence() == "None of 1 definition gave an estimate; why_missing says why."


REFUSED: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "a dimension that is none": ({"vary": {"factor": ["cdc_2016"]}}, ("'factor'", "'factors'")),
    "a word for a list": ({"vary": {"factors": "cdc_2016"}}, ("takes a list",)),
    "an empty list": ({"vary": {"factors": []}}, ("takes a list",)),
    "no mapping": ({"vary": ["factors"]}, ("alternatives by dimension",)),
    "a number for a list": ({"vary": {"gap_days": 30}}, ("takes a list",)),
    "a list in a list": ({"vary": {"factors": [["cdc_2016"]]}}, ("holds a list",)),
    "a gap that is none": ({"vary": {"gap_days": ["30"]}}, ("gap_days='30'",)),
    "a chosen gap that is none": ({"vary": {}, "gap_days": 0.5}, ("gap_days=0.5",)),
    "a floor that is none": ({"vary": {}, "floor": "5"}, ("floor='5'",)),
    "a formula that cannot be read": ({"vary": {}, "formula": "((", "term": "x"}, ("cannot be read",)),
    "a rule that is none": ({"vary": {"rule": ["fall_55"]}}, ("fall_5",)),
    "a denominator that is none": ({"vary": {"per": ["day"]}}, ("per=",)),
    "a table that is none": ({"vary": {"factors": ["cdc_2017"]}}, ("cdc_2016",)),
    "a chosen rule that is none": ({"vary": {}, "rule": "halved"}, ("rule=",)),
    "a formula without a term": ({"vary": {}, "formula": "age_years"}, ("term=",)),
    "a term the formula lacks": ({"vary": {}, "formula": "age_years", "term": "sex"}, ("term='sex'", "age_years")),
    "a column that is not there": ({"vary": {}, "formula": "aeg", "term": "aeg"}, ("'aeg'", "age_years")),
}


@pytest.mark.parametrize("case", REFUSED)
def test_wrong_questions_are_refused(case: str, refused: Callable[..., None]) -> None:
    arguments, words = REFUSED[case]
    settings = {**MODEL, "formula": None, "term": None, **arguments}
    refused(fbss.InputError, lambda: fbss.compare_definitions(trialled(), DOSE, **settings), *words)
