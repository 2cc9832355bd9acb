"""A cohort folder from rows in any order: the bytes that the reader in memory writes, or a refusal and nothing."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

import fbss_analytics as fbss
from fbss_analytics.errors import DataError, InputError, StudyWarning
from fbss_analytics.sources import arriving, schema, sorting
from fbss_analytics.sources.files import patient_groups, read_tables
from fbss_analytics.sources.reading import csv_batches, parquet_batches
from fbss_analytics.sources.sorting import write_sorted_folder

PEOPLE = "patient_id,birth_year,sex\nid-4711,1961,female\nid-4712,1954,male\nid-4713,1970,\n"
FILLS = """patient_id,dispensing_id,date,ingredient,quantity,days_supply
id-4712,2,2017-04-01,morphine,60,30
id-4711,1,2017-03-01,oxycodone,20,5
id-4712,1,2017-03-01,tramadol,90,30
"""


@pytest.fixture(scope="module")
def extract() -> dict[str, pa.Table]:
    """The tables of a simulated cohort, eleven kinds of rows, as they would stand in a foreign extract."""
    return dict(fbss.simulate("neuromodulation", n_patients=60, seed=1).tables)


def shuffled(table: pa.Table, seed: int) -> pa.Table:
    return table.take(pa.array(np.random.default_rng(seed).permutation(table.num_rows)))


def write_extract(folder: Path, tables: dict[str, pa.Table], *, seed: int, parts: int = 1) -> dict[str, list[Path]]:
    """Write tables as Parquet files of rows in random order."""
    folder.mkdir()
    files: dict[str, list[Path]] = {}
    for name, table in tables.items():
        rows = shuffled(table, seed)
        size = -(-rows.num_rows // parts)
        for part in range(parts):
            file = folder / (f"{name}.parquet" if parts == 1 else f"{name}-{part}.parquet")
            pq.write_table(rows.slice(part * size, size), file)
            files.setdefault(name, []).append(file)
    return files


def write_csv(folder: Path, **tables: str) -> dict[str, Path]:
    folder.mkdir(exist_ok=True)
    for name, content in tables.items():
        (folder / f"{name}.csv").write_text(content, encoding="utf-8")
    return {name: folder / f"{name}.csv" for name in tables}


def content(folder: Path, *names: str) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir()) if not names or file.name in names}


# --- the same folder ------------------------------------------------------------------------------------------------


def test_the_folder_is_that_of_the_reader_in_memory(tmp_path: Path, extract: dict[str, pa.Table]) -> None:
    files = write_extract(tmp_path / "extract", extract, seed=2)
    expected = read_tables(tmp_path / "extract").to_folder(tmp_path / "in_memory")
    found = write_sorted_folder(files, tmp_path / "sorted", name="extract")
    assert content(found) == content(expected)
    assert len(content(found, *(f"{name}.parquet" for name in schema.TABLES))) == len(extract) >= 9
    assert (found / ".gitignore").read_text() == "*\n"


def test_so_it_is_from_csv(tmp_path: Path) -> None:
    files = write_csv(
        tmp_path / "extract", patients=PEOPLE, dispensings=FILLS, conditions="patient_id,date,condition\n"
    )
    expected = read_tables(tmp_path / "extract").to_folder(tmp_path / "in_memory")
    found = write_sorted_folder(files, tmp_path / "sorted", name="extract")
    assert content(found) == content(expected)
    assert read_tables(found).tables["dispensings"]["ingredient"].to_pylist() == ["oxycodone", "tramadol", "morphine"]
    assert read_tables(found).counts["conditions"] == 0


def test_the_order_of_rows_and_files_never_shows(tmp_path: Path, extract: dict[str, pa.Table]) -> None:
    one = write_sorted_folder(write_extract(tmp_path / "a", extract, seed=3), tmp_path / "one", name="x")
    files = write_extract(tmp_path / "b", extract, seed=4, parts=3)
    two = write_sorted_folder({name: paths[::-1] for name, paths in files.items()}, tmp_path / "two", name="x")
    names = [f"{name}.parquet" for name in extract] + ["datapackage.json"]
    assert content(one, *names) == content(two, *names)
    details = json.loads((two / "source.json").read_text())
    assert details["files"]["dispensings-1.parquet"] > 0
    assert {each["file"] for each in details["accounts"] if each["table"] == "dispensings"} == {
        "dispensings-2.parquet and 2 more files"
    }


def test_equal_rows_of_a_table_with_a_key_are_merged_and_counted(tmp_path: Path, extract: dict[str, pa.Table]) -> None:
    repeated = {name: pa.concat_tables([extract[name], extract[name].slice(0, 7)]) for name in extract}
    repeated["patients"] = extract["patients"]
    files = write_extract(tmp_path / "extract", repeated, seed=5)
    expected = read_tables(tmp_path / "extract").to_folder(tmp_path / "in_memory")
    found = write_sorted_folder(files, tmp_path / "sorted", name="extract")
    assert content(found) == content(expected)
    merged = read_tables(found).accounting.query("disposition == 'merged'").set_index("table")["rows"]
    assert merged["dispensings"] == 7
    assert "conditions" not in merged


def test_row_groups_are_cut_between_patients_however_the_rows_arrive(
    tmp_path: Path, extract: dict[str, pa.Table], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sorting, "ROWS_PER_GROUP", 50)
    monkeypatch.setattr(sorting, "ROWS_PER_PART", 7)
    monkeypatch.setattr(arriving, "ROWS_PER_PART", 3)
    tables = {name: extract[name] for name in ("patients", "dispensings")}
    folder = write_sorted_folder(write_extract(tmp_path / "a", tables, seed=6), tmp_path / "cohort", name="x")
    file = pq.ParquetFile(folder / "dispensings.parquet")
    expected = patient_groups(extract["dispensings"]["patient_id"], 50)
    assert len(expected) > 3
    assert [file.metadata.row_group(k).num_rows for k in range(file.num_row_groups)] == [b - a for a, b in expected]
    assert file.read().equals(extract["dispensings"].combine_chunks())
    # A row group stands by itself: its words are codes of the schema's whole vocabulary.
    words = file.read_row_group(1)["ingredient"].chunk(0)
    assert words.dictionary.to_pylist() == list(schema.vocabulary("ingredient"))


def test_columns_outside_the_schema_are_named(tmp_path: Path) -> None:
    files = write_csv(tmp_path / "extract", patients=PEOPLE.replace("sex", "gender"))
    with pytest.warns(StudyWarning, match=r"patients.csv: gender is not in the schema and not read"):
        folder = write_sorted_folder(files, tmp_path / "cohort", name="x")
    assert read_tables(folder).counts == {"patients": 3}


# --- refusals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("id-4711,1,", ",1,", "1 row: patient_id is missing (rule R01)"),
        ("2017-03-01", "2017-02-30", "2 of 3 rows"),
        ("90,30", "90,1.5", "1 row: days_supply cannot be read; expected whole numbers (rule R02)"),
        ("tramadol", "tramadoll", "1 row: ingredient is not in the vocabulary (rule R03)"),
        ("id-4712,1", "id-9999,1", "1 row: the patient is not among the accepted patients (rule R05)"),
        ("20,5", "20,400", "1 row: days_supply is out of range; expected 1 to 365 (rule R07)"),
        ("2017-04-01", "1953-04-01", "1 row: date is before the year of birth (rule R08)"),
        ("id-4712,2", "id-4712,1", "2 rows: rows have the same patient_id and dispensing_id"),
    ],
)
def test_a_row_that_breaks_a_rule_is_named_and_nothing_is_written(
    tmp_path: Path, refused: Callable[..., None], old: str, new: str, words: str
) -> None:
    files = write_csv(tmp_path / "extract", patients=PEOPLE, dispensings=FILLS.replace(old, new))
    target = tmp_path / "out" / "cohort"
    write = lambda: write_sorted_folder(files, target, name="x")  # noqa: E731
    refused(DataError, write, "dispensings: ", "of 3 rows cannot be accepted; nothing was written", words)
    assert list(target.parent.iterdir()) == []


def test_every_rule_broken_is_counted_to_the_end(
    tmp_path: Path, refused: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arriving, "ROWS_PER_PART", 1)
    monkeypatch.setattr(sorting, "ROWS_PER_GROUP", 1)
    unread = pa.table({"patient_id": ["id-4711", "id-4712", "id-4713"], "sex": ["w", "male", "m"]})
    pq.write_table(unread, tmp_path / "patients.parquet")
    files = {"patients": tmp_path / "patients.parquet"}
    refused(DataError, lambda: write_sorted_folder(files, tmp_path / "c", name="x"), "2 of 3 rows", "2 rows: sex is")
    rows = "".join(f"id-{number},medical,2015-01-01,2014-01-01\n" for number in (4711, 4712, 9999, 9998))
    spans = write_csv(tmp_path, patients=PEOPLE, observation_periods="patient_id,domain,start_date,end_date\n" + rows)
    refused(
        DataError,
        lambda: write_sorted_folder(spans, tmp_path / "c", name="x"),
        "4 of 4 rows",
        "2 rows: end_date is before start_date (rule R06)",
        "2 rows: the patient is not among the accepted patients (rule R05)",
    )


def test_patients_are_held_to_the_same_rules(tmp_path: Path, refused: Callable[..., None]) -> None:
    files = write_csv(tmp_path, patients=PEOPLE + "id-4712,1950,male\n")
    words = ("patients: 2 of 4 rows cannot be accepted", "2 rows: rows have the same patient_id and different content")
    refused(DataError, lambda: write_sorted_folder(files, tmp_path / "c", name="x"), *words)
    files = write_csv(tmp_path, patients=PEOPLE.splitlines()[0] + "\n")
    refused(DataError, lambda: write_sorted_folder(files, tmp_path / "c", name="x"), "without patients there is no")


def test_a_fault_of_a_file_is_told_in_our_words(tmp_path: Path, refused: Callable[..., None]) -> None:
    files = write_csv(tmp_path, patients=PEOPLE, dispensings=FILLS.replace("2017-", "in 2017-"))
    words = "dispensings.csv: column date has the wrong type: none of its 3 values can be read"
    refused(DataError, lambda: write_sorted_folder(files, tmp_path / "c", name="x"), words)
    damaged = tmp_path / "dispensings.parquet"
    pq.write_table(pa.csv.read_csv(files["dispensings"]), damaged, compression="none")
    damaged.write_bytes(damaged.read_bytes()[:4] + b"\xff" * 60 + damaged.read_bytes()[64:])
    files["dispensings"] = damaged
    words = "dispensings.parquet cannot be read as Parquet: it is truncated or damaged"
    refused(DataError, lambda: write_sorted_folder(files, tmp_path / "c", name="x"), words)
    # DuckDB reads in a thread of its own, where coverage sees nothing.
    refused(DataError, lambda: list(parquet_batches(damaged, columns=["patient_id"], words=(), rows=2)), words)
    assert not (tmp_path / "c").exists()


def test_what_cannot_be_input_is_said_before_anything_is_read(tmp_path: Path, refused: Callable[..., None]) -> None:
    file = write_csv(tmp_path, patients=PEOPLE)["patients"]
    (tmp_path / "patients.xlsx").write_text("")
    for files, memory, words in (
        ({"patient": file}, 1.5, "Did you mean 'patients'?"),
        ({"dispensings": file}, 1.5, 'files has no "patients"'),
        ({"patients": []}, 1.5, "files names no file for patients"),
        ({"patients": [file, str(file)]}, 1.5, "files names a file for patients twice"),
        ({"patients": tmp_path / "people.csv"}, 1.5, "There is no file 'people.csv' here for patients"),
        ({"patients": str(tmp_path / "patients.xlsx")}, 1.5, "patients.xlsx is neither CSV nor Parquet"),
        ({"patients": file}, 0, "memory_gib=0 is no memory to sort in"),
    ):
        call = lambda files=files, gib=memory: write_sorted_folder(files, tmp_path / "c", name="x", memory_gib=gib)  # noqa: E731
        refused(InputError, call, words)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a,b\n1,2,3\n", "a row has more or fewer than the 2 fields of the header"),
        (b"a,b\n" + b"1,2\n" * 50_000 + b"1,\xff\n", "it is not UTF-8"),
        (b"a,b\n1," + b"2" * 2**17, "it is not a well-formed CSV file"),
        (b'a,b\n1,"2\n', "a quotation mark is opened and never closed"),
    ],
)
def test_a_csv_file_that_cannot_be_read_in_parts(
    tmp_path: Path, refused: Callable[..., None], content: bytes, words: str
) -> None:
    file = tmp_path / "t.csv"
    file.write_bytes(content)
    refused(
        DataError, lambda: list(csv_batches(file, columns=["a"], block_size=2**16)), f"t.csv cannot be read: {words}"
    )


def test_a_csv_file_is_read_in_parts(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_bytes(b'\xef\xbb\xbf"a", b\r\n' + b'1,"x\ny"\r\n' * 40)
    parts = list(csv_batches(file, columns=["b"], block_size=64))
    assert len(parts) > 3
    assert pa.concat_tables(parts).to_pydict() == {"b": ["x\ny"] * 40}


# --- what is left behind --------------------------------------------------------------------------------------------


def many_fills(folder: Path, rows: int) -> dict[str, Path]:
    """Write fills of a hundred patients, the last first; ``quantity`` is their number in the order they belong in."""
    folder.mkdir()
    ids = pa.array([f"id-{number:03d}" for number in range(100)])
    pq.write_table(pa.table({"patient_id": ids}), folder / "patients.parquet")
    place = np.arange(rows)[::-1]
    fills = {"patient_id": ids.take(pa.array(place * 100 // rows)), "dispensing_id": place + 1}
    for name, value in (("date", "2017-03-01"), ("ingredient", "morphine"), ("days_supply", 30)):
        fills[name] = pa.array([value]).take(pa.array(np.zeros(rows, np.int64)))
    pq.write_table(pa.table(fills | {"quantity": place + 1.0}), folder / "dispensings.parquet")
    return {name: folder / f"{name}.parquet" for name in ("patients", "dispensings")}


def test_the_sort_spills_beside_the_folder_and_wipes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = many_fills(tmp_path / "extract", 1_000_000)
    spilled = []

    def observe(rows: pa.Table, *rest: object) -> pa.Table:
        spilled.extend(path for path in (tmp_path / "out").rglob("spill/*"))
        return in_schema(rows, *rest)

    in_schema = sorting._in_schema
    monkeypatch.setattr(sorting, "_in_schema", observe)
    folder = write_sorted_folder(files, tmp_path / "out" / "cohort", name="x", memory_gib=0.03)
    assert spilled
    assert [each.name for each in (tmp_path / "out").iterdir()] == ["cohort"]
    quantity = pq.read_table(folder / "dispensings.parquet")["quantity"].to_numpy()
    assert np.array_equal(quantity, np.arange(1.0, 1_000_001))


def test_too_little_memory_is_said(tmp_path: Path, refused: Callable[..., None]) -> None:
    files = many_fills(tmp_path / "extract", 100_000)
    call = lambda: write_sorted_folder(files, tmp_path / "cohort", name="x", memory_gib=0.002)  # noqa: E731
    refused(InputError, call, "memory_gib=0.002 is too little to sort in")
    assert [each.name for each in tmp_path.iterdir()] == ["extract"]


def test_an_interrupt_leaves_the_earlier_folder_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = write_csv(tmp_path / "extract", patients=PEOPLE, dispensings=FILLS)
    earlier = content(write_sorted_folder(files, tmp_path / "cohort", name="x"))

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sorting, "_faults", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_sorted_folder(files, tmp_path / "cohort", name="y")
    assert content(tmp_path / "cohort") == earlier
    assert sorted(each.name for each in tmp_path.iterdir()) == ["cohort", "extract"]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system cannot kill a process at once")
def test_what_a_killed_process_leaves_is_hidden_from_git_and_cleared_by_the_next(tmp_path: Path) -> None:
    files = write_csv(tmp_path / "extract", patients=PEOPLE, dispensings=FILLS)
    program = (
        "import os, signal, sys\n"
        "from fbss_analytics.sources import sorting\n"
        "sorting._faults = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "files = {'patients': sys.argv[1], 'dispensings': sys.argv[2]}\n"
        "sorting.write_sorted_folder(files, sys.argv[3], name='x')\n"
    )
    paths = [str(path) for path in (files["patients"], files["dispensings"], tmp_path / "cohort")]
    assert subprocess.run([sys.executable, "-c", program, *paths], check=False).returncode == -signal.SIGKILL
    (draft,) = tmp_path.glob(".cohort.draft-*")
    assert (draft / ".gitignore").read_text() == "*\n"
    assert not (tmp_path / "cohort").exists()
    write_sorted_folder(files, tmp_path / "cohort", name="x")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["cohort", "extract"]
