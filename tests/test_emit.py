"""Writing extracts: what a format cannot hold is counted, nothing half is left, and the parts read do not show."""

from __future__ import annotations

import csv
import datetime
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import fbss_analytics as fbss
from fbss_analytics.cli import main
from fbss_analytics.errors import InputError
from fbss_analytics.sources import schema
from fbss_analytics.sources.codes import code_list, own_codes
from fbss_analytics.sources.emit import chunks, writing
from fbss_analytics.sources.emit.chunks import Chunk, chunks_of, open_source
from fbss_analytics.sources.emit.codes import emitted_codes, spelled, spellings
from fbss_analytics.sources.emit.omop_drugs import last_days
from fbss_analytics.sources.emit.omop_model import person_ids
from fbss_analytics.sources.emit.toml import text
from fbss_analytics.sources.mapping_file import read_mapping

FORMATS = ("tables", "omop", "redcap", "claims")
TABLES = {
    "patients": "patient_id,birth_year,sex\na,1950,male\nb,,\n",
    "observation_periods": "patient_id,domain,start_date,end_date,end_reason\na,medical,2014-01-01,2019-12-31,lost\n"
    "a,survey,2015-01-01,2015-12-31,\n",
    "attributes": "patient_id,attribute,value,start_date,end_date\na,race_ethnicity,Martian,,\na,payer,medicare,,\n"
    "a,payer,medicaid,2016-01-01,2017-01-01\na,smoking,never,,\na,smoking,former,,\nb,smoking,never,,\n",
    "conditions": "patient_id,date,condition,source_code,centre_id\na,2015-09-30,fbss,722.80,c1\n"
    "a,2015-10-01,fbss,,\na,2015-10-01,spasticity,,\na,2015-10-01,fbss,,\n",
    "measurements": "patient_id,date,measure,value,unit,source,level\na,2015-01-01,odi,40,points,survey,\n"
    "a,2015-01-01,odi,44,points,survey,\na,2015-01-01,bmi,30,,,L4-L5\n",
    "stays": "patient_id,stay_id,admit_date,discharge_date,type,reason\na,3,2015-01-01,2015-01-03,inpatient,"
    f"{'x' * 61}\na,4,2016-01-01,2016-01-03,,\n",
    "surgeries": "patient_id,surgery_id,stay_id,date,procedure,region,side,instrumented,indication,setting\n"
    "a,1,3,2015-01-01,fusion,lumbar,left,true,spinal_stenosis,inpatient\n"
    "a,2,,2015-06-01,fusion,cervical,,,,\na,3,,2015-07-01,laminectomy,,midline,false,other,unknown\n"
    "a,4,,2015-07-01,discectomy,lumbosacral,,,disc_herniation,outpatient\n",
    "device_events": "patient_id,system_id,component,date,device,event,lead_type,reason\n"
    "a,1,lead,2016-01-01,scs,implant,,\na,1,lead,2016-01-01,scs,implant,paddle,\n"
    "a,1,generator,2016-01-01,scs,implant,,\na,1,generator,2017-01-01,scs,explant,,infection\n"
    "a,1,generator,2017-01-02,scs,complication,,discomfort\na,1,lead,2018-01-01,drg,implant,,\n"
    "a,2,generator,2018-01-01,scs,implant,,\n",
    "intrathecal_doses": "patient_id,system_id,date,ingredient,dose_per_day,unit\na,1,2018-01-01,morphine,1.5,mg\n",
    "dispensings": "patient_id,dispensing_id,date,ingredient,form,route,strength_value,strength_unit,quantity,"
    "quantity_unit,days_supply\na,1,2015-01-01,morphine,solution,oral,2,mg/mL,300,mL,10\n"
    "a,3,2015-01-01,oxycodone,tablet,,5,mg,60,,30\na,4,2015-02-01,oxycodone,,,5,,60,unit,30\n"
    "a,5,2015-03-01,fentanyl,patch,transdermal,12,mcg/h,10,patch,30\na,6,2015-03-02,levorphanol,,,,,60,,30\n"
    "a,7,2015-04-01,oxycodone,,,,,60,unit,30\n",
    "therapies": "patient_id,date,end_date,therapy\na,2015-01-01,2015-03-01,nsaid\na,2015-02-01,,snri\n"
    "a,2015-02-02,,cbt\na,2015-02-03,2015-03-03,massage\n",
}
"""Two patients with everything a format may stumble over."""


