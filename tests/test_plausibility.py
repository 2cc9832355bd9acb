"""Dispensings that cannot be believed: each rule finds its rows and no others, and every row is accounted for."""

import datetime
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from fbss_analytics.errors import DataError, InputError
from fbss_analytics.exposure.plausibility import checked_dispensings, flag_dispensings
from fbss_analytics.exposure.supply import WORDS
from fbss_analytics.sources import schema

Refused = Callable[..., None]
FILL: dict[str, Any] = {
    "patient_id": "id-4711", "dispensing_id": 1, "date": pd.Timestamp("2015-06-01"), "ingredient": "morphine",
    "form": "tablet", "route": "oral", "strength_value": 10.0, "strength_unit": "mg", "quantity": 60.0,
    "quantity_unit": "unit", "days_supply": 30,
}  # fmt: skip
OTHER = {"patient_id": "id-4712"}
BACK = {"quantity": -60.0}


def fills(*changes: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame([FILL | change for change in changes]).assign(dispensing_id=range(1, len(changes) + 1))


def rules(*changes: dict[str, Any], **frames: pd.DataFrame) -> list[tuple[int, str]]:
    found = flag_dispensings(fills(*changes), **frames).rows
    return list(zip(found["place"].tolist(), found["rule"].tolist(), strict=True))


SET_ASIDE = [
    ({"patient_id": None}, "patient_missing"),
    ({"date": None}, "date_unusable"),
    ({"date": pd.Timestamp("1879-12-31")}, "date_unusable"),
    ({"date": pd.Timestamp("2101-01-01")}, "date_unusable"),
    ({"ingredient": None}, "ingredient_unknown"),
    ({"ingredient": "oxycodon"}, "ingredient_unknown"),
    ({"days_supply": None}, "days_supply_missing"),
    ({"days_supply": -30}, "days_supply_negative"),
    ({"days_supply": 0}, "days_supply_zero"),
    ({"days_supply": 7.5}, "days_supply_fractional"),
    ({"days_supply": 366}, "days_supply_over_365"),
    ({"days_supply": np.inf}, "days_supply_over_365"),
    ({"quantity": -45.0}, "quantity_negative"),
    ({"quantity": 0.0}, "quantity_zero"),
    ({"strength_value": 600_001.0, "quantity": 50.0}, "amount_impossible"),
]
KEPT = [
    ({"quantity": None}, "quantity_missing"),
    ({"strength_value": None}, "strength_unusable"),
    ({"strength_value": 0.0}, "strength_unusable"),
    ({"strength_value": -10.0}, "strength_unusable"),
    ({"form": "tablets"}, "form_unknown"),
    ({"form": None}, "form_unknown"),
    ({"route": "orally"}, "route_unknown"),
    ({"strength_unit": "g"}, "strength_unit_unknown"),
    ({"quantity_unit": "units"}, "quantity_unit_unknown"),
    ({"quantity_unit": "bottle"}, "quantity_in_bottles"),
    ({"strength_unit": "mg/mL", "quantity_unit": "bottle"}, "quantity_in_bottles"),
    ({"strength_unit": "mg/mL"}, "quantity_not_in_ml"),
    ({"strength_value": 501.0}, "dose_implausible"),  # 501 mg x 2 a day
]
FINE = [
    {}, {"days_supply": 1}, {"days_supply": 365}, {"date": pd.Timestamp("1880-01-01")}, {"quantity_unit": None},
    {"strength_value": 500.0}, {"date": pd.Timestamp("2100-12-31")}, {"form": "solution", "strength_unit": "mg/mL",
    "quantity_unit": "mL"},
]  # fmt: skip


@pytest.mark.parametrize(("change", "rule"), SET_ASIDE)
def test_a_row_is_set_aside(change: dict[str, Any], rule: str) -> None:
    assert (1, rule) in rules({}, change, OTHER)
    usable, account = checked_dispensings(fills({}, change, OTHER))
    assert usable["dispensing_id"].tolist() == [1, 3]
    assert (account.n_given, account.n_usable) == (3, 2)
    assert account.frame[["rule", "dispensings"]].to_numpy().tolist() == [[rule, 1]]


@pytest.mark.parametrize(("change", "rule"), KEPT)
def test_a_row_is_flagged_and_kept(change: dict[str, Any], rule: str) -> None:
    assert rules({}, OTHER | change) == [(1, rule)]
    usable, account = checked_dispensings(fills({}, OTHER | change))
    assert len(usable) == 2
    assert account.frame.empty


@pytest.mark.parametrize("change", FINE)
def test_a_row_is_fine(change: dict[str, Any]) -> None:
    assert rules(change) == []
    assert len(checked_dispensings(fills(change))[0]) == 1


# What goes together: reversals, repeats, fills of one day.


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        (({}, BACK), {"reversed_fill": [0], "reversal": [1]}),
        ((BACK, {}), {"reversal": [0], "reversed_fill": [1]}),
        (({}, BACK | {"days_supply": -30}), {"reversed_fill": [0], "reversal": [1]}),
        (({}, {}, BACK), {"reversed_fill": [1], "reversal": [2]}),
        (({}, BACK, BACK), {"reversed_fill": [0], "reversal": [2], "quantity_negative": [1]}),
        (({}, BACK | OTHER), {"quantity_negative": [1]}),
        (({}, BACK | {"date": pd.Timestamp("2015-06-02")}), {"quantity_negative": [1]}),
        (({}, BACK | {"strength_value": 20.0}), {"quantity_negative": [1]}),
        (({}, BACK | {"form": "capsule"}), {"quantity_negative": [1]}),
        (({}, {"quantity": -30.0}), {"quantity_negative": [1]}),
        (({}, BACK | {"days_supply": 15}), {"quantity_negative": [1]}),
        (({"strength_value": None}, BACK | {"strength_value": None}), {"reversed_fill": [0], "reversal": [1]}),
    ],
)
def test_a_reversal_takes_one_fill_back(changes: tuple[dict[str, Any], ...], found: dict[str, list[int]]) -> None:
    usable, account = checked_dispensings(fills(*changes))
    assert account.frame.set_index("rule")["dispensings"].to_dict() == {rule: len(rows) for rule, rows in found.items()}
    left = set(range(len(changes))) - {place for places in found.values() for place in places}
    assert usable["dispensing_id"].tolist() == sorted(place + 1 for place in left)


