"""`resample`, `bootstrap_cox` and the bootstrap under them; R's refits stand in test_curves_reference.py."""

from __future__ import annotations

import io
import time
from typing import Any

import numpy as np
import pandas as pd
import pytest

import fbss_analytics as fbss
from fbss_analytics import DataError, InputError, bootstrap_cox, resample
from fbss_analytics.models import progress as progress_module
from fbss_analytics.models.bootstrap import Samples, bootstrap, limits
from fbss_analytics.models.kernels import cox, cox_bootstrap
from fbss_analytics.models.kernels.cox_bootstrap import refit
from fbss_analytics.models.kernels.cox_maximum import maximise
from fbss_analytics.models.progress import progress

KEYS: dict[str, Any] = {"duration": "days", "status": "ended", "event": "explant"}


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    random = np.random.default_rng(4)
    sex, score = random.choice(["female", "male"], 200), random.normal(size=200)
    days = np.ceil(300 * random.exponential(size=200) * np.exp(0.5 * (sex == "male") - 0.4 * score))
    return pd.DataFrame(
        {
            "patient_id": [f"P{i // 2}" for i in range(200)],
            "days": np.minimum(days, 500),
            "ended": np.where(days <= 500, "explant", "censored"),
            "sex": sex,
            "score": score,
            "entry": np.floor(np.minimum(days, 500) * random.uniform(0, 0.5, 200)),
        }
    )


def weighted_mean(sample: pd.DataFrame) -> dict[str, float]:
    return {"score": float(np.average(sample["score"], weights=sample["times_drawn"]))}


def test_a_sample_holds_each_row_once_with_its_patients_count(frame: pd.DataFrame) -> None:
    seen: list[pd.DataFrame] = []

    def look(sample: pd.DataFrame) -> float:
        seen.append(sample)
        return float(sample["times_drawn"].sum())

    found = resample(frame, look, n_samples=5, seed=1)
    assert len(seen) == 6
    for sample in seen:
        assert sample.index.tolist() == list(range(len(sample)))
        assert (sample.groupby("patient_id")["times_drawn"].nunique() == 1).all()
        # Two rows of each of 100 patients, drawn 100 times in all.
        assert sample["times_drawn"].sum() == 200
    assert (found.samples == 200).all()
    assert found.estimates["std_error"].tolist() == [0.0]


def test_the_intervals_are_those_of_the_samples(frame: pd.DataFrame) -> None:
    # The mean of patient means of two rows each: an influence that can be written down.
    means = frame.groupby("patient_id")["score"].mean().to_numpy()
    percentile, normal, bca = (
        resample(frame, weighted_mean, n_samples=2000, seed=3, interval=kind)
        for kind in ("percentile", "normal", "bca")
    )
    low, high = np.quantile(percentile.samples[:, 0], [0.025, 0.975])
    assert percentile.estimates[["conf_low", "conf_high"]].to_numpy()[0].tolist() == pytest.approx([low, high])
    error = percentile.samples[:, 0].std(ddof=1)
    # 2,000 samples know their standard deviation to 1.6 %; four times that.
    assert error == pytest.approx(means.std() / np.sqrt(len(means)), rel=0.064)
    assert normal.estimates["conf_high"].tolist() == pytest.approx([frame["score"].mean() + 1.959963984540054 * error])
    assert not np.allclose(bca.estimates["conf_low"], low)
    assert bca.estimates["conf_low"].tolist() == pytest.approx([low], abs=0.3 * error)
    assert "BCa intervals of 2,000 bootstrap samples of units of patient_id, seed 3." in bca.sentence()
    assert "score" in bca._repr_html_()


def test_bca_corrects_bias_and_acceleration_by_the_formula() -> None:
    values = np.array([[1.0], [2.0], [3.0], [4.0], [5.0]])
    counted = np.array([1.0, 2.0, 6.0])

    def evaluate(counts: Any) -> Any:
        return (counts @ counted / counts.sum(axis=1))[:, None]

    samples = Samples(np.repeat(values, 20, axis=0) + np.linspace(0, 0.5, 100)[:, None], 0)
    estimate = np.array([3.0])
    low, high = limits(samples, estimate, conf_level=0.9, interval="bca", evaluate=evaluate, units=3)
    left_out = np.array([4.0, 3.5, 1.5])
    change = left_out.mean() - left_out
    a = (change**3).sum() / (6 * (change**2).sum() ** 1.5)
    from scipy.stats import norm

    z0 = norm.ppf((samples.values < 3).mean())
    for found, level in ((low, 0.05), (high, 0.95)):
        moved = z0 + norm.ppf(level)
        wanted = norm.cdf(z0 + moved / (1 - a * moved))
        assert found.tolist() == pytest.approx([np.quantile(samples.values, wanted)])


