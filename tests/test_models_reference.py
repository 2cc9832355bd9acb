"""Models held to R: the numbers in ``reference/models.json`` come from ``reference/models.R``.

Tolerance: 1e-6 absolute or relative, whichever is larger. R stops Newton at a relative gain of 1e-9 in log likelihood,
which leaves its coefficients right to about 1e-8; curves agree to 1e-12. Exceptions are stated where they stand.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from survival import datasets

from fbss_analytics.models.competing import estimate_cumulative_incidence
from fbss_analytics.models.cox import fit_cox
from fbss_analytics.models.formula import build_design
from fbss_analytics.models.kernels import aalen_johansen, cox
from fbss_analytics.models.regression import estimate_effect_curve, fit_logistic
from fbss_analytics.models.splines import spline_basis, spline_knots
from fbss_analytics.models.survival import estimate_cause_specific_hazard, estimate_survival

R: dict[str, Any] = json.loads((Path(__file__).parent / "reference" / "models.json").read_text())

KEYS = {"duration": "time", "status": "ended", "event": "death"}


def near(expected: Any) -> Any:
    return pytest.approx(np.asarray(expected, dtype=float).ravel().tolist(), rel=1e-6, abs=1e-6)


def load(name: str) -> pd.DataFrame:
    return pd.DataFrame(getattr(datasets, f"load_{name}")())


def dead(frame: pd.DataFrame, column: str = "status", value: int = 2) -> pd.DataFrame:
    return frame.assign(ended=np.where(frame[column] == value, "death", "censored"))


@pytest.fixture(scope="module")
def lung() -> pd.DataFrame:
    return dead(load("lung"))


@pytest.fixture(scope="module")
def pbc() -> pd.DataFrame:
    return dead(load("pbc"))


@pytest.fixture(scope="module")
def mgus() -> pd.DataFrame:
    frame = load("mgus2")
    frame["time"] = np.where(frame["pstat"] == 0, frame["futime"], frame["ptime"])
    frame["ended"] = np.where(frame["pstat"] == 1, "pcm", np.where(frame["death"] == 1, "death", "censored"))
    frame["entered"] = np.floor(frame["time"] * (frame["id"] % 5) / 7)
    return frame


@pytest.fixture(scope="module")
def heart() -> pd.DataFrame:
    return dead(load("heart"), "event", 1)


def last_rows(heart: pd.DataFrame) -> pd.DataFrame:
    return heart[~heart["id"].duplicated(keep="last")]


def same_curve(table: pd.DataFrame, expected: dict[str, Any], key: str = "surv") -> None:
    assert table["estimate"].tolist() == near(expected[key])
    assert table["std_error"].tolist() == near(expected["se"])
    assert table["conf_low"].tolist() == near(expected["lower"])
    assert table["conf_high"].tolist() == near(expected["upper"])


def same_fit(fit: Any, expected: dict[str, Any]) -> None:
    assert fit.n == expected["n"]
    assert fit.events == expected["events"]
    assert fit.coefficients["coefficient"].tolist() == near(expected["coef"])
    assert fit.coefficients["std_error"].tolist() == near(expected.get("robust") or expected["se"])
    assert [fit.log_likelihood_null, fit.log_likelihood] == near(expected["loglik"])


@pytest.mark.parametrize("conf_type", ["log-log", "log"])
def test_kaplan_meier_by_sex(lung: pd.DataFrame, conf_type: str) -> None:
    expected = R[f"lung_km_{conf_type}"]
    curve = estimate_survival(lung, **KEYS, by="sex", conf_type=conf_type)
    same_curve(curve.at([180, 365, 730]), expected)
    assert curve.risk_table([180, 365, 730])["n_at_risk"].tolist() == expected["n.risk"]


def test_kaplan_meier_plain_interval_is_cut_at_zero_and_one(lung: pd.DataFrame) -> None:
    same_curve(estimate_survival(lung, **KEYS, conf_type="plain").at([180, 365, 730, 900]), R["lung_km_plain"])


@pytest.mark.parametrize(("conf_type", "block"), [("log-log", "heart_last_km"), ("log", "heart_last_km_log")])
def test_kaplan_meier_with_late_entry(heart: pd.DataFrame, conf_type: str, block: str) -> None:
    keys = {"duration": "stop", "status": "ended", "event": "death", "entry": "start"}
    curve = estimate_survival(last_rows(heart), **keys, conf_type=conf_type)
    days = [30, 100, 365, 1000]
    same_curve(curve.at(days), R[block])
    assert curve.risk_table(days)["n_at_risk"].tolist() == R[block]["n.risk"]


def test_nelson_aalen(lung: pd.DataFrame) -> None:
    table = estimate_cause_specific_hazard(lung, **KEYS, by="sex").at([180, 365, 730])
    assert table["estimate"].tolist() == near(R["lung_nelson_aalen"]["cumhaz"])
    assert table["std_error"].tolist() == near(R["lung_nelson_aalen"]["se"])


def states(table: pd.DataFrame, column: str) -> list[float]:
    wide = table.pivot(index="horizon_days", columns="cause", values=column)
    return [float(value) for value in wide[["pcm", "death"]].to_numpy().ravel()]


def of_causes(rows: list[list[float]]) -> list[list[float]]:
    return [row[1:] for row in rows]


@pytest.mark.parametrize("conf_type", ["log", "log-log", "plain"])
def test_aalen_johansen(mgus: pd.DataFrame, conf_type: str) -> None:
    expected = R[f"mgus2_AJ_{conf_type}"]
    curve = estimate_cumulative_incidence(
        mgus, duration="time", status="ended", event="pcm", competing="death", conf_type=conf_type
    )
    table = curve.at(expected["time"])
    for column, name in (("estimate", "pstate"), ("std_error", "se"), ("conf_low", "lower"), ("conf_high", "upper")):
        assert states(table, column) == near(of_causes(expected[name]))
    at_risk = curve.risk_table(expected["time"]).query("cause == 'pcm'")["n_at_risk"]
    assert at_risk.tolist() == expected["n.risk"]


def test_aalen_johansen_by_sex(mgus: pd.DataFrame) -> None:
    curve = estimate_cumulative_incidence(
        mgus, duration="time", status="ended", event="pcm", competing="death", by="sex", conf_type="log"
    )
    table = curve.at([120, 240]).sort_values(["level", "horizon_days", "cause"], ascending=[True, True, False])
    assert table["estimate"].tolist() == near(of_causes(R["mgus2_AJ_sex"]["pstate"]))
    assert table["std_error"].tolist() == near(of_causes(R["mgus2_AJ_sex"]["se"]))


def test_aalen_johansen_with_late_entry(mgus: pd.DataFrame) -> None:
    expected = R["mgus2_AJ_late"]
    curve = estimate_cumulative_incidence(
        mgus, duration="time", status="ended", event="pcm", competing="death", entry="entered"
    )
    table = curve.at(expected["time"])
    for column, name in (("estimate", "pstate"), ("std_error", "se"), ("conf_low", "lower"), ("conf_high", "upper")):
        assert states(table, column) == near(of_causes(expected[name]))
    at_risk = curve.risk_table(expected["time"]).query("cause == 'pcm'")["n_at_risk"]
    assert at_risk.tolist() == expected["n.risk"]


def test_curves_with_two_eyes_per_patient() -> None:
    frame = load("diabetic")
    cause = np.where(frame["status"] == 0, 0, 1 + frame["trt"]).astype(np.int64)
    patient = pd.factorize(frame["id"])[0].astype(np.int64)
    steps = aalen_johansen.curves(frame["time"].to_numpy(float), cause, 2, cluster=patient)
    k = np.searchsorted(steps.time, [6, 12, 24, 48], side="right") - 1
    assert steps.incidence[:, k[2:]].T.ravel().tolist() == near(of_causes(R["diabetic_AJ_cluster"]["pstate"]))
    assert steps.incidence_error[:, k[2:]].T.ravel().tolist() == near(of_causes(R["diabetic_AJ_cluster"]["se"]))
    assert steps.survival_error[k].tolist() == near(R["diabetic_KM_cluster"]["se"])


@pytest.mark.parametrize("ties", ["efron", "breslow"])
@pytest.mark.filterwarnings("ignore:1 of 228 rows")
def test_cox_ties(lung: pd.DataFrame, ties: str) -> None:
    same_fit(fit_cox(lung, **KEYS, formula="age + sex + `ph.ecog`", ties=ties), R[f"lung_cox_{ties}"])


@pytest.mark.filterwarnings("ignore:1 of 228 rows")
def test_cox_strata(lung: pd.DataFrame) -> None:
    same_fit(fit_cox(lung, **KEYS, formula="age + sex", strata="ph.ecog"), R["lung_cox_strata"])


@pytest.mark.filterwarnings("ignore:2 of 228 rows")
def test_cox_robust_by_centre(lung: pd.DataFrame) -> None:
    fit = fit_cox(lung, **KEYS, formula="age + sex + `ph.ecog`", cluster="inst")
    same_fit(fit, R["lung_cox_cluster"])
    assert "clustered on inst (18 clusters)" in fit.method


@pytest.mark.filterwarnings("ignore:2 of 418 rows")
def test_cox_with_transformations_and_its_baseline_hazard(pbc: pd.DataFrame) -> None:
    formula = "age + edema + log(bili) + log(protime) + log(albumin)"
    fit = fit_cox(pbc, **KEYS, formula=formula)
    same_fit(fit, R["pbc_cox"])
    used = pbc[pbc["protime"].notna()]
    assert len(fit.design.matrix) == 0
    sets = cox.risk_sets(
        build_design(used, formula, intercept=False).matrix,
        used["time"].to_numpy(float),
        (used["ended"] == "death").to_numpy(),
    )
    estimate = cox.fit_risk_sets(sets)
    hazard = np.cumsum(cox.baseline_hazard(sets, estimate.coefficients))
    k = np.searchsorted(sets.time, R["pbc_basehaz"]["time"], side="right") - 1
    # R centres at its own means (a 0/1-coded column at 0); only the linear predictor between the two centres differs.
    shift = (np.asarray(R["pbc_basehaz"]["means"]) - sets.center) @ estimate.coefficients
    assert (hazard[k] * np.exp(shift)).tolist() == near(R["pbc_basehaz"]["hazard"])


def test_cox_veteran() -> None:
    frame = dead(load("veteran"), value=1)
    same_fit(fit_cox(frame, **KEYS, formula="trt + prior + karno"), R["veteran_cox"])


@pytest.mark.parametrize(("block", "late_only"), [("heart_pieces", False), ("heart_late", True)])
def test_cox_with_pieces_of_follow_up_and_late_entry(heart: pd.DataFrame, block: str, late_only: bool) -> None:
    frame = last_rows(heart) if late_only else heart
    keys = {"duration": "stop", "status": "ended", "event": "death", "entry": "start"}
    same_fit(fit_cox(frame, **keys, formula="age + year + surgery + transplant"), R[block])


@pytest.mark.parametrize(
    ("block", "formula", "strata"),
    [("bladder2_ag", "rx + size + number", None), ("bladder2_strata", "rx + size", "number")],
)
def test_cox_robust_on_recurrent_events(block: str, formula: str, strata: str | None) -> None:
    frame = dead(load("bladder2"), "event", 1)
    keys = {"duration": "stop", "status": "ended", "event": "death", "entry": "start"}
    same_fit(fit_cox(frame, **keys, formula=formula, strata=strata, cluster="id"), R[block])


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_cox_kernel_with_case_weights(lung: pd.DataFrame, ties: str) -> None:
    used = lung.dropna(subset=["time", "status", "age", "sex", "ph.ecog", "inst"])
    weight = 1 + (np.arange(1, len(used) + 1) % 3) / 2
    sets = cox.risk_sets(
        used[["age", "sex", "ph.ecog"]].to_numpy(float),
        used["time"].to_numpy(float),
        (used["ended"] == "death").to_numpy(),
        weight=weight,
        ties=ties,
    )
    estimate = cox.fit_risk_sets(sets)
    expected = R[f"lung_weighted_{ties}"]
    assert estimate.coefficients.tolist() == near(expected["coef"])
    assert np.sqrt(np.diag(estimate.covariance)).tolist() == near(expected["se"])
    assert np.sqrt(np.diag(cox.sandwich(sets, estimate))).tolist() == near(expected["robust"])
    assert [estimate.log_likelihood_null, estimate.log_likelihood] == near(expected["loglik"])


@pytest.mark.parametrize("cause", ["pcm", "death"])
@pytest.mark.filterwarnings("ignore:11 of 1,384 rows")
def test_cause_specific_cox(mgus: pd.DataFrame, cause: str) -> None:
    fit = fit_cox(mgus, duration="time", status="ended", event="pcm", cause=cause, formula="age + sex + mspike")
    same_fit(fit, R[f"mgus2_cox_{cause}"])
    other = "death" if cause == "pcm" else "pcm"
    assert f"cause-specific hazard ratio of {cause} ({other} counted as censored)" in fit.method


def test_knots_are_those_of_hmisc(pbc: pd.DataFrame) -> None:
    for k, expected in zip(range(3, 8), R["knots_pbc_age"], strict=True):
        assert spline_knots(pbc["age"].to_numpy(float), k).tolist() == near(expected)
    receptor = load("rotterdam")["er"].to_numpy(float)
    for k, expected in zip(range(3, 6), R["knots_rotterdam_er"], strict=True):
        assert spline_knots(receptor, k).tolist() == near(expected)
    few = load("ovarian")["age"].to_numpy(float)
    for k, expected in zip(range(3, 6), R["knots_ovarian_age"], strict=True):
        assert spline_knots(few, k).tolist() == near(expected)


def test_spline_basis_is_that_of_hmisc() -> None:
    basis = spline_basis(np.array([20, 35.5, 50, 61.25, 80]), np.asarray(R["knots_pbc_age"][2]))
    assert basis.ravel().tolist() == near(R["basis_pbc_age_5"])


def test_cox_with_a_spline(pbc: pd.DataFrame) -> None:
    expected = R["pbc_spline"]
    fit = fit_cox(pbc, **KEYS, formula='rcs(age, 4) + C(sex, Treatment("m")) + log(bili)')
    assert fit.coefficients["coefficient"].tolist() == near(expected["coef"])
    assert fit.coefficients["std_error"].tolist() == near(expected["se"])
    assert [fit.log_likelihood_null, fit.log_likelihood] == near(expected["loglik"])
    row = fit.estimates.iloc[0]
    assert (row["term"], row["contrast"], row["df"]) == ("age", "75th vs 25th percentile (58.24 vs 42.83)", 3)
    assert [row["coefficient"], row["std_error"], row["p_value"]] == near(
        [expected["effect"], expected["effect_se"], expected["p"][0]]
    )
    tests = fit.tests[fit.tests["term"] == "age"]
    assert tests["test"].tolist() == ["association", "nonlinearity"]
    assert tests["chi2"].tolist() == near(expected["chi2"])
    assert tests["p_value"].tolist() == near(expected["p"])
    curve = estimate_effect_curve(fit, term="age", reference=50, values=[40, 60])
    assert np.log(curve.frame["estimate"]).tolist() == near(expected["contrast"])
    assert curve.frame["std_error"].tolist() == near(expected["contrast_se"])


@pytest.mark.filterwarnings("ignore:106 of 418 rows", "ignore:24 events for 5 parameters")
def test_logistic(pbc: pd.DataFrame) -> None:
    expected = R["pbc_logit"]
    fit = fit_logistic(pbc, outcome="ascites", formula='age + C(sex, Treatment("m")) + log(bili) + C(edema)')
    assert fit.coefficients["coefficient"].tolist() == near(expected["coef"])
    assert fit.coefficients["std_error"].tolist() == near(expected["se"])
    assert [fit.log_likelihood] == near([expected["loglik"]])
    assert fit.n == expected["n"]


@pytest.mark.filterwarnings("ignore:106 of 418 rows", "ignore:24 events for 4 parameters")
def test_logistic_with_a_spline_and_clusters(pbc: pd.DataFrame) -> None:
    expected = R["pbc_logit_spline"]
    fit = fit_logistic(pbc, outcome="ascites", formula="rcs(age, 4) + log(bili)")
    assert fit.coefficients["coefficient"].tolist() == near(expected["coef"])
    assert fit.tests.query("term == 'age'")["chi2"].tolist() == near(expected["chi2"])
    grouped = pbc.assign(group=pbc["id"] % 20)
    robust = fit_logistic(grouped, outcome="ascites", formula="rcs(age, 4) + log(bili)", cluster="group")
    assert robust.coefficients["std_error"].tolist() == near(R["pbc_logit_robust"]["se"])


@pytest.mark.filterwarnings("ignore:1 of 228 rows")
def test_cox_agrees_with_lifelines_and_statsmodels(lung: pd.DataFrame) -> None:
    from lifelines import CoxPHFitter
    from statsmodels.duration.hazard_regression import PHReg

    used = lung.dropna(subset=["ph.ecog"]).assign(dead=lambda frame: (frame["ended"] == "death").astype(int))
    used = used[["time", "dead", "age", "sex", "ph.ecog"]]
    ours = fit_cox(lung, **KEYS, formula="age + sex + `ph.ecog`").coefficients["coefficient"].tolist()
    lifelines = CoxPHFitter().fit(used, "time", "dead").params_.tolist()
    model = PHReg(used["time"], used[["age", "sex", "ph.ecog"]], used["dead"], ties="efron")
    # 1e-4: both stop their optimisers earlier than we do.
    assert lifelines == pytest.approx(ours, rel=1e-4, abs=1e-6)
    assert model.fit().params.tolist() == pytest.approx(ours, rel=1e-4, abs=1e-6)
