"""`fit_parametric`: identities, words and refusals; R's numbers stand in test_curves_reference.py."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import fbss_analytics as fbss
from fbss_analytics import DataError, InputError, fit_parametric
from fbss_analytics.models.kernels.accelerated import Times, fit_accelerated, survival_at
from fbss_analytics.models.kernels.flexible import Columns, fit_flexible, spline_slope
from fbss_analytics.models.splines import spline_basis

KEYS: dict[str, Any] = {"duration": "days", "status": "ended", "event": "explant"}


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    """Weibull times of two sexes, censored at 1,500 days, with late entry."""
    random = np.random.default_rng(11)
    sex, score = np.repeat(["female", "male"], 150), random.normal(size=300)
    days = np.ceil(900 * np.exp(0.4 * (sex == "male") - 0.3 * score) * random.exponential(size=300) ** 0.7)
    ended = np.where(days > 1500, "censored", np.where(random.uniform(size=300) < 0.2, "death", "explant"))
    stop = np.minimum(days, 1500.0)
    entry = np.floor(stop * random.uniform(0, 0.5, 300)) * (random.uniform(size=300) < 0.4)
    centre = random.integers(0, 20, 300)
    return pd.DataFrame({"days": stop, "ended": ended, "sex": sex, "score": score, "entry": entry, "centre": centre})


def test_a_spline_of_two_knots_is_the_weibull_model(frame: pd.DataFrame) -> None:
    arguments = KEYS | {"formula": "sex + score", "entry": "entry"}
    weibull = fit_parametric(frame, distribution="weibull", **arguments)
    spline = fit_parametric(frame, distribution="spline", knots=2, **arguments)
    assert spline.log_likelihood == pytest.approx(weibull.log_likelihood, rel=1e-10)
    assert spline.log_likelihood_null == pytest.approx(weibull.log_likelihood_null, rel=1e-10)
    for column in ("estimate", "std_error", "conf_low", "conf_high", "p_value"):
        assert spline.estimates[column].tolist() == pytest.approx(weibull.hazard_ratios[column].tolist(), rel=1e-6)
    assert spline.aic == pytest.approx(weibull.aic)
    assert spline.hazard_ratios.equals(spline.estimates)


def test_more_knots_come_close_to_cox(frame: pd.DataFrame) -> None:
    spline = fit_parametric(frame, formula="sex + score", distribution="spline", knots=4, **KEYS)
    cox = fbss.fit_cox(frame, formula="sex + score", **KEYS)
    np.testing.assert_allclose(spline.estimates["coefficient"], cox.estimates["coefficient"], atol=0.02)
    assert "knots at days" in spline.method
    assert len(spline.baseline) == 4


def test_the_exponential_rate_is_events_over_days(frame: pd.DataFrame) -> None:
    happened = (frame["ended"] == "explant").to_numpy()
    stop, entry = frame["days"].to_numpy(), frame["entry"].to_numpy()
    for begin in (np.zeros(len(stop)), entry):
        times = Times(stop, np.where(happened, stop, np.inf), begin)
        fit = fit_accelerated(np.ones((len(stop), 1)), times, np.ones(len(stop)), distribution="exponential")
        assert fit.coefficients.tolist() == pytest.approx([np.log((stop - begin).sum() / happened.sum())])


def test_the_words_name_distribution_cause_entry_and_errors(frame: pd.DataFrame) -> None:
    fit = fit_parametric(frame, formula="sex", distribution="lognormal", entry="entry", cluster="centre", **KEYS)
    assert fit.method == (
        "Log-normal accelerated failure time model; time to explant (death counted as censored), by maximum "
        "likelihood; at risk only after entry; robust standard errors, clustered on centre (20 clusters)."
    )
    assert "time ratio" in fit.sentence()
    assert fit.hazard_ratios.empty
    assert "likelihood ratio" not in set(fit.tests["test"])


def test_hazard_ratios_of_an_exponential_model_turn_time_ratios_around(frame: pd.DataFrame) -> None:
    fit = fit_parametric(frame, formula="sex", distribution="exponential", **KEYS)
    assert fit.hazard_ratios["estimate"].tolist() == pytest.approx((1 / fit.estimates["estimate"]).tolist())
    assert fit.hazard_ratios["measure"].tolist() == ["HR"]


@pytest.mark.parametrize("distribution", ["weibull", "exponential", "lognormal", "loglogistic", "spline"])
def test_whole_weights_count_rows_and_others_are_robust(frame: pd.DataFrame, distribution: str) -> None:
    weighted = frame.assign(k=1 + np.arange(len(frame)) % 2)
    repeated = frame.loc[frame.index.repeat(weighted["k"])].reset_index(drop=True)
    arguments = KEYS | {"formula": "sex", "distribution": distribution}
    one, two = fit_parametric(weighted, weights="k", **arguments), fit_parametric(repeated, **arguments)
    tolerance = {"rel": 1e-6} if distribution != "spline" else {"rel": 0.2}
    # The knots of a spline are quantiles of the rows, which repeated rows move.
    assert one.estimates["std_error"].tolist() == pytest.approx(two.estimates["std_error"].tolist(), **tolerance)
    half = fit_parametric(weighted.assign(k=weighted["k"] / 2), weights="k", **arguments)
    assert half.estimates["coefficient"].tolist() == pytest.approx(one.estimates["coefficient"].tolist(), rel=1e-6)
    assert "robust standard errors" in half.method


@pytest.mark.parametrize("distribution", ["weibull", "lognormal", "loglogistic"])
def test_narrow_intervals_come_to_the_exact_days(frame: pd.DataFrame, distribution: str) -> None:
    happened = frame["ended"] == "explant"
    narrow = frame.assign(low=frame["days"] - 0.001 * happened, high=np.where(happened, frame["days"] + 0.001, np.nan))
    arguments: dict[str, Any] = {"formula": "sex", "distribution": distribution}
    interval = fit_parametric(narrow, lower="low", upper="high", **arguments)
    exact = fit_parametric(frame, **KEYS, **arguments)
    np.testing.assert_allclose(interval.estimates["coefficient"], exact.estimates["coefficient"], atol=1e-6)
    assert "interval-censored days" in interval.method


def test_an_event_before_the_first_visit_lies_between_0_and_it() -> None:
    x = np.ones((4, 1))
    times = Times(np.array([0.0, 10.0, 20.0, 30.0]), np.array([10.0, 20.0, 30.0, np.inf]), np.zeros(4))
    for distribution in ("weibull", "lognormal", "loglogistic"):
        fit = fit_accelerated(x, times, np.ones(4), distribution=distribution)
        scale = np.exp(fit.coefficients[-1])
        edges = survival_at((np.log([10.0, 20.0, 30.0]) - fit.coefficients[0]) / scale, distribution)
        shares = -np.diff(np.concatenate([[1.0], edges, [0.0]]))
        assert fit.log_likelihood == pytest.approx(np.log(shares).sum())
        assert fit.converged


def test_a_spline_climbs_from_a_bad_start_without_leaving_positive_hazards(frame: pd.DataFrame) -> None:
    z, event = np.log(frame["days"].to_numpy()), (frame["ended"] == "explant").to_numpy()
    knots = np.quantile(z[event], [0, 0.5, 1])
    basis = np.column_stack([np.ones(len(z)), spline_basis(z, knots)])
    slope = np.column_stack([np.zeros(len(z)), spline_slope(z, knots)])
    columns = Columns(basis, slope, np.zeros_like(basis), np.zeros(len(z), dtype=bool), event, z)
    near, far = (fit_flexible(columns, np.ones(len(z)), np.array(start)) for start in ([-8, 1.2, 0], [-2.0, 9.0, 0.0]))
    assert near.converged
    assert far.converged
    np.testing.assert_allclose(far.coefficients, near.coefficients, rtol=1e-6)
    moved = spline_basis(z + 1e-6, knots) - spline_basis(z - 1e-6, knots)
    np.testing.assert_allclose(slope[:, 1:], moved / 2e-6, atol=1e-6)


def test_a_cohort_can_be_used(frame: pd.DataFrame) -> None:
    source = fbss.simulate("neuromodulation", n_patients=1500, seed=1)
    cohort = fbss.start_cohort(source, index="scs_implant", occurrence="first")
    cohort = fbss.add_time_to(
        cohort, "explant", definition="any_removal", clock="therapy", competing="death", until_days=1825
    )
    fit = fit_parametric(cohort, outcome="explant", formula="age_years", distribution="weibull")
    assert fit.unit == "patient"
    assert fit.events > 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"distribution": "weibul"}, "Did you mean 'weibull'"),
        ({"distribution": "spline", "knots": 1}, "knots=1 must be a whole number from 2"),
        ({"distribution": "spline", "knots": 8}, "knots=8 must be a whole number from 2"),
        ({"lower": "days"}, "need both lower= and upper="),
        ({"lower": "days", "upper": "days"}, "stand in place of outcome="),
    ],
)
def test_wrong_arguments_are_refused(frame: pd.DataFrame, change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        fit_parametric(frame, **(KEYS | {"formula": "sex", "distribution": "weibull"} | change))


@pytest.mark.parametrize(
    ("low", "high", "message"),
    [
        ([-1.0, 2.0], [3.0, 4.0], "1 of 2 rows have a negative 'low'"),
        ([0.0, 2.0], [0.0, 4.0], "1 of 2 rows have an 'high' of 0 or less"),
        ([5.0, 2.0], [3.0, 4.0], "1 of 2 rows have 'low' after 'high'"),
        ([0.0, 2.0], [np.nan, 4.0], "1 of 2 rows have neither"),
    ],
)
def test_limits_that_cannot_be_are_refused(low: list[float], high: list[float], message: str) -> None:
    frame = pd.DataFrame({"low": low, "high": high, "x": [1.0, 2.0]})
    with pytest.raises(DataError, match=message):
        fit_parametric(frame, lower="low", upper="high", formula="x", distribution="weibull")


def test_limits_need_numbers_events_and_a_known_kind_of_data() -> None:
    frame = pd.DataFrame({"low": [1.0, 2.0], "high": [np.nan, np.nan], "word": ["a", "b"], "x": [1.0, 2.0]})
    arguments: dict[str, Any] = {"formula": "x", "distribution": "weibull", "lower": "low"}
    with pytest.raises(InputError, match="no event is known"):
        fit_parametric(frame, upper="high", **arguments)
    with pytest.raises(InputError, match="'word' must hold days as numbers"):
        fit_parametric(frame, upper="word", **arguments)
    with pytest.raises(InputError, match="Expected a Cohort or a pandas DataFrame, got list"):
        fit_parametric([1], upper="high", **arguments)  # type: ignore[arg-type]


def test_a_spline_needs_exact_days_and_different_knots() -> None:
    frame = pd.DataFrame({"low": [1.0, 2.0] * 10, "high": [3.0, 4.0] * 10, "died": True, "x": range(20)})
    with pytest.raises(InputError, match="takes exact and censored days"):
        fit_parametric(frame, lower="low", upper="high", formula="x", distribution="spline")
    with pytest.raises(InputError, match="do not give 5 different knots"):
        fit_parametric(frame, duration="high", status="died", event="x", formula="x", distribution="spline", knots=5)


@pytest.mark.filterwarnings("ignore:.*events")
@pytest.mark.parametrize("distribution", ["weibull", "exponential", "lognormal", "loglogistic", "spline"])
def test_a_category_without_events_has_no_maximum(frame: pd.DataFrame, distribution: str) -> None:
    none = frame.assign(ended=np.where(frame["sex"] == "male", "censored", frame["ended"]))
    with pytest.raises(DataError, match=r"'sex' \(male\): no finite estimate exists"):
        fit_parametric(none, formula="sex", distribution=distribution, **KEYS)


def test_days_all_alike_have_no_spread_to_estimate(frame: pd.DataFrame) -> None:
    alike = frame.assign(days=5.0, ended=True)
    with pytest.raises(DataError, match=r"has no maximum within reach|did not reach its maximum"):
        fit_parametric(alike, formula="score", distribution="lognormal", **KEYS)
