"""Exposure: what is recorded, what is refused; meanings stand in `spec/`, published doses in `test_opioid_vectors`."""

from collections.abc import Callable
from importlib.resources import files
from typing import Any

import numpy as np
import pytest
from spec.notation import build, parse

from fbss_analytics.cohort import Cohort
from fbss_analytics.cohort.verbs import start_cohort
from fbss_analytics.errors import DataError, InputError
from fbss_analytics.exposure.covariates import add_attribute, add_condition, add_measurement, add_surgery_history
from fbss_analytics.exposure.definition import DoseDefinition
from fbss_analytics.exposure.devices import add_device
from fbss_analytics.exposure.factors import (
    PATCH_HOURS,
    banded_ingredients,
    bands,
    conversion_factors,
    factor_tables,
)
from fbss_analytics.exposure.opioids import add_opioid_dose
from fbss_analytics.exposure.therapies import add_therapy
from fbss_analytics.sources import schema
from fbss_analytics.sources.source import Source

Refused = Callable[..., None]
DOSE = DoseDefinition(factors="cdc_2022", overlap="concurrent", buprenorphine="exclude")


def cohort_of(tables: dict[str, list[dict[str, Any]]]) -> Cohort:
    text = {name: [{key: str(value) for key, value in row.items()} for row in rows] for name, rows in tables.items()}
    return start_cohort(build(text), index="scs_implant", occurrence="first")


def test_a_dose_is_recorded(small_cohort: Cohort) -> None:
    cohort = add_opioid_dose(small_cohort, DOSE, name="baseline", days=(-90, -1), per="day_in_window")
    definition = cohort.definitions[-1]
    assert definition.name == "baseline"
    assert definition.words == (
        "systemic opioid dose on days -90 to -1: total MME / observed days of the window (D3). Oral MME by the table "
        "cdc_2022; doses of concurrent fills add; buprenorphine is excluded. 0 of 1 fills (0.0 %) are of unknown dose."
    )
    assert definition.columns == tuple(
        f"baseline_{column}"
        for column in (
            "mme_per_day", "total_mme", "days_covered", "max_daily_mme", "days_supplied", "dispensings",
            "days_in_window", "share_unknown",
        )
    )  # fmt: skip
    assert definition.arguments == {
        "factors": "cdc_2022", "overlap": "concurrent", "buprenorphine": "exclude", "days": (-90, -1),
        "per": "day_in_window",
    }  # fmt: skip
    assert "10.1097/AJP.0000000000000948" in definition.citation
    assert "10.15585/mmwr.rr7103a1" in definition.citation
    assert definition.known_at_day == -1
    assert set(definition.columns) <= set(cohort.frame.columns)
    assert all(isinstance(dtype, np.dtype) for dtype in cohort.frame.dtypes)


def test_nobody_with_a_fill_in_the_window(small_cohort: Cohort) -> None:
    cohort = add_opioid_dose(small_cohort, DOSE, name="late", days=(100, 200), per="day_in_window")
    assert cohort.frame["late_mme_per_day"].tolist() == [0.0, 0.0, 0.0]
    assert "0 of 0 fills (0.0 %)" in cohort.definitions[-1].words


def test_the_words_count_unknown_fills_exactly() -> None:
    rows = [{"patient_id": "p", "date": -49 + day, "days_supply": 1} for day in range(49)]
    rows[7]["strength_value"] = ""
    cohort = add_opioid_dose(cohort_of({"dispensings": rows}), DOSE, name="d", days=(-90, -1), per="day_covered")
    assert "1 of 49 fills (2.0 %) are of unknown dose" in cohort.definitions[-1].words
    assert cohort.frame["d_mme_per_day"].iloc[0] == pytest.approx(480 / 49, abs=1e-12)


def test_two_doses_stand_side_by_side(small_cohort: Cohort, refused: Refused) -> None:
    cohort = add_opioid_dose(small_cohort, DOSE, name="near", days=(-90, -1), per="day_in_window")
    cohort = add_opioid_dose(cohort, DOSE, name="far", days=(-365, -91), per="day_in_window")
    assert {"near_mme_per_day", "far_mme_per_day"} <= set(cohort.frame.columns)
    refused(
        InputError,
        lambda: add_opioid_dose(cohort, DOSE, name="near", days=(-30, -1), per="day_in_window"),
        "already has near_mme_per_day",
        "name=",
    )


def test_a_definition_says_itself() -> None:
    included = DoseDefinition(factors="cdc_2016", overlap="concurrent", buprenorphine="include")
    assert included.sentence() == (
        "Oral MME by the table cdc_2016; doses of concurrent fills add; buprenorphine is included."
    )
    with pytest.raises(AttributeError):
        included.factors = "cdc_2022"  # type: ignore[misc]


