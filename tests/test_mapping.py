"""Foreign files become our tables by a mapping file alone, with every row accounted for and no value in a message."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from extracts import (
    CONDITIONS,
    FILES,
    GOOD,
    HEAD,
    PATIENTS,
    PEOPLE,
    SPANS,
    extract,
    fates,
    imported,
    write_in_foreign_dress,
)

from fbss_analytics.errors import DataError, StudyWarning
from fbss_analytics.sources import schema
from fbss_analytics.sources.checking import sort_table
from fbss_analytics.sources.files import read_tables
from fbss_analytics.sources.mapping import import_tables
from fbss_analytics.sources.source import Source
from fbss_analytics.sources.synthetic import simulate

HERE = Path(__file__).parent
OTHERS, OURS = HERE / "data" / "other_names", HERE / "data" / "our_names"
ROOT = HERE.parent
CTN = ROOT.parent / "shared" / "data" / "ctn0094"
CTN_MAPPING = ROOT / "examples" / "ctn0094.toml"
GUIDE = ROOT / "docs" / "your_own_data.md"


# --- the whole way --------------------------------------------------------------------------------------------------


def test_files_with_other_names_dates_and_words_become_the_same_tables(tmp_path: Path) -> None:
    ours = read_tables(OURS)
    source = import_tables(OTHERS, tmp_path / "cohort", mapping=OTHERS / "mapping.toml")
    assert source.counts == ours.counts
    for name in ours.tables:
        assert source.tables[name].equals(ours.tables[name]), name
    assert source.name == "other names"
    assert fates(source, "dispensings") == {"accepted": 3, "X01": 1}
    assert "prescription reversed" in source.accounting["words"].tolist()
    assert not source.quarantine


def test_the_cohort_folder_says_where_it_comes_from(tmp_path: Path) -> None:
    source = import_tables(OTHERS, tmp_path / "cohort", mapping=OTHERS / "mapping.toml")
    made = source.provenance
    assert made["kind"] == "imported"
    assert made["mapping"]["sha256"] == hashlib.sha256((OTHERS / "mapping.toml").read_bytes()).hexdigest()
    assert made["files"]["fills.csv"] == {
        "rows": 4,
        "sha256": hashlib.sha256((OTHERS / "fills.csv").read_bytes()).hexdigest(),
    }
    assert {"schema_version", "rule_set_version", "tables"} <= set(made)
    assert str(tmp_path) not in (tmp_path / "cohort" / "source.json").read_text()


def test_every_row_of_every_file_is_accounted_for_in_every_table_it_feeds(tmp_path: Path) -> None:
    source = import_tables(OTHERS, tmp_path / "cohort", mapping=OTHERS / "mapping.toml")
    rows = {file: each["rows"] for file, each in source.provenance["files"].items()}
    fed = source.accounting.groupby(["table", "file"])["rows"].sum()
    blocks = {("measurements", "scores.csv"): 2}
    assert {key: rows[key[1]] * blocks.get(key, 1) for key in fed.index} == fed.to_dict()


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_simulated_cohort_in_foreign_dress_is_imported_as_it_was(tmp_path: Path, suffix: str) -> None:
    simulated = simulate("neuromodulation", n_patients=200, seed=1)
    write_in_foreign_dress(simulated, tmp_path, suffix=suffix)
    source = import_tables(tmp_path, tmp_path / "cohort", mapping=tmp_path / "mapping.toml")
    assert len(source.tables) == 11
    for name, table in simulated.tables.items():
        assert source.tables[name].equals(sort_table(name, table)), name
    assert set(source.accounting["disposition"]) == {"accepted"}


@pytest.fixture(scope="module")
def ctn(tmp_path_factory: pytest.TempPathFactory) -> Source:
    """The public CTN-0094 treatment records, imported by the mapping of the project."""
    if not CTN.is_dir() or not CTN_MAPPING.exists():
        pytest.skip("the CTN-0094 files (../shared/data/ctn0094) are not here")
    return import_tables(CTN, tmp_path_factory.mktemp("ctn") / "cohort", mapping=CTN_MAPPING)


def test_ctn0094_doses_enter_as_one_day_dispensings(ctn: Source) -> None:
    assert fates(ctn, "dispensings") == {"accepted": 215_433, "X01": 805, "X02": 4}
    doses = ctn.tables["dispensings"].to_pandas()
    assert doses["patient_id"].nunique() == 2_168
    assert (doses[["quantity", "days_supply"]] == 1).all(axis=None)
    arms = doses.groupby(["ingredient", "form", "route", "strength_unit"], observed=True).size()
    assert arms.to_dict() == {
        ("methadone", "solution", "oral", "mg"): 71_971,
        ("buprenorphine", "film", "sublingual", "mg"): 29_002,
        ("buprenorphine", "tablet", "sublingual", "mg"): 114_460,
    }
    treatment = pd.read_csv(CTN / "treatment.csv")
    assert treatment["who"].nunique() == 2_373
    assert len(treatment) == 216_242
    assert not ctn.quarantine


def test_ctn0094_amounts_and_days_are_those_of_the_file(ctn: Source) -> None:
    doses = ctn.tables["dispensings"].to_pandas()
    day = (pd.to_datetime(doses["date"]) - pd.Timestamp("2000-01-01")).dt.days
    ours = pd.DataFrame({"who": doses["patient_id"].astype(int), "amount": doses["strength_value"], "when": day})
    theirs = pd.read_csv(CTN / "treatment.csv")
    theirs = theirs[theirs["who"].isin(ours["who"])].astype({"when": int})
    order = ["who", "when", "amount"]
    pd.testing.assert_frame_equal(
        ours.sort_values(order)[order].reset_index(drop=True), theirs.sort_values(order)[order].reset_index(drop=True),
        check_dtype=False,
    )  # fmt: skip
    assert (
        doses.groupby("patient_id")["dispensing_id"].agg(["min", "max", "size"]).eval("min == 1 and max == size")
    ).all()
    same_day = doses.duplicated(["patient_id", "date"]).sum()
    assert same_day == 89
    assert ctn.calendar == "shifted"


def test_ctn0094_people_arms_and_observation(ctn: Source) -> None:
    people = ctn.tables["patients"].to_pandas()
    assert len(people) == 3_560
    assert people["birth_year"].isna().sum() == 208
    assert people["sex"].value_counts().to_dict() == {"male": 2_351, "female": 1_205, "unknown": 4}
    ages = pd.read_csv(CTN / "demographics.csv")["age"].dropna()
    assert sorted(2000 - people["birth_year"].dropna() - 1) == sorted(ages)
    arms = pd.read_csv(CTN / "randomization.csv").groupby("who")["treatment"].unique()
    two = arms[arms.map(len) == 2]
    assert len(two) == 177
    assert set(two.map(sorted).map(tuple)) == {("Outpatient BUP + EMM", "Outpatient BUP + SMM")}
    spans = ctn.tables["observation_periods"].to_pandas()
    assert spans["domain"].value_counts().to_dict() == {"medical": 3_334, "pharmacy": 2_168, "registry": 0, "survey": 0}
    doses = ctn.tables["dispensings"].to_pandas().groupby("patient_id")["date"].agg(["min", "max"])
    pharmacy = spans[spans["domain"] == "pharmacy"].set_index("patient_id")
    assert (pharmacy["start_date"] == doses["min"]).all()
    assert (pharmacy["end_date"] == doses["max"]).all()


def test_ctn0094_is_accounted_for(ctn: Source) -> None:
    files = {file: each["rows"] for file, each in ctn.provenance["files"].items()}
    fed = ctn.accounting.groupby(["table", "file"])["rows"].sum()
    assert {key: files[key[1]] * (3 if key[0] == "attributes" else 1) for key in fed.index} == fed.to_dict()
    assert fed["dispensings", "treatment.csv"] == 216_242


@pytest.mark.skipif(not GUIDE.exists(), reason="docs/your_own_data.md is in the repository only")
def test_the_example_of_the_guide_runs_as_printed(tmp_path: Path) -> None:
    page = GUIDE.read_text(encoding="utf-8")
    (sample,) = re.findall(r"```text\n(.*?)```", page, flags=re.DOTALL)
    (mapping,) = re.findall(r"```toml\n(version.*?)```", page, flags=re.DOTALL)
    left, right = zip(*(re.split(r" {2,}", line) for line in sample.splitlines()), strict=True)
    source = imported(tmp_path, mapping, "\n".join(left), fills="\n".join(right))
    assert source.counts == {"patients": 2, "observation_periods": 3, "dispensings": 1}
    assert fates(source, "dispensings") == {"accepted": 1, "X01": 1}
    for verb in (
        "copy",
        "constant",
        "date",
        "day",
        "recode",
        "birth_year_from_age",
        "row_number",
        "from_first_to_last",
    ):
        assert verb in page


# --- the verbs ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("head", "how", "expected"),
    [
        ("", '{ date = "seen", format = "%d/%m/%Y" }', [date(2016, 3, 5), date(2015, 12, 31)]),
        ("origin = 2000-01-01\n", '{ day = "number" }', [date(2000, 1, 8), date(1999, 12, 25)]),
        ("origin = 2000-01-01\n", '{ day = "number", origin = 1960-01-01 }', [date(1960, 1, 8), date(1959, 12, 25)]),
        ("", "{ constant = 2001-02-03 }", [date(2001, 2, 3)] * 2),
    ],
)
def test_days(tmp_path: Path, head: str, how: str, expected: list[date]) -> None:
    people = PEOPLE.replace("43.0", "")
    source = imported(tmp_path, HEAD + head + FILES + PATIENTS + CONDITIONS.format(date=how), people)
    assert source.tables["conditions"]["date"].to_pylist() == expected


@pytest.mark.parametrize(
    ("at", "age", "year"),
    [
        ("2000-01-01", 43, 1956),
        ("2000-07-01", 43, 1956),
        ("2000-07-02", 43, 1957),
        ("2000-12-31", 43, 1957),
        ("2000-01-01", 0, 1999),
        ("2001-12-31", 125, 1876),
    ],
)
def test_the_year_of_birth_from_an_age_is_the_likeliest_one(tmp_path: Path, at: str, age: int, year: int) -> None:
    mapping = HEAD + FILES + PATIENTS + f'columns.birth_year = {{ birth_year_from_age = "age", at = {at} }}\n'
    people = f"id,sex,age\nid-1,male,{age}.0\nid-2,female,\nid-3,male,40\n"
    if year < schema.FIRST_YEAR:
        with pytest.warns(StudyWarning, match="birth_year is out of range"):
            assert imported(tmp_path, mapping, people).counts["patients"] == 2
    else:
        assert imported(tmp_path, mapping, people).tables["patients"]["birth_year"].to_pylist()[:2] == [year, None]


@pytest.mark.parametrize(
    ("unmapped", "people", "expected"),
    [
        ("", "F,M,F", ["female", "male", "female"]),
        ("", "F,,NA", ["female", "unknown", "unknown"]),
        ('unmapped = "keep"', "F,male,M", ["female", "male", "male"]),
        ('unmapped = "missing"', "F,X,M", ["female", None, "male"]),
    ],
)
def test_words_are_recoded(tmp_path: Path, unmapped: str, people: str, expected: list[str]) -> None:
    files = '[files.people]\npath = "people.csv"\nnulls = ["NA"]\n'
    words = 'words = { F = "female", M = "male", "" = "unknown" }'
    how = f'columns.sex = {{ recode = "sex", {words}{", " if unmapped else ""}{unmapped} }}\n'
    rows = "".join(f"p{number},{sex}\n" for number, sex in enumerate(people.split(",")))
    source = imported(tmp_path, HEAD + files + PATIENTS.replace('columns.sex = "sex"\n', how), f"id,sex\n{rows}")
    assert source.tables["patients"]["sex"].to_pylist() == expected


def test_a_value_that_is_not_recoded_sets_its_row_aside(tmp_path: Path) -> None:
    how = 'columns.sex = { recode = "sex", words = { F = "female" } }\n'
    people = "id,sex\np1,F\np2,4711\np3,4711\n"
    with pytest.warns(StudyWarning) as caught:
        source = imported(tmp_path, HEAD + FILES + PATIENTS.replace('columns.sex = "sex"\n', how), people)
    message = str(caught[0].message)
    assert "2 of 3 rows of people.csv for patients: sex cannot be recoded from sex: 1 distinct value is not" in message
    assert "4711" not in message
    assert fates(source, "patients") == {"accepted": 1, "R09": 2}
    assert source.quarantine["patients"].to_pylist()[0] == {
        "rule": "R09", "file": "people.csv", "line": 2, "id": "p2", "sex": "4711",
    }  # fmt: skip


def test_a_date_or_day_that_cannot_be_read_sets_its_row_aside(tmp_path: Path) -> None:
    people = "id,sex,seen,number\np1,male,05/03/2016,1\np2,male,31/02/2016,x4711\np3,male,,999999999\n"
    mapping = HEAD + "origin = 2000-01-01\n" + FILES + PATIENTS
    with pytest.warns(StudyWarning, match="date cannot be read from seen; expected dates as %d/%m/%Y .rule R02"):
        source = imported(tmp_path, mapping + CONDITIONS.format(date='{ date = "seen", format = "%d/%m/%Y" }'), people)
    assert fates(source, "conditions") == {"accepted": 1, "R02": 1, "R01": 1}
    with pytest.warns(StudyWarning, match="date cannot be read from number; expected whole day numbers"):
        source = imported(tmp_path, mapping + CONDITIONS.format(date='{ day = "number" }'), people)
    assert fates(source, "conditions") == {"accepted": 1, "R02": 2}


FILLS = """pid,sold,ndc,status
id-4711,2016-03-05,b,P
id-4711,2016-03-05,a,P
id-4712,2016-01-01,a,P
id-4711,2015-01-01,c,R
"""
THERAPIES = """
[[tables.therapies]]
from = "fills"
columns.patient_id = "pid"
columns.date = "sold"
columns.therapy = "products.class"
columns.source_code = "makers.name"
exclude = [{ where = { "products.class" = "", status = "R" }, reason = "reversed and of no known class" }]
[tables.therapies.join.products]
on = { ndc = "code" }
where = { kind = ["x", "y"] }
[tables.therapies.join.makers]
on = { "products.maker" = "id" }
"""
LOOKUPS = FILES + 'products = "products.csv"\nmakers = "makers.csv"\n' + PATIENTS


def test_a_column_may_come_from_a_lookup_and_a_lookup_of_a_lookup(tmp_path: Path) -> None:
    products = "code,class,kind,maker\na,nsaid,x,1\nb,tca,y,2\nb,snri,z,1\n,snri,x,1\n"
    source = imported(tmp_path, HEAD + LOOKUPS + THERAPIES, fills=FILLS, products=products, makers="id,name\n1,Maker\n")
    assert source.tables["therapies"].select(["therapy", "source_code"]).to_pylist() == [
        {"therapy": "nsaid", "source_code": "Maker"},
        {"therapy": "tca", "source_code": None},
        {"therapy": "nsaid", "source_code": "Maker"},
    ]
    assert fates(source, "therapies") == {"accepted": 3, "X01": 1}


def test_a_lookup_key_that_is_not_unique_is_refused(tmp_path: Path, refused: Callable[..., None]) -> None:
    files = {"fills": FILLS, "makers": "id,name\n1,x\n", "products": "code,class,kind,maker\na,nsaid,x,1\na,tca,y,1\n"}
    words = ("products.csv: 1 row of 2 has a value of code that stands in another row", "one row per key", "where")
    refused(DataError, lambda: imported(tmp_path, HEAD + LOOKUPS + THERAPIES, **files), *words)


def test_a_where_that_chooses_nothing_is_warned_of(tmp_path: Path) -> None:
    mapping = HEAD + FILES + PATIENTS + CONDITIONS.format(date='"seen"') + 'where = { sex = "FEMALE" }\n'
    with pytest.warns(StudyWarning, match=r"where of tables.conditions \(sex\) chooses none of 2 rows"):
        source = imported(tmp_path, mapping)
    assert fates(source, "conditions") == {"accepted": 0, "X00": 2}


def test_row_numbers_count_by_day_over_all_files_whatever_their_order(tmp_path: Path) -> None:
    block = """
