"""Stays, diagnoses, scores, operations, device events, pump doses and treatments as rows of the CDM."""

from __future__ import annotations

import pandas as pd

from .chunks import Text, or_else
from .codes import device_words, spellings
from .omop_model import CHART, CLAIM, ENCOUNTER, EXCHANGE, FILL, SURVEY, Cdm, renumbered

VISITS = {"inpatient": "9201", "outpatient": "8756", "emergency": "9203", "rehabilitation": "8920"}
SOURCES = {"clinic": ENCOUNTER, "survey": SURVEY, "chart": CHART, "pdmp": EXCHANGE}
LUMBAR = ("lumbar", "lumbosacral", "unknown")
NOT_LUMBAR = "its codes are those of lumbar operations"
TOLD_TOGETHER = ("decompression_fusion", "instrumentation")
"""Words whose codes are read together with another code of the day: two for one operation, hardware with any."""
NOT_DONE = ("complication", "stop_use", "resume_use")
"""Device events at which nothing is done to the device."""
DEVICE_KEY = ["patient_id", "date", "device", "component", "event"]


def write_stays(cdm: Cdm) -> None:
    """Write the stays as visits."""
    rows = cdm.rows("stays")
    rows = cdm.ledger.drop("stays", rows, rows["type"].notna(), "a visit is of a kind, and the stay's is not known")
    cdm.ledger.change("stays", "stay_id", "stays are numbered by day", renumbered(rows, "stay_id"))
    ids = cdm.add(
        "visit_occurrence",
        rows,
        visit_occurrence_id=cdm.visits(rows),
        visit_concept_id=rows["type"].map(VISITS),
        visit_start_date=rows["admit_date"],
        visit_end_date=rows["discharge_date"],
        visit_type_concept_id=CLAIM,
        visit_source_value=rows["type"],
    )
    held = ("patient_id", "stay_id", "admit_date", "discharge_date", "type")
    cdm.details("stays", rows, ids, "visit_occurrence_id", held=held)


def write_conditions(cdm: Cdm) -> None:
    """Write the diagnoses."""
    table, rows = "conditions", cdm.rows("conditions")
    _, codes = cdm.codes(table, rows["condition"], rows["date"])
    ids = cdm.add(
        "condition_occurrence",
        rows,
        condition_start_date=rows["date"],
        condition_type_concept_id=CLAIM,
        **cdm.coded("condition", table, rows["condition"], codes),
    )
    cdm.details(table, rows, ids, "condition_occurrence_id", held=("patient_id", "date", "condition"))


def write_measurements(cdm: Cdm) -> None:
    """Write the measurements."""
    table, rows = "measurements", cdm.rows("measurements")
    _, codes = cdm.codes(table, rows["measure"], rows["date"])
    ids = cdm.add(
        "measurement",
        rows,
        measurement_date=rows["date"],
        measurement_type_concept_id=or_else(rows["source"].map(SOURCES), "0"),
        value_as_number=rows["value"],
        unit_source_value=rows["unit"],
        **cdm.coded("measurement", table, rows["measure"], codes),
    )
    held = ("patient_id", "date", "measure", "value", "unit", "source")
    cdm.details(table, rows, ids, "measurement_id", held=held)


def write_surgeries(cdm: Cdm) -> None:
    """Write the operations, one row for each code of an operation; details are told of the first."""
    table, rows = "surgeries", cdm.rows("surgeries")
    rows = cdm.ledger.drop(table, rows, rows["region"].isna() | rows["region"].isin(LUMBAR), NOT_LUMBAR)
    again = rows.duplicated(["patient_id", "date"])
    rows = cdm.ledger.drop(table, rows, ~again, "the codes of a patient's day are one operation")
    cdm.ledger.change(table, "region", "its codes are read as lumbar", int(rows["region"].isna().sum()))
    cdm.ledger.change(table, "surgery_id", "operations are numbered by day", renumbered(rows, "surgery_id"))
    lines = operation_codes(rows)
    each = rows.loc[lines["row"]].reset_index(drop=True)
    codes, words = lines["code"], lines["word"]
    concepts = [
        "0" if word in TOLD_TOGETHER else cdm.vocabulary.source_concept(table, word, code)
        for word, code in zip(words, codes, strict=True)
    ]
    ids = cdm.add(
        "procedure_occurrence",
        each,
        procedure_date=each["date"],
        procedure_type_concept_id=CLAIM,
        visit_occurrence_id=cdm.visits(each),
        quantity="1",
        procedure_source_value=codes,
        procedure_source_concept_id=concepts,
    )
    first = ids[~lines["row"].duplicated()].set_axis(rows.index)
    # Of a lumbar region the codes tell, and that hardware was implanted.
    silent = rows.assign(
        region=rows["region"].where(rows["region"] != "lumbar"),
        instrumented=rows["instrumented"].where(rows["instrumented"] != "true"),
    )
    held = ("patient_id", "surgery_id", "stay_id", "date", "procedure")
    cdm.details(table, silent, first, "procedure_occurrence_id", held=held)