@pytest.fixture
def odd(tmp_path: Path) -> fbss.Source:
    folder = tmp_path / "odd"
    folder.mkdir()
    for name, content in TABLES.items():
        (folder / f"{name}.csv").write_text(content, encoding="utf-8")
    source = fbss.read_tables(folder)
    assert source.quarantine.keys() == set()
    return source


@pytest.fixture(scope="module")
def source() -> fbss.Source:
    return fbss.simulate("neuromodulation", n_patients=60, seed=5)


def lost(extract: Path) -> dict[tuple[str, str, str], int]:
    """Return fate, table and column -> count."""
    found: dict[tuple[str, str, str], int] = {}
    for each in json.loads((extract / "emitted.json").read_text(encoding="utf-8"))["not_held"]:
        key = (each["fate"], each["table"], each.get("column", ""))
        found[key] = found.get(key, 0) + each["count"]
    return found


def files(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


# --- what formats cannot hold


def test_omop_counts_what_it_does_not_hold(odd: fbss.Source, tmp_path: Path) -> None:
    assert lost(fbss.write_extract(odd, tmp_path / "omop", format="omop")) == {
        ("changed", "patients", "birth_year"): 1,
        ("changed", "patients", "sex"): 1,
        ("left out", "attributes", ""): 1,
        ("changed", "attributes", "value"): 1,
        ("left out", "stays", ""): 1,
        ("changed", "stays", "stay_id"): 1,
        ("left out", "stays", "reason"): 1,
        ("left out", "surgeries", ""): 2,
        ("changed", "surgeries", "region"): 1,
        ("changed", "surgeries", "surgery_id"): 1,
        ("changed", "dispensings", "dispensing_id"): 5,
        ("changed", "dispensings", "route"): 1,
        ("changed", "dispensings", "quantity_unit"): 1,
        ("left out", "dispensings", "strength_value"): 1,
        ("changed", "therapies", "end_date"): 1,
    }


@pytest.mark.filterwarnings("ignore:Rows were set aside")
def test_what_omop_holds_comes_back(odd: fbss.Source, tmp_path: Path) -> None:
    back = fbss.import_omop(fbss.write_extract(odd, tmp_path / "omop", format="omop"), tmp_path / "cohort")

    def rows(table: str, *columns: str) -> list[tuple[object, ...]]:
        frame = back.tables[table].select(list(columns)).to_pandas().astype(object)
        return [tuple(row) for row in frame.where(frame.notna(), None).itertuples(index=False, name=None)]

    assert rows("conditions", "condition", "source_code", "centre_id") == [
        ("fbss", "722.80", "c1"), ("fbss", "M96.1", None), ("fbss", "M96.1", None), ("spasticity", "spasticity", None),
    ]  # fmt: skip
    assert rows("observation_periods", "domain", "end_reason") == [("medical", "lost"), ("survey", None)]
    assert sorted(rows("attributes", "attribute", "value"), key=str) == [
        ("payer", "medicaid"), ("payer", "medicare"), ("race_ethnicity", "martian"), ("smoking", "former"),
        ("smoking", "never"),
    ]  # fmt: skip
    assert {row[0] for row in rows("attributes", "end_date") if row[0]} == {datetime.date(2017, 1, 1)}
    assert rows("surgeries", "procedure", "instrumented", "indication") == [
        ("fusion", True, "spinal_stenosis"), ("laminectomy", False, "other"),
    ]  # fmt: skip
    assert rows("surgeries", "stay_id") == [(1.0,), (None,)]
    assert rows("device_events", "component", "event", "lead_type")[:3] == [
        ("generator", "implant", None), ("lead", "implant", "paddle"), ("lead", "implant", None),
    ]  # fmt: skip
    assert rows("dispensings", "ingredient", "form", "strength_value", "strength_unit", "quantity_unit") == [
        ("morphine", "solution", 2.0, "mg/mL", "mL"), ("oxycodone", "tablet", 5.0, "mg", "unit"),
        ("oxycodone", None, None, None, "unit"), ("fentanyl", "patch", 12.0, "mcg/h", "patch"),
        ("levorphanol", None, None, None, None), ("oxycodone", None, None, None, "unit"),
    ]  # fmt: skip
    assert rows("measurements", "measure", "level", "source")[-1] == ("bmi", "L4-L5", None)


def test_a_patient_without_a_medical_span(tmp_path: Path) -> None:
    (tmp_path / "patients.csv").write_text("patient_id,birth_year,sex\na,1950,male\n", encoding="utf-8")
    (tmp_path / "observation_periods.csv").write_text(
        "patient_id,domain,start_date,end_date\na,registry,2014-01-01,2019-12-31\n", encoding="utf-8"
    )
    extract = fbss.write_extract(fbss.read_tables(tmp_path), tmp_path / "omop", format="omop")
    assert lost(extract) == {("changed", "observation_periods", "domain"): 1}
    back = fbss.import_omop(extract, tmp_path / "cohort")
    assert sorted(back.tables["observation_periods"]["domain"].to_pylist()) == ["medical", "registry"]


def test_device_events_that_nothing_tells_apart_are_one(tmp_path: Path) -> None:
    (tmp_path / "patients.csv").write_text("patient_id,birth_year,sex\na,1950,male\n", encoding="utf-8")
    (tmp_path / "device_events.csv").write_text(
        "patient_id,system_id,component,date,device,event\n" + "a,1,lead,2016-01-01,scs,implant\n" * 2, encoding="utf-8"
    )
    extract = fbss.write_extract(fbss.read_tables(tmp_path), tmp_path / "omop", format="omop")
    assert lost(extract) == {("left out", "device_events", ""): 1}


def test_redcap_counts_what_it_does_not_hold(odd: fbss.Source, tmp_path: Path) -> None:
    extract = fbss.write_extract(odd, tmp_path / "redcap", format="redcap")
    # A diagnosis is a ticked box; and one measurement has no unit, which a field always has.
    assert lost(extract) == {
        ("left out", "conditions", "source_code"): 1,
        ("left out", "conditions", "centre_id"): 1,
        ("changed", "measurements", "unit"): 1,
    }
    here = extract
    back = fbss.import_redcap(
        here / "data.csv", here / "dictionary.csv", to=tmp_path / "cohort", mapping=here / "mapping.toml"
    )
    assert back.counts == odd.counts
    for name in odd.tables:
        columns = [name for name in odd.tables[name].column_names if name not in ("source_code", "centre_id", "unit")]
        assert back.tables[name].select(columns).equals(odd.tables[name].select(columns)), name


def test_claims_count_what_they_do_not_hold(odd: fbss.Source, tmp_path: Path) -> None:
    assert lost(fbss.write_extract(odd, tmp_path / "claims", format="claims")) == {
        ("left out", "observation_periods", ""): 1,
        ("left out", "observation_periods", "end_reason"): 1,
        ("left out", "attributes", ""): 5,
        ("left out", "conditions", ""): 1,
        ("left out", "conditions", "source_code"): 1,
        ("left out", "conditions", "centre_id"): 1,
        ("left out", "measurements", ""): 3,
        ("left out", "stays", "reason"): 1,
        ("left out", "surgeries", ""): 1,
        ("left out", "surgeries", "indication"): 1,
        ("left out", "surgeries", "side"): 1,
        ("left out", "surgeries", "setting"): 1,
        ("changed", "surgeries", "region"): 2,
        ("changed", "surgeries", "stay_id"): 1,
        ("changed", "surgeries", "instrumented"): 2,
        ("changed", "surgeries", "surgery_id"): 2,
        ("left out", "device_events", ""): 2,
        ("changed", "device_events", "event"): 2,
        ("left out", "device_events", "lead_type"): 1,
        ("changed", "device_events", "system_id"): 1,
        ("left out", "intrathecal_doses", ""): 1,
        ("changed", "dispensings", "dispensing_id"): 2,
        ("left out", "therapies", ""): 1,
        ("left out", "therapies", "end_date"): 1,
        ("changed", "therapies", "end_date"): 1,
    }
    back = fbss.import_tables(tmp_path / "claims", tmp_path / "cohort", mapping=tmp_path / "claims" / "mapping.toml")
    assert back.quarantine.keys() == set()
    events = back.tables["device_events"].select(["component", "event", "system_id"]).to_pylist()
    assert [tuple(row.values()) for row in events] == [
        ("generator", "implant", 1), ("lead", "implant", 1), ("generator", "implant", 1),
    ]  # fmt: skip
    with (tmp_path / "claims" / "medical.csv").open(encoding="utf-8") as lines:
        explant = next(row for row in csv.DictReader(lines) if row["procedure_code"] == "63688")
    assert (explant["dx_type"], explant["dx1"]) == ("ICD10CM", "T85.734A")


# --- whole or not at all


def test_the_manifest_tells_files_and_rows(source: fbss.Source, tmp_path: Path) -> None:
    content = json.loads((fbss.write_extract(source, tmp_path / "t", format="tables") / "emitted.json").read_text())
    assert content["rows"] == dict(source.counts)
    assert content["files"]["patients.csv"]["rows"] == 60
    assert content["kind"] == "simulated"
    assert not (tmp_path / "t" / ".gitignore").exists()


def test_an_extract_of_patients_keeps_out_of_git(odd: fbss.Source, tmp_path: Path) -> None:
    extract = fbss.write_extract(odd, tmp_path / "tables", format="tables")
    assert (extract / ".gitignore").read_text() == "*\n"


@pytest.mark.parametrize("kind", FORMATS)
def test_a_killed_run_leaves_nothing(
    source: fbss.Source, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = fbss.write_extract(source, tmp_path / "extract", format="tables")
    content = files(before)

    def cut(*arguments: object, **options: object) -> Iterator[Chunk]:
        yield next(chunks_of(open_source(source)[1], patients=7))
        raise KeyboardInterrupt

    monkeypatch.setattr(writing, "chunks_of", cut)
    # What a process left that was killed outright goes with the next one.
    (tmp_path / ".new.draft-killed").mkdir()
    for name in ("extract", "new"):
        with pytest.raises(KeyboardInterrupt):
            fbss.write_extract(source, tmp_path / name, format=kind)
    assert [path.name for path in tmp_path.iterdir()] == ["extract"]
    assert files(tmp_path / "extract") == content


def test_what_stands_in_the_way_is_refused(source: fbss.Source, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("x")
    with pytest.raises(InputError, match="mine exists and is no extract"):
        fbss.write_extract(source, tmp_path / "mine", format="omop")
    with pytest.raises(InputError, match="Did you mean 'omop'"):
        fbss.write_extract(source, tmp_path / "new", format="opmo")  # type: ignore[arg-type]
    cohort = source.to_folder(tmp_path / "cohort")
    (tmp_path / "emitted.json").write_text("{}")
    with pytest.raises(InputError, match="holds the cohort itself"):
        fbss.write_extract(cohort, tmp_path, format="omop")
    assert not (tmp_path / "new").exists()


def test_an_earlier_extract_is_replaced(source: fbss.Source, tmp_path: Path) -> None:
    fbss.write_extract(source, tmp_path / "extract", format="redcap")
    fbss.write_extract(source, tmp_path / "extract", format="claims")
    assert not (tmp_path / "extract" / "dictionary.csv").exists()


# --- run by run


@pytest.mark.parametrize("kind", FORMATS)
def test_parts_do_not_show(source: fbss.Source, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = files(fbss.write_extract(source, tmp_path / "whole", format=kind))
    cohort = source.to_folder(tmp_path / "cohort")
    assert files(fbss.write_extract(cohort, tmp_path / "folder", format=kind)) == whole

    def small(runs: object) -> Iterator[Chunk]:
        return chunks_of(runs, patients=60)  # type: ignore[arg-type]

    monkeypatch.setattr(writing, "chunks_of", small)
    monkeypatch.setattr(chunks, "file_runs", lambda file, columns: _file_runs(file, columns, rows_per_run=97))
    assert files(fbss.write_extract(cohort, tmp_path / "runs", format=kind)) == whole


def _file_runs(file: Path, columns: tuple[str, ...], *, rows_per_run: int) -> list[object]:
    from fbss_analytics.engine import file_runs, table_runs

    return [part for run in file_runs(file, columns) for part in table_runs(run(), rows_per_run=rows_per_run)]


def test_chunks_hold_all_rows_of_their_patients(source: fbss.Source) -> None:
    parts = list(chunks_of(open_source(source)[1], patients=7))
    assert [part.first for part in parts] == list(range(1, 61, 7))
    for name, table in source.tables.items():
        frames = [part.frames[name] for part in parts]
        assert all(set(frame["patient_id"]) <= set(part.frames["patients"]["patient_id"]) for frame, part in
                   zip(frames, parts, strict=True))  # fmt: skip
        whole = pd.concat(frames, ignore_index=True)
        assert whole["patient_id"].tolist() == table["patient_id"].to_pylist()
    assert parts[1].place(pd.Series(["S0000009", "S0000008"])).tolist() == [9, 8]


def test_a_folder_that_is_no_cohort_folder_is_checked_and_read(odd: fbss.Source, tmp_path: Path) -> None:
    extract = fbss.write_extract(tmp_path / "odd", tmp_path / "tables", format="tables")
    assert fbss.read_tables(extract).counts == odd.counts


# --- codes, ids, small parts


def test_codes_are_those_of_their_day() -> None:
    def written(word: str, day: str) -> list[str]:
        return [each.code for each in spellings("conditions", word, day, use="omop")]

    assert written("low_back_pain", "2015-09-30") == ["724.2"]
    assert written("low_back_pain", "2015-10-01") == ["M54.5"]
    assert written("low_back_pain", "2021-09-30") == ["M54.5"]
    assert written("low_back_pain", "2021-10-01") == ["M54.50"]
    assert written("adjacent_segment_disease", "2021-10-01") == []
    words = pd.Series(["fbss", "spasticity"])
    systems, codes = spelled("conditions", words, pd.Series(["2016-01-01"] * 2), use="omop")
    assert (systems.tolist(), codes.tolist()) == (["ICD10CM", ""], ["M96.1", ""])


@pytest.mark.parametrize("use", ["omop", "claims"])
def test_emitted_codes_are_sound(use: str) -> None:
    days = [str(datetime.date(year, month, 1)) for year in range(2005, 2026) for month in (1, 10)]
    for (table, word), codes in emitted_codes(use).items():  # type: ignore[arg-type]
        known = {
            "surgery_indication": schema.vocabulary("surgery_indication"),
            "surgeries": (*schema.vocabulary("procedure"), "instrumentation"),
            "device_events": [each.word for each in own_codes() if each.table == "device_events"],
            "device_infection": ["scs/generator", "scs/lead", "intrathecal_pump/pump", "intrathecal_pump/catheter"],
        }.get(table) or [each.word for each in own_codes() if each.table == table]
        assert word.removesuffix("/paddle") in known
        at_once = 2 if word == "decompression_fusion" else 1
        assert all(len(spellings(table, word, day, use=use)) <= at_once for day in days)  # type: ignore[arg-type]
        assert len({(each.system, each.code) for each in codes}) == len(codes)


def test_a_diagnosis_code_stands_for_one_word() -> None:
    for table in ("conditions", "surgery_indication", "therapies"):
        codes = [(each.system, each.code) for (name, _), found in emitted_codes("claims").items() if name == table for
                 each in found]  # fmt: skip
        assert len(codes) == len(set(codes))


def test_own_words_are_no_code_of_a_source() -> None:
    assert {each.system for each in own_codes()} == {"FBSS"}
    assert "FBSS" not in {each.system for each in code_list()}


def test_person_ids_are_distinct_signed_integers_of_64_bits() -> None:
    ids = person_ids(np.arange(1, 100_001))
    assert ids.dtype == np.int64
    assert len(np.unique(ids)) == 100_000
    assert 0.49 < (ids < 0).mean() < 0.51
    # 1 x 0x9E3779B97F4A7C15, less 2**64.
    assert ids[0] == 0x9E3779B97F4A7C15 - 2**64


def test_the_last_day_of_a_supply() -> None:
    assert last_days(pd.Series(["2016-02-28", "2016-02-28"]), pd.Series(["1", "3"])).tolist() == [
        "2016-02-28", "2016-03-01",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["plain", 'a "quote" and \\ back', "line\nbreak", "Grüße\x7f"])
def test_text_is_toml(name: str, tmp_path: Path) -> None:
    content = f'version = 1\nname = {text(name)}\ncalendar = "gregorian"\n[files]\np = "p.csv"\n'
    (tmp_path / "m.toml").write_text(content + '[tables.patients]\nfrom = "p"\ncolumns.patient_id = "id"\n', "utf-8")
    assert read_mapping(tmp_path / "m.toml").name == name


def test_the_command(source: fbss.Source, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cohort = str(source.to_folder(tmp_path / "cohort"))
    assert main(["emit", cohort, str(tmp_path / "claims"), "--format", "claims"]) == 0
    said = capsys.readouterr().out
    assert f"  measurements: {source.counts['measurements']:,} left out; claims do not hold it" in said
    assert "counted in emitted.json" in said
    assert main(["emit", cohort, str(tmp_path / "x"), "--format", "csv"]) == 2
    assert "format='csv' is not known" in capsys.readouterr().err
