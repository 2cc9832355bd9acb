"""Every block of reference numbers of the project's gold collection, reached through public functions.

``reference/gold.json`` carries R's numbers as they were computed (R 4.2.2, survival 3.5-3, cmprsk 2.2-11); the data
come from the development dependency `survival`. Tolerance: 1e-6 relative; where R's own Newton stops (1e-9 in log
likelihood) coefficients agree to about 1e-8. Exceptions are stated where they stand. What other tests of this folder
hold to R goes further (ties, weights, late entry, clusters); here every block is held once, and none may be left out.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from survival import datasets

import fbss_analytics as fbss
from fbss_analytics.models.kernels.fine_gray import sandwich

GOLD: dict[str, Any] = json.loads((Path(__file__).parent / "reference" / "gold.json").read_text())
KEYS = {"duration": "time", "status": "ended", "event": "death"}
PIECES = {"duration": "stop", "status": "ended", "event": "death", "entry": "start"}


def listed(values: Any) -> list[float]:
    return np.asarray(values, dtype=float).ravel().tolist()


def near(expected: Any) -> Any:
    return pytest.approx(listed(expected), rel=1e-6, abs=1e-12)


def dead(frame: pd.DataFrame, column: str = "status", value: int = 2) -> pd.DataFrame:
    return frame.assign(ended=np.where(frame[column] == value, "death", "censored"))


def load(name: str) -> pd.DataFrame:
    return pd.DataFrame(getattr(datasets, f"load_{name}")())


@pytest.fixture(scope="module")
def lung() -> pd.DataFrame:
    return dead(load("lung"))


@pytest.fixture(scope="module")
def pbc() -> pd.DataFrame:
    return dead(load("pbc"))


@pytest.fixture(scope="module")
def veteran() -> pd.DataFrame:
    return dead(load("veteran"), value=1)


@pytest.fixture(scope="module")
def heart() -> pd.DataFrame:
    return dead(load("heart"), "event", 1)


@pytest.fixture(scope="module")
def jasa() -> pd.DataFrame:
    return dead(load("jasa"), "fustat", 1)


@pytest.fixture(scope="module")
def bladder() -> pd.DataFrame:
    return load("bladder2")


@pytest.fixture(scope="module")
def mgus() -> pd.DataFrame:
    frame = load("mgus2")
    frame["time"] = np.where(frame["pstat"] == 0, frame["futime"], frame["ptime"])
    frame["ended"] = np.where(frame["pstat"] == 1, "pcm", np.where(frame["death"] == 1, "death", "censored"))
    return frame


def rows_of(block: Any) -> list[dict[str, Any]]:
    """Return the coefficient table of a block, which is one or holds one."""
    return block["coef"] if isinstance(block, dict) else block


def same_table(fit: Any, block: Any, *, error: str = "se(coef)") -> None:
    """Hold coefficients, standard errors and p-values to R's printed table, row by row."""
    rows = rows_of(block)
    ours = fit.coefficients
    assert listed(ours["coefficient"]) == near([row["coef"] for row in rows])
    assert listed(ours["std_error"]) == near([row[error] for row in rows])
    if len(fit.estimates) == len(rows):
        assert listed(fit.estimates["estimate"]) == near([row["exp(coef)"] for row in rows])
        assert listed(fit.estimates["p_value"]) == near([row["Pr(>|z|)"] for row in rows])


def same_model(fit: Any, block: Any) -> None:
    """Hold a fit's table, size, likelihood and concordance to a block that has them."""
    same_table(fit, block)
    if "n" in block:
        assert (fit.n, fit.events) == (block["n"], block["ev"])
    if "loglik" in block:
        assert [fit.log_likelihood_null, fit.log_likelihood] == near(block["loglik"])
    if "conc" in block:
        found = fbss.estimate_concordance(fit)
        assert [found.value, found.std_error] == near(block["conc"])


