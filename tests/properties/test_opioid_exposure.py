"""What must hold of `opioid_exposure` on any dispensings.

The order D1 <= D2 <= D4 <= HEAL sum, the gift of linearity and that splitting a fill changes nothing are claimed for
concurrent fills under a table without bands. What the other policies keep is tested by itself at the end. Sums are
exact, so that where nothing may change not a bit does; where a dose is divided anew, grains of 2**-33 MME are left:
the tolerance of 1e-9 relative and 1e-6 absolute is that of a thousand days of half a grain, with room.
"""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fbss_analytics.errors import StudyWarning
from fbss_analytics.exposure.definition import DoseDefinition
from fbss_analytics.exposure.exposure import DOSES, opioid_exposure
from fbss_analytics.exposure.treatment import treatment_episodes

DOSE = DoseDefinition(factors="cdc_2022", overlap="concurrent", buprenorphine="exclude")
BANDED = replace(DOSE, factors="cdc_2016")
CARRY = replace(DOSE, overlap="carry_forward", overlap_within="ingredient")
TRUNCATE = replace(DOSE, overlap="truncate", overlap_within="ingredient")
DAY_0 = pd.Timestamp("2018-03-01")
INDEX = pd.DataFrame({"patient_id": ["a", "b", "c"], "index_date": DAY_0})
ALL = (-2000, 2000)
COUNTS = ["n_dispensings", "n_unknown", "share_unknown"]
TOLERANCE = {"rtol": 1e-9, "atol": 1e-6}
Row = tuple[str, int, int, int, float, str]

rows = st.tuples(
    st.sampled_from("abc"),
    st.integers(-400, 100),
    st.integers(1, 90),
    st.integers(1, 400),
    st.sampled_from([2.5, 5.0, 10.0, 30.0, 100.0 / 3]),
    st.sampled_from(["oxycodone", "morphine", "hydrocodone", "methadone"]),
)
some = st.lists(rows, min_size=1, max_size=12)
windows = st.tuples(st.integers(-400, 50), st.integers(0, 300)).map(lambda each: (each[0], each[0] + each[1]))
policies = st.sampled_from([DOSE, BANDED, CARRY, TRUNCATE, replace(CARRY, carry_at_most_days=9)])


def frame_of(fills: list[Row]) -> pd.DataFrame:
    patient, day, days, quantity, strength, ingredient = zip(*fills, strict=True)
    return pd.DataFrame({
        "patient_id": patient, "date": DAY_0 + pd.to_timedelta(list(day), unit="D"), "ingredient": ingredient,
        "form": "tablet", "route": "oral", "strength_value": strength, "strength_unit": "mg",
        "quantity": np.array(quantity, dtype=float), "quantity_unit": "unit", "days_supply": days,
    })  # fmt: skip


def close(one: pd.DataFrame, other: pd.DataFrame, columns: list[str]) -> None:
    np.testing.assert_allclose(one[columns].to_numpy(float), other[columns].to_numpy(float), **TOLERANCE)


@settings(max_examples=150, deadline=None)
@given(some)
def test_the_order_of_the_four_definitions(fills: list[Row]) -> None:
    found = opioid_exposure(frame_of(fills), INDEX, DOSE, days=ALL)
    with_fills = found[found["n_dispensings"] > 0]
    # Quotients of exact sums: half a unit in the last place is all they may be apart.
    slack = 1 + 1e-12
    assert (with_fills["mme_per_day_supplied"] <= with_fills["mme_per_day_covered"] * slack).all()
    assert (with_fills["mme_per_day_covered"] <= with_fills["max_daily_mme"] * slack).all()
    assert (with_fills["max_daily_mme"] <= with_fills["max_daily_mme_heal"]).all()
    assert (
        found["mme_per_day_in_window"] <= with_fills["mme_per_day_covered"].reindex(found.index, fill_value=0) * slack
    ).all()
    alone = with_fills["days_covered"] == with_fills["days_supplied"]
    assert (with_fills["mme_per_day_supplied"] == with_fills["mme_per_day_covered"])[alone].all()


