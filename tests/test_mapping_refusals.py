"""A wrong mapping or a bad extract is refused in one sentence: file, column, rule, count, what to do, and no value."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from extracts import CONDITIONS, FILES, GOOD, HEAD, PATIENTS, PEOPLE, SPANS, extract, fates, imported

from fbss_analytics.errors import DataError, InputError, StudyWarning
from fbss_analytics.sources.mapping import import_tables

swap = GOOD.replace

# --- bad mappings ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mapping", "words"),
    [
        ("version = ", ["mapping.toml is not TOML"]),
        ("", ["the top level needs the key 'version'"]),
        (swap("version = 1", "version = 2"), ["version is to be 1"]),
        (swap("gregorian", "lunar"), ["calendar is to be 'gregorian' or", "'shifted'"]),
        (swap("calendar", "calender"), ["the top level has no key 'calender'", "Did you mean 'calendar'"]),
        (swap('name = "mine"', "name = 1"), ["name is to be text"]),
        (swap('calendar = "gregorian"', 'calendar = "gregorian"\norigin = "2000-01-01"'), ["origin is to be a date"]),
        (HEAD + "files = 1\n" + PATIENTS, ["files is to be a table with at least one key"]),
        (swap('"people.csv"', '{ paht = "people.csv" }'), ["files.people has no key 'paht'", "Did you mean 'path'"]),
        (swap('"people.csv"', '{ path = "people.csv", delimiter = ";;" }'), ["delimiter is to be one character"]),
        (swap('"people.csv"', '{ path = "people.csv", encoding = "utf9" }'), ["encoding is not known to Python"]),
        (swap("tables.patients", "tables.patient"), ["there is no table 'patient'", "Did you mean 'patients'"]),
        (swap("from", "form"), ["tables.patients has no key 'form'", "Did you mean 'from'"]),
        (swap('from = "people"', 'from = "peoples"'), ["is to name a file under [files]", "Did you mean 'people'"]),
        (swap("columns.sex", "columns.sexe"), ["has no key 'sexe'", "Did you mean 'sex'"]),
        (swap('columns.patient_id = "id"\n', ""), ["does not say what fills patient_id"]),
        (HEAD + FILES + CONDITIONS.format(date='"seen"'), ["feeds no patients table; every source needs one row per"]),
        (swap('"sex"', "1"), ["columns.sex: a column is 'source column' or { verb = ... }"]),
        (swap('"sex"', '{ recod = "sex" }'), ["needs one verb and has 0", "Did you mean 'recode'"]),
        (swap('"sex"', '{ copy = "sex", constant = "male" }'), ["needs one verb and has 2"]),
        (swap('"sex"', '{ constant = "mael" }'), ["'mael' is not in the vocabulary", "Did you mean 'male'"]),
        (swap('"sex"', "{ constant = [1] }"), ["is to be text, a number, a date, true or false"]),
        (swap('"sex"', '{ recode = "sex" }'), ["columns.sex.words is to be a table"]),
        (swap('"sex"', '{ recode = "sex", words = { F = "femal" } }'), ["'femal' is not", "Did you mean 'female'"]),
        (swap('"sex"', '{ recode = "sex", words = { F = "female" }, unmapped = "mising" }'),
         ["unmapped is not known", "Did you mean 'missing'"]),
        (swap('"sex"', '{ recode = "sex", word = { F = "female" } }'), ["has no key 'word'", "mean 'words'"]),
        (swap('"sex"', '{ date = "seen", format = "%Y" }'), ["cannot be filled by 'date', which gives a day"]),
        (GOOD + 'columns.death_date = { date = "seen" }\n', ["death_date.format (such as '%d/%m/%Y') is to be text"]),
        (GOOD + 'columns.death_date = { day = "number" }\n', ["needs origin here, or origin at the top level"]),
        (GOOD + 'columns.birth_year = { birth_year_from_age = "age" }\n', ["needs at here"]),
        (GOOD + 'columns.birth_year = { row_number = "sex" }\n', ["write { row_number = 'patient_id' }"]),
        (GOOD + "where = 1\n", ["tables.patients.where is to be a table"]),
        (GOOD + "exclude = [{ where = { sex = 'x' } }]\n", ["exclude.reason is to be text"]),
        (GOOD + "exclude = [{ reason = 'x' }]\n", ["exclude.where is to be a table"]),
        (GOOD + "join.fill = { on = 'id' }\n", ["tables.patients.join is to name a file", "Did you mean 'fills'"]),
        (GOOD + "join.fills = { in = 'id' }\n", ["join.fills has no key 'in'"]),
        (GOOD + "join.fills = { on = { a = 'b', c = 'd' } }\n", ["join.fills.on is to be one column"]),
        (GOOD + "join.fills = { on = { 'fills.a' = 'b' } }\n", ["a join that does not stand before it"]),
        (GOOD + "from_first_to_last = 'seen'\n", ["tables.patients has no key 'from_first_to_last'"]),
        (GOOD + SPANS + "columns.end_date = 'sold'\n", ["gives end_date twice: from_first_to_last fills both"]),
        (GOOD + "[[tables.stays]]\nfrom = 'people'\ncolumns = { patient_id = 'id', stay_id = 'a', admit_date = 'b', "
         "discharge_date = 'c' }\n[[tables.stays]]\nfrom = 'people'\ncolumns = { patient_id = 'id', "
         "stay_id = { row_number = 'patient_id' }, admit_date = 'b', discharge_date = 'c' }\n",
         ["tables.stays is to number the rows of all its files, or of none"]),
    ],
)  # fmt: skip
def test_a_mapping_that_is_wrong_is_refused_with_what_to_write(
    tmp_path: Path, refused: Callable[..., None], mapping: str, words: list[str]
) -> None:
    refused(InputError, lambda: imported(tmp_path, mapping), "mapping.toml", *words)
    assert not (tmp_path / "cohort").exists()


def test_a_mapping_folder_or_extract_that_is_not_there(tmp_path: Path, refused: Callable[..., None]) -> None:
    path = extract(tmp_path)
    mapping = path / "mapping.toml"
    refused(InputError, lambda: import_tables(path, path / "c", mapping=path / "m.toml"), "no mapping file 'm.toml'")
    refused(InputError, lambda: import_tables(path / "x", path / "c", mapping=mapping), "There is no folder 'x'")
    refused(InputError, lambda: import_tables(path, path, mapping=mapping), "holds the extract itself")
    refused(InputError, lambda: import_tables(path, path.parent, mapping=mapping), "holds the extract itself")
    (path / "empty").mkdir()
    refused(DataError, lambda: import_tables(path / "empty", path / "c", mapping=mapping), "empty holds no file",
            "expected people.csv")  # fmt: skip


# --- bad extracts ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"file": "person.csv"}, ["has no file person.csv", "Did you mean 'people.csv'"]),
        ({"file": "people.xlsx"}, ["people.xlsx is of no kind that can be read", ".csv, .tsv, .txt, .parquet"]),
        ({"people": PEOPLE.replace("id,", "pid,", 1)}, ["people.csv has no column 'id'", "Did you mean 'pid'"]),
        ({"people": PEOPLE.split("\n", 1)[1]}, ["people.csv has none of the columns", "(id, sex)", "header missing"]),
        ({"people": PEOPLE.replace(",", ";")}, ["has none of the columns", "the delimiter another than ','"]),
        ({"people": ""}, ["people.csv is empty"]),
        ({"people": "id,sex\n"}, ["people.csv has a header but no row"]),
        ({"people": "id,id,sex\nid-4711,id-4712,male\n"}, ["people.csv: 1 column name stands twice"]),
        ({"people": PEOPLE + "id-4713,male,a,b,c,d\n"}, ["1 row of 3 has more or fewer than the 5 fields"]),
        ({"people": PEOPLE.replace("female", "4711a").replace("male", "4711b")}, ["no patient was accepted", "R03"]),
        ({"death": '{ date = "seen", format = "%m-%d-%Y" }'},
         ["people.csv: none of the 2 values of seen can be read for death_date; expected dates as %m-%d-%Y"]),
        ({"death": '"seen"'}, ["people.csv: column death_date has the wrong type: none of its 2 values"]),
    ],
)  # fmt: skip
def test_an_extract_that_cannot_be_used_is_named_without_its_values(
    tmp_path: Path, refused: Callable[..., None], changes: dict[str, Any], words: list[str]
) -> None:
    mapping = swap("people.csv", changes.get("file", "people.csv"))
    mapping += f"columns.death_date = {changes['death']}\n" if "death" in changes else ""
    (tmp_path / "people.xlsx").write_bytes(b"PK")
    refused(DataError, lambda: imported(tmp_path, mapping, changes.get("people", PEOPLE)), *words)
    assert not (tmp_path / "cohort").exists()


def test_an_extract_in_another_encoding_or_cut_short_is_named(tmp_path: Path, refused: Callable[..., None]) -> None:
    path = extract(tmp_path)
    (path / "people.csv").write_bytes(PEOPLE.replace("male", "m\u00e9le").encode("latin-1"))
    run = lambda: import_tables(path, path / "cohort", mapping=path / "mapping.toml")  # noqa: E731
    refused(DataError, run, "people.csv cannot be read: it is not UTF-8. Save it as UTF-8")
    extract(path, swap("people.csv", "people.parquet"))
    pq.write_table(pa.table({"id": ["id-4711"] * 1000}), path / "people.parquet")
    refused(DataError, run, "people.parquet has no column 'sex'")
    (path / "people.parquet").write_bytes((path / "people.parquet").read_bytes()[:-20])
    refused(DataError, run, "people.parquet cannot be read as Parquet: it is truncated or damaged")
    pq.write_table(pa.table({"id": ["id-4711"], "sex": [["4711"]]}), path / "people.parquet")
    refused(DataError, run, "people.parquet: column sex has the wrong type")


def test_row_faults_are_set_aside_counted_and_told_without_values(tmp_path: Path) -> None:
    people = PEOPLE + "id-4711,male,1,05/03/2016,7\n"
    mapping = GOOD + CONDITIONS.format(date='{ date = "seen", format = "%d/%m/%Y" }')
    with pytest.warns(StudyWarning) as caught:
        source = imported(tmp_path, mapping, people)
    message = str(caught[0].message)
    assert "2 of 3 rows of people.csv for patients: rows have the same patient_id and different content" in message
    assert "2 of 3 rows of people.csv for conditions: the patient is not among the accepted patients" in message
    assert "4711" not in message
    assert caught[0].filename == imported.__code__.co_filename
    assert fates(source, "patients") == {"accepted": 1, "R04": 2}
    assert source.quarantine["conditions"]["line"].to_pylist() == [1, 3]
    assert (tmp_path / "cohort" / "quarantine" / "conditions.parquet").exists()


def test_columns_the_mapping_does_not_name_are_not_kept_anywhere(tmp_path: Path) -> None:
    people = "id,sex,name\nid-1,male,Secret Person\nid-2,x,Secret Person\n"
    with pytest.warns(StudyWarning, match="sex is not in the vocabulary"):
        source = imported(tmp_path, GOOD, people)
    assert source.quarantine["patients"].column_names == ["rule", "file", "line", "id", "sex"]
    assert all(b"Secret" not in file.read_bytes() for file in (tmp_path / "cohort").rglob("*") if file.is_file())


def test_importing_again_replaces_the_cohort_as_a_whole(tmp_path: Path) -> None:
    imported(tmp_path, GOOD + CONDITIONS.format(date="{ constant = 2016-01-01 }"))
    source = imported(tmp_path, GOOD)
    assert list(source.tables) == ["patients"]
    assert not (tmp_path / "cohort" / "conditions.parquet").exists()