def test_no_block_is_left_out() -> None:
    named = set(re.findall(r'"([a-z0-9]+_\w+)"', Path(__file__).read_text()))
    assert [name for name in GOLD if name not in {*named, "versions"}] == []


# Kaplan-Meier and tests between groups.


def test_kaplan_meier_at_times(lung: pd.DataFrame) -> None:
    for block, conf_type in (("lung_km_times", "log-log"), ("lung_km_times_logCI", "log")):
        rows = GOLD[block]
        times = list(dict.fromkeys(row["time"] for row in rows))
        curve = fbss.estimate_survival(lung, **KEYS, by="sex", conf_type=conf_type)
        at = curve.at(times)
        assert listed(at["estimate"]) == near([row["surv"] for row in rows])
        assert listed(at["conf_low"]) == near([row["lo"] for row in rows])
        assert listed(at["conf_high"]) == near([row["hi"] for row in rows])
        if "n.risk" in rows[0]:
            assert listed(at["std_error"]) == near([row["se"] for row in rows])
            assert listed(curve.risk_table(times)["n_at_risk"]) == listed([row["n.risk"] for row in rows])
            assert at["events"].diff().where(at["horizon_days"] > 0, 0).tolist() == [row["n.event"] for row in rows]


def area_to(steps: pd.DataFrame, until: float) -> tuple[float, float]:
    """Return the area under a survival curve to a day, flat after its last step, and its standard error (Greenwood)."""
    time, survival = steps["time_days"].to_numpy(), steps["estimate"].to_numpy()
    areas = survival * np.diff(np.append(time, until))
    after = np.cumsum(areas[::-1])[::-1]
    at_risk, died = steps["n_at_risk"].to_numpy(float), steps["n_events"].to_numpy(float)
    left = np.maximum(at_risk * (at_risk - died), 1)
    return float(areas.sum()), float(np.sqrt((after**2 * died / left).sum()))


def test_kaplan_meier_summary(lung: pd.DataFrame) -> None:
    curve = fbss.estimate_survival(lung, **KEYS, by="sex")
    medians = curve.quantile(0.5)
    for place, row in enumerate(GOLD["lung_km_table"]):
        group = str(row["_row"])[-1]
        mine = lung[lung["sex"] == int(group)]
        assert (len(mine), int((mine["ended"] == "death").sum())) == (row["records"], row["events"])
        found = medians.iloc[place]
        limits = [found["estimate"], found["conf_low"], found["conf_high"]]
        assert listed(limits) == near([row["median"], row["0.95LCL"], row["0.95UCL"]])
        # R prints the mean to the last day of all groups (1022), women being followed to 965 only; the area under the
        # steps does the same. `estimate_restricted_mean` refuses a day on which nobody of a group is left.
        steps = curve.frame[curve.frame["group"] == group]
        assert listed(area_to(steps, float(lung["time"].max()))) == near([row["rmean"], row["se(rmean)"]])
    men = fbss.estimate_restricted_mean(lung[lung["sex"] == 1], **KEYS, until_days=1022).estimates.iloc[0]
    first = GOLD["lung_km_table"][0]
    assert listed([men["estimate"], men["std_error"]]) == near([first["rmean"], first["se(rmean)"]])


def test_log_rank_tests(lung: pd.DataFrame) -> None:
    test, block = fbss.compare_survival(lung, **KEYS, by="sex"), GOLD["lung_logrank"]
    assert listed(test.frame[["statistic", "p_value"]]) == near([block["chisq"], block["p"]])
    assert listed(test.counts["observed"]) == near(block["obs"])
    assert listed(test.counts["expected"]) == near(block["exp"])
    peto = fbss.compare_survival(lung, **KEYS, by="sex", rho=1.0)
    assert listed(peto.frame["statistic"]) == near([GOLD["lung_peto_rho1"]["chisq"]])


@pytest.mark.filterwarnings("ignore:1 of 228 rows")
def test_stratified_log_rank(lung: pd.DataFrame) -> None:
    test = fbss.compare_survival(lung, **KEYS, by="sex", strata="ph.ecog")
    assert listed(test.frame["statistic"]) == near([GOLD["lung_logrank_strat_ecog"]["chisq"]])


