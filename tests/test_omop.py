"""Importing OMOP: fabricated extracts with every kind of code, and the GiBleed demo where it stands beside us."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow.csv
import pyarrow.parquet as pq
import pytest

import fbss_analytics as fbss
from fbss_analytics.errors import DataError, InputError, StudyWarning
from fbss_analytics.sources.codes import Code, code_list

DEMO = Path(__file__).resolve().parents[2] / "shared" / "data" / "omop_gibleed"
TABLES = {
    "person": "person_id,gender_concept_id,year_of_birth,month_of_birth\n1,8532,1960,2\n2,8507,1955,\n3,0,1970,7\n",
    "observation_period": "person_id,observation_period_start_date,observation_period_end_date\n"
    "1,2010-01-01,2019-12-31\n2,2011-01-01,2015-06-30\n3,2012-01-01,2018-01-01\n9,2012-01-01,2018-01-01\n",
    "death": "person_id,death_date\n2,2015-06-30\n",
    "condition_occurrence": "person_id,condition_concept_id,condition_start_date,condition_source_value\n"
    "1,0,2012-03-01,M96.1\n1,0,2012-03-02,M961\n2,0,2013-05-05 00:00:00,72283\n3,0,2013-01-01,J01.90\n",
    "drug_exposure": "person_id,drug_concept_id,drug_exposure_start_date,drug_type_concept_id,quantity,days_supply,"
    "drug_source_value\n"
    "1,40231925,2012-01-01,38000175,60,30,1049221\n1,40231925,2012-02-01,38000177,60,30,1049221\n"
    "2,1154029,2013-01-01,38000175,10,30,x\n2,19016749,2013-01-02,38000175,1,1,y\n3,999,2013-01-02,38000175,1,1,z\n",
    "procedure_occurrence": "person_id,procedure_concept_id,procedure_date,procedure_source_value\n"
    "1,0,2011-05-04,22630\n1,0,2011-05-04,22632\n1,0,2011-05-04,63047\n1,0,2011-05-04,22842\n"
    "1,0,2012-05-04,63685\n1,0,2016-05-04,63685\n1,0,2012-05-04,63655\n1,0,2017-05-04,63688\n"
    "2,0,2012-01-01,62362\n2,0,2014-01-01,62365\n2,0,2014-06-01,62362\n3,0,2013-01-01,99213\n",
    "device_exposure": "person_id,device_concept_id,device_exposure_start_date,device_source_value\n"
    "1,0,2012-05-04,L8687\n",
}  # fmt: skip
VOCABULARY = {
    "concept": "concept_id,concept_name,vocabulary_id,concept_code\n1124957,oxycodone,RxNorm,7804\n"
    "40231925,Acetaminophen 325 MG / Oxycodone Hydrochloride 5 MG Oral Tablet,RxNorm,1049221\n"
    "1154029,fentanyl,RxNorm,4337\n44,Postlaminectomy,ICD10CM,M96.1\n",
    "concept_ancestor": "ancestor_concept_id,descendant_concept_id\n1124957,40231925\n1154029,1154029\n",
    "drug_strength": "drug_concept_id,ingredient_concept_id,amount_value,amount_unit_concept_id\n"
    "40231925,1124957,5,8576\n40231925,1125315,325,8576\n",
    "cdm_source": "cdm_source_name,cdm_version\nfabricated,v5.4\n",
}
pytestmark = pytest.mark.filterwarnings("ignore:Rows were set aside", "ignore:.*prescriptions written")


def extract(folder: Path, kind: str = "csv", **tables: str) -> Path:
    """Write an extract; ``tables`` replace or add to the fabricated ones."""
    folder.mkdir(exist_ok=True)
    for name, text in (TABLES | tables).items():
        if kind == "gz":
            (folder / f"{name}.csv.gz").write_bytes(gzip.compress(text.encode()))
            continue
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
        if kind == "parquet":
            pq.write_table(pyarrow.csv.read_csv(folder / f"{name}.csv"), folder / f"{name}.parquet")
            (folder / f"{name}.csv").unlink()
    return folder


def rows(source: fbss.Source, table: str, *columns: str) -> list[tuple[object, ...]]:
    frame = source.tables[table].select(list(columns)).to_pandas().astype(object)
    return [tuple(None if x != x else x for x in row) for row in frame.itertuples(index=False)]


@pytest.fixture
def source(tmp_path: Path) -> fbss.Source:
    return fbss.import_omop(extract(tmp_path / "cdm", **VOCABULARY), tmp_path / "cohort")


def test_people_and_deaths(source: fbss.Source) -> None:
    assert rows(source, "patients", "patient_id", "sex") == [("1", "female"), ("2", "male"), ("3", "unknown")]
    assert str(source.tables["patients"]["death_date"].to_pylist()[1]) == "2015-06-30"


def test_observation_is_medical_and_pharmacy_and_orphans_are_set_aside(source: fbss.Source) -> None:
    assert source.counts["observation_periods"] == 6
    aside = source.accounting.query("table == 'observation_periods' and disposition == 'quarantined'")
    assert aside[["rule", "rows"]].to_numpy().tolist() == [["R05", 1], ["R05", 1]]


def test_diagnoses_by_code_with_and_without_dot(source: fbss.Source) -> None:
    assert rows(source, "conditions", "patient_id", "condition") == [("1", "fbss"), ("1", "fbss"), ("2", "fbss")]


def test_opioids_by_ancestor_with_form_and_strength(source: fbss.Source) -> None:
    assert rows(source, "dispensings", "patient_id", "dispensing_id", "ingredient", "form", "strength_value") == [
        ("1", 1, "oxycodone", "tablet", 5.0),
        ("1", 2, "oxycodone", "tablet", 5.0),
        ("2", 1, "fentanyl", None, None),
    ]
    reasons = source.accounting.query("table == 'dispensings' and disposition == 'excluded'")
    assert sorted(reasons["rows"]) == [1, 1]
    assert any("anaesthesia" in words for words in reasons["words"])


def test_operations_of_a_day_are_one(source: fbss.Source) -> None:
    columns = ("patient_id", "surgery_id", "procedure", "region", "instrumented")
    assert rows(source, "surgeries", *columns) == [("1", 1, "decompression_fusion", "lumbar", True)]


def test_devices_in_their_course(source: fbss.Source) -> None:
    columns = ("patient_id", "system_id", "device", "component", "event")
    found = rows(source, "device_events", *columns)
    assert sorted(found[:3]) == [
        ("1", 1, "scs", "generator", "implant"),
        ("1", 1, "scs", "generator", "replace"),
        ("1", 1, "scs", "lead", "implant"),
    ]
    assert found[3:] == [
        ("2", 1, "intrathecal_pump", "pump", "implant"),
        ("2", 1, "intrathecal_pump", "pump", "explant"),
        ("2", 2, "intrathecal_pump", "pump", "implant"),
    ]
    words = " ".join(source.accounting.query("table == 'device_events'")["words"])
    assert "the code alone does not tell" in words
    assert "told already by another code" in words


def test_every_row_is_accounted_for(source: fbss.Source) -> None:
    summed = source.accounting.groupby(["table", "file"])["rows"].sum()
    assert summed["dispensings", "drug_exposure.csv"] == 5
    assert summed["device_events", "procedure_occurrence.csv"] == 12
    assert summed["surgeries", "procedure_occurrence.csv"] == 12


@pytest.mark.parametrize("kind", ["parquet", "gz"])
def test_other_kinds_of_files_give_the_same(source: fbss.Source, tmp_path: Path, kind: str) -> None:
    other = fbss.import_omop(extract(tmp_path / kind, kind, **VOCABULARY), tmp_path / f"{kind}_cohort")
    for name in source.tables:
        assert other.tables[name].equals(source.tables[name]), name


def test_without_a_vocabulary_ingredients_themselves_are_found(tmp_path: Path) -> None:
    bare = fbss.import_omop(extract(tmp_path / "cdm"), tmp_path / "cohort")
    assert rows(bare, "dispensings", "patient_id", "ingredient") == [("2", "fentanyl")]
    assert bare.counts["surgeries"] == 1


def test_dates_that_an_export_wrapped_are_read(tmp_path: Path) -> None:
    wrapped = TABLES["observation_period"].replace(
        "observation_period_start_date", "\"date(observation_period_start_date,'unixepoch')\""
    )
    there = fbss.import_omop(extract(tmp_path / "cdm", observation_period=wrapped), tmp_path / "cohort")
    assert there.counts["observation_periods"] == 6


def test_a_sites_own_codes(tmp_path: Path) -> None:
    own = tmp_path / "own.csv"
    own.write_text("system,code,table,word\nICD10CM,J01.90,conditions,depression\n", encoding="utf-8")
    there = fbss.import_omop(extract(tmp_path / "cdm"), tmp_path / "cohort", mapping=own)
    assert ("3", "depression") in rows(there, "conditions", "patient_id", "condition")
    own.write_text("system,code,table,word\nICD10CM,J01.90,conditions,depresion\n", encoding="utf-8")
    with pytest.raises(InputError, match="Did you mean 'depression'"):
        fbss.import_omop(tmp_path / "cdm", tmp_path / "cohort", mapping=own)
    own.write_text("system,code,table,word\nICD10CM,J01.90,condition,depression\n", encoding="utf-8")
    with pytest.raises(InputError, match="Did you mean 'conditions'"):
        fbss.import_omop(tmp_path / "cdm", tmp_path / "cohort", mapping=own)
    own.write_text("system,code,tabel,word\n", encoding="utf-8")
    with pytest.raises(InputError, match="no column 'table'"):
        fbss.import_omop(tmp_path / "cdm", tmp_path / "cohort", mapping=own)
    with pytest.raises(InputError, match="There is no file"):
        fbss.import_omop(tmp_path / "cdm", tmp_path / "cohort", mapping=tmp_path / "none.csv")


def test_prescriptions_are_not_fills(tmp_path: Path) -> None:
    with pytest.warns(StudyWarning, match="1 of 3 opioid rows are prescriptions written"):
        fbss.import_omop(extract(tmp_path / "cdm", **VOCABULARY), tmp_path / "cohort")


def test_what_cannot_be_imported_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There is no folder"):
        fbss.import_omop(tmp_path / "none", tmp_path / "cohort")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(DataError, match="no person table"):
        fbss.import_omop(empty, tmp_path / "cohort")
    here = extract(tmp_path / "cdm")
    with pytest.raises(InputError, match="holds the extract itself"):
        fbss.import_omop(here, here)
    with pytest.raises(DataError, match=r"CDM 6.0"):
        fbss.import_omop(extract(tmp_path / "six", cdm_source="cdm_version\nv6.0\n"), tmp_path / "cohort")
    with pytest.raises(DataError, match="no column 'person_id'"):
        fbss.import_omop(extract(tmp_path / "odd", death="persn_id,death_date\n1,2015-01-01\n"), tmp_path / "cohort")
    (tmp_path / "cdm" / "observation_period.csv").unlink()
    with pytest.raises(DataError, match="no observation_period table"):
        fbss.import_omop(here, tmp_path / "cohort")
    pq.write_table(pyarrow.csv.read_csv(here / "person.csv"), here / "person.parquet")
    with pytest.raises(DataError, match="both hold the table person"):
        fbss.import_omop(here, tmp_path / "cohort")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "person.csv.gz").write_bytes(b"not gzip")
    (tmp_path / "bad" / "observation_period.csv").write_text(TABLES["observation_period"], encoding="utf-8")
    with pytest.raises(DataError, match="cannot be read"):
        fbss.import_omop(tmp_path / "bad", tmp_path / "cohort")


def test_code_lists_have_a_source_and_cover_longer_codes() -> None:
    assert len(code_list()) > 200
    lead = next(each for each in code_list() if each.code == "T85.112")
    assert lead.covers("ICD10CM", "T85.112A")
    assert not lead.covers("ICD10CM", "T85.11")
    assert not Code("", "CPT4", "6368", "", "", "").covers("CPT4", "63685")


@pytest.mark.skipif(not DEMO.exists(), reason="the OMOP demo stands beside the repository only at its workplace")
def test_the_demo_reconciles(tmp_path: Path) -> None:
    source = fbss.import_omop(DEMO, tmp_path / "cohort")
    assert source.counts["patients"] == 2_694
    accounts = source.accounting
    drugs = accounts[accounts["table"] == "dispensings"]
    opioids = drugs[~drugs["words"].str.contains("no code list")]["rows"].sum()
    assert opioids == 1_126
    orphans = accounts.query("table == 'observation_periods' and disposition == 'quarantined'")
    assert orphans["rows"].tolist() == [2_649, 2_649]
    assert drugs["rows"].sum() == 67_707


def test_race_and_ethnicity_stand_with_the_person(tmp_path: Path) -> None:
    people = (
        "person_id,gender_concept_id,year_of_birth,race_concept_id,ethnicity_concept_id,race_source_value\n"
        "1,8532,1960,8527,38003564,White\n2,8507,1955,8527,38003563,White\n3,0,1970,0,0,Other\n"
    )
    there = fbss.import_omop(extract(tmp_path / "cdm", person=people), tmp_path / "cohort")
    assert rows(there, "attributes", "patient_id", "attribute", "value") == [
        ("1", "race_ethnicity", "white"), ("2", "race_ethnicity", "hispanic"), ("3", "race_ethnicity", "other"),
    ]  # fmt: skip
    bare = fbss.import_omop(extract(tmp_path / "bare"), tmp_path / "bare_cohort")
    reasons = bare.accounting.query("table == 'attributes' and disposition == 'excluded'")
    assert reasons[["words", "rows"]].to_numpy().tolist() == [["no race or ethnicity is told", 3]]


def test_visits_in_hospital_are_stays_that_operations_belong_to(tmp_path: Path) -> None:
    visits = (
        "visit_occurrence_id,person_id,visit_concept_id,visit_start_date,visit_end_date\n"
        "71,1,9201,2011-05-03,2011-05-06\n72,1,9202,2010-05-03,2010-05-03\n73,1,262,2010-06-03 00:00:00,2010-06-04\n"
    )
    procedures = (
        "person_id,procedure_concept_id,procedure_date,procedure_source_value,visit_occurrence_id\n"
        "1,0,2011-05-04,22630,71\n1,0,2010-05-03,63030,72\n"
    )
    there = fbss.import_omop(
        extract(tmp_path / "cdm", visit_occurrence=visits, procedure_occurrence=procedures), tmp_path / "cohort"
    )
    columns = ("stay_id", "type")
    assert rows(there, "stays", *columns) == [(1, "inpatient"), (2, "inpatient")]
    assert rows(there, "surgeries", "procedure", "stay_id") == [("decompression", None), ("fusion", 2.0)]
    assert "a visit that is no stay in a hospital" in set(there.accounting["words"])


def test_measurements_and_treatments_by_a_sites_own_codes(tmp_path: Path) -> None:
    own = tmp_path / "own.csv"
    own.write_text(
        "system,code,table,word\nLOINC,39156-5,measurements,bmi\nRxNorm,25480,therapies,gabapentinoid\n"
        "RxNorm,1049221,therapies,acetaminophen\nCPT4,97124,therapies,massage\n",
        encoding="utf-8",
    )
    tables = VOCABULARY | {
        "concept": VOCABULARY["concept"] + "55,Body mass index,LOINC,39156-5\n56,gabapentin,RxNorm,25480\n",
        "measurement": "person_id,measurement_concept_id,measurement_date,value_as_number,unit_source_value,"
        "measurement_type_concept_id\n1,55,2012-01-01,31.5,kg/m2,32817\n1,44,2012-01-01,1,,0\n",
        "drug_exposure": "person_id,drug_concept_id,drug_exposure_start_date,drug_exposure_end_date,quantity,"
        "days_supply,drug_source_value,route_concept_id,dose_unit_source_value\n"
        "1,56,2012-01-01,2012-03-01,,,,,\n1,40231925,2012-01-01,2012-01-30,60,30,1049221,4292110,TABLET\n",
        "procedure_occurrence": "person_id,procedure_concept_id,procedure_date,procedure_source_value\n"
        "1,0,2013-05-04,97124\n",
    }
    there = fbss.import_omop(extract(tmp_path / "cdm", **tables), tmp_path / "cohort", mapping=own)
    assert rows(there, "measurements", "measure", "value", "unit", "source") == [("bmi", 31.5, "kg/m2", "clinic")]
    assert [(str(row["end_date"]), row["therapy"]) for row in there.tables["therapies"].to_pylist()] == [
        ("2012-03-01", "gabapentinoid"), ("None", "massage"),
    ]  # fmt: skip
    # A route and a unit that are told count before those the form implies.
    assert rows(there, "dispensings", "route", "quantity_unit") == [("sublingual", "unit")]
    assert "an opioid, which is a dispensing" in set(there.accounting["words"])


def test_patches_by_the_hour(tmp_path: Path) -> None:
    tables = {
        "concept": "concept_id,concept_name,vocabulary_id,concept_code\n1154029,fentanyl,RxNorm,4337\n"
        "60,72 HR fentanyl 0.025 MG/HR Transdermal System,RxNorm,245134\n"
        "61,fentanyl 12 MCG/HR Transdermal System,RxNorm,1\n62,fentanyl Injectable Solution,RxNorm,2\n",
        "concept_ancestor": "ancestor_concept_id,descendant_concept_id\n1154029,60\n1154029,61\n1154029,62\n",
        "drug_strength": "drug_concept_id,ingredient_concept_id,numerator_value,numerator_unit_concept_id,"
        "denominator_value,denominator_unit_concept_id\n60,1154029,0.025,8576,,8505\n61,1154029,12,9655,1,8505\n"
        "62,1154029,0.05,8576,1,8587\n",
        "drug_exposure": "person_id,drug_concept_id,drug_exposure_start_date,quantity,days_supply\n"
        "1,60,2012-01-01,10,30\n1,61,2012-02-01,10,30\n1,62,2012-03-01,10,30\n",
    }
    there = fbss.import_omop(extract(tmp_path / "cdm", **tables), tmp_path / "cohort")
    assert rows(there, "dispensings", "strength_value", "strength_unit", "quantity_unit") == [
        (25.0, "mcg/h", "patch"), (12.0, "mcg/h", "patch"), (0.05, "mg/mL", "unit"),
    ]  # fmt: skip


def test_periods_of_a_plan_named_after_a_domain(tmp_path: Path) -> None:
    plans = (
        "payer_plan_period_id,person_id,payer_plan_period_start_date,payer_plan_period_end_date,plan_source_value\n"
        "1,1,2011-01-01,2012-12-31,{plan}\n2,1,2013-01-01,2014-12-31,gold\n"
    )
    named = extract(tmp_path / "named", payer_plan_period=plans.format(plan="pharmacy"))
    spans = rows(fbss.import_omop(named, tmp_path / "a"), "observation_periods", "patient_id", "domain")
    assert spans == [("1", "medical"), ("1", "pharmacy"), ("2", "medical"), ("3", "medical")]
    other = extract(tmp_path / "other", payer_plan_period=plans.format(plan="silver"))
    assert fbss.import_omop(other, tmp_path / "b").counts["observation_periods"] == 6


def test_an_extract_of_people_alone(tmp_path: Path) -> None:
    here = tmp_path / "cdm"
    here.mkdir()
    for name in ("person", "observation_period"):
        (here / f"{name}.csv").write_text(TABLES[name], encoding="utf-8")
    there = fbss.import_omop(here, tmp_path / "cohort")
    assert set(there.counts) == {"patients", "observation_periods", "attributes"}
    assert set(there.tables["observation_periods"]["domain"].to_pylist()) == {"medical"}


def test_details_tell_columns_of_other_rows(tmp_path: Path) -> None:
    tables = VOCABULARY | {
        "concept": VOCABULARY["concept"] + "2000000001,levels,FBSS,detail/surgeries.levels\n"
        "2000000002,id,FBSS,field/procedure_occurrence_id\n",
        "procedure_occurrence": "procedure_occurrence_id,person_id,procedure_concept_id,procedure_date,"
        "procedure_source_value\n8,1,0,2011-05-04,22630\n9,1,0,2012-05-04,63030\n",
        "observation": "observation_id,person_id,observation_concept_id,observation_date,value_as_string,"
        "observation_source_concept_id,observation_event_id,obs_event_field_concept_id\n"
        "1,1,0,2011-05-04,L4-L5,2000000001,8,2000000002\n2,1,0,2011-05-04,L5-S1,2000000001,8,2000000002\n"
        "3,1,0,2011-05-04,L5-S1,2000000001,9,44\n4,1,0,2011-05-04,L5-S1,44,9,2000000002\n",
    }
    there = fbss.import_omop(extract(tmp_path / "cdm", **tables), tmp_path / "cohort")
    # The first of two counts; what points to no column of ours, or is none of our details, tells nothing.
    assert rows(there, "surgeries", "procedure", "levels") == [("fusion", "L4-L5"), ("decompression", None)]
    reasons = there.accounting.query("table == 'attributes' and file == 'observation.csv'").set_index("words")["rows"]
    assert reasons["a detail of a row of another table, and told with it"] == 3
