"""The opioid verbs of a cohort against the frame-level function, and what they prepare once.

Both go through one sweep: what is held here is that a verb hands it the right supplies, days and rules.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from spec.notation import build, parse

import fbss_analytics as fbss
from fbss_analytics.cohort import Cohort
from fbss_analytics.cohort.linkage import observed_spans
from fbss_analytics.errors import DataError, InputError
from fbss_analytics.exposure import prepared as prepared_module
from fbss_analytics.exposure.coverage import covered_spans
from fbss_analytics.exposure.definition import DoseDefinition
from fbss_analytics.exposure.intervals import holds_day, make_spans
from fbss_analytics.exposure.opioids import add_opioid_dose, systemic_supplies
from fbss_analytics.exposure.prepared import prepared
from fbss_analytics.exposure.trajectory import add_opioid_trajectory

Refused = Callable[..., None]
DOSE = DoseDefinition(factors="cdc_2022", overlap="concurrent", buprenorphine="exclude")
STAYS = """
dispensings
patient_id | date | days_supply
a          | -30  | 10
b          | -90  | 30

stays
patient_id | admit_date | discharge_date
a          | -25        | -16
b          | -20        | -11
"""


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    source = fbss.simulate("neuromodulation", n_patients=1_200, seed=3)
    return fbss.start_cohort(source, index="scs_implant", occurrence="first")


@pytest.mark.parametrize(
    "dose",
    [
        DOSE,
        replace(DOSE, factors="cdc_2016", buprenorphine="include"),
        replace(DOSE, overlap="carry_forward", overlap_within="ingredient", carry_at_most_days=20),
        replace(DOSE, overlap="truncate", overlap_within="ingredient_and_form"),
        replace(DOSE, straddle="whole_fill"),
        replace(DOSE, stays="exclude"),
        replace(DOSE, stays="assume_supplied"),
        replace(DOSE, repeats="drop"),
    ],
    ids=lambda dose: dose.sentence(),
)
def test_the_verb_and_the_function_agree(cohort: Cohort, dose: DoseDefinition) -> None:
    window = (-180, -1)
    tables = cohort.source.tables
    # The verb takes death from the source; the function is told of observation by spans that end with it.
    spans = observed_spans(cohort, ("pharmacy",))
    index = cohort.data["index_date"].to_numpy()[spans["row"]]
    observation = pd.DataFrame({
        "patient_id": cohort.data["patient_id"].to_numpy()[spans["row"]],
        "start_date": index + pd.to_timedelta(spans["start"].clip(lower=-5000), unit="D").to_numpy(),
        "end_date": index + pd.to_timedelta(spans["end"].clip(upper=5000), unit="D").to_numpy(),
    })  # fmt: skip
    added = add_opioid_dose(cohort, dose, name="x", days=window, per="day_covered").frame
    found = fbss.opioid_exposure(
        cohort.source, cohort.frame, dose, days=window, observation=observation, stays=tables["stays"]
    )
    for name in ("total_mme", "days_supplied", "days_covered", "days_in_window", "max_daily_mme", "share_unknown"):
        np.testing.assert_array_equal(added[f"x_{name}"], found[name], err_msg=name)
    np.testing.assert_array_equal(added["x_mme_per_day"], found["mme_per_day_covered"])
    assert (found["n_dispensings"] > 0).sum() > 50


def test_supplies_are_prepared_once_and_let_go_with_their_source(monkeypatch: pytest.MonkeyPatch) -> None:
    times = [0]
    real = prepared_module._prepare

    def counted(*arguments: object) -> object:
        times[0] += 1
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(prepared_module, "_prepare", counted)
    source = fbss.simulate("neuromodulation", n_patients=60, seed=1)
    cohort = fbss.start_cohort(source, index="scs_implant", occurrence="first")
    other = fbss.require_age(cohort, at_least=50)
    for each in (cohort, other):
        add_opioid_dose(each, DOSE, name="a", days=(-90, -1), per="day_in_window")
        covered_spans(each, replace(DOSE))
    assert times == [1]
    add_opioid_dose(cohort, replace(DOSE, factors="cdc_2016"), name="b", days=(-90, -1), per="day_in_window")
    assert times == [2]
    kept = weakref.ref(prepared(source, DOSE))
    del source, cohort, other, each
    gc.collect()
    assert kept() is None


def test_supplies_are_relative_to_each_row(cohort: Cohort) -> None:
    supplies = systemic_supplies(cohort, DOSE)
    assert (np.diff(supplies.row) >= 0).all()
    table = cohort.source.tables["dispensings"].to_pandas()
    rows = cohort.data.reset_index(names="row").merge(table, on="patient_id")
    rows = rows[(rows["ingredient"] != "buprenorphine") & (rows["route"] != "intrathecal")]
    day = (pd.to_datetime(rows["date"]) - rows["index_date"]).dt.days
    expected = sorted(zip(rows["row"], day, day + rows["days_supply"] - 1, strict=True))
    assert sorted(zip(supplies.row, supplies.start, supplies.end, strict=True)) == expected


def test_stays_cover_without_a_dose_or_leave_the_window() -> None:
    cohort = fbss.start_cohort(build(parse(STAYS)), index="scs_implant", occurrence="first")

    def columns(stays: str) -> list[list[float]]:
        dose = replace(DOSE, stays=stays)
        frame = add_opioid_dose(cohort, dose, name="x", days=(-30, -1), per="day_covered").frame
        return frame[["x_days_covered", "x_days_in_window", "x_total_mme"]].to_numpy().tolist()

    # Patient a: 1 unit of 10 mg a day on -30..-21, in hospital on -25..-16; patient b's fill ended before the window.
    assert columns("ignore") == [[10, 30, 100], [0, 30, 0]]
    assert columns("exclude") == [[5, 20, 50], [0, 20, 0]]
    assert columns("assume_supplied") == [[15, 30, 100], [0, 30, 0]]
    spans = covered_spans(cohort, replace(DOSE, stays="assume_supplied")).to_numpy().tolist()
    assert spans == [[0, -30, -16], [1, -90, -61], [1, -20, -11]]


def test_rules_without_a_meaning_are_refused(cohort: Cohort, bare_cohort: Cohort, refused: Refused) -> None:
    away = replace(DOSE, stays="exclude")
    refused(InputError, lambda: covered_spans(cohort, away), "every day has supply or none")
    refused(InputError, lambda: add_opioid_trajectory(cohort, away, basis="dispensed"), "A month is 30 days")
    whole = replace(DOSE, straddle="whole_fill")
    refused(InputError, lambda: add_opioid_trajectory(cohort, whole, basis="dispensed"), "A month is 30 days")
    stayless = fbss.start_cohort(build(parse(STAYS.split("stays")[0])), index="scs_implant", occurrence="first")
    refused(
        DataError,
        lambda: add_opioid_dose(stayless, away, name="x", days=(-30, -1), per="day_covered"),
        "needs stays, which this source does not have",
    )


def test_days_in_merged_spans() -> None:
    spans = make_spans([0, 0, 2], [-5, 10, 0], [3, 20, 0])
    row = np.array([0, 0, 0, 0, 0, 0, 1, 2, 2, 2])
    day = np.array([-6, -5, 3, 4, 10, 21, 0, -1, 0, 1])
    expected = [False, True, True, False, True, False, False, False, True, False]
    assert holds_day(spans, row, day).tolist() == expected
    assert holds_day(spans.iloc[:0], row, day).tolist() == [False] * 10
