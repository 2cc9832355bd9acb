"""Models of recurrent events and of moves between states held to R: ``reference/recurrent.R`` and ``recurrent.json``.

Tolerance 1e-6 absolute or relative, whichever is larger; R's Newton steps were told to stop at 1e-11.
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
R: dict[str, Any] = json.loads((FOLDER / "recurrent.json").read_text())
STATES = ["using", "free", "out", "dead"]
# The data sets are small; what is said of few events has its own test.
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*below 10 estimates are unsteady:fbss_analytics.errors.StudyWarning",
    "ignore:Only 8 events \\((free -> dead|out -> free)\\):fbss_analytics.errors.StudyWarning",
)


def listed(values: Any) -> list[float]:
    return np.asarray(values, dtype=float).ravel().tolist()


def near(expected: Any) -> Any:
    return pytest.approx(listed(expected), rel=1e-6, abs=1e-6)


def same_fit(fit: Any, expected: dict[str, Any]) -> None:
    assert listed(fit.coefficients["coefficient"]) == near(expected["coef"])
    assert listed(fit.coefficients["std_error"]) == near(expected["robust"])
    assert [fit.log_likelihood_null, fit.log_likelihood] == near(expected["loglik"])


@pytest.fixture(scope="module")
def bladder() -> pd.DataFrame:
    frame = pd.DataFrame(datasets.load_bladder2())
    return frame.assign(w=1 + (frame["id"] % 3) / 2, many=frame["number"] > 2)


@pytest.fixture(scope="module")
def counts() -> pd.DataFrame:
    frame = pd.read_csv(FOLDER / "counts.csv")
    return frame.assign(x=(frame["row"] * 37) % 11)


@pytest.fixture(scope="module")
def episodes() -> pd.DataFrame:
    frame = pd.read_csv(FOLDER / "episodes.csv")
    return frame.assign(age=50 + (frame["row"] * 7) % 23, pair=(frame["row"] + 1) // 2)


BLADDER = {"row": "id", "start": "start", "stop": "stop", "status": "event"}


@pytest.mark.parametrize(
    ("block", "model", "formula", "more"),
    [
        ("ag_breslow", "andersen_gill", "rx + size + number", {"ties": "breslow"}),
        ("ag_weighted", "andersen_gill", "rx + size + number", {"weights": "w"}),
        ("ag_number", "andersen_gill", "rx + event_number", {}),
        ("pwp_strata", "pwp_total", "rx + size", {"strata": "many"}),
        ("pwp_weighted", "pwp_gap", "rx + size + number", {"weights": "w"}),
        ("pwp_total_3", "pwp_total", "rx + size + number", {"up_to": 3}),
        ("pwp_gap_3", "pwp_gap", "rx + size + number", {"up_to": 3}),
        ("wlw_3", "wlw", "rx + size + number", {"up_to": 3}),
        ("wlw_each", "wlw", "rx + size + number + rx:C(event_number)", {}),
    ],
)
def test_bladder(bladder: pd.DataFrame, block: str, model: str, formula: str, more: dict[str, Any]) -> None:
    fit = fbss.fit_recurrent(bladder, model=model, formula=formula, **more, **BLADDER)
    same_fit(fit, R[block])
    assert fit.events == R[block]["events"]
    # R's WLW data have one row per event number, ours the pieces before it: the same time at risk.
    assert fit.n == R[block]["n"] or model == "wlw"


@pytest.mark.parametrize(
    ("block", "model", "more"),
    [
        ("made_ag", "andersen_gill", {}),
        ("made_total", "pwp_total", {}),
        ("made_gap", "pwp_gap", {}),
        ("made_wlw", "wlw", {"up_to": 3}),
    ],
)
@pytest.mark.filterwarnings("ignore:Event numbers from:fbss_analytics.errors.StudyWarning")
def test_death_ends_follow_up_and_patients_have_several_rows(
    counts: pd.DataFrame, block: str, model: str, more: dict[str, Any]
) -> None:
    fit = fbss.fit_recurrent(counts, model=model, formula="arm + x", terminal="death", cluster="patient", **more)
    same_fit(fit, R[block])
    assert "death ends follow-up" in fit.method


def entering_late(counts: pd.DataFrame) -> pd.DataFrame:
    """Rows with an odd number enter on day 20."""
    entry = np.where(counts["row"] % 2 == 1, 20, 0)
    seen = counts["stop_day"] > entry
    return counts[seen].assign(start_day=np.maximum(counts["start_day"], entry)[seen])


@pytest.mark.parametrize(("block", "model"), [("late_ag", "andersen_gill"), ("late_gap", "pwp_gap")])
@pytest.mark.filterwarnings(
    "ignore:Event numbers from:fbss_analytics.errors.StudyWarning",
    "ignore:.*not followed from day 0:fbss_analytics.errors.StudyWarning",
)
def test_late_entry(counts: pd.DataFrame, block: str, model: str) -> None:
    late = entering_late(counts)
    same_fit(fbss.fit_recurrent(late, model=model, formula="arm + x", terminal="death", cluster="patient"), R[block])


@pytest.mark.parametrize("conf_type", ["log", "plain"])
def test_mean_cumulative_count_has_its_interval(bladder: pd.DataFrame, conf_type: str) -> None:
    frame = bladder.assign(event=np.where(bladder["event"] == 1, "event", "censored"))
    at = fbss.estimate_mean_cumulative_count(frame, by="rx", conf_type=conf_type, **BLADDER).at([10, 30, 50])
    for ours, theirs in (("estimate", "mean"), ("std_error", "se")):
        assert listed(at[ours]) == near(R["mcf"][theirs])
    assert listed(at["conf_low"]) == near(R["mcf"][f"{conf_type}_low"])
    assert listed(at["conf_high"]) == near(R["mcf"][f"{conf_type}_high"])


def test_mean_counts_with_late_entry(counts: pd.DataFrame) -> None:
    late = entering_late(counts)
    # The jackknife of the R script counts each row by itself; survfit's takes the patients.
    plain = late.replace({"status": {"death": "censored"}})
    at = fbss.estimate_mean_cumulative_count(plain, cluster="patient").at(R["mcf_late"]["time"])
    for ours, theirs in (("estimate", "mean"), ("std_error", "se")):
        assert listed(at[ours]) == near(R["mcf_late"][theirs])
    both = fbss.estimate_mean_cumulative_count(late, terminal="death").at(R["ghosh_lin_late"]["time"])
    mine = both[both["cause"] == "event"]
    for ours, theirs in (("estimate", "mean"), ("std_error", "se")):
        assert listed(mine[ours]) == near(R["ghosh_lin_late"][theirs])


@pytest.mark.parametrize(("block", "ties"), [("moves_forward", "efron"), ("moves_breslow", "breslow")])
def test_moves_by_days_from_day_0(episodes: pd.DataFrame, block: str, ties: str) -> None:
    fit = fbss.fit_transitions(episodes, formula="arm + age", clock="forward", effects="by_transition", ties=ties)
    theirs = dict(zip(R[block]["names"], zip(R[block]["coef"], R[block]["robust"], strict=True), strict=True))
    expected, ours = [], []
    for one in fit.fits:
        origin, target = (STATES.index(name) + 1 for name in one.cause.split(" -> "))
        ours += listed(one.coefficients[["coefficient", "std_error"]])
        expected += [number for name in ("arm", "age") for number in theirs[f"{name}_{origin}:{target}"]]
    assert ours == near(expected)
    assert len(ours) == 2 * len(theirs)
    # The likelihood of R's one model is the product of those of the moves.
    assert sum(one.log_likelihood for one in fit.fits) == pytest.approx(R[block]["loglik"][1])


def test_moves_with_shared_effects(episodes: pd.DataFrame) -> None:
    keys = {"formula": "arm + age", "effects": "shared"}
    same_fit(fbss.fit_transitions(episodes, clock="forward", **keys).fits[0], R["moves_shared"])
    same_fit(fbss.fit_transitions(episodes, clock="reset", **keys).fits[0], R["reset_shared"])
    same_fit(fbss.fit_transitions(episodes, clock="forward", cluster="pair", **keys).fits[0], R["forward_pairs"])


@pytest.mark.parametrize("move", [("using", "free"), ("free", "using"), ("out", "free")])
def test_moves_by_days_since_the_state_was_entered(episodes: pd.DataFrame, move: tuple[str, str]) -> None:
    keys = {"formula": "arm + age", "clock": "reset", "effects": "by_transition"}
    # One move alone, or among all that occur: the model is the same.
    for chosen in ([move], None):
        fit = fbss.fit_transitions(episodes, transitions=chosen, **keys)
        same_fit(fit.fit(*move), R[f"reset_{move[0]}_{move[1]}"])


def test_counts_of_moves(episodes: pd.DataFrame) -> None:
    fit = fbss.fit_transitions(episodes, formula="arm", clock="forward", effects="by_transition")
    theirs = {(a, b): n for a, b, n in zip(R["counts"]["from"], R["counts"]["to"], R["counts"]["n"], strict=True) if n}
    ours = {(row.from_state, row.to_state): row.n_events for row in fit.counts.itertuples()}
    assert ours == theirs


def test_occupancy_clustered_on_patients(episodes: pd.DataFrame) -> None:
    expected = R["occupancy_cluster"]
    at = fbss.estimate_state_occupancy(episodes, states=STATES, cluster="pair").at(expected["time"])
    for ours, theirs in (("estimate", "share"), ("std_error", "se")):
        assert listed(at.pivot(index="horizon_days", columns="cause", values=ours)[STATES]) == near(expected[theirs])


@pytest.fixture(scope="module")
def illness() -> pd.DataFrame:
    frame = pd.DataFrame(datasets.load_mgus2())
    same = (frame["pstat"] == 1) & (frame["ptime"] == frame["futime"])
    frame["ptime"] = frame["ptime"] - 0.1 * same
    frame["sexM"] = (frame["sex"] == "M").astype(float)
    ill, died = frame["pstat"] == 1, frame["death"] == 1
    common = ["id", "age", "sexM"]
    well = frame[common].assign(start_day=0.0, stop_day=np.where(ill, frame["ptime"], frame["futime"]), state="mgus")
    sick = frame.loc[ill, common].assign(start_day=frame["ptime"], stop_day=frame["futime"], state="pcm")
    dead = frame.loc[died, common].assign(start_day=frame["futime"], stop_day=frame["futime"], state="dead")
    return pd.concat([well, sick, dead], ignore_index=True)


def test_illness_and_death(illness: pd.DataFrame) -> None:
    fit = fbss.fit_transitions(illness, formula="age + sexM", clock="forward", effects="by_transition", row="id")
    expected = R["mgus2_moves"]
    order = [("mgus", "pcm"), ("mgus", "dead"), ("pcm", "dead")]
    assert listed([fit.fit(*move).coefficients["coefficient"] for move in order]) == near(expected["coef"])
    assert listed([fit.fit(*move).coefficients["std_error"] for move in order]) == near(expected["robust"])


def test_occupancy_of_illness_and_death(illness: pd.DataFrame) -> None:
    expected = R["mgus2_occupancy"]
    curve = fbss.estimate_state_occupancy(illness, row="id", states=expected["states"], conf_type="log")
    at = curve.at(expected["time"])
    told = np.array(expected["share"]).ravel() > 0
    for ours, theirs in (("estimate", "share"), ("std_error", "se"), ("conf_low", "lower"), ("conf_high", "upper")):
        mine = at.pivot(index="horizon_days", columns="cause", values=ours)[expected["states"]].to_numpy().ravel()
        limits = np.array([[np.nan if x == "NA" else x for x in row] for row in expected[theirs]], dtype=float).ravel()
        assert listed(mine[told]) == near(limits[told])
