"""From the rows of OMOP tables to rows of ours: people, observation, diagnoses, drugs, operations and devices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from .checking import Origin, RawTable
from .codes import DEVICE_WORDS, NOT_TOLD, Code
from .omop_concepts import ROUTES, Concepts, strengths
from .omop_files import OmopFile
from .quarantine import Account

SEXES = {"8507": "male", "8532": "female"}
NO_LIST = "the code is in no code list for this table"
ANAESTHETIC = "an opioid of anaesthesia, which is no dispensed opioid"
ADD_ON = "an add-on code: it counts levels, and is no operation of its own"
DETAIL = "a detail of an operation (instrumentation), told by its code on that day"
SAME_DAY = "told already by another code of the same patient and day"
Reasons = npt.NDArray[np.object_]


@dataclass(frozen=True, eq=False)
class Coded:
    """Rows of a coded table with what their codes mean: ``frame`` as text, ``codes`` an entry or None per row."""

    file: OmopFile
    frame: pd.DataFrame
    codes: list[Code | None]

    def words(self) -> pd.Series:
        """The word of each row, missing without an entry."""
        return pd.Series([None if c is None else c.word for c in self.codes], index=self.frame.index, dtype=object)


def people(person: OmopFile, deaths: OmopFile | None) -> RawTable:
    """Return the patients: year and month of birth, sex, and the first date of death."""
    frame = person.rows.to_pandas()
    died = pd.Series(dtype=object)
    if deaths is not None:
        died = deaths.rows.to_pandas().groupby("person_id")["death_date"].min()
    columns = {
        "patient_id": frame["person_id"],
        "birth_year": frame["year_of_birth"],
        "birth_month": frame["month_of_birth"],
        "sex": frame["gender_concept_id"].map(SEXES).where(lambda sex: sex.notna(), "unknown"),
        "death_date": day_text(frame["person_id"].map(died)),
    }
    return _raw("patients", columns, [_origin("patients", person, np.full(len(frame), "", dtype=object))])


def observation(periods: OmopFile, domains: Iterable[str]) -> RawTable:
    """Return the observation periods, once for each domain in which the extract has records."""
    frame, parts, origins = periods.rows.to_pandas(), [], []
    for domain in domains:
        parts.append(
            pd.DataFrame(
                {
                    "patient_id": frame["person_id"],
                    "domain": domain,
                    "start_date": day_text(frame["observation_period_start_date"]),
                    "end_date": day_text(frame["observation_period_end_date"]),
                }
            )
        )
        told = Origin(f"{periods.name} ({domain})", periods.rows, np.arange(1, len(frame) + 1), len(frame))
        origins.append(told)
    whole = pd.concat(parts, ignore_index=True)
    return _raw("observation_periods", {str(name): whole[name] for name in whole}, origins)


def diagnoses(coded: Coded) -> RawTable:
    """Return the diagnoses that stand in a code list."""
    frame, words = coded.frame, coded.words()
    keep, reasons = _listed(coded, "conditions")
    columns = {
        "patient_id": frame["person_id"],
        "date": day_text(frame["condition_start_date"]),
        "condition": words,
        "source_code": frame["condition_source_value"],
    }
    return _raw("conditions", _kept(columns, keep), [_origin("conditions", coded.file, reasons)])


def drugs(file: OmopFile, concepts: Concepts, files: Mapping[str, Path]) -> RawTable:
    """Return the opioids: ingredient, form, strength, quantity and days' supply as recorded."""
    frame = file.rows.to_pandas()
    concept = frame["drug_concept_id"]
    ingredient = concept.map(dict(concepts.ingredient))
    reasons = np.where(ingredient.notna(), "", np.where(concept.isin(concepts.anaesthetic), ANAESTHETIC, NO_LIST))
    keep = reasons == ""
    mine, word = frame[keep], ingredient[keep]
    form = mine["drug_concept_id"].map(concepts.form)
    strength = strengths(files, mine["drug_concept_id"], word, concepts)
    date = day_text(mine["drug_exposure_start_date"])
    columns = {
        "patient_id": mine["person_id"],
        "dispensing_id": _numbered(mine["person_id"], date),
        "date": date,
        "ingredient": word,
        "form": form,
        "route": form.map(ROUTES),
        "strength_value": strength["value"].map(_number_text),
        "strength_unit": strength["unit"],
        "quantity": mine["quantity"],
        "quantity_unit": pd.Series("unit", index=mine.index).where(form.notna() & (form != "solution")),
        "days_supply": mine["days_supply"],
        "source_code": mine["drug_source_value"],
    }
    return _raw("dispensings", columns, [_origin("dispensings", file, reasons.astype(object))])


def operations(coded: Coded) -> RawTable:
    """Return lumbar operations: the codes of a patient's day are one operation."""
    frame, words = coded.frame, coded.words()
    listed, reasons = _listed(coded, "surgeries")
    date = day_text(frame["procedure_date"])
    day = pd.MultiIndex.from_arrays([frame["person_id"], date])
    instrumented = set(day[words.eq("instrumentation").to_numpy() & listed])
    kinds = pd.DataFrame({"day": list(day), "word": words}).loc[listed & words.isin(["fusion", "decompression"])]
    both = kinds.groupby("day")["word"].nunique() if len(kinds) else pd.Series(dtype=int)
    reasons[listed & words.eq("add_on").to_numpy()] = ADD_ON
    reasons[listed & words.eq("instrumentation").to_numpy()] = DETAIL
    repeated = pd.Series(list(day)).where(pd.Series(reasons == "")).duplicated().to_numpy() & (reasons == "")
    reasons[repeated] = SAME_DAY
    keep = reasons == ""
    days = pd.Series(list(day), index=frame.index)[keep]
    columns = {
        "patient_id": frame.loc[keep, "person_id"],
        "surgery_id": _numbered(frame.loc[keep, "person_id"], date[keep]),
        "date": date[keep],
        "procedure": words[keep].where(days.map(both).ne(2), "decompression_fusion"),
        "region": pd.Series("lumbar", index=days.index),
        "instrumented": days.isin(instrumented).map({True: "true", False: None}),
        "source_code": frame.loc[keep, "procedure_source_value"],
    }
    return _raw("surgeries", columns, [_origin("surgeries", coded.file, reasons)])


