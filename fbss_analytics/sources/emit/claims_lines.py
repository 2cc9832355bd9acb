"""The lines of medical claims: office visits with a diagnosis, operations, device events, other treatments."""

from __future__ import annotations

import pandas as pd

from .chunks import Chunk, Text, or_else
from .claims_mapping import AMBIGUOUS, MIXED
from .codes import device_words, spelled, spellings
from .ledger import Ledger
from .omop_events import LUMBAR, NOT_LUMBAR

PLACES = {"inpatient": "21", "outpatient": "22", "emergency": "23", "rehabilitation": "61"}
OFFICE, OFFICE_VISIT = "11", "99213"
MODIFIERS = {"left": "LT", "right": "RT", "bilateral": "50"}
MEDICAL = ["claim_id", "line", "member_id", "service_date", "place_of_service", "code_type", "procedure_code",
           "modifier", "units", "dx_type", "dx1"]  # fmt: skip
NO_CODE = "there is no code for it"
NOT_IN_CLAIMS = "claims do not hold it"
ONE_LINE = "it stands in other lines than the one the mapping reads"


def _lines(rows: Text, **columns: object) -> Text:
    """Return one claim of one line for each row, its columns as given, the others empty."""
    given = {"line": "1", "member_id": rows["patient_id"], "service_date": rows["date"], "units": "1"} | columns
    return pd.DataFrame({name: given.get(name) for name in MEDICAL[1:]}, index=rows.index)


def diagnosis_lines(chunk: Chunk, ledger: Ledger) -> Text:
    """Return an office visit for each diagnosis that has a code."""
    table, rows = "conditions", chunk.frames["conditions"]
    systems, codes = spelled(table, rows["condition"], rows["date"], use="claims")
    kept = ledger.drop(table, rows, codes != "", NO_CODE)
    ledger.keep_only(table, kept, ("patient_id", "date", "condition"), why=NOT_IN_CLAIMS)
    return _lines(
        kept,
        place_of_service=OFFICE,
        code_type="CPT4",
        procedure_code=OFFICE_VISIT,
        dx_type=systems[kept.index],
        dx1=codes[kept.index],
    )


def operation_lines(chunk: Chunk, ledger: Ledger) -> Text:
    """Return a claim for each lumbar operation: its code, then a decompression's with a fusion, and instrumentation."""
    table, rows = "surgeries", chunk.frames["surgeries"]
    rows = ledger.drop(table, rows, rows["region"].isna() | rows["region"].isin(LUMBAR), NOT_LUMBAR)
    systems, codes = spelled("surgery_indication", or_else(rows["indication"], ""), rows["date"], use="claims")
    _count_operations(rows, codes, ledger)
    claims = _lines(
        rows,
        place_of_service=rows["setting"].map({name: PLACES[name] for name in ("inpatient", "outpatient")}),
        code_type="CPT4",
        modifier=rows["side"].map(MODIFIERS),
        dx_type=systems.where(systems != ""),
        dx1=codes.where(codes != ""),
    )
    lines = []
    for label, word, day, flag in zip(rows.index, rows["procedure"], rows["date"], rows["instrumented"], strict=True):
        found = [*spellings(table, word, day, use="claims")]
        found += spellings(table, "instrumentation", day, use="claims") if flag == "true" else ()
        lines += [(label, str(line), code.code) for line, code in enumerate(found, start=1)]
    told = pd.DataFrame(lines, columns=["row", "line", "procedure_code"], dtype=object)
    whole = claims.loc[told["row"]].reset_index(drop=True)
    return whole.assign(line=told["line"], procedure_code=told["procedure_code"])


