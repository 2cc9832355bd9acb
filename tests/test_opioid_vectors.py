"""Published and recorded opioid dose calculations, each through the library's public functions.

Expected values and their sources stand in `reference/opioid_vectors.json`; no dose is worked out here. Tolerances:
half of the last digit where a source prints rounded values, 1e-9 elsewhere. Where the collection the cases come from
lies beside the repository, the copy is held to be complete.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from spec.notation import DEFAULTS, build

from fbss_analytics.cohort import Cohort
from fbss_analytics.cohort.verbs import start_cohort
from fbss_analytics.errors import InputError, StudyWarning
from fbss_analytics.exposure.definition import DoseDefinition
from fbss_analytics.exposure.exposure import opioid_exposure
from fbss_analytics.exposure.factor_file import read_factor_table
from fbss_analytics.exposure.factors import FactorTable, factor_tables
from fbss_analytics.exposure.heal import heal_mme
from fbss_analytics.exposure.opioids import PER, add_opioid_dose
from fbss_analytics.exposure.plausibility import flag_dispensings
from fbss_analytics.exposure.treatment import from_adherer_gap, from_ohdsi_gap, treatment_episodes

FOLDER = Path(__file__).parent / "reference"
CASES = json.loads((FOLDER / "opioid_vectors.json").read_text(encoding="utf-8"))
DOSES = [case for case in CASES["vectors"] if "rule" not in case["expected"]]
NO_OPIOID = [case for case in CASES["vectors"] if "rule" in case["expected"]]
COLLECTION = Path(__file__).parents[2] / "shared" / "opioids" / "vectors.json"
DAY_0 = pd.Timestamp("2015-07-01")
COLUMNS = {
    "day_supplied": "mme_per_day_supplied", "day_covered": "mme_per_day_covered",
    "day_in_window": "mme_per_day_in_window", "maximum_day": "max_daily_mme",
}  # fmt: skip
# Answers of the calculator's recorded API: sums and quotients of the same numbers in the same order.
EXACT = 1e-9


def table_of(name: str) -> str | FactorTable:
    """Return a shipped table's name, or the table that stands beside the vectors."""
    return name if name in factor_tables() else read_factor_table(FOLDER / f"{name}.csv")


def cohort_of(rows: list[dict[str, Any]]) -> Cohort:
    text = [{"patient_id": "p"} | {key: str(value) for key, value in row.items()} for row in rows]
    return start_cohort(build({"dispensings": text}), index="scs_implant", occurrence="first")


def frame_of(rows: list[dict[str, Any]]) -> pd.DataFrame:
    frame = pd.DataFrame([DEFAULTS["dispensings"] | {"quantity_unit": None, "patient_id": "p"} | row for row in rows])
    return frame.assign(date=DAY_0 + pd.to_timedelta(frame["date"].astype(int), unit="D"))


def defined(case: dict[str, Any]) -> DoseDefinition:
    return DoseDefinition(factors=table_of(case["table"]), overlap="concurrent", buprenorphine="include")


def same(value: float, expected: float | None, tolerance: float) -> bool:
    """Return whether a value is the expected one, or missing where none is expected."""
    return bool(np.isnan(value)) if expected is None else value == pytest.approx(expected, abs=tolerance, rel=0)


@pytest.mark.parametrize("case", DOSES, ids=[case["id"] for case in DOSES])
def test_a_dose_of_a_cohort(case: dict[str, Any]) -> None:
    cohort = cohort_of(case["dispensings"])
    window = tuple(case.get("days", (-90, -1)))
    for name, expected in case["expected"].items():
        per, column = (name, "mme_per_day") if name in PER else ("maximum_day", name)
        found = add_opioid_dose(cohort, defined(case), name="d", days=window, per=per).frame[f"d_{column}"].iloc[0]
        assert same(found, expected, case["tolerance"]), name


@pytest.mark.parametrize("case", DOSES, ids=[case["id"] for case in DOSES])
def test_an_exposure_of_a_frame(case: dict[str, Any]) -> None:
    index = pd.DataFrame({"patient_id": ["p"], "index_date": [DAY_0]})
    window = tuple(case.get("days", (-90, -1)))
    found = opioid_exposure(frame_of(case["dispensings"]), index, defined(case), days=window).iloc[0]
    for name, expected in case["expected"].items():
        assert same(found[COLUMNS.get(name, name)], expected, case["tolerance"]), name


@pytest.mark.parametrize("case", NO_OPIOID, ids=[case["id"] for case in NO_OPIOID])
def test_what_is_no_opioid_gives_no_dose(case: dict[str, Any]) -> None:
    flags = flag_dispensings(frame_of(case["dispensings"]))
    assert flags.rows["rule"].tolist() == [case["expected"]["rule"]]
    assert flags.frame.set_index("rule").loc[case["expected"]["rule"], "handling"] == "set aside"


def test_integer_bands_with_holes_are_refused() -> None:
    # CQL prints bands 1-20, 21-40, 41-60 and from 61: 20.5 and 60.5 mg have no factor there, and its sums drop them.
    with pytest.raises(InputError, match="the bands of methadone have a hole"):
        read_factor_table(FOLDER / "cql_bands_2016.csv")


