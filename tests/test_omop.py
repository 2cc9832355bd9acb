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