def test_bca_is_refused_where_it_has_no_meaning() -> None:
    samples = Samples(np.array([[1.0], [2.0]]), 0)

    def evaluate(counts: Any) -> Any:
        return np.full((len(counts), 1), np.nan)

    arguments: dict[str, Any] = {"conf_level": 0.95, "interval": "bca", "units": 3, "evaluate": evaluate}
    with pytest.raises(DataError, match="Without one patient there is no finite value"):
        limits(samples, np.array([1.5]), **arguments)
    arguments["evaluate"] = lambda counts: counts[:, :1]
    with pytest.raises(DataError, match="outside all bootstrap samples"):
        limits(samples, np.array([5.0]), **arguments)
    with pytest.raises(InputError, match="Did you mean 'percentile'"):
        limits(samples, np.array([1.5]), **(arguments | {"interval": "percentil"}))


def test_samples_without_a_value_are_counted_and_too_many_refused() -> None:
    def evaluate(counts: Any) -> Any:
        return np.where(counts[:, :1] > 3, np.nan, counts[:, :1])

    found = bootstrap(evaluate, 10, n_samples=500, seed=1, advice="Do otherwise.")
    # P(a unit is drawn more than 3 times of 10) = 1.3 %.
    assert 0 < found.lost < 20
    assert len(found.values) == 500 - found.lost
    assert f"({found.lost} samples without a finite value left out)" in found.words("samples")
    with pytest.raises(DataError, match="have no finite value: Do otherwise"):
        bootstrap(
            lambda counts: np.where(counts[:, :1] > 0, np.nan, 0.0), 10, n_samples=50, seed=1, advice="Do otherwise."
        )


def test_the_draws_do_not_depend_on_blocks() -> None:
    few = bootstrap(lambda counts: counts, 7, n_samples=9, seed=2, advice="")
    many = bootstrap(lambda counts: counts, 7, n_samples=95, seed=2, advice="")
    assert (few.values == many.values[:9]).all()
    assert (few.values.sum(axis=1) == 7).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_samples": 1}, "n_samples=1 gives no interval"),
        ({"seed": -1}, "seed=-1 must be a whole number"),
        ({"seed": True}, "seed=True must be a whole number"),
        ({"unit": "patient"}, "Did you mean 'patient_id'"),
        ({"statistic": lambda sample: "many"}, "must return a number"),
        ({"statistic": lambda sample: np.inf}, "not finite"),
        ({"statistic": lambda sample: {str(len(sample)): 1.0}}, "other names in a sample"),
        ({"cohort": [1, 2]}, "Expected a Cohort or a pandas DataFrame, got list"),
    ],
)
def test_wrong_arguments_are_refused(frame: pd.DataFrame, change: dict[str, Any], message: str) -> None:
    arguments = {"cohort": frame, "statistic": weighted_mean, "n_samples": 10, "seed": 1} | change
    with pytest.raises(InputError, match=message):
        resample(**arguments)


def test_data_that_cannot_be_drawn_from_are_refused(frame: pd.DataFrame) -> None:
    with pytest.raises(InputError, match="have a column 'times_drawn' already"):
        resample(frame.assign(times_drawn=1), weighted_mean, n_samples=10, seed=1)
    with pytest.raises(InputError, match="no column 'patient_id'; name what is drawn"):
        resample(frame.drop(columns="patient_id"), weighted_mean, n_samples=10, seed=1)
    with pytest.raises(DataError, match="200 rows have no 'patient_id'"):
        resample(frame.assign(patient_id=None), weighted_mean, n_samples=10, seed=1)
    rows = resample(frame.drop(columns="patient_id"), weighted_mean, n_samples=10, seed=1, unit=None)
    assert "bootstrap samples of rows" in rows.method


def test_errors_in_samples_count_as_lost(frame: pd.DataFrame) -> None:
    calls = []

    def sometimes(sample: pd.DataFrame) -> float:
        calls.append(1)
        if len(calls) in (3, 4):
            raise DataError("nothing here")
        return float(sample["times_drawn"].max())

    assert resample(frame, sometimes, n_samples=50, seed=1).lost == 2