@pytest.mark.parametrize("case", CASES["heal"], ids=[case["id"] for case in CASES["heal"]])
def test_the_calculators_answers(case: dict[str, Any]) -> None:
    given = case["inputs"]
    therapy, window = given["therapy_days"], given["observation_window_days"]

    def calculate() -> Any:
        return heal_mme(given["medications"], therapy_days=therapy, window_days=window)

    if case["id"].startswith("heal_api_bup"):
        with pytest.warns(StudyWarning, match="These days cannot be"):
            found = calculate()
    else:
        found = calculate()
    for arm in found.frame.to_dict("records"):
        for name, expected in case["expected"][arm["arm"]].items():
            assert same(arm[name], expected, EXACT * max(1, abs(expected or 0))), (arm["arm"], name)
    for row, expected_row in zip(
        found.prescriptions.to_dict("records"), case["expected"].get("prescription", ()), strict=False
    ):
        assert {name: row[name] for name in expected_row} == pytest.approx(expected_row, rel=EXACT)


def exposed(spans: list[list[Any]]) -> pd.DataFrame:
    """Return exposures, both days included, as fills of one tablet a day."""
    start, end = (pd.to_datetime([span[end] for span in spans]) for end in (0, 1))
    days = (end - start).days + 1
    rows = DEFAULTS["dispensings"] | {"quantity_unit": None, "patient_id": "p"}
    return pd.DataFrame([rows] * len(spans)).assign(date=start, days_supply=days, quantity=days)


def eras(case: dict[str, Any], gap: int, **choices: Any) -> pd.DataFrame:
    given = case["inputs"]
    # Days by number are days of January 2020.
    spans = given.get("exposures") or [
        [f"2020-01-{day:02d}" for day in span] for span in given["exposures_inclusive_days"]
    ]
    policy = {"overlap": "concurrent"} | choices
    dose = DoseDefinition(factors="cdc_2022", buprenorphine="exclude", **policy)
    return treatment_episodes(exposed(spans), dose, gap_days=from_ohdsi_gap(gap))


def dates(frame: pd.DataFrame) -> list[list[str]]:
    return [[str(day.date()) for day in row] for row in zip(frame["start_date"], frame["end_date"], strict=True)]


ERAS = {case["id"]: case for case in CASES["eras"]}


@pytest.mark.parametrize("name", ["darwin_erafy_gap5", "darwin_erafy_gap6"])
def test_eras_by_gap(name: str) -> None:
    case = ERAS[name]
    assert dates(eras(case, case["inputs"]["gapEra"])) == case["expected"]["eras"]


def test_five_days_without_supply_join_in_adherer_at_a_gap_of_five() -> None:
    spans = exposed(ERAS["darwin_erafy_gap5"]["inputs"]["exposures"])
    dose = DoseDefinition(factors="cdc_2022", overlap="concurrent", buprenorphine="exclude")
    counts = [len(treatment_episodes(spans, dose, gap_days=from_adherer_gap(gap))) for gap in (4, 5)]
    assert counts == [2, 1]


def test_days_without_supply_inside_an_era() -> None:
    case = ERAS["ohdsi_era_gap_days"]
    found = eras(case, case["inputs"]["persistence_gap"])
    assert [[start[-2:], end[-2:]] for start, end in dates(found)] == [["01", "20"]]
    assert case["expected"]["eras"] == [[1, 20]]
    assert (found["days"] - found["days_covered"]).tolist() == [case["expected"]["gap_days"]]


@pytest.mark.parametrize("name", ["ohdsi_era_overlap", "ohdsi_era_nested"])
def test_an_era_ends_with_the_exposure_that_ends_last(name: str) -> None:
    case = ERAS[name]
    assert [end for _, end in dates(eras(case, case["inputs"]["gap"]))] == [case["expected"]["era_end"]]


def test_supply_that_overlaps_is_carried_to_the_end() -> None:
    case = ERAS["darwin_vignette_carry"]
    expected = case["expected"]
    without, with_carry = eras(case, 1), eras(case, 1, overlap="carry_forward", overlap_within="ingredient")
    assert dates(without) == [expected["era_without_carry"]]
    assert dates(with_carry) == [expected["era_with_carry"]]
    assert with_carry["days_covered"].tolist() == [expected["days_prescribed"]]
    assert (with_carry["days_covered"] - without["days_covered"]).tolist() == [expected["overlap_days"]]


def test_every_era_is_compared() -> None:
    assert set(ERAS) == {
        "darwin_erafy_gap5", "darwin_erafy_gap6", "ohdsi_era_gap_days", "ohdsi_era_overlap", "ohdsi_era_nested",
        "darwin_vignette_carry",
    }  # fmt: skip


def test_every_case_is_here_or_named_as_out_of_scope() -> None:
    if not COLLECTION.exists():
        pytest.skip("the collection of cases does not lie beside the repository")
    collected = json.loads(COLLECTION.read_text(encoding="utf-8"))["vectors"]
    groups = {name: {case["id"] for case in CASES[name]} for name in ("vectors", "heal", "eras", "out_of_scope")}
    assert {case["id"] for case in collected} <= set.union(*groups.values())
    for case in collected:
        assert (case["id"] in groups["heal"]) == (case["kind"] == "heal_four_definitions")
        assert (case["id"] in groups["eras"]) == (case["kind"] == "era")
    assert all(case["kind"] == "cql_mme" and "orders" in case["reason"] for case in CASES["out_of_scope"])
