"""What must hold for any data: curves add up, order and coding do not matter, weights count as rows.

Tolerance: 1e-9, the room that sums in another order need; 1e-6 where Newton's last step differs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fbss_analytics.models.competing import estimate_cumulative_incidence
from fbss_analytics.models.kernels import aalen_johansen, cox

CALM = settings(max_examples=50, deadline=None)
"""Without a deadline: the first call imports, and a busy machine is no fault of ours."""

WORDS = np.array(["censored", "explant", "death"])


@st.composite
def follow_ups(draw: st.DrawFn, fewest: int = 3) -> tuple[Any, Any, Any]:
    """Days with many ties (halves among them), causes 0 to 2, entries before them; at least one event of cause 1."""
    n = draw(st.integers(fewest, 40))
    seed = draw(st.integers(0, 2**32 - 1))
    random = np.random.default_rng(seed)
    stop = random.integers(1, draw(st.integers(2, 30)), n) - random.choice([0.0, 0.5], n)
    cause = random.integers(0, 3, n)
    cause[0] = 1
    entry = np.floor(stop * random.uniform(0, 1, n)) * random.integers(0, 2, n)
    return stop, cause, np.where(entry < stop, entry, 0.0)


@CALM
@given(follow_ups())
def test_all_causes_and_event_free_add_up_to_one_and_never_fall(data: tuple[Any, Any, Any]) -> None:
    stop, cause, entry = data
    for late in (None, entry):
        steps = aalen_johansen.curves(stop, cause, 2, entry=late)
        np.testing.assert_allclose(steps.incidence.sum(axis=0) + steps.survival, 1.0, atol=1e-9)
        assert (np.diff(steps.incidence, axis=1) >= 0).all()
        assert (np.diff(steps.survival) <= 0).all()
        assert steps.time[0] == 0
        assert steps.events.sum() + steps.censored.sum() == len(stop)


@CALM
@given(follow_ups())
def test_without_late_entry_at_risk_counts_who_is_not_yet_gone(data: tuple[Any, Any, Any]) -> None:
    stop, cause, entry = data
    for late in (None, entry):
        steps = aalen_johansen.curves(stop, cause, 2, entry=late)
        began = np.zeros(len(stop)) if late is None else late
        expected = [int(((began < t) & (t <= stop)).sum()) for t in steps.time[1:]]
        assert steps.at_risk[1:].tolist() == expected


@CALM
@given(follow_ups(), st.integers(0, 1000))
def test_row_order_is_irrelevant(data: tuple[Any, Any, Any], seed: int) -> None:
    stop, cause, entry = data
    order = np.random.default_rng(seed).permutation(len(stop))
    one = aalen_johansen.curves(stop, cause, 2, entry=entry)
    other = aalen_johansen.curves(stop[order], cause[order], 2, entry=entry[order])
    np.testing.assert_allclose(one.incidence, other.incidence, atol=1e-12)
    np.testing.assert_allclose(one.incidence_error, other.incidence_error, atol=1e-9)


@CALM
@given(follow_ups())
def test_closed_form_variance_is_the_sum_over_rows(data: tuple[Any, Any, Any]) -> None:
    stop, cause, entry = data
    for late in (None, entry):
        closed = aalen_johansen.curves(stop, cause, 2, entry=late)
        summed = aalen_johansen.curves(stop, cause, 2, entry=late, cluster=np.arange(len(stop)))
        np.testing.assert_allclose(closed.incidence_error**2, summed.incidence_error**2, atol=1e-9)
        np.testing.assert_allclose(closed.survival_error**2, summed.survival_error**2, atol=1e-9)


@CALM
@given(follow_ups())
def test_uneven_times_give_the_same_curve_as_whole_days(data: tuple[Any, Any, Any]) -> None:
    stop, cause, _ = data
    even, uneven = aalen_johansen.curves(stop, cause, 2), aalen_johansen.curves(stop * np.pi, cause, 2)
    np.testing.assert_allclose(even.time * np.pi, uneven.time)
    np.testing.assert_allclose(even.incidence, uneven.incidence, atol=1e-12)
    np.testing.assert_allclose(even.incidence_error, uneven.incidence_error, atol=1e-12)


@CALM
@given(follow_ups())
def test_a_curve_counts_every_row_at_every_day(data: tuple[Any, Any, Any]) -> None:
    stop, cause, _ = data
    assume((cause == 1).any() and (cause == 2).any())
    frame = pd.DataFrame({"days": stop, "ended": WORDS[cause]})
    curve = estimate_cumulative_incidence(frame, duration="days", status="ended", event="explant", competing="death")
    table = curve.risk_table([0, 1, 2.5, 10, 40]).pivot(index="time_days", columns="cause")
    counted = table["n_at_risk"]["explant"] + table["n_censored"]["explant"] + table["n_events"].sum(axis=1)
    assert (counted == len(stop)).all()


def covariates(n: int, seed: int) -> npt.NDArray[np.float64]:
    random = np.random.default_rng(seed)
    return np.column_stack([random.normal(size=n), random.integers(0, 2, n)])


def likelihood(x: Any, stop: Any, event: Any, entry: Any, beta: Any, efron: bool) -> float:
    """The partial likelihood written out, one event time and one tied event after the other."""
    total, r = 0.0, np.exp(x @ beta)
    for t in np.unique(stop[event]):
        at_risk, dying = (entry < t) & (t <= stop), event & (stop == t)
        for place in range(int(dying.sum())):
            share = place / dying.sum() if efron else 0.0
            total -= np.log(r[at_risk].sum() - share * r[dying].sum())
        total += (x[dying] @ beta).sum()
    return float(total)


@CALM
@given(follow_ups(fewest=12), st.integers(0, 1000), st.booleans())
def test_cox_reaches_the_top_of_the_likelihood_written_out(data: tuple[Any, Any, Any], seed: int, efron: bool) -> None:
    stop, cause, entry = data
    x, event = covariates(len(stop), seed), cause == 1
    sets = cox.risk_sets(x, stop, event, entry=entry, ties="efron" if efron else "breslow")
    fit = cox.fit_risk_sets(sets)
    np.testing.assert_allclose(
        fit.log_likelihood_null, likelihood(x, stop, event, entry, np.zeros(2), efron), atol=1e-9
    )
    if not fit.converged or fit.flat.any():
        return
    top = likelihood(x, stop, event, entry, fit.coefficients, efron)
    np.testing.assert_allclose(fit.log_likelihood, top, atol=1e-6)
    for step in (np.array([1e-3, 0.0]), np.array([0.0, 1e-3])):
        assert likelihood(x, stop, event, entry, fit.coefficients + step, efron) <= top + 1e-9
        assert likelihood(x, stop, event, entry, fit.coefficients - step, efron) <= top + 1e-9


def test_a_fit_that_starts_at_the_maximum_stays_there() -> None:
    # Of everyone at risk, those who have the event have the same mean: the gradient at 0 is exactly 0.
    x = np.array([[-1.0], [1.0], [-1.0], [1.0]])
    fit = cox.fit_risk_sets(
        cox.risk_sets(x, np.array([1.0, 1, 2, 2]), np.array([True, True, False, False]), ties="breslow")
    )
    assert fit.converged
    assert fit.coefficients[0] == 0


@CALM
@given(follow_ups(fewest=12), st.integers(0, 1000))
def test_a_row_of_weight_two_is_two_rows_with_breslow_ties(data: tuple[Any, Any, Any], seed: int) -> None:
    stop, cause, entry = data
    x, event = covariates(len(stop), seed), cause == 1
    weight = np.random.default_rng(seed).integers(1, 4, len(stop))
    twice = np.repeat(np.arange(len(stop)), weight)
    one = cox.fit_risk_sets(cox.risk_sets(x, stop, event, entry=entry, weight=weight, ties="breslow"))
    other = cox.fit_risk_sets(cox.risk_sets(x[twice], stop[twice], event[twice], entry=entry[twice], ties="breslow"))
    assert one.flat.any() == other.flat.any()
    if one.converged and not one.flat.any():
        np.testing.assert_allclose(one.coefficients, other.coefficients, atol=1e-6)
        np.testing.assert_allclose(one.covariance, other.covariance, rtol=1e-6)


@CALM
@given(follow_ups(fewest=12), st.integers(0, 1000))
def test_cox_rows_and_strata_may_come_in_any_order(data: tuple[Any, Any, Any], seed: int) -> None:
    stop, cause, entry = data
    random = np.random.default_rng(seed)
    x, event, strata = covariates(len(stop), seed), cause == 1, random.integers(0, 3, len(stop))
    order = random.permutation(len(stop))
    one = cox.fit_risk_sets(cox.risk_sets(x, stop, event, entry=entry, stratum=strata))
    other = cox.fit_risk_sets(
        cox.risk_sets(x[order], stop[order], event[order], entry=entry[order], stratum=(2 - strata)[order])
    )
    np.testing.assert_allclose(one.log_likelihood_null, other.log_likelihood_null, atol=1e-9)
    if one.converged and not one.flat.any():
        # A likelihood known to 1e-9 places its maximum within sqrt(2e-9) standard errors, however flat it is.
        apart = (one.coefficients - other.coefficients) / np.sqrt(np.diag(one.covariance))
        np.testing.assert_allclose(apart, 0, atol=5e-5)


@CALM
@given(follow_ups(fewest=20), st.integers(0, 1000))
def test_follow_up_cut_into_pieces_gives_the_same_fit(data: tuple[Any, Any, Any], seed: int) -> None:
    stop, cause, _ = data
    x, event, n = covariates(len(stop), seed), cause == 1, len(stop)
    cut = stop / 3
    pieces = np.concatenate([x, x]), np.concatenate([cut, stop]), np.concatenate([np.zeros(n, dtype=bool), event])
    whole_sets = cox.risk_sets(x, stop, event)
    piece_sets = cox.risk_sets(*pieces, entry=np.concatenate([np.zeros(n), cut]))
    whole, cut_up = cox.fit_risk_sets(whole_sets), cox.fit_risk_sets(piece_sets)
    if not whole.converged or whole.flat.any():
        return
    np.testing.assert_allclose(whole.coefficients, cut_up.coefficients, atol=1e-6)
    patient = np.concatenate([np.arange(n), np.arange(n)])
    robust = cox.sandwich(whole_sets, whole)
    np.testing.assert_allclose(robust, cox.sandwich(piece_sets, cut_up, cluster=patient), rtol=1e-5, atol=1e-9)
