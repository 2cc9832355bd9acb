"""What is no raw REDCap export of the project is refused in a sentence: what it is, what to do, and no value of it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from redcap_cases import (
    CONDITIONS,
    DICTIONARY,
    HEADER,
    HEADINGS,
    MAPPING,
    ROWS,
    VISITS,
    imported,
    project,
    read,
    template,
)

import fbss_analytics as fbss
from fbss_analytics.errors import DataError, InputError, StudyWarning
from fbss_analytics.sources.recipe import RedcapSpec

pytestmark = pytest.mark.filterwarnings("ignore:.*not read, by what")
MANY = ",".join(f"extra{number}" for number in range(10))


# --- dictionaries ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dictionary", "words"),
    [
        ("", ["dictionary.csv has no column 'Variable / Field Name' (API: field_name)", "Download the current"]),
        (HEADINGS.replace(",identifier", ""), ["dictionary.csv has no column 'Identifier?' (API: identifier)"]),
        (HEADINGS, ["dictionary.csv has no field"]),
        (DICTIONARY + "seen,visit,text,Seen,,,\n", ["the field seen stands twice"]),
        (DICTIONARY + ",visit,text,Seen,,,\n", ["a field has no name, form or type"]),
        (DICTIONARY + "extra\n", ["a field has no name, form or type"]),
        (DICTIONARY.replace('"1, Female | 2, Male | -9, Not told"', ""), ["the choices of sex cannot be read"]),
        (
            DICTIONARY.replace("| 2, Male", "| 1, Male"),
            ["the choices of sex cannot be read; expected '1, Yes | 2, No'"],
        ),
        (DICTIONARY.replace("| 2, Male", "| Male"), ["the choices of sex cannot be read"]),
    ],
)
def test_a_dictionary_that_cannot_be_read(
    tmp_path: Path, refused: Callable[..., None], dictionary: str, words: list[str]
) -> None:
    project(tmp_path, dictionary=dictionary)
    refused(DataError, lambda: read(tmp_path), "dictionary.csv", *words)


def test_a_dictionary_that_is_not_utf_8_or_has_headings_passed_on_by_another_program(
    tmp_path: Path, refused: Callable[..., None]
) -> None:
    project(tmp_path)
    (tmp_path / "dictionary.csv").write_bytes(DICTIONARY.replace("Birth", "B\u00edrth").encode("latin-1"))
    refused(DataError, lambda: read(tmp_path), "dictionary.csv cannot be read as UTF-8 text with commas")
    names = "Variable...Field.Name,Form.Name,Field.Type,Field.Label,Choices..Calculations..OR.Slider.Labels,"
    names += "Text.Validation.Type.OR.Show.Slider.Number,Identifier.\n"
    project(tmp_path, dictionary=DICTIONARY.replace(HEADINGS, names))
    assert read(tmp_path).rows.num_rows == 4


# --- exports --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "rows", "words"),
    [
        (DICTIONARY, "", ["is a data dictionary; are export and dictionary swapped?"]),
        (
            "record,redcap_event_name,field_name,value\n",
            "id-4711,first_arm_1,sex,1\n",
            ["has a row per value (type = eav)"],
        ),
        (HEADER.replace(",", ";"), ROWS.replace(",", ";"), ["has a semicolon between its fields", 'delimiter = ";"']),
        (HEADER.replace(",", "\t"), ROWS.replace(",", "\t"), ["has a tab between its fields", 'delimiter = "\\t"']),
        (
            "Record,Event Name,Birth,Sex,Ills (choice=Diabetes),Complete?\n",
            ROWS,
            ["has labels in place of field names"],
        ),
        (ROWS, ROWS, ["is no raw export of this project: its header has no 'id', the first field of dictionary.csv"]),
        ("", "", ["is no raw export of this project"]),
        (
            HEADER.replace("sex", "sex,sex"),
            ROWS.replace(",1,1", ",1,1,1"),
            ["1 column name stands twice in the header"],
        ),
        (
            HEADER.replace("sex", "gender"),
            ROWS,
            ["has 1 column that dictionary.csv does not have: gender.", "same day"],
        ),
        (HEADER.replace("sex", "id-4711"), ROWS, ["has 1 column that dictionary.csv does not have: (no REDCap name)."]),
        (HEADER.replace("sex", MANY), ROWS, ["has 10 columns", "extra6, extra7, ..."]),
        (
            HEADER.replace(",ills____2", ""),
            ROWS,
            ["export.csv lacks 1 box of ills: ills____2. Download export and"],
        ),
        (
            HEADER.replace("ills___ab", "ills___unk"),
            ROWS,
            ["does not have: ills___unk. If the project has missing-data codes, list them as nulls under [redcap]"],
        ),
        (
            HEADER,
            ROWS.replace(",1,1,0,1,", ",Female,1,0,1,"),
            ["holds labels in place of codes in 1 column: sex", "raw data"],
        ),
        (HEADER, ROWS.replace(",1,1,0,1,", ",1,Checked,0,1,"), ["in place of codes in 1 column: ills___1."]),
        (HEADER, ROWS.replace(",1,1,0,1,", ",1,1,Depression,1,"), ["in place of codes in 1 column: ills____2."]),
        (HEADER, ROWS.replace("told,2", "told,Complete"), ["in place of codes in 1 column: people_complete."]),
        (HEADER, ROWS.replace(",visit,", ",Visit,"), ["in place of codes in 1 column: redcap_repeat_instrument."]),
        (HEADER, ROWS.replace("first_arm_1", "First (Arm 1: Drug)"), ["in 1 column: redcap_event_name."]),
        (HEADER, ROWS.replace(",visit,1", ",x4711,1"), ["1 row of 4 names a form in redcap_repeat_instrument that"]),
        (HEADER, ROWS.replace(",visit,", ",x4711,"), ["2 rows of 4 name a form in redcap_repeat_instrument that"]),
        (
            HEADER,
            ROWS.replace("2015-03-31", "03/31/2015").replace("2015-04-30", "04/30/2015"),
            ["none of the 2 dates of seen is year-month-day", "saved by a spreadsheet program", "raw data"],
        ),
        (HEADER, ROWS + "id-4713,a,b\n", ["1 row of 5 has more or fewer than the 16 fields of the header"]),
        (HEADER, "", ["no row for patients"]),
    ],
)
def test_an_export_that_is_not_raw_or_not_of_this_project(
    tmp_path: Path, refused: Callable[..., None], header: str, rows: str, words: list[str]
) -> None:
    project(tmp_path, header=header, rows=rows)
    refused(DataError, lambda: imported(tmp_path), "export.csv", *words)
    assert not (tmp_path / "cohort").exists()


def test_an_export_in_another_encoding_is_named(tmp_path: Path, refused: Callable[..., None]) -> None:
    project(tmp_path)
    (tmp_path / "export.csv").write_bytes((HEADER + ROWS).replace("told", "t\u00f6ld").encode("latin-1"))
    refused(DataError, lambda: read(tmp_path), "export.csv cannot be read: it is not UTF-8")
    (tmp_path / "export.csv").write_bytes(HEADER.replace("seen", "s\u00e9en").encode("latin-1"))
    refused(DataError, lambda: read(tmp_path), "export.csv cannot be read: it is not UTF-8")
    words = "is no raw export of this project: its header has no 'id'"
    refused(DataError, lambda: read(tmp_path, RedcapSpec(encoding="utf-16")), words)
    (tmp_path / "export.csv").write_bytes(b"4711" * 50_000)
    refused(DataError, lambda: read(tmp_path), words)


def test_one_date_that_is_no_date_sets_its_row_aside(tmp_path: Path) -> None:
    project(tmp_path, rows=ROWS.replace("2015-03-31", "03/31/2015"))
    with pytest.warns(StudyWarning, match="date cannot be read; expected dates as yyyy-mm-dd .rule R02"):
        source = imported(tmp_path, MAPPING + VISITS)
    assert source.counts["measurements"] == 1


def test_missing_data_codes_are_neither_labels_nor_dates(tmp_path: Path) -> None:
    rows = ROWS.replace("2015-03-31", "-9").replace("2015-04-30", "-9").replace(",1,1,0,1,", ",Male,1,0,1,")
    export = read(project(tmp_path, rows=rows), RedcapSpec(nulls=("-9", "Male")))
    assert export.rows["seen"].null_count == 4
    assert export.rows["sex"].to_pylist() == [None, None, None, "2"]


def test_a_file_that_is_not_there(tmp_path: Path, refused: Callable[..., None]) -> None:
    project(tmp_path)
    here = [tmp_path / name for name in ("export.csv", "dictionary.csv", "mapping.toml")]
    here[2].write_text(MAPPING, encoding="utf-8")
    missing = ("no export 'export.csvx'", "no data dictionary", "no mapping file 'mapping.tomlx'")
    for number, words in enumerate(missing):
        files = [f"{each}{'x' if place == number else ''}" for place, each in enumerate(here)]
        run = partial(fbss.import_redcap, files[0], files[1], to=tmp_path / "cohort", mapping=files[2])
        refused(InputError, run, words)


# --- mappings -------------------------------------------------------------------------------------------------------

swap = MAPPING.replace


@pytest.mark.parametrize(
    ("mapping", "words"),
    [
        (swap('"form:people"', '"people"'), ["tables.patients.from is to name a form of the export, such as 'form:"]),
        (swap("form:people", "form:peopel"), ["tables.patients: there is no 'form:peopel'.", "Did you mean 'people'"]),
        (MAPPING + 'join."form:visits" = { on = "id" }\n', ["there is no 'form:visits'.", "Did you mean 'visit'"]),
        (swap("[tables", '[files]\na = "a.csv"\n[tables', 1), ["the top level has no key 'files'"]),
        (swap("[tables", "redcap = {}\n[tables", 1), ["redcap is to be a table with at least one key"]),
        (swap("[tables", "redcap = { nul = 1 }\n[tables", 1), ["redcap has no key 'nul'", "Did you mean 'nulls'"]),
        (swap("[tables", "redcap = { delimiter = ';;' }\n[tables", 1), ["redcap.delimiter is to be one character"]),
        (swap("[tables", "redcap = { encoding = 'utf9' }\n[tables", 1), ["redcap.encoding is not known to Python"]),
        (
            swap("[tables", "redcap = { identifier_dates = 'dobb' }\n[tables", 1),
            ["redcap.identifier_dates: 'dobb' is no date flagged an identifier. Did you mean 'dob'"],
        ),
        (swap("[tables", "redcap = { identifier_dates = 'seen' }\n[tables", 1), ["'seen' is no date flagged"]),
        (swap('"id"', '"idd"'), ["form people has no column 'idd'", "Did you mean 'id'"]),
        (MAPPING + 'columns.death_date = "seen"\n', ["seen is a field of form visit, not of people"]),
        (MAPPING + 'columns.death_date = "said"\n', ["said is free text by the dictionary, and is not read"]),
        (
            MAPPING + VISITS + 'columns.source_code = "mail"\n',
            ["mail is an identifier by the dictionary, and is not read"],
        ),
        (
            MAPPING + 'columns.death_date = "died"\n',
            ["died is flagged an identifier: { year = 'died' } reads its year", "identifier_dates under [redcap]"],
        ),
        (
            MAPPING + "where = { ills = 1 }\n",
            ["ills is a checkbox: name a box (ills___1), or make rows of them, ticked"],
        ),
        (
            swap("Female =", "Femal ="),
            ["columns.sex: 'Femal' is the label of 0 choices of sex.", "Did you mean 'Female'"],
        ),
        (swap('choice = "sex"', 'choice = "id"'), ["sex is to be a choice of id, which has no choices; use recode"]),
        (swap("choice", "recode"), ["sex has no code 'Female'; its codes are 1 (Female), 2 (Male), -9 (Not told)"]),
        (MAPPING + "where = { sex = [1, 3] }\n", ["sex has no code '3'; its codes are 1 (Female)"]),
        (
            MAPPING + "where = { ills___1 = 2 }\n",
            ["ills___1 has no code '2'; its codes are 0 (not ticked), 1 (ticked)"],
        ),
        (
            MAPPING + "where = { people_complete = 'Complete' }\n",
            ["people_complete has no code 'Complete'; its codes are 0 (Inc"],
        ),
        (
            MAPPING + 'join."form:visit" = { on = "id", where = { visit_complete = 7 } }\n',
            ["visit_complete has no code '7'"],
        ),
        (MAPPING + "ticked = 'sex'\n", ["ticked = 'sex' is no checkbox field of form:people.", "ills"]),
        (MAPPING + CONDITIONS.replace("Diabetes =", "Diabete ="), ["'Diabete' is the label of 0 choices of ills"]),
    ],
)
def test_a_mapping_that_does_not_fit_the_dictionary(
    tmp_path: Path, refused: Callable[..., None], mapping: str, words: list[str]
) -> None:
    project(tmp_path)
    refused(InputError, lambda: imported(tmp_path, mapping), *words)
    assert not (tmp_path / "cohort").exists()


def test_a_label_of_two_choices_is_refused(tmp_path: Path, refused: Callable[..., None]) -> None:
    project(tmp_path, dictionary=DICTIONARY.replace("-9, Not told", "-9, Male"))
    refused(
        InputError, lambda: imported(tmp_path), "'Male' is the label of 2 choices of sex. Write its code, with recode."
    )


def test_a_field_that_was_not_exported_is_named(tmp_path: Path, refused: Callable[..., None]) -> None:
    project(tmp_path, header="id,people_complete\n", rows="id-4711,2\n")
    refused(InputError, lambda: imported(tmp_path), "sex is not in export.csv; export the form people again, with it")
    ticked = CONDITIONS.replace('choice = "ills", ', 'recode = "ills", ').replace("Diabetes", "1")
    words = "no box of ills is in export.csv; export its form again"
    bare = MAPPING.partition("columns.sex")[0]
    refused(InputError, lambda: imported(tmp_path, bare + ticked), words)


def test_forms_and_choices_are_not_for_flat_files(tmp_path: Path, refused: Callable[..., None]) -> None:
    (tmp_path / "people.csv").write_text("id,sex\n1,1\n", encoding="utf-8")
    flat = swap("[tables", '[files]\npeople = "people.csv"\n[tables', 1)

    def run(mapping: str) -> Any:
        (tmp_path / "mapping.toml").write_text(mapping, encoding="utf-8")
        return fbss.import_tables(tmp_path, tmp_path / "cohort", mapping=tmp_path / "mapping.toml")

    refused(InputError, lambda: run(flat), "tables.patients.from names a form", "import_redcap")
    words = "columns.sex reads labels off a REDCap dictionary; a file has none: recode its words"
    refused(InputError, lambda: run(flat.replace("form:people", "people")), words)
    refused(InputError, lambda: run(flat.replace("form:people", "people") + "ticked = 'sex'\n"), "has no key 'ticked'")


@pytest.mark.parametrize("how", ["{ constant = 2015-01-01 }", '{ recode = "seen", words = { a = "b" } }'])
def test_spans_are_read_off_days_only(tmp_path: Path, refused: Callable[..., None], how: str) -> None:
    project(tmp_path)
    spans = (
        f'[tables.observation_periods]\nfrom = "form:visit"\nfrom_first_to_last = {how}\ncolumns.patient_id = "id"\n'
    )
    spans += 'columns.domain = { constant = "registry" }\n'
    refused(InputError, lambda: imported(tmp_path, MAPPING + spans), "from_first_to_last reads days: write 'column'")


def test_a_template_of_which_a_word_is_wrong_is_refused(tmp_path: Path, refused: Callable[..., None]) -> None:
    project(tmp_path)
    refused(
        InputError, lambda: imported(tmp_path, template()), "there is no 'form:demographics'", "Known: people, visit"
    )


# --- new ids --------------------------------------------------------------------------------------------------------


def test_record_ids_that_identify_are_drawn_anew_or_refused(tmp_path: Path, refused: Callable[..., None]) -> None:
    project(tmp_path, dictionary=DICTIONARY.replace("id,people,text,Record,,,", "id,people,text,Record,,,y"))
    refused(InputError, lambda: imported(tmp_path), "id is flagged an identifier: name a key file", "new_ids=")
    assert imported(tmp_path, new_ids=tmp_path / "key.csv").counts["patients"] == 2


def test_new_ids_stand_everywhere_and_stay_the_same(tmp_path: Path) -> None:
    key = tmp_path / "key.csv"
    project(tmp_path, rows=ROWS.replace("2015-03-31", "2015-02-30"))
    with pytest.warns(StudyWarning, match="date cannot be read"):
        source = imported(tmp_path, MAPPING + VISITS + CONDITIONS, new_ids=key)
    lines = key.read_text(encoding="utf-8").split()
    assert lines[0] == "old_id,new_id"
    new = dict(line.split(",") for line in lines[1:])
    assert list(new) == ["id-4711", "id-4712"]
    assert all(len(each) == 10 and each[0] == "P" and each[1:].isdigit() for each in new.values())
    assert key.stat().st_mode & 0o077 == 0
    for name in source.tables:
        assert set(source.tables[name]["patient_id"].to_pylist()) <= set(new.values())
    assert source.quarantine["measurements"]["id"].to_pylist() == [new["id-4711"]]
    assert all(b"id-471" not in file.read_bytes() for file in (tmp_path / "cohort").rglob("*") if file.is_file())
    project(tmp_path, rows="id-4713,first_arm_1,,,,,1,1,0,1,told,2,,,,\n" + ROWS)
    again = imported(tmp_path, new_ids=key)
    kept = dict(line.split(",") for line in key.read_text(encoding="utf-8").split()[1:])
    assert {old: kept[old] for old in new} == new
    assert set(again.tables["patients"]["patient_id"].to_pylist()) == set(kept.values())


def test_a_key_is_kept_apart_from_the_cohort(tmp_path: Path, refused: Callable[..., None]) -> None:
    project(tmp_path)
    refused(
        InputError,
        lambda: imported(tmp_path, new_ids=tmp_path / "cohort" / "key.csv"),
        "would lie in the cohort folder",
    )
    refused(
        InputError,
        lambda: imported(tmp_path, new_ids=tmp_path / "no" / "key.csv"),
        "There is no folder 'no' for the key",
    )
    (tmp_path / "export_key.csv").write_text("something,else\n", encoding="utf-8")
    words = "export_key.csv is no key of ids written here; name another file, and keep this one"
    refused(DataError, lambda: imported(tmp_path, new_ids=tmp_path / "export_key.csv"), words)
    assert (tmp_path / "export_key.csv").read_text(encoding="utf-8") == "something,else\n"
