"""From the rows of OMOP tables to rows of ours: attributes, stays, measurements, treatments and pump doses."""

from __future__ import annotations

import numpy as np
import pandas as pd

from .checking import RawTable
from .codes import UNDATED
from .omop_concepts import Concepts
from .omop_files import OmopFile
from .omop_tables import Coded, day_text, first_told, kept, listed, numbered, origin_of, raw_table, row_names

RACES = {"8527": "white", "8516": "black", "8515": "asian", "8657": "american_indian", "8557": "pacific_islander"}
HISPANIC = "38003563"
NO_RACE = "no race or ethnicity is told"
KINDS = {
    "9201": "inpatient",
    "262": "inpatient",
    "9203": "emergency",
    "8756": "outpatient",
    "8920": "rehabilitation",
}
"""Visit concepts that are stays in a hospital; 8756 is its outpatient department."""
NO_STAY = "a visit that is no stay in a hospital"
SOURCES = {
    "32827": "clinic",
    "32817": "clinic",
    "32831": "chart",
    "32883": "survey",
    "32862": "survey",
    "32849": "pdmp",
}
"""Type concepts of records, by where a measurement comes from; of others that is not known."""
AN_OPIOID = "an opioid, which is a dispensing"


def attributes(person: OmopFile, observations: list[Coded]) -> RawTable:
    """Return race and ethnicity as told with the person, and the observations that a code list calls attributes.

    An observation holds from its day on, but one qualified as undated, and race, from the beginning.
    """
    frame = person.rows.to_pandas()
    hispanic = frame["ethnicity_concept_id"].eq(HISPANIC)
    other = frame["race_source_value"].str.lower().eq("other").map({True: "other", False: None})
    race = first_told(frame["race_concept_id"].map(RACES), other).where(~hispanic, "hispanic")
    reasons = np.where(race.notna(), "", NO_RACE).astype(object)
    told = race.notna()
    parts = [
        pd.DataFrame({"patient_id": frame.loc[told, "person_id"], "attribute": "race_ethnicity", "value": race[told]})
    ]
    origins = [origin_of("attributes", person, reasons)]
    for coded in observations:
        keep, reasons = listed(coded, "attributes")
        columns = {
            "patient_id": coded.frame["person_id"],
            "attribute": coded.words(),
            "value": coded.frame["value_as_string"].str.lower(),
            "start_date": coded.days().where(coded.frame["qualifier_source_value"] != UNDATED),
            "row": coded.rows(),
        }
        parts.append(pd.DataFrame(kept(columns, keep)))
        origins.append(origin_of("attributes", coded.file, reasons))
    whole = pd.concat([part.astype(object) for part in parts], ignore_index=True)
    return raw_table("attributes", {str(name): whole[name] for name in whole}, origins)


def stays(visits: OmopFile) -> tuple[RawTable, dict[tuple[str, str], str]]:
    """Return the stays in hospital, and the number of the stay that each patient's visit is."""
    frame = visits.rows.to_pandas()
    kind = frame["visit_concept_id"].map(KINDS)
    reasons = np.where(kind.notna(), "", NO_STAY).astype(object)
    mine = frame[kind.notna()]
    start = day_text(mine["visit_start_date"])
    number = numbered(mine["person_id"], start)
    columns = {
        "patient_id": mine["person_id"],
        "stay_id": number,
        "admit_date": start,
        "discharge_date": day_text(mine["visit_end_date"]),
        "type": kind[mine.index],
        "row": row_names(mine, "visit"),
    }
    numbers = dict(zip(zip(mine["person_id"], mine["visit_occurrence_id"], strict=True), number, strict=True))
    return raw_table("stays", columns, [origin_of("stays", visits, reasons)]), numbers


def measurements(coded: Coded) -> RawTable:
    """Return the measurements that stand in a code list, in the unit they are recorded in."""
    keep, reasons = listed(coded, "measurements")
    columns = {
        "patient_id": coded.frame["person_id"],
        "date": coded.days(),
        "measure": coded.words(),
        "value": coded.frame["value_as_number"],
        "unit": coded.frame["unit_source_value"],
        "source": coded.frame["measurement_type_concept_id"].map(SOURCES),
        "source_code": coded.values(),
        "row": coded.rows(),
    }
    return raw_table("measurements", kept(columns, keep), [origin_of("measurements", coded.file, reasons)])


def doses(coded: Coded) -> RawTable:
    """Return daily doses of pumps: observations of a drug, its dose and unit, the system's number as qualifier."""
    keep, reasons = listed(coded, "intrathecal_doses")
    columns = {
        "patient_id": coded.frame["person_id"],
        "system_id": coded.frame["qualifier_source_value"],
        "date": coded.days(),
        "ingredient": coded.words(),
        "dose_per_day": coded.frame["value_as_number"],
        "unit": coded.frame["unit_source_value"],
        "source_code": coded.values(),
        "row": coded.rows(),
    }
    return raw_table("intrathecal_doses", kept(columns, keep), [origin_of("intrathecal_doses", coded.file, reasons)])


def therapies(parts: list[Coded], concepts: Concepts) -> RawTable:
    """Return the treatments that stand in a code list, from procedures and drugs; an opioid is none."""
    every, origins = [], []
    for coded in parts:
        keep, reasons = listed(coded, "therapies")
        if coded.kind == "drug":
            opioid = coded.frame["drug_concept_id"].isin(list(concepts.ingredient)).to_numpy()
            reasons[keep & opioid] = AN_OPIOID
            keep = keep & ~opioid
        end = "drug_exposure_end_date" if coded.kind == "drug" else "procedure_end_date"
        columns = {
            "patient_id": coded.frame["person_id"],
            "date": coded.days(),
            "end_date": day_text(coded.frame[end]),
            "therapy": coded.words(),
            "source_code": coded.values(),
            "row": coded.rows(),
        }
        every.append(pd.DataFrame(kept(columns, keep)).astype(object))
        origins.append(origin_of("therapies", coded.file, reasons))
    whole = pd.concat(every, ignore_index=True)
    return raw_table("therapies", {str(name): whole[name] for name in whole}, origins)