# Cox models.


@pytest.mark.parametrize(("block", "ties"), [("lung_cox_efron", "efron"), ("lung_cox_breslow", "breslow")])
@pytest.mark.filterwarnings("ignore:1 of 228 rows")
def test_cox(lung: pd.DataFrame, block: str, ties: str) -> None:
    same_model(fbss.fit_cox(lung, **KEYS, formula="age + sex + `ph.ecog`", ties=ties), GOLD[block])


@pytest.mark.filterwarnings("ignore:[12] of 22[78] rows")
def test_cox_stratified_and_clustered(lung: pd.DataFrame) -> None:
    same_table(fbss.fit_cox(lung, **KEYS, formula="age + sex", strata="ph.ecog"), GOLD["lung_cox_strat_ecog"])
    formula = "age + sex + `ph.ecog`"
    known = lung[lung["inst"].notna()]
    same_table(
        fbss.fit_cox(lung, **KEYS, formula=formula, cluster="inst"), GOLD["lung_cox_cluster_inst"], error="robust se"
    )
    naive = fbss.fit_cox(known, **KEYS, formula=formula).coefficients["std_error"]
    assert listed(naive) == near([row["se(coef)"] for row in GOLD["lung_cox_cluster_inst"]])


def natural_spline(x: np.ndarray, inside: list[float]) -> np.ndarray:
    """Return R's ``ns(x, knots=inside)``: cubic B-splines, reflected so that the ends are straight."""
    from scipy.interpolate import BSpline

    ends = [x.min(), x.max()]
    knots = np.array([ends[0]] * 4 + inside + [ends[1]] * 4)
    pieces = [BSpline.basis_element(knots[j : j + 5], extrapolate=False) for j in range(len(knots) - 4)]
    whole = BSpline(knots, np.eye(len(pieces)), 3)
    bends = whole.derivative(2)(np.array(ends))[:, 1:]
    turned, _ = np.linalg.qr(bends.T, mode="complete")
    return np.asarray(whole(x)[:, 1:] @ turned[:, 2:])


def test_cox_with_a_natural_spline(lung: pd.DataFrame) -> None:
    block = GOLD["lung_cox_ns_age3"]
    basis = natural_spline(lung["age"].to_numpy(float), block["knots"])
    own = lung.assign(**{f"ns{j + 1}": basis[:, j] for j in range(3)})
    same_model(fbss.fit_cox(own, **KEYS, formula="ns1 + ns2 + ns3 + sex"), block)
    # The same curves through our own spline: knots at the ends and where R has them.
    ends = [float(lung["age"].min()), *block["knots"], float(lung["age"].max())]
    fit = fbss.fit_cox(lung, **KEYS, formula=f"rcs(age, knots={ends}) + sex")
    assert [fit.log_likelihood_null, fit.log_likelihood] == near(block["loglik"])
    assert listed(fit.coefficients.iloc[-1, 1:]) == near([block["coef"][-1]["coef"], block["coef"][-1]["se(coef)"]])


PBC = "age + edema + log(bili) + log(protime) + log(albumin)"


@pytest.fixture(scope="module")
def pbc_fit(pbc: pd.DataFrame) -> Any:
    return fbss.fit_cox(pbc[pbc["protime"].notna()], **KEYS, formula=PBC)


def test_cox_with_logarithms(pbc_fit: Any) -> None:
    same_model(pbc_fit, GOLD["pbc_cox"])


@pytest.mark.filterwarnings("ignore:134 of 418 rows")
def test_cox_of_complete_cases(pbc: pd.DataFrame) -> None:
    # The block's n counts the randomised whose cholesterol is known.
    fit = fbss.fit_cox(pbc, **KEYS, formula="age + log(bili) + log(chol) + albumin")
    block = GOLD["pbc_cox_completecase"]
    same_table(fit, block)
    assert fit.n == block["n"]


