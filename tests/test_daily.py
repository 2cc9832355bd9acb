"""One patient's fills laid out by day: steps and doses worked out by hand, policies, unknown doses, refusals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import fbss_analytics as fbss

DOSE = fbss.DoseDefinition(factors="cdc_2022", overlap="concurrent", buprenorphine="exclude")
INDEX = "2020-03-01"


def fills(*rows: dict[str, Any]) -> pd.DataFrame:
    """Return fills of 10 mg morphine tablets, one a day for ten days from day 0 on, but for what is given."""
    usual = {
        "patient_id": "made up", "date": INDEX, "ingredient": "morphine", "form": "tablet", "route": "oral",
        "strength_value": 10.0, "strength_unit": "mg", "quantity": 10.0, "quantity_unit": "unit", "days_supply": 10,
    }  # fmt: skip
    frame = pd.DataFrame([{**usual, **row} for row in rows])
    return frame.assign(date=pd.to_datetime(frame["date"]))


def test_steps_add_what_overlaps_and_end_at_the_window() -> None:
    given = fills({}, {"date": "2020-03-06", "strength_value": 20.0}, {"date": "2020-03-20"})
    daily = fbss.daily_dose(given, DOSE, index_date=INDEX, days=(2, 13))
    # Days 0-9 have 10 mg, days 5-14 have 20 mg; the window holds days 2 to 13, and the third fill begins on day 19.
    assert daily.steps.to_numpy().tolist() == [[2, 5, 10], [5, 10, 30], [10, 14, 20]]
    assert daily.fills[["start_day", "stop_day", "mme_per_day"]].to_numpy().tolist() == [[2, 10, 10], [5, 14, 20]]
    total = 3 * 10 + 5 * 30 + 4 * 20
    assert daily.frame["mme_per_day"].tolist() == pytest.approx([total / 17, total / 12, total / 12, 30])


def test_policy_moves_the_fills() -> None:
    carried = fbss.DoseDefinition(
        factors="cdc_2022", overlap="carry_forward", overlap_within="ingredient", buprenorphine="exclude"
    )
    daily = fbss.daily_dose(fills({}, {"date": "2020-03-06"}), carried, index_date=INDEX, days=(0, 29))
    assert daily.fills[["start_day", "stop_day"]].to_numpy().tolist() == [[0, 10], [10, 20]]


def test_unknown_and_banded_fills_have_no_dose_of_their_own() -> None:
    banded = fbss.DoseDefinition(factors="cdc_2016", overlap="concurrent", buprenorphine="exclude")
    given = fills({"ingredient": "methadone", "strength_value": 20.5}, {"date": "2020-03-11", "strength_value": np.nan})
    daily = fbss.daily_dose(given, banded, index_date=INDEX, days=(0, 29))
    assert daily.fills["mme_per_day"].isna().all()
    # 20.5 mg of methadone are in the band above 20, up to 40: 20.5 x 8 = 164 MME; a day of unknown dose adds nothing.
    assert daily.steps.to_numpy().tolist() == [[0, 10, 164], [10, 20, 0]]


def test_left_out_and_repeated_fills_are_not_drawn() -> None:
    once = fbss.DoseDefinition(factors="cdc_2022", overlap="concurrent", buprenorphine="exclude", repeats="drop")
    given = fills({}, {}, {"ingredient": "buprenorphine", "route": "sublingual"})
    daily = fbss.daily_dose(given, once, index_date=INDEX, days=(0, 9))
    assert daily.fills[["ingredient", "mme_per_day"]].to_numpy().tolist() == [["morphine", 10.0]]


def test_a_row_that_cannot_be_used_is_said_once() -> None:
    with pytest.warns(fbss.StudyWarning, match="1 of 2") as said:
        fbss.daily_dose(fills({}, {"days_supply": 0}), DOSE, index_date=INDEX, days=(0, 9))
    assert len(said) == 1


def test_refusals_name_no_patient(refused: Callable[..., None]) -> None:
    two = fills({}, {"patient_id": "id-4711"})
    refused(fbss.InputError, lambda: fbss.daily_dose(two, DOSE, index_date=INDEX, days=(0, 9)), "more than one patient")
    late = fills({"date": "2020-05-01"})
    refused(fbss.InputError, lambda: fbss.daily_dose(late, DOSE, index_date=INDEX, days=(0, 9)), "No systemic fill")


def test_sentence_says_the_four_doses() -> None:
    daily = fbss.daily_dose(fills({}), DOSE, index_date=INDEX, days=(0, 19))
    assert daily.sentence().startswith(
        "MME per day on days 0 to 19: 10.0 per day supplied (D1), 10.0 per day covered (D2), 5.0 per day in the window"
    )
