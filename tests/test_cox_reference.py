"""Cox models held to R: ``reference/cox.json`` comes from ``cox.R`` beside it, ``reference/gold.json`` is older.

Tolerance 1e-6 absolute or relative, whichever is larger, but where it stands otherwise: R stops its Newton steps a step
before ours, and limits found by a root are known to the root's own tolerance.
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
from fbss_analytics.models.cox import fit_cox
from fbss_analytics.models.kernels.firth import fit_firth
from fbss_analytics.models.kernels.risk_sets import derivatives, risk_sets, risk_sums

FOLDER = Path(__file__).parent / "reference"
R: dict[str, Any] = json.loads((FOLDER / "cox.json").read_text())
DEAD: dict[str, Any] = {"duration": "time", "status": "died", "event": "death"}
MONTHS: dict[str, Any] = {"duration": "month", "entry": "late_month", "status": "died", "event": "death"}
TIES = pytest.mark.parametrize("ties", ["efron", "breslow"])
# The data are R's own; what is said of few events and missing values has its own test.
pytestmark = pytest.mark.filterwarnings("ignore::fbss_analytics.errors.StudyWarning")


def listed(values: Any) -> list[float]:
    return np.asarray(values, dtype=float).ravel().tolist()


def near(expected: Any, tolerance: float = 1e-6) -> Any:
    return pytest.approx(listed(expected), rel=tolerance, abs=tolerance, nan_ok=True)


@pytest.fixture(scope="module")
def lung() -> pd.DataFrame:
    frame = pd.DataFrame(datasets.load_lung())[["time", "status", "age", "sex", "ph.ecog", "inst"]]
    frame = frame.dropna().reset_index(drop=True).rename(columns={"ph.ecog": "ecog"})
    k = frame.index.to_numpy() + 1
    frame["died"] = frame["status"] == 2
    frame["late"] = np.floor(frame["time"] * (k % 5) / 9)
    frame["w"], frame["times"], frame["off"] = 1 + (k % 3) / 2, 1 + k % 3, (k % 7) / 5
    frame["month"] = np.ceil(frame["time"] / 30)
    frame["late_month"] = np.minimum(np.floor(frame["late"] / 30), frame["month"] - 1)
    frame["row"], frame["odd"], frame["few"] = k, frame["inst"] % 2, frame["inst"] % 5
    frame["level"] = np.minimum(frame["ecog"], 2).astype(int).astype(str)
    return frame


@pytest.fixture(scope="module")
def pbc() -> pd.DataFrame:
    frame = pd.DataFrame(datasets.load_pbc())
    return frame.assign(died=frame["status"] == 2)


def same(fit: Any, expected: dict[str, Any], tolerance: float = 1e-6) -> None:
    assert fit.n == expected["n"] or len(fit.coefficients) == len(expected["coef"])
    assert listed(fit.coefficients["coefficient"]) == near(expected["coef"], tolerance)
    assert listed(fit.coefficients["std_error"]) == near(expected["se"], tolerance)


def everything(lung: pd.DataFrame, ties: str, **changes: Any) -> Any:
    asked = {"weights": "w", "cluster": "row", "strata": "odd", "ties": ties, **MONTHS, **changes}
    return fit_cox(lung, formula="age + sex + ecog", **asked)


@TIES
def test_strata_late_entry_weights_and_ties_together(lung: pd.DataFrame, ties: str) -> None:
    expected = R[f"everything_{ties}"]
    fit = everything(lung, ties)
    same(fit, expected)
    assert [fit.log_likelihood_null, fit.log_likelihood] == near(expected["loglik"])
    assert listed(np.sqrt(np.diag(fit.case.estimate.covariance))) == near(expected["naive"])  # type: ignore[union-attr]
    # Weights that are no counts are robust, each row by itself, without being asked.
    same(everything(lung, ties, cluster=None), expected)


@TIES
@pytest.mark.parametrize("kind", ["martingale", "deviance", "score", "dfbeta", "schoenfeld", "scaled_schoenfeld"])
def test_residuals_with_everything_together(lung: pd.DataFrame, ties: str, kind: str) -> None:
    expected = R[f"everything_{ties}"]
    found = fbss.residuals(everything(lung, ties), kind=kind)
    values = found.drop(columns=["row", "day"], errors="ignore")
    theirs = np.asarray(expected["scaledsch" if kind == "scaled_schoenfeld" else kind], dtype=float)
    if "schoenfeld" in kind:
        # Within a day the order of the rows is each program's own.
        assert sorted(found["row"]) == sorted(expected["events"])
        place = pd.Series(range(len(theirs)), index=expected["events"])
        theirs = theirs[place[found["row"]].to_numpy()]
    assert listed(values) == near(theirs)


@TIES
@pytest.mark.parametrize("transform", ["km", "identity", "rank", "log"])
def test_proportional_hazards_with_everything_together(lung: pd.DataFrame, ties: str, transform: str) -> None:
    check = fbss.check_proportional_hazards(everything(lung, ties), transform=transform)
    table = check.frame[["statistic", "df", "p_value"]]
    assert listed(table) == near(R[f"everything_{ties}"][f"zph_{transform}"])


@TIES
def test_concordance_with_everything_together(lung: pd.DataFrame, ties: str) -> None:
    found = fbss.estimate_concordance(everything(lung, ties))
    assert [found.value, found.std_error] == near(R[f"everything_{ties}"]["concordance"])


@TIES
def test_weights_that_count_rows_and_predictions_from_them(lung: pd.DataFrame, ties: str) -> None:
    expected = R[f"counted_{ties}"]
    fit = everything(lung, ties, weights="times", cluster=None)
    same(fit, expected)
    rows = pd.DataFrame({"age": [50, 70], "sex": [1, 2], "ecog": [0, 2], "odd": [1, 0]}, index=["one", "other"])
    at = fbss.predict_survival(fit, rows).at(expected["time"])
    for ours, theirs in (("estimate", "surv"), ("std_error", "error"), ("conf_low", "lower"), ("conf_high", "upper")):
        assert listed(at[ours]) == near(expected[theirs]), ours


def test_plain_residuals(lung: pd.DataFrame) -> None:
    fit = fit_cox(lung, formula="age + sex + ecog", **DEAD)
    for kind in ("martingale", "deviance", "dfbeta", "schoenfeld"):
        found = fbss.residuals(fit, kind=kind)
        values = np.asarray(found.drop(columns=["row", "day"], errors="ignore"), dtype=float)
        theirs = np.asarray(R["plain"][kind], dtype=float).reshape(values.shape)
        if kind == "schoenfeld":
            day = found["day"].to_numpy()
            order = np.lexsort((*values.T, day))
            values, theirs = values[order], theirs[np.lexsort((*theirs.T, np.sort(day)))]
        assert listed(values) == near(theirs)


def test_offset(lung: pd.DataFrame) -> None:
    same(fit_cox(lung, formula="age + sex", offset="off", **DEAD), R["offset"])


def test_few_clusters(lung: pd.DataFrame) -> None:
    fit = fit_cox(lung, formula="age + sex", cluster="few", entry="late", **DEAD)
    same(fit, R["few_clusters"])
    found = fbss.estimate_concordance(fit)
    assert [found.value, found.std_error] == near(R["few_clusters"]["concordance"])


def test_ridge_is_that_of_coxph(lung: pd.DataFrame) -> None:
    same(fit_cox(lung, formula="age + sex + ecog", penalty=20, **DEAD), R["ridge"])
    fit = fit_cox(lung, formula="age + sex + ecog", penalty=3.0, strata="odd", ties="breslow", **DEAD, entry="late")
    same(fit, R["ridge_strata"])


def test_proportional_hazards_of_a_term_with_several_columns(lung: pd.DataFrame) -> None:
    expected = R["zph_terms"]
    check = fbss.check_proportional_hazards(fit_cox(lung, formula="level + age", **DEAD))
    assert listed(check.frame[["statistic", "df", "p_value"]]) == near(expected["table"])
    assert listed(check.residuals["day"]) == near(expected["time"])
    assert listed(check.residuals["transformed"]) == near(expected["x"])
    # Within a day the order of the events is each program's own.
    ours = check.residuals.groupby("day")[["level", "age"]].sum()
    theirs = pd.DataFrame(expected["y"], dtype=float).groupby(np.array(expected["time"])).sum()
    assert listed(ours) == near(theirs)
    for term, smooth in zip(("level", "age"), R["zph_smooth"], strict=True):
        line = check.smooths[check.smooths["term"] == term]
        assert listed(line["transformed"]) == near(smooth["x"])
        assert listed(line["estimate"]) == near(smooth["y"])
        assert listed((line["conf_high"] - line["conf_low"]) / 2) == near(smooth["half"])


def test_chunk_tests(lung: pd.DataFrame) -> None:
    large = fit_cox(lung, formula="age + sex + level", **DEAD)
    test = fbss.compare_models(fit_cox(lung, formula="sex", **DEAD), large)
    assert [test.chi2, test.df, test.p_value] == near([R["chunk"][name] for name in ("chi2", "df", "p")])
    assert fbss.joint_test(large, ["age", "level"]).chi2 == pytest.approx(R["chunk"]["wald"], rel=1e-6)


def test_profile_limits(lung: pd.DataFrame) -> None:
    fit = fit_cox(lung, formula="age + ecog", strata="sex", interval="profile", entry="late", **DEAD)
    row = fit.estimates.set_index("term").loc["ecog"]
    assert np.log([row["conf_low"], row["conf_high"]]).tolist() == near([R["profile"]["lower"], R["profile"]["upper"]])
    assert row["p_value"] == pytest.approx(R["profile"]["p"], rel=1e-6)


def ovarian() -> pd.DataFrame:
    frame = pd.DataFrame(datasets.load_ovarian())
    frame["gone"] = ((frame["futime"] < 400) & (frame["fustat"] == 1) & (frame["age"] > 60)).astype(int)
    return frame.assign(months=np.ceil(frame["futime"] / 200), times=1 + np.arange(1, len(frame) + 1) % 2)


@pytest.mark.parametrize("block", ["firth", "firth_tied_efron", "firth_tied_breslow"])
def test_firth_on_separated_data(block: str) -> None:
    expected = R[block]
    asked: dict[str, Any] = {"duration": "futime"}
    if block != "firth":
        asked = {"duration": "months", "weights": "times", "strata": "rx", "ties": block.removeprefix("firth_tied_")}
    fit = fit_cox(ovarian(), formula="gone + age", firth=True, status="fustat", event="death", **asked)
    # R's maximum is found from values of the likelihood alone, which settles coefficients to about 1e-6.
    assert listed(fit.coefficients["coefficient"]) == near(expected["coef"], 1e-5)
    assert listed(fit.coefficients["std_error"]) == near(expected["se"], 1e-5)
    assert fit.log_likelihood == pytest.approx(expected["value"], rel=1e-9)
    row = fit.estimates.iloc[0]
    assert np.log([row["conf_low"], row["conf_high"]]).tolist() == near([expected["lower"], expected["upper"]], 1e-5)
    test = fit.tests.iloc[0]
    assert (test["term"], test["test"]) == ("gone", "likelihood ratio")
    assert test["chi2"] == pytest.approx(expected["chi2"], rel=1e-6)


def test_gradient_of_firths_penalty_is_that_of_its_value() -> None:
    frame = ovarian()
    x = frame[["gone", "age", "rx"]].to_numpy(float)
    sets = risk_sets(x, frame["months"].to_numpy(), frame["fustat"].to_numpy() == 1, weight=frame["times"].to_numpy())

    def value(b: Any) -> float:
        sums = risk_sums(sets, b)
        return sums.log_likelihood + float(np.linalg.slogdet(derivatives(sets, sums)[1])[1]) / 2

    top = fit_firth(sets).coefficients * sets.scale
    for j in range(3):
        step = np.zeros(3)
        step[j] = 1e-5
        assert (value(top + step) - value(top - step)) / 2e-5 == pytest.approx(0, abs=1e-7)


def test_coefficients_that_follow_time(lung: pd.DataFrame) -> None:
    fit = fit_cox(lung, formula="age + sex", strata="odd", entry="late", time_varying={"age": "log"}, **DEAD)
    assert listed(fit.coefficients["coefficient"]) == near(R["over_time"]["coef"])
    assert listed(fit.coefficients["std_error"]) == near(R["over_time"]["se"])
    varied = fit_cox(lung, formula="level + age", time_varying={"level": np.sqrt}, **DEAD)
    assert listed(varied.coefficients["coefficient"]) == near(R["over_time_cluster"]["coef"])
    assert listed(varied.coefficients["std_error"]) == near(R["over_time_cluster"]["naive"])
    assert varied.log_likelihood == pytest.approx(R["over_time_cluster"]["loglik"][1])