TRANSFORMS = {"pbc_zph_km": "km", "pbc_zph_identity": "identity", "pbc_zph_rank": "rank", "pbc_zph_log": "log"}


def same_tests(found: pd.DataFrame, rows: list[dict[str, Any]]) -> None:
    assert listed(found["statistic"]) == near([row["chisq"] for row in rows])
    assert listed(found["df"]) == listed([row["df"] for row in rows])
    assert listed(found["p_value"]) == near([row["p"] for row in rows])


@pytest.mark.parametrize("block", TRANSFORMS)
def test_proportional_hazards(pbc_fit: Any, block: str) -> None:
    same_tests(fbss.check_proportional_hazards(pbc_fit, transform=TRANSFORMS[block]).frame, GOLD[block])


def test_veteran(veteran: pd.DataFrame) -> None:
    fit = fbss.fit_cox(veteran, **KEYS, formula="trt + prior + karno")
    same_table(fit, GOLD["veteran_cox"])
    same_tests(fbss.check_proportional_hazards(fit).frame, GOLD["veteran_zph_km"])


@pytest.mark.filterwarnings("ignore:25 events \\(after day 180\\) for 3 parameters")
def test_coefficients_that_change_over_time(veteran: pd.DataFrame) -> None:
    steps = fbss.fit_cox(veteran, **KEYS, formula="trt + prior + karno", periods=(90, 180), varying="karno")
    same_table(steps, GOLD["veteran_stepfn"])
    assert sum(part.n for part in steps.parts) == GOLD["veteran_stepfn"]["nrow"]
    smooth = fbss.fit_cox(
        veteran, **KEYS, formula="trt + prior + karno", time_varying={"karno": lambda day: np.log(day + 20)}
    )
    same_table(smooth, GOLD["veteran_tt_log20"])


def test_time_varying_transplant_and_late_entry(heart: pd.DataFrame) -> None:
    formula = "age + year + surgery + transplant"
    same_model(fbss.fit_cox(heart, **PIECES, formula=formula), GOLD["heart_tvc"])
    late = heart[~heart["id"].duplicated(keep="last")]
    same_table(fbss.fit_cox(late, **PIECES, formula=formula), GOLD["heart_lasttrow_lefttrunc"])


def test_immortal_time(jasa: pd.DataFrame) -> None:
    # Follow-up of 0 days counts as half a day, as R's day 0 does: only its order among the times matters.
    frame = jasa.assign(futime=jasa["futime"].clip(lower=0.5))
    keys = {"duration": "futime", "status": "ended", "event": "death"}
    naive = fbss.fit_cox(frame, **keys, formula="transplant + age + surgery")
    same_table(naive, GOLD["jasa_immortal_naive"])
    # R's landmark is the beginning of day 30, ours the end of a day: half a day before, both keep the same rows.
    landmark = fbss.start_landmark(frame, day=29.5, duration="futime")
    early = (landmark["transplant"] == 1) & (landmark["wait.time"] <= 30)
    fit = fbss.fit_cox(landmark.assign(tr=early.astype(float)), **keys, formula="tr + age + surgery")
    same_model(fit, GOLD["jasa_landmark30"])


# Recurrent events.

BLADDER = {"row": "id", "start": "start", "stop": "stop", "status": "event"}


@pytest.mark.parametrize(
    ("block", "model"),
    [
        ("bladder_AG_robust", "andersen_gill"),
        ("bladder_PWP_totaltime", "pwp_total"),
        ("bladder_PWP_gaptime", "pwp_gap"),
        ("bladder_WLW", "wlw"),
    ],
)
def test_recurrent_events(bladder: pd.DataFrame, block: str, model: str) -> None:
    fit = fbss.fit_recurrent(bladder, model=model, formula="rx + size + number", **BLADDER)
    same_table(fit, GOLD[block], error="robust se")
    assert len(bladder) == GOLD["bladder2_n"]


