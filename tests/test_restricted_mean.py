"""`estimate_restricted_mean`: arithmetic, words and refusals; R's numbers stand in test_curves_reference.py."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from survival import datasets

import fbss_analytics as fbss
from fbss_analytics import DataError, InputError, estimate_restricted_mean
from fbss_analytics.models.kernels.restricted_mean import restricted_means
from fbss_analytics.models.results import ESTIMATE_COLUMNS

R: dict[str, Any] = json.loads((Path(__file__).parent / "reference" / "curves.json").read_text())

KEYS: dict[str, Any] = {"duration": "days", "status": "ended", "event": "explant", "competing": "death"}


@pytest.fixture
def frame() -> pd.DataFrame:
    ended = ["explant", "death", "censored", "censored", "explant", "explant", "death", "censored"]
    days = [20.0, 60.0, 80.0, 120.0, 50.0, 90.0, 100.0, 110.0]
    return pd.DataFrame({"days": days, "ended": ended, "sex": ["female"] * 4 + ["male"] * 4})


def values(result: Any, measure: str) -> list[float]:
    return [round(value, 9) for value in result.estimates.loc[result.estimates["measure"] == measure, "estimate"]]


def test_days_are_areas_under_the_curves_and_add_up_to_the_horizon(frame: pd.DataFrame) -> None:
    result = estimate_restricted_mean(frame, by="sex", until_days=100, **KEYS)
    # Women: free 1 to day 20, 3/4 to 60, 1/2 on. Men: 1 to day 50, 3/4 to 90, 1/2 to 100; the death on day 100 is free.
    assert values(result, "days free") == [20 + 30 + 20, 50 + 30 + 5]
    assert values(result, "days lost") == [20, 10, 0.25 * 50 + 0.25 * 10, 0]
    assert values(result, "difference in days free") == [15]
    assert values(result, "ratio of days free") == [round(85 / 70, 9)]
    # No ratio where one group has lost nothing.
    assert len(values(result, "ratio of days lost")) == 1
    assert tuple(result.estimates.columns) == ESTIMATE_COLUMNS


def test_a_horizon_one_day_later_counts_the_death_on_day_100(frame: pd.DataFrame) -> None:
    later = estimate_restricted_mean(frame, by="sex", until_days=101, **KEYS)
    assert values(later, "days lost")[-1] == 0.25


def test_what_is_said_names_days_groups_and_difference(frame: pd.DataFrame) -> None:
    result = estimate_restricted_mean(frame, by="sex", until_days=100, **KEYS)
    said = result.sentence()
    assert said.startswith("Within 100 days: days free of explant and death 70.0 (95 % CI ")
    assert "days lost to explant 20.0" in said
    assert "difference in days free 15.0" in said
    assert "male vs female" in said
    assert "ratio of days free" in result._repr_html_()


def test_one_event_and_one_group_say_the_days_free_alone(frame: pd.DataFrame) -> None:
    plain = frame.assign(ended=frame["ended"].replace("death", "censored"))
    result = estimate_restricted_mean(plain, duration="days", status="ended", event="explant", until_days=100)
    assert result.sentence().startswith("Within 100 days: days free of explant ")
    assert result.sentence().endswith("8 rows.")
    assert set(result.estimates["measure"]) == {"days free", "days lost"}


def test_weights_that_are_whole_count_rows(frame: pd.DataFrame) -> None:
    weighted = frame.assign(times=[1, 2, 3, 1, 2, 1, 1, 2])
    repeated = frame.loc[frame.index.repeat(weighted["times"])].reset_index(drop=True)
    one = estimate_restricted_mean(weighted, by="sex", until_days=100, weights="times", **KEYS).estimates
    two = estimate_restricted_mean(repeated, by="sex", until_days=100, **KEYS).estimates
    for column in ("estimate", "std_error", "conf_low", "conf_high", "n", "events"):
        assert one[column].tolist() == pytest.approx(two[column].tolist(), nan_ok=True), column


def test_two_rows_of_one_patient_are_summed_before_squaring_as_in_r() -> None:
    eyes = pd.DataFrame(datasets.load_diabetic())
    cause = np.where(eyes["status"] == 0, 0, 1 + eyes["trt"]).astype(np.int64)
    found = restricted_means(eyes["time"].to_numpy(float), cause, 2, 48.0)
    own = np.stack([np.bincount(pd.factorize(eyes["id"])[0], column) for column in found.influence.T])
    assert found.means.tolist() == pytest.approx(R["diabetic_rmtl_cluster"]["rmean"], rel=1e-6)
    assert np.sqrt((own**2).sum(axis=1)).tolist() == pytest.approx(R["diabetic_rmtl_cluster"]["se"], rel=1e-6)


def test_a_cohort_with_several_rows_per_patient_clusters_on_the_patient() -> None:
    source = fbss.simulate("neuromodulation", n_patients=800, seed=1)
    cohort = fbss.start_cohort(source, index="scs_implant", occurrence="first")
    cohort = fbss.add_time_to(
        cohort, "explant", definition="any_removal", clock="therapy", competing="death", until_days=1825
    )
    doubled = pd.concat([cohort.data, cohort.data], ignore_index=True)
    systems = replace(cohort, data=doubled, unit="system")
    one = estimate_restricted_mean(cohort, outcome="explant", by="sex", until_days=730)
    two = estimate_restricted_mean(systems, outcome="explant", by="sex", until_days=730)
    # Every row twice in its cluster says nothing new.
    for column in ("estimate", "std_error"):
        assert two.estimates[column].tolist() == pytest.approx(one.estimates[column].tolist())
    assert "clustered on patient_id" in two.method
    test_one, test_two = (fbss.compare_survival(data, outcome="explant", by="sex") for data in (cohort, systems))
    assert "variance clustered on patient_id" in test_two.method
    assert test_two.counts["observed"].tolist() == (2 * test_one.counts["observed"]).tolist()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"until_days": 0}, "until_days=0 must be a number of days above 0"),
        ({"until_days": np.inf}, "must be a number of days above 0"),
        ({"until_days": 115}, "lies beyond the follow-up of group 'male', which ends on day 110"),
        ({"until_days": 130, "by": None}, "beyond the follow-up of the cohort, which ends on day 120"),
        ({"conf_level": 1.5}, "conf_level"),
    ],
)
def test_horizons_that_cannot_be_are_refused(frame: pd.DataFrame, change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        estimate_restricted_mean(frame, **({"by": "sex", "until_days": 100} | KEYS | change))


def test_a_horizon_beyond_the_last_event_of_all_is_no_guess() -> None:
    gone = pd.DataFrame({"days": [10.0, 20.0], "ended": [True, True]})
    gone.loc[2] = [15.0, False]
    result = estimate_restricted_mean(gone, duration="days", status="ended", event="explant", until_days=100)
    # Free: 1 to day 10, 2/3 to day 20, then nobody.
    assert values(result, "days free") == [round(10 + 20 / 3, 9)]


def test_a_curve_that_ends_before_others_enter_has_no_mean() -> None:
    late = pd.DataFrame({"days": [5.0, 50.0, 60.0], "ended": [True, True, False], "in": [0.0, 10.0, 10.0]})
    with pytest.raises(DataError, match="everyone at risk had an event before others entered"):
        estimate_restricted_mean(late, duration="days", status="ended", event="explant", entry="in", until_days=40)


@pytest.mark.parametrize(("weight", "message"), [(0.0, "0 or less"), ("a", "must hold numbers")])
def test_weights_that_cannot_be_are_refused(frame: pd.DataFrame, weight: Any, message: str) -> None:
    with pytest.raises((DataError, InputError), match=message):
        estimate_restricted_mean(frame.assign(w=weight), until_days=100, weights="w", **KEYS)
