"""What must hold for competing risks on any data: special cases, weights as rows, order and scale of time.

Tolerance: 1e-9, the room that sums in another order need; 1e-6 where Newton's last step differs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fbss_analytics.errors import InputError
from fbss_analytics.models.competing import compare_cumulative_incidence
from fbss_analytics.models.fine_gray import fit_fine_gray
from fbss_analytics.models.kernels import cox, fine_gray
from fbss_analytics.models.kernels.aalen_johansen import curves
from fbss_analytics.models.kernels.absolute_risk import absolute_risk
from fbss_analytics.models.kernels.gray import gray

CALM = settings(max_examples=40, deadline=None)
"""Without a deadline: the first call imports, and a busy machine is no fault of ours."""

KEYS: dict[str, Any] = {"duration": "days", "status": "ended", "event": "explant", "competing": "death"}


@st.composite
def follow_ups(draw: st.DrawFn) -> dict[str, Any]:
    """Days with many ties, causes 0 to 2, two covariates, late entry of half the rows, groups and weights."""
    n = draw(st.integers(30, 60))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    stop = random.integers(1, draw(st.integers(5, 40)), n).astype(float)
    entry = np.where(random.random(n) < 0.5, 0.0, np.floor(stop * random.random(n) * 0.9))
    entry[:10] = 0
    return {
        "x": random.normal(size=(n, 2)),
        "stop": stop,
        "cause": np.append([1, 1, 1, 2], random.integers(0, 3, n - 4)),
        "entry": entry,
        "group": np.append([0, 1, 2], random.integers(0, 3, n - 3)),
        "weight": random.integers(1, 4, n).astype(float),
    }


def fitted(data: dict[str, Any], **changes: Any) -> tuple[fine_gray.Subdistribution, cox.CoxEstimate]:
    """Return the Fine-Gray fit; discard data on which the weights or the maximum do not exist."""
    asked = {name: data[name] for name in ("x", "stop", "cause", "entry")} | changes
    model = fine_gray.subdistribution(**asked)
    assume(model.unknown == 0)
    estimate = cox.fit_risk_sets(model.sets)
    assume(estimate.converged and not estimate.flat.any() and np.abs(estimate.coefficients).max() < 5)
    return model, estimate


@CALM
@given(follow_ups(), st.sampled_from(["efron", "breslow"]), st.booleans())
def test_without_competing_events_fine_gray_is_cox(data: dict[str, Any], ties: str, late: bool) -> None:
    cause = np.minimum(data["cause"], 1)
    entry = data["entry"] if late else None
    model, estimate = fitted(data, cause=cause, entry=entry, ties=ties)
    sets = cox.risk_sets(data["x"], data["stop"], cause == 1, entry=entry, ties=ties)
    plain = cox.fit_risk_sets(sets)
    np.testing.assert_allclose(estimate.coefficients, plain.coefficients, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(estimate.covariance, plain.covariance, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(fine_gray.sandwich(model, estimate), cox.sandwich(sets, plain), rtol=1e-9)


@CALM
@given(follow_ups())
def test_without_censoring_a_competing_event_counts_as_never(data: dict[str, Any]) -> None:
    cause = np.maximum(data["cause"], 1)
    _, estimate = fitted(data, cause=cause, entry=None)
    # Everyone's fate is known: whoever has the competing event stays in every later risk set with weight 1.
    stop = np.where(cause == 2, data["stop"].max() + 1, data["stop"])
    plain = cox.fit_risk_sets(cox.risk_sets(data["x"], stop, cause == 1))
    np.testing.assert_allclose(estimate.coefficients, plain.coefficients, rtol=1e-6, atol=1e-9)


@CALM
@given(follow_ups(), st.booleans())
def test_a_weight_of_k_is_k_rows(data: dict[str, Any], late: bool) -> None:
    entry = data["entry"] if late else None
    weighted, one = fitted(data, entry=entry, weight=data["weight"], ties="breslow")
    rows = np.repeat(np.arange(len(data["stop"])), data["weight"].astype(int))
    repeated = {name: data[name][rows] for name in ("x", "stop", "cause", "entry")}
    model, other = fitted(repeated, entry=repeated["entry"] if late else None, ties="breslow")
    np.testing.assert_allclose(one.coefficients, other.coefficients, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(one.covariance, other.covariance, rtol=1e-6)
    np.testing.assert_allclose(
        fine_gray.sandwich(weighted, one), fine_gray.sandwich(model, other, cluster=rows), rtol=1e-6
    )


@CALM
@given(follow_ups(), st.floats(0.01, 100), st.integers(0, 1000))
def test_scale_of_time_and_order_of_rows_change_nothing(data: dict[str, Any], scale: float, seed: int) -> None:
    model, estimate = fitted(data)
    order = np.random.default_rng(seed).permutation(len(data["stop"]))
    moved = {name: data[name][order] for name in ("x", "cause")}
    moved |= {name: data[name][order] * scale for name in ("stop", "entry")}
    # Products with the scale may tell apart what was tied, or tie what was not.
    assume(
        len(np.unique(np.append(moved["stop"], moved["entry"])))
        == len(np.unique(np.append(data["stop"], data["entry"])))
    )
    other_model, other = fitted(moved)
    np.testing.assert_allclose(estimate.coefficients, other.coefficients, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(
        fine_gray.sandwich(model, estimate), fine_gray.sandwich(other_model, other), rtol=1e-6, atol=1e-12
    )


@CALM
@given(follow_ups())
def test_risks_of_all_causes_and_survival_add_up_to_one(data: dict[str, Any]) -> None:
    steps = curves(data["stop"], data["cause"], 2, entry=data["entry"])
    np.testing.assert_allclose(steps.incidence.sum(axis=0) + steps.survival, 1.0, atol=1e-9)
    models = []
    for cause in (1, 2):
        sets = cox.risk_sets(data["x"], data["stop"], data["cause"] == cause, entry=data["entry"])
        estimate = cox.fit_risk_sets(sets)
        assume(estimate.converged and not estimate.flat.any())
        models.append((sets, estimate))
    rows, days = data["x"][:3], np.array([data["stop"].max()])
    risks = sum(absolute_risk(pair, [rows, rows], days)[0] for pair in (models, models[::-1]))
    free = np.exp(
        -sum(
            np.exp((rows - estimate.center) @ estimate.coefficients)
            * cox.baseline_hazard(sets, estimate.coefficients).sum()
            for sets, estimate in models
        )
    )
    np.testing.assert_allclose(risks[:, 0] + free, 1.0, atol=1e-9)


@CALM
@given(follow_ups(), st.integers(0, 1000), st.floats(0, 2))
def test_gray_does_not_depend_on_order_scale_or_names_of_groups(data: dict[str, Any], seed: int, rho: float) -> None:
    one = gray(data["stop"], data["cause"], data["group"], rho=rho)
    assert one.observed.sum() == pytest.approx(one.expected.sum(), abs=1e-9)
    np.testing.assert_allclose(one.covariance.sum(axis=0), 0, atol=1e-9)
    random = np.random.default_rng(seed)
    order, names = random.permutation(len(data["stop"])), random.permutation(3)
    other = gray(7 * data["stop"][order], data["cause"][order], names[data["group"]][order], rho=rho)
    np.testing.assert_allclose(other.observed[names], one.observed, atol=1e-9)
    np.testing.assert_allclose(other.covariance[np.ix_(names, names)], one.covariance, atol=1e-9)


def frame(data: dict[str, Any]) -> pd.DataFrame:
    made = pd.DataFrame({"days": data["stop"], "dose": data["x"][:, 0], "group": data["group"]})
    return made.assign(ended=np.array(["censored", "explant", "death"], dtype=object)[data["cause"]])


@CALM
@given(follow_ups())
def test_data_without_an_answer_are_refused_by_name(data: dict[str, Any]) -> None:
    whole = frame(data)
    for changed, formula, words in (
        (whole.assign(ended="censored"), "dose", "there is nothing to estimate"),
        (whole[whole["ended"] != "death"], "dose", "competes"),
        (whole.assign(dose=1.0), "dose", "is the same in all"),
    ):
        with pytest.raises(InputError, match=words):
            fit_fine_gray(changed, **KEYS, formula=formula)
    with pytest.raises(InputError, match="has one group"):
        compare_cumulative_incidence(whole.assign(group="a"), **KEYS, by="group")
    levels = pd.CategoricalDtype(["0", "1", "2", "nobody"])
    empty = whole.assign(group=whole["group"].astype(str).astype(levels))
    # A level without rows is no group.
    full = compare_cumulative_incidence(whole, **KEYS, by="group")
    pd.testing.assert_frame_equal(compare_cumulative_incidence(empty, **KEYS, by="group").frame, full.frame)