def test_a_cohort_is_resampled_as_a_cohort() -> None:
    source = fbss.simulate("neuromodulation", n_patients=1500, seed=1)
    cohort = fbss.start_cohort(source, index="scs_implant", occurrence="first")
    cohort = fbss.add_time_to(
        cohort, "explant", definition="any_removal", clock="therapy", competing="death", until_days=1825
    )

    def risk(sample: fbss.Cohort) -> float:
        curve = fbss.estimate_cumulative_incidence(sample, outcome="explant", weights="times_drawn")
        return float(curve.at(730)["estimate"].iloc[0])

    found = resample(cohort, risk, n_samples=100, seed=1)
    curve = fbss.estimate_cumulative_incidence(cohort, outcome="explant").at(730)
    assert found.estimates["estimate"].tolist() == [curve["estimate"].iloc[0]]
    # 100 samples know a standard deviation to 7 %; three times that.
    assert found.estimates["std_error"].iloc[0] == pytest.approx(curve["std_error"].iloc[0], rel=0.21)
    assert found.unit == "patient"


def test_counts_of_1_give_the_fit_itself_and_any_counts_that_of_weights(frame: pd.DataFrame) -> None:
    x = np.column_stack([frame["score"], frame["sex"] == "male"]).astype(float)
    stop, event = frame["days"].to_numpy(), (frame["ended"] == "explant").to_numpy()
    random = np.random.default_rng(1)
    counts = np.vstack([np.ones(200), random.integers(0, 4, (9, 200))]).astype(float)
    strata, offset = random.integers(0, 3, 200), random.normal(size=200)
    for more in (
        {},
        {"ties": "breslow"},
        {"entry": frame["entry"].to_numpy()},
        {"stratum": strata, "offset": offset, "entry": frame["entry"].to_numpy()},
    ):
        sets = cox.risk_sets(x, stop, event, **more)
        whole = cox.fit_risk_sets(sets)
        information = np.linalg.inv(whole.covariance * np.outer(sets.scale, sets.scale))
        found = refit(sets, counts, whole.coefficients, information)
        assert found.found.all()
        np.testing.assert_allclose(found.coefficients[0], whole.coefficients, rtol=1e-7)
        for drawn, coefficients in zip(counts[1:], found.coefficients[1:], strict=True):
            rows = np.flatnonzero(drawn)
            own = {key: value[rows] if isinstance(value, np.ndarray) else value for key, value in more.items()}
            again = cox.fit_risk_sets(cox.risk_sets(x[rows], stop[rows], event[rows], weight=drawn[rows], **own))
            np.testing.assert_allclose(coefficients, again.coefficients, rtol=1e-6, atol=1e-9)


