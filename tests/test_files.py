"""Cohort folders are written sorted and read as they were; what is wrong with a file is said without its values."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from fbss_analytics.errors import DataError, InputError, StudyWarning
from fbss_analytics.sources.files import patient_groups, read_tables, replace_folder, write_sorted_parquet
from fbss_analytics.sources.reading import read_csv, read_parquet
from fbss_analytics.sources.source import LazyTables, Source, in_memory

OURS = Path(__file__).parent / "data" / "our_names"
PEOPLE = "patient_id,birth_year,sex\nid-4711,1961,female\nid-4712,1954,male\n"
SPANS = "patient_id,domain,start_date,end_date\nid-4711,medical,2015-01-01,2016-12-31\n"


def folder(path: Path, **files: str | bytes) -> Path:
    """Write files into a folder; ``patients=...`` becomes patients.csv."""
    path.mkdir(exist_ok=True)
    for name, content in ({"patients": PEOPLE} | files).items():
        (path / f"{name}.csv").write_bytes(content.encode() if isinstance(content, str) else content)
    return path


# --- reading one file -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        b"a,b\n1,2\n",
        b"\xef\xbb\xbfa,b\n1,2\n",
        b'\xef\xbb\xbf"a","b"\r\n"1","2"\r\n',
        b"\n\na, b\n1,2\n\n",
        b"a,b\r1,2",
    ],
    ids=["plain", "byte order mark", "quoted", "blank lines", "no final line end"],
)
def test_a_csv_file_is_read_as_text(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    assert read_csv(tmp_path / "t.csv").to_pydict() == {"a": ["1"], "b": ["2"]}


@pytest.mark.parametrize("content", [b"a,b\n", b"a,b"])
def test_a_csv_file_with_a_header_only_has_no_rows(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    assert read_csv(tmp_path / "t.csv").to_pydict() == {"a": [], "b": []}


def test_other_encodings_delimiters_line_ends_in_values_and_long_values_are_read(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_bytes('a;b;c\n\u00e9;"x\ny;z";1\n'.encode("latin-1"))
    table = read_csv(file, delimiter=";", encoding="latin-1", columns=["b", "a"])
    assert table.to_pydict() == {"b": ["x\ny;z"], "a": ["\u00e9"]}
    file.write_text(f"a,b\n{'x' * 3_000_000},1\n")
    assert len(read_csv(file)["a"][0].as_py()) == 3_000_000
    file.write_text('a,b\n5" lead,1\n6,2\n')
    assert read_csv(file)["a"].to_pylist() == ['5" lead', "6"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "t.csv is empty; expected a header line and rows"),
        (b"\n\n", "t.csv is empty"),
        (b"a,b,a\nid-4711,1,2\n", "t.csv: 1 column name stands twice in the header"),
        (b"a,b\nid-4711,1\nid-4712,1,2\nid-4713\n", "2 rows of 3 have more or fewer than the 2 fields of the header"),
        (b"a,b\nid-4711,1,2\n", "1 row of 1 has more or fewer"),
        (b"a,b\nid-4711\xe9,1\n", "it is not UTF-8. Save it as UTF-8"),
        (b"\xe9,b\nid-4711,1\n", "it is not UTF-8"),
        ("a,b\nid-4711,1\n".encode("utf-16"), "it is not UTF-8"),
        (b'a,b\nid-4711,"2\nid-4712,3\n', "a quotation mark is opened and never closed"),
    ],
    ids=["empty", "blank", "header twice", "too many fields", "one row", "latin", "latin header", "utf-16", "quote"],
)
def test_a_csv_file_that_cannot_be_read(
    tmp_path: Path, refused: Callable[..., None], content: bytes, words: str
) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    refused(DataError, lambda: read_csv(tmp_path / "t.csv"), "t.csv", words)


def test_a_first_line_that_is_no_header(tmp_path: Path, refused: Callable[..., None]) -> None:
    (tmp_path / "t.csv").write_text("id-4711" * 30_000)
    refused(DataError, lambda: read_csv(tmp_path / "t.csv"), "t.csv cannot be read: its first line is not a header")


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("CSV parse error: id-4711", "it is not a well-formed CSV file. Write it again"),
        ("straddling object: id-4711", "a value in it is larger than 2 GB"),
    ],
)
def test_what_arrow_says_of_a_file_is_not_passed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: Callable[..., None], fault: str, words: str
) -> None:
    def read(*_: object, **__: object) -> None:
        raise pa.ArrowInvalid(fault)

    monkeypatch.setattr(pyarrow.csv, "read_csv", read)
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    refused(DataError, lambda: read_csv(tmp_path / "t.csv"), "t.csv cannot be read", words)


def test_a_parquet_file_that_cannot_be_read(tmp_path: Path, refused: Callable[..., None]) -> None:
    file = tmp_path / "t.parquet"
    pq.write_table(pa.table({"a": ["id-4711"] * 5000}), file)
    whole = file.read_bytes()
    for content in (
        whole[: len(whole) // 2],
        b"",
        b"PAR1",
        b"a,b\nid-4711,2\n",
        whole[:20] + b"\x00" * 40 + whole[60:],
    ):
        file.write_bytes(content)
        refused(
            DataError, lambda: read_parquet(file), "t.parquet cannot be read as Parquet: it is truncated or damaged"
        )
    pq.write_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"]), file)
    refused(DataError, lambda: read_parquet(file), "t.parquet: 1 column name stands twice")


# --- a folder in our schema -----------------------------------------------------------------------------------------


def test_tables_are_read_checked_and_sorted() -> None:
    source = read_tables(OURS)
    assert source.counts == {
        "patients": 3, "observation_periods": 5, "measurements": 3, "device_events": 4, "dispensings": 3,
    }  # fmt: skip
    assert source.tables["patients"]["patient_id"].to_pylist() == ["p1", "p2", "p3"]
    assert source.tables["dispensings"]["strength_value"].to_pylist() == [10.0, 30.0, 12.5]
    assert set(source.accounting["disposition"]) == {"accepted"}
    assert source.provenance["files"]["patients.csv"] == 3
    assert not source.is_synthetic


def test_rows_at_fault_are_set_aside_with_a_warning_and_the_rest_goes_on(tmp_path: Path) -> None:
    path = folder(tmp_path / "cohort", observation_periods=SPANS + "id-9999,medical,2015-01-01,2016-12-31\n")
    with pytest.warns(StudyWarning) as caught:
        source = read_tables(path)
    message = str(caught[0].message)
    assert "1 of 2 rows of observation_periods.csv for observation_periods" in message
    assert "rule R05" in message
    assert "9999" not in message
    assert caught[0].filename == __file__
    assert source.quarantine["observation_periods"].num_rows == 1
    written = read_tables(source.to_folder(tmp_path / "written"))
    assert written.quarantine["observation_periods"].to_pylist() == source.quarantine["observation_periods"].to_pylist()
    assert written.accounting.equals(source.accounting)
    with pytest.raises(DataError):
        written.quarantine["patients"]


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (
            {"patients": "patient_id,dob,sex\nid-4711,1961,male\n"},
            "patients.csv: dob is not in the schema and not read",
        ),
        (
            {"patients": '"","patient_id","sexe"\n1,id-4711,male\n'},
            "a column without a name, sexe are not in the schema",
        ),
        (
            {"surgerys": "a\n1\n"},
            "surgerys.csv is not a table of the schema and was not read. Did you mean 'surgeries'?",
        ),
    ],
)
def test_what_is_not_in_the_schema_is_named_and_not_read(tmp_path: Path, files: dict[str, str], words: str) -> None:
    with pytest.warns(StudyWarning) as caught:
        source = read_tables(folder(tmp_path / "cohort", **files))
    assert words in str(caught[0].message)
    assert caught[0].filename == __file__
    assert list(source.tables) == ["patients"]


def test_folders_that_cannot_be_read(tmp_path: Path, refused: Callable[..., None]) -> None:
    refused(InputError, lambda: read_tables(tmp_path / "none"), "There is no folder 'none'")
    refused(DataError, lambda: read_tables(tmp_path), "holds no CSV or Parquet file; expected patients.csv")
    path = folder(tmp_path / "cohort", observation_periods=SPANS)
    (path / "patients.csv").unlink()
    refused(DataError, lambda: read_tables(path), "There is no patients table", "one row per patient")
    folder(path, patients=PEOPLE.replace("patient_id", "patientid"))
    refused(DataError, lambda: read_tables(path), "patients.csv: column patient_id is missing", "mean 'patientid'")
    folder(path, patients="id-4711,1961,female\nid-4712,1954,male\n")
    refused(DataError, lambda: read_tables(path), "patients.csv: none of its columns belongs to patients", "header")
    folder(path, patients="patient_id,birth_year\nid-4711,x1961\nid-4712,x1954\n")
    refused(DataError, lambda: read_tables(path), "patients.csv: column birth_year has the wrong type: none of its 2")
    folder(path, patients="patient_id,birth_year\n")
    refused(DataError, lambda: read_tables(path), "patients.csv has a header but no row")
    pq.write_table(pa.table({"patient_id": ["id-4711"]}), path / "patients.parquet")
    refused(DataError, lambda: read_tables(path), "patients.csv and patients.parquet both hold the table patients")


def test_a_table_with_a_header_only_is_an_empty_table(tmp_path: Path) -> None:
    source = read_tables(folder(tmp_path / "cohort", therapies="patient_id,date,therapy\n"))
    assert source.counts["therapies"] == 0
    written = read_tables(source.to_folder(tmp_path / "written"))
    assert written.tables["therapies"].equals(source.tables["therapies"])
    with pytest.raises(
        DataError, match=r"The test needs therapies, which this source does not have. It has patients \(2\)"
    ):
        written.require("therapies", what="The test")


# --- cohort folders -------------------------------------------------------------------------------------------------


def test_a_cohort_folder_reads_as_the_source_it_was_written_from(tmp_path: Path) -> None:
    source = read_tables(OURS, calendar="shifted")
    path = source.to_folder(tmp_path / "cohort")
    again = read_tables(path)
    assert again.calendar == "shifted"
    assert again.counts == source.counts
    assert again.accounting.equals(source.accounting)
    for name in source.tables:
        assert again.tables[name].equals(source.tables[name]), name
        assert again.tables[name].schema.equals(source.tables[name].schema)
    assert (path / ".gitignore").read_text() == "*\n"
    assert json.loads((path / "datapackage.json").read_text())["resources"][0]["path"] == "patients.parquet"


def test_writing_twice_gives_the_same_bytes_and_replaces_the_folder(tmp_path: Path) -> None:
    source = read_tables(OURS)
    one, two = source.to_folder(tmp_path / "one"), source.to_folder(tmp_path / "two")
    source.to_folder(two)
    names = sorted(file.name for file in one.iterdir())
    assert names == sorted(file.name for file in two.iterdir())
    assert all((one / name).read_bytes() == (two / name).read_bytes() for name in names)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["one", "two"]


def test_only_a_cohort_folder_or_an_empty_one_is_replaced(tmp_path: Path, refused: Callable[..., None]) -> None:
    source = read_tables(OURS)
    (tmp_path / "notes").mkdir()
    source.to_folder(tmp_path / "notes")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for name in ("mine", "file"):
        refused(InputError, lambda name=name: source.to_folder(tmp_path / name), f"{name} exists and is not a cohort")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "mine"


def test_a_folder_that_cannot_be_put_in_place_leaves_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "kept.txt").write_text("kept")
    with pytest.raises(OSError, match="draft"):
        replace_folder(tmp_path / "draft", tmp_path / "old")
    assert (tmp_path / "old" / "kept.txt").read_text() == "kept"


def test_a_changed_cohort_folder_is_checked_again(tmp_path: Path) -> None:
    path = read_tables(OURS).to_folder(tmp_path / "cohort")
    (path / "conditions.csv").write_text("patient_id,date,condition\np1,2016-01-01,fbss\n")
    with pytest.warns(StudyWarning, match="files changed since the cohort was written; every row is checked again"):
        source = read_tables(path)
    assert source.counts["conditions"] == 1


@pytest.mark.parametrize("content", ["{", "[]", '{"tables": 3}', '{"schema_version": "1"}'])
def test_a_damaged_source_json_is_named(tmp_path: Path, content: str) -> None:
    path = read_tables(OURS).to_folder(tmp_path / "cohort")
    (path / "source.json").write_text(content)
    with pytest.raises(DataError, match=r"cohort/source.json is damaged; write or import the cohort again"):
        read_tables(path)


def test_row_groups_are_cut_between_patients(tmp_path: Path) -> None:
    ids = pa.chunked_array([np.repeat(["a", "b", "c", "d"], [3, 1, 5, 2]).tolist()])
    assert patient_groups(ids, rows_per_group=4) == [(0, 4), (4, 9), (9, 11)]
    assert patient_groups(ids, rows_per_group=1) == [(0, 3), (3, 4), (4, 9), (9, 11)]
    assert patient_groups(ids) == [(0, 11)]
    assert patient_groups(ids.slice(0, 0)) == []
    write_sorted_parquet(pa.table({"patient_id": ids}), tmp_path / "t.parquet")
    assert pq.ParquetFile(tmp_path / "t.parquet").num_row_groups == 1


# --- the source -----------------------------------------------------------------------------------------------------


def test_a_source_says_what_it_holds_and_what_it_does_not(small_source: Source) -> None:
    assert "3 patients" in small_source.sentence()
    assert "3 patients" in repr(small_source)
    assert "<td" in small_source._repr_html_()
    assert small_source.scan("patients", ("sex", "patient_id")).column_names == ["sex", "patient_id"]
    assert small_source.scan("patients") is small_source.tables["patients"]
    with pytest.raises(DataError, match="patients has no column 'sexe'"):
        small_source.scan("patients", ("sexe",))
    with pytest.raises(DataError, match="There is no table 'patient'"):
        small_source.tables["patient"]
    bare = in_memory("bare", {"patients": small_source.tables["patients"]}, calendar="shifted")
    assert bare.sentence().endswith("Dates are shifted.")
    with pytest.raises(DataError, match="This source has no table 'stays'; it has patients"):
        bare.tables["stays"]
    with pytest.raises(DataError, match="There is no table to read"):
        in_memory("nothing", {})


def test_a_table_is_read_once_and_only_when_asked_for() -> None:
    reads = []
    tables = LazyTables({"patients": lambda: reads.append(1) or pa.table({"patient_id": ["p1"]})})
    assert (len(tables), "patients" in tables, reads) == (1, True, [])
    assert tables["patients"] is tables["patients"]
    assert reads == [1]
