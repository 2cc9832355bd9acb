"""What the model verbs accept, refuse and say; numbers are held to R in test_models_reference.py.

Tolerance: 1e-9 where a number is worked out by hand.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from survival import datasets

from fbss_analytics.cohort import Cohort, Definition, Outcome
from fbss_analytics.errors import DataError, InputError, StudyWarning
from fbss_analytics.models.adequacy import refuse_flat
from fbss_analytics.models.bands import hazard_limits, probability_limits
from fbss_analytics.models.competing import estimate_cumulative_incidence
from fbss_analytics.models.cox import fit_cox
from fbss_analytics.models.formula import build_design
from fbss_analytics.models.kernels import cox
from fbss_analytics.models.kernels.firth import fit_firth
from fbss_analytics.models.regression import estimate_effect_curve, fit_logistic
from fbss_analytics.models.results import ESTIMATE_COLUMNS, STEP_COLUMNS, Curve, Fit
from fbss_analytics.models.splines import spline_basis, spline_knots
from fbss_analytics.models.survival import estimate_cause_specific_hazard, estimate_survival, log_minus_log

KEYS: dict[str, Any] = {"duration": "days", "status": "ended", "event": "explant"}
SIX = pd.DataFrame(
    {
        "days": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
        "ended": ["censored", "explant", "explant", "death", "death", "censored"],
    }
)


def patients(n: int = 400, seed: int = 7) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "patient_id": [f"p{i // 2}" for i in range(n)],
            "age_years": random.integers(25, 85, n),
            "sex": random.choice(["female", "male"], n),
            "smoker": random.random(n) < 0.3,
            "baseline_mme_per_day": np.where(random.random(n) < 0.4, 0.0, random.gamma(2.0, 30.0, n)),
            "centre": random.choice(["a", "b", "c", "d", "e", "f", "g", "h"], n),
            "success": random.random(n) < 0.5,
        }
    )
    hazard = 4e-4 * np.exp(0.01 * frame["baseline_mme_per_day"] + 0.4 * (frame["sex"] == "male"))
    explant, death = np.ceil(random.exponential(1 / hazard)), np.ceil(random.exponential(4000, n))
    frame["days"] = np.minimum(np.minimum(explant, death), 1825.0)
    frame["ended"] = np.select([explant == frame["days"], death == frame["days"]], ["explant", "death"], "censored")
    return frame


def cohort(unit: str = "patient", **changes: Any) -> Cohort:
    frame = patients().rename(columns={"days": "explant_days", "ended": "explant_status"})
    frame["explant_status"] = frame["explant_status"].replace("explant", "event")
    frame["explant_entry_days"] = 0.0
    described = Definition(name="explant", words="removed without replacement", columns=("explant_days",))
    outcome = Outcome(
        name="explant",
        days="explant_days",
        status="explant_status",
        entry="explant_entry_days",
        causes=("event",),
        competing=("death",),
        until_days=1825,
        words="explant",
    )
    made = {"source": None, "data": frame, "attrition": None, "index": "scs_implant", "unit": unit}
    made |= {"definitions": (described,), "outcomes": {"explant": outcome}}
    return Cohort(**(made | changes))


def refused(call: Callable[..., Any], kind: type[Exception], *words: str, **arguments: Any) -> None:
    with pytest.raises(kind) as caught:
        call(**arguments)
    for word in words:
        assert word in str(caught.value)


def test_six_observations_give_the_known_incidence() -> None:
    risk = estimate_cumulative_incidence(SIX, **KEYS, competing="death")
    assert risk.at(6)["estimate"].tolist() == pytest.approx([0.4, 0.4], abs=1e-12)
    assert risk.competing == ("death",)
    assert list(risk.frame.columns) == list(STEP_COLUMNS)
    assert risk.frame.query("cause == 'death'")["time_days"].tolist() == [0, 1, 2, 3, 4, 5, 6]


def test_the_denominator_is_who_is_left_just_before_the_day() -> None:
    table = estimate_cumulative_incidence(SIX, **KEYS, competing="death").risk_table([0, 2, 2.5, 6, 7])
    explant = table[table["cause"] == "explant"]
    assert explant["n_at_risk"].tolist() == [6, 5, 4, 1, 0]
    assert explant["n_events"].tolist() == [0, 0, 1, 2, 2]
    assert explant["n_censored"].tolist() == [0, 1, 1, 1, 2]


def test_late_entry_puts_a_row_at_risk_only_after_its_entry() -> None:
    frame = pd.DataFrame(
        {"days": [4.0, 4.0, 6.0], "ended": ["explant", "censored", "explant"], "from": [0.0, 0.0, 4.0]}
    )
    curve = estimate_survival(frame, **KEYS, entry="from")
    assert curve.frame["n_at_risk"].tolist() == [2, 2, 1]
    assert "at risk only after entry" in curve.method


def test_beyond_the_last_day_there_is_no_estimate() -> None:
    curve = estimate_survival(SIX.replace("death", "explant"), **KEYS)
    table = curve.at([5.9, 6, 6.1, -1])
    assert table["estimate"].notna().tolist() == [True, True, False, False]
    assert list(table.columns) == list(ESTIMATE_COLUMNS)


def test_a_risk_set_that_runs_empty_before_late_entries_is_warned_of() -> None:
    frame = pd.DataFrame({"days": [2.0, 3.0, 9.0], "ended": "explant", "from": [0.0, 0.0, 5.0]})
    frame.loc[3] = [9.5, "censored", 5.0]
    with pytest.warns(StudyWarning, match="everyone at risk had an event before others entered"):
        estimate_survival(frame, **KEYS, entry="from")
    estimate_cause_specific_hazard(frame, **KEYS, entry="from")


def test_interval_types_by_hand() -> None:
    p, s, z = np.array([0.9]), np.array([0.05]), 1.959963984540054
    log_log = probability_limits(p, s, conf_type="log-log", conf_level=0.95)
    spread = np.exp(z * 0.05 / abs(0.9 * np.log(0.9)))
    assert [log_log[0][0], log_log[1][0]] == pytest.approx([0.9**spread, 0.9 ** (1 / spread)], abs=1e-9)
    log = probability_limits(p, s, conf_type="log", conf_level=0.95)
    assert [log[0][0], log[1][0]] == pytest.approx([0.9 * np.exp(-z * 0.05 / 0.9), 1.0], abs=1e-9)
    edge = probability_limits(np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.0, 0.1]), conf_type="log-log", conf_level=0.9)
    assert np.isnan(edge[0]).tolist() == [True, False, True]
    assert np.isnan(hazard_limits(np.array([0.0]), np.array([0.0]), conf_level=0.95)[0]).all()
    refused(probability_limits, InputError, "log-log", estimate=p, std_error=s, conf_type="loglog", conf_level=0.95)
    refused(probability_limits, InputError, "0.95", estimate=p, std_error=s, conf_type="log", conf_level=95.0)


def test_a_cohort_is_modelled_by_the_outcomes_name() -> None:
    risk = estimate_cumulative_incidence(cohort(), outcome="explant", by="sex")
    assert risk.groups == ("female", "male")
    assert risk.definitions[0].name == "explant"
    assert set(risk.frame["cause"]) == {"event", "death"}
    sentence = risk.sentence()
    assert sentence.startswith("Cumulative incidence of explant ")
    assert "for sex female" in sentence
    assert "; death " in sentence
    fit = fit_cox(cohort(), outcome="explant", formula="rcs(baseline_mme_per_day, 4) + age_years + sex + smoker")
    assert fit.cause == "event"
    assert "hazard ratio of explant (death counted as censored)" in fit.method
    assert fit.unit == "patient"


def test_rows_of_one_patient_are_clustered() -> None:
    fit = fit_cox(cohort("system"), outcome="explant", formula="age_years")
    assert "robust standard errors, clustered on patient_id (200 clusters)" in fit.method
    assert "likelihood ratio" not in set(fit.tests["test"])
    one, several = (
        estimate_cumulative_incidence(cohort(unit), outcome="explant", by="sex") for unit in ("patient", "system")
    )
    assert "clustered on patient_id" in several.method
    assert one.at(365)["estimate"].tolist() == several.at(365)["estimate"].tolist()
    assert one.at(365)["std_error"].tolist() != several.at(365)["std_error"].tolist()
    logit = fit_logistic(cohort("system"), outcome="success", formula="age_years")
    assert "robust standard errors, clustered on patient_id (200 clusters)" in logit.method


def test_survival_refuses_an_outcome_with_competing_events() -> None:
    refused(estimate_survival, InputError, "estimate_cumulative_incidence", cohort=cohort(), outcome="explant")
    refused(estimate_survival, InputError, "competing=('death',)", cohort=SIX, **KEYS)


def test_an_outcome_split_by_reason_needs_a_cause() -> None:
    base = cohort()
    frame = base.frame
    frame["explant_status"] = np.where(frame["age_years"] > 50, frame["explant_status"], "infection")
    frame["explant_status"] = frame["explant_status"].replace("event", "inadequate_relief")
    split = replace(base.outcomes["explant"], causes=("infection", "inadequate_relief"))
    by_reason = cohort(data=frame, outcomes={"explant": split})
    refused(fit_cox, InputError, "cause=", cohort=by_reason, outcome="explant", formula="sex")
    fit = fit_cox(by_reason, outcome="explant", formula="sex", cause="infection")
    assert "hazard ratio of infection (inadequate_relief, death counted as censored)" in fit.method
    wrong = {"cohort": by_reason, "outcome": "explant", "formula": "sex", "cause": "infectoin"}
    refused(fit_cox, InputError, "Did you mean 'infection'?", **wrong)
    never = cohort(data=frame, outcomes={"explant": replace(split, competing=("death", "lost"))})
    refused(fit_cox, InputError, "'lost'", cohort=never, outcome="explant", formula="sex", cause="lost")


def test_a_cohort_takes_an_outcome_and_a_frame_takes_columns() -> None:
    refused(fit_cox, InputError, "outcome= is needed", "explant", cohort=cohort(), formula="sex")
    refused(fit_cox, InputError, "explant", cohort=cohort(), outcome="explnt", formula="sex")
    refused(
        fit_cox, InputError, "a Cohort takes outcome=", cohort=cohort(), outcome="explant", formula="sex", duration="d"
    )
    refused(estimate_survival, InputError, "duration=", cohort=SIX, outcome="explant")
    refused(estimate_survival, InputError, "duration=", cohort=SIX)
    refused(estimate_survival, InputError, "DataFrame", cohort=[1], **KEYS)
    refused(fit_logistic, InputError, "DataFrame", cohort=[1], outcome="x", formula="y")
    refused(fit_cox, InputError, "DataFrame", cohort=[1], **KEYS, formula="y")
    refused(estimate_survival, InputError, "Did you mean 'days'?", cohort=SIX, **(KEYS | {"duration": "day"}))


@pytest.mark.parametrize(
    ("status", "event", "words"),
    [
        ([1, 2, 2, 1, 2, 1], None, "holds 1, 2"),
        ([1, 1, 1, 1, 1, 1], None, "does not say what is an event"),
        ([0, 1, 2, 0, 1, 2], None, "holds 0, 1, 2"),
        ([0.5, 1, 0, 0, 1, 0], None, "Use text"),
        ([pd.Timestamp("2020-01-01")] * 6, None, "datetime"),
        (["alive", "explant"] * 3, "explant", "'alive'"),
        (["censored", "explant"] * 3, "explnt", "Did you mean 'explant'?"),
        (["censored"] * 6, "explant", "nothing to estimate"),
        ([0] * 6, None, "nothing to estimate"),
        (["censored", "explant"] * 3, "censored", "different words"),
    ],
)
def test_ambiguous_status_is_refused(status: list[Any], event: str | None, words: str) -> None:
    frame = SIX.assign(ended=status)
    refused(estimate_survival, InputError, words, cohort=frame, duration="days", status="ended", event=event)


def test_a_status_without_censored_is_refused_where_others_compete() -> None:
    frame = SIX.assign(ended=["explant", "alive"] * 3)
    refused(fit_cox, InputError, "no 'censored'", cohort=frame.assign(x=range(6)), **KEYS, formula="x")


def test_several_events_need_text() -> None:
    frame = SIX.assign(ended=[True, False] * 3)
    refused(estimate_cumulative_incidence, InputError, "must be text", cohort=frame, **KEYS, competing="death")


@pytest.mark.parametrize(
    "status", [[True, False] * 3, [1, 0] * 3, [1.0, 0.0] * 3, pd.array([True, False] * 3, "boolean")]
)
def test_true_false_and_zero_one_are_accepted(status: Any) -> None:
    curve = estimate_survival(SIX.assign(ended=status), **KEYS)
    assert (curve.outcome, curve.events) == ("explant", 3)


def test_a_categorical_status_and_bool_groups_are_accepted() -> None:
    frame = SIX.assign(
        ended=pd.Categorical(SIX["ended"]), revised=[True, False] * 3, size=pd.Categorical(list("ababab"))
    )
    curve = estimate_cumulative_incidence(frame, **KEYS, competing=("death",), by="revised")
    assert curve.groups == ("no", "yes")
    assert estimate_cumulative_incidence(frame, **KEYS, competing="death", by="size").groups == ("a", "b")
    many = pd.concat([SIX] * 5, ignore_index=True).assign(row=lambda frame: frame.index)
    refused(estimate_cumulative_incidence, InputError, "20", cohort=many, **KEYS, competing="death", by="row")


@pytest.mark.parametrize(
    ("days", "entry", "words"),
    [
        ([-1.0, 2, 3, 4, 5, 6], [0.0] * 6, "1 of 6 rows have a negative 'days'"),
        ([0.0, 0, 3, 4, 5, 6], [0.0] * 6, "2 of 6 rows have 'days' of 0"),
        ([1.0, 2, 3, 4, 5, 6], [-1.0] * 6, "6 of 6 rows have a negative 'from'"),
        ([1.0, 2, 3, 4, 5, 6], [1.0] + [0.0] * 5, "1 of 6 rows enter"),
        ([np.inf, 2, 3, 4, 5, 6], [0.0] * 6, "1 of 6 rows have an infinite 'days'"),
    ],
)
def test_impossible_times_are_refused(days: list[float], entry: list[float], words: str) -> None:
    frame = SIX.assign(**{"days": days, "from": entry})
    refused(estimate_cumulative_incidence, DataError, words, cohort=frame, **KEYS, competing="death", entry="from")


def test_days_must_be_numbers() -> None:
    frame = SIX.assign(days=pd.to_timedelta(SIX["days"], unit="D"))
    refused(estimate_cumulative_incidence, InputError, "numbers", cohort=frame, **KEYS, competing="death")


def test_a_cohort_whose_status_was_changed_is_refused() -> None:
    base = cohort()
    frame = base.frame
    frame.loc[0, "explant_status"] = "lost"
    refused(
        fit_cox, DataError, "1 row of 'explant_status'", cohort=cohort(data=frame), outcome="explant", formula="sex"
    )


def test_missing_values_are_counted_and_said() -> None:
    frame = patients()
    frame.loc[:9, "age_years"] = np.nan
    frame.loc[5:11, "sex"] = None
    with pytest.warns(StudyWarning, match=r"12 of 400 rows are left out: missing age_years 10, missing sex 7\."):
        fit = fit_cox(frame, **KEYS, formula="age_years + sex")
    assert fit.n == 388
    assert fit.excluded.values.tolist() == [["missing age_years", 10], ["missing sex", 7], ["any of these", 12]]
    with pytest.warns(StudyWarning) as caught:
        estimate_cumulative_incidence(frame, **KEYS, competing="death", by="sex")
    assert caught[0].filename == __file__
    refused(fit_cox, InputError, "No row of 400", cohort=frame.assign(age_years=np.nan), **KEYS, formula="age_years")
    refused(fit_cox, DataError, "infinite 'x'", cohort=frame.assign(x=np.inf), **KEYS, formula="x")


def test_few_events_are_warned_of() -> None:
    frame = patients()
    few = pd.concat([frame[frame["ended"] == "explant"].head(8), frame[frame["ended"] == "censored"]])
    with pytest.warns(StudyWarning, match="Only 8 events"):
        fit_cox(few, **KEYS, formula="age_years")
    some = pd.concat([frame[frame["ended"] == "explant"].head(25), frame[frame["ended"] == "censored"]])
    with pytest.warns(StudyWarning, match=r"25 events for 3 parameters, 8\.3 per parameter"):
        fit = fit_cox(some, **KEYS, formula="rcs(age_years, 4)")
    assert fit.events_per_parameter == pytest.approx(25 / 3)


def test_rows_of_the_estimates() -> None:
    frame = patients()
    fit = fit_cox(
        frame, **KEYS, formula='rcs(baseline_mme_per_day, 4) + age_years + C(sex, Treatment("male")) + smoker'
    )
    table = fit.estimates.set_index("term")
    assert table.index.tolist() == ["baseline_mme_per_day", "age_years", "sex", "smoker"]
    grid = np.quantile(frame["baseline_mme_per_day"], [0.75, 0.25])
    assert table.loc["baseline_mme_per_day", "contrast"].startswith("75th vs 25th percentile (")
    assert grid[1] == 0
    assert table.loc["baseline_mme_per_day", "df"] == 3
    assert table.loc["age_years", "contrast"] == "per 1"
    assert (table.loc["sex", "level"], table.loc["sex", "reference"]) == ("female", "male")
    assert (table.loc["smoker", "level"], table.loc["smoker", "contrast"]) == ("yes", "yes vs no")
    assert table["n"].tolist() == [400, 400, int((frame["sex"] == "female").sum()), int(frame["smoker"].sum())]
    assert table["measure"].unique().tolist() == ["HR"]
    assert table["horizon_days"].isna().all()
    levels = fit.levels[fit.levels["term"] == "sex"]
    assert levels["level"].tolist() == ["male", "female"]
    assert levels["is_reference"].tolist() == [True, False]
    assert levels["n"].sum() == 400
    assert levels["events"].sum() == fit.events
    assert fit.tests["test"].tolist() == ["association", "nonlinearity", "association", "likelihood ratio"]
    assert fit.estimates is not fit.estimates
    with pytest.raises(FrozenInstanceError):
        fit.n = 1  # type: ignore[misc]


def test_a_contrast_falls_back_where_quartiles_agree() -> None:
    frame = patients().assign(rare=lambda frame: np.where(np.arange(400) % 8 == 0, frame["age_years"] + 0.0, 0.0))
    fit = fit_cox(frame, **KEYS, formula="poly(rare, 2)")
    assert fit.estimates["contrast"].iloc[0].startswith("90th vs 10th percentile")
    frame["rarer"] = np.where(np.arange(400) % 50 == 0, frame["age_years"] + 0.0, 0.0)
    fit = fit_cox(frame, **KEYS, formula="poly(rarer, 2)")
    assert fit.estimates["contrast"].iloc[0].startswith("largest vs smallest")


def test_interactions_say_where_the_own_rows_stand() -> None:
    fit = fit_cox(patients(), **KEYS, formula="rcs(age_years, 3) * sex + smoker:centre")
    table = fit.estimates
    assert table["contrast"].iloc[0].endswith(", where sex is female")
    sex = table[table["term"] == "sex"].iloc[0]
    assert sex["contrast"] == "male vs female, where age_years is 0"
    crossed = table[table["term"] == "age_years:sex"]
    assert crossed["level"].tolist() == ["age_years linear:male", "age_years bend 1:male"]
    assert crossed["contrast"].unique().tolist() == ["interaction"]


def test_a_curved_term_of_two_columns_is_shown_column_by_column() -> None:
    fit = fit_cox(patients(), **KEYS, formula="rcs(age_years + baseline_mme_per_day, 3)")
    assert fit.estimates["contrast"].tolist() == ["column 1", "column 2"]


def test_categories_and_kinds_of_columns() -> None:
    frame = patients()
    frame["band"] = pd.Categorical(
        np.where(frame["age_years"] > 60, "old", "young"), ["young", "middle", "old"], ordered=True
    )
    frame["grade"] = np.arange(400) % 3 + 1
    frame["grade_float"] = frame["grade"].astype(float)
    frame["text"] = pd.array(frame["centre"], dtype="string")
    frame["flag"] = pd.Series([True, False, False, True, True] * 80, dtype=object)
    frame["mixed"] = pd.Series([1, 2.5] * 200, dtype=object)
    frame["whole"] = pd.array(np.arange(400) % 7, dtype="Int64")
    frame["tier"] = pd.Categorical(np.arange(400) // 200)
    formula = "band + C(grade, Treatment(2)) + text + flag + whole + tier + log(mixed) + `grade_float`:smoker"
    fit = fit_cox(frame, **KEYS, formula=formula)
    table = fit.estimates.drop_duplicates("term").set_index("term")
    assert (table.loc["band", "reference"], table.loc["band", "level"]) == ("young", "old")
    assert (table.loc["grade", "reference"], table.loc["grade", "level"]) == ("2", "1")
    assert (table.loc["tier", "reference"], table.loc["tier", "level"]) == ("0", "1")
    assert table.loc["flag", "level"] == "yes"
    assert fit.design.at("whole", [1.0]).shape == (1, fit.n_parameters)
    categories = build_design(frame, "C(grade_float)", intercept=True)
    assert categories.terms[0].levels == ("2", "3")
    refused(
        fit_cox,
        InputError,
        "datetime",
        cohort=frame.assign(when=pd.Timestamp("2020-01-01") + pd.to_timedelta(frame.index, "D")),
        **KEYS,
        formula="when",
    )


@pytest.mark.parametrize(
    ("formula", "kind", "words"),
    [
        ("agee_years", InputError, "Did you mean 'age_years'?"),
        ("age_years +", InputError, "cannot be read"),
        ("0 + age_years", InputError, "takes the intercept away"),
        ("sex ~ age_years", InputError, "right-hand side only"),
        ("", InputError, "expects text"),
        (None, InputError, "expects text"),
        ("1", InputError, "has no term"),
        ("rcs(age_years, 8)", InputError, "3, 4, 5, 6 or 7"),
        ("rcs(few, 4)", InputError, "C(few) for categories"),
        ("rcs(clumped, 4)", InputError, "different knots"),
        ("rcs(age_years, knots=[1, 2])", InputError, "three or more"),
        ("rcs(age_years, knots=5)", InputError, "cannot be computed"),
        ("spline(age_years)", InputError, "calls spline()"),
        ("age_years + I(2 * age_years)", InputError, "can be worked out from 'age_years'"),
        ("I(0 * age_years)", InputError, "is the same in all 400 rows"),
        ("constant", InputError, "'constant' is the same in all 400 rows"),
        ('C(sex, Treatment("none"))', InputError, "cannot be computed"),
        ("log(baseline_mme_per_day)", DataError, "is not finite"),
        ("marker", DataError, "'marker' (present)"),
    ],
)
def test_formulas_that_cannot_work_are_refused(formula: Any, kind: type[Exception], words: str) -> None:
    frame = patients().assign(few=lambda frame: frame.index % 4, constant="a")
    frame["clumped"] = np.where(np.arange(400) % 10 < 8, 200.0, np.arange(400) + 10.0)
    frame["marker"] = np.where(
        frame["ended"] == "explant", "present", np.where(frame.index % 2 == 0, "present", "absent")
    )
    refused(fit_cox, kind, words, cohort=frame, **KEYS, formula=formula)


def test_own_knots_are_used() -> None:
    fit = fit_cox(patients(), **KEYS, formula="rcs(age_years, knots=[40, 55, 70])")
    assert fit.n_parameters == 2
    basis = spline_basis(np.array([30.0, 60.0]), np.array([40.0, 55.0, 70.0]))
    assert fit.design.at("age_years", [30, 60]).tolist() == basis.tolist()


def test_a_spline_is_straight_beyond_its_end_knots() -> None:
    knots = np.array([1.0, 2.0, 4.0, 7.0])
    for a, b, c in ((-3.0, -2.0, -1.0), (8.0, 9.0, 10.0)):
        rows = spline_basis(np.array([a, b, c]), knots)
        np.testing.assert_allclose(rows[2] - rows[1], rows[1] - rows[0], atol=1e-9)


def test_knots_step_over_a_clump_at_either_end() -> None:
    values = np.concatenate([np.zeros(40), np.arange(1.0, 161.0), np.full(40, 200.0)])
    assert spline_knots(values, 4).tolist() == [1.0, np.quantile(np.arange(2.0, 160.0), 0.5), 151.15, 160.0]
    three = spline_knots(values, 3)
    assert three.tolist() == [1.0, 80.5, 160.0]
    small = np.concatenate([np.zeros(5), np.arange(1.0, 41.0)])
    assert spline_knots(small, 4)[[0, -1]].tolist() == [1.0, 36.0]
    high = np.concatenate([np.full(5, 99.0), np.arange(1.0, 41.0)])
    assert spline_knots(high, 4)[[0, -1]].tolist() == [5.0, 40.0]


def test_separation_without_strata_variation_is_named() -> None:
    frame = patients()
    refused(fit_cox, DataError, "sex", cohort=frame, **KEYS, formula="age_years + sex", strata="sex")
    same = fit_cox(frame, **KEYS, formula="age_years", strata=["sex", "centre"], cluster="centre", ties="breslow")
    assert "stratified by sex, centre" in same.method


def test_robust_errors_need_more_clusters_than_parameters() -> None:
    refused(
        fit_cox,
        InputError,
        "2 clusters for 2 parameters",
        cohort=patients(),
        **KEYS,
        formula="age_years + smoker",
        cluster="sex",
    )


def test_kernel_starts_warm_and_stops_when_told() -> None:
    frame = patients()
    x = frame[["age_years", "baseline_mme_per_day"]].to_numpy(float)
    sets = cox.risk_sets(x, frame["days"].to_numpy(float), (frame["ended"] == "explant").to_numpy())
    cold = cox.fit_risk_sets(sets)
    warm = cox.fit_risk_sets(sets, start=cold.coefficients)
    assert warm.steps == 1
    assert warm.coefficients.tolist() == pytest.approx(cold.coefficients.tolist(), abs=1e-9)
    assert warm.log_likelihood_null == cold.log_likelihood_null
    assert not cox.fit_risk_sets(sets, max_steps=1).converged
    empty = cox.fit_risk_sets(
        cox.risk_sets(x[:, :0], frame["days"].to_numpy(float), (frame["ended"] == "explant").to_numpy())
    )
    assert empty.converged
    assert empty.log_likelihood == empty.log_likelihood_null


def test_a_constant_column_has_no_estimate() -> None:
    frame = patients()
    x = np.column_stack([frame["age_years"], np.ones(len(frame))])
    sets = cox.risk_sets(x, frame["days"].to_numpy(float), (frame["ended"] == "explant").to_numpy())
    estimate = cox.fit_risk_sets(sets)
    assert estimate.flat.tolist() == [False, True]
    assert np.isnan(estimate.covariance).all()


@pytest.mark.parametrize("seed", range(12))
def test_a_column_fixed_within_strata_is_flat_whatever_rounding_leaves(seed: int) -> None:
    random = np.random.default_rng(seed)
    stratum = np.append([0, 1, 2], random.integers(0, 3, 9))
    # Numbers without an exact binary form, so that differences of equal ones are rarely 0.
    x, stop = np.array([[0.1], [0.7], [1 / 3]])[stratum], random.exponential(3, 12).round(1) + 0.1
    for more in ({}, {"weight": random.integers(1, 4, 12) * 0.3}, {"offset": 4 * random.normal(size=12)}):
        sets = cox.risk_sets(x, stop, np.ones(12, dtype=bool), stratum=stratum, **more)
        for estimate in (cox.fit_risk_sets(sets), fit_firth(sets)):
            assert estimate.flat.tolist() == [True]
            assert not estimate.converged


def test_a_likelihood_short_of_its_maximum_is_refused() -> None:
    frame = patients()
    design = build_design(frame, "age_years", intercept=False)
    happened = (frame["ended"] == "explant").to_numpy()
    refused(
        refuse_flat, DataError, "maximum", design=design, flat=np.array([False]), converged=False, happened=happened
    )


def test_a_wild_start_is_halved_back() -> None:
    frame = patients()
    x = frame[["age_years", "baseline_mme_per_day"]].to_numpy(float)
    sets = cox.risk_sets(x, frame["days"].to_numpy(float), (frame["ended"] == "explant").to_numpy())
    assert cox.fit_risk_sets(sets, start=np.array([0.3, -0.1])).coefficients.tolist() == pytest.approx(
        cox.fit_risk_sets(sets).coefficients.tolist(), abs=1e-9
    )


def test_logistic_takes_yes_no_columns_only() -> None:
    frame = patients()
    fit = fit_logistic(frame, outcome="success", formula="age_years + sex")
    assert fit.estimates["measure"].unique().tolist() == ["OR"]
    assert fit.coefficients["parameter"].iloc[0] == "Intercept"
    assert fit.n_parameters == 2
    assert fit.events_per_parameter == min(fit.events, fit.n - fit.events) / 2
    assert fit.log_likelihood > fit.log_likelihood_null
    refused(fit_logistic, InputError, "True/False or 0/1", cohort=frame, outcome="age_years", formula="sex")
    refused(
        fit_logistic,
        InputError,
        "is yes in all 400 rows",
        cohort=frame.assign(success=1),
        outcome="success",
        formula="sex",
    )
    refused(
        fit_logistic,
        InputError,
        "is no in all 400 rows",
        cohort=frame.assign(success=False),
        outcome="success",
        formula="sex",
    )
    refused(fit_logistic, InputError, "Did you mean 'success'?", cohort=frame, outcome="succes", formula="sex")
    separated = frame.assign(marker=lambda frame: np.where(frame["success"], frame.index % 2, 0))
    refused(fit_logistic, DataError, "'marker'", cohort=separated, outcome="success", formula="marker + age_years")
    perfect = frame.assign(score=lambda frame: frame["success"] * 10.0 + frame["age_years"] / 20)
    refused(fit_logistic, DataError, "'score'", cohort=perfect, outcome="success", formula="score")


def test_logistic_refuses_unequal_follow_up() -> None:
    for name in ("explant", "explant_status"):
        refused(
            fit_logistic, InputError, "fit_cox(cohort, outcome='explant'", cohort=cohort(), outcome=name, formula="sex"
        )
    fit = fit_logistic(cohort(), outcome="success", formula="sex")
    assert fit.definitions[0].name == "explant"
    assert fit.unit == "patient"


def test_effect_curve() -> None:
    fit = fit_cox(patients(), **KEYS, formula="rcs(baseline_mme_per_day, 4) + age_years + sex")
    curve = estimate_effect_curve(fit, term="baseline_mme_per_day", reference=0)
    steps = curve.frame
    percentiles = np.quantile(patients()["baseline_mme_per_day"], [0.01, 0.99])
    assert (steps["value"].iloc[0], steps["value"].iloc[-1]) == pytest.approx(tuple(percentiles), abs=1e-9)
    assert len(steps) == 100
    line = estimate_effect_curve(fit, term="age_years", reference=50.0, values=[50, 60])
    per_year = fit.estimates.set_index("term").loc["age_years", "coefficient"]
    assert np.log(line.frame["estimate"]).tolist() == pytest.approx([0.0, 10 * per_year], abs=1e-9)
    assert line.estimates["contrast"].tolist() == ["50 vs 50", "60 vs 50"]
    assert "HR 1.00 (95 % CI 1.00 to 1.00) at 50" in line.sentence()
    assert "<table" in line._repr_html_()
    refused(estimate_effect_curve, InputError, "Did you mean 'age_years'?", fit=fit, term="age_year", reference=1)
    refused(estimate_effect_curve, InputError, "not a numeric column", fit=fit, term="sex", reference=1)
    for reference in ("a", True, np.inf):
        refused(estimate_effect_curve, InputError, "must be a number", fit=fit, term="age_years", reference=reference)
    refused(curve.at, InputError, "no time", days=5)


def test_log_log_points() -> None:
    frame = patients()
    hazard = estimate_cause_specific_hazard(frame, **KEYS, by="sex")
    points = log_minus_log(hazard)
    assert list(points.columns) == ["group", "log_days", "log_minus_log"]
    assert set(points["group"]) == {"female", "male"}
    assert np.isfinite(points[["log_days", "log_minus_log"]].to_numpy()).all()
    risk = estimate_cumulative_incidence(frame, **KEYS, competing="death")
    refused(log_minus_log, InputError, "cumulative_incidence", curve=risk)
    assert "Cumulative hazard of explant" in hazard.sentence()
    assert "<table" in hazard._repr_html_()


def test_sentences_and_pictures_carry_computed_numbers() -> None:
    frame = patients()
    curve: Curve = estimate_survival(frame.replace("death", "censored"), **KEYS)
    value = curve.at(1825)["estimate"].iloc[0]
    assert f"Free of explant {100 * value:.1f} %" in curve.sentence()
    assert "by day 1,825" in curve.sentence()
    assert curve.estimates["horizon_days"].tolist() == [365, 730, 1095, 1460, 1825]
    assert curve.frame is not curve.frame
    assert "<table" in curve._repr_html_()
    fit: Fit = fit_cox(frame, **KEYS, formula="age_years + sex", conf_level=0.9)
    row = fit.estimates.iloc[1]
    assert f"sex, male vs female: HR {row['estimate']:.2f} (90 % CI {row['conf_low']:.2f} to" in fit.sentence("sex")
    assert "association, mutually adjusted for sex" in fit.sentence()
    assert "association, unadjusted" in fit_cox(frame, **KEYS, formula="sex").sentence()
    assert "for explant" in fit.sentence()
    three = fit_logistic(frame, outcome="success", formula="age_years + sex + smoker")
    assert "adjusted for sex and smoker" in three.sentence()
    assert "for success" in three.sentence()
    assert "<table" in fit._repr_html_()
    refused(fit.sentence, InputError, "known: age_years, sex", term="smoker")


def test_days_shorter_than_a_year_have_one_horizon() -> None:
    assert estimate_cumulative_incidence(SIX, **KEYS, competing="death").horizons == (6.0,)
    nobody = SIX.replace({"explant": "death", "death": "explant"})
    assert (
        estimate_cumulative_incidence(nobody, **KEYS, competing="death").sentence().startswith("Cumulative incidence")
    )


def test_p_values_are_worded() -> None:
    frame = pd.DataFrame(datasets.load_veteran()).assign(
        ended=lambda frame: np.where(frame["status"] == 1, "death", "censored")
    )
    strong = fit_cox(frame, duration="time", status="ended", event="death", formula="karno + prior")
    assert "p < 0.001" in strong.sentence()
    assert "p = 0." in strong.sentence("prior")
    curved = fit_cox(frame, duration="time", status="ended", event="death", formula="rcs(age, 3) + karno")
    assert "for the whole curve (2 df)" in curved.sentence()
