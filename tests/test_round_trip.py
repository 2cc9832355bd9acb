"""A simulated cohort written as each kind of extract comes back as equal tables, as far as the format goes.

What is in the files is also read without this library: by the csv module and mappings written by hand.
"""

from __future__ import annotations

import csv
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest

import fbss_analytics as fbss

SCENARIOS = ("neuromodulation", "surgical")
Rows = list[dict[str, str]]
ICD = {
    "722.83": "fbss", "M96.1": "fbss", "338.4": "chronic_pain", "G89.4": "chronic_pain", "724.2": "low_back_pain",
    "M54.5": "low_back_pain", "M54.50": "low_back_pain", "401.9": "hypertension", "I10": "hypertension",
    "250.00": "diabetes", "E11.9": "diabetes", "311": "depression", "F32.9": "depression", "199.1": "cancer",
    "C80.1": "cancer", "724.4": "radiculopathy", "M54.17": "radiculopathy",
}  # fmt: skip
"""Diagnoses by code, written here by hand."""
CPT_OPERATIONS = {
    "63030": "discectomy", "63005": "laminectomy", "63047": "decompression", "22612": "fusion", "63042": "laminotomy",
    "63056": "foraminotomy", "22852": "hardware_removal", "22015": "debridement", "63707": "dural_repair",
}  # fmt: skip


@pytest.fixture(scope="module", params=SCENARIOS)
def source(request: pytest.FixtureRequest) -> fbss.Source:
    return fbss.simulate(request.param, n_patients=400, seed=1)


