"""Competing risks: what the verbs accept, refuse and say, and influence functions held to numerical derivatives.

Numbers are held to R in test_competing_reference.py. Tolerance of derivatives: 1e-6 relative; central differences over
a case weight leave an error of about 1e-9.
"""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from test_models import cohort, patients, refused

from fbss_analytics.errors import DataError, InputError, StudyWarning
from fbss_analytics.models.absolute_risk import predict_cumulative_incidence
from fbss_analytics.models.competing import compare_cumulative_incidence
from fbss_analytics.models.competing_fit import CompetingFit
from fbss_analytics.models.fine_gray import fit_fine_gray
from fbss_analytics.models.fine_gray_check import check_fine_gray
from fbss_analytics.models.kernels import cox, fine_gray
from fbss_analytics.models.kernels.absolute_risk import absolute_risk
from fbss_analytics.models.kernels.gray import gray
from fbss_analytics.models.results import ESTIMATE_COLUMNS
from fbss_analytics.models.survival import estimate_survival
from fbss_analytics.reporting.figures import plot_cumulative_incidence, plot_forest, plot_survival
from fbss_analytics.reporting.tables import table_estimates

mpl.use("Agg")

KEYS: dict[str, Any] = {"duration": "days", "status": "ended", "event": "explant", "competing": "death"}
FORMULA = "age_years + sex + smoker"


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return patients().assign(entered=lambda rows: np.floor(rows["days"] * (rows.index % 4) / 9))


@pytest.fixture(scope="module")
def fit(frame: pd.DataFrame) -> CompetingFit:
    return fit_fine_gray(frame, **KEYS, formula=FORMULA)


def small(seed: int = 1, n: int = 60) -> dict[str, Any]:
    """Rows with ties, late entry, strata and weights; some enter at 0, so that weights can be estimated."""
    random = np.random.default_rng(seed)
    stop = random.integers(1, 20, n).astype(float)
    entry = np.where(random.random(n) < 0.5, 0.0, np.floor(stop * random.random(n) * 0.9))
    entry[:8] = 0
    return {
        "x": random.normal(size=(n, 2)),
        "stop": stop,
        "cause": random.integers(0, 3, n),
        "entry": entry,
        "stratum": random.integers(0, 2, n),
        "weight": random.uniform(0.5, 2, n),
    }


def derivatives(value: Any, weight: Any, step: float = 1e-5) -> Any:
    """Return the weighted derivative (n, ...) of a statistic by each row's weight, by central differences."""
    rows = []
    for j in range(len(weight)):
        moved = step * (np.arange(len(weight)) == j)
        rows.append((value(weight + moved) - value(weight - moved)) / (2 * step) * weight[j])
    return np.array(rows)


@pytest.mark.parametrize("ties", ["efron", "breslow"])
@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("strata", [False, True])
def test_influence_is_the_derivative_by_the_case_weight(ties: str, late: bool, strata: bool) -> None:
    data = small()
    weight = data.pop("weight")
    data |= {"ties": ties, "entry": data["entry"] if late else None, "stratum": data["stratum"] if strata else None}
    days, rows = np.array([3.0, 8.0, 15.0]), data["x"][:2]

    def fitted(w: Any) -> tuple[fine_gray.Subdistribution, cox.CoxEstimate]:
        model = fine_gray.subdistribution(**data, weight=w)
        return model, cox.fit_risk_sets(model.sets)

    def log_hazard(w: Any) -> Any:
        return np.log(-np.log1p(-fine_gray.incidence(*fitted(w), rows, days)))

    model, estimate = fitted(weight)
    assert model.unknown == 0
    expected = derivatives(lambda w: fitted(w)[1].coefficients, weight)
    np.testing.assert_allclose(fine_gray.influence(model, estimate).T, expected, rtol=1e-6, atol=1e-8)
    cluster = np.arange(len(weight)) // 3
    by_cluster = np.stack([np.bincount(cluster, column) for column in expected.T])
    np.testing.assert_allclose(
        fine_gray.sandwich(model, estimate, cluster=cluster), by_cluster @ by_cluster.T, rtol=1e-6
    )
    _, error = fine_gray.incidence_with_error(model, estimate, rows, days)
    np.testing.assert_allclose(error, np.sqrt(np.square(derivatives(log_hazard, weight)).sum(axis=0)), rtol=1e-6)


