"""Conversion tables: the shipped ones hold what their sources print, and one's own is read or refused in full.

The expected factors below are those of the sources named with them, typed in; they are compared exactly.
"""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from fbss_analytics.errors import InputError
from fbss_analytics.exposure.factor_file import read_factor_table
from fbss_analytics.exposure.factors import (
    PATCH_HOURS,
    FactorTable,
    banded_ingredients,
    bands,
    conversion_factors,
    factor_table,
    factor_tables,
)

Refused = Callable[..., None]

# CDC 2016 guideline and its calculator; the compilation of 2016 for what the guideline's table leaves out.
CDC_2016 = {
    "buprenorphine film buccal": 0.03, "buprenorphine patch transdermal": 12.6 / 7,
    "buprenorphine tablet sublingual": 30, "buprenorphine film sublingual": 30,
    "butorphanol spray nasal": 7, "codeine tablet oral": 0.15,
    "dihydrocodeine capsule oral": 0.25, "fentanyl lozenge buccal": 0.13, "fentanyl tablet sublingual": 0.13,
    "fentanyl film buccal": 0.18, "fentanyl spray sublingual": 0.18, "fentanyl spray nasal": 0.16,
    "fentanyl patch transdermal": 7.2 / 3, "hydrocodone tablet oral": 1, "hydrocodone capsule_er oral": 1,
    "hydromorphone tablet oral": 4, "hydromorphone tablet_er oral": 4, "levorphanol tablet oral": 11,
    "meperidine tablet oral": 0.1, "morphine tablet oral": 1, "morphine tablet_er oral": 1,
    "opium suppository rectal": 1, "oxycodone tablet oral": 1.5, "oxycodone tablet_er oral": 1.5,
    "oxymorphone tablet oral": 3, "pentazocine tablet oral": 0.37, "tapentadol tablet oral": 0.4,
    "tramadol tablet oral": 0.1,
}  # fmt: skip
# CDC's NDC file of September 2018: no buprenorphine, methadone at a flat 3.
CDC_FILE_2018 = {key: value for key, value in CDC_2016.items() if not key.startswith("buprenorphine")} | {
    "methadone tablet oral": 3, "propoxyphene capsule oral": 0.23,
}  # fmt: skip
# CDC 2022 guideline, table of conversion factors.
CDC_2022 = {
    "codeine tablet oral": 0.15, "fentanyl patch transdermal": 2.4, "hydrocodone tablet oral": 1,
    "hydromorphone tablet oral": 5, "methadone tablet oral": 4.7, "morphine tablet_er oral": 1,
    "oxycodone tablet oral": 1.5, "oxymorphone tablet oral": 3, "tapentadol tablet_er oral": 0.4,
    "tramadol tablet oral": 0.2,
}  # fmt: skip
# NIH HEAL calculator, medication list of its API (mmequiv@197002e, tests/testthat/get_med_list/api/all.json).
HEAL = CDC_2016 | {
    "buprenorphine film buccal": 0.039, "buprenorphine patch transdermal": 2.2, "buprenorphine tablet sublingual": 38.8,
    "buprenorphine film sublingual": 38.8, "hydromorphone tablet oral": 5, "hydromorphone tablet_er oral": 5,
    "methadone tablet oral": 4.7, "tapentadol tablet oral": 0.3, "tramadol tablet oral": 0.2,
}  # fmt: skip


def flat(table: str) -> dict[str, float]:
    """Return a table as factor by ingredient, form and route, the bands left out."""
    return {
        f"{row.ingredient} {form} {route}": row.factor
        for row in conversion_factors(table)
        if row.basis != "amount_by_total_daily_dose"
        for form in row.forms
        for route in row.routes
    }


@pytest.mark.parametrize(
    ("table", "printed"),
    [("cdc_2016", CDC_2016), ("cdc_file_2018", CDC_FILE_2018), ("cdc_2022", CDC_2022), ("nih_heal", HEAL)],
)
def test_a_table_holds_what_its_source_prints(table: str, printed: dict[str, float]) -> None:
    held = flat(table)
    assert {key: held.get(key) for key in printed} == pytest.approx(printed, rel=1e-15)
    assert {key.split()[0] for key in held} == {key.split()[0] for key in printed}


def test_the_tables() -> None:
    assert factor_tables() == ("cdc_2022", "cdc_2016", "nih_heal", "cdc_file_2018")
    assert [banded_ingredients(table) for table in factor_tables()] == [(), ("methadone",), (), ()]
    assert all("doi" in row.source or "NDC file" in row.source for row in conversion_factors("nih_heal"))


