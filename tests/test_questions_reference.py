"""Models of questions 2 to 4 held to R: ``reference/questions.json`` comes from ``questions.R`` beside it.

Tolerance 1e-6 absolute or relative, whichever is larger, with two exceptions, told where they stand: the mixed model,
whose likelihood is flat about its maximum, and mets' Ghosh-Lin, which takes exp(-cumulative hazard) for survival: ours
is held exactly to sums over survfit, and to mets within 1 %.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from survival import datasets

import fbss_analytics as fbss

FOLDER = Path(__file__).parent / "reference"
R: dict[str, Any] = json.loads((FOLDER / "questions.json").read_text())
STATES = ["using", "free", "out", "dead"]
EVENTS = {"duration": "days", "status": "status", "event": "explant", "competing": "death"}
# The made-up data are small on purpose; what is said of few events has its own test.
pytestmark = pytest.mark.filterwarnings("ignore:.*per parameter:fbss_analytics.errors.StudyWarning")
DAYS = {"duration": "days", "status": "status", "event": "explant"}


def listed(values: Any) -> list[float]:
    return np.asarray(values, dtype=float).ravel().tolist()


def near(expected: Any, tolerance: float = 1e-6) -> Any:
    return pytest.approx(listed(expected), rel=tolerance, abs=tolerance, nan_ok=True)


def load(name: str) -> pd.DataFrame:
    return pd.read_csv(FOLDER / f"{name}.csv")


@pytest.mark.parametrize("conf_type", ["log-log", "log", "plain"])
def test_state_occupancy_is_that_of_survfit(conf_type: str) -> None:
    expected = R[f"occupancy_{conf_type}"]
    curve = fbss.estimate_state_occupancy(load("episodes"), states=STATES, conf_type=conf_type)
    at = curve.at(expected["time"]).set_index(["horizon_days", "cause"])
    wide = {name: at[name].unstack()[STATES].to_numpy().ravel() for name in at.columns if at[name].dtype == float}
    assert listed(wide["estimate"]) == near(expected["share"])
    assert listed(wide["std_error"]) == near(expected["se"])
    told = (wide["estimate"] > 0) & (wide["estimate"] < 1)
    for ours, theirs in (("conf_low", "lower"), ("conf_high", "upper")):
        limits = np.array([[np.nan if x == "NA" else x for x in row] for row in expected[theirs]], dtype=float).ravel()
        assert listed(wide[ours][told]) == near(limits[told])


def test_occupancy_of_a_group_is_that_of_the_group_alone() -> None:
    expected = R["occupancy_arm1"]
    curve = fbss.estimate_state_occupancy(load("episodes"), states=STATES, by="arm", conf_type="log")
    at = curve.at(expected["time"])
    mine = at[at["level"] == "1"].pivot(index="horizon_days", columns="cause", values="std_error")[STATES]
    assert listed(mine) == near(expected["se"])


def test_mean_counts_are_those_of_survfit() -> None:
    frame = load("counts").replace({"status": {"death": "censored"}})
    for key, cluster in (("mcf", None), ("mcf_cluster", "patient")):
        at = fbss.estimate_mean_cumulative_count(frame, cluster=cluster).at(R[key]["time"])
        assert listed(at["estimate"]) == near(R[key]["mean"])
        assert listed(at["std_error"]) == near(R[key]["se"])


def test_bladder_counts_are_those_printed_for_r() -> None:
    frame = pd.DataFrame(datasets.load_bladder2())
    frame["status"] = np.where(frame["event"] == 1, "event", "censored")
    curve = fbss.estimate_mean_cumulative_count(frame, row="id", start="start", stop="stop", by="rx")
    at = curve.at([20]).set_index("level")
    assert listed(at.loc["1", ["estimate", "std_error"]].tolist()) == near([1.18288529751775, 0.194210221184731])
    assert listed(at.loc["2", ["estimate", "std_error"]].tolist()) == near([0.651374965190755, 0.173124881141879])


def test_counts_with_death_are_those_of_ghosh_and_lin() -> None:
    at = fbss.estimate_mean_cumulative_count(load("counts"), terminal="death").at(R["ghosh_lin"]["time"])
    mine = at[at["cause"] == "event"]
    assert listed(mine["estimate"]) == near(R["ghosh_lin"]["mean"])
    assert listed(mine["std_error"]) == near(R["ghosh_lin"]["se"])
    assert listed(mine["estimate"]) == near(R["ghosh_lin_mets"]["mean"], 1e-2)
    assert listed(mine["std_error"]) == near(R["ghosh_lin_mets"]["se"], 1e-2)


@pytest.mark.parametrize("kind", ["classical", "hc3", "cluster"])
def test_linear_models_are_those_of_lm_and_sandwich(kind: str) -> None:
    errors = "hc3" if kind == "cluster" else kind
    fit = fbss.fit_linear(
        load("people"), outcome="after", formula="sex + age", baseline="dose", errors=errors,
        cluster="centre" if kind == "cluster" else None,
    )  # fmt: skip
    expected = R[f"lm_{kind}"]
    assert listed(fit.coefficients["coefficient"]) == near(expected["coef"])
    assert listed(fit.coefficients["std_error"]) == near(expected["se"])
    assert fit.log_likelihood == pytest.approx(expected["loglik"])


@pytest.mark.parametrize("correlation", ["independence", "exchangeable"])
def test_estimating_equations_are_those_of_geepack(correlation: str) -> None:
    fit = fbss.fit_gee(
        load("visits"), outcome="mme", formula="group * month", patient="patient", correlation=correlation
    )
    expected = R[f"gee_{correlation}"]
    assert listed(fit.coefficients["coefficient"]) == near(expected["coef"])
    assert listed(fit.coefficients["std_error"]) == near(expected["se"])


@pytest.mark.parametrize(("kind", "slope"), [("level", None), ("slope", "month")])
def test_mixed_models_are_those_of_lme4(kind: str, slope: str | None) -> None:
    fit = fbss.fit_mixed(load("visits"), outcome="mme", formula="group * month", patient="patient", slope=slope)
    expected = R[f"lmer_{kind}"]
    assert fit.log_likelihood == pytest.approx(expected["loglik"], abs=1e-6)
    # The likelihood agrees to 1e-6; where it is that flat, variances and so standard errors agree to about its root.
    assert listed(fit.coefficients["coefficient"]) == near(expected["coef"], 1e-4)
    assert listed(fit.coefficients["std_error"]) == near(expected["se"], 1e-4)


def test_period_specific_ratios_are_those_of_a_split_model() -> None:
    fit = fbss.fit_cox(load("people"), formula="sex + dose", periods=(90, 730), **DAYS)
    expected = {
        name: (R["periods_all"]["coef"][i], R["periods_all"]["se"][i])
        for i, name in enumerate(R["periods_all"]["names"])
    }
    theirs = [pair for name, pair in expected.items() if name.startswith("male")] + [
        pair for name, pair in expected.items() if name.startswith("dose")
    ]
    assert listed(fit.coefficients[["coefficient", "std_error"]].to_numpy().ravel()) == near(theirs)
    assert listed([fit.log_likelihood_null, fit.log_likelihood]) == near(R["periods_all"]["loglik"])


def test_one_term_by_period_with_clustered_errors_is_r() -> None:
    fit = fbss.fit_cox(load("people"), formula="dose + sex", periods=(90, 730), varying="sex", cluster="centre", **DAYS)
    named = [i for i, name in enumerate(R["periods_one"]["names"]) if name == "dose" or name.startswith("male")]
    order = sorted(named, key=lambda i: R["periods_one"]["names"][i] != "dose")
    assert listed(fit.coefficients["coefficient"]) == near([R["periods_one"]["coef"][i] for i in order])
    assert listed(fit.coefficients["std_error"]) == near([R["periods_one"]["se"][i] for i in order])


def test_adjusted_risks_are_sums_over_rs_models() -> None:
    risk = fbss.estimate_adjusted_risk(
        load("people"), formula="sex + dose + age", exposure="sex", horizon_days=730, seed=1, n_samples=2,
        competing_formula="sex + dose + age", **EVENTS,
    )  # fmt: skip
    female, male = R["adjusted"]["female"], R["adjusted"]["male"]
    assert listed(risk.estimates["estimate"]) == near([female, male, male - female])