def test_influence_on_the_risk_from_cause_specific_models() -> None:
    data = small(2)
    weight, days, rows = data["weight"], np.array([3.0, 8.0, 15.0]), data["x"][:2]

    def models(w: Any) -> list[tuple[Any, Any]]:
        sets = [
            cox.risk_sets(data["x"], data["stop"], data["cause"] == cause, entry=data["entry"], weight=w)
            for cause in (1, 2)
        ]
        return [(own, cox.fit_risk_sets(own)) for own in sets]

    risk, error = absolute_risk(models(weight), [rows, rows], days)
    moved = derivatives(lambda w: absolute_risk(models(w), [rows, rows], days)[0], weight)
    np.testing.assert_allclose(error, np.sqrt(np.square(moved).sum(axis=0)), rtol=1e-6)
    other, _ = absolute_risk(models(weight)[::-1], [rows, rows], days)
    free = np.ones_like(risk)
    for sets, estimate in models(weight):
        step = cox.baseline_hazard(sets, estimate.coefficients)
        for i, row in enumerate(rows):
            relative = np.exp((row - estimate.center) @ estimate.coefficients)
            free[i] *= [np.exp(-relative * step[sets.time <= day].sum()) for day in days]
    np.testing.assert_allclose(risk + other + free, 1.0, atol=1e-12)


def test_a_fit_holds_the_fine_gray_model_and_every_cause_specific_one(fit: CompetingFit) -> None:
    assert [(one.model, one.measure, one.cause) for one in fit.fits] == [
        ("fine_gray", "sHR", "explant"),
        ("cox", "HR", "explant"),
        ("cox", "HR", "death"),
    ]
    assert list(fit.estimates.columns) == list(ESTIMATE_COLUMNS)
    assert len(fit.estimates) == 9
    assert fit.fine_gray.tests["test"].tolist() == ["association"]
    assert fit.outcome == fit.cause == "explant"
    assert fit.excluded.empty
    assert fit.definitions == ()
    assert "Fine-Gray model, Efron ties: subdistribution hazard ratio of explant, death competing" in fit.method
    assert "explant HR" in fit._repr_html_()


def test_the_sentence_keeps_risk_and_rate_apart(fit: CompetingFit) -> None:
    said = fit.sentence("sex")
    assert "sex, male vs female: sHR" in said
    assert "which way the risk of explant goes with it" in said
    assert "it is no ratio of rates or risks" in said
    assert "cause-specific HR: explant " in said
    refused(fit.sentence, InputError, "is not among the estimates", term="height")


def test_tables_and_forests_draw_all_models(fit: CompetingFit) -> None:
    table = table_estimates(fit)
    assert [name for name in table.frame.columns if name.endswith(": p")] == [
        "Explant, Fine-Gray: p",
        "Explant, Cox regression: p",
        "Explant (death), Cox regression: p",
    ]
    heads = [name.partition(": ")[2] for name in table.frame.columns if name.endswith("CI)")]
    assert heads == ["sHR (95 % CI)", "HR (95 % CI)", "HR (95 % CI)"]
    age = table.frame.iloc[0]
    events = [f"{one.events:,}" for one in fit.fits]
    assert age["events"] == " / ".join(events)
    axes = plot_forest(fit)
    assert axes.get_xlabel().startswith("sHR or HR")
    assert axes.get_legend().get_texts()[0].get_text() == "Explant, Fine-Gray"


def test_several_rows_of_a_patient_are_clustered() -> None:
    systems = fit_fine_gray(cohort(unit="system"), outcome="explant", formula="age_years")
    assert "clustered on patient_id (200 clusters)" in systems.fine_gray.method
    plain = fit_fine_gray(cohort(), outcome="explant", formula="age_years")
    assert plain.fine_gray.estimates["estimate"].tolist() == systems.fine_gray.estimates["estimate"].tolist()
    assert plain.fine_gray.cause == "event"
    assert "subdistribution hazard ratio of explant, death competing" in plain.method
    assert "explant 0" in plain.sentence() or "explant 1" in plain.sentence()
    assert [definition.name for definition in plain.definitions] == ["explant"]


