"""What must hold of models of recurrent events and of moves, whatever the data.

Tolerance: 1e-6 where Newton's last step differs, 1e-9 where the same sums are made in another order.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import fbss_analytics as fbss
from fbss_analytics.errors import DataError

CALM = settings(max_examples=40, deadline=None)
"""Without a deadline: the first call imports, and a busy machine is no fault of ours."""
MODELS = ("andersen_gill", "pwp_total", "pwp_gap", "wlw")

# The data are small on purpose; what is said of few events has its own tests.
pytestmark = pytest.mark.filterwarnings("ignore::fbss_analytics.errors.StudyWarning")


@st.composite
def recurrences(draw: st.DrawFn, most: int = 3) -> pd.DataFrame:
    """Rows with up to ``most`` events in half days with ties, a number and a yes-or-no column; some die."""
    n = draw(st.integers(25, 50))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rows: list[tuple[Any, ...]] = []
    for k in range(n):
        day, dose, arm = 0.0, round(float(random.normal()), 3), int(random.integers(0, 2))
        for _ in range(int(random.integers(0, most + 1))):
            stop = day + float(random.integers(1, 30)) - 0.5 * int(random.integers(0, 2))
            rows.append((k, day, stop, "event", dose, arm))
            day = stop
        stop = day + float(random.integers(1, 30))
        rows.append((k, day, stop, str(random.choice(["censored", "death"])), dose, arm))
    frame = pd.DataFrame(rows, columns=["row", "start_day", "stop_day", "status", "dose", "arm"])
    # Fewer than eight events, or an arm without any, leave the ratios to chance or make them infinite.
    happened = frame["status"] == "event"
    assume(happened.sum() >= 8 and frame.loc[happened, "arm"].nunique() == 2)
    return frame


def numbers(frame: pd.DataFrame, model: str, **more: Any) -> np.ndarray:
    """Return coefficients and standard errors; data without a finite estimate are no example."""
    keys = {"formula": "dose + arm", "terminal": "death", "model": model} | more
    try:
        fit = fbss.fit_recurrent(frame, **keys)
    except DataError:
        assume(False)
    return fit.coefficients[["coefficient", "std_error"]].to_numpy()


@CALM
@given(recurrences(most=1), st.sampled_from(["efron", "breslow"]))
def test_one_event_per_patient_is_a_cox_model(frame: pd.DataFrame, ties: str) -> None:
    first = frame.groupby("row", as_index=False).head(1)
    plain = fbss.fit_cox(
        first, duration="stop_day", status="status", event="event", formula="dose + arm", cluster="row", ties=ties
    ).coefficients[["coefficient", "std_error"]]
    for model in MODELS:
        np.testing.assert_allclose(numbers(first, model, ties=ties), plain.to_numpy(), rtol=1e-6, atol=1e-9)


@CALM
@given(recurrences(), st.sampled_from(MODELS), st.floats(0.05, 0.95))
def test_splitting_an_interval_changes_nothing(frame: pd.DataFrame, model: str, share: float) -> None:
    whole = numbers(frame, model)
    cut = frame["start_day"] + share * (frame["stop_day"] - frame["start_day"])
    pieces = pd.concat([frame.assign(stop_day=cut, status="censored"), frame.assign(start_day=cut)])
    np.testing.assert_allclose(numbers(pieces, model), whole, rtol=1e-5, atol=1e-7)


@CALM
@given(recurrences(), st.sampled_from(MODELS), st.integers(0, 1000))
def test_row_order_and_names_are_irrelevant(frame: pd.DataFrame, model: str, seed: int) -> None:
    other = frame.sample(frac=1, random_state=seed)
    other = other.assign(row="patient " + (99 - other["row"]).astype(str))
    np.testing.assert_allclose(numbers(other, model), numbers(frame, model), rtol=1e-6, atol=1e-9)


@CALM
@given(recurrences(), st.sampled_from(MODELS), st.sampled_from([1 / 365.25, 7.0, 0.1]))
def test_the_unit_of_time_is_irrelevant(frame: pd.DataFrame, model: str, unit: float) -> None:
    # Gap times are differences, whose ties rounding would break: eighths of a day stay exact in binary.
    unit = 0.125 if model == "pwp_gap" else unit
    scaled = frame.assign(start_day=frame["start_day"] * unit, stop_day=frame["stop_day"] * unit)
    np.testing.assert_allclose(numbers(scaled, model), numbers(frame, model), rtol=1e-6, atol=1e-9)


@CALM
@given(recurrences(), st.sampled_from(MODELS), st.integers(0, 1000))
def test_a_weight_of_two_is_two_rows_of_one_patient(frame: pd.DataFrame, model: str, seed: int) -> None:
    times = np.random.default_rng(seed).integers(1, 4, frame["row"].max() + 1)
    weighted = frame.assign(case=times[frame["row"]].astype(float))
    copies = [frame[times[frame["row"]] > c].assign(patient=frame["row"], copy=c) for c in range(3)]
    repeated = pd.concat(copies)
    repeated = repeated.assign(row=repeated["row"].astype(str) + "-" + repeated["copy"].astype(str))
    # Doubled rows tie with themselves; only Breslow's way with ties leaves that without effect.
    one = numbers(weighted, model, weights="case", ties="breslow")
    two = numbers(repeated, model, cluster="patient", ties="breslow")
    np.testing.assert_allclose(one, two, rtol=1e-6, atol=1e-8)


@CALM
@given(recurrences())
def test_of_one_group_the_mean_count_is_events_over_those_at_risk(frame: pd.DataFrame) -> None:
    curve = fbss.estimate_mean_cumulative_count(frame.replace({"status": {"death": "censored"}})).frame
    start, stop = frame["start_day"].to_numpy(), frame["stop_day"].to_numpy()
    expected = 0.0
    for day in np.unique(stop):
        at_risk = ((start < day) & (day <= stop)).sum()
        expected += ((stop == day) & (frame["status"] == "event").to_numpy()).sum() / at_risk
    assert curve["estimate"].iloc[-1] == pytest.approx(expected)
    with_death = fbss.estimate_mean_cumulative_count(frame.assign(status="event"), terminal=None).frame
    assert (np.diff(with_death["estimate"]) >= 0).all()


@st.composite
def walks(draw: st.DrawFn) -> pd.DataFrame:
    """Rows that move between two states, with an end."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rows: list[tuple[Any, ...]] = []
    for k in range(draw(st.integers(30, 60))):
        day, state, dose = 0.0, "on", round(float(random.normal()), 3)
        for _ in range(int(random.integers(1, 5))):
            stop = day + float(random.integers(1, 30))
            rows.append((k, day, stop, state, dose))
            day, state = stop, "off" if state == "on" else "on"
    return pd.DataFrame(rows, columns=["row", "start_day", "stop_day", "state", "dose"])


@CALM
@given(walks(), st.sampled_from(["forward", "reset"]), st.integers(0, 1000))
def test_a_stay_cut_in_two_and_shuffled_rows_change_no_move(walk: pd.DataFrame, clock: str, seed: int) -> None:
    keys = {"formula": "dose", "clock": clock, "effects": "shared"}
    moves = (walk["state"] == "off").sum()
    assume(moves >= 8)
    try:
        whole = fbss.fit_transitions(walk, **keys).fits[0].coefficients
    except DataError:
        assume(False)
    middle = (walk["start_day"] + walk["stop_day"]) / 2
    pieces = pd.concat([walk.assign(stop_day=middle), walk.assign(start_day=middle)]).sample(frac=1, random_state=seed)
    other = fbss.fit_transitions(pieces, **keys)
    ours, theirs = other.fits[0].coefficients, whole
    np.testing.assert_allclose(
        ours[["coefficient", "std_error"]].to_numpy(), theirs[["coefficient", "std_error"]].to_numpy(), rtol=1e-5
    )
