"""What holds of any dispensings, however bad: every row is accounted for, and no dose is 0 or negative by accident."""

from typing import Any

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from fbss_analytics.exposure.definition import DoseDefinition
from fbss_analytics.exposure.plausibility import checked_dispensings, flag_dispensings
from fbss_analytics.exposure.supply import to_supplies
from fbss_analytics.sources import schema

SETTINGS = settings(max_examples=60, deadline=None, derandomize=True, database=None)
NUMBERS = st.sampled_from([None, float("nan"), float("inf"), -30.0, -1.0, 0.0, 0.5, 1.0, 30.0, 60.0, 366.0, 1e300])


def word(name: str) -> st.SearchStrategy[Any]:
    return st.sampled_from([*schema.vocabulary(name), None, "no such word"])


ROWS = st.fixed_dictionaries(
    {
        "patient_id": st.sampled_from(["a", "b", None]),
        "date": st.sampled_from(["2015-06-01", "2015-06-02", "1700-01-01", "no date", None]),
        "ingredient": st.sampled_from(["morphine", "fentanyl", "methadone", "buprenorphine", "aspirin", None]),
        "form": word("form"),
        "route": word("route"),
        "strength_value": NUMBERS,
        "strength_unit": word("strength_unit"),
        "quantity": NUMBERS,
        "quantity_unit": word("quantity_unit"),
        "days_supply": NUMBERS,
    }
)
PLAIN = {
    "patient_id": "a", "date": "2015-06-01", "ingredient": "morphine", "form": "tablet", "route": "oral",
    "strength_value": 10.0, "strength_unit": "mg", "quantity": 60.0, "quantity_unit": None, "days_supply": 30.0,
}  # fmt: skip
FRAMES = st.lists(st.one_of(ROWS, st.just(PLAIN), st.just(PLAIN | {"quantity": -60.0})), min_size=1, max_size=12).map(
    pd.DataFrame
)


@given(frame=FRAMES)
@SETTINGS
def test_every_row_is_accounted_for(frame: pd.DataFrame) -> None:
    usable, account = checked_dispensings(frame)
    assert account.n_given == len(frame)
    assert account.n_usable == len(usable) == len(frame) - account.frame["dispensings"].sum()
    assert usable["days_supply"].between(1, 365).all()
    flags = flag_dispensings(frame)
    aside = set(flags.frame.loc[flags.frame["handling"] == "set aside", "rule"])
    assert flags.rows.loc[flags.rows["rule"].isin(aside), "place"].nunique() == len(frame) - len(usable)


@given(frame=FRAMES, seed=st.integers(0, 9))
@SETTINGS
def test_the_order_of_rows_does_not_matter(frame: pd.DataFrame, seed: int) -> None:
    shuffled = frame.sample(frac=1, random_state=seed)
    one, other = checked_dispensings(frame)[1], checked_dispensings(shuffled)[1]
    assert one.n_usable == other.n_usable
    pd.testing.assert_frame_equal(one.frame, other.frame)


@given(frame=FRAMES, table=st.sampled_from(["cdc_2016", "cdc_2022", "nih_heal", "cdc_file_2018"]))
@SETTINGS
def test_a_dose_is_above_0_or_unknown(frame: pd.DataFrame, table: str) -> None:
    usable, _ = checked_dispensings(frame)
    dose = DoseDefinition(factors=table, overlap="concurrent", buprenorphine="include")
    supplies = to_supplies(usable.assign(row=0), dose)
    known = ~supplies.is_unknown
    assert ((supplies.mme_per_day + supplies.banded_mg_per_day)[known] > 0).all()
    assert (supplies.banded_mg_per_day[~known] == 0).all()
    assert np.isfinite(supplies.mme_per_day[known]).all()
    assert (supplies.end >= supplies.start).all()
