"""Curves, group tests, restricted means, parametric models and bootstrap refits held to R: ``reference/curves.R``.

Tolerance: 1e-6 relative (1e-9 where the number is near 0). R stops its Newton steps at a relative gain of 1e-9 and its
``survreg`` at 1e-13; curves agree to 1e-12. Exceptions are stated where they stand.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from survival import datasets

from fbss_analytics import (
    compare_survival,
    estimate_cumulative_incidence,
    estimate_follow_up,
    estimate_restricted_mean,
    estimate_survival,
    fit_parametric,
)
from fbss_analytics.models.kernels import cox
from fbss_analytics.models.kernels.cox_bootstrap import refit

R: dict[str, Any] = json.loads((Path(__file__).parent / "reference" / "curves.json").read_text())

KEYS: dict[str, Any] = {"duration": "time", "status": "dead", "event": "death"}
CAUSES: dict[str, Any] = {"duration": "etime", "status": "ended", "event": "pcm", "competing": "death"}


def near(expected: Any, rel: float = 1e-6) -> Any:
    return pytest.approx(np.asarray(expected, dtype=float).ravel().tolist(), rel=rel, abs=1e-9, nan_ok=True)


def load(name: str) -> pd.DataFrame:
    return pd.DataFrame(getattr(datasets, f"load_{name}")())


@pytest.fixture(scope="module")
def lung() -> pd.DataFrame:
    frame = load("lung")
    row = np.arange(1, len(frame) + 1)
    return frame.assign(
        dead=frame["status"] == 2,
        w=0.5 + (row % 7) / 5,
        k=1 + row % 3,
        entry=np.floor(frame["time"] * (row % 5) / 9),
        row=row,
    )


@pytest.fixture(scope="module")
def mgus() -> pd.DataFrame:
    frame = load("mgus2")
    frame["etime"] = np.where(frame["pstat"] == 0, frame["futime"], frame["ptime"]).astype(float)
    frame["ended"] = np.where(frame["pstat"] == 1, "pcm", np.where(frame["death"] == 1, "death", "censored"))
    frame["entry"] = np.floor(frame["etime"] * (frame["id"] % 5) / 7)
    return frame.assign(w=0.5 + (frame["id"] % 7) / 5, k=1 + frame["id"] % 3)


@pytest.fixture(scope="module")
def veteran() -> pd.DataFrame:
    frame = load("veteran")
    order = ["squamous", "smallcell", "adeno", "large"]
    return frame.assign(dead=frame["status"] == 1, celltype=pd.Categorical(frame["celltype"], order))


def same_test(test: Any, expected: dict[str, Any]) -> None:
    assert test.table["statistic"].tolist() == near(expected["chisq"])
    if "df" in expected:
        assert test.table["df"].tolist() == [expected["df"]]
    if "p" in expected:
        assert test.table["p_value"].tolist() == near(expected["p"])
    if "obs" in expected:
        assert test.counts["observed"].tolist() == near(expected["obs"])
        assert test.counts["expected"].tolist() == near(expected["exp"])


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("lung_logrank", {}),
        ("lung_peto_rho1", {"rho": 1.0}),
        ("lung_rho_half", {"rho": 0.5}),
        ("lung_harrington_0_1", {"gamma": 1.0}),
        ("lung_harrington_1_1", {"rho": 1.0, "gamma": 1.0}),
        ("lung_late", {"entry": "entry"}),
        ("lung_harrington_late", {"entry": "entry", "rho": 1.0}),
    ],
)
def test_two_groups_differ_as_in_r(lung: pd.DataFrame, name: str, arguments: dict[str, Any]) -> None:
    same_test(compare_survival(lung, by="sex", **KEYS, **arguments), R[name])


@pytest.mark.filterwarnings("ignore:1 of 228 rows")
def test_stratified_groups_differ_as_in_r(lung: pd.DataFrame) -> None:
    same_test(compare_survival(lung, by="sex", strata="ph.ecog", **KEYS), R["lung_logrank_strat_ecog"])
    late = compare_survival(lung, by="sex", strata="ph.ecog", entry="entry", **KEYS)
    same_test(late, R["lung_late_strata"])


def test_several_groups_differ_as_in_r(veteran: pd.DataFrame) -> None:
    same_test(compare_survival(veteran, by="celltype", **KEYS), R["veteran_four"])
    both = compare_survival(veteran, by="celltype", strata=["trt", "prior"], rho=1.0, **KEYS)
    same_test(both, R["veteran_four_rho1_strat"])
    mixed = compare_survival(veteran, by="celltype", rho=0.5, gamma=0.5, **KEYS)
    # R's groups come in the order of the factor; the formula in the script takes them as they sort.
    assert mixed.table["statistic"].tolist() == near(R["veteran_harrington_half_half"]["chisq"])
    same_test(compare_survival(veteran, by="celltype", trend=True, **KEYS), R["veteran_trend"])


def test_a_tied_sample_with_small_groups_differs_as_in_r() -> None:
    pbc = load("pbc")
    same_test(compare_survival(pbc.assign(dead=pbc["status"] == 2), by="edema", **KEYS), R["pbc_edema"])


def test_late_entry_of_transplants_differs_as_in_r() -> None:
    heart = load("heart")
    last = heart[~heart["id"].duplicated(keep="last")]
    keys = {"duration": "stop", "status": "event", "event": "death", "entry": "start"}
    same_test(compare_survival(last, by="transplant", **keys), R["heart_late"])


def same_curve(table: pd.DataFrame, expected: dict[str, Any], key: str = "surv") -> None:
    assert table["estimate"].tolist() == near(expected[key])
    assert table["std_error"].tolist() == near(expected["se"])
    assert table["conf_low"].tolist() == near(expected["lower"])
    assert table["conf_high"].tolist() == near(expected["upper"])


def test_counts_under_a_curve_are_those_of_r(lung: pd.DataFrame) -> None:
    days, expected = [5, 180, 365, 730], R["lung_counts"]
    curve = estimate_survival(lung, by="sex", **KEYS)
    same_curve(curve.at(days), expected)
    # R counts events up to and including each day since the one before; risk_table counts what lies before each day.
    at_risk = curve.risk_table(days)["n_at_risk"]
    assert at_risk.tolist() == expected["n.risk"]
    through = curve.risk_table([day + 0.5 for day in days])
    for column, key in (("n_events", "n.event"), ("n_censored", "n.censor")):
        since = through.groupby("group")[column].diff().fillna(through[column])
        assert since.tolist() == expected[key]


def test_weighted_curves_are_those_of_r(lung: pd.DataFrame) -> None:
    same_curve(estimate_survival(lung, weights="w", **KEYS).at([5, 180, 365, 730]), R["lung_weights"])
    late = estimate_survival(lung, weights="w", entry="entry", **KEYS)
    same_curve(late.at([180, 365, 730]), R["lung_weights_late"])
    counted = estimate_survival(lung, weights="k", **KEYS)
    same_curve(counted.at([5, 180, 365, 730]), R["lung_counts_k"])
    assert counted.risk_table([5, 180, 365, 730])["n_at_risk"].tolist() == R["lung_counts_k"]["n.risk"]
    assert counted.n == int(lung["k"].sum())
    assert counted.events == int(lung.loc[lung["dead"], "k"].sum())


def test_late_entry_curves_are_those_of_r(lung: pd.DataFrame) -> None:
    curve = estimate_survival(lung, by="sex", entry="entry", **KEYS)
    same_curve(curve.at([180, 365, 730]), R["lung_late_curve"])
    assert curve.risk_table([180, 365, 730])["n_at_risk"].tolist() == R["lung_late_curve"]["n.risk"]


@pytest.mark.parametrize("conf_type", ["log-log", "log", "plain"])
def test_quantiles_are_those_of_r(lung: pd.DataFrame, conf_type: str) -> None:
    curve = estimate_survival(lung, by="sex", conf_type=conf_type, **KEYS)
    quartiles, expected = curve.quantile([0.25, 0.5, 0.75]), R[f"lung_quantiles_{conf_type}"]
    for column, key in (("estimate", "quantile"), ("conf_low", "lower"), ("conf_high", "upper")):
        assert quartiles[column].tolist() == near(expected[key])
    medians, expected = curve.quantile(), R[f"lung_median_{conf_type}"]
    for column, key in (("estimate", "median"), ("conf_low", "lower"), ("conf_high", "upper")):
        assert medians[column].tolist() == near(expected[key])


def test_a_median_on_a_step_of_one_half_lies_between_the_days_as_in_r() -> None:
    frame = pd.DataFrame({"time": [1.0, 2.0, 3.0, 4.0], "dead": [True, True, True, False]})
    median = estimate_survival(frame, **KEYS).quantile()
    assert median[["estimate", "conf_low", "conf_high"]].to_numpy()[0].tolist() == near(
        [R["half_median"][key] for key in ("median", "lower", "upper")]
    )


def test_median_follow_up_is_that_of_r(lung: pd.DataFrame) -> None:
    found = estimate_follow_up(lung, by="sex", **KEYS)
    medians, expected = found.observed.quantile(), R["lung_follow_up"]
    for column, key in (("estimate", "median"), ("conf_low", "lower"), ("conf_high", "upper")):
        assert medians[column].tolist() == near(expected[key])
    assert found.estimates.loc[found.estimates["contrast"].str.startswith("50 %"), "estimate"].tolist() == near(
        expected["median"]
    )


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("mgus2_weights", {"weights": "w"}),
        ("mgus2_weights_late", {"weights": "w", "entry": "entry"}),
        ("mgus2_counts", {"weights": "k"}),
    ],
)
def test_weighted_incidences_are_those_of_r(mgus: pd.DataFrame, name: str, arguments: dict[str, Any]) -> None:
    expected = R[name]
    table = estimate_cumulative_incidence(mgus, **CAUSES, **arguments).at([60, 120, 240])
    for place, cause in enumerate(("pcm", "death"), start=1):
        own = {key: np.array(expected[key], dtype=float)[:, place] for key in ("pstate", "se", "lower", "upper")}
        same_curve(table[table["cause"] == cause], own, "pstate")


def means(result: Any, measure: str, column: str) -> list[float]:
    table = result.estimates
    return list(table.loc[table["measure"] == measure, column])


def test_restricted_means_are_those_of_r(lung: pd.DataFrame) -> None:
    pbc = load("pbc").iloc[:312]
    pbc = pbc.assign(years=pbc["time"] / 365.25, dead=pbc["status"] == 2)
    result = estimate_restricted_mean(pbc, duration="years", status="dead", event="death", by="trt", until_days=10)
    expected = R["pbc_rmst"]
    assert means(result, "days free", "estimate") == near(expected["rmean"])
    assert means(result, "days free", "std_error") == near(expected["se"])
    # R has arm 1 less arm 2; the first group is the reference here.
    assert means(result, "difference in days free", "estimate") == near(-expected["difference"])
    assert means(result, "difference in days free", "std_error") == near(expected["difference_se"])
    assert means(result, "difference in days free", "p_value") == near(expected["p"])
    result = estimate_restricted_mean(lung, by="sex", until_days=965, **KEYS)
    assert means(result, "days free", "estimate") == near(R["lung_rmst"]["rmean"])
    assert means(result, "days free", "std_error") == near(R["lung_rmst"]["se"])


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("mgus2_rmtl", {}), ("mgus2_rmtl_late", {"entry": "entry"}), ("mgus2_rmtl_weights", {"weights": "w"})],
)
def test_days_lost_are_those_of_r(mgus: pd.DataFrame, name: str, arguments: dict[str, Any]) -> None:
    result = estimate_restricted_mean(mgus, by="sex", until_days=240, **CAUSES, **arguments)
    table = result.estimates[result.estimates["measure"].isin(["days free", "days lost"])]
    # R: free for each sex, then pcm, then death.
    table = table.sort_values(["cause", "level"], key=lambda c: c.map({"": 0, "pcm": 1, "death": 2, "F": 0, "M": 1}))
    assert table["estimate"].tolist() == near(R[name]["rmean"])
    assert table["std_error"].tolist() == near(R[name]["se"])


def parameters(fit: Any) -> tuple[list[float], list[float]]:
    described = fit.baseline.iloc[1:]
    numbers = [*fit.coefficients["coefficient"]]
    return numbers, [*fit.coefficients["std_error"], *described["std_error"]]


@pytest.mark.parametrize("distribution", ["weibull", "exponential", "lognormal", "loglogistic"])
@pytest.mark.parametrize("kind", ["", "_weights", "_cluster", "_interval"])
@pytest.mark.filterwarnings("ignore:1 of 228 rows")
def test_accelerated_models_are_those_of_r(lung: pd.DataFrame, distribution: str, kind: str) -> None:
    expected = R[f"lung{kind}_{distribution}"]
    arguments: dict[str, Any] = {"formula": "age + sex", "distribution": distribution}
    if kind == "_interval":
        fit = fit_parametric(months(lung), lower="lower", upper="upper", **arguments)
    else:
        extra = {"_weights": {"weights": "k"}, "_cluster": {"cluster": "inst"}}.get(kind, {})
        fit = fit_parametric(lung, **KEYS, **arguments, **extra)
    coefficients, errors = parameters(fit)
    assert coefficients == near(expected["coef"])
    assert errors == near(expected["se"])
    assert fit.log_likelihood == pytest.approx(expected["loglik"], rel=1e-9)
    assert fit.log_likelihood_null == pytest.approx(expected["null"], rel=1e-9)
    scale = np.exp(fit.baseline["coefficient"].iloc[-1]) if distribution != "exponential" else 1.0
    assert scale == pytest.approx(expected["scale"], rel=1e-6)


def months(lung: pd.DataFrame) -> pd.DataFrame:
    """Deaths known by the month, every tenth by the day; who is censored in the first month keeps the day."""
    exact = lung["row"] % 10 == 0
    lower = 30 * np.floor((lung["time"] - 1) / 30)
    upper = np.where(lung["dead"], lower + 30, np.nan)
    lower = np.where(exact | ((lower == 0) & ~lung["dead"]), lung["time"], lower)
    return lung.assign(lower=lower, upper=np.where(exact & lung["dead"], lung["time"], upper))


def test_a_weibull_model_with_late_entry_is_the_maximum_r_finds(lung: pd.DataFrame) -> None:
    frame = lung.assign(age10=(lung["age"] - 60) / 10, female=lung["sex"] - 1)
    fit = fit_parametric(frame, entry="entry", formula="age10 + female", distribution="weibull", **KEYS)
    expected = R["lung_late_weibull"]
    assert fit.log_likelihood == pytest.approx(expected["loglik"], rel=1e-9)
    # R's nlm stops where its numerical gradient vanishes, which leaves six digits of the coefficients.
    found = [*fit.coefficients["coefficient"], fit.baseline["coefficient"].iloc[-1]]
    assert found == near(expected["coef"], rel=2e-5)


def test_a_spline_model_is_the_maximum_r_finds(lung: pd.DataFrame) -> None:
    frame = lung.assign(age10=(lung["age"] - 60) / 10, female=lung["sex"] - 1)
    fit = fit_parametric(frame, formula="age10 + female", distribution="spline", knots=4, **KEYS)
    expected = R["lung_spline"]
    assert fit.log_likelihood == pytest.approx(expected["loglik"], rel=1e-9)
    # As above; the spline's own coefficients are scaled otherwise in R's script.
    assert fit.coefficients["coefficient"].tolist() == near(expected["coef"][4:], rel=2e-5)


def test_bootstrap_refits_are_those_of_r(lung: pd.DataFrame) -> None:
    complete = lung.dropna(subset=["ph.karno"])
    row = complete["row"].to_numpy()
    x = complete[["age", "sex", "ph.karno"]].to_numpy(dtype=float)
    sets = cox.risk_sets(x, complete["time"].to_numpy(dtype=float), complete["dead"].to_numpy())
    whole = cox.fit_risk_sets(sets)
    information = np.linalg.inv(whole.covariance * np.outer(sets.scale, sets.scale))
    counts = np.stack([(row * (b + 2) * 7919) % 11 % 4 for b in range(1, 9)]).astype(float)
    found = refit(sets, counts, whole.coefficients, information)
    assert found.found.all()
    assert found.coefficients.ravel().tolist() == near(np.array(R["lung_refits"]["coef"]).T)