def operation_codes(rows: Text) -> pd.DataFrame:
    """Return row label, word and code of every code of every operation, instrumentation after the operation itself."""
    lines = []
    for label, word, day, flag in zip(rows.index, rows["procedure"], rows["date"], rows["instrumented"], strict=True):
        for each in (word, *(("instrumentation",) if flag == "true" else ())):
            lines += [(label, each, code.code) for code in spellings("surgeries", each, day, use="omop")]
    return pd.DataFrame(lines, columns=["row", "word", "code"], dtype=object)


def write_device_events(cdm: Cdm) -> None:
    """Write device events: what was done as procedures, the leads of a trial as a device, the rest as observations."""
    table, rows = "device_events", cdm.rows("device_events")
    held = (*DEVICE_KEY, "system_id")
    bare = rows.drop(columns=list(held)).isna().all(axis=1)
    again = bare & rows.assign(bare=bare).duplicated([*DEVICE_KEY, "bare"])
    rows = cdm.ledger.drop(table, rows, ~again, "nothing tells it from another of the day")
    paths = rows["device"] + "/" + rows["component"] + "/" + rows["event"]
    systems, codes = cdm.codes(table, device_words(rows), rows["date"])
    kind = (systems == "HCPCS").map({True: "device", False: "procedure"})
    kind = kind.where(~rows["event"].isin(NOT_DONE), "observation")
    for name, each, day, field in (
        ("procedure_occurrence", "procedure", "procedure_date", "procedure_occurrence_id"),
        ("device_exposure", "device", "device_exposure_start_date", "device_exposure_id"),
        ("observation", "observation", "observation_date", "observation_id"),
    ):
        mine = rows[kind == each]
        source = cdm.coded(each, table, paths[mine.index], codes[mine.index])
        dated = {day: mine["date"], f"{each}_type_concept_id": ENCOUNTER}
        ids = cdm.add(name, mine, **dated, **source)
        cdm.details(table, mine, ids, field, held=held)


def write_doses(cdm: Cdm) -> None:
    """Write the daily doses of pumps as observations, for which the CDM has no table."""
    table, rows = "intrathecal_doses", cdm.rows("intrathecal_doses")
    ids = cdm.add(
        "observation",
        rows,
        observation_date=rows["date"],
        observation_type_concept_id=ENCOUNTER,
        value_as_number=rows["dose_per_day"],
        unit_source_value=rows["unit"],
        qualifier_source_value=rows["system_id"],
        **cdm.coded("observation", table, rows["ingredient"], rows["ingredient"]),
    )
    held = ("patient_id", "system_id", "date", "ingredient", "dose_per_day", "unit")
    cdm.details(table, rows, ids, "observation_id", held=held)


def write_therapies(cdm: Cdm) -> None:
    """Write the other treatments: drugs as drug exposures, the rest as procedures."""
    table, rows = "therapies", cdm.rows("therapies")
    held = ("patient_id", "date", "end_date", "therapy")
    systems, codes = cdm.codes(table, rows["therapy"], rows["date"])
    drugs, others = rows[systems == "RxNorm"], rows[systems != "RxNorm"]
    endless = drugs["end_date"].isna()
    cdm.ledger.change(table, "end_date", "a drug exposure has an end; read as of one day", int(endless.sum()))
    ids = cdm.add(
        "drug_exposure",
        drugs,
        drug_exposure_start_date=drugs["date"],
        drug_exposure_end_date=drugs["end_date"].where(~endless, drugs["date"]),
        drug_type_concept_id=FILL,
        **cdm.coded("drug", table, drugs["therapy"], codes[drugs.index]),
    )
    cdm.details(table, drugs, ids, "drug_exposure_id", held=held)
    ids = cdm.add(
        "procedure_occurrence",
        others,
        procedure_date=others["date"],
        procedure_end_date=others["end_date"],
        procedure_type_concept_id=CLAIM,
        **cdm.coded("procedure", table, others["therapy"], codes[others.index]),
    )
    cdm.details(table, others, ids, "procedure_occurrence_id", held=held)
