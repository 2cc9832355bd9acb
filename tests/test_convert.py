"""Columns as files hold them become columns of the schema; what cannot be read is marked, never guessed."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from fbss_analytics.errors import DataError
from fbss_analytics.sources import schema
from fbss_analytics.sources.convert import convert, parse_days, to_text, whole_numbers

TEXT = schema.table("patients").column("patient_id")
WORD = schema.table("patients").column("sex")
DAY = schema.table("patients").column("death_date")
INTEGER = schema.table("patients").column("birth_year")
NUMBER = schema.table("dispensings").column("quantity")
FLAG = schema.table("device_events").column("planned")


def converted(values: Any, column: schema.Column, type_: pa.DataType | None = None) -> tuple[list[Any], list[bool]]:
    """Return the values a column becomes, and which of them were there but could not be read."""
    result = convert(pa.array(values, type_), column, where="file.csv")
    assert result.values.type == column.arrow_type
    return result.values.to_pylist(), result.unreadable.tolist()


@pytest.mark.parametrize(
    ("column", "given", "expected"),
    [
        (TEXT, [" a ", "", "  ", None], ["a", None, None, None]),
        (WORD, ["female", " male", "", None], ["female", "male", None, None]),
        (DAY, ["2016-02-29", "2016-2-9", "", None], [date(2016, 2, 29), date(2016, 2, 9), None, None]),
        (INTEGER, ["7", "+7", "-7", "7.0", "007"], [7, 7, -7, 7, 7]),
        (NUMBER, ["1.5", "+2", ".5", "3.", "-1e-3"], [1.5, 2.0, 0.5, 3.0, -0.001]),
        (FLAG, ["true", "FALSE", "1", "0", "Yes", "no", ""], [True, False, True, False, True, False, None]),
    ],
)
def test_text_is_read_as_the_kind_of_its_column(
    column: schema.Column, given: list[str], expected: list[object]
) -> None:
    assert converted(given, column) == (expected, [False] * len(given))


@pytest.mark.parametrize(
    ("column", "good", "bad"),
    [
        (WORD, "male", ["man", "MALE"]),
        (DAY, "2016-01-01", ["2015-02-29", "2016-02-30", "2016-13-01", "01/02/2016", "2016-01-01x", "20160101", "7"]),
        (INTEGER, "1961", ["7.5", "seven", "1e3", "9999999999", "7,0", "0x10"]),
        (NUMBER, "1", ["1,5", "nan", "inf", "1e999", "NA", "1 000"]),
        (FLAG, "true", ["2", "ja", "t"]),
    ],
)
def test_text_that_is_something_else_is_marked_and_null(column: schema.Column, good: str, bad: list[str]) -> None:
    values, unreadable = converted([good, *bad], column)
    assert values[0] is not None
    assert values[1:] == [None] * len(bad)
    assert unreadable == [False] + [True] * len(bad)


@pytest.mark.parametrize(
    ("column", "given", "expected"),
    [
        (TEXT, pa.array([7, None], pa.int64()), ["7", None]),
        (TEXT, pa.array([7.0, np.nan, None]), ["7", None, None]),
        (TEXT, pa.array([7.5, 8.0]), ["7.5", "8"]),
        (TEXT, pa.array(["a", "b"], pa.large_string()), ["a", "b"]),
        (TEXT, pa.nulls(2), [None, None]),
        (WORD, pa.array(["male", None]).dictionary_encode(), ["male", None]),
        (DAY, pa.array([datetime(2016, 1, 2, 23, 59), None]), [date(2016, 1, 2), None]),
        (DAY, pa.array([date(2016, 1, 2)], pa.date64()), [date(2016, 1, 2)]),
        (INTEGER, pa.array([1961.0, np.nan]), [1961, None]),
        (INTEGER, pa.array([1961, None], pa.uint16()), [1961, None]),
        (NUMBER, pa.array([1.5, np.nan]), [1.5, None]),
        (NUMBER, pa.array([Decimal("1.50")]), [1.5]),
        (FLAG, pa.array([True, None]), [True, None]),
        (FLAG, pa.array([1.0, 0.0, np.nan]), [True, False, None]),
    ],
)
def test_typed_columns_are_read_as_well(column: schema.Column, given: pa.Array, expected: list[object]) -> None:
    result = convert(pa.chunked_array([given]), column, where="file.parquet")
    assert result.values.to_pylist() == expected
    assert not result.unreadable.any()


@pytest.mark.parametrize(
    ("column", "given"),
    [
        (INTEGER, pa.array([1, 2**40])),
        (INTEGER, pa.array([1.0, 1.5])),
        (NUMBER, pa.array([1.0, np.inf])),
        (FLAG, pa.array([1, 2])),
    ],
)
def test_a_typed_value_that_does_not_fit_is_marked_in_its_row(column: schema.Column, given: pa.Array) -> None:
    result = convert(given, column, where="file.parquet")
    assert result.values.is_null().to_pylist() == [False, True]
    assert result.unreadable.tolist() == [False, True]


@pytest.mark.parametrize(
    ("column", "given"),
    [
        (DAY, pa.array([20454321, 20454322], pa.int32())),
        (DAY, pa.array([20454321.0, 20454322.0])),
        (INTEGER, pa.array([date(2016, 1, 2)])),
        (NUMBER, pa.array([True, False])),
        (FLAG, pa.array([date(2016, 1, 2)])),
        (TEXT, pa.array([["20454321"]])),
        (TEXT, pa.array([b"\xff\xfe20454321"])),
        (DAY, pa.array(["20454321", "", "20454322"])),
        (INTEGER, pa.array(["x20454321", "x20454321"])),
    ],
)
def test_a_column_of_another_type_stops_without_showing_a_value(column: schema.Column, given: pa.Array) -> None:
    with pytest.raises(DataError) as caught:
        convert(given, column, where="people.parquet")
    message = str(caught.value)
    assert f"people.parquet: column {column.name} has the wrong type" in message
    assert "expected" in message
    assert "20454321" not in message


def test_one_wrong_value_alone_is_a_row_fault_and_no_wrong_type() -> None:
    assert converted(["x", "", None], INTEGER) == ([None] * 3, [True, False, False])


def test_unknown_words_are_answered_with_ours_never_with_theirs() -> None:
    result = convert(pa.array(["Femal", "zzz-4711"]), WORD, where="file.csv")
    assert result.advice == "nearest known words: female"
    assert convert(pa.array(["zzz-4711"]), WORD, where="").advice == "nearest known words: female, male, unknown"


@pytest.mark.parametrize(
    ("format_", "text", "expected"),
    [
        ("%d/%m/%Y", "5/1/2016", date(2016, 1, 5)),
        ("%d/%m/%Y", "05/01/2016", date(2016, 1, 5)),
        ("%d/%m/%Y", "29/02/2015", None),
        ("%d/%m/%Y", "31/04/2016", None),
        ("%m/%d/%Y", "13/01/2016", None),
        ("%d-%b-%Y", "05-JAN-2016", date(2016, 1, 5)),
        ("%d-%b-%Y", "05-Jan-2016", date(2016, 1, 5)),
        ("%d.%m.%y", "05.01.16", date(2016, 1, 5)),
        ("%Y%m%d", "20160105", date(2016, 1, 5)),
        ("%Y%m%d", "2016015", None),
        ("%Y-%m-%d", "2016-01-05 ", None),
        ("%Y-%m-%d", "1959-12-31", date(1959, 12, 31)),
    ],
)
def test_dates_are_read_as_their_format_says_and_never_rolled_over(
    format_: str, text: str, expected: date | None
) -> None:
    assert parse_days(pa.array([text]), format_).to_pylist() == [expected]


def test_day_numbers_may_be_written_with_a_decimal_point() -> None:
    assert whole_numbers(pa.array(["7", "7.0", "-31.00", "7.5", ""])).to_pylist() == [7, 7, -31, None, None]


def test_text_of_times_is_their_day() -> None:
    assert to_text(pa.array([datetime(2016, 1, 2, 3, 4)])).to_pylist() == ["2016-01-02"]