@pytest.fixture(scope="module")
def extracts(source: fbss.Source, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    here = tmp_path_factory.mktemp("extracts")
    formats = ("tables", "omop", "redcap", "claims")
    return {kind: fbss.write_extract(source, here / kind, format=kind) for kind in formats}


def read(file: Path) -> Rows:
    with file.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def frame_of(source: fbss.Source, table: str, ids: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Return a table as objects, missing values None, in the order of our ids and of its rows."""
    frame = source.tables[table].to_pandas().astype(object)
    frame = frame.where(frame.notna(), None)
    if ids is not None:
        frame["patient_id"] = frame["patient_id"].map(ids)
    return frame.sort_values("patient_id", kind="stable").reset_index(drop=True)


def assert_equal(left: pd.DataFrame, right: pd.DataFrame, *, without: tuple[str, ...] = ()) -> None:
    names = [name for name in left if name not in without]
    pd.testing.assert_frame_equal(left[names], right[names], check_dtype=False)


def manifest(extract: Path) -> dict[tuple[str, str], int]:
    """Return what an extract does not hold as it stood: table and column -> count."""
    found: Counter[tuple[str, str]] = Counter()
    for each in json.loads((extract / "emitted.json").read_text(encoding="utf-8"))["not_held"]:
        found[each["table"], each.get("column", "")] += each["count"]
    return dict(found)


def words(source: fbss.Source, table: str, *columns: str) -> Counter[tuple[str, ...]]:
    """Return how often each combination of values stands in a table, as text."""
    frame = source.tables[table].select(list(columns)).to_pandas().astype(object)
    return Counter(tuple(map(str, row)) for row in frame.itertuples(index=False, name=None))


# --- our tables


def test_tables_come_back(source: fbss.Source, extracts: dict[str, Path]) -> None:
    back = fbss.read_tables(extracts["tables"])
    assert manifest(extracts["tables"]) == {}
    assert back.counts == source.counts
    for name in source.tables:
        assert back.tables[name].equals(source.tables[name]), name


# --- OMOP


@pytest.fixture(scope="module")
def omop(extracts: dict[str, Path]) -> dict[str, Rows]:
    return {file.stem: read(file) for file in extracts["omop"].glob("*.csv")}


def test_omop_comes_back_as_equal_tables(source: fbss.Source, extracts: dict[str, Path], tmp_path: Path) -> None:
    back = fbss.import_omop(extracts["omop"], tmp_path / "cohort")
    ids = {row["person_id"]: row["person_source_value"] for row in read(extracts["omop"] / "person.csv")}
    assert manifest(extracts["omop"]) == {}
    assert back.quarantine.keys() == set()
    assert back.counts == source.counts
    for name in source.tables:
        # The source tells no codes; those written stand in source_code when they come back.
        assert_equal(frame_of(source, name), frame_of(back, name, ids), without=("source_code",))


REQUIRED = {
    "person": ("person_id", "gender_concept_id", "year_of_birth", "race_concept_id", "ethnicity_concept_id"),
    "observation_period": ("observation_period_id", "person_id", "observation_period_start_date",
                           "observation_period_end_date", "period_type_concept_id"),
    "payer_plan_period": ("payer_plan_period_id", "person_id", "payer_plan_period_start_date",
                          "payer_plan_period_end_date"),
    "visit_occurrence": ("visit_occurrence_id", "person_id", "visit_concept_id", "visit_start_date", "visit_end_date",
                         "visit_type_concept_id"),
    "condition_occurrence": ("condition_occurrence_id", "person_id", "condition_concept_id", "condition_start_date",
                             "condition_type_concept_id"),
    "drug_exposure": ("drug_exposure_id", "person_id", "drug_concept_id", "drug_exposure_start_date",
                      "drug_exposure_end_date", "drug_type_concept_id"),
    "procedure_occurrence": ("procedure_occurrence_id", "person_id", "procedure_concept_id", "procedure_date",
                             "procedure_type_concept_id"),
    "device_exposure": ("device_exposure_id", "person_id", "device_concept_id", "device_exposure_start_date",
                        "device_type_concept_id"),
    "measurement": ("measurement_id", "person_id", "measurement_concept_id", "measurement_date",
                    "measurement_type_concept_id"),
    "observation": ("observation_id", "person_id", "observation_concept_id", "observation_date",
                    "observation_type_concept_id"),
    "death": ("person_id", "death_date"),
    "cdm_source": ("cdm_source_name", "cdm_source_abbreviation", "cdm_holder", "source_release_date",
                   "cdm_release_date", "cdm_version_concept_id", "vocabulary_version"),
    "concept": ("concept_id", "concept_name", "domain_id", "vocabulary_id", "concept_class_id", "concept_code",
                "valid_start_date", "valid_end_date"),
    "concept_ancestor": ("ancestor_concept_id", "descendant_concept_id", "min_levels_of_separation",
                         "max_levels_of_separation"),
    "drug_strength": ("drug_concept_id", "ingredient_concept_id", "valid_start_date", "valid_end_date"),
}  # fmt: skip
"""The columns that are NOT NULL in the DDL of the CDM 5.4 (github.com/OHDSI/CommonDataModel, inst/ddl/5.4)."""
LENGTHS = {"value_as_string": 60, "vocabulary_version": 20, "cdm_source_abbreviation": 25, "concept_name": 255}


def test_omop_fits_the_model(omop: dict[str, Rows]) -> None:
    assert set(omop) == set(REQUIRED)
    persons = {row["person_id"] for row in omop["person"]}
    concepts = {row["concept_id"] for row in omop["concept"]}
    for table, rows in omop.items():
        for row in rows:
            assert all(row[name] for name in REQUIRED[table]), table
            for name, value in row.items():
                # person_id, visit_occurrence_id, ...: signed 64-bit integers.
                if name.endswith("_id") and value and name not in ("domain_id", "vocabulary_id", "concept_class_id"):
                    assert -(2**63) <= int(value) < 2**63
                if name.endswith("_date") and value:
                    date.fromisoformat(value)
                if name.endswith("_source_value"):
                    assert len(value) <= 50
                assert len(value) <= LENGTHS.get(name, 10**9)
                # Concepts of the site stand in the extract's own vocabulary.
                if name.endswith("concept_id") and value and int(value) > 2_000_000_000:
                    assert value in concepts
            assert row.get("person_id", next(iter(persons))) in persons
        if table not in ("death", "cdm_source", "concept_ancestor", "drug_strength"):
            keys = [next(iter(row.values())) for row in rows]
            assert len(keys) == len(set(keys)), table
    assert any(int(each) < 0 for each in persons)


def test_details_point_to_rows_that_are_there(omop: dict[str, Rows]) -> None:
    code = {row["concept_id"]: row["concept_code"] for row in omop["concept"]}
    ids = {f"{table}_id": {row[f"{table}_id"] for row in rows} for table, rows in omop.items() if table in REQUIRED
           and f"{table}_id" in REQUIRED[table]}  # fmt: skip
    pointing = [row for row in omop["observation"] if row["observation_event_id"]]
    assert pointing
    for row in pointing:
        assert row["observation_event_id"] in ids[code[row["obs_event_field_concept_id"]].removeprefix("field/")]


def test_omop_read_by_hand(source: fbss.Source, omop: dict[str, Rows]) -> None:
    person = {row["person_id"]: row["person_source_value"] for row in omop["person"]}
    code = {row["concept_id"]: row["concept_code"] for row in omop["concept"]}
    sexes = {"8507": "male", "8532": "female"}
    assert Counter((person[row["person_id"]], sexes[row["gender_concept_id"]], row["year_of_birth"]) for row in
                   omop["person"]) == words(source, "patients", "patient_id", "sex", "birth_year")  # fmt: skip
    diagnoses = Counter(
        (person[row["person_id"]], row["condition_start_date"], ICD[row["condition_source_value"]])
        for row in omop["condition_occurrence"]
        if row["condition_source_value"] in ICD
    )
    told = words(source, "conditions", "patient_id", "date", "condition")
    assert diagnoses == Counter({key: n for key, n in told.items() if key[2] in ICD.values()})
    scores = Counter(
        (person[row["person_id"]], row["measurement_date"], code[row["measurement_source_concept_id"]],
         float(row["value_as_number"]))
        for row in omop["measurement"]
    )  # fmt: skip
    assert scores == Counter(
        (row.patient_id, str(row.date), f"measurements/{row.measure}", row.value)
        for row in source.tables["measurements"].to_pandas().itertuples()
    )


def test_omop_drugs_read_by_hand(source: fbss.Source, omop: dict[str, Rows]) -> None:
    person = {row["person_id"]: row["person_source_value"] for row in omop["person"]}
    name = {row["concept_id"]: row["concept_name"] for row in omop["concept"]}
    strength = {row["drug_concept_id"]: row["amount_value"] or row["numerator_value"] for row in omop["drug_strength"]}
    base = {row["descendant_concept_id"]: name[row["ancestor_concept_id"]] for row in omop["concept_ancestor"]}
    fills: Counter[tuple[str, ...]] = Counter()
    for row in omop["drug_exposure"]:
        first, last = (date.fromisoformat(row[f"drug_exposure_{end}_date"]) for end in ("start", "end"))
        if row["drug_concept_id"] != "0":
            assert last - first == timedelta(days=int(row["days_supply"]) - 1)
            assert name[row["drug_concept_id"]].startswith(base[row["drug_concept_id"]])
            milligrams = strength.get(row["drug_concept_id"], "nan")
            fills[person[row["person_id"]], str(first), base[row["drug_concept_id"]], str(float(milligrams)),
                  str(float(row["quantity"])), row["days_supply"]] += 1  # fmt: skip
    columns = ("patient_id", "date", "ingredient", "strength_value", "quantity", "days_supply")
    assert fills == words(source, "dispensings", *columns)


def test_omop_devices_read_by_hand(source: fbss.Source, omop: dict[str, Rows]) -> None:
    person = {row["person_id"]: row["person_source_value"] for row in omop["person"]}
    procedures = [(person[row["person_id"]], row["procedure_date"], row["procedure_source_value"]) for row in
                  omop["procedure_occurrence"]]  # fmt: skip
    events = words(source, "device_events", "patient_id", "date", "component", "event")

    def rows(component: str, event: str) -> Counter[tuple[str, ...]]:
        return Counter({key[:2]: n for key, n in events.items() if key[2:] == (component, event)})

    assert Counter(each[:2] for each in procedures if each[2] in ("0JPT0MZ", "86.05")) == rows("generator", "explant")
    assert Counter(each[:2] for each in procedures if each[2] in ("62369", "95991")) == rows("pump", "refill")
    assert Counter(each[:2] for each in procedures if each[2] == "62365") == rows("pump", "explant")
    # ICD-10 began on 1 October 2015.
    assert all(day >= "2015-10-01" for _, day, code in procedures if code.startswith("0J"))
    assert all(row["condition_start_date"] < "2015-10-01" for row in omop["condition_occurrence"] if
               re.fullmatch(r"\d{3}(\.\d+)?", row["condition_source_value"]))  # fmt: skip


# --- REDCap

KEYS = ("record_id", "redcap_event_name", "redcap_repeat_instrument", "redcap_repeat_instance")
MISSING = "-99"


@pytest.fixture(scope="module")
def redcap(extracts: dict[str, Path]) -> tuple[Rows, Rows]:
    return read(extracts["redcap"] / "data.csv"), read(extracts["redcap"] / "dictionary.csv")


def choices(field: dict[str, str]) -> dict[str, str]:
    """Return code -> label of a field."""
    text = field["Choices, Calculations, OR Slider Labels"]
    return dict(tuple(map(str.strip, part.split(",", 1))) for part in text.split("|")) if text else {}  # type: ignore[misc]


def test_redcap_comes_back_as_equal_tables(source: fbss.Source, extracts: dict[str, Path], tmp_path: Path) -> None:
    here = extracts["redcap"]
    back = fbss.import_redcap(
        here / "data.csv", here / "dictionary.csv", to=tmp_path / "cohort", mapping=here / "mapping.toml"
    )
    assert manifest(here) == {}
    assert back.counts == source.counts
    for name in source.tables:
        assert back.tables[name].equals(source.tables[name]), name


def columns_of(dictionary: Rows) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield every column of an export that a dictionary asks for, with its field."""
    for field in dictionary:
        if field["Field Type"] == "checkbox":
            for code in (*choices(field), MISSING):
                yield f"{field['Variable / Field Name']}___{code.replace('-', '_')}", field
        else:
            yield field["Variable / Field Name"], field


def test_redcap_fits_its_dictionary(redcap: tuple[Rows, Rows]) -> None:
    data, dictionary = redcap
    fields = dict(columns_of(dictionary))
    forms = list(dict.fromkeys(field["Form Name"] for field in dictionary))
    assert set(data[0]) == {*KEYS, *fields, *(f"{form}_complete" for form in forms)}
    keys = [tuple(row[name] for name in KEYS) for row in data]
    assert len(keys) == len(set(keys))
    instances: defaultdict[tuple[str, ...], list[int]] = defaultdict(list)
    once = {"enrolment_arm_1": "enrolment", "visit_arm_1": "scores"}
    for row in data:
        form = row["redcap_repeat_instrument"] or once[row["redcap_event_name"]]
        assert form in forms
        assert (row["redcap_event_name"] in once) == (row["redcap_repeat_instrument"] == "")
        if row["redcap_event_name"] == "enrolment_arm_1":
            assert row["redcap_repeat_instance"] == ""
        else:
            instances[row["record_id"], form].append(int(row["redcap_repeat_instance"]))
        for name, value in row.items():
            if name in KEYS or not value:
                continue
            if name.endswith("_complete"):
                assert (name, value) == (f"{form}_complete", "2")
                continue
            assert fields[name]["Form Name"] == form
            assert_value(fields[name], value)
    assert all(found == list(range(1, len(found) + 1)) for found in instances.values())


def assert_value(field: dict[str, str], value: str) -> None:
    """Check one value against its field: a code of its choices, a box, a date, a number, or the missing-data code."""
    kind, validation = field["Field Type"], field["Text Validation Type OR Show Slider Number"]
    if kind in ("checkbox", "yesno"):
        assert value in ("0", "1")
    elif value != MISSING and kind == "radio":
        assert value in choices(field)
    elif value != MISSING and validation == "date_ymd":
        date.fromisoformat(value)
    elif value != MISSING and validation == "integer":
        int(value)
    elif value != MISSING and validation == "number":
        float(value)


def test_redcap_read_by_hand(source: fbss.Source, redcap: tuple[Rows, Rows]) -> None:
    data, dictionary = redcap
    label = {field["Variable / Field Name"]: choices(field) for field in dictionary}

    def said(row: dict[str, str], name: str) -> str:
        return label[name][row[name]].lower().replace(" ", "_") if row[name] not in ("", MISSING) else "None"

    fills = Counter(
        (row["record_id"], row["fill_date"], said(row, "fill_ingredient"), said(row, "fill_form"),
         str(float(row["fill_strength_value"].replace(MISSING, "nan"))), str(float(row["fill_quantity"])))
        for row in data
        if row["redcap_repeat_instrument"] == "fill"
    )  # fmt: skip
    columns = ("patient_id", "date", "ingredient", "form", "strength_value", "quantity")
    assert fills == words(source, "dispensings", *columns)
    ticked = Counter(
        (row["record_id"], row["dx_date"], label["dx_condition"][name.partition("___")[2]].lower().replace(" ", "_"))
        for row in data
        if row["redcap_repeat_instrument"] == "diagnosis"
        for name, value in row.items()
        if name.startswith("dx_condition___") and value == "1"
    )
    assert ticked == words(source, "conditions", "patient_id", "date", "condition")
    pain = Counter((row["record_id"], row["sc_date"], str(float(row["sc_nrs_back"]))) for row in data if
                   row["sc_nrs_back"])  # fmt: skip
    told = words(source, "measurements", "patient_id", "date", "value", "measure")
    assert pain == Counter({key[:3]: n for key, n in told.items() if key[3] == "nrs_back"})
    assert any(row["fill_strength_value"] == MISSING for row in data)


# --- claims


@pytest.fixture(scope="module")
def claims(extracts: dict[str, Path]) -> dict[str, Rows]:
    return {file.stem: read(file) for file in extracts["claims"].glob("*.csv")}


CODE = {
    "CPT4": r"\d{4}[0-9T]", "HCPCS": r"[A-Z]\d{4}", "ICD10CM": r"[A-Z]\d[0-9A-Z](\.[0-9A-Z]{1,4})?",
    "ICD9CM": r"(\d{3}|V\d{2})(\.\d{1,2})?",
}  # fmt: skip


def test_claims_fit_their_schema(claims: dict[str, Rows]) -> None:
    assert set(claims) == {"members", "enrolment", "pharmacy", "medical", "inpatient", "drugs"}
    members = {row["member_id"] for row in claims["members"]}
    drugs = {row["ndc"] for row in claims["drugs"]}
    assert len(drugs) == len(claims["drugs"])
    assert all(re.fullmatch(r"\d{11}", ndc) for ndc in drugs)
    for rows in claims.values():
        for row in rows:
            assert row.get("member_id", next(iter(members))) in members
            for name, value in row.items():
                if name.endswith("_date") and value:
                    date.fromisoformat(value)
    for row in claims["pharmacy"]:
        assert row["ndc"] in drugs
        assert int(row["days_supply"]) >= 1
        assert float(row["quantity"]) > 0
    lines: defaultdict[str, list[int]] = defaultdict(list)
    for row in claims["medical"]:
        lines[row["claim_id"]].append(int(row["line"]))
        assert re.fullmatch(CODE[row["code_type"]], row["procedure_code"])
        assert bool(row["dx1"]) == bool(row["dx_type"])
        assert not row["dx1"] or re.fullmatch(CODE[row["dx_type"]], row["dx1"])
        assert not row["dx1"] or (row["dx_type"] == "ICD10CM") == (row["service_date"] >= "2015-10-01")
        assert row["place_of_service"] in ("11", "21", "22")
        assert row["modifier"] in ("", "LT", "RT", "50")
    assert all(found == list(range(1, len(found) + 1)) for found in lines.values())
    for table in ("pharmacy", "inpatient"):
        assert len({row["claim_id"] for row in claims[table]}) == len(claims[table])


def test_ambiguous_codes_stand_as_claims_have_them(source: fbss.Source, claims: dict[str, Rows]) -> None:
    events = source.tables["device_events"].to_pandas()
    path = events["component"].astype(str) + "/" + events["event"].astype(str)
    scs, percutaneous = events["device"] == "scs", events["lead_type"] != "paddle"
    expected = {
        "63650": scs & ((path == "system/trial_start") | ((path == "lead/implant") & percutaneous)),
        "63685": scs & path.isin(["generator/implant", "generator/replace", "generator/upgrade"]),
        "63688": scs & path.isin(["generator/explant", "generator/revise"]),
    }
    for code, told in expected.items():
        lines = Counter((row["member_id"], row["service_date"]) for row in claims["medical"] if
                        row["procedure_code"] == code)  # fmt: skip
        assert lines == Counter(zip(events.loc[told, "patient_id"], events.loc[told, "date"].astype(str), strict=True))


def test_claims_read_by_hand(source: fbss.Source, claims: dict[str, Rows]) -> None:
    drug = {row["ndc"]: row for row in claims["drugs"]}
    fills = Counter(
        (row["member_id"], row["fill_date"], drug[row["ndc"]]["ingredient"], drug[row["ndc"]]["form"],
         str(float(drug[row["ndc"]]["strength"] or "nan")), str(float(row["quantity"])), row["days_supply"])
        for row in claims["pharmacy"]
        if drug[row["ndc"]]["drug_class"] == "opioid"
    )  # fmt: skip
    columns = ("patient_id", "date", "ingredient", "form", "strength_value", "quantity", "days_supply")
    assert fills == words(source, "dispensings", *columns)
    diagnoses = Counter(
        (row["member_id"], row["service_date"], ICD[row["dx1"]])
        for row in claims["medical"]
        if row["procedure_code"] == "99213" and row["dx1"] in ICD
    )
    told = words(source, "conditions", "patient_id", "date", "condition")
    assert diagnoses == Counter({key: n for key, n in told.items() if key[2] in ICD.values()})
    by_claim: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for row in claims["medical"]:
        if row["procedure_code"] in (*CPT_OPERATIONS, "22842"):
            by_claim[row["member_id"], row["service_date"]].add(row["procedure_code"])
    for row in source.tables["surgeries"].to_pandas().itertuples():
        codes = by_claim[row.patient_id, str(row.date)]
        found = {CPT_OPERATIONS[code] for code in codes - {"22842"}}
        composed = {"decompression", "fusion"} if row.procedure == "decompression_fusion" else {row.procedure}
        assert found == composed
        assert ("22842" in codes) == bool(row.instrumented)


def test_claims_come_back_as_far_as_they_go(source: fbss.Source, extracts: dict[str, Path], tmp_path: Path) -> None:
    here = extracts["claims"]
    back = fbss.import_tables(here, tmp_path / "cohort", mapping=here / "mapping.toml")
    lost = manifest(here)
    assert back.quarantine.keys() == set()
    assert "measurements" not in back.tables
    assert lost["measurements", ""] == source.counts["measurements"]
    for name in ("patients", "observation_periods", "stays"):
        assert_equal(frame_of(source, name), frame_of(back, name), without=("end_reason", "reason"))
    fills = ("dispensing_id", "source_code", "vocabulary")
    order = [name for name in source.tables["dispensings"].column_names if name not in fills]
    both = [frame_of(each, "dispensings").sort_values(order).reset_index(drop=True) for each in (source, back)]
    assert_equal(*both, without=fills)
    told = frame_of(source, "surgeries").assign(
        procedure=lambda rows: rows["procedure"].replace("decompression_fusion", "fusion"),
        side=lambda rows: rows["side"].where(rows["side"] != "midline", None),
        indication=lambda rows: rows["indication"].where(~rows["indication"].isin(["other", "infection"]), None),
    )
    same = ["patient_id", "surgery_id", "date", "procedure", "side", "indication", "setting"]
    assert_equal(told[same], frame_of(back, "surgeries")[same])
    for name, key in (("conditions", "condition"), ("therapies", "therapy"), ("attributes", "attribute")):
        before, after = words(source, name, "patient_id", key), words(back, name, "patient_id", key)
        assert after <= before
        assert (before - after).total() == lost[name, ""]


def test_claims_tell_device_events_as_far_as_codes_go(
    source: fbss.Source, extracts: dict[str, Path], tmp_path: Path
) -> None:
    here = extracts["claims"]
    back = fbss.import_tables(here, tmp_path / "cohort", mapping=here / "mapping.toml")
    key = ("patient_id", "date", "device", "component", "event")
    before, after = words(source, "device_events", *key), words(back, "device_events", *key)
    later = {"replace", "upgrade"}
    as_read = Counter(
        {
            each: before[each] + sum(before[(*each[:4], event)] for event in later)
            + (before[(*each[:4], "revise")] if each[3] == "catheter" else 0)
            for each in {(*row[:4], "implant") for row in before if row[3] in ("generator", "pump", "catheter")}
        }
    )  # fmt: skip
    implants = Counter({each: n for each, n in after.items() if each[4] == "implant" and each[3] != "lead"})
    assert implants == +as_read
    leads = source.tables["device_events"].to_pandas()
    paddles = leads[(leads["component"] == "lead") & (leads["event"] == "implant") & (leads["lead_type"] == "paddle")]
    assert sum(n for each, n in after.items() if each[3:] == ("lead", "implant")) == len(paddles)
    assert {each[4] for each in after if each[3] == "generator"} <= {"implant"}
    infected = [row for row in back.tables["device_events"].to_pylist() if row["reason"]]
    assert {row["reason"] for row in infected} <= {"infection"}