@settings(max_examples=150, deadline=None)
@given(some, st.integers(-300, 100))
def test_nothing_is_lost_or_counted_twice(fills: list[Row], border: int) -> None:
    frame = frame_of(fills)
    days = {"before": (ALL[0], border), "after": (border + 1, ALL[1]), "all": ALL}
    found = opioid_exposure(frame, INDEX, DOSE, days=days).set_index("window")
    for name in ("total_mme", "days_supplied", "days_covered", "days_in_window"):
        both = found.loc["before", name].to_numpy() + found.loc["after", name].to_numpy()
        np.testing.assert_allclose(both, found.loc["all", name], rtol=1e-15, atol=0)
    unit = {"oxycodone": 1.5, "morphine": 1, "hydrocodone": 1, "methadone": 4.7}
    expected = (frame["strength_value"] * frame["quantity"] * frame["ingredient"].map(unit)).groupby(
        frame["patient_id"]
    )
    np.testing.assert_allclose(
        found.loc["all", "total_mme"], expected.sum().reindex([*"abc"], fill_value=0), **TOLERANCE
    )


@settings(max_examples=100, deadline=None)
@given(some, windows, st.data())
def test_splitting_a_fill_changes_the_heal_sum_and_the_counts_only(
    fills: list[Row], window: tuple[int, int], data: st.DataObject
) -> None:
    number = data.draw(st.integers(0, len(fills) - 1))
    patient, day, days, _, strength, ingredient = fills[number]
    cut = data.draw(st.integers(0, days))
    # A whole number of units a day, so that both parts give it.
    parts = [(patient, day, cut, 3 * cut, strength, ingredient),
             (patient, day + cut, days - cut, 3 * (days - cut), strength, ingredient)]  # fmt: skip
    whole = [*fills[:number], (patient, day, days, 3 * days, strength, ingredient), *fills[number + 1 :]]
    split = [*fills[:number], *(part for part in parts if part[2]), *fills[number + 1 :]]
    for dose in (DOSE, BANDED):
        one, other = (opioid_exposure(frame_of(each), INDEX, dose, days=window) for each in (whole, split))
        pd.testing.assert_frame_equal(*(each.drop(columns=["max_daily_mme_heal", *COUNTS]) for each in (one, other)))


@settings(max_examples=100, deadline=None)
@given(some, windows, policies, st.randoms(use_true_random=False), st.integers(-5000, 5000))
def test_order_and_calendar_do_not_matter(
    fills: list[Row], window: tuple[int, int], dose: DoseDefinition, chance: object, days: int
) -> None:
    frame = frame_of(fills)
    expected = opioid_exposure(frame, INDEX, dose, days=window)
    shuffled = frame.sample(frac=1, random_state=abs(days))
    pd.testing.assert_frame_equal(opioid_exposure(shuffled, INDEX, dose, days=window), expected)
    shift = pd.Timedelta(days=days)
    moved = frame.assign(date=frame["date"] + shift), INDEX.assign(index_date=DAY_0 + shift)
    pd.testing.assert_frame_equal(opioid_exposure(*moved, dose, days=window), expected)
    with warnings.catch_warnings():
        # A patient without any fill, asked for alone, is told that no dispensing is of hers.
        warnings.simplefilter("ignore", StudyWarning)
        alone = [opioid_exposure(frame, INDEX.iloc[i : i + 1], dose, days=window) for i in range(3)]
    pd.testing.assert_frame_equal(pd.concat(alone, ignore_index=True), expected)