@pytest.mark.filterwarnings("ignore:112 events for 12 parameters")
def test_ratios_by_event_number(bladder: pd.DataFrame) -> None:
    formula = "(rx + size + number) + (rx + size + number):C(event_number)"
    fit = fbss.fit_recurrent(bladder, model="pwp_total", formula=formula, **BLADDER)
    same_table(fit, GOLD["bladder_PWP_interaction_rx"], error="robust se")


def test_mean_cumulative_count(bladder: pd.DataFrame) -> None:
    rows = GOLD["bladder2_MCF"]
    frame = bladder.assign(event=np.where(bladder["event"] == 1, "event", "censored"))
    curve = fbss.estimate_mean_cumulative_count(frame, by="rx", **BLADDER)
    times = list(dict.fromkeys(row["time"] for row in rows))
    at = curve.at(times)
    assert listed(at["estimate"]) == near([row["cumhaz"] for row in rows])
    assert listed(at["std_error"]) == near([row["se"] for row in rows])
    assert listed(curve.risk_table(times)["n_at_risk"]) == listed([row["n.risk"] for row in rows])


# Competing risks.

COMPETING = {"duration": "time", "status": "ended", "event": "pcm", "competing": "death"}


def in_states(table: pd.DataFrame, column: str) -> list[float]:
    wide = table.pivot(index=["level", "horizon_days"], columns="cause", values=column)
    return listed(wide[["pcm", "death"]])


def of_causes(values: list[list[float]]) -> list[list[float]]:
    """Leave out R's first state, free of both."""
    return [row[1:] for row in values]


def test_aalen_johansen(mgus: pd.DataFrame) -> None:
    assert mgus["ended"].value_counts()[["censored", "pcm", "death"]].tolist() == GOLD["mgus2_tab"]
    block = GOLD["mgus2_AJ_overall"]
    curve = fbss.estimate_cumulative_incidence(mgus, **COMPETING, conf_type="log")
    at = curve.at(block["time"])
    for ours, theirs in (("estimate", "pstate"), ("std_error", "se"), ("conf_low", "lower"), ("conf_high", "upper")):
        assert in_states(at, ours) == near(of_causes(block[theirs]))
    at_risk = curve.risk_table(block["time"]).query("cause == 'pcm'")["n_at_risk"]
    assert at_risk.tolist() == [row[0] for row in block["n.risk"]]
    by_sex, block = fbss.estimate_cumulative_incidence(mgus, **COMPETING, by="sex"), GOLD["mgus2_AJ_sex"]
    at = by_sex.at([120, 240])
    assert in_states(at, "estimate") == near(of_causes(block["pstate"]))
    assert in_states(at, "std_error") == near(of_causes(block["se"]))


def test_one_minus_kaplan_meier_is_not_the_risk(mgus: pd.DataFrame) -> None:
    rows = GOLD["mgus2_1minusKM_pcm"]
    frame = mgus.replace({"ended": {"death": "censored"}})
    curve = fbss.estimate_survival(frame, duration="time", status="ended", event="pcm")
    assert listed(1 - curve.at([row["time"] for row in rows])["estimate"]) == near([row["oneminus"] for row in rows])


@pytest.mark.parametrize(("block", "cause"), [("mgus2_causespec_pcm", "pcm"), ("mgus2_causespec_death", "death")])
def test_cause_specific_cox(mgus: pd.DataFrame, block: str, cause: str) -> None:
    keys = {name: COMPETING[name] for name in ("duration", "status", "event")}
    fit = fbss.fit_cox(mgus[mgus["mspike"].notna()], **keys, cause=cause, formula="age + sex + mspike")
    same_table(fit, GOLD[block])


def test_gray(mgus: pd.DataFrame) -> None:
    found = fbss.compare_cumulative_incidence(mgus, **COMPETING, by="sex").frame.set_index("cause")
    ours = found.loc[["pcm", "death"], ["statistic", "p_value", "df"]]
    assert listed(ours) == near(GOLD["mgus2_gray_sex"])


