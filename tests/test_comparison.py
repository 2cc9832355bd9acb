"""`compare_survival` and its result; R's numbers stand in test_curves_reference.py."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from survival import datasets

import fbss_analytics as fbss
from fbss_analytics import DataError, InputError, compare_survival
from fbss_analytics.models.kernels.log_rank import chi_squared, log_rank

R: dict[str, Any] = json.loads((Path(__file__).parent / "reference" / "curves.json").read_text())

KEYS: dict[str, Any] = {"duration": "days", "status": "ended", "event": "explant"}


@pytest.fixture
def frame() -> pd.DataFrame:
    ended = ["explant", "death", "explant", "censored", "explant", "explant", "censored", "explant"]
    return pd.DataFrame(
        {"days": [5.0, 6.0, 8.0, 8.0, 9.0, 12.0, 14.0, 20.0], "ended": ended, "sex": ["female", "male"] * 4}
    )


def test_every_event_is_compared_on_its_own_and_says_so(frame: pd.DataFrame) -> None:
    test = compare_survival(frame, by="sex", **KEYS)
    assert test.frame["cause"].tolist() == ["explant", "death"]
    assert "cause-specific: the other events are counted as censored" in test.method
    assert test.n == 8
    # At day 5 4 of 8 at risk are women, at 8 3 of 6, at 9 2 of 4, at 12 1 of 3, at 20 none of 1.
    women = test.counts[(test.counts["cause"] == "explant") & (test.counts["group"] == "female")].iloc[0]
    assert women["expected"] == pytest.approx(4 / 8 + 3 / 6 + 2 / 4 + 1 / 3 + 0)
    assert women["observed"] == 3
    assert "female: 3 observed, 1.8 expected; male: 2 observed, 3.2 expected" in test.sentence()


def test_an_event_that_nobody_has_is_not_tested(frame: pd.DataFrame) -> None:
    few = frame.assign(ended=frame["ended"].replace({"death": "censored"}))
    test = compare_survival(few, by="sex", **KEYS)
    assert test.frame["cause"].tolist() == ["explant"]
    assert test.method == "Log-rank test."


def test_the_result_is_shown_with_one_line_of_test_per_cause(frame: pd.DataFrame) -> None:
    shown = compare_survival(frame, by="sex", rho=1.0, **KEYS)._repr_html_()
    assert "Fleming-Harrington test, rho 1, gamma 0" in shown
    assert shown.count("<tr>") == 1 + 4


def test_a_result_without_expected_counts_says_what_was_observed() -> None:
    tests = pd.DataFrame({"cause": ["event"], "statistic": [1.0], "df": [1], "p_value": [0.3]})
    counts = pd.DataFrame({"cause": "event", "group": ["a", "b"], "n": [3, 4], "observed": [2, 1], "expected": np.nan})
    none = pd.DataFrame({"reason": [], "n": []})
    test = fbss.GroupTest("explant", "sex", tests, counts, "A test.", (), none)
    assert test.sentence() == (
        "explant between groups of sex: chi-squared 1.00 on 1 df, p = 0.300 (a: 2 observed; b: 1 observed). 7 rows. "
        "A test."
    )


def test_a_trend_of_two_groups_is_the_test_itself(frame: pd.DataFrame) -> None:
    plain, trend = (compare_survival(frame, by="sex", trend=asked, **KEYS) for asked in (False, True))
    assert trend.table["statistic"].tolist() == pytest.approx(plain.table["statistic"].tolist())
    assert "for trend over female, male" in trend.method


def test_two_rows_of_one_patient_are_clustered_as_in_r() -> None:
    eyes = pd.DataFrame(datasets.load_diabetic())
    arguments = (eyes["time"].to_numpy(float), eyes["status"].to_numpy() == 1, eyes["trt"].to_numpy(dtype=np.int64))
    result = log_rank(*arguments, cluster=pd.factorize(eyes["id"])[0].astype(np.int64))
    statistic, df = chi_squared(result.observed - result.expected, result.covariance)
    assert (statistic, df) == (pytest.approx(R["diabetic_cluster"]["chisq"], rel=1e-6), 1)


def test_late_entry_is_the_same_clustered_by_row_or_split_into_pieces() -> None:
    random = np.random.default_rng(5)
    stop = random.integers(2, 40, 60).astype(float)
    entry = np.floor(stop * random.uniform(0, 0.9, 60))
    event, group = random.uniform(size=60) < 0.7, random.integers(0, 3, 60)
    whole = log_rank(stop, event, group, entry=entry, cluster=np.arange(60))
    middle = (entry + stop) / 2
    pieces = log_rank(
        np.append(middle, stop),
        np.append(np.zeros(60, dtype=bool), event),
        np.tile(group, 2),
        entry=np.append(entry, middle),
        cluster=np.tile(np.arange(60), 2),
    )
    for name in ("observed", "expected", "covariance"):
        np.testing.assert_allclose(getattr(pieces, name), getattr(whole, name), atol=1e-12)


def test_a_cohort_of_systems_is_clustered_on_the_patient() -> None:
    source = fbss.simulate("neuromodulation", n_patients=600, seed=1)
    cohort = fbss.start_cohort(source, index="scs_implant", occurrence="first")
    cohort = fbss.add_time_to(
        cohort, "explant", definition="any_removal", clock="therapy", competing="death", until_days=1825
    )
    test = compare_survival(cohort, outcome="explant", by="sex")
    assert test.unit == "patient"
    assert test.outcome == "explant"
    assert len(test.definitions) > 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rho": -1.0}, "rho=-1.0 must be 0 or more"),
        ({"gamma": np.nan}, "gamma=nan must be 0 or more"),
        ({"by": "one"}, "by='one' has one group, 'a'; a comparison needs two or more"),
        ({"strata": "each"}, "at no event are two groups of one stratum of each at risk together"),
        ({"by": "each"}, "distinct values"),
        ({"by": "gender"}, "names column 'gender', which is not there"),
    ],
)
def test_what_cannot_be_compared_is_refused(frame: pd.DataFrame, change: dict[str, Any], message: str) -> None:
    many = pd.concat([frame] * 3, ignore_index=True)
    many = many.assign(one="a", each=[f"s{i}" for i in range(len(many))])
    with pytest.raises(InputError, match=message):
        compare_survival(many, **({"by": "sex"} | KEYS | change))


def test_days_that_cannot_be_are_refused(frame: pd.DataFrame) -> None:
    with pytest.raises(DataError, match="nobody is at risk at 0"):
        compare_survival(frame.assign(days=frame["days"] - 5), by="sex", **KEYS)


def test_groups_never_at_risk_together_are_refused() -> None:
    apart = pd.DataFrame(
        {"days": [1.0, 2.0, 11.0, 12.0], "ended": True, "sex": ["f", "f", "m", "m"], "in": [0, 0, 10, 10]}
    )
    apart["ended"] = [True, True, True, False]
    with pytest.raises(InputError, match="at no event are two groups at risk together"):
        compare_survival(apart, by="sex", duration="days", status="ended", event="explant", entry="in")