def _count_operations(rows: Text, codes: pd.Series, ledger: Ledger) -> None:
    """Count what claims of these operations do not tell; ``codes`` are those of their indications."""
    table = "surgeries"
    held = ("patient_id", "surgery_id", "stay_id", "date", "procedure", "region", "side", "instrumented", "indication",
            "setting")  # fmt: skip
    ledger.keep_only(table, rows, held, why=NOT_IN_CLAIMS)
    unsaid = rows["indication"].notna() & (codes == "")
    unmarked = rows["side"].notna() & ~rows["side"].isin(list(MODIFIERS))
    ledger.leave_out(table, NO_CODE, int(unsaid.sum()), column="indication")
    ledger.leave_out(table, "there is no modifier for it", int(unmarked.sum()), column="side")
    ledger.leave_out(table, NOT_IN_CLAIMS, int((rows["setting"] == "unknown").sum()), column="setting")
    ledger.change(table, "region", "its codes are read as lumbar", int((rows["region"] != "lumbar").sum()))
    ledger.change(table, "stay_id", ONE_LINE, int(rows["stay_id"].notna().sum()))
    ledger.change(table, "instrumented", ONE_LINE, int(rows["instrumented"].notna().sum()))
    both = rows["procedure"] == "decompression_fusion"
    ledger.change(table, "procedure", "the decompression is a line of its own; read as fusion", int(both.sum()))
    again = rows.duplicated(["patient_id", "date"], keep=False)
    ledger.change(table, "surgery_id", "operations of one day are numbered anew", int(again.sum()))


def device_lines(chunk: Chunk, ledger: Ledger) -> Text:
    """Return a claim for each device event that has a code; of the reasons only an infection is told, as diagnosis."""
    table, every = "device_events", chunk.frames["device_events"]
    systems, codes = spelled(table, device_words(every), every["date"], use="claims")
    rows = ledger.drop(table, every, codes != "", NO_CODE)
    codes, infected = codes[rows.index], rows["reason"] == "infection"
    _count_devices(rows, codes, ledger)
    part = (rows["device"] + "/" + rows["component"]).where(infected, "")
    dx_type, dx = spelled("device_infection", part, rows["date"], use="claims")
    return _lines(
        rows,
        place_of_service=PLACES["outpatient"],
        code_type=systems[rows.index],
        procedure_code=codes,
        dx_type=dx_type.where(dx != ""),
        dx1=dx.where(dx != ""),
    )


def _count_devices(rows: Text, codes: pd.Series, ledger: Ledger) -> None:
    """Count what claims of these device events do not tell."""
    table = "device_events"
    held = ("patient_id", "system_id", "date", "component", "device", "event", "reason")
    ledger.keep_only(table, rows, held, why=NOT_IN_CLAIMS)
    other = rows["reason"].notna() & (rows["reason"] != "infection")
    ambiguous = codes.isin(AMBIGUOUS)
    later = codes.isin(list(MIXED)) & (rows["event"] != "implant")
    others = (rows["system_id"] != "1") & ~ambiguous
    ledger.leave_out(table, "claims tell infections only", int(other.sum()), column="reason")
    ledger.change(
        table, "event", "the code tells not trial from implant, or revision from removal", int(ambiguous.sum())
    )
    ledger.change(table, "event", "the code is that of an implant as well, and is read as one", int(later.sum()))
    ledger.change(table, "system_id", "single lines are read as the first system", int(others.sum()))


def treatment_lines(chunk: Chunk, ledger: Ledger) -> Text:
    """Return a claim for each treatment that is a procedure with a code; drugs are pharmacy claims."""
    table, rows = "therapies", chunk.frames["therapies"]
    systems, codes = spelled(table, rows["therapy"], rows["date"], use="claims")
    kept = ledger.drop(table, rows, codes != "", NO_CODE)
    ledger.keep_only(table, kept, ("patient_id", "date", "end_date", "therapy"), why=NOT_IN_CLAIMS)
    mine = kept[systems[kept.index] != "RxNorm"]
    ledger.leave_out(table, NOT_IN_CLAIMS, int(mine["end_date"].notna().sum()), column="end_date")
    return _lines(mine, place_of_service=OFFICE, code_type=systems[mine.index], procedure_code=codes[mine.index])