[[tables.stays]]
from = "{file}"
columns.patient_id = "{id}"
columns.stay_id = {{ row_number = "patient_id" }}
columns.admit_date = "{date}"
columns.discharge_date = "{date}"
columns.reason = {{ constant = "{file}" }}
"""
    mapping = HEAD + FILES + PATIENTS + block.format(file="people", id="id", date="day")
    mapping += block.format(file="fills", id="pid", date="sold")
    people = "id,sex,day\nid-4711,female,2015-06-01\nid-4712,male,2015-06-01\n"
    lines = FILLS.splitlines(keepends=True)
    one = imported(tmp_path, mapping, people, fills=FILLS).tables["stays"]
    two = imported(tmp_path, mapping, people, fills="".join([lines[0], *lines[:0:-1]])).tables["stays"]
    assert one.equals(two)
    assert one.select(["patient_id", "stay_id", "reason"]).to_pylist() == [
        {"patient_id": patient, "stay_id": number, "reason": reason}
        for patient, number, reason in (
            ("id-4711", 1, "fills"), ("id-4711", 2, "people"), ("id-4711", 3, "fills"), ("id-4711", 4, "fills"),
            ("id-4712", 1, "people"), ("id-4712", 2, "fills"),
        )
    ]  # fmt: skip


def test_spans_run_from_the_first_to_the_last_day_seen_in_any_of_the_columns(tmp_path: Path) -> None:
    fills = (
        "pid,where,sold,used\nid-4711,pharmacy,05/03/2016,06/03/2016\nid-4711,pharmacy,01/03/2016,\n"
        "id-4711,medical,01/01/2014,\nid-4711,pharmacy,30/02/2017,01/01/2018\nid-4711,pharmacy,,\n"
        "id-9999,pharmacy,01/01/2014,\nid-4712,pharmacy,31/12/2016,01/12/2016\n"
    )
    with pytest.warns(StudyWarning, match="start_date cannot be read from sold"):
        source = imported(tmp_path, GOOD + SPANS, fills=fills)
    spans = [tuple(row.values())[:4] for row in source.tables["observation_periods"].to_pylist()]
    assert spans == [
        ("id-4711", "medical", date(2014, 1, 1), date(2014, 1, 1)),
        ("id-4711", "pharmacy", date(2016, 3, 1), date(2016, 3, 6)),
        ("id-4712", "pharmacy", date(2016, 12, 1), date(2016, 12, 31)),
    ]
    assert fates(source, "observation_periods") == {"accepted": 3, "R02": 1, "R01": 1, "R05": 1, "M02": 1}


def test_parquet_with_types_is_mapped_as_text_is(tmp_path: Path) -> None:
    people = pa.table({"id": pa.array([4711.0, 4712.0]), "sex": pa.array(["female", "male"]).dictionary_encode(),
                       "age": [43, None], "seen": [date(2016, 3, 5), date(2015, 12, 31)]})  # fmt: skip
    extract(tmp_path, HEAD + FILES.replace("people.csv", "p.parquet") + PATIENTS + CONDITIONS.format(date='"seen"'))
    pq.write_table(people, tmp_path / "p.parquet")
    source = import_tables(tmp_path, tmp_path / "cohort", mapping=tmp_path / "mapping.toml")
    assert source.tables["patients"]["patient_id"].to_pylist() == ["4711", "4712"]
    assert source.tables["conditions"]["date"].to_pylist() == [date(2016, 3, 5), date(2015, 12, 31)]


def test_text_and_dates_of_two_blocks_go_into_one_column(tmp_path: Path) -> None:
    two = (
        CONDITIONS.format(date='"seen"') + CONDITIONS.format(date='{ date = "later", format = "%d/%m/%Y" }')
    ).replace("[tables.conditions]", "[[tables.conditions]]")
    people = "id,sex,seen,later\nid-1,male,2016-01-02,03/01/2016\n"
    source = imported(tmp_path, HEAD + FILES + PATIENTS + two, people)
    assert source.tables["conditions"]["date"].to_pylist() == [date(2016, 1, 2), date(2016, 1, 3)]