def test_repeats_are_flagged_from_the_second_on_and_kept() -> None:
    changes = ({}, {"source_code": "a"}, {}, {"quantity": 30.0}, {"source_code": "a"})
    assert rules(*changes) == [(2, "repeat"), (4, "repeat")]
    assert len(checked_dispensings(fills(*changes))[0]) == 5


def test_two_fills_of_a_day_are_counted_and_no_fault() -> None:
    found = flag_dispensings(fills({}, {"strength_value": 20.0}, {"ingredient": "oxycodone"}, OTHER, {}))
    assert found.rows["rule"].tolist() == ["repeat"]
    line = found.frame.set_index("rule").loc["same_day_fill"]
    assert (line["dispensings"], line["handling"]) == (1, "kept: two fills, whose doses add")


# What depends on observation and the patient.

SPANS = pd.DataFrame(
    {
        "patient_id": ["id-4711", "id-4711", "id-4712"],
        "domain": ["pharmacy", "pharmacy", "medical"],
        "start_date": pd.to_datetime(["2015-06-01", "2015-08-01", "2015-01-01"]),
        "end_date": pd.to_datetime(["2015-06-30", "2015-08-31", "2015-12-31"]),
    }
)


@pytest.mark.parametrize(
    ("change", "is_outside"),
    [
        ({}, False),
        ({"date": pd.Timestamp("2015-05-31")}, True),
        ({"date": pd.Timestamp("2015-06-30")}, False),
        ({"date": pd.Timestamp("2015-07-01")}, True),
        ({"date": pd.Timestamp("2015-08-31")}, False),
        ({"date": pd.Timestamp("2015-09-01")}, True),
        (OTHER, True),
        ({"patient_id": "id-4713"}, True),
    ],
)
def test_a_fill_outside_observation(change: dict[str, Any], is_outside: bool) -> None:
    assert rules(change, observation=SPANS) == [(0, "outside_observation")] * is_outside