def devices(parts: list[Coded], dates: list[str], values: list[str]) -> RawTable:
    """Return device events from procedures and device exposures; one event of a day is told once."""
    every, reasons_of = [], []
    for part, date, value in zip(parts, dates, values, strict=True):
        keep, reasons = _listed(part, "device_events")
        reasons_of.append(reasons)
        frame = part.frame[keep]
        told = [DEVICE_WORDS[str(word)] for word in part.words()[keep]]
        every.append(
            pd.DataFrame(
                {
                    "part": len(reasons_of) - 1,
                    "place": np.flatnonzero(keep),
                    "patient_id": frame["person_id"].to_numpy(),
                    "date": day_text(frame[date]).to_numpy(),
                    "word": part.words()[keep].to_numpy(),
                    "device": [each[0] for each in told],
                    "component": [each[1] for each in told],
                    "event": [each[2] for each in told],
                    "source_code": frame[value].to_numpy(),
                }
            )
        )
    rows = pd.concat(every, ignore_index=True)
    again = rows.duplicated(["patient_id", "date", "device", "component", "event"])
    for number, reasons in enumerate(reasons_of):
        reasons[rows.loc[again & (rows["part"] == number), "place"].to_numpy(dtype=int)] = SAME_DAY
    rows = _in_course(rows[~again])
    columns = {
        name: rows[name] for name in ("patient_id", "system_id", "component", "date", "device", "event", "source_code")
    }
    origins = [_origin("device_events", part.file, r) for part, r in zip(parts, reasons_of, strict=True)]
    return _raw("device_events", columns, origins)


def _in_course(rows: pd.DataFrame) -> pd.DataFrame:
    """Tell first implants from later replacements or revisions, and number the systems; rows keep their order."""
    ordered = rows.sort_values(["patient_id", "device", "date"], kind="stable")
    events, systems = [], []
    here: tuple[str, str] | None = None
    inside: set[str] = set()
    system, taken = 1, 0
    for patient, device, component, event, word in ordered[
        ["patient_id", "device", "component", "event", "word"]
    ].itertuples(index=False):
        if here != (patient, device):
            # A patient's systems are numbered through all devices.
            taken = system if here is not None and here[0] == patient else 0
            here, inside, system = (patient, device), set(), taken + 1
        if event == "implant":
            if component in inside and "|" in word:
                event = "replace" if "replace" in word else "revise"
            elif component in ("generator", "pump") and "out" in inside:
                system += 1
                inside.clear()
            inside.add(component)
        elif event == "explant":
            inside.discard(component)
            inside |= {"out"} if component in ("generator", "pump") else set()
        events.append(event)
        systems.append(str(system))
    return ordered.assign(event=events, system_id=systems).sort_index()


def _listed(coded: Coded, table: str) -> tuple[npt.NDArray[np.bool_], Reasons]:
    """Return which rows a table takes, and why it leaves the others."""
    reasons = np.array(
        [
            NO_LIST if code is None else "" if code.table == table else NOT_TOLD if _ambiguous(code) else NO_LIST
            for code in coded.codes
        ],
        dtype=object,
    )
    return reasons == "", reasons


def _ambiguous(code: Code) -> bool:
    return not code.table and ("ambiguous" in code.event or "|" in code.event)


def day_text(values: pd.Series) -> pd.Series:
    """Return dates without the time of day that some extracts write after them."""
    return values.str.slice(0, 10) if values.dtype == object or pd.api.types.is_string_dtype(values) else values


def _number_text(value: float) -> str | None:
    return None if np.isnan(value) else f"{value:.10g}"


def _numbered(patient: pd.Series, date: pd.Series) -> pd.Series:
    """Return the number of each row within its patient, by date."""
    ordered = pd.DataFrame({"patient": patient, "date": date}).sort_values("date", kind="stable")
    return (ordered.groupby("patient").cumcount() + 1).reindex(patient.index).astype(str)


def _kept(columns: Mapping[str, pd.Series], keep: npt.NDArray[np.bool_]) -> dict[str, pd.Series]:
    return {name: values[keep] for name, values in columns.items()}


def _origin(table: str, file: OmopFile, reasons: Reasons) -> Origin:
    """Return where a table's rows come from, with an account of those it leaves out and why."""
    keep = reasons == ""
    counted = pd.Series(reasons[~keep]).value_counts()
    excluded = tuple(
        Account(table, file.name, "excluded", int(rows), f"X{number:02d}", str(words))
        for number, (words, rows) in enumerate(sorted(counted.items(), key=lambda each: str(each[0])), start=1)
    )
    return Origin(file.name, file.rows.filter(pa.array(keep)), np.flatnonzero(keep) + 1, len(reasons), excluded)


def _text(values: pd.Series) -> pa.Array:
    return pa.array(
        [None if missing else str(x) for x, missing in zip(values, values.isna(), strict=True)], pa.string()
    )


def _raw(table: str, columns: Mapping[str, pd.Series], origins: list[Origin]) -> RawTable:
    arrays = {name: _text(values) for name, values in columns.items()}
    return RawTable(pa.table(arrays), " and ".join(dict.fromkeys(each.file for each in origins)), tuple(origins))