@pytest.mark.parametrize("table", factor_tables())
def test_no_oral_factor_leaves_its_route(table: str) -> None:
    for row in conversion_factors(table):
        assert not {"intravenous", "intramuscular", "subcutaneous", "intrathecal"} & set(row.routes)
        assert (row.unit == "mcg/h") == (row.basis == "day_worn") == (row.forms == ("patch",))


def test_buprenorphine_converts_where_a_table_lists_it() -> None:
    listed = {
        table: any(row.ingredient == "buprenorphine" for row in conversion_factors(table)) for table in factor_tables()
    }
    assert listed == {"cdc_2022": False, "cdc_2016": True, "nih_heal": True, "cdc_file_2018": False}


# A table of one's own.

HEADER = "ingredient,forms,routes,unit,factor,basis,source,above_mg_per_day,up_to_mg_per_day"
TRAMADOL = "tramadol,tablet;capsule,oral,mg,0.15,amount,local,,"
PATCH = "fentanyl,patch,transdermal,mcg/h,2.4,day_worn,label,,"
BANDS = (
    "methadone,tablet,oral,mg,4,amount_by_total_daily_dose,local,,20",
    "methadone,tablet,oral,mg,8,amount_by_total_daily_dose,local,20,",
)


def written(folder: Path, *lines: str, header: str = HEADER) -> Path:
    path = folder / "mine.csv"
    path.write_text("\n".join((header, *lines)) + "\n", encoding="utf-8")
    return path


def test_a_file_is_read(tmp_path: Path) -> None:
    table = read_factor_table(written(tmp_path, TRAMADOL, PATCH, *BANDS))
    assert isinstance(table, FactorTable)
    assert (table.name, table.source) == ("mine", "local; label")
    assert [(row.ingredient, row.forms, row.factor) for row in table.rows[:2]] == [
        ("tramadol", ("tablet", "capsule"), 0.15),
        ("fentanyl", ("patch",), 2.4),
    ]
    edges, factors = bands(table, "methadone")
    assert (edges.tolist(), factors.tolist()) == ([20, float("inf")], [4, 8])
    assert read_factor_table(str(tmp_path / "mine.csv"), name="other").name == "other"


def test_tables_are_equal_by_content(tmp_path: Path) -> None:
    one = read_factor_table(written(tmp_path, TRAMADOL))
    frame = pd.read_csv(tmp_path / "mine.csv")
    same = read_factor_table(frame, name="mine")
    other = read_factor_table(frame.assign(factor=0.2), name="mine")
    assert one == same
    assert hash(one) == hash(same)
    assert one != other
    assert one.label == same.label
    assert one.label.startswith("mine (sha256 ")
    assert one.label != other.label
    assert factor_table(one) is one
    assert factor_table("cdc_2022").name == "cdc_2022"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (TRAMADOL.replace("tramadol", "tramadoll"), ("line 2: ingredient 'tramadoll'", "Did you mean 'tramadol'?")),
        (TRAMADOL.replace("capsule", "capsul"), ("form 'capsul'", "Did you mean 'capsule'?")),
        (TRAMADOL.replace("oral", "orally"), ("route 'orally'", "Did you mean 'oral'?")),
        (TRAMADOL.replace(",mg,", ",mg/mL,"), ("unit 'mg/mL'", "expected mg (which serves mg/mL too), mcg or mcg/h")),
        (TRAMADOL.replace("amount", "amounts"), ("basis 'amounts'", "Did you mean 'amount'?")),
        (TRAMADOL.replace("local", ""), ("source is empty",)),
        (TRAMADOL.replace("0.15", "-0.15"), ("factor is not a number above 0", "leave out")),
        (TRAMADOL.replace("0.15", "0"), ("factor is not a number above 0",)),
        (TRAMADOL.replace("0.15", "nan"), ("factor is not a number above 0",)),
        (TRAMADOL.replace("0.15", "inf"), ("factor is not a number above 0",)),
        (TRAMADOL.replace("0.15", "a lot"), ("factor is not a number above 0",)),
        (TRAMADOL + "20", ("a band needs basis 'amount_by_total_daily_dose'",)),
        (TRAMADOL.replace("oral", "oral;intravenous"), ("oral factor does not hold for an injected dose",)),
        (TRAMADOL.replace("oral", "intrathecal"), ("intrathecal dose is not systemic",)),
        (PATCH.replace("day_worn", "amount"), ("form patch, unit mcg/h and basis 'day_worn' go together",)),
        (PATCH.replace("patch", "tablet"), ("go together",)),
        (PATCH.replace("fentanyl", "morphine"), ("how long a patch", "fentanyl and buprenorphine")),
        (BANDS[0].replace(",mg,", ",mcg,"), ("unit must be mg",)),
        (BANDS[0].replace(",,20", ",30,20"), ("are no band",)),
        (BANDS[0].replace(",,20", ",x,20"), ("are no band",)),
    ],
)
def test_a_line_is_refused(tmp_path: Path, refused: Refused, line: str, words: tuple[str, ...]) -> None:
    refused(InputError, lambda: read_factor_table(written(tmp_path, line)), "'mine'", *words)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ((), ("it has no rows",)),
        ((TRAMADOL, PATCH, TRAMADOL), ("lines 2 and 4 overlap", "tramadol")),
        ((TRAMADOL, TRAMADOL.replace(",mg,", ",mcg,")), ("lines 2 and 3 overlap",)),
        ((BANDS[0], BANDS[1].replace(",20,", ",21,")), ("the bands of methadone have a hole",)),
        ((BANDS[0], BANDS[1].replace(",20,", ",15,")), ("the bands of methadone have a hole or overlap",)),
        ((BANDS[1],), ("the bands of methadone have a hole",)),
        ((BANDS[0],), ("the bands of methadone have a hole",)),
        ((BANDS[0], BANDS[1].replace("tablet", "solution")), ("do not all name the same forms",)),
        ((*BANDS, *(each.replace("methadone", "codeine") for each in BANDS)), ("methadone and codeine", "only one")),
        ((*BANDS, BANDS[0].replace("_by_total_daily_dose", "").replace("20", "")), ("lines 2 and 4 overlap",)),
    ],
)  # fmt: skip
def test_a_table_is_refused(tmp_path: Path, refused: Refused, lines: tuple[str, ...], words: tuple[str, ...]) -> None:
    refused(InputError, lambda: read_factor_table(written(tmp_path, *lines)), *words)