def cuminc_variance(steps: pd.DataFrame, cause: str, day: float) -> float:
    """Return the variance of a cumulative incidence from its steps, as R ``cuminc`` has it.

    The two causes' events at a time are taken as independent, each hypergeometric; the delta method does the rest.
    """
    own = steps[(steps["cause"] == cause) & (steps["time_days"] <= day)]
    other = steps[(steps["cause"] != cause) & (steps["time_days"] <= day)]
    at_risk, risk = own["n_at_risk"].to_numpy(float), own["estimate"].to_numpy()
    free = 1 - risk - other["estimate"].to_numpy()
    before, later = np.append(1.0, free[:-1]), risk[-1] - risk
    slope_of_other = later * before / free
    slopes = (before - slope_of_other, slope_of_other)
    events = (own["n_events"].to_numpy(float), other["n_events"].to_numpy(float))
    spread = [d * (at_risk - d) / (np.maximum(at_risk - 1, 1) * at_risk**2) for d in events]
    return float(sum((slope**2 * each).sum() for slope, each in zip(slopes, spread, strict=True)))


def test_cumulative_incidence_of_cuminc(mgus: pd.DataFrame) -> None:
    block = GOLD["mgus2_cuminc_sex_tp"]
    curve = fbss.estimate_cumulative_incidence(mgus, **COMPETING, by="sex")
    at = curve.at([120, 240]).set_index(["cause", "level", "horizon_days"])["estimate"]
    order = [("pcm", "F"), ("pcm", "M"), ("death", "F"), ("death", "M")]
    assert listed([[at[(*pair, day)] for day in (120, 240)] for pair in order]) == near(block["est"])
    # Our standard errors are the infinitesimal jackknife of survfit (mgus2_AJ_sex). Those of cuminc are another
    # estimator, which the steps give.
    steps = dict(list(curve.frame.groupby("group")))
    ours = [[cuminc_variance(steps[sex], cause, day) for day in (120, 240)] for cause, sex in order]
    assert listed(ours) == near(block["var"])


@pytest.fixture(scope="module")
def complete(mgus: pd.DataFrame) -> pd.DataFrame:
    return mgus[mgus["mspike"].notna()]


@pytest.mark.parametrize(("block", "cause"), [("mgus2_finegray_pcm", "pcm"), ("mgus2_finegray_death", "death")])
def test_fine_gray(complete: pd.DataFrame, block: str, cause: str) -> None:
    keys = {"duration": "time", "status": "ended", "event": cause, "competing": "pcm" if cause == "death" else "death"}
    for ties, part in (("efron", "default"), ("breslow", "breslow")):
        fit = fbss.fit_fine_gray(complete, **keys, formula="age + sex + mspike", ties=ties)
        rows = GOLD[block][part]
        assert listed(fit.fine_gray.coefficients["coefficient"]) == near([row["coef"] for row in rows])
        # Ours count what estimating the weights adds, as crr's do (below); coxph on the rows of finegray, 41,174 and
        # 12,875 of them, takes the weights as known. The same kernel without that part is coxph's.
        known = sandwich(fit.case.model, fit.case.estimate, known_weights=True)
        assert listed(np.sqrt(np.diag(known))) == near([row["robust se"] for row in rows])
        naive = np.sqrt(np.diag(fit.case.estimate.covariance))
        assert listed(naive) == near([row["se(coef)"] for row in rows])
    assert GOLD[block]["default"] == GOLD[block]["robust"]


@pytest.mark.parametrize(("block", "cause"), [("mgus2_crr_pcm", "pcm"), ("mgus2_crr_death", "death")])
def test_fine_gray_of_crr(complete: pd.DataFrame, block: str, cause: str) -> None:
    keys = {"duration": "time", "status": "ended", "event": cause, "competing": "pcm" if cause == "death" else "death"}
    fit = fbss.fit_fine_gray(complete, **keys, formula="age + sex + mspike", ties="cmprsk").fine_gray
    assert listed(fit.coefficients["coefficient"]) == near(GOLD[block]["coef"])
    assert listed(fit.coefficients["std_error"]) == near(GOLD[block]["se"])
    assert fit.log_likelihood == pytest.approx(GOLD[block]["loglik"])