def test_observation_without_a_domain_is_of_fills() -> None:
    assert rules(OTHER, observation=SPANS.drop(columns="domain")) == []
    assert rules({}, observation=SPANS.iloc[:0]) == [(0, "outside_observation")]
    assert (0, "outside_observation") not in rules({"date": None}, observation=SPANS)


PEOPLE = pd.DataFrame(
    {
        "patient_id": ["id-4711", "id-4712"],
        "birth_year": [2015, None],
        "death_date": [pd.Timestamp("2015-06-30"), pd.NaT],
    }
)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({}, []),
        ({"date": pd.Timestamp("2014-12-31")}, ["before_birth"]),
        ({"date": pd.Timestamp("2015-06-30")}, []),
        ({"date": pd.Timestamp("2015-07-01")}, ["after_death"]),
        (OTHER | {"date": pd.Timestamp("2099-01-01")}, []),
        ({"patient_id": "id-4713"}, []),
    ],
)
def test_a_fill_outside_life(change: dict[str, Any], found: list[str]) -> None:
    assert [rule for _, rule in rules(change, patients=PEOPLE)] == found


def test_patients_of_whom_little_is_known() -> None:
    assert rules({}, patients=PEOPLE[["patient_id"]]) == []
    assert rules({}, patients=pd.concat([PEOPLE, PEOPLE])) == []


# What comes back.


def test_flags_say_themselves() -> None:
    found = flag_dispensings(fills({}, {"ingredient": "oxycodon", "days_supply": 0}, {"form": "tablets"}))
    assert found.sentence() == (
        "2 of 3 dispensings are flagged: ingredient_unknown 1, days_supply_zero 1, form_unknown 1."
    )
    words = dict(zip(found.rows["rule"], found.rows["words"], strict=True))
    assert words["ingredient_unknown"].endswith("not in the vocabulary. Did you mean 'oxycodone'?")
    assert words["form_unknown"].endswith("Did you mean 'tablet'?")
    assert "days_supply_zero" in found._repr_html_()
    assert found.frame["dispensings"].sum() == 3 + 1  # the third row is a further fill of the day
    assert flag_dispensings(fills({})).sentence() == "0 of 1 dispensing are flagged."


def test_intrathecal_drugs_are_counted_and_no_fault() -> None:
    found = flag_dispensings(fills({"route": "intrathecal"}, OTHER))
    assert found.rows.empty
    assert found.frame.set_index("rule").loc["intrathecal", "dispensings"] == 1


def test_a_missing_word_has_no_nearest() -> None:
    found = flag_dispensings(fills({"form": None})).rows
    assert found["words"].tolist() == ["form is missing or not in the vocabulary"]


def test_the_account_adds_up_and_says_itself() -> None:
    usable, account = checked_dispensings(fills({}, {"days_supply": 0, "quantity": 0.0}, {"quantity": 0.0}))
    assert account.n_given == account.n_usable + account.frame["dispensings"].sum() == 3
    assert len(usable) == account.n_usable
    assert account.sentence() == (
        "2 of 3 dispensings are set aside and count nowhere (1: days_supply is 0; 1: quantity is 0)."
    )
    assert checked_dispensings(fills({}))[1].sentence() == "1 dispensing given, none set aside."


def test_usable_rows_carry_day_and_words_of_the_schema() -> None:
    frame = fills({}, {"quantity": 0.0}, OTHER | {"form": "patch"})
    before = frame.copy()
    usable, _ = checked_dispensings(frame.set_index(pd.Index(["a", "b", "c"])))
    pd.testing.assert_frame_equal(frame, before)
    assert usable.index.tolist() == ["a", "c"]
    assert usable["day"].tolist() == [16587, 16587]  # 45 years of 365 days, 11 leap days, 151 days: 2015-06-01
    for name in WORDS:
        assert usable[name].cat.categories.tolist() == list(schema.vocabulary(name))
    assert usable["form"].tolist() == ["tablet", "patch"]