def test_rows_of_other_routes_stand_side_by_side(tmp_path: Path) -> None:
    lines = (TRAMADOL, TRAMADOL.replace("oral", "rectal"), TRAMADOL.replace("tablet;capsule", "solution"))
    assert len(read_factor_table(written(tmp_path, *lines)).rows) == 3


def test_many_faults_are_cut_short(tmp_path: Path, refused: Refused) -> None:
    wrong = TRAMADOL.replace("tramadol", "tramadoll")
    refused(
        InputError, lambda: read_factor_table(written(tmp_path, *[wrong] * 7)), "7 faults", "line 6:", "; and 2 more."
    )


def test_a_table_that_is_none(tmp_path: Path, refused: Refused) -> None:
    refused(InputError, lambda: read_factor_table(tmp_path / "none.csv"), "no conversion table 'none.csv'", "CSV")
    (tmp_path / "latin.csv").write_bytes("ingrédient".encode("latin-1"))
    refused(InputError, lambda: read_factor_table(tmp_path / "latin.csv"), "latin.csv is not UTF-8")
    path = written(tmp_path, TRAMADOL, header=HEADER.replace("factor,", "faktor,"))
    refused(InputError, lambda: read_factor_table(path), "no column 'faktor'", "Did you mean 'factor'?")
    path = written(tmp_path, "tramadol,tablet", header="ingredient,forms")
    refused(InputError, lambda: read_factor_table(path), "no column routes and no unit", "expected ingredient, forms")
    frame = pd.read_csv(written(tmp_path, TRAMADOL))
    refused(InputError, lambda: read_factor_table(frame), "needs a name", "name=")
    refused(InputError, lambda: read_factor_table(frame, name="cdc_2022"), "shipped conversion table")


@pytest.mark.parametrize("name", factor_tables())
def test_a_shipped_table_can_be_read_again(name: str) -> None:
    table = factor_table(name)
    again = read_factor_table(table.frame, name=f"my_{name}")
    assert again.rows == table.rows
    assert again.frame.equals(table.frame)


def test_a_table_says_itself() -> None:
    table = factor_table("cdc_2022")
    assert table.sentence().startswith("Conversion table cdc_2022: 10 rows for 10 ingredients. Dowell D et al.")
    assert "tapentadol" in table._repr_html_()


def test_patches_of_every_table_have_hours() -> None:
    worn = {row.ingredient for table in factor_tables() for row in conversion_factors(table) if row.basis == "day_worn"}
    assert worn == set(PATCH_HOURS)
