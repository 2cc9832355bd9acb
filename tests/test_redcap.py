"""REDCap projects become tables: repeating structure intact, every row with one disposition, nothing personal read."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from datetime import date
from pathlib import Path

import pytest
from extracts import fates as table_fates
from redcap_cases import (
    CONDITIONS,
    DICTIONARY,
    HEADER,
    MAPPING,
    PROJECTS,
    ROWS,
    SAMPLE,
    VISITS,
    fates,
    form,
    imported,
    project,
    read,
    template,
)

import fbss_analytics as fbss
from fbss_analytics.errors import StudyWarning
from fbss_analytics.sources.recipe import RedcapSpec
from fbss_analytics.sources.redcap_dictionary import read_dictionary
from fbss_analytics.sources.redcap_export import Export, read_export
from fbss_analytics.sources.redcap_forms import FORM_RULES
from fbss_analytics.sources.source import Source

GUIDE = Path(__file__).parents[1] / "docs" / "your_own_data.md"
pytestmark = pytest.mark.filterwarnings("ignore:.*not read, by what")


# --- forms ----------------------------------------------------------------------------------------------------------


def test_each_form_is_a_table_of_record_event_and_instance(tmp_path: Path) -> None:
    export = read(project(tmp_path))
    visits = form(export, "visit")
    assert visits.rows.to_pylist() == [
        {"id": "id-4711", "redcap_event_name": "first_arm_1", "redcap_repeat_instrument": "visit",
         "redcap_repeat_instance": instance, "visit_complete": "2", "seen": seen, "score": score}
        for instance, seen, score in (("1", "2015-03-31", "7.25"), ("2", "2015-04-30", "6"))
    ]  # fmt: skip
    assert visits.whole.lines.tolist() == [2, 3]
    assert form(export, "people").whole.lines.tolist() == [1, 4]
    assert fates(export, "visit") == {"accepted": 2, "F02": 2}
    assert fates(export, "people") == {"accepted": 2, "F01": 2}


def test_a_project_without_events_or_repeats_has_none_of_their_columns(tmp_path: Path) -> None:
    header = "id,sex,people_complete\n"
    export = read(project(tmp_path, header=header, rows="1,2,2\n2,,0\n"))
    assert form(export, "people").rows.column_names == ["id", "people_complete", "sex"]
    assert export.withheld == {}
    assert fates(export, "people") == {"accepted": 1, "F02": 1}
    assert fates(export, "visit") == {"accepted": 0, "F02": 2}


@pytest.mark.parametrize(
    ("cells", "is_row"),
    [
        (",,,0,0,0,,", False),
        (",,,0,0,0,,0", False),
        (",,,,,,,1", True),
        (",,,,,,,2", True),
        (",,,0,1,0,,0", True),
        (",,,0,0,0,told,0", True),
        ("1961-04-30,,,0,0,0,,0", True),
        (",,1,0,0,0,,0", True),
        (",,UNK,0,0,0,,0", True),
        (",, ,0,0,0,,0", False),
    ],
)
def test_a_form_is_a_row_where_it_holds_a_value_a_tick_or_a_status(tmp_path: Path, cells: str, is_row: bool) -> None:
    rows = ROWS + f"id-4713,first_arm_1,,,{cells},,,,\n"
    export = read(project(tmp_path, rows=rows), RedcapSpec(nulls=("UNK",)))
    assert (5 in form(export, "people").whole.lines) == is_row


def test_repeating_forms_and_repeating_events_mix_in_one_file(tmp_path: Path) -> None:
    # A visit repeats as a form in the first event, and with its event in the second.
    rows = ROWS + "id-4711,later_arm_1,,1,,,,,,,,,2016-01-01,1,,2\nid-4711,later_arm_1,,2,,,,,,,,,2016-02-01,2,,2\n"
    export = read(project(tmp_path, rows=rows))
    named = [
        (row["redcap_event_name"], row["redcap_repeat_instrument"], row["redcap_repeat_instance"])
        for row in form(export, "visit").rows.to_pylist()
    ]
    assert named == [
        ("first_arm_1", "visit", "1"),
        ("first_arm_1", "visit", "2"),
        ("later_arm_1", None, "1"),
        ("later_arm_1", None, "2"),
    ]
    assert fates(export, "visit") == {"accepted": 4, "F02": 2}


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        ("id-4711,first_arm_1,visit,1,,,,,,,,,2015-03-31,7.25,,2", "F03"),
        ("id-4712,first_arm_1,people,1,,,,0,0,0,,0,2015-03-31,7,,2", "F04"),
        ("id-4711,first_arm_1,visit,2,,,,,,,,,2015-09-30,7,,2", "F05"),
        ("id-4712,first_arm_1,visit,,,,,,,,,,2015-03-31,7,,2", "F06"),
        ("id-4712,first_arm_1,visit,0,,,,,,,,,2015-03-31,7,,2", "F06"),
        ("id-4712,later_arm_1,,1.5,,,,,,,,,2015-03-31,7,,2", "F06"),
        ("id-4713,first_arm_1,,,,,,,,,,,2015-03-31,7,,2", "F07"),
    ],
)
def test_a_row_that_breaks_the_structure_is_counted_under_its_rule(tmp_path: Path, row: str, rule: str) -> None:
    export = read(project(tmp_path, rows=ROWS + row + "\n"))
    found = fates(export, "visit")
    # Of two rows under one name nobody knows which is right: both are set aside.
    both = rule == "F05"
    assert found == {"accepted": 2 - both, "F02": 2, rule: 1 + both}
    if rule != "F03":
        assert not (tmp_path / "cohort").exists()
        with pytest.warns(StudyWarning, match=rule):
            source = imported(tmp_path, MAPPING.replace('Male = "male"', 'Male = "male", "" = "unknown"') + VISITS)
        assert table_fates(source, "measurements")[rule] == 1 + both
        assert source.quarantine["measurements"]["rule"].to_pylist() == [rule] * (1 + both)


def test_rows_without_a_record_id_are_no_repeats_of_each_other(tmp_path: Path) -> None:
    export = read(project(tmp_path, rows=ROWS + ",first_arm_1,visit,1,,,,,,,,,2015-03-31,7,,2\n" * 2))
    assert fates(export, "visit") == {"accepted": 4, "F02": 2}
    with pytest.warns(StudyWarning, match="patient_id is missing"):
        source = imported(tmp_path, MAPPING + VISITS)
    assert table_fates(source, "measurements") == {"accepted": 2, "F02": 2, "R01": 2}


# --- fields ---------------------------------------------------------------------------------------------------------


def test_dates_lose_their_time_and_identifiers_everything_but_the_year_of_a_date(tmp_path: Path) -> None:
    project(tmp_path)
    export = read(tmp_path, RedcapSpec(identifier_dates=("died",)))
    people = form(export, "people").rows
    assert people["died"].to_pylist() == [None, "2018-03-02"]
    assert people["dob"].to_pylist() == ["1961", "1954"]
    assert {"said", "mail"}.isdisjoint(export.rows.column_names)
    assert export.withheld == {"identifiers": ("dob", "mail"), "free text": ("said",)}
    assert export.years == ("dob",)
    assert read(tmp_path).years == ("dob", "died")


def test_missing_data_codes_are_missing_and_a_box_of_one_empties_its_field(tmp_path: Path) -> None:
    header = HEADER.replace("ills___ab,", "ills___ab,ills___nask,ills____9,")
    rows = (
        "id-4711,first_arm_1,,,-9,,NASK,1,0,0,1,0,,2,,,,\nid-4712,first_arm_1,,,,,2,0,1,0,0,0,,2,,NASK,,2\n"
        "id-4713,first_arm_1,,,,,-9999,1,0,0,0,1,,2,,,,\n"
    )
    export = read(project(tmp_path, header=header, rows=rows), RedcapSpec(nulls=("NASK", "-9", "-9999")))
    people = form(export, "people").rows
    assert people["sex"].to_pylist() == [None, "2", None]
    assert people["ills___1"].to_pylist() == [None, "0", None]
    assert people["ills____2"].to_pylist() == [None, "1", None]
    assert {"ills___nask", "ills____9"}.isdisjoint(people.column_names)
    assert form(export, "visit").rows["score"].to_pylist() == [None]


def test_a_decimal_comma_is_read_where_the_dictionary_says_so(tmp_path: Path) -> None:
    dictionary = DICTIONARY.replace(
        "score,visit,calc,Score,[a] + [b],,", "score,visit,text,Score,,number_2dp_comma_decimal,"
    )
    rows = ROWS.replace("7.25", '"7,25"').replace(",6,", ",6,")
    export = read(project(tmp_path, rows=rows, dictionary=dictionary))
    assert form(export, "visit").rows["score"].to_pylist() == ["7.25", "6"]


def test_a_field_is_identified_by_its_flag_or_its_type(tmp_path: Path) -> None:
    kinds = {"text": ("phone", "zipcode", "email", ""), "notes": ("",), "file": ("signature",), "radio": ("",)}
    lines = "id,people,text,Record,,,\n"
    for kind, validations in kinds.items():
        for validation in validations:
            choices = '"1, One"' if kind == "radio" else ""
            lines += f"{kind}_{validation},people,{kind},Label,{choices},{validation},\n"
    (tmp_path / "dictionary.csv").write_text(DICTIONARY.partition("\n")[0] + "\n" + lines, encoding="utf-8")
    fields = read_dictionary(tmp_path / "dictionary.csv").fields
    assert {name: each.withheld for name, each in fields.items()} == {
        "id": "", "text_phone": "identifiers", "text_zipcode": "identifiers", "text_email": "identifiers", "text_": "",
        "notes_": "free text", "file_signature": "files", "radio_": "",
    }  # fmt: skip


@pytest.mark.parametrize("written", ["utf-8", "utf-8-sig", "latin-1", ";", "\t"])
def test_a_byte_order_mark_another_encoding_and_another_delimiter_are_read(tmp_path: Path, written: str) -> None:
    project(tmp_path)
    text = (HEADER + ROWS).replace("told", '"t\u00f6ld,\r\ntwice"')
    encoding = "utf-8"
    delimiter = ","
    if len(written) == 1:
        delimiter = written
        text = (HEADER + ROWS).replace(",", delimiter)
    else:
        encoding = written
    (tmp_path / "export.csv").write_bytes(text.encode(encoding))
    spec = RedcapSpec(delimiter=delimiter, encoding="utf-8" if encoding == "utf-8-sig" else encoding)
    export = read(tmp_path, spec)
    assert export.rows.column_names[0] == "id"
    assert export.rows.num_rows == 4
    assert fates(export, "visit") == {"accepted": 2, "F02": 2}


# --- the sample registry --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Source:
    """The made-up registry of spinal cord stimulators, imported by the template as `fbss new-study` writes it."""
    folder = tmp_path_factory.mktemp("registry")
    (folder / "mapping.toml").write_text(template(), encoding="utf-8")
    with pytest.warns(StudyWarning) as caught:
        source: Source = fbss.import_redcap(
            SAMPLE / "export.csv", SAMPLE / "dictionary.csv", to=folder / "cohort", mapping=folder / "mapping.toml"
        )
    assert [str(each.message) for each in caught] == [
        "export.csv: not read, by what dictionary.csv says of them: identifiers (mrn, dob); files (consent_form); free "
        "text (implant_notes, visit_notes). Of the dates among them the year can be read."
    ]
    assert caught[0].filename == __file__
    return source


def test_the_template_imports_the_sample_registry(registry: Source) -> None:
    assert registry.counts == {
        "patients": 4, "observation_periods": 4, "attributes": 3, "conditions": 7, "measurements": 22,
        "device_events": 10,
    }  # fmt: skip
    people = registry.tables["patients"].select(["patient_id", "birth_year", "sex", "death_date"]).to_pylist()
    assert [tuple(each.values()) for each in people] == [
        ("S-01", 1961, "female", None), ("S-02", 1955, "male", date(2021, 9, 14)), ("S-03", 1972, "male", None),
        ("S-04", 1949, "unknown", None),
    ]  # fmt: skip
    spans = registry.tables["observation_periods"].to_pylist()
    assert [(each["start_date"], each["end_date"], each["end_reason"]) for each in spans] == [
        (date(2018, 1, 15), date(2021, 12, 31), "study_end"), (date(2018, 2, 20), date(2021, 9, 14), "death"),
        (date(2018, 5, 2), date(2019, 2, 1), "lost"), (date(2018, 6, 11), date(2021, 12, 31), "study_end"),
    ]  # fmt: skip


def test_the_life_of_each_device_is_that_of_the_export(registry: Source) -> None:
    events = registry.tables["device_events"].to_pandas()
    found = [
        (row.patient_id, str(row.date), row.component, row.event, row.reason if row.reason == row.reason else None)
        for row in events.itertuples()
    ]
    assert found == [
        ("S-01", "2018-02-09", "system", "trial_end", None),
        ("S-01", "2018-03-01", "generator", "implant", None),
        ("S-01", "2019-05-20", "lead", "revise", "lead_failure_or_migration"),
        ("S-01", "2020-11-03", "generator", "explant", "infection"),
        ("S-02", "2018-03-12", "system", "trial_end", None),
        ("S-02", "2018-04-10", "generator", "implant", None),
        ("S-02", "2021-06-30", "generator", "replace", "battery_end_of_life"),
        ("S-03", "2018-05-30", "system", "trial_end", None),
        ("S-04", "2018-07-01", "system", "trial_end", None),
        ("S-04", "2018-07-20", "generator", "implant", None),
    ]
    assert events["percent_relief"].dropna().tolist() == [70, 55, 20, 80]
    assert events["trial_success"].dropna().tolist() == [True, True, False, True]
    assert events["rechargeable"].dropna().tolist() == [True, False, True]


def test_the_visits_are_those_of_an_independent_reading(registry: Source) -> None:
    with (SAMPLE / "export.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    expected = Counter(
        (row["record_id"], row["visit_date"], measure, float(row[field].replace(",", ".")))
        for row in rows
        for field, measure in (("nrs", "nrs_back"), ("odi_sum", "odi"), ("mme", "opioid_mme_per_day"))
        if row[field] not in ("", "NASK", "UNK", "-9999")
    )
    scores = registry.tables["measurements"].to_pylist()
    assert (
        Counter((each["patient_id"], str(each["date"]), each["measure"], each["value"]) for each in scores) == expected
    )


def test_ticked_boxes_are_rows_and_count_once_for_each_box(registry: Source) -> None:
    ill = [(each["patient_id"], each["condition"]) for each in registry.tables["conditions"].to_pylist()]
    assert [each for each in ill if each[1] != "fbss"] == [
        ("S-01", "diabetes"), ("S-01", "depression"), ("S-03", "opioid_use_disorder"),
    ]  # fmt: skip
    boxes = registry.accounting.query("table == 'conditions'")
    # One block reads 20 rows, the other 4 boxes of each of 20 rows: 3 + 13 boxes of 4 people.
    assert boxes["rows"].sum() == 20 + 4 * 20
    assert boxes[boxes["rule"] == "F08"]["rows"].tolist() == [13]


def test_every_row_is_accounted_for_in_every_form_and_table(registry: Source) -> None:
    forms = registry.provenance["redcap"]["forms"]
    assert {form: sum(fate.values()) for form, fate in forms.items()} == dict.fromkeys(forms, 20)
    assert {form: fate["accepted"] for form, fate in forms.items()} == {
        "demographics": 4, "implant": 4, "revision": 3, "opioid_visit": 8, "contact": 4,
    }  # fmt: skip
    blocks = {"conditions": 1 + 4, "measurements": 3, "device_events": 3}
    fed = registry.accounting.groupby("table")["rows"].sum()
    assert fed.to_dict() == {table: 20 * blocks.get(table, 1) for table in registry.counts}
    assert set(registry.accounting["rule"]) <= {"", *FORM_RULES, "X01"}


def test_the_cohort_folder_says_where_it_comes_from_and_holds_nothing_personal(registry: Source) -> None:
    made = registry.provenance
    assert made["kind"] == "imported"
    for name in ("export.csv", "dictionary.csv"):
        assert made["files"][name]["sha256"] == hashlib.sha256((SAMPLE / name).read_bytes()).hexdigest()
    assert made["mapping"]["sha256"] == hashlib.sha256(template().encode()).hexdigest()
    assert made["redcap"]["not_read"]["identifiers"] == ["mrn", "dob"]
    read_back = " ".join(str(table.to_pydict()) for table in registry.tables.values())
    assert [word for word in ("M7000", "04-30", "Tired", "leads") if word in read_back] == []


# --- mappings -------------------------------------------------------------------------------------------------------


def test_rows_set_aside_stand_in_quarantine_without_what_was_not_read(tmp_path: Path) -> None:
    project(tmp_path, rows=ROWS.replace("1961-04-30,,1", "1961-04-30,,-9"))
    with pytest.warns(StudyWarning, match="sex cannot be recoded from sex: 1 distinct value is not") as caught:
        source = imported(tmp_path, MAPPING + 'columns.birth_year = { year = "dob" }\n' + VISITS)
    assert all("4711" not in str(each.message) for each in caught)
    (aside,) = source.quarantine["patients"].to_pylist()
    assert {key: aside[key] for key in ("rule", "file", "line", "id", "dob")} == {
        "rule": "R09", "file": "export.csv (form people)", "line": 1, "id": "id-4711", "dob": "1961",
    }  # fmt: skip
    assert {"said", "mail"}.isdisjoint(aside)
    assert table_fates(source, "patients") == {"accepted": 1, "F01": 2, "R09": 1}
    assert table_fates(source, "measurements") == {"accepted": 0, "F02": 2, "R05": 2}


def test_a_year_is_read_of_a_date_or_of_a_year(tmp_path: Path) -> None:
    project(tmp_path, rows=ROWS + "id-4713,first_arm_1,,,19x,,1,0,0,0,,2,,,,\n")
    with pytest.warns(StudyWarning, match="birth_year cannot be read from dob; expected years, or dates as %Y-%m-%d"):
        source = imported(tmp_path, MAPPING + 'columns.birth_year = { year = "dob" }\n')
    assert source.tables["patients"]["birth_year"].to_pylist() == [1961, 1954]
    head = 'version = 1\nname = "mine"\ncalendar = "gregorian"\nfiles.people = "people.csv"\n[tables.patients]\n'
    head += 'from = "people"\ncolumns.patient_id = "id"\ncolumns.birth_year = { year = "born", format = "%d/%m/%Y" }\n'
    (tmp_path / "people.csv").write_text("id,born\na,30/04/1961\nb,1954\nc,\n", encoding="utf-8")
    (tmp_path / "flat.toml").write_text(head, encoding="utf-8")
    flat = fbss.import_tables(tmp_path, tmp_path / "flat", mapping=tmp_path / "flat.toml")
    assert flat.tables["patients"]["birth_year"].to_pylist() == [1961, 1954, None]


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ('{ choice = "sex", words = { Female = "female", "Not told" = "unknown" }, unmapped = "missing" }',
         ["female", None, "unknown"]),
        ('{ choice = "sex", words = { Female = "female", Male = "male", "Not told" = "", "" = "unknown" } }',
         ["female", "male", None]),
        ('{ recode = "sex", words = { 1 = "female", 2 = "male", -9 = "unknown" } }', ["female", "male", "unknown"]),
    ],
)  # fmt: skip
def test_choices_are_recoded_by_label_or_by_code(tmp_path: Path, how: str, expected: list[str | None]) -> None:
    project(tmp_path, rows=ROWS + "id-4713,first_arm_1,,,1970-01-01,,-9,0,0,0,,2,,,,\n")
    mapping = MAPPING.partition("columns.sex")[0] + f"columns.sex = {how}\n"
    assert imported(tmp_path, mapping).tables["patients"]["sex"].to_pylist() == expected


def test_a_choice_that_is_not_listed_may_keep_its_label(tmp_path: Path) -> None:
    project(tmp_path)
    block = (
        '[tables.attributes]\nfrom = "form:people"\ncolumns.patient_id = "id"\ncolumns.attribute = { constant = '
        '"employment" }\ncolumns.value = { choice = "sex", words = { Female = "f" }, unmapped = "keep" }\n'
    )
    assert imported(tmp_path, MAPPING + block).tables["attributes"]["value"].to_pylist() == ["f", "Male"]


def test_boxes_codes_and_labels_of_a_checkbox(tmp_path: Path) -> None:
    project(tmp_path, rows=ROWS.replace(",2,0,0,0,", ",2,0,1,0,"))
    source = imported(tmp_path, MAPPING + CONDITIONS)
    assert [(each["patient_id"], each["condition"]) for each in source.tables["conditions"].to_pylist()] == [
        ("id-4711", "diabetes"), ("id-4711", "cancer"), ("id-4712", "depression"),
    ]  # fmt: skip
    # 3 boxes of 4 rows: 2 rows hold the form, 2 are of another one.
    assert table_fates(source, "conditions") == {"accepted": 3, "F01": 6, "F08": 3}
    by_code = CONDITIONS.replace("ticked", 'where = { ills = ["1", "A_b"] }\nticked')
    source = imported(tmp_path, MAPPING + by_code)
    assert table_fates(source, "conditions") == {"accepted": 2, "F01": 6, "F08": 3, "X00": 1}
    one_box = CONDITIONS.replace('ticked = "ills"\n', "where = { ills____2 = 1 }\n")
    one_box = one_box.partition("columns.condition")[0] + 'columns.condition = { constant = "depression" }\n'
    source = imported(tmp_path, MAPPING + one_box)
    assert table_fates(source, "conditions") == {"accepted": 1, "F01": 2, "X00": 1}


def test_a_form_may_be_chosen_by_its_event_and_status_and_joined_with_another(tmp_path: Path) -> None:
    rows = ROWS + "id-4711,later_arm_1,,,1961-04-30,,2,0,0,0,,0,,,,\n"
    project(tmp_path, rows=rows)
    chosen = MAPPING + 'where = { redcap_event_name = "first_arm_1", people_complete = [1, 2] }\n'
    visits = VISITS + 'columns.source_code = "form:people.sex"\n'
    visits += 'join."form:people" = { on = "id", where = { people_complete = "2" } }\n'
    source = imported(tmp_path, chosen + visits)
    assert table_fates(source, "patients") == {"accepted": 2, "F01": 2, "X00": 1}
    assert source.tables["measurements"]["source_code"].to_pylist() == ["1", "1"]


def test_spans_from_the_first_to_the_last_visit(tmp_path: Path) -> None:
    project(tmp_path)
    spans = (
        '[tables.observation_periods]\nfrom = "form:visit"\nfrom_first_to_last = "seen"\ncolumns.patient_id = "id"\n'
        'columns.domain = { constant = "registry" }\n'
    )
    (span,) = imported(tmp_path, MAPPING + spans).tables["observation_periods"].to_pylist()
    assert (span["start_date"], span["end_date"]) == (date(2015, 3, 31), date(2015, 4, 30))


@pytest.mark.skipif(not GUIDE.exists(), reason="docs/your_own_data.md is in the repository only")
def test_the_guide_lists_every_rule_of_a_form() -> None:
    page = GUIDE.read_text(encoding="utf-8")
    assert [rule for rule in FORM_RULES if rule not in page] == []


# --- public projects ------------------------------------------------------------------------------------------------

STRUCTURE = {
    "clinical-trial-1": {"demographics": (500, 500, "")},
    "longitudinal": {
        "demographics": (3, 3, ""), "contact_info": (5, 3, ""), "baseline_data": (3, 3, ""),
        "visit_lab_data": (4, 2, ""), "patient_morale_questionnaire": (10, 3, ""),
        "visit_blood_workup": (4, 2, ""), "visit_observed_behavior": (6, 3, ""), "completion_data": (2, 2, ""),
        "completion_project_questionnaire": (3, 3, ""),
    },
    "repeating-instruments-sparse": {"demographics": (5, 5, ""), "bp": (4, 2, "1 2 3 1")},
    "vignette-repeating": {
        "intake": (2, 2, ""), "blood_pressure": (6, 2, "1 2 3 1 2 3"), "laboratory": (4, 2, "1 2 1 2"),
        "image": (5, 2, "1 2 1 2 3"),
    },
}  # fmt: skip
"""Rows and records of each form by its status columns, and its instances, as one reads them in the files."""


def public(name: str) -> Export:
    if not PROJECTS.is_dir():
        pytest.skip("the REDCap projects (../shared/data/redcap) are not here")
    folder = PROJECTS / name
    return read_export(folder / "data.csv", read_dictionary(folder / "dictionary.csv"), RedcapSpec())


@pytest.mark.parametrize("name", STRUCTURE)
def test_a_public_project_keeps_its_repeating_structure(name: str) -> None:
    export = public(name)
    record = export.dictionary.record
    found = {}
    for each in export.dictionary.forms:
        rows = form(export, each).rows
        instances = rows["redcap_repeat_instance"].drop_null().to_pylist() if "repeat" in name else []
        found[each] = (rows.num_rows, len(rows[record].unique()), " ".join(instances))
        assert sum(fates(export, each).values()) == export.rows.num_rows
    assert found == STRUCTURE[name]


@pytest.mark.parametrize("name", STRUCTURE)
def test_the_cells_of_a_public_project_are_those_of_an_independent_reading(name: str) -> None:
    export = public(name)
    with (PROJECTS / name / "data.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    cells = 0
    for each in export.dictionary.forms:
        extract = form(export, each)
        for line, row in zip(extract.whole.lines, extract.rows.to_pylist(), strict=True):
            for column, value in row.items():
                expected = rows[line - 1][column].strip() or None
                assert value == (expected[:4] if column in export.years and expected else expected), (each, column)
                cells += value is not None
    # Nothing that is read stands in a row that became no row of its form; unticked boxes and empty forms hold none.
    empty = {"0", ""}
    keys = {export.dictionary.record, "redcap_event_name", "redcap_repeat_instrument", "redcap_repeat_instance"}
    read_columns = {column for each in export.dictionary.forms for column in export.columns(each)} - keys
    boxes = {column for column in read_columns if "___" in column or column.endswith("_complete")}
    everywhere = sum(
        row[column].strip() not in (empty if column in boxes else {""}) for row in rows for column in read_columns
    )
    held = sum(
        value not in (None, *(("0",) if column in boxes else ()))
        for each in export.dictionary.forms
        for row in form(export, each).rows.to_pylist()
        for column, value in row.items()
        if column not in keys
    )
    assert held == everywhere
    assert cells > held


SEX = 'columns.sex = {{ choice = "{field}", words = {{ Female = "female", Male = "male" }} }}\n'
BORN = 'columns.birth_year = { year = "dob" }\n'
SCORE = """[tables.measurements]
from = "form:{form}"
columns.patient_id = "{record}"
columns.date = {date}
columns.measure = {{ constant = "{measure}" }}
columns.value = {value}
columns.source_code = "{field}"
"""
ONE = {"measure": "sleep", "value": "{ constant = 1 }"}
PUBLIC_MAPPINGS = {
    "clinical-trial-1": ("record_id", "demographics", 500, BORN + SEX.format(field="gender")),
    "longitudinal": (
        "study_id", "demographics", 3, BORN + SEX.format(field="sex")
        + SCORE.format(record="study_id", form="demographics", date='"date_enrolled"', measure="bmi", value='"bmi"',
                       field="bmi"),
    ),
    "repeating-instruments-sparse": (
        "record_id", "demographics", 5, SEX.format(field="sex")
        + SCORE.format(record="record_id", form="bp", date='"date_bp"', field="bp_systolic", **ONE),
    ),
    "vignette-repeating": (
        "record_id", "intake", 2,
        SCORE.format(record="record_id", form="blood_pressure", date="{ constant = 2020-01-01 }", field="sbp", **ONE),
    ),
}  # fmt: skip
"""Record id, form of the people, people, and what else is mapped of each public project."""
MEASURED: dict[str, list[str]] = {
    "clinical-trial-1": [],
    "longitudinal": ["31.3", "27.1", "22.2"],  # 80 / 1.60 ** 2, 66 / 1.56 ** 2, 88 / 1.99 ** 2
    "repeating-instruments-sparse": ["110", "111", "112", "114"],
    "vignette-repeating": ["1.1", "1.2", "1.3", "2.1", "2.2", "2.3"],
}


@pytest.mark.parametrize("name", STRUCTURE)
def test_a_public_project_is_imported_whole(tmp_path: Path, name: str) -> None:
    export = public(name)
    record, people, patients, further = PUBLIC_MAPPINGS[name]
    mapping = f'version = 1\nname = "public"\ncalendar = "gregorian"\n[tables.patients]\nfrom = "form:{people}"\n'
    mapping += f'columns.patient_id = "{record}"\n{further}'
    (tmp_path / "mapping.toml").write_text(mapping, encoding="utf-8")
    folder = PROJECTS / name
    source = fbss.import_redcap(
        folder / "data.csv", folder / "dictionary.csv", to=tmp_path / "cohort", mapping=tmp_path / "mapping.toml"
    )
    assert source.counts["patients"] == patients
    assert not source.quarantine
    measured = source.tables["measurements"]["source_code"].to_pylist() if MEASURED[name] else []
    assert sorted(measured) == sorted(MEASURED[name])
    fed = source.accounting.groupby("table")["rows"].sum()
    assert set(fed) == {export.rows.num_rows}


def test_nothing_is_warned_of_where_everything_is_read(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    project(tmp_path, header="id,sex,people_complete\n", rows="1,2,2\n")
    assert imported(tmp_path).provenance["redcap"]["not_read"] == {}
    assert not recwarn.list
