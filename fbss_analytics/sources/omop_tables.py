"""From the rows of OMOP tables to rows of ours: people, observation, diagnoses, drugs, operations and devices."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from . import schema
from .checking import Origin, RawTable
from .codes import DETAIL, DEVICE_WORDS, NOT_TOLD, Code
from .omop_concepts import ROUTE_CONCEPTS, ROUTES, Concepts, strengths
from .omop_files import OmopFile
from .quarantine import Account

SEXES = {"8507": "male", "8532": "female"}
NO_LIST = "the code is in no code list for this table"
ANAESTHETIC = "an opioid of anaesthesia, which is no dispensed opioid"
ADD_ON = "an add-on code: it counts levels, and is no operation of its own"
INSTRUMENTED = "a detail of an operation (instrumentation), told by its code on that day"
OF_A_ROW = "a detail of a row of another table, and told with it"
NO_DOMAIN = "the plan is not named after a domain of observation"
SAME_DAY = "told already by another code of the same patient and day"
DECOMPRESSIONS = ("decompression", "discectomy", "laminectomy", "laminotomy", "foraminotomy")
COUNTED = {"unit": "unit", "tablet": "unit", "capsule": "unit", "patch": "patch", "ml": "mL", "bottle": "bottle"}
"""What a quantity counts, where ``dose_unit_source_value`` tells it."""
DAY_OF = {
    "condition": "condition_start_date",
    "drug": "drug_exposure_start_date",
    "procedure": "procedure_date",
    "device": "device_exposure_start_date",
    "measurement": "measurement_date",
    "observation": "observation_date",
}
ID_OF = {
    "condition": "condition_occurrence_id",
    "drug": "drug_exposure_id",
    "procedure": "procedure_occurrence_id",
    "device": "device_exposure_id",
    "measurement": "measurement_id",
    "observation": "observation_id",
    "visit": "visit_occurrence_id",
    "observation_period": "observation_period_id",
    "payer_plan_period": "payer_plan_period_id",
}
"""The id of each table's rows, by which an observation is a detail of one."""
Reasons = npt.NDArray[np.object_]


@dataclass(frozen=True, eq=False)
class Coded:
    """Rows of a coded table with what their codes mean: ``frame`` as text, ``codes`` an entry or None per row.

    ``kind`` begins the names of the table's columns: condition, drug, procedure, device, measurement, observation.
    """

    file: OmopFile
    kind: str
    frame: pd.DataFrame
    codes: list[Code | None]

    def values(self) -> pd.Series:
        """The source value of each row, as it stands."""
        return self.frame[f"{self.kind}_source_value"]

    def rows(self) -> pd.Series:
        """The name of each row, by which details are told of it."""
        return row_names(self.frame, self.kind)

    def days(self) -> pd.Series:
        """The day of each row, or its first."""
        return day_text(self.frame[DAY_OF[self.kind]])

    def words(self) -> pd.Series:
        """The word of each row, missing without an entry."""
        return pd.Series([None if c is None else c.word for c in self.codes], index=self.frame.index, dtype=object)


def row_names(frame: pd.DataFrame, kind: str) -> pd.Series:
    """Return a name for each row of a CDM table: the column of its id, and the id."""
    return ID_OF[kind] + ":" + frame[ID_OF[kind]]


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
    return raw_table("patients", columns, [origin_of("patients", person, np.full(len(frame), "", dtype=object))])


def observation(periods: OmopFile, plans: OmopFile | None, has_drugs: bool) -> RawTable:
    """Return the observation periods: medical, and pharmacy where the extract has drugs.

    Where benefit plans are named after our domains (``plan_source_value``), their periods are those of the domain, and
    the observation periods are medical alone.
    """
    frame, parts, origins = periods.rows.to_pandas(), [], []
    benefits = _benefits(plans)
    for domain in ["medical", *(["pharmacy"] if has_drugs and benefits is None else [])]:
        parts.append(
            pd.DataFrame(
                {
                    "patient_id": frame["person_id"],
                    "domain": domain,
                    "start_date": day_text(frame["observation_period_start_date"]),
                    "end_date": day_text(frame["observation_period_end_date"]),
                    "row": row_names(frame, "observation_period"),
                }
            )
        )
        told = Origin(f"{periods.name} ({domain})", periods.rows, np.arange(1, len(frame) + 1), len(frame))
        origins.append(told)
    if benefits is not None:
        parts.append(benefits[0])
        origins.append(benefits[1])
    whole = pd.concat([part.astype(object) for part in parts], ignore_index=True)
    return raw_table("observation_periods", {str(name): whole[name] for name in whole}, origins)