# The conversion tables.


@pytest.mark.parametrize("table", factor_tables())
def test_factors_use_the_words_of_the_schema(table: str) -> None:
    for factor in conversion_factors(table):
        assert factor.ingredient in schema.vocabulary("ingredient")
        assert set(factor.forms) <= set(schema.vocabulary("form"))
        assert set(factor.routes) <= set(schema.vocabulary("route"))
        assert factor.unit in schema.vocabulary("strength_unit")
        assert factor.factor > 0
        assert "doi" in factor.source or "CDC" in factor.source
        assert factor.basis != "day_worn" or factor.ingredient in PATCH_HOURS
        assert "intrathecal" not in factor.routes


@pytest.mark.parametrize("table", factor_tables())
def test_no_dispensing_meets_two_factors(table: str) -> None:
    met = [
        (factor.ingredient, form, route, factor.unit, factor.above_mg_per_day)
        for factor in conversion_factors(table)
        for form in factor.forms
        for route in factor.routes
    ]
    assert len(set(met)) == len(met)


def test_bands_join_without_holes() -> None:
    edges, factors = bands("cdc_2016", "methadone")
    assert edges.tolist() == [20, 40, 60, np.inf]
    assert factors.tolist() == [4, 8, 10, 12]
    rows = [row for row in conversion_factors("cdc_2016") if row.ingredient == "methadone"]
    assert [row.above_mg_per_day for row in rows] == [0, 20, 40, 60]
    assert banded_ingredients("cdc_2016") == ("methadone",)
    assert banded_ingredients("cdc_2022") == ()


def test_the_table_on_disk_names_its_columns() -> None:
    text = files("fbss_analytics").joinpath("data/conversion_factors.csv").read_text(encoding="utf-8")
    assert text.splitlines()[0] == (
        "table,ingredient,forms,routes,unit,factor,basis,above_mg_per_day,up_to_mg_per_day,source,name"
    )


# Covariates: what is recorded.


def test_covariates_are_recorded(small_cohort: Cohort) -> None:
    cohort = add_condition(small_cohort, "depression", days=(-365, -1))
    cohort = add_attribute(cohort, "smoking")
    cohort = add_measurement(cohort, "nrs_leg", days=(-90, -1), take="last")
    cohort = add_surgery_history(cohort, days=(None, -1))
    cohort = add_therapy(cohort, "nsaid", days=(None, -1))
    assert [(each.columns[0], each.words, each.known_at_day) for each in cohort.definitions[1:]] == [
        ("has_depression", "depression recorded on days -365 to -1", -1),
        ("smoking", "smoking in force on day 0", 0),
        ("nrs_leg", "last numeric rating scale, leg pain (points) on days -90 to -1", -1),
        (
            "prior_lumbar_surgeries",
            "lumbar operations on day -1 or before: number, whether one was a fusion, years since the last",
            -1,
        ),
        ("has_nsaid", "nsaid recorded on day -1 or before", -1),
    ]
    frame = cohort.frame
    assert frame["has_depression"].tolist() == [True, False, False]
    assert frame["smoking"].tolist() == ["never", None, None]
    assert frame["nrs_leg"].tolist()[0] == 7.25
    assert frame["has_nsaid"].tolist() == [False, True, False]
    assert all(isinstance(dtype, np.dtype) for dtype in frame.dtypes)


@pytest.mark.parametrize(
    ("add", "column"),
    [
        (lambda c: add_condition(c, "depression", days=(-9, 0), name="x"), "x"),
        (lambda c: add_attribute(c, "smoking", name="x"), "x"),
        (lambda c: add_measurement(c, "nrs_leg", days=(-9, 0), take="mean", name="x"), "x"),
        (lambda c: add_therapy(c, "nsaid", days=(-9, 0), name="x"), "x"),
    ],
)
def test_a_column_may_be_named(small_cohort: Cohort, add: Callable[[Cohort], Cohort], column: str) -> None:
    assert add(small_cohort).frame.columns[-1] == column


def test_operations_of_nobody() -> None:
    cohort = start_cohort(
        build(parse("surgeries\npatient_id | date\nid-4711 | 400")), index="scs_implant", occurrence="first"
    )
    frame = add_surgery_history(cohort, days=(None, 0)).frame
    assert frame["prior_lumbar_surgeries"].tolist() == [0]
    assert frame["years_since_lumbar_surgery"].isna().all()


