"""What `fit_cox` and its diagnostics accept, refuse and say; numbers are held to R in test_cox_reference.py.

Tolerance: 1e-9 where a number is worked out by hand, 1e-6 where Newton's last step differs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import reporting_cases as cases
from survival import datasets

import fbss_analytics as fbss
from fbss_analytics.errors import DataError, InputError, StudyWarning
from fbss_analytics.models import crosscheck
from fbss_analytics.models.cox import fit_cox
from fbss_analytics.models.kernels import concordance as kernel
from fbss_analytics.reporting import alt_text

# What is said of few events has its own test.
FEW = pytest.mark.filterwarnings("ignore:.*(per parameter|left out):fbss_analytics.errors.StudyWarning")
KEYS: dict[str, Any] = {"duration": "days", "status": "out", "event": "explant"}


def patients(n: int = 300, seed: int = 11) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "age": random.integers(30, 80, n),
            "dose": random.gamma(2.0, 30.0, n).round(1),
            "sex": random.choice(["female", "male"], n),
            "centre": random.choice(list("abcdefgh"), n),
            "smoker": random.random(n) < 0.3,
            "w": random.choice([0.5, 1.0, 2.5], n),
        }
    )
    time = np.ceil(random.exponential(600, n) * np.exp(-0.005 * frame["dose"]))
    frame["days"], frame["out"] = np.minimum(time, 900.0), time <= 900
    frame["late"] = np.floor(frame["days"] * random.uniform(0, 0.5, n))
    return frame


def cox(formula: str = "age + dose + sex", frame: pd.DataFrame | None = None, **changes: Any) -> Any:
    return fit_cox(patients() if frame is None else frame, formula=formula, **{**KEYS, **changes})


def refused(call: Callable[[], Any], error: type[Exception], *words: str) -> None:
    with pytest.raises(error) as caught:
        call()
    for word in words:
        assert word in str(caught.value)


def separated() -> pd.DataFrame:
    frame = patients(120)
    return frame.assign(rare=frame["out"] & (frame["days"] < frame["days"].median()) & frame["smoker"])


# Weights, offset, penalty.


def test_weights_that_are_no_counts_make_errors_robust() -> None:
    fit = cox(weights="w")
    assert "rows weighted by w; robust standard errors." in fit.method
    assert "likelihood ratio" not in set(fit.tests["test"])
    counted = cox(frame=patients().assign(w=2), weights="w")
    assert "model-based standard errors" in counted.method
    assert counted.n == 300


@pytest.mark.parametrize("bad", [0.0, -1.0])
def test_weights_of_0_or_less_are_refused(bad: float) -> None:
    frame = patients()
    frame.loc[:2, "w"] = bad
    refused(lambda: cox(frame=frame, weights="w"), DataError, "3 of 300 rows", "0 or less", "leave such rows out")


def test_missing_weights_and_offsets_are_counted() -> None:
    frame = patients().assign(off=0.5)
    frame.loc[:3, "w"] = np.nan
    frame.loc[4, "off"] = np.nan
    with pytest.warns(StudyWarning, match="5 of 300 rows are left out: missing w 4, missing off 1"):
        fit = cox(frame=frame, weights="w", offset="off")
    assert fit.n == 295
    assert "offset off" in fit.method


def test_weights_and_offset_must_be_numbers_that_are_there() -> None:
    refused(lambda: cox(weights="sex"), InputError, "weights='sex' must hold numbers")
    refused(lambda: cox(offset="sex"), InputError, "offset='sex' must hold numbers")
    refused(lambda: cox(offset="dos"), InputError, "Did you mean 'dose'?")


def test_a_constant_offset_changes_nothing() -> None:
    plain, moved = cox(), cox(frame=patients().assign(off=3.0), offset="off")
    np.testing.assert_allclose(moved.coefficients["coefficient"], plain.coefficients["coefficient"], rtol=1e-9)


def test_ridge_draws_estimates_to_no_effect_and_says_so() -> None:
    sizes = [np.abs(cox(penalty=penalty).coefficients["coefficient"]).sum() for penalty in (0, 1, 100, 1e4)]
    assert sizes == sorted(sizes, reverse=True)
    fit = cox(penalty=10)
    assert "ridge penalty 10 on coefficients per standard deviation" in fit.method
    assert "do not keep their level" in fit.method
    assert "likelihood ratio" not in set(fit.tests["test"])
    for wrong in (-1.0, np.inf, True, "1"):
        refused(lambda wrong=wrong: cox(penalty=wrong), InputError, "penalty=")  # type: ignore[misc]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"penalty": 1.0, "firth": True}, "two penalties"),
        ({"penalty": 1.0, "interval": "profile"}, "ridge estimate"),
        ({"firth": True, "cluster": "centre"}, "firth=True rests on the likelihood, which clusters"),
        ({"interval": "profile", "weights": "w"}, "weights that are no whole numbers"),
        ({"firth": True, "periods": (90,)}, "firth=True"),
        ({"penalty": 1.0, "periods": (90,)}, "penalty="),
        ({"interval": "profile", "time_varying": {"age": "log"}}, 'interval="profile"'),
        ({"crosscheck": True, "periods": (90,)}, "crosscheck=True"),
        ({"periods": (90,), "time_varying": {"age": "log"}}, "choose one"),
        ({"varying": "age"}, "give periods="),
        ({"interval": "exact"}, "interval='exact'"),
        ({"ties": "exact"}, "ties='exact'"),
    ],
)
def test_choices_that_exclude_each_other(asked: dict[str, Any], words: str) -> None:
    refused(lambda: cox(**asked), InputError, words)


# Bad data.


def test_separation_is_refused_and_names_firth() -> None:
    frame = separated()
    frame["never"] = ~frame["out"] & (frame["age"] > 60)
    refused(lambda: cox("never + age", frame), DataError, "'never' (yes)", "use firth=True")
    fit = cox("never + age", frame, firth=True)
    assert np.isfinite(fit.estimates["estimate"]).all()
    assert "Firth's penalised likelihood; profile likelihood intervals" in fit.method
    row = fit.estimates.iloc[0]
    assert 0 < row["conf_low"] < row["estimate"] < row["conf_high"] < 1
    wald = cox("never + age", frame, firth=True, interval="wald")
    assert "Firth's penalised likelihood; model-based" in wald.method


def test_an_infinite_profile_limit_is_infinite() -> None:
    # One event in the group, the first of all: its hazard ratio has a maximum, but no upper limit from a flat profile.
    frame = pd.DataFrame(
        {"days": [1.0, 2, 3, 4, 5, 6, 7, 8], "out": [1, 1, 0, 1, 0, 1, 1, 0], "x": [1, 0, 0, 1, 0, 0, 0, 0]}
    )
    with pytest.warns(StudyWarning, match="Only 5 events"):
        fit = cox("x", frame, interval="profile")
    row = fit.estimates.iloc[0]
    assert row["conf_low"] < row["estimate"] < row["conf_high"]
    chance = fit.tests.set_index("test").loc["likelihood ratio", "p_value"]
    assert row["p_value"] == pytest.approx(chance.iloc[0])


@pytest.mark.parametrize(
    ("formula", "changes", "error", "words"),
    [
        ("age + twice", {"twice": lambda f: 2 * f["age"]}, InputError, "'twice' can be worked out from 'age'"),
        ("one", {"one": 1}, InputError, "'one' is the same in all"),
        ("age", {"out": False}, InputError, "nothing to estimate"),
        ("x", {"x": np.inf}, DataError, "infinite 'x'"),
        ("age", {"days": -1.0}, DataError, "negative 'days'"),
        ("age", {"days": 0.0}, DataError, "'days' of 0"),
        ("age", {"out": lambda f: f["out"] + 1}, InputError, "does not say what is an event"),
    ],
)
@pytest.mark.parametrize("asked", [{}, {"firth": True}, {"penalty": 1.0}, {"time_varying": {"age": "log"}}])
def test_bad_data_have_a_name(
    formula: str, changes: dict[str, Any], error: type[Exception], words: str, asked: dict[str, Any]
) -> None:
    refused(lambda: cox(formula, patients().assign(**changes), **asked), error, words)


def test_entry_on_the_day_of_leaving_is_refused() -> None:
    refused(lambda: cox(frame=patients().assign(late=lambda f: f["days"]), entry="late"), DataError, "on or after")


def test_duplicated_index_labels_change_nothing() -> None:
    frame = patients()
    shuffled = frame.set_axis([0] * len(frame))
    for asked in (
        {},
        {"strata": "sex", "formula": "age"},
        {"cluster": "centre"},
        {"weights": "w"},
        {"crosscheck": True},
    ):
        one, other = (cox(frame=each, **{"formula": "age + dose", **asked}) for each in (frame, shuffled))
        pd.testing.assert_frame_equal(one.estimates, other.estimates)
        assert fbss.estimate_concordance(one) is not None
    assert fbss.estimate_concordance(one).std_error == fbss.estimate_concordance(other).std_error


def test_the_case_is_carried_but_never_shown() -> None:
    fit = cox()
    assert fit.case.rows.follow.stop.shape == (300,)
    assert "case" not in repr(fit)
    with pytest.raises(FrozenInstanceError):
        fit.case = None


# Profile intervals and chunk tests.


def test_profile_interval_of_a_curve_is_that_of_its_contrast() -> None:
    fit = cox("rcs(dose, 4) + age", interval="profile")
    wald = cox("rcs(dose, 4) + age")
    row, other = fit.estimates.iloc[0], wald.estimates.iloc[0]
    assert row["estimate"] == other["estimate"]
    assert np.log(row["conf_low"]) == pytest.approx(np.log(other["conf_low"]), abs=0.05)
    ratio = fbss.compare_models(cox("age"), wald)
    assert row["p_value"] == pytest.approx(ratio.p_value, rel=1e-6)
    assert fit.tests.iloc[0]["df"] == 3


def test_firth_with_many_events_is_the_plain_fit() -> None:
    one, other = cox("age + dose", firth=True), cox("age + dose", interval="profile")
    np.testing.assert_allclose(one.coefficients["coefficient"], other.coefficients["coefficient"], atol=2e-3)
    for name in ("conf_low", "conf_high"):
        np.testing.assert_allclose(one.estimates[name], other.estimates[name], rtol=0.02)


def test_compare_models_by_likelihood() -> None:
    large = cox("age + dose + sex")
    test = fbss.compare_models(cox("age"), large)
    assert (test.df, test.test) == (2, "likelihood ratio")
    assert test.chi2 == pytest.approx(2 * (large.log_likelihood - cox("age").log_likelihood))
    assert "likelihood ratio chi-squared" in test.sentence()
    assert "<table" in test._repr_html_()
    assert test.frame.columns.tolist() == ["terms", "test", "chi2", "df", "p_value"]
    # The straight line lies within the spline, whatever its columns are called.
    assert fbss.compare_models(cox("dose"), cox("rcs(dose, 3)")).df == 1
    stepped = fbss.compare_models(cox("age"), cox("age", time_varying={"age": "log"}))
    assert stepped.df == 1


@pytest.mark.parametrize(
    ("small", "large", "words"),
    [
        (lambda: cox("age + dose"), lambda: cox("age"), "give the smaller model first"),
        (lambda: cox("sex"), lambda: cox("age + dose"), "not nested"),
        (lambda: cox("age", cluster="centre"), lambda: cox("age + dose"), "Use joint_test"),
        (lambda: cox("age", firth=True), lambda: cox("age + dose", firth=True), "Use joint_test"),
        (lambda: cox("age", patients(200)), lambda: cox("age + dose"), "different rows (200 and 300)"),
        (lambda: cox("age", strata="sex"), lambda: cox("age + dose"), "different rows"),
        (lambda: cox("age", ties="breslow"), lambda: cox("age + dose"), "different rows"),
        (lambda: cox("age", event="other"), lambda: cox("age + dose"), "kind, outcome and cause"),
    ],
)
def test_models_that_cannot_be_compared(small: Callable[[], Any], large: Callable[[], Any], words: str) -> None:
    refused(lambda: fbss.compare_models(small(), large()), InputError, words)


def test_logistic_models_are_compared_too() -> None:
    frame = patients().assign(success=lambda f: f["days"] > 500)
    one, other = (fbss.fit_logistic(frame, outcome="success", formula=formula) for formula in ("age", "age + dose"))
    assert fbss.compare_models(one, other).df == 1


def test_joint_test_of_several_terms() -> None:
    fit = cox("rcs(dose, 3) * sex + age")
    whole = fbss.joint_test(fit, ["dose"])
    assert whole.df == 4
    assert fbss.joint_test(fit, ["dose:sex"]).df == 2
    every = fit.tests.set_index(["term", "test"]).loc[("all terms", "association"), "chi2"]
    assert fbss.joint_test(fit, ["dose", "sex", "age"]).chi2 == pytest.approx(every)
    assert "dose and age together" in fbss.joint_test(fit, ["dose", "age"]).sentence()
    refused(lambda: fbss.joint_test(fit, ["dos"]), InputError, "Did you mean 'dose'?")
    refused(lambda: fbss.joint_test(fit, []), InputError, "terms= is empty")
    refused(lambda: fbss.joint_test(cox("age", periods=(200,)), ["age"]), InputError, "fit.parts[0]")


# Diagnostics.


def test_proportional_hazards_in_words() -> None:
    check = fbss.check_proportional_hazards(cox(strata="centre", formula="age + sex"))
    assert check.frame["term"].tolist() == ["age", "sex", "GLOBAL"]
    assert "global test p" in check.sentence()
    assert "does not show that hazards are proportional" in check.sentence()
    assert "<table" in check._repr_html_()
    assert len(check.residuals) == check.events


def test_a_hazard_ratio_that_falls_is_found() -> None:
    random = np.random.default_rng(5)
    x, n = random.integers(0, 2, 2_000), 2_000
    # Twice the hazard up to day 100, half of it after: the inverse of the piecewise cumulative hazard.
    h = random.exponential(1, n) * 200
    early = np.where(x == 1, 2.0, 1.0)
    days = np.where(h < 100 * early, h / early, 100 + (h - 100 * early) / np.where(x == 1, 0.5, 1.0))
    frame = pd.DataFrame({"days": np.minimum(days, 600), "out": days <= 600, "x": x})
    check = fbss.check_proportional_hazards(cox("x", frame))
    assert check.frame["p_value"].iloc[0] < 1e-10
    line = check.smooths
    assert line["estimate"].iloc[0] > 0.3
    assert line["estimate"].iloc[-1] < -0.3


def test_few_event_days_have_no_smoother() -> None:
    frame = patients().assign(days=lambda f: np.ceil(f["days"] / 450), late=0)
    check = fbss.check_proportional_hazards(cox("age", frame))
    assert check.smooths.empty


@pytest.mark.parametrize(
    "verb", [fbss.check_proportional_hazards, fbss.estimate_concordance, lambda fit: fbss.residuals(fit, kind="score")]
)
def test_diagnostics_need_a_plain_cox_fit(verb: Callable[[Any], Any]) -> None:
    refused(lambda: verb(cox("age", periods=(200,))), InputError, "without periods= and time_varying=")
    refused(lambda: verb(cox("age", time_varying={"age": "log"})), InputError, "without periods=")
    other = fbss.fit_logistic(patients().assign(s=lambda f: f["days"] > 500), outcome="s", formula="age")
    refused(lambda: verb(other), InputError, "needs a fit from fit_cox, not this fit of the model 'logistic'")


def test_wrong_names_of_diagnostics() -> None:
    refused(lambda: fbss.residuals(cox(), kind="devince"), InputError, "Did you mean 'deviance'?")
    refused(lambda: fbss.check_proportional_hazards(cox(), transform="logs"), InputError, "Did you mean 'log'?")
    for asked in ({"firth": True}, {"penalty": 1.0}):
        refused(lambda asked=asked: fbss.check_proportional_hazards(cox(**asked)), InputError, "itself")  # type: ignore[misc]


def test_concordance_by_counting_pairs() -> None:
    random = np.random.default_rng(3)
    for _ in range(10):
        n = 50
        score, stop = random.normal(size=n).round(1), random.integers(1, 15, n).astype(float)
        event, entry = random.random(n) < 0.5, np.floor(stop * random.uniform(0, 1, n))
        weight, stratum = random.integers(1, 4, n).astype(float), random.integers(0, 2, n)
        right = every = 0.0
        for i in np.flatnonzero(event):
            later = (stop > stop[i]) | ((stop == stop[i]) & ~event)
            for j in np.flatnonzero(later & (entry < stop[i]) & (stratum == stratum[i])):
                every += weight[i] * weight[j]
                right += weight[i] * weight[j] * ((score[i] > score[j]) + (score[i] == score[j]) / 2)
        value, influence, pairs = kernel.concordance(score, stop, event, entry=entry, stratum=stratum, weight=weight)
        assert (value, pairs) == (pytest.approx(right / every), pytest.approx(every))
        assert influence.sum() == pytest.approx(0, abs=1e-12)


def test_the_sweep_is_the_same_uncompiled(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = patients(80)
    arrays = (frame["dose"].to_numpy(), frame["days"].to_numpy(), frame["out"].to_numpy())
    compiled = kernel.concordance(*arrays)
    monkeypatch.setattr(kernel, "_compiled", lambda: kernel.sweep)
    assert kernel.concordance(*arrays)[0] == compiled[0]


def test_concordance_in_words_and_without_a_pair() -> None:
    found = fbss.estimate_concordance(cox())
    assert found.frame.columns.tolist() == ["concordance", "std_error", "conf_low", "conf_high", "pairs"]
    assert "in the data the model was fitted to" in found.sentence()
    assert "<table" in found._repr_html_()
    together = patients(40).assign(days=5.0, out=True)
    refused(lambda: fbss.estimate_concordance(cox("age", together, ties="breslow")), InputError, "No two rows")
    value, influence, pairs = kernel.concordance(np.zeros(2), np.array([1.0, 1.0]), np.array([True, True]))
    assert np.isnan(value)
    assert pairs == 0
    assert np.isnan(influence).all()


# Predictions.


def test_predictions_of_patients() -> None:
    fit = cox("age + sex + smoker + rcs(dose, 3)", strata="centre")
    rows = pd.DataFrame(
        {"age": [40, 70], "sex": ["male", "female"], "smoker": [True, False], "dose": [0.0, 90], "centre": ["a", "b"]},
        index=["young", "old"],
    )
    curve = fbss.predict_survival(fit, rows)
    assert curve.kind == "survival"
    assert curve.groups == ("young", "old")
    at = curve.at([0, 300, 600])
    assert at["estimate"].iloc[0] == 1
    assert (at["conf_low"].dropna() <= at["estimate"][at["conf_low"].notna()]).all()
    assert curve.sizes["young"] == (patients()["centre"] == "a").sum()
    steps = curve.frame[curve.frame["group"] == "young"]
    assert steps["n_at_risk"].iloc[0] == curve.sizes["young"]
    assert steps[["n_events", "n_censored"]].to_numpy().sum() == curve.sizes["young"]


def test_prediction_at_an_offset_multiplies_the_hazard() -> None:
    frame = patients().assign(off=lambda f: (f["age"] % 3) / 2.0)
    fit = cox("dose", frame, offset="off")
    curve = fbss.predict_survival(fit, pd.DataFrame({"dose": [50.0, 50.0], "off": [0.0, np.log(2)]}))
    at = curve.at(400)["estimate"].to_numpy()
    assert at[1] == pytest.approx(at[0] ** 2)


@pytest.mark.parametrize(
    ("rows", "error", "words"),
    [
        (pd.DataFrame({"age": [40]}), InputError, "no column 'sex'"),
        (
            pd.DataFrame({"age": [40], "sex": ["m"]}),
            InputError,
            "'sex' is 'm' in rows; the model knows female and male",
        ),
        (pd.DataFrame({"age": [np.nan], "sex": ["male"]}), DataError, "1 row of 1 to predict for have no 'age'"),
        (pd.DataFrame({"age": [np.inf], "sex": ["male"]}), DataError, "not finite"),
        (pd.DataFrame({"age": [1, 2], "sex": ["male"] * 2}, index=[0, 0]), InputError, "give each its own name"),
        (pd.DataFrame(), InputError, "one row per patient"),
    ],
)
def test_rows_that_cannot_be_predicted_for(rows: pd.DataFrame, error: type[Exception], words: str) -> None:
    refused(lambda: fbss.predict_survival(cox("age + sex"), rows), error, words)


def test_fits_that_do_not_predict() -> None:
    rows = pd.DataFrame({"age": [40], "centre": ["z"]})
    refused(lambda: fbss.predict_survival(cox("age", strata="centre"), rows), InputError, "no stratum of the model")
    for asked in ({"cluster": "centre"}, {"penalty": 1.0}, {"firth": True}, {"weights": "w"}):
        call = lambda asked=asked: fbss.predict_survival(cox("age", **asked), rows)  # noqa: E731
        refused(call, InputError, "model-based standard errors")
    refused(lambda: fbss.predict_survival(cox("age"), rows, conf_type="logit"), InputError, "conf_type='logit'")


# Coefficients that follow time.


def test_time_varying_coefficients_in_words() -> None:
    fit = cox("age + sex + dose", time_varying={"sex": "log", "age": lambda day: day > 200})
    contrasts = fit.estimates.set_index("term")["contrast"]
    assert contrasts["sex"] == "male vs female, where log(days) is 0"
    assert contrasts["sex x log(days)"] == "male vs female, times this per 1 of log(days)"
    assert contrasts["age x g(days)"] == "per 1, times this per 1 of g(days)"
    assert fit.method.startswith("ratios that change with time (sex by log(days), age by g(days));")
    assert fit.n_parameters == 5
    assert fit.n == 300
    curve = fbss.estimate_effect_curve(fit, term="dose", reference=50)
    assert curve.frame["estimate"].notna().all()
    refused(lambda: fbss.estimate_effect_curve(fit, term="age", reference=50), InputError, "changes with time")


def test_a_step_function_is_the_model_by_period() -> None:
    stepped = cox("age + dose", time_varying={"age": lambda day: day > 200})
    parts = cox("age + dose", periods=(200,), varying="age").parts
    b = stepped.coefficients.set_index("parameter")["coefficient"]
    before, after = (part.coefficients["coefficient"].iloc[0] for part in parts)
    assert b["age"] == pytest.approx(before, rel=1e-6)
    assert b["age x g(days)"] == pytest.approx(after - before, rel=1e-6)


@pytest.mark.parametrize(
    ("asked", "error", "words"),
    [
        ({}, InputError, "names no variable"),
        ({"agee": "log"}, InputError, "Did you mean 'age'?"),
        ({"age": "lg"}, InputError, "Did you mean 'log'?"),
        ({"dose": "log"}, InputError, "one straight term"),
        ({"age": lambda day: day[:-1]}, InputError, "one number for each day"),
        ({"age": lambda day: np.log(day - day.min())}, DataError, "not finite at 1 of"),
    ],
)
def test_functions_of_time_that_cannot_be_used(asked: dict[str, Any], error: type[Exception], words: str) -> None:
    refused(lambda: cox("age + rcs(dose, 3)", time_varying=asked), error, words)


def test_too_many_rows_at_risk_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fbss_analytics.models.over_time.MOST_ROWS", 1_000)
    refused(lambda: cox("age", time_varying={"age": "log"}), DataError, "Use periods=")


def test_robust_errors_of_split_rows_keep_a_row_together() -> None:
    frame = patients()
    plain = cox("age + dose", frame.assign(row=range(len(frame))), cluster="row", periods=(200,), varying="age")
    weighted = cox("age + dose", frame.assign(w=1.5), weights="w", periods=(200,), varying="age")
    np.testing.assert_allclose(plain.covariance, weighted.covariance, rtol=1e-9)
    one = cox("age + dose", frame.assign(row=range(len(frame))), cluster="row", time_varying={"age": "sqrt"})
    other = cox("age + dose", frame.assign(w=1.5), weights="w", time_varying={"age": "sqrt"})
    np.testing.assert_allclose(one.covariance, other.covariance, rtol=1e-9)


# The second engine.


@pytest.mark.parametrize(
    ("asked", "engine"),
    [
        ({}, "statsmodels"),
        ({"ties": "breslow"}, "statsmodels"),
        ({"strata": "sex", "formula": "age + dose"}, "statsmodels"),
        ({"offset": "w"}, "statsmodels"),
        ({"weights": "w"}, "lifelines"),
        ({"entry": "late"}, "lifelines"),
        ({"entry": "late", "weights": "w", "strata": "sex", "formula": "age + dose"}, "lifelines"),
        ({"cluster": "centre"}, "statsmodels: coefficients and model-based"),
    ],
)
def test_a_second_engine_confirms(asked: dict[str, Any], engine: str) -> None:
    # Rounded days, so that someone enters on the day of an event.
    frame = patients().assign(days=lambda f: np.ceil(f["days"] / 30), late=lambda f: np.floor(f["late"] / 30))
    frame["late"] = np.minimum(frame["late"], frame["days"] - 1)
    asked = {"formula": "age + dose + sex", **asked}
    assert f"Cross-checked with {engine}" in cox(frame=frame, crosscheck=True, **asked).method


@pytest.mark.parametrize("asked", [{"firth": True}, {"penalty": 1.0}, {"weights": "w", "ties": "breslow"}])
def test_it_is_said_when_no_engine_can_check(asked: dict[str, Any]) -> None:
    with pytest.warns(StudyWarning, match="was not checked"):
        fit = cox("age", crosscheck=True, **asked)
    assert "Not cross-checked" in fit.method


def test_engines_that_disagree_stop_the_study(monkeypatch: pytest.MonkeyPatch) -> None:
    good = crosscheck._statsmodels
    monkeypatch.setattr(crosscheck, "_statsmodels", lambda rows: (good(rows)[0] * 1.01, good(rows)[1]))
    refused(lambda: cox(crosscheck=True), DataError, "statsmodels disagrees", "coefficient of 'dose'")
    monkeypatch.setattr(crosscheck, "_statsmodels", lambda rows: (good(rows)[0] * np.nan, good(rows)[1]))
    refused(lambda: cox(crosscheck=True), DataError, "statsmodels disagrees")


# Covariates that change, and landmarks, on the patients of the Stanford heart transplant programme.


@pytest.fixture(scope="module")
def jasa() -> pd.DataFrame:
    frame = pd.DataFrame(datasets.load_jasa())
    frame["days"] = np.maximum(frame["futime"], 0.5)
    return frame.rename(columns={"wait.time": "wait"}).assign(died=lambda f: f["fustat"] == 1)


def test_split_at_changes_makes_the_heart_data(jasa: pd.DataFrame) -> None:
    heart = pd.DataFrame(datasets.load_heart())
    # `heart` counts days from 1, and has the one transplant on the day of death half a day before it.
    days, day = jasa["futime"] + 1, jasa["wait"].where(jasa["transplant"] == 1) + 1
    frame = jasa.assign(days=days, day=day.where(day != days, day - 0.5))
    pieces = fbss.split_at_changes(frame, changes={"transplanted": "day"}, duration="days", status="died")
    fit = fit_cox(
        pieces, duration="stop_day", entry="start_day", status="status", event="death", formula="transplanted"
    )
    assert len(pieces) == len(heart)
    assert pieces[["start_day", "stop_day"]].to_numpy().tolist() == heart[["start", "stop"]].to_numpy().tolist()
    # R's coxph on `heart`, transplant alone: 0.127141 (standard error 0.301141), as printed.
    assert fit.coefficients["coefficient"].iloc[0] == pytest.approx(0.127141, abs=5e-7)
    assert fit.coefficients["std_error"].iloc[0] == pytest.approx(0.301141, abs=5e-7)


def test_landmark_of_a_frame(jasa: pd.DataFrame) -> None:
    later = fbss.start_landmark(jasa.assign(late=0.0), day=30, duration="days", entry="late")
    assert (later["days"] > 0).all()
    assert len(later) == (jasa["days"] > 30).sum()
    late = fbss.start_landmark(jasa.assign(late=30.0), day=31, duration="days", entry="late")
    assert len(late) == (jasa["days"] > 31).sum()
    assert len(fbss.start_landmark(jasa, day=30, duration="days")) == len(later)
    none = jasa.assign(late=31.0)
    refused(lambda: fbss.start_landmark(none, day=31, duration="days", entry="late"), InputError, "Nobody of 103")


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"day": 0, "duration": "days"}, "expected a day above 0"),
        ({"day": 30}, "needs duration="),
        ({"day": 30, "duration": "dys"}, "Did you mean 'days'?"),
        ({"day": 30, "duration": "days", "entry": "lat"}, "'lat' is no column"),
    ],
)
def test_landmarks_of_frames_that_cannot_be(jasa: pd.DataFrame, asked: dict[str, Any], words: str) -> None:
    refused(lambda: fbss.start_landmark(jasa, **asked), InputError, words)


@pytest.mark.parametrize(
    ("changes", "asked", "error", "words"),
    [
        ({}, {"changes": {}}, InputError, "changes= is empty"),
        ({}, {"changes": {"age": "wait"}}, InputError, "already has"),
        ({}, {"changes": {"tx": "wait_days"}}, InputError, "Did you mean 'wait'?"),
        ({"days": np.nan}, {}, DataError, "103 of 103 rows"),
        ({"late": 5_000.0}, {"entry": "late"}, DataError, "103 of 103 rows"),
    ],
)
def test_frames_that_cannot_be_split(
    jasa: pd.DataFrame, changes: dict[str, Any], asked: dict[str, Any], error: type[Exception], words: str
) -> None:
    asked = {"changes": {"tx": "wait"}, "duration": "days", "status": "died", **asked}
    refused(lambda: fbss.split_at_changes(jasa.assign(**changes), **asked), error, words)


def test_text_status_stays_text_when_split() -> None:
    frame = pd.DataFrame({"days": [10.0, 6.0], "end": ["death", "censored"], "at": [4.0, 6.0], "late": [2.0, 0.0]})
    pieces = fbss.split_at_changes(frame, changes={"had": "at"}, duration="days", status="end", entry="late")
    assert pieces[["row", "start_day", "stop_day", "status", "had"]].to_numpy().tolist() == [
        [0, 2.0, 4.0, "censored", False],
        [0, 4.0, 10.0, "death", True],
        [1, 0.0, 6.0, "censored", False],
    ]


@pytest.fixture(scope="module")
def simulated() -> fbss.Cohort:
    source = fbss.simulate("neuromodulation", n_patients=400, seed=4)
    cohort = fbss.start_cohort(source, index="scs_implant", occurrence="first")
    cohort = fbss.add_time_to(cohort, "explant", definition="without_replacement", within_days=90, clock="therapy",
                              competing="death", until_days=1825)  # fmt: skip
    cohort = fbss.add_time_to(cohort, "death", competing=None, until_days=1825)
    return fbss.add_condition(cohort, "depression", days=(-365, -1))


@FEW
def test_time_varying_rows_of_a_cohort(simulated: fbss.Cohort) -> None:
    cohort = fbss.add_time_varying(
        simulated, "explant", events="device_revision", conditions=["depression"], measurements="nrs_back", name="now"
    )
    episodes = cohort.episodes("now")
    pieces = episodes.frame
    whole = pieces.groupby("row")
    one = simulated.outcomes["explant"]
    followed = simulated.frame[simulated.frame[one.days].notna()].reset_index(drop=True)
    assert (pieces["stop_day"] > pieces["start_day"]).all()
    assert whole["stop_day"].max().tolist() == followed[one.days].tolist()
    assert whole["start_day"].min().tolist() == followed[one.entry].tolist()
    assert whole["status"].last().tolist() == followed[one.status].tolist()
    assert (whole["status"].nth(slice(0, -1)) == "censored").all()
    assert whole["had_device_revision"].apply(lambda values: values.is_monotonic_increasing).all()
    assert "interval" in episodes._repr_html_()
    fit = fit_cox(episodes, formula="had_device_revision + age_years + nrs_back_now")
    assert "missing nrs_back_now" in fit.excluded["reason"].tolist()
    assert "clustered on patient_id" in fit.method
    assert fit.outcome == "explant"
    fixed = fit_cox(episodes, formula="age_years", outcome="explant")
    plain = fit_cox(simulated, outcome="explant", formula="age_years")
    assert fixed.coefficients["coefficient"].iloc[0] == pytest.approx(plain.coefficients["coefficient"].iloc[0])


def test_time_varying_values_hold_after_their_day(simulated: fbss.Cohort) -> None:
    cohort = fbss.add_time_varying(simulated, "explant", events=["device_revision", "scs_implant"])
    pieces = cohort.episodes("explant_pieces").frame
    turned = pieces[pieces["had_device_revision"]].groupby("row")["start_day"].min()
    from fbss_analytics.cohort.linkage import relative_events

    days = relative_events(simulated, "device_revision").groupby("row")["day"].min()
    assert len(turned) > 5
    assert all(start == max(days[row], 0) for row, start in turned.items() if days[row] >= 0)
    # The implant of day 0 is no change; only a later one is.
    assert not pieces[pieces["start_day"] == 0]["had_scs_implant"].any()


def test_time_varying_calls_that_cannot_be(simulated: fbss.Cohort) -> None:
    refused(lambda: fbss.add_time_varying(simulated, "explant"), InputError, "needs events=")
    refused(lambda: fbss.add_time_varying(simulated, "explnt", events="death"), InputError, "Did you mean 'explant'?")
    refused(lambda: fbss.add_time_varying(simulated, "explant", conditions="depresion"), InputError, "Did you mean")
    cohort = fbss.add_time_varying(simulated, "explant", events="device_revision")
    episodes = cohort.episodes("explant_pieces")
    refused(lambda: fit_cox(episodes, formula="age_years", outcome="death"), InputError, "of the outcome 'explant'")
    states = replace(episodes, kind="states")
    refused(lambda: fit_cox(states, formula="age_years"), InputError, "takes episodes from add_time_varying")


def test_landmark_of_a_cohort(simulated: fbss.Cohort) -> None:
    later = fbss.start_landmark(simulated, "explant", day=30)
    one = simulated.outcomes["explant"]
    kept = simulated.frame[(simulated.frame[one.days] > 30) & (simulated.frame[one.entry] < 30)]
    assert later.frame[one.days].tolist() == (kept[one.days] - 30).tolist()
    assert (later.frame["index_date"].to_numpy() - kept["index_date"].to_numpy() == np.timedelta64(30, "D")).all()
    assert (later.frame[one.entry] == 0).all()
    assert list(later.outcomes) == ["explant"]
    assert "death_days" not in later.frame
    assert later.outcomes["explant"].until_days == 1795
    assert "followed beyond day 30 after the" in later.attrition.steps[-1].words
    assert later.attrition.steps[-1].n_after == len(kept)
    assert "day 0 is day 30 after the" in later.sentence()
    known = {each.name: each.known_at_day for each in later.definitions}
    assert known["has_depression"] == -31
    curve = fbss.estimate_cumulative_incidence(later, outcome="explant")
    assert curve.n == len(kept)
    always = replace(simulated, outcomes={"explant": replace(one, entry=None)})
    assert len(fbss.start_landmark(always, "explant", day=30)) == (simulated.frame[one.days] > 30).sum()
    twice = fbss.start_landmark(later, "explant", day=10)
    assert twice.landmark_day == 40
    refused(lambda: fbss.start_landmark(simulated, "explant", day=30.5), InputError, "whole days")
    wrong: Any = {"day": 30, "duration": "days"}
    refused(lambda: fbss.start_landmark(simulated, "explant", **wrong), InputError, "name of its outcome")


def test_schoenfeld_plot_without_a_smoother_on_given_axes() -> None:
    from matplotlib import pyplot

    pyplot.switch_backend("agg")
    frame = patients().assign(days=lambda f: np.ceil(f["days"] / 450))
    check = fbss.check_proportional_hazards(cox("age", frame))
    axes = pyplot.figure().add_subplot()
    assert fbss.plot_schoenfeld(check, term="age", ax=axes) is axes
    assert len(axes.lines) == 2
    assert alt_text(axes).endswith(f"p = {check.frame['p_value'].iloc[0]:.3f}.")
    pyplot.close("all")


def test_schoenfeld_plot_names_its_terms() -> None:
    check = fbss.check_proportional_hazards(cases.fit("age_years + sex"))
    refused(lambda: fbss.plot_schoenfeld(check, term="age_year"), InputError, "Did you mean 'age_years'?")
