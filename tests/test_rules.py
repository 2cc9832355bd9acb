"""Every row rule sets aside the rows that break it, says how many and what to do, and counts every row once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from fbss_analytics.errors import DataError
from fbss_analytics.sources.checking import Checked, RawTable, check_tables, sort_table
from fbss_analytics.sources.quarantine import Account, accounting_frame, reconcile, warn_of_quarantine
from fbss_analytics.sources.rules import RULES

PATIENTS = """
    patient_id birth_year sex
    p1         1961       female
    p2         1950       male
"""


def raw(text: str, file: str = "") -> RawTable:
    """Return a table of words between spaces; a dot is a missing value."""
    head, *lines = [line.split() for line in text.strip().splitlines()]
    values = {name: ["" if line[k] == "." else line[k] for line in lines] for k, name in enumerate(head)}
    return RawTable(pa.table({name: pa.array(column, pa.string()) for name, column in values.items()}), file)


def check(**tables: str) -> Checked:
    """Check tables given as text; each is called as a CSV file of its name."""
    return check_tables({name: raw(text, f"{name}.csv") for name, text in ({"patients": PATIENTS} | tables).items()})


def aside(checked: Checked, table: str) -> list[tuple[str, int]]:
    """Return rule and line of the rows set aside."""
    rows = checked.quarantine[table]
    return list(zip(rows["rule"].to_pylist(), rows["line"].to_pylist(), strict=True))


@pytest.mark.parametrize(
    ("rule", "table", "text", "lines", "words"),
    [
        ("R01", "conditions", "patient_id date condition\np1 2016-01-01 fbss\np1 . fbss\n. 2016-01-01 fbss", [2, 3],
         "date is missing"),
        ("R02", "conditions", "patient_id date condition\np1 2016-01-01 fbss\np1 2016-02-30 fbss", [2],
         "date cannot be read; expected dates as yyyy-mm-dd"),
        ("R03", "conditions", "patient_id date condition\np1 2016-01-01 fbss\np1 2016-01-01 diabetis", [2],
         "condition is not in the vocabulary; nearest known words: diabetes"),
        ("R04", "stays", "patient_id stay_id admit_date discharge_date\np1 1 2016-01-01 2016-01-02\n"
         "p1 2 2016-01-01 2016-01-02\np1 1 2016-01-01 2016-01-03", [1, 3],
         "rows have the same patient_id and stay_id and different content"),
        ("R05", "conditions", "patient_id date condition\np1 2016-01-01 fbss\np9 2016-01-01 fbss", [2],
         "the patient is not among the accepted patients"),
        ("R06", "observation_periods", "patient_id domain start_date end_date\np1 medical 2016-01-01 2016-01-01\n"
         "p1 medical 2016-01-02 2016-01-01", [2], "end_date is before start_date"),
        ("R07", "therapies", "patient_id date therapy\np1 2016-01-01 nsaid\np1 9999-12-31 nsaid", [2],
         "date is out of range; expected a day in the years 1880 to 2100"),
        ("R07", "intrathecal_doses", "patient_id system_id date ingredient dose_per_day unit\n"
         "p1 1 2016-01-01 morphine 0 mg\np1 0 2016-01-01 morphine 1 mg", [2],
         "system_id is out of range; expected 1 or more"),
        ("R07", "surgeries", "patient_id surgery_id date procedure asa\np1 1 2016-01-01 fusion 6\n"
         "p1 2 2016-01-01 fusion 7", [2], "asa is out of range; expected 1 to 6"),
        ("R07", "measurements", "patient_id date measure value\np1 2016-01-01 nrs_back 10\n"
         "p1 2016-01-01 nrs_back 10.5\np1 2016-01-01 odi 10.5", [2], "value is outside the measure's range"),
        ("R08", "conditions", "patient_id date condition\np1 1961-01-01 fbss\np1 1960-12-31 fbss", [2],
         "date is before the year of birth"),
    ],
)  # fmt: skip
def test_a_row_that_breaks_a_rule_is_set_aside_and_its_neighbours_stay(
    rule: str, table: str, text: str, lines: list[int], words: str
) -> None:
    checked = check(**{table: text})
    rows = len(text.strip().splitlines()) - 1
    assert aside(checked, table) == [(rule, line) for line in lines]
    assert checked.tables[table].num_rows == rows - len(lines)
    accounts = [each for each in checked.accounts if each.table == table]
    assert sum(each.rows for each in accounts) == rows
    quarantined = [each for each in accounts if each.disposition == "quarantined"]
    assert any(words in each.words and each.rule == rule and each.remedy for each in quarantined)
    assert rule in RULES


def test_the_quantity_of_a_fill_is_more_than_0() -> None:
    head = "patient_id dispensing_id date ingredient quantity days_supply\n"
    checked = check(dispensings=head + "p1 1 2016-01-01 morphine 0 30\np1 2 2016-01-01 morphine 0.5 30")
    assert aside(checked, "dispensings") == [("R07", 1)]
    assert "quantity is out of range; expected more than 0" in [each.words for each in checked.accounts]


def test_a_death_before_birth_is_set_aside_with_the_patients_events() -> None:
    people = "patient_id birth_year death_date\np1 1961 1960-12-31\np2 1961 1961-01-01"
    checked = check(patients=people, conditions="patient_id date condition\np1 2016-01-01 fbss\np2 2016-01-01 fbss")
    assert aside(checked, "patients") == [("R08", 1)]
    assert aside(checked, "conditions") == [("R05", 1)]


def test_a_row_counts_under_the_first_rule_it_breaks() -> None:
    checked = check(conditions="patient_id date condition\np9 1900-01-01 unheard\np1 2016-01-01 fbss")
    assert aside(checked, "conditions") == [("R03", 1)]


def test_rows_equal_in_every_column_are_merged_where_there_is_a_key() -> None:
    stays = "patient_id stay_id admit_date discharge_date\n" + "p1 1 2016-01-01 2016-01-02\n" * 3
    checked = check(stays=stays, conditions="patient_id date condition\n" + "p1 2016-01-01 fbss\n" * 2)
    merged = [each for each in checked.accounts if each.disposition == "merged"]
    assert [(each.table, each.rows, each.rule) for each in merged] == [("stays", 2, "M01")]
    assert checked.tables["conditions"].num_rows == 2
    assert not checked.quarantine


def test_a_missing_value_is_not_the_word_none() -> None:
    stays = "patient_id stay_id admit_date discharge_date reason\np1 1 2016-01-01 2016-01-02 None\n"
    checked = check(stays=stays + "p1 1 2016-01-01 2016-01-02 .")
    assert aside(checked, "stays") == [("R04", 1), ("R04", 2)]


def test_rows_set_aside_keep_their_values_beside_rule_file_and_line() -> None:
    table = pa.table({"patient_id": ["p1"], "date": ["?"], "condition": ["fbss"], "file": ["theirs"]})
    checked = check_tables({"patients": raw(PATIENTS), "conditions": RawTable(table, "mine.csv")})
    assert checked.quarantine["conditions"].to_pylist() == [
        {
            "rule": "R02",
            "file": "mine.csv",
            "line": 1,
            "patient_id": "p1",
            "date": "?",
            "condition": "fbss",
            "file_": "theirs",
        }
    ]


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ({"patient": PATIENTS}, ("no patients table", "Did you mean 'patient'")),
        ({"patients": "patient_id sex"}, ("patients.csv has a header but no row",)),
        ({"patients": "patient_id sex\nid-4711 femal"}, ("no patient was accepted", "1 row: sex is not in", "R03")),
        ({"patients": "birth_year sex\n1961 male"}, ("patients.csv: column patient_id is missing",)),
        ({"patients": "id-4711 male\nid-4712 female"}, ("none of its columns belongs to patients", "header")),
        ({"patients": PATIENTS, "conditions": "patient_id dat condition\nid-4711 x fbss"},
         ("conditions.csv: column date is missing", "Did you mean 'dat'")),
    ],
)  # fmt: skip
def test_a_schema_fault_stops_and_says_what_is_missing(
    refused: Callable[..., None], tables: dict[str, str], words: tuple[str, ...]
) -> None:
    refused(DataError, lambda: check_tables({name: raw(text, f"{name}.csv") for name, text in tables.items()}), *words)


def test_the_order_of_rows_read_never_shows() -> None:
    text = "patient_id date therapy\np2 2016-01-02 nsaid\np1 . snri\np1 2016-01-01 tca\np1 2016-01-01 nsaid"
    rows = check(therapies=text.replace("p1 . snri\n", "")).tables["therapies"]
    assert rows["therapy"].to_pylist() == ["nsaid", "tca", "nsaid"]
    shuffled = rows.take(pa.array([2, 0, 1]))
    assert sort_table("therapies", shuffled).equals(rows)


def test_rows_that_do_not_add_up_are_a_fault_of_ours() -> None:
    with pytest.raises(DataError, match=r"people.csv for patients: 3 rows were read but 2 are accounted for"):
        reconcile([Account("patients", "people.csv", "accepted", 2)], table="patients", file="people.csv", rows_read=3)


def test_one_warning_names_file_table_rule_count_and_remedy() -> None:
    accounts = [
        Account("conditions", "diagnoses.csv", "accepted", 411),
        Account("conditions", "diagnoses.csv", "quarantined", 1, "R01", "date is missing", "Correct them."),
        Account("conditions", "other.csv", "accepted", 5),
    ]
    with pytest.warns(match="1 of 412 rows of diagnoses.csv for conditions: date is missing .rule R01.. Correct them."):
        warn_of_quarantine(accounts)
    warn_of_quarantine(accounts[:1])
    assert accounting_frame(accounts)["rows"].tolist() == [411, 1, 5]
    assert accounting_frame(()).empty
    assert np.isin(
        ["table", "file", "disposition", "rows", "rule", "words", "remedy"], accounting_frame(()).columns
    ).all()