def test_method_says_entry_weights_and_strata(frame: pd.DataFrame) -> None:
    made = fit_fine_gray(
        frame.assign(counted=1.5),
        **KEYS,
        formula="age_years",
        entry="entered",
        weights="counted",
        censoring_strata=["sex", "smoker"],
        ties="cmprsk",
    )
    for words in (
        "Breslow ties as R crr",
        "within sex, smoker",
        "late entry in the weights",
        "rows weighted by counted",
    ):
        assert words in made.fine_gray.method


def test_weights_that_do_not_differ_change_nothing_but_the_scale(frame: pd.DataFrame, fit: CompetingFit) -> None:
    weighted = fit_fine_gray(frame.assign(counted=1.5), **KEYS, formula=FORMULA, weights="counted")
    for name in ("coefficient", "std_error"):
        np.testing.assert_allclose(weighted.fine_gray.coefficients[name], fit.fine_gray.coefficients[name], rtol=1e-9)


def test_bad_input_is_named(frame: pd.DataFrame) -> None:
    def call(data: pd.DataFrame = frame, **changes: Any) -> CompetingFit:
        return fit_fine_gray(data, **KEYS | {"formula": "age_years"} | changes)

    refused(call, InputError, "ties='exact'", ties="exact")
    refused(fit_fine_gray, InputError, "Expected a Cohort or a pandas DataFrame", cohort=[], formula="age_years")
    refused(call, InputError, "'same' is the same in all 400 rows", data=frame.assign(same=1.0), formula="same")
    double = frame.assign(twice=2 * frame["age_years"])
    refused(call, InputError, "can be worked out from 'age_years'", data=double, formula="age_years + twice")
    refused(call, InputError, "is no event", cause="explnt")
    only = frame[frame["ended"] != "death"]
    refused(call, InputError, "use fit_cox", data=only, competing=None)
    refused(call, InputError, "No row has an event that competes", data=only)
    refused(call, InputError, "No row has the event 'death'", data=only, cause="death")
    censored = frame.assign(ended="censored")
    refused(call, InputError, "No row of 400 has the event 'explant'", data=censored)
    refused(call, DataError, "0 or less", data=frame.assign(w=np.where(frame.index == 3, 0.0, 1.0)), weights="w")


@pytest.mark.filterwarnings("ignore:.*per parameter", "ignore:Only")
def test_separation_names_the_column(frame: pd.DataFrame) -> None:
    separated = frame.assign(clean=frame["ended"] != "explant")
    refused(fit_fine_gray, DataError, "'clean' (yes)", cohort=separated, formula="clean + age_years", **KEYS)


@pytest.mark.filterwarnings("ignore:Only")
def test_days_without_anybody_under_observation_are_refused() -> None:
    late = pd.DataFrame(
        {
            "days": [2.0, 3.0, 4.0, 8.0, 9.0, 10.0],
            "ended": ["explant", "death", "explant", "explant", "death", "explant"],
            "from": [0.0, 0.0, 0.0, 5.0, 5.0, 5.0],
            "x": [1.0, 0.0, 2.0, 1.0, 3.0, 0.0],
        }
    )
    refused(fit_fine_gray, DataError, "The weight of 1 row", cohort=late, formula="x", entry="from", **KEYS)


def test_few_events_of_a_competing_cause_are_said(frame: pd.DataFrame) -> None:
    dead = np.flatnonzero(frame["ended"] == "death")[5:]
    few = frame.drop(index=dead)
    with pytest.warns(StudyWarning, match=r"Only 5 events \(the model of death\)"):
        fit_fine_gray(few, **KEYS, formula="age_years")


def test_missing_values_are_counted(frame: pd.DataFrame) -> None:
    holes = frame.assign(age_years=frame["age_years"].where(frame.index > 4))
    with pytest.warns(StudyWarning, match="5 of 400 rows are left out: missing age_years 5"):
        made = fit_fine_gray(holes, **KEYS, formula="age_years")
    assert made.excluded["n"].tolist() == [5]
    assert {one.n for one in made.fits} == {395}


