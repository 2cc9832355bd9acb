"""The tables of the OMOP CDM 5.4 that are emitted: their columns in order, their ids, and the rows on their way."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from .. import schema
from ..codes import DETAIL
from ..omop_details import FIELD
from .chunks import Chunk, Text
from .codes import spelled
from .files import CsvFiles
from .ledger import Ledger
from .omop_vocabulary import Vocabulary

_ROW = "provider_id visit_occurrence_id visit_detail_id"
FIELDS: Mapping[str, tuple[str, ...]] = {
    name: tuple(columns.split())
    for name, columns in {
        "person": "person_id gender_concept_id year_of_birth month_of_birth day_of_birth birth_datetime "
        "race_concept_id ethnicity_concept_id location_id provider_id care_site_id person_source_value "
        "gender_source_value "
        "gender_source_concept_id race_source_value race_source_concept_id ethnicity_source_value "
        "ethnicity_source_concept_id",
        "observation_period": "observation_period_id person_id observation_period_start_date "
        "observation_period_end_date period_type_concept_id",
        "payer_plan_period": "payer_plan_period_id person_id payer_plan_period_start_date payer_plan_period_end_date "
        "payer_concept_id payer_source_value payer_source_concept_id plan_concept_id plan_source_value "
        "plan_source_concept_id sponsor_concept_id sponsor_source_value sponsor_source_concept_id family_source_value "
        "stop_reason_concept_id stop_reason_source_value stop_reason_source_concept_id",
        "visit_occurrence": "visit_occurrence_id person_id visit_concept_id visit_start_date visit_start_datetime "
        "visit_end_date visit_end_datetime visit_type_concept_id provider_id care_site_id visit_source_value "
        "visit_source_concept_id admitted_from_concept_id admitted_from_source_value discharged_to_concept_id "
        "discharged_to_source_value preceding_visit_occurrence_id",
        "condition_occurrence": "condition_occurrence_id person_id condition_concept_id condition_start_date "
        "condition_start_datetime condition_end_date condition_end_datetime condition_type_concept_id "
        f"condition_status_concept_id stop_reason {_ROW} condition_source_value condition_source_concept_id "
        "condition_status_source_value",
        "drug_exposure": "drug_exposure_id person_id drug_concept_id drug_exposure_start_date "
        "drug_exposure_start_datetime drug_exposure_end_date drug_exposure_end_datetime verbatim_end_date "
        f"drug_type_concept_id stop_reason refills quantity days_supply sig route_concept_id lot_number {_ROW} "
        "drug_source_value drug_source_concept_id route_source_value dose_unit_source_value",
        "procedure_occurrence": "procedure_occurrence_id person_id procedure_concept_id procedure_date "
        "procedure_datetime procedure_end_date procedure_end_datetime procedure_type_concept_id modifier_concept_id "
        f"quantity {_ROW} procedure_source_value procedure_source_concept_id modifier_source_value",
        "device_exposure": "device_exposure_id person_id device_concept_id device_exposure_start_date "
        "device_exposure_start_datetime device_exposure_end_date device_exposure_end_datetime device_type_concept_id "
        f"unique_device_id production_id quantity {_ROW} device_source_value device_source_concept_id unit_concept_id "
        "unit_source_value unit_source_concept_id",
        "measurement": "measurement_id person_id measurement_concept_id measurement_date measurement_datetime "
        "measurement_time measurement_type_concept_id operator_concept_id value_as_number value_as_concept_id "
        f"unit_concept_id range_low range_high {_ROW} measurement_source_value measurement_source_concept_id "
        "unit_source_value unit_source_concept_id value_source_value measurement_event_id meas_event_field_concept_id",
        "observation": "observation_id person_id observation_concept_id observation_date observation_datetime "
        "observation_type_concept_id value_as_number value_as_string value_as_concept_id qualifier_concept_id "
        f"unit_concept_id {_ROW} observation_source_value observation_source_concept_id unit_source_value "
        "qualifier_source_value value_source_value observation_event_id obs_event_field_concept_id",
        "death": "person_id death_date death_datetime death_type_concept_id cause_concept_id cause_source_value "
        "cause_source_concept_id",
    }.items()
}
ENCOUNTER, CHART, SURVEY, EXCHANGE, CLAIM, FILL, CERTIFICATE = (
    "32827", "32831", "32883", "32849", "32810", "32869", "32815",
)  # fmt: skip
"""Type concepts: records of a visit, notes, surveys, exchanges between providers, claims, fills, death certificates."""
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
MOST_STAYS = 10_000
MOST_LETTERS = 60
"""Letters that ``value_as_string`` of an observation has room for."""


def person_ids(places: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return a signed 64-bit id for each place in the source.

    The odd multiplier makes it one-to-one modulo 2**64, so that no two patients share an id; half of them are negative.
    """
    with np.errstate(over="ignore"):
        return (places.astype(np.uint64) * _GOLDEN).view(np.int64)


