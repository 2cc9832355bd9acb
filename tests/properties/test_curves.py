"""What must hold of curves, means and group tests for any data, by the arithmetic of their definitions.

Tolerance: 1e-9, the room that sums in another order need.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fbss_analytics import compare_survival, estimate_restricted_mean, estimate_survival
from fbss_analytics.models.kernels.aalen_johansen import curves
from fbss_analytics.models.kernels.log_rank import log_rank
from fbss_analytics.models.kernels.restricted_mean import restricted_means

CALM = settings(max_examples=40, deadline=None)
"""Without a deadline: the first call imports, and a busy machine is no fault of ours."""


@st.composite
def follow_ups(draw: st.DrawFn) -> dict[str, Any]:
    """Days with many ties, causes 0 to 2, late entries, two groups, whole weights; at least one event of cause 1."""
    n = draw(st.integers(4, 40))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    stop = random.integers(1, draw(st.integers(3, 30)), n) - random.choice([0.0, 0.5], n)
    cause = random.integers(0, 3, n)
    cause[0] = 1
    entry = np.floor(stop * random.uniform(0, 1, n)) * random.integers(0, 2, n)
    return {
        "stop": stop,
        "cause": cause,
        "entry": np.where(entry < stop, entry, 0.0),
        "group": random.permutation(np.arange(n) % 2),
        "weight": random.integers(1, 4, n).astype(float),
    }


@CALM
@given(follow_ups())
def test_whole_weights_are_repeated_rows(data: dict[str, Any]) -> None:
    times = data["weight"].astype(int)
    for late in (None, "entry"):
        entry = None if late is None else data[late]
        one = curves(data["stop"], data["cause"], 2, entry=entry, weight=data["weight"], repeats=True)
        again = None if entry is None else np.repeat(entry, times)
        two = curves(np.repeat(data["stop"], times), np.repeat(data["cause"], times), 2, entry=again)
        for name in ("time", "at_risk", "events", "censored", "survival", "incidence", "hazard"):
            np.testing.assert_allclose(getattr(one, name), getattr(two, name), atol=1e-9)
        # Errors are roots of sums that cancel to 0: half the digits are left there.
        for name in ("survival_error", "incidence_error", "hazard_error"):
            np.testing.assert_allclose(getattr(one, name), getattr(two, name), rtol=1e-6, atol=1e-7)


@CALM
@given(follow_ups(), st.floats(0.1, 10.0))
def test_sampling_weights_matter_by_their_ratios_alone(data: dict[str, Any], factor: float) -> None:
    weight = data["weight"] / 3
    one, two = (
        curves(data["stop"], data["cause"], 2, weight=w, entry=data["entry"]) for w in (weight, factor * weight)
    )
    clustered = curves(
        data["stop"], data["cause"], 2, weight=weight, entry=data["entry"], cluster=np.arange(len(weight))
    )
    for name in ("survival", "incidence"):
        np.testing.assert_allclose(getattr(one, name), getattr(two, name), atol=1e-9)
    for name in ("survival_error", "incidence_error"):
        np.testing.assert_allclose(getattr(one, name), getattr(two, name), rtol=1e-6, atol=1e-7)
        # The closed form is the sum of squares, row by row.
        np.testing.assert_allclose(getattr(one, name), getattr(clustered, name), rtol=1e-6, atol=1e-7)


@CALM
@given(follow_ups())
def test_a_curve_never_rises_and_its_limits_enclose_it(data: dict[str, Any]) -> None:
    frame = pd.DataFrame({"days": data["stop"], "explanted": data["cause"] == 1, "k": data["weight"] / 3})
    for conf_type in ("log-log", "log", "plain"):
        curve = estimate_survival(
            frame, duration="days", status="explanted", event="x", conf_type=conf_type, weights="k"
        )
        steps = curve.frame
        assert (np.diff(steps["estimate"]) <= 1e-12).all()
        known = steps.dropna(subset=["conf_low", "conf_high"])
        assert (known["conf_low"] <= known["estimate"] + 1e-12).all()
        assert (known["conf_high"] >= known["estimate"] - 1e-12).all()
        days = curve.quantile([0.2, 0.5, 0.8])["estimate"].dropna()
        assert (np.diff(days) >= 0).all()


@CALM
@given(follow_ups(), st.floats(0.05, 1.0))
def test_days_free_and_days_lost_are_the_horizon_and_their_influences_cancel(
    data: dict[str, Any], share: float
) -> None:
    until = share * float(data["stop"].max())
    for entry in (None, data["entry"]):
        for weight in (None, data["weight"]):
            found = restricted_means(data["stop"], data["cause"], 2, until, entry=entry, weight=weight)
            np.testing.assert_allclose(found.means.sum(), until, rtol=1e-9)
            np.testing.assert_allclose(found.influence.sum(axis=1), 0.0, atol=1e-9 * until)
            assert (found.means >= -1e-12).all()


@CALM
@given(follow_ups(), st.sampled_from([0.5, 2.0, 7.0]))
def test_another_unit_of_time_changes_days_and_nothing_else(data: dict[str, Any], factor: float) -> None:
    until = float(data["stop"].max()) * 0.7
    one = restricted_means(data["stop"], data["cause"], 2, until, entry=data["entry"])
    two = restricted_means(factor * data["stop"], data["cause"], 2, factor * until, entry=factor * data["entry"])
    np.testing.assert_allclose(two.means, factor * one.means, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(two.influence, factor * one.influence, rtol=1e-9, atol=1e-9)
    event = data["cause"] == 1
    first = log_rank(data["stop"], event, data["group"], entry=data["entry"], rho=0.5, gamma=1.0)
    second = log_rank(factor * data["stop"], event, data["group"], entry=factor * data["entry"], rho=0.5, gamma=1.0)
    for name in ("observed", "expected", "covariance"):
        np.testing.assert_allclose(getattr(first, name), getattr(second, name), atol=1e-9)


@CALM
@given(follow_ups())
def test_observed_and_expected_events_add_up_and_strata_add(data: dict[str, Any]) -> None:
    event = data["cause"] == 1
    whole = log_rank(data["stop"], event, data["group"], entry=data["entry"])
    np.testing.assert_allclose(whole.observed.sum(), event.sum())
    np.testing.assert_allclose(whole.expected.sum(), event.sum())
    np.testing.assert_allclose(whole.covariance.sum(axis=0), 0.0, atol=1e-9)
    twice = log_rank(
        np.tile(data["stop"], 2),
        np.tile(event, 2),
        np.tile(data["group"], 2),
        entry=np.tile(data["entry"], 2),
        stratum=np.repeat([0, 1], len(event)),
    )
    for name in ("observed", "expected", "covariance"):
        np.testing.assert_allclose(getattr(twice, name), 2 * getattr(whole, name), atol=1e-9)


@CALM
@given(follow_ups(), st.permutations(range(4)))
def test_the_order_of_rows_never_matters(data: dict[str, Any], start: list[int]) -> None:
    frame = pd.DataFrame({"days": data["stop"], "explanted": data["cause"] == 1, "group": data["group"]})
    assume(frame.loc[frame["explanted"], "days"].min() < frame.groupby("group")["days"].max().min())
    order = [*start, *range(4, len(frame))]
    keys: dict[str, Any] = {"duration": "days", "status": "explanted", "event": "x", "by": "group"}
    until = float(frame.groupby("group")["days"].max().min())
    one, two = (compare_survival(f, **keys) for f in (frame, frame.iloc[order]))
    np.testing.assert_allclose(one.table["statistic"], two.table["statistic"], rtol=1e-9, atol=1e-9)
    first, second = (estimate_restricted_mean(f, until_days=until, **keys) for f in (frame, frame.iloc[order]))
    np.testing.assert_allclose(first.estimates["estimate"], second.estimates["estimate"], rtol=1e-9, atol=1e-12)