def _benefits(plans: OmopFile | None) -> tuple[pd.DataFrame, Origin] | None:
    """Return the periods of plans named after a domain; None where no plan is."""
    if plans is None:
        return None
    frame = plans.rows.to_pandas()
    named = frame["plan_source_value"].isin([domain for domain in schema.vocabulary("domain") if domain != "medical"])
    if not named.any():
        return None
    mine = frame[named]
    part = pd.DataFrame(
        {
            "patient_id": mine["person_id"],
            "domain": mine["plan_source_value"],
            "start_date": day_text(mine["payer_plan_period_start_date"]),
            "end_date": day_text(mine["payer_plan_period_end_date"]),
            "row": row_names(mine, "payer_plan_period"),
        }
    )
    reasons = np.where(named, "", NO_DOMAIN).astype(object)
    return part, origin_of("observation_periods", plans, reasons)


def diagnoses(coded: Coded) -> RawTable:
    """Return the diagnoses that stand in a code list."""
    frame, words = coded.frame, coded.words()
    keep, reasons = listed(coded, "conditions")
    columns = {
        "patient_id": frame["person_id"],
        "date": coded.days(),
        "condition": words,
        "source_code": coded.values(),
        "row": coded.rows(),
    }
    return raw_table("conditions", kept(columns, keep), [origin_of("conditions", coded.file, reasons)])


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
        "dispensing_id": numbered(mine["person_id"], date),
        "date": date,
        "ingredient": word,
        "form": form,
        "route": first_told(mine["route_concept_id"].map(ROUTE_CONCEPTS), form.map(ROUTES)),
        "strength_value": strength["value"].map(_number_text),
        "strength_unit": strength["unit"],
        "quantity": mine["quantity"],
        "quantity_unit": first_told(mine["dose_unit_source_value"].str.lower().map(COUNTED), _usually_counted(form)),
        "days_supply": mine["days_supply"],
        "source_code": mine["drug_source_value"],
        "row": row_names(mine, "drug"),
    }
    return raw_table("dispensings", columns, [origin_of("dispensings", file, reasons.astype(object))])


def first_told(values: pd.Series, otherwise: pd.Series) -> pd.Series:
    """Return values, and others where there are none."""
    return values.astype(object).where(values.notna(), otherwise)


def _usually_counted(form: pd.Series) -> pd.Series:
    """Return what a quantity of a form counts where nobody says so; of a solution it may be anything."""
    return (
        pd.Series("unit", index=form.index).where(form != "patch", "patch").where(form.notna() & (form != "solution"))
    )


def operations(coded: Coded, stays: Mapping[tuple[str, str], str]) -> RawTable:
    """Return lumbar operations: the codes of a patient's day are one operation.

    ``stays`` gives the number of the stay that each patient's visit is.
    """
    frame, words = coded.frame, coded.words()
    chosen, reasons = listed(coded, "surgeries")
    date = coded.days()
    day = pd.MultiIndex.from_arrays([frame["person_id"], date])
    instrumented = set(day[words.eq("instrumentation").to_numpy() & chosen])
    kind = words.where(~words.isin(DECOMPRESSIONS), "decompression")
    kinds = pd.DataFrame({"day": list(day), "word": kind}).loc[chosen & kind.isin(["fusion", "decompression"])]
    both = kinds.groupby("day")["word"].nunique() if len(kinds) else pd.Series(dtype=int)
    reasons[chosen & words.eq("add_on").to_numpy()] = ADD_ON
    reasons[chosen & words.eq("instrumentation").to_numpy()] = INSTRUMENTED
    repeated = pd.Series(list(day)).where(pd.Series(reasons == "")).duplicated().to_numpy() & (reasons == "")
    reasons[repeated] = SAME_DAY
    keep = reasons == ""
    days = pd.Series(list(day), index=frame.index)[keep]
    columns = {
        "patient_id": frame.loc[keep, "person_id"],
        "surgery_id": numbered(frame.loc[keep, "person_id"], date[keep]),
        "stay_id": _stay_of(frame[keep], stays),
        "date": date[keep],
        "procedure": words[keep].where(days.map(both).ne(2), "decompression_fusion"),
        "region": pd.Series("lumbar", index=days.index),
        "instrumented": days.isin(instrumented).map({True: "true", False: None}),
        "source_code": coded.values()[keep],
        "row": coded.rows()[keep],
    }
    return raw_table("surgeries", columns, [origin_of("surgeries", coded.file, reasons)])