def test_predicted_risks_of_both_models(fit: CompetingFit) -> None:
    rows = pd.DataFrame({"age_years": [40, 70], "sex": ["female", "male"], "smoker": [False, True]}, index=["a", "b"])
    risk = predict_cumulative_incidence(fit, rows, days=[365, 1095])
    table = risk.estimates
    assert list(table.columns) == list(ESTIMATE_COLUMNS)
    assert table["model"].tolist() == ["cox"] * 4 + ["fine_gray"] * 4
    assert table["level"].tolist() == ["a", "a", "b", "b"] * 2
    assert (table["conf_low"] < table["estimate"]).all()
    assert (table["estimate"] < table["conf_high"]).all()
    # log(-log(1 - F)) is symmetric: the two limits lie equally far from the estimate.
    scale = {name: np.log(-np.log1p(-table[name])) for name in ("conf_low", "estimate", "conf_high")}
    np.testing.assert_allclose(scale["conf_high"] - scale["estimate"], scale["estimate"] - scale["conf_low"], rtol=1e-9)
    assert "Predicted risk of explant by day 1,095: a " in risk.sentence()
    assert "from the Fine-Gray model" in risk.sentence()
    assert "Fine-Gray model" in risk._repr_html_()


def test_before_any_event_the_risk_is_0_without_interval(frame: pd.DataFrame) -> None:
    later = frame.assign(days=frame["days"] + 10)
    made = fit_fine_gray(later, **KEYS, formula="age_years")
    table = predict_cumulative_incidence(made, pd.DataFrame({"age_years": [50]}), days=5).estimates
    assert table["estimate"].tolist() == [0, 0]
    assert table["conf_low"].isna().all()


def test_prediction_refuses_what_it_cannot_do(fit: CompetingFit) -> None:
    rows = pd.DataFrame({"age_years": [40], "sex": ["female"], "smoker": [True]})
    ask = predict_cumulative_incidence
    refused(ask, InputError, "needs the result of fit_fine_gray", fit=fit.fine_gray, rows=rows, days=365)
    refused(ask, InputError, "5000 lies outside follow-up", fit=fit, rows=rows, days=5000)
    refused(ask, InputError, "no day lies", fit=fit, rows=rows, days=[])
    refused(ask, InputError, "rows has no column 'smoker'", fit=fit, rows=rows.drop(columns="smoker"), days=365)
    refused(ask, InputError, "the model knows", fit=fit, rows=rows.assign(sex="unknown"), days=365)
    refused(ask, DataError, "have no 'age_years'", fit=fit, rows=rows.assign(age_years=np.nan), days=365)
    refused(ask, InputError, "predict_cumulative_incidence needs a DataFrame", fit=fit, rows=rows[:0], days=365)


def test_check_sets_predicted_against_observed_risk(fit: CompetingFit, frame: pd.DataFrame) -> None:
    check = check_fine_gray(fit, day=1095)
    assert check.frame["term"].tolist() == ["age_years", "sex", "smoker", "GLOBAL"]
    assert check.calibration["n"].sum() == len(frame)
    assert check.calibration["predicted"].is_monotonic_increasing
    assert "global test p" in check.sentence()
    assert " of 4: " in check.sentence()
    assert "Predicted and observed risk by day 1,095" in check._repr_html_()
    # All together, the mean predicted risk is close to the observed one where censoring does not depend on covariates.
    table = check.calibration
    assert np.average(table["predicted"], weights=table["n"]) == pytest.approx(
        np.average(table["observed"], weights=table["n"]), abs=0.02
    )


def test_equal_predictions_stay_in_one_group(frame: pd.DataFrame) -> None:
    made = fit_fine_gray(frame.assign(w=2.0), **KEYS, formula="sex", entry="entered", cluster="centre", weights="w")
    table = check_fine_gray(made, day=1095, groups=5, transform="identity").calibration
    assert sorted(table["n"]) == sorted(frame["sex"].value_counts())


def test_check_refuses_what_it_cannot_do(fit: CompetingFit) -> None:
    refused(check_fine_gray, InputError, "transform='sqrt'", fit=fit, day=365, transform="sqrt")
    refused(check_fine_gray, InputError, "needs the result of fit_fine_gray", fit=fit.fine_gray, day=365)
    refused(check_fine_gray, InputError, "day=0 lies outside", fit=fit, day=0)
    refused(check_fine_gray, InputError, "groups=1", fit=fit, day=365, groups=1)