@settings(max_examples=100, deadline=None)
@given(some, windows, st.sampled_from([0.5, 2.0, 3.0, 10.0]), st.sampled_from([DOSE, CARRY, TRUNCATE]))
def test_it_is_linear_in_the_dose(
    fills: list[Row], window: tuple[int, int], times: float, dose: DoseDefinition
) -> None:
    frame = frame_of(fills)
    one = opioid_exposure(frame, INDEX, dose, days=window)
    other = opioid_exposure(frame.assign(strength_value=frame["strength_value"] * times), INDEX, dose, days=window)
    close(one.assign(**{name: one[name] * times for name in DOSES}), other, list(DOSES))
    pd.testing.assert_frame_equal(one.drop(columns=list(DOSES)), other.drop(columns=list(DOSES)))


def test_banded_methadone_is_not_linear() -> None:
    frame = frame_of([("a", 0, 10, 20, 10.0, "methadone")])
    twice = frame.assign(strength_value=20.0)
    one, other = (opioid_exposure(each, INDEX, BANDED, days=(0, 9))["total_mme"][0] for each in (frame, twice))
    # 20 mg a day are 80 MME, 40 mg are 320: four times as many.
    assert (one, other) == (800, 3200)


# What holds under the other policies.


@settings(max_examples=100, deadline=None)
@given(some)
def test_carrying_forward_conserves_the_dose_of_a_whole_history(fills: list[Row]) -> None:
    wide = (-4000, 4000)
    one, carried, truncated = (
        opioid_exposure(frame_of(fills), INDEX, dose, days=wide) for dose in (DOSE, CARRY, TRUNCATE)
    )
    same = ["total_mme", "days_supplied", "mme_per_day_supplied", "max_daily_mme_heal", *COUNTS]
    pd.testing.assert_frame_equal(one[same], carried[same])
    assert (carried["days_covered"] >= one["days_covered"]).all()
    # Truncation loses dose and supplied days where fills of one drug overlap, and never a fill.
    assert (truncated["total_mme"] <= one["total_mme"]).all()
    assert (truncated["days_covered"] <= one["days_covered"]).all()
    assert (truncated["n_dispensings"] == one["n_dispensings"]).all()


@settings(max_examples=100, deadline=None)
@given(some, windows, st.sampled_from([CARRY, TRUNCATE, replace(CARRY, carry_at_most_days=3)]))
def test_the_order_of_the_definitions_holds_on_what_a_policy_leaves(
    fills: list[Row], window: tuple[int, int], dose: DoseDefinition
) -> None:
    found = opioid_exposure(frame_of(fills), INDEX, dose, days=window)
    found = found[found["n_dispensings"] > 0]
    slack = 1 + 1e-12
    assert (found["mme_per_day_supplied"] <= found["mme_per_day_covered"] * slack).all()
    assert (found["mme_per_day_covered"] <= found["max_daily_mme"] * slack).all()
    assert (found["max_daily_mme"] <= found["max_daily_mme_heal"]).all()


@settings(max_examples=100, deadline=None)
@given(some, st.integers(0, 60), policies)
def test_a_longer_gap_never_makes_more_episodes(fills: list[Row], gap: int, dose: DoseDefinition) -> None:
    frame = frame_of(fills)
    short, long = (treatment_episodes(frame, dose, gap_days=days) for days in (gap, gap + 1))
    assert len(long) <= len(short)
    for name in ("days_covered", "total_mme"):
        sums = (each.groupby("patient_id")[name].sum().to_numpy() for each in (short, long))
        np.testing.assert_allclose(*sums, rtol=1e-14)


@pytest.mark.parametrize("dose", [DOSE, BANDED, CARRY, TRUNCATE])
def test_whole_fills_hold_at_least_what_is_inside(dose: DoseDefinition) -> None:
    fills: list[Row] = [("a", -40, 30, 60, 10.0, "oxycodone"), ("a", -20, 30, 60, 10.0, "methadone")]
    inside, whole = (
        opioid_exposure(frame_of(fills), INDEX, replace(dose, straddle=straddle), days=(-25, -1)).iloc[0]
        for straddle in ("prorate", "whole_fill")
    )
    assert inside["total_mme"] < whole["total_mme"]
    assert inside["days_in_window"] == whole["days_in_window"] == 25