@pytest.mark.parametrize(
    "dates",
    [
        ["2015-06-01"],
        [datetime.date(2015, 6, 1)],
        pd.Series(["2015-06-01"]).astype("datetime64[s]"),
        pd.Series([datetime.date(2015, 6, 1)]).astype("date32[pyarrow]"),
    ],
    ids=["text", "date", "seconds", "arrow"],
)
def test_dates_of_any_kind(dates: Any) -> None:
    assert checked_dispensings(fills({}).assign(date=dates))[0]["day"].tolist() == [16587]


@pytest.mark.parametrize("dates", [["1 June"], ["01/06/2015"], [None], [2015], [20150601]])
def test_what_is_no_date(dates: Any) -> None:
    assert checked_dispensings(fills({}).assign(date=dates))[1].frame["rule"].tolist() == ["date_unusable"]


def test_numbers_of_any_kind() -> None:
    frame = fills({}, {}).assign(days_supply=["30", "a month"], quantity=pd.array([60, None], dtype="Int64"))
    usable, account = checked_dispensings(frame)
    assert account.frame["rule"].tolist() == ["days_supply_missing"]
    assert usable[["quantity", "days_supply"]].to_numpy().tolist() == [[60, 30]]
    assert checked_dispensings(fills({}).assign(quantity=pd.array([None], dtype="Int64")))[0]["quantity"].isna().all()


def test_no_dispensings_at_all() -> None:
    found = flag_dispensings(fills({}).iloc[:0])
    assert found.rows.empty
    assert found.frame["dispensings"].sum() == 0
    usable, account = checked_dispensings(fills({}).iloc[:0])
    assert (len(usable), account.n_given) == (0, 0)


def test_zones_that_differ_within_a_column() -> None:
    # Midnight in winter and in summer, and an evening, each with its own distance from UTC.
    dates = ["2015-01-31T00:00:00+01:00", "2015-06-01T00:00:00.000+02:00", "2015-06-01T23:30:00-05:00"]
    days = checked_dispensings(fills({}, {}, {}).assign(date=dates))[0]["day"].tolist()
    assert days == [16587 - 121, 16587, 16587]  # February to May are 28 + 31 + 30 + 31 days, and one more to 1 June


def test_what_is_no_frame_or_cannot_be_read_is_refused(refused: Refused) -> None:
    frame = fills({})
    no_day = SPANS.assign(end_date="id-4711")
    no_year = PEOPLE.assign(birth_year="id-4711")
    refused(InputError, lambda: flag_dispensings([1]), "dispensings is no table")  # type: ignore[arg-type]
    refused(InputError, lambda: flag_dispensings(pa.Table.from_pandas(frame)), "type dispensings.to_pandas()")  # type: ignore[arg-type]
    refused(DataError, lambda: flag_dispensings(frame, observation=no_day), "end_date is no date", "in ")
    refused(DataError, lambda: flag_dispensings(frame, patients=no_year), "birth_year is no number")
    refused(DataError, lambda: flag_dispensings(frame.assign(form=[["tablet"]])), "values of form are lists")


def test_columns_must_be_there(refused: Refused) -> None:
    bare = fills({}).drop(columns=["quantity_unit", "days_supply"]).assign(day_supply=30)
    refused(DataError, lambda: flag_dispensings(bare), "no column quantity_unit and no days_supply")
    refused(DataError, lambda: checked_dispensings(bare), "no column quantity_unit", "assign(quantity_unit=None)")
    refused(
        DataError,
        lambda: flag_dispensings(fills({}), observation=SPANS.drop(columns="end_date")),
        "observation has no column end_date",
    )
    refused(
        DataError, lambda: flag_dispensings(fills({}), patients=PEOPLE.drop(columns="patient_id")), "patients has no"
    )