def test_the_loop_does_uncompiled_what_it_does_compiled(frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    few = frame.iloc[:60]
    x = np.column_stack([few["score"], few["sex"] == "male"]).astype(float)
    stop, event = few["days"].to_numpy(), (few["ended"] == "explant").to_numpy()
    random = np.random.default_rng(2)
    counts = random.integers(0, 4, (3, 60)).astype(float)
    counts[2] = np.where(event, 0.0, 1.0)
    late = {"entry": few["entry"].to_numpy(), "offset": random.normal(size=60)}
    for more in ({}, late):
        sets = cox.risk_sets(x, stop, event, **more)
        whole = cox.fit_risk_sets(sets)
        information = np.linalg.inv(whole.covariance * np.outer(sets.scale, sets.scale))
        # A start far off, so that steps are halved.
        for start in (whole.coefficients, np.array([25.0, -30.0])):
            compiled = refit(sets, counts, start, information)
            with monkeypatch.context() as patch:
                patch.setattr(cox_bootstrap, "_compiled", lambda: maximise)
                plain = refit(sets, counts, start, information)
            assert plain.found.tolist() == compiled.found.tolist()
            np.testing.assert_allclose(plain.coefficients[:2], compiled.coefficients[:2], rtol=1e-9)
        assert compiled.found.tolist() == [True, True, False]


def test_a_step_too_long_is_taken_back_where_it_leads_to_no_information(monkeypatch: pytest.MonkeyPatch) -> None:
    # Columns: x1, x2, entry, stop, event, offset, times drawn. From this start the first step goes 20 standard
    # deviations along x2, where rounding leaves no information; the maximum lies at 5.5, with a standard error of 0.6.
    rows = np.array(
        [
            [0.07, 1, 15, 21, 1, 2.7, 2],
            [-0.05, 1, 0, 0.5, 1, -5.8, 1],
            [0.10, 1, 1, 3, 1, -4.3, 1],
            [-0.09, 0, 0, 3, 0, -10.9, 1],
            [0.20, 0, 0, 0.5, 1, -6.8, 1],
            [-0.01, 0, 3, 6, 1, -1.0, 3],
            [-0.11, 1, 0, 3, 1, -7.6, 2],
            [-0.08, 0, 3.5, 6, 1, 1.2, 3],
            [0.18, 0, 0, 0.5, 0, 3.9, 1],
            [-0.02, 0, 0, 6, 1, 3.9, 3],
            [0.15, 0, 0, 5, 1, 2.3, 2],
        ]
    )
    x, times = rows[:, :2], rows[:, 6]
    given = {"entry": rows[:, 2], "offset": rows[:, 5]}
    weighted = cox.fit_risk_sets(cox.risk_sets(x, rows[:, 3], rows[:, 4] == 1, weight=times, **given))
    assert weighted.converged
    sets = cox.risk_sets(x, rows[:, 3], rows[:, 4] == 1, **given)
    information = np.linalg.inv(weighted.covariance * np.outer(sets.scale, sets.scale))
    start = np.array([0.0, -4.2])
    found = refit(sets, times[None, :], start, information)
    assert found.found.all()
    np.testing.assert_allclose(found.coefficients[0], weighted.coefficients, rtol=1e-6)
    monkeypatch.setattr(cox_bootstrap, "_compiled", lambda: maximise)
    np.testing.assert_allclose(refit(sets, times[None, :], start, information).coefficients, found.coefficients)


def test_a_sample_without_a_finite_maximum_is_not_found(frame: pd.DataFrame) -> None:
    x = np.column_stack([frame["score"], frame["sex"] == "male"]).astype(float)
    stop, event = frame["days"].to_numpy(), (frame["ended"] == "explant").to_numpy()
    sets = cox.risk_sets(x, stop, event)
    whole = cox.fit_risk_sets(sets)
    information = np.linalg.inv(whole.covariance * np.outer(sets.scale, sets.scale))
    no_events_in_men = np.where(event & (x[:, 1] == 1), 0.0, 1.0)
    only_women, no_event = np.where(x[:, 1] == 1, 0.0, 1.0), np.where(event, 0.0, 1.0)
    counts = np.stack([np.ones(200), no_events_in_men, only_women, no_event])
    assert refit(sets, counts, whole.coefficients, information).found.tolist() == [True, False, False, False]
    assert not refit(sets, counts[3:], whole.coefficients, information).found.any()


def test_bootstrapped_hazard_ratios_stand_in_the_rows_of_the_fit(frame: pd.DataFrame) -> None:
    fit = fbss.fit_cox(frame, formula="rcs(score, 3) + sex", cluster="patient_id", **KEYS)
    found = bootstrap_cox(fit, n_samples=400, seed=1)
    for column in ("term", "contrast", "estimate", "coefficient", "n", "events"):
        assert found.estimates[column].tolist() == pytest.approx(fit.estimates[column].tolist()), column
    # 400 samples know a standard deviation to 3.5 %; the robust error is itself right to about 1 / sqrt(2 x 100).
    np.testing.assert_allclose(found.estimates["std_error"], fit.estimates["std_error"], rtol=0.2)
    assert (found.estimates["conf_low"] < found.estimates["estimate"]).all()
    assert "units of patient_id" in found.method
    same = bootstrap_cox(fit, n_samples=400, seed=1)
    assert (same.samples == found.samples).all()
    bca = bootstrap_cox(fit, n_samples=400, seed=1, interval="bca")
    assert (bca.samples == found.samples).all()
    assert "HR" in bca.sentence()


def test_fits_that_cannot_be_bootstrapped_are_refused(frame: pd.DataFrame) -> None:
    with pytest.raises(InputError, match="without penalty= and firth="):
        bootstrap_cox(fbss.fit_cox(frame, formula="score", penalty=1.0, **KEYS), n_samples=10, seed=1)
    split = fbss.fit_cox(frame, formula="score", periods=(90,), **KEYS)
    with pytest.raises(InputError, match="bootstrap_cox needs a fit from fit_cox"):
        bootstrap_cox(split, n_samples=10, seed=1)


class Terminal(io.StringIO):
    """A stream that says it is watched."""

    def isatty(self) -> bool:
        return True


def test_progress_is_shown_to_a_terminal_after_a_while_and_wiped(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 1.0, 3.0, 3.1, 4.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(progress_module.sys, "stderr", screen := Terminal())
    with progress("Samples", 1000) as line:
        for _ in range(4):
            line.add(250)
    # Not at 1 s, at 3 s, not so soon again, at 4 s.
    assert screen.getvalue() == "\rSamples: 500 of 1,000 \rSamples: 1,000 of 1,000 \r\x1b[2K"


def test_progress_is_silent_where_nobody_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 9.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(progress_module.sys, "stderr", screen := io.StringIO())
    with progress("Samples", 10) as line:
        line.add(10)
    assert screen.getvalue() == ""
