"""What must hold for any files: no row is lost, their order never shows, and a folder reads as it was written."""

from __future__ import annotations

import csv
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from fbss_analytics.errors import DataError, StudyWarning
from fbss_analytics.sources.checking import Checked, RawTable, check_tables
from fbss_analytics.sources.files import patient_groups, read_tables, write_sorted_parquet
from fbss_analytics.sources.mapping import import_tables
from fbss_analytics.sources.source import in_memory

CALM = settings(max_examples=60, deadline=None)
"""Without a deadline: the first call imports, and a busy machine is no fault of ours."""

PATIENT = st.sampled_from(["p1", "p2", "p3", "p9", ""])
DATE = st.sampled_from(["2016-01-01", "2016-01-02", "1961-01-01", "1950-01-01", "2016-02-30", "9999-12-31", "", "x"])
TABLES: dict[str, dict[str, st.SearchStrategy[str]]] = {
    "patients": {
        "patient_id": PATIENT,
        "birth_year": st.sampled_from(["1961", "1961.0", "1700", "", "x"]),
        "sex": st.sampled_from(["female", "male", "", "F"]),
    },
    "observation_periods": {
        "patient_id": PATIENT,
        "domain": st.sampled_from(["medical", "pharmacy", "other"]),
        "start_date": DATE,
        "end_date": DATE,
    },
    "measurements": {
        "patient_id": PATIENT,
        "date": DATE,
        "measure": st.sampled_from(["nrs_back", "odi", "nrs"]),
        "value": st.sampled_from(["0", "10", "10.5", "101", "", "nan"]),
    },
    "dispensings": {
        "patient_id": PATIENT,
        "dispensing_id": st.sampled_from(["1", "2", "0"]),
        "date": DATE,
        "ingredient": st.sampled_from(["morphine", "fentanyl"]),
        "quantity": st.sampled_from(["30", "0"]),
        "days_supply": st.sampled_from(["30", "400"]),
    },
}


@st.composite
def files(draw: st.DrawFn) -> dict[str, list[dict[str, str]]]:
    """Rows of some tables, good and bad mixed; there is always one good patient."""
    rows = {name: draw(st.lists(st.fixed_dictionaries(columns), max_size=12)) for name, columns in TABLES.items()}
    rows["patients"].append({"patient_id": "p0", "birth_year": "1950", "sex": "female"})
    return rows


def raw(rows: dict[str, list[dict[str, str]]]) -> dict[str, RawTable]:
    """Return rows as tables of text, as they come from CSV files."""
    return {
        name: RawTable(
            pa.table({column: pa.array([row[column] for row in rows[name]], pa.string()) for column in columns}), name
        )
        for name, columns in TABLES.items()
    }


def checked(rows: dict[str, list[dict[str, str]]]) -> Checked | None:
    """Check rows; None where a whole column cannot be read, which is a schema fault."""
    try:
        return check_tables(raw(rows))
    except DataError as fault:
        if "has the wrong type" not in str(fault):
            raise
        return None


@CALM
@given(files())
def test_every_row_has_one_fate_and_is_where_the_account_says(rows: dict[str, list[dict[str, str]]]) -> None:
    result = checked(rows)
    if result is None:
        return
    for name, each in rows.items():
        counts = dict.fromkeys(("accepted", "quarantined", "merged"), 0)
        for account in result.accounts:
            if account.table == name:
                counts[account.disposition] += account.rows
        aside = result.quarantine.get(name)
        assert sum(counts.values()) == len(each)
        assert counts["accepted"] == result.tables[name].num_rows
        assert counts["quarantined"] == (0 if aside is None else aside.num_rows)
        if aside is not None:
            lines = aside["line"].to_pylist()
            assert len(set(lines)) == len(lines)
            assert [each[line - 1] for line in lines] == aside.select(list(TABLES[name])).to_pylist()


@CALM
@given(files(), st.randoms(use_true_random=False))
def test_the_order_of_the_rows_never_shows(rows: dict[str, list[dict[str, str]]], random: Any) -> None:
    result = checked(rows)
    shuffled = checked({name: random.sample(each, len(each)) for name, each in rows.items()})
    assert (result is None) == (shuffled is None)
    if result is None or shuffled is None:
        return
    for name in rows:
        assert shuffled.tables[name].equals(result.tables[name]), name
    fates = [sorted((a.table, a.disposition, a.rule, a.rows) for a in each.accounts) for each in (result, shuffled)]
    assert fates[0] == fates[1]