# Absolute risk, restricted means.


def test_baseline_hazard(pbc_fit: Any) -> None:
    # Of a patient whose every column is 0: the logarithms of 1 are.
    zero = pd.DataFrame({"age": [0.0], "edema": [0.0], "bili": [1.0], "protime": [1.0], "albumin": [1.0]})
    rows = GOLD["pbc_basehaz_uncentered"]
    at = fbss.predict_survival(pbc_fit, zero).at([row["time"] for row in rows])
    assert listed(-np.log(at["estimate"])) == near([row["hazard"] for row in rows])


def test_predicted_survival(pbc_fit: Any) -> None:
    patient = pd.DataFrame({"age": [50.0], "edema": [0.0], "bili": [1.4], "protime": [10.6], "albumin": [3.53]})
    rows = GOLD["pbc_pred"]
    at = fbss.predict_survival(pbc_fit, patient, conf_type="log").at([row["time"] for row in rows])
    for ours, theirs in (("estimate", "surv"), ("std_error", "se"), ("conf_low", "lo"), ("conf_high", "hi")):
        assert listed(at[ours]) == near([row[theirs] for row in rows])


def test_restricted_mean(pbc: pd.DataFrame) -> None:
    randomised = pbc[pbc["trt"].notna()]
    frame = randomised.assign(time=randomised["time"] / 365.25, arm=(randomised["trt"] == 1).astype(int))
    found = fbss.estimate_restricted_mean(frame, **KEYS, by="arm", until_days=10).estimates
    ours = found[(found["measure"] == "days free") & (found["contrast"] == "")].sort_values("level")
    rows = GOLD["pbc_rmst_tau10"]
    assert ours["n"].tolist() == [row["records"] for row in rows]
    assert listed(ours["estimate"]) == near([row["rmean"] for row in rows])
    assert listed(ours["std_error"]) == near([row["se(rmean)"] for row in rows])
    events = [int((frame["ended"][(frame["arm"] == arm)] == "death").sum()) for arm in (0, 1)]
    assert events == [row["events"] for row in rows]


SURVREG = {
    "lung_survreg_exponential": "exponential",
    "lung_survreg_weibull": "weibull",
    "lung_survreg_lognormal": "lognormal",
    "lung_survreg_loglogistic": "loglogistic",
}


@pytest.mark.parametrize("block", SURVREG)
def test_parametric_models(lung: pd.DataFrame, block: str) -> None:
    fit, rows = fbss.fit_parametric(lung, **KEYS, formula="age + sex", distribution=SURVREG[block]), GOLD[block]
    assert listed(fit.coefficients["coefficient"]) == near(rows["coef"])
    scale = fit.baseline[fit.baseline["parameter"] == "log scale"]
    assert listed([*fit.coefficients["std_error"], *scale["std_error"]]) == near(rows["se"])
    assert float(np.exp(scale["coefficient"].sum())) == pytest.approx(rows["scale"], rel=1e-6)
    assert [fit.log_likelihood, fit.aic] == near([rows["loglik"], rows["aic"]])


def test_hazard_ratios_of_a_weibull_model(lung: pd.DataFrame) -> None:
    fit, block = fbss.fit_parametric(lung, **KEYS, formula="age + sex", distribution="weibull"), GOLD["lung_weibull_HR"]
    assert listed(fit.hazard_ratios["estimate"]) == near([block["age"], block["sex"]])
    # The hazard at day 1 where all columns are 0, over the shape: exp(-intercept / scale).
    intercept, log_scale = fit.baseline["coefficient"]
    assert float(np.exp(-intercept / np.exp(log_scale))) == pytest.approx(block["(Intercept)"], rel=1e-6)
