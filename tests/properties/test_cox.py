"""What must hold of Cox models for any data: what a row counts, where it is cut and what time is called do not matter.

Tolerance: 1e-6 where Newton's last step differs, else 1e-9, the room that sums in another order need. Data without a
maximum are left out: that they are refused is tested elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fbss_analytics.models.kernels import cox, cox_residuals
from fbss_analytics.models.kernels.concordance import concordance
from fbss_analytics.models.kernels.cox_variance import baseline
from fbss_analytics.models.kernels.firth import fit_firth
from fbss_analytics.models.kernels.profile import cox_profile, profile_limits

CALM = settings(max_examples=30, deadline=None)


@dataclass
class Data:
    """Rows with ties, late entry, strata and weights."""

    x: Any
    stop: Any
    event: Any
    entry: Any
    stratum: Any
    weight: Any

    def sets(self, ties: str = "efron", **changes: Any) -> Any:
        given = {"entry": self.entry, "stratum": self.stratum, "weight": self.weight, **changes}
        return cox.risk_sets(self.x, self.stop, self.event, ties=ties, **given)


@st.composite
def data(draw: st.DrawFn) -> Data:
    n, random = draw(st.integers(25, 60)), np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    stop = random.integers(1, draw(st.integers(5, 40)), n).astype(float)
    x = np.column_stack([random.normal(size=n), random.integers(0, 3, n), random.normal(3, 2, n)])
    event = random.random(n) < 0.7
    event[0] = True
    return Data(
        x, stop, event, np.floor(stop * random.uniform(0, 0.9, n)), random.integers(0, 2, n),
        random.integers(1, 4, n).astype(float),
    )  # fmt: skip


def fitted(sets: Any, **asked: Any) -> Any:
    fit = cox.fit_risk_sets(sets, **asked)
    assume(fit.converged and not fit.flat.any())
    return fit


@CALM
@given(data(), st.sampled_from(["efron", "breslow"]))
def test_a_whole_weight_is_so_many_rows_with_breslow_and_one_weight_scales_all(rows: Data, ties: str) -> None:
    one = fitted(rows.sets(ties))
    if ties == "breslow":
        times = np.repeat(np.arange(len(rows.stop)), rows.weight.astype(int))
        many = Data(rows.x[times], rows.stop[times], rows.event[times], rows.entry[times], rows.stratum[times], None)
        other = fitted(many.sets(ties))
        np.testing.assert_allclose(one.coefficients, other.coefficients, atol=1e-6)
        np.testing.assert_allclose(one.covariance, other.covariance, rtol=1e-5)
    double = fitted(rows.sets(ties, weight=2 * rows.weight))
    np.testing.assert_allclose(one.coefficients, double.coefficients, atol=1e-6)
    np.testing.assert_allclose(one.covariance, 2 * double.covariance, rtol=1e-5)


@CALM
@given(data(), st.floats(0.1, 0.9))
def test_cutting_follow_up_anywhere_changes_nothing(rows: Data, share: float) -> None:
    cut = rows.entry + share * (rows.stop - rows.entry)
    both = np.tile(np.arange(len(cut)), 2)
    pieces = Data(
        rows.x[both], np.append(cut, rows.stop), np.append(np.zeros(len(cut), dtype=bool), rows.event),
        np.append(rows.entry, cut), rows.stratum[both], rows.weight[both],
    )  # fmt: skip
    whole, split = rows.sets(), pieces.sets()
    one, other = fitted(whole), fitted(split)
    np.testing.assert_allclose(one.coefficients, other.coefficients, atol=1e-6)
    np.testing.assert_allclose(one.covariance, other.covariance, rtol=1e-5)
    np.testing.assert_allclose(
        cox.sandwich(whole, one, cluster=np.arange(len(cut))), cox.sandwich(split, other, cluster=both), rtol=1e-4
    )
    firth, cut_firth = fit_firth(whole), fit_firth(split)
    np.testing.assert_allclose(firth.coefficients, cut_firth.coefficients, atol=1e-6)
    g = np.log(rows.stop)
    tests = [
        cox_residuals.proportionality_test(sets, fit.coefficients, g[sets.events % len(g)], [[0], [1, 2]])[0]
        for sets, fit in ((whole, one), (split, other))
    ]
    np.testing.assert_allclose(*tests, rtol=1e-5, atol=1e-8)
    residuals = cox_residuals.martingale_residuals(split, other.coefficients)
    np.testing.assert_allclose(
        cox_residuals.martingale_residuals(whole, one.coefficients),
        residuals[: len(g)] + residuals[len(g) :],
        atol=1e-6,
    )
    score = [sets.x.T @ (fit.coefficients * sets.scale) for sets, fit in ((whole, one), (split, other))]
    values = [
        concordance(each, d.stop, d.event, entry=d.entry, stratum=d.stratum, weight=d.weight)[0]
        for each, d in zip(score, (rows, pieces), strict=True)
    ]
    np.testing.assert_allclose(*values, atol=1e-9)


@CALM
@given(data(), st.floats(0.01, 400))
def test_the_unit_of_time_does_not_matter(rows: Data, unit: float) -> None:
    scaled = Data(rows.x, unit * rows.stop, rows.event, unit * rows.entry, rows.stratum, rows.weight)
    one, other = fitted(rows.sets()), fitted(scaled.sets())
    assert one.coefficients.tolist() == other.coefficients.tolist()
    assert one.covariance.tolist() == other.covariance.tolist()


@CALM
@given(data(), st.integers(0, 1_000))
def test_the_order_of_rows_does_not_matter(rows: Data, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(rows.stop))
    parts = (rows.x, rows.stop, rows.event, rows.entry, rows.stratum, rows.weight)
    one, other = rows.sets(), Data(*(part[order] for part in parts)).sets()
    a, b = fitted(one), fitted(other)
    np.testing.assert_allclose(a.coefficients, b.coefficients, atol=1e-6)
    np.testing.assert_allclose(cox.sandwich(one, a), cox.sandwich(other, b), rtol=1e-5, atol=1e-12)
    np.testing.assert_allclose(
        cox_residuals.martingale_residuals(one, a.coefficients)[order],
        cox_residuals.martingale_residuals(other, a.coefficients),
        atol=1e-9,
    )


@CALM
@given(data(), st.floats(-1, 1))
def test_an_offset_is_a_coefficient_held(rows: Data, b: float) -> None:
    sets = rows.sets()
    fitted(sets)
    held = Data(rows.x[:, 1:], rows.stop, rows.event, rows.entry, rows.stratum, rows.weight)
    offset = fitted(held.sets(offset=b * rows.x[:, 0]))
    profile, _ = cox_profile(sets, np.array([1.0, 0.0, 0.0]))
    # Moving all offsets by their mean changes no ratio of risks.
    assert abs(profile(b) - offset.log_likelihood) < 1e-6 * abs(offset.log_likelihood)


@CALM
@given(data())
def test_scores_add_up_to_nothing_and_limits_hold_the_estimate(rows: Data) -> None:
    sets = rows.sets()
    fit = fitted(sets)
    np.testing.assert_allclose(cox.score_residuals(sets, fit.coefficients) @ sets.weight, 0, atol=1e-6)
    assert abs(cox_residuals.martingale_residuals(sets, fit.coefficients) @ sets.weight) < 1e-8
    assert (baseline(sets, fit.coefficients).hazard > 0).all()
    profile, top = cox_profile(sets, np.array([0.0, 0.0, 1.0]))
    error = float(np.sqrt(fit.covariance[2, 2]))
    low, high = profile_limits(profile, top, float(fit.coefficients[2]), error, z=1.96)
    assert low < fit.coefficients[2] < high


@CALM
@given(data(), st.floats(1e-3, 1e3))
def test_a_larger_penalty_never_gains_likelihood(rows: Data, penalty: float) -> None:
    sets = rows.sets()
    plain = fitted(sets)
    smaller, larger = (fitted(sets, penalty=np.eye(3) * each) for each in (penalty, 2 * penalty))
    assert plain.log_likelihood >= smaller.log_likelihood - 1e-9 >= larger.log_likelihood - 1e-8
    size = [np.sum((fit.coefficients * sets.scale) ** 2) for fit in (plain, smaller, larger)]
    assert size[0] >= size[1] - 1e-9 >= size[2] - 1e-8
