"""Quantiles of curves, weights, and `estimate_follow_up`; R's numbers stand in test_curves_reference.py."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from fbss_analytics import (
    DataError,
    InputError,
    estimate_cause_specific_hazard,
    estimate_cumulative_incidence,
    estimate_follow_up,
    estimate_survival,
)

KEYS: dict[str, Any] = {"duration": "days", "status": "ended", "event": "explant"}


@pytest.fixture
def frame() -> pd.DataFrame:
    ended = ["explant", "censored", "explant", "censored", "explant", "censored", "censored", "censored"]
    days = [20.0, 40.0, 50.0, 80.0, 90.0, 100.0, 110.0, 120.0]
    why = [None, "study end", None, "disenrolled", "study end", "study end", None, "disenrolled"]
    return pd.DataFrame({"days": days, "ended": ended, "why": why, "sex": ["female", "male"] * 4})


def test_a_quantile_of_an_incidence_is_where_it_rises_to_the_share() -> None:
    ended = ["explant", "death", "explant", "censored", "explant", "death", "explant", "censored"]
    frame = pd.DataFrame({"days": np.arange(1.0, 9.0), "ended": ended})
    risk = estimate_cumulative_incidence(frame, competing="death", **KEYS)
    # Explant: 1/8 on day 1, 2/8 on day 3; then 5/8 free and 4 at risk: + 5/32 on day 5, + 5/32 of 2 on day 7.
    found = risk.quantile([0.25, 0.4, 0.6])
    explant = found[found["cause"] == "explant"]
    assert explant["estimate"].tolist()[:2] == [(3 + 5) / 2, 5.0]
    assert np.isnan(explant["estimate"].iloc[2])
    assert explant["contrast"].tolist()[1] == "40 % have had the event"
    assert (explant["measure"] == "days").all()
    assert ((found["conf_low"] <= found["estimate"]) | found["estimate"].isna() | found["conf_low"].isna()).all()


def test_a_median_that_is_not_reached_is_missing(frame: pd.DataFrame) -> None:
    median = estimate_survival(frame, **KEYS).quantile()
    assert median[["estimate", "conf_high"]].isna().all(axis=None)
    assert median["events"].tolist() == [3]


def test_quantiles_are_asked_for_by_shares_of_a_risk(frame: pd.DataFrame) -> None:
    with pytest.raises(InputError, match="shares between 0 and 1"):
        estimate_survival(frame, **KEYS).quantile(50)
    with pytest.raises(InputError, match="A cumulative hazard has no quantiles"):
        estimate_cause_specific_hazard(frame, **KEYS).quantile()


def test_weights_say_how_they_were_used(frame: pd.DataFrame) -> None:
    counted = estimate_survival(frame.assign(w=2), weights="w", **KEYS)
    assert "each row counted w times" in counted.method
    assert counted.n == 16
    sampled = estimate_survival(frame.assign(w=[0.5, 1.5] * 4), weights="w", **KEYS)
    assert "rows weighted by w, robust standard errors" in sampled.method
    assert sampled.n == 8
    assert sampled.risk_table(60)["n_at_risk"].tolist() == [5]


@pytest.mark.parametrize("weight", [0.0, -1.0])
def test_weights_of_nothing_are_refused(frame: pd.DataFrame, weight: float) -> None:
    with pytest.raises(DataError, match="8 of 8 rows have a 'w' of 0 or less"):
        estimate_survival(frame.assign(w=weight), weights="w", **KEYS)


@pytest.mark.parametrize("weight", ["a", True])
def test_weights_that_are_no_numbers_are_refused(frame: pd.DataFrame, weight: Any) -> None:
    with pytest.raises(InputError, match="weights='w' must hold numbers"):
        estimate_cumulative_incidence(frame.assign(w=weight), weights="w", **KEYS)


def test_follow_up_counts_the_end_of_observation(frame: pd.DataFrame) -> None:
    found = estimate_follow_up(frame, **KEYS)
    # Still observed: 6/7 from day 40, 6/7 x 4/5 from day 80, x 2/3 from day 100, x 1/2 from day 110, 0 from day 120.
    assert found.observed.at(110)["estimate"].tolist() == pytest.approx([6 / 7 * 4 / 5 * 2 / 3 * 1 / 2])
    assert found.estimates["estimate"].tolist() == [80.0, 100.0, 110.0]
    assert found.sentence().startswith("Median follow-up 100 days (95 % CI ")
    assert "25 % have left observation" in found._repr_html_()


def test_follow_up_by_group_and_by_reason(frame: pd.DataFrame) -> None:
    found = estimate_follow_up(frame, by="sex", reason="why", **KEYS)
    assert "days (95 % CI" in found.sentence()
    assert "for sex female" in found.sentence()
    assert found.sentence().endswith("ended for 5 rows: disenrolled 2, not stated 1, study end 2.")
    assert found.reasons is not None
    ends = found.reasons.at(110).groupby("level")["estimate"].sum()
    assert ends.tolist() == pytest.approx((1 - found.observed.at(110).set_index("level")["estimate"]).tolist())


def test_follow_up_with_competing_events_ends_with_none_of_them(frame: pd.DataFrame) -> None:
    both = frame.assign(ended=frame["ended"].where(frame["days"] != 50, "death"))
    found = estimate_follow_up(both, competing="death", **KEYS)
    assert found.estimates["estimate"].tolist() == estimate_follow_up(frame, **KEYS).estimates["estimate"].tolist()


def test_a_quartile_that_was_not_reached_is_said_so() -> None:
    few = pd.DataFrame({"days": [10.0, 20.0, 30.0, 40.0], "ended": ["censored", "explant", "explant", "explant"]})
    assert estimate_follow_up(few, **KEYS).sentence().startswith("Median follow-up - days (95 % CI ")


def test_follow_up_of_none_who_left_is_refused(frame: pd.DataFrame) -> None:
    with pytest.raises(InputError, match="Nobody is censored"):
        estimate_follow_up(frame.assign(ended=True), **KEYS)
    with pytest.raises(InputError, match="reason= names column 'reason'"):
        estimate_follow_up(frame, reason="reason", **KEYS)