@settings(CALM, max_examples=25)
@given(files())
def test_a_folder_reads_as_it_was_written(rows: dict[str, list[dict[str, str]]]) -> None:
    result = checked(rows)
    if result is None:
        return
    source = in_memory("any", result.tables, accounts=result.accounts, quarantine=result.quarantine)
    with tempfile.TemporaryDirectory() as folder:
        again = read_tables(source.to_folder(Path(folder) / "cohort"))
        assert again.counts == source.counts
        assert again.accounts == source.accounts
        assert set(again.quarantine) == set(source.quarantine)
        for name in source.tables:
            assert again.tables[name].equals(source.tables[name]), name
        for name in source.quarantine:
            assert again.quarantine[name].equals(source.quarantine[name]), name


@CALM
@given(st.lists(st.integers(1, 9), max_size=30), st.integers(1, 20))
def test_row_groups_never_split_a_patient_and_hold_every_row(sizes: list[int], rows_per_group: int) -> None:
    ids = pa.chunked_array([pa.array(np.repeat([f"p{k:03d}" for k in range(len(sizes))], sizes).tolist(), pa.string())])
    groups = patient_groups(ids, rows_per_group)
    assert [row for start, stop in groups for row in range(start, stop)] == list(range(len(ids)))
    seen = [set(ids.slice(start, stop - start).to_pylist()) for start, stop in groups]
    assert sum(len(each) for each in seen) == len(sizes)
    assert all(stop - start >= rows_per_group for start, stop in groups[:-1])


def test_a_written_file_has_no_patient_in_two_row_groups(tmp_path: Path) -> None:
    ids = np.repeat([f"p{k:05d}" for k in range(30_000)], 11)
    write_sorted_parquet(pa.table({"patient_id": ids}), tmp_path / "t.parquet")
    file = pq.ParquetFile(tmp_path / "t.parquet")
    groups = [set(file.read_row_group(k)["patient_id"].to_pylist()) for k in range(file.num_row_groups)]
    assert file.num_row_groups == 3
    assert sum(map(len, groups)) == len(set().union(*groups)) == 30_000


MAPPING = """
version = 1
name = "any"
calendar = "shifted"
origin = 2000-01-01
files = { people = "people.csv", events = "events.csv" }
[tables.patients]
from = "people"
columns.patient_id = "id"
columns.sex = { recode = "sex", words = { F = "female", M = "male" } }
[tables.stays]
from = "events"
where = { kind = ["stay", ""] }
exclude = [{ where = { "people.sex" = "M" }, reason = "men" }, { where = { day = "" }, reason = "no day" }]
columns.patient_id = "id"
columns.stay_id = { row_number = "patient_id" }
columns.admit_date = { day = "day" }
columns.discharge_date = { day = "day" }
columns.reason = "kind"
[tables.stays.join.people]
on = "id"
where = { first = "1" }
[tables.observation_periods]
from = "events"
from_first_to_last = { day = "day" }
columns.patient_id = "id"
columns.domain = { constant = "medical" }
"""
EVENTS = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.sampled_from(["a", "b", "c", ""]),
            "day": st.sampled_from(["7", "7.0", "-3", "", "400.5"]),
            "kind": st.sampled_from(["stay", "visit", ""]),
        }
    ),
    max_size=15,
)
PEOPLE = [
    {"id": "a", "sex": "F", "first": "1"},
    {"id": "b", "sex": "M", "first": "1"},
    {"id": "b", "sex": "M", "first": "2"},
    {"id": "d", "sex": "?", "first": "1"},
]


def _written(path: Path, rows: list[dict[str, str]], names: list[str]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)


@settings(CALM, max_examples=25)
@given(EVENTS, st.randoms(use_true_random=False))
def test_an_import_accounts_for_every_row_whatever_its_place(events: list[dict[str, str]], random: Any) -> None:
    sources = []
    with tempfile.TemporaryDirectory() as place, warnings.catch_warnings():
        warnings.simplefilter("ignore", StudyWarning)
        folder = Path(place)
        (folder / "mapping.toml").write_text(MAPPING, encoding="utf-8")
        for k, sample in enumerate((events, random.sample(events, len(events)))):
            _written(folder / "people.csv", random.sample(PEOPLE, len(PEOPLE)), ["id", "sex", "first"])
            _written(folder / "events.csv", sample, ["id", "day", "kind"])
            try:
                sources.append(import_tables(folder, folder / f"cohort{k}", mapping=folder / "mapping.toml"))
            except DataError as fault:
                if "can be read for" not in str(fault):
                    raise
        assert len(sources) in (0, 2)
        for source in sources:
            fed = source.accounting.groupby("table")["rows"].sum()
            assert fed.to_dict() == {"patients": 4, "stays": len(events), "observation_periods": len(events)}
            for name, table in source.tables.items():
                assert table.equals(sources[0].tables[name]), name
