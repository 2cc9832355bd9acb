"""A source as claims: members, enrolment, pharmacy and medical claims, and the drug list their NDCs stand in.

Claims say less than the source: one code stands for a trial and a permanent lead, for a first and a later generator,
for a revision and a removal; they hold no scores. What single lines cannot tell is counted in the ledger.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from ..source import Source
from .chunks import Chunk, Text
from .claims_drugs import DrugList, therapy_days
from .claims_lines import (
    MEDICAL,
    NOT_IN_CLAIMS,
    PLACES,
    device_lines,
    diagnosis_lines,
    operation_lines,
    treatment_lines,
)
from .claims_mapping import mapping
from .codes import spelled
from .files import CsvFiles
from .ledger import Ledger

SEXES = {"male": "M", "female": "F", "unknown": "U"}
COVERAGE = {"medical": "M", "pharmacy": "P"}


def write_claims(source: Source, chunks: Iterable[Chunk], files: CsvFiles, ledger: Ledger) -> None:
    """Write ``members``, ``enrolment``, ``pharmacy``, ``medical``, ``inpatient``, ``drugs`` and ``mapping.toml``."""
    drugs = DrugList()
    for chunk in chunks:
        _members(chunk, files, ledger)
        _enrolment(chunk, files, ledger)
        _stays(chunk, files, ledger)
        _fills(chunk, files, ledger, drugs)
        parts = [make(chunk, ledger) for make in (diagnosis_lines, operation_lines, device_lines, treatment_lines)]
        _medical(pd.concat(parts, ignore_index=True), files)
        for table in ("measurements", "intrathecal_doses"):
            rows = chunk.frames[table]
            ledger.drop(table, rows, np.zeros(len(rows), dtype=bool), NOT_IN_CLAIMS)
    files.add("drugs", drugs.frame())
    files.text("mapping.toml", mapping(source.name, source.calendar, source.tables))


def _members(chunk: Chunk, files: CsvFiles, ledger: Ledger) -> None:
    """Write the members, with their payer; of the other attributes claims know nothing."""
    people, told = chunk.frames["patients"], chunk.frames["attributes"]
    is_payer = (told["attribute"] == "payer") & told["start_date"].isna() & told["end_date"].isna()
    is_payer &= ~told["patient_id"].where(is_payer).duplicated()
    ledger.drop("attributes", told, is_payer, NOT_IN_CLAIMS)
    payer = told[is_payer].set_index("patient_id")["value"]
    columns = {
        "member_id": people["patient_id"],
        "birth_year": people["birth_year"],
        "birth_month": people["birth_month"],
        "sex": people["sex"].map(SEXES),
        "death_date": people["death_date"],
        "payer": people["patient_id"].map(payer),
    }
    files.add("members", pd.DataFrame(columns))


def _enrolment(chunk: Chunk, files: CsvFiles, ledger: Ledger) -> None:
    table = "observation_periods"
    spans = chunk.frames[table]
    spans = ledger.drop(table, spans, spans["domain"].isin(list(COVERAGE)), NOT_IN_CLAIMS)
    ledger.keep_only(table, spans, ("patient_id", "domain", "start_date", "end_date"), why=NOT_IN_CLAIMS)
    columns = {
        "member_id": spans["patient_id"],
        "coverage": spans["domain"].map(COVERAGE),
        "start_date": spans["start_date"],
        "end_date": spans["end_date"],
    }
    files.add("enrolment", pd.DataFrame(columns))


def _stays(chunk: Chunk, files: CsvFiles, ledger: Ledger) -> None:
    rows = chunk.frames["stays"]
    ledger.keep_only(
        "stays", rows, ("patient_id", "stay_id", "admit_date", "discharge_date", "type"), why=NOT_IN_CLAIMS
    )
    start = files.rows.get("inpatient", 0) + 1
    columns = {
        "claim_id": [f"F{number:09d}" for number in range(start, start + len(rows))],
        "member_id": rows["patient_id"],
        "admit_date": rows["admit_date"],
        "discharge_date": rows["discharge_date"],
        "place_of_service": rows["type"].map(PLACES),
    }
    files.add("inpatient", pd.DataFrame(columns))


def _fills(chunk: Chunk, files: CsvFiles, ledger: Ledger, drugs: DrugList) -> None:
    """Write the fills of opioids, then those of other drugs, which are told as one fill of so many days."""
    opioids, therapies = chunk.frames["dispensings"], chunk.frames["therapies"]
    held = ("patient_id", "dispensing_id", "date", "ingredient", "form", "route", "strength_value", "strength_unit",
            "quantity", "quantity_unit", "days_supply")  # fmt: skip
    ledger.keep_only("dispensings", opioids, held, why=NOT_IN_CLAIMS)
    same_day = opioids.duplicated(["patient_id", "date"], keep=False)
    ledger.change("dispensings", "dispensing_id", "fills of one day are numbered anew", int(same_day.sum()))
    systems, _ = spelled("therapies", therapies["therapy"], therapies["date"], use="claims")
    others = therapies[systems == "RxNorm"]
    ledger.change(
        "therapies", "end_date", "a mapping does not add days to a date", int(others["end_date"].notna().sum())
    )
    days = therapy_days(others)
    columns = {
        "member_id": [*opioids["patient_id"], *others["patient_id"]],
        "fill_date": [*opioids["date"], *others["date"]],
        "ndc": [*drugs.opioids(opioids), *drugs.others(others)],
        "quantity": [*opioids["quantity"], *days],
        "days_supply": [*opioids["days_supply"], *days],
    }
    start = files.rows.get("pharmacy", 0) + 1
    claims = pd.DataFrame(columns)
    claims.insert(0, "claim_id", [f"P{number:09d}" for number in range(start, start + len(claims))])
    files.add("pharmacy", claims)


def _medical(lines: Text, files: CsvFiles) -> None:
    """Write claim lines; a claim's lines follow one another and the first is line 1."""
    start = files.rows.get("medical", 0)
    first = (lines["line"] == "1").to_numpy()
    number = np.cumsum(first) + start
    files.add("medical", lines.assign(claim_id=[f"M{each:09d}" for each in number])[MEDICAL])