def visit_ids(places: npt.NDArray[np.int64], stay_id: pd.Series) -> pd.Series:
    """Return the id of each stay's visit, missing where there is no stay."""
    told = zip(places.tolist(), stay_id, stay_id.isna(), strict=True)
    ids = [None if missing else place * MOST_STAYS + int(number) for place, number, missing in told]
    return pd.Series(ids, index=stay_id.index, dtype=object)


@dataclass(frozen=True, eq=False)
class Cdm:
    """The CDM of one chunk of patients on its way: where rows go, what was left out, and the concepts in use."""

    chunk: Chunk
    files: CsvFiles
    ledger: Ledger
    vocabulary: Vocabulary

    def rows(self, table: str) -> Text:
        """Return the chunk's rows of a table of ours."""
        return self.chunk.frames[table]

    def add(self, table: str, rows: Text, **columns: Any) -> pd.Series:
        """Append a row to a table of the CDM for each of some rows of patients, and return their ids."""
        persons = person_ids(self.chunk.place(rows["patient_id"]))
        return add_rows(self.files, table, rows.index, person_id=persons, **columns)

    def visits(self, rows: Text) -> pd.Series:
        """Return the id of the visit that each row's stay is, missing where there is no stay."""
        return visit_ids(self.chunk.place(rows["patient_id"]), rows["stay_id"])

    def codes(self, table: str, words: pd.Series, days: pd.Series) -> tuple[pd.Series, pd.Series]:
        """Return the system and the code of each row's word on its day; the word itself where it has no code."""
        systems, codes = spelled(table, words, days, use="omop")
        return systems, codes.where(codes != "", words)

    def coded(self, kind: str, table: str, words: pd.Series, codes: pd.Series) -> dict[str, Any]:
        """Return the source columns of rows: the code, and the concept of the word where the code does not tell it."""
        concepts = self.vocabulary.source_concepts(table, words, codes)
        return {f"{kind}_source_concept_id": concepts, f"{kind}_source_value": codes}

    def details(self, table: str, rows: Text, ids: pd.Series, field: str, *, held: Collection[str]) -> None:
        """Append, for each value of a column that the CDM row has no place for, an observation that points to the row.

        ``field`` is the column of the ids, ``held`` the columns told otherwise.
        """
        parts = []
        for column in (name for name in schema.table(table).names if name not in held):
            told = rows[rows[column].notna()]
            fits = told[column].map(len) <= MOST_LETTERS
            why = f"longer than {MOST_LETTERS} letters"
            self.ledger.leave_out(table, why, int((~fits.astype(bool)).sum()), column=column)
            told = told[fits.astype(bool)]
            parts.append(
                pd.DataFrame(
                    {
                        "patient_id": told["patient_id"],
                        "day": told[schema.table(table).start],
                        "column": column,
                        "value": told[column],
                        "of": ids[told.index],
                    }
                )
            )
        every = pd.concat(parts, ignore_index=True)
        self.add(
            "observation",
            every,
            observation_date=every["day"],
            observation_type_concept_id=ENCOUNTER,
            value_as_string=every["value"],
            observation_source_value=every["column"],
            observation_source_concept_id=[
                self.vocabulary.concept(DETAIL, f"{table}.{column}") for column in every["column"]
            ],
            observation_event_id=every["of"],
            obs_event_field_concept_id=self.vocabulary.concept(FIELD, field) if len(every) else "0",
        )


def add_rows(files: CsvFiles, table: str, index: pd.Index, **columns: Any) -> pd.Series:
    """Append rows to a table of the CDM and return their ids, which are numbers from 1 on where none are given.

    Concepts that are not given are 0, other columns missing.
    """
    first, size = FIELDS[table][0], len(index)
    start = files.rows.get(table, 0) + 1
    given = {first: np.arange(start, start + size)} | columns
    filled = {name: given.get(name, "0" if name.endswith("_concept_id") else None) for name in FIELDS[table]}
    arrays = {
        name: value.to_numpy(dtype=object) if isinstance(value, pd.Series) else value for name, value in filled.items()
    }
    frame = pd.DataFrame(arrays, index=index, dtype=object)
    files.add(table, frame)
    return frame[first]


def renumbered(frame: Text, column: str) -> int:
    """Return how many row numbers are others than 1, 2, ... within the patient, as an importer counts them by day."""
    counted = frame.groupby("patient_id", sort=False).cumcount() + 1
    return int((frame[column] != counted.astype(str)).sum())