def test_gray_on_a_cohort_and_its_refusals(frame: pd.DataFrame) -> None:
    test = compare_cumulative_incidence(cohort(), outcome="explant", by="sex")
    assert test.frame["cause"].tolist() == ["event", "death"]
    assert "explant between groups of sex" in test.sentence()
    rho = compare_cumulative_incidence(frame, **KEYS, by="sex", rho=1.0, strata=["smoker"])
    assert rho.method.endswith("rho 1; stratified by smoker.")
    for asked, words in (({"rho": -1.0}, "rho=-1.0"), ({"by": "centre", "strata": "centre"}, "nothing to compare")):
        refused(compare_cumulative_incidence, InputError, words, cohort=frame, **KEYS | {"by": "sex"} | asked)
    one = frame.assign(sex="male")
    refused(compare_cumulative_incidence, InputError, "has one group", cohort=one, by="sex", **KEYS)
    several = cohort(unit="system")
    refused(
        compare_cumulative_incidence, InputError, "no form for several", cohort=several, outcome="explant", by="sex"
    )


def test_gray_skips_a_cause_that_nobody_has(frame: pd.DataFrame) -> None:
    test = compare_cumulative_incidence(frame, **KEYS | {"competing": ["death", "moved"]}, by="sex")
    assert test.frame["cause"].tolist() == ["explant", "death"]


def test_competing_events_are_censored_only_with_a_reason(frame: pd.DataFrame) -> None:
    keys = {name: KEYS[name] for name in ("duration", "status", "event")}
    refused(estimate_survival, InputError, "Say why it is needed", cohort=frame, competing="censor", **keys)
    refused(estimate_survival, InputError, "Say why", cohort=frame, competing="censor", acknowledge="  ", **keys)
    refused(estimate_survival, InputError, "competing='death'", cohort=frame, competing="death", **keys)
    curve = estimate_survival(frame, **keys, competing="censor", acknowledge="as printed in 1999.", by="sex")
    assert curve.kind == "cumulative_incidence"
    assert curve.overstated == ("explant (1 - Kaplan-Meier)",)
    assert curve.frame["group"].drop_duplicates().tolist() == ["female", "male"]
    assert curve.frame["cause"].drop_duplicates().tolist() == ["explant", "death", "explant (1 - Kaplan-Meier)"]
    assert "shown because: as printed in 1999." in curve.method
    assert curve.definitions[-1].arguments == {"acknowledge": "as printed in 1999."}
    wide = curve.at([365, 1095]).pivot(index=["level", "horizon_days"], columns="cause", values="estimate")
    assert (wide["explant (1 - Kaplan-Meier)"] > wide["explant"]).all()


def test_without_competing_events_nothing_needs_acknowledging(frame: pd.DataFrame) -> None:
    only = frame[frame["ended"] != "death"]
    keys = {name: KEYS[name] for name in ("duration", "status", "event")}
    curve = estimate_survival(only, **keys, competing="censor")
    assert curve.kind == "survival"
    assert curve.overstated == ()


def test_one_minus_kaplan_meier_is_never_drawn_alone() -> None:
    curve = estimate_survival(cohort(), outcome="explant", competing="censor", acknowledge="to repeat a figure")
    axes = plot_survival(curve)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "explant",
        "death",
        "explant (1 - Kaplan-Meier)",
    ]
    counts = [text.get_text() for text in next(a for a in axes.figure.axes if a.get_label() == "counts").texts]
    assert "Explant (1 - Kaplan-Meier) (cum.)" not in counts
    refused(plot_cumulative_incidence, InputError, "not drawn alone", curve=curve, causes=list(curve.overstated))


def test_gray_keeps_a_covariance_where_the_tie_factor_is_negative() -> None:
    # Group 0: 9 of 10 compete on day 1; group 1: 8 of 10 have the cause on day 2. h = 10, 10 and dF = 0.4, so group 0
    # has T(8, 20 x 0.1) = -6, held at 0. Group 1 gives 0.25 x 10 x 0.4 x 12/19; B = -2 on day 1, 4 x 9 x T(9, 10) = 4.
    stop, cause = np.repeat([1.0, 2.0, 9.0, 9.0], [9, 8, 1, 2]), np.repeat([2, 1, 0, 0], [9, 8, 1, 2])
    found = gray(stop, cause, np.repeat([0, 1, 0, 1], [9, 8, 1, 2]))
    assert found.observed.tolist() == [0, 8]
    assert found.expected.tolist() == pytest.approx([4, 4])
    assert found.covariance.ravel().tolist() == pytest.approx(np.array([1, -1, -1, 1]) * (4 + 12 / 19))