# What is refused, and in which words.


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("cdc_2020", "concurrent", "exclude"), ("factors='cdc_2020'", "Did you mean 'cdc_20")),
        (("heal", "concurrent", "exclude"), ("factors='heal'", "Did you mean 'nih_heal'?")),
        (("cdc_2022", "carry", "exclude"), ("overlap='carry'", "Known: carry_forward, concurrent, truncate.")),
        (("cdc_2022", "concurrent", "excluded"), ("buprenorphine='excluded'", "Did you mean 'exclude'?")),
    ],
)
def test_a_dose_definition_refuses(refused: Refused, arguments: tuple[str, str, str], words: tuple[str, ...]) -> None:
    factors, overlap, buprenorphine = arguments
    refused(
        InputError,
        lambda: DoseDefinition(factors=factors, overlap=overlap, buprenorphine=buprenorphine),
        *words,
    )


def test_a_dose_definition_has_no_defaults() -> None:
    with pytest.raises(TypeError, match="factors"):
        DoseDefinition()  # type: ignore[call-arg]


def test_add_opioid_dose_refuses(small_cohort: Cohort, bare_cohort: Cohort, refused: Refused) -> None:
    add = add_opioid_dose
    refused(
        InputError,
        lambda: add(small_cohort, "cdc_2022", name="d", days=(-90, -1), per="day_covered"),  # type: ignore[arg-type]
        "second argument is a DoseDefinition",
        'factors="cdc_2022"',
    )
    refused(
        InputError,
        lambda: add(small_cohort, DOSE, name="d", days=(-90, -1), per="day_coverd"),
        "Did you mean 'day_covered'?",
    )
    refused(
        InputError,
        lambda: add(small_cohort, DOSE, name="d", days=(-1, -90), per="day_covered"),
        "did you mean (-90, -1)?",
    )
    refused(
        DataError,
        lambda: add(bare_cohort, DOSE, name="d", days=(-90, -1), per="day_covered"),
        "The opioid dose needs dispensings",
    )


@pytest.mark.parametrize(
    ("add", "words"),
    [
        (lambda c: add_condition(c, "depresion", days=(-9, 0)), "Did you mean 'depression'?"),
        (lambda c: add_condition(c, "depression", days=(0, -9)), "did you mean (-9, 0)?"),
        (lambda c: add_attribute(c, "smokin"), "Did you mean 'smoking'?"),
        (lambda c: add_measurement(c, "nrs_legs", days=(-9, 0), take="last"), "Did you mean 'nrs_leg'?"),
        (lambda c: add_measurement(c, "nrs_leg", days=(-9, 0), take="latest"), "Did you mean 'last'?"),
        (lambda c: add_measurement(c, "nrs_leg", days=(0, -9), take="last"), "did you mean (-9, 0)?"),
        (lambda c: add_surgery_history(c, days=(0, -9)), "did you mean (-9, 0)?"),
        (lambda c: add_surgery_history(c, days=(None, 1)), "day 1 or before does not. Type days=(None, -1)."),
        (lambda c: add_surgery_history(c, days=(-9, None)), "A history ends on day 0 or before"),
        (lambda c: add_therapy(c, "nsiad", days=(-9, 0)), "Did you mean 'nsaid'?"),
        (lambda c: add_therapy(c, "nsaid", days=(0, -9)), "did you mean (-9, 0)?"),
    ],
)
def test_covariates_refuse(small_cohort: Cohort, refused: Refused, add: Callable[[Cohort], Cohort], words: str) -> None:
    refused(InputError, lambda: add(small_cohort), words)


def test_add_device_needs_an_implant_on_day_0(small_source: Source, refused: Refused) -> None:
    cohort = start_cohort(small_source, index="lumbar_surgery", occurrence="first")
    refused(InputError, lambda: add_device(cohort), "day 0 is 'lumbar_surgery'", 'index="scs_implant"')


@pytest.mark.parametrize(
    ("add", "words"),
    [
        (lambda c: add_condition(c, "depression", days=(-9, 0)), "add_condition('depression') needs conditions"),
        (lambda c: add_attribute(c, "smoking"), "add_attribute('smoking') needs attributes"),
        (lambda c: add_measurement(c, "odi", days=(-9, 0), take="last"), "add_measurement('odi') needs measurements"),
        (lambda c: add_surgery_history(c, days=(None, -1)), "add_surgery_history needs surgeries"),
        (lambda c: add_therapy(c, "nsaid", days=(-9, 0)), "add_therapy('nsaid') needs therapies"),
    ],
)
def test_covariates_need_their_table(
    bare_cohort: Cohort, refused: Refused, add: Callable[[Cohort], Cohort], words: str
) -> None:
    refused(DataError, lambda: add(bare_cohort), words, "It has patients (1)")
