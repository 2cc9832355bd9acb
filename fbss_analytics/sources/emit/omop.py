"""A source as an OMOP CDM 5.4 folder, which `import_omop` reads back."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from ... import __version__
from ..codes import UNDATED
from ..omop_events import HISPANIC
from ..omop_events import RACES as RACE_WORDS
from ..source import Source
from .chunks import Chunk, Text, or_else
from .files import CsvFiles
from .ledger import Ledger
from .omop_drugs import write_dispensings
from .omop_events import (
    write_conditions,
    write_device_events,
    write_doses,
    write_measurements,
    write_stays,
    write_surgeries,
    write_therapies,
)
from .omop_model import CERTIFICATE, CLAIM, ENCOUNTER, FIELDS, Cdm, add_rows
from .omop_vocabulary import Vocabulary

GENDERS = {"male": ("8507", "M"), "female": ("8532", "F")}
RACES = {word: concept for concept, word in RACE_WORDS.items()}
NO_DAY = "an observation carries a date, and the patient has no observed day"


def write_omop(source: Source, chunks: Iterable[Chunk], files: CsvFiles, ledger: Ledger) -> None:
    """Write a source as CSV files named after the tables of the CDM, with the part of the vocabulary they use."""
    vocabulary = Vocabulary()
    last = ""
    for table in FIELDS:
        add_rows(files, table, pd.RangeIndex(0))
    for chunk in chunks:
        cdm = Cdm(chunk, files, ledger, vocabulary)
        for write in WRITERS:
            write(cdm)
        last = max([last, *chunk.frames["observation_periods"]["end_date"]])
    for name, frame in vocabulary.tables().items():
        files.add(name, frame)
    about = {
        "cdm_source_name": source.name,
        "cdm_source_abbreviation": "FBSS",
        "cdm_holder": "fbss_analytics",
        "source_description": f"written by fbss_analytics {__version__}",
        # What is known of the day of the data is the last one observed.
        "source_release_date": last,
        "cdm_release_date": last,
        "cdm_version": "v5.4",
        "cdm_version_concept_id": "756265",
        "vocabulary_version": "FBSS",
    }
    files.add("cdm_source", pd.DataFrame([about]))


def _is_race(attributes: Text) -> pd.Series:
    """Return which attributes stand in ``person``: of each patient the first race without dates that has a concept."""
    known = attributes["value"].isin([*RACES, "hispanic", "other"]) & (attributes["attribute"] == "race_ethnicity")
    known &= attributes["start_date"].isna() & attributes["end_date"].isna()
    return known & ~attributes["patient_id"].where(known).duplicated()


def _people(cdm: Cdm) -> None:
    people, attributes = cdm.rows("patients"), cdm.rows("attributes")
    race = people["patient_id"].map(attributes[_is_race(attributes)].set_index("patient_id")["value"])
    is_hispanic = race == "hispanic"
    no_year, no_sex = people["birth_year"].isna(), people["sex"].isna()
    cdm.ledger.change("patients", "birth_year", "the CDM wants a year of birth; it is empty", int(no_year.sum()))
    cdm.ledger.change("patients", "sex", "a person of no known sex is read as unknown", int(no_sex.sum()))
    gender = people["sex"].map(lambda sex: GENDERS.get(sex, ("0", None)))
    cdm.add(
        "person",
        people,
        gender_concept_id=gender.str[0],
        gender_source_value=gender.str[1],
        year_of_birth=people["birth_year"],
        month_of_birth=people["birth_month"],
        race_concept_id=or_else(race.map(RACES), "0"),
        race_source_value=race.where(~is_hispanic),
        ethnicity_concept_id=is_hispanic.map({True: HISPANIC, False: "0"}),
        ethnicity_source_value=race.where(is_hispanic),
        person_source_value=people["patient_id"],
    )
    dead = people[people["death_date"].notna()]
    cdm.add("death", dead, death_date=dead["death_date"], death_type_concept_id=CERTIFICATE)


def _periods(cdm: Cdm) -> None:
    """Write medical spans as observation periods, those of the other domains as periods of a plan of their name.

    The CDM wants an observation period of everybody: who has no medical span has the others as observation periods too.
    """
    table = "observation_periods"
    spans = cdm.rows(table)
    is_medical = spans["domain"] == "medical"
    has_medical = is_medical.groupby(spans["patient_id"]).transform("any")
    cdm.ledger.change(table, "domain", "read as a medical span too", int((~has_medical).sum()))
    held = ("patient_id", "domain", "start_date", "end_date")
    base, others = spans[is_medical | ~has_medical], spans[~is_medical]
    ids = cdm.add(
        "observation_period",
        base,
        observation_period_start_date=base["start_date"],
        observation_period_end_date=base["end_date"],
        period_type_concept_id=CLAIM,
    )
    cdm.details(table, base, ids, "observation_period_id", held=held)
    ids = cdm.add(
        "payer_plan_period",
        others,
        payer_plan_period_start_date=others["start_date"],
        payer_plan_period_end_date=others["end_date"],
        plan_source_value=others["domain"],
    )
    cdm.details(table, others, ids, "payer_plan_period_id", held=held)


def _attributes(cdm: Cdm) -> None:
    """Write attributes as observations, those without a day qualified as undated on the first observed day."""
    table, rows = "attributes", cdm.rows("attributes")
    rows = rows[~_is_race(rows)]
    seen = cdm.rows("observation_periods").groupby("patient_id")["start_date"].min()
    undated = rows["start_date"].isna()
    rows = rows.assign(start_date=rows["start_date"].where(~undated, rows["patient_id"].map(seen)), undated=undated)
    rows = cdm.ledger.drop(table, rows, rows["start_date"].notna(), NO_DAY)
    capitals = rows["value"] != rows["value"].str.lower()
    cdm.ledger.change(table, "value", "read in lower case", int(capitals.sum()))
    ids = cdm.add(
        "observation",
        rows,
        observation_date=rows["start_date"],
        observation_type_concept_id=ENCOUNTER,
        value_as_string=rows["value"],
        qualifier_source_value=rows["undated"].map({True: UNDATED, False: None}),
        **cdm.coded("observation", table, rows["attribute"], rows["attribute"]),
    )
    cdm.details(table, rows, ids, "observation_id", held=("patient_id", "attribute", "value", "start_date"))


WRITERS = (
    _people,
    _periods,
    _attributes,
    write_stays,
    write_conditions,
    write_measurements,
    write_surgeries,
    write_device_events,
    write_doses,
    write_dispensings,
    write_therapies,
)
"""What writes the tables of a chunk, one after the other."""