def _stay_of(rows: pd.DataFrame, stays: Mapping[tuple[str, str], str]) -> pd.Series:
    visits = zip(rows["person_id"], rows["visit_occurrence_id"], strict=True)
    return pd.Series([stays.get(visit) for visit in visits], index=rows.index, dtype=object)


def devices(parts: list[Coded], detailed: Collection[str]) -> RawTable:
    """Return device events from procedures, device exposures and observations; one event of a day is told once.

    Rows of which details are told (``detailed``, by name) are events of their own: two leads, say, of one day.
    """
    every, reasons_of = [], []
    for part in parts:
        keep, reasons = listed(part, "device_events")
        reasons_of.append(reasons)
        frame = part.frame[keep]
        told = [DEVICE_WORDS[str(word)] for word in part.words()[keep]]
        every.append(
            pd.DataFrame(
                {
                    "part": len(reasons_of) - 1,
                    "place": np.flatnonzero(keep),
                    "patient_id": frame["person_id"].to_numpy(),
                    "date": part.days()[keep].to_numpy(),
                    "word": part.words()[keep].to_numpy(),
                    "device": [each[0] for each in told],
                    "component": [each[1] for each in told],
                    "event": [each[2] for each in told],
                    "source_code": part.values()[keep].to_numpy(),
                    "row": part.rows()[keep].to_numpy(),
                }
            )
        )
    rows = pd.concat(every, ignore_index=True)
    apart = rows["row"].where(rows["row"].isin(list(detailed)), "")
    again = rows.assign(apart=apart).duplicated(["patient_id", "date", "device", "component", "event", "apart"])
    for number, reasons in enumerate(reasons_of):
        reasons[rows.loc[again & (rows["part"] == number), "place"].to_numpy(dtype=int)] = SAME_DAY
    rows = _in_course(rows[~again])
    names = ("patient_id", "system_id", "component", "date", "device", "event", "source_code", "row")
    columns = {name: rows[name] for name in names}
    origins = [origin_of("device_events", part.file, r) for part, r in zip(parts, reasons_of, strict=True)]
    return raw_table("device_events", columns, origins)


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


def listed(coded: Coded, table: str) -> tuple[npt.NDArray[np.bool_], Reasons]:
    """Return which rows a table takes, and why it leaves the others."""
    reasons = np.array(
        [NO_LIST if code is None else "" if code.table == table else _why_not(code) for code in coded.codes],
        dtype=object,
    )
    return reasons == "", reasons


def _why_not(code: Code) -> str:
    """Return why a code becomes no row."""
    if code.event == DETAIL:
        return OF_A_ROW
    return NOT_TOLD if not code.table and ("ambiguous" in code.event or "|" in code.event) else NO_LIST


def day_text(values: pd.Series) -> pd.Series:
    """Return dates without the time of day that some extracts write after them."""
    return values.str.slice(0, 10) if values.dtype == object or pd.api.types.is_string_dtype(values) else values


def _number_text(value: float) -> str | None:
    return None if np.isnan(value) else f"{value:.10g}"


def numbered(patient: pd.Series, date: pd.Series) -> pd.Series:
    """Return the number of each row within its patient, by date."""
    ordered = pd.DataFrame({"patient": patient, "date": date}).sort_values("date", kind="stable")
    return (ordered.groupby("patient").cumcount() + 1).reindex(patient.index).astype(str)


def kept(columns: Mapping[str, pd.Series], keep: npt.NDArray[np.bool_]) -> dict[str, pd.Series]:
    """Return the rows of columns that are kept."""
    return {name: values[keep] for name, values in columns.items()}


def origin_of(table: str, file: OmopFile, reasons: Reasons) -> Origin:
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


def raw_table(table: str, columns: Mapping[str, pd.Series], origins: list[Origin]) -> RawTable:
    """Return columns as a table to be checked, with where its rows come from."""
    arrays = {name: _text(values) for name, values in columns.items()}
    return RawTable(pa.table(arrays), " and ".join(dict.fromkeys(each.file for each in origins)), tuple(origins))
