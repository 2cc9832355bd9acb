"""The eleven event tables of a cohort: columns, types, units and vocabularies. The only place they are defined.

`TABLES` is read by everything that writes, checks or documents data: cohort folders, row rules, `datapackage.json`
and the data dictionary. Vocabulary words and the ranges of measures stand in ``data/vocabularies.toml``.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import pyarrow as pa

from ..errors import DataError, nearest

SCHEMA_VERSION = "1"
FIRST_YEAR, LAST_YEAR = 1880, 2100
"""A day outside these years is a slip or stands for *open end*; it is never taken as a date."""
Kind = Literal["text", "word", "day", "integer", "number", "flag"]


@dataclass(frozen=True)
class Column:
    """One column: its kind, what it means, and what may stand in it; ``minimum`` and ``maximum`` are allowed."""

    name: str
    kind: Kind
    words: str
    required: bool = False
    vocabulary: str = ""
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None

    @property
    def arrow_type(self) -> pa.DataType:
        """The Arrow type; a vocabulary column is dictionary-encoded over its whole vocabulary."""
        return {
            "text": pa.string(),
            "word": pa.dictionary(pa.int16(), pa.string()),
            "day": pa.date32(),
            "integer": pa.int32(),
            "number": pa.float64(),
            "flag": pa.bool_(),
        }[self.kind]


@dataclass(frozen=True)
class Table:
    """One table: columns in order, the key that must be unique, and the columns that hold a start and an end day."""

    name: str
    words: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    start: str = ""
    end: str = ""

    def __iter__(self) -> Iterator[Column]:
        return iter(self.columns)

    def column(self, name: str) -> Column:
        """Return one column by name, or raise `DataError` with the nearest name."""
        for column in self.columns:
            if column.name == name:
                return column
        raise DataError(f"{self.name} has no column {name!r}.{nearest(name, self.names)}")

    @property
    def names(self) -> tuple[str, ...]:
        """The column names in order."""
        return tuple(column.name for column in self.columns)

    @property
    def arrow_schema(self) -> pa.Schema:
        """The Arrow schema of the table."""
        return pa.schema([pa.field(column.name, column.arrow_type) for column in self.columns])

    @property
    def sort_keys(self) -> tuple[str, ...]:
        """The columns a cohort folder sorts by: patient, start day, then the key or, without one, all columns."""
        keys = ["patient_id"] + ([self.start] if self.start else [])
        return tuple(keys + [name for name in self.key or self.names if name not in keys])


@cache
def _vocabulary_file() -> Mapping[str, Any]:
    text = files("fbss_analytics").joinpath("data/vocabularies.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def vocabulary(name: str) -> tuple[str, ...]:
    """Return the words of a vocabulary in their order; ``measure`` gives the names of the measures."""
    content = _vocabulary_file()
    if name == "measure":
        return tuple(content["measures"])
    return tuple(content["words"][name])


def measures() -> Mapping[str, Mapping[str, Any]]:
    """Return the measures with unit, minimum, maximum, better direction and words."""
    measures: Mapping[str, Mapping[str, Any]] = _vocabulary_file()["measures"]
    return measures


def table(name: str) -> Table:
    """Return a table's definition, or raise `DataError` with the nearest name."""
    if name not in TABLES:
        raise DataError(f"There is no table {name!r} in the schema.{nearest(name, TABLES)}")
    return TABLES[name]


def empty(name: str) -> pa.Table:
    """Return a table of the schema without rows."""
    fields = table(name).arrow_schema
    return pa.Table.from_batches(
        [pa.RecordBatch.from_arrays([_no_rows(column) for column in table(name)], schema=fields)]
    )


def _no_rows(column: Column) -> pa.Array:
    if column.kind != "word":
        return pa.array([], type=column.arrow_type)
    return pa.DictionaryArray.from_arrays(
        pa.array([], pa.int16()), pa.array(vocabulary(column.vocabulary), pa.string())
    )


def _text(name: str, words: str, *, required: bool = False) -> Column:
    return Column(name, "text", words, required=required)


def _word(name: str, words: str, *, vocabulary: str = "", required: bool = False) -> Column:
    return Column(name, "word", words, required=required, vocabulary=vocabulary or name)


def _day(name: str, words: str, *, required: bool = False) -> Column:
    return Column(name, "day", words, required=required)


def _integer(
    name: str,
    words: str,
    *,
    low: float | None = None,
    high: float | None = None,
    unit: str = "",
    required: bool = False,
) -> Column:
    return Column(name, "integer", words, required=required, unit=unit, minimum=low, maximum=high)


def _number(
    name: str,
    words: str,
    *,
    low: float | None = None,
    high: float | None = None,
    unit: str = "",
    required: bool = False,
) -> Column:
    return Column(name, "number", words, required=required, unit=unit, minimum=low, maximum=high)


_PATIENT = _text("patient_id", "the patient; the same in every table", required=True)
_DATE = _day("date", "day of the event", required=True)
_PROVENANCE = (
    _word("date_precision", "how exactly the date is known; empty means to the day"),
    _text("source_code", "code in the source, as recorded there"),
    _text("vocabulary", "code system of source_code, for example ICD10CM, CPT4, RxNorm"),
    _text("centre_id", "treating centre, pseudonymous"),
)
POSITIVE = 1e-9
"""Stands as a minimum for *more than 0*, where a real quantity must be positive."""

_ALL = (
    Table("patients", "One row per patient.", (
        _PATIENT,
        _integer("birth_year", "year of birth", low=FIRST_YEAR, high=LAST_YEAR, unit="year"),
        _integer("birth_month", "month of birth, 1-12", low=1, high=12),
        _word("sex", "sex as recorded"),
        _day("death_date", "day of death; empty when alive or not known"),
    ), key=("patient_id",)),
    Table("observation_periods", "Spans in which events would have been seen: the only source of time at risk.", (
        _PATIENT,
        _word("domain", "what kind of record the span covers", required=True),
        _day("start_date", "first observed day", required=True),
        _day("end_date", "last observed day", required=True),
        _word("end_reason", "why observation ended"),
    ), start="start_date", end="end_date"),
    Table("attributes", "What describes a patient and may change: payer, work, education, smoking.", (
        _PATIENT,
        _word("attribute", "which attribute", required=True),
        _text("value", "its value, in lower-case words", required=True),
        _day("start_date", "first day it holds; empty means from the beginning"),
        _day("end_date", "last day it holds; empty means to the end"),
    ), start="start_date", end="end_date"),
    Table("conditions", "Diagnoses, one row per record.", (
        _PATIENT, _DATE, _word("condition", "which condition", required=True), *_PROVENANCE,
    ), start="date"),
    Table("measurements", "Scores and measured quantities at visits.", (
        _PATIENT, _DATE,
        _word("measure", "what was measured; ranges and direction stand with the measures", required=True),
        _number("value", "the value, in the measure's unit", required=True),
        _text("unit", "unit as recorded"),
        _word("source", "where the value comes from", vocabulary="measurement_source"),
        _text("level", "spinal level, for example L4-L5"),
        *_PROVENANCE,
    ), start="date"),
    Table("stays", "Stays in hospital.", (
        _PATIENT,
        _integer("stay_id", "number of the stay within the patient", low=1, required=True),
        _day("admit_date", "first day of the stay", required=True),
        _day("discharge_date", "last day of the stay", required=True),
        _word("type", "kind of stay", vocabulary="stay_type"),
        _text("reason", "main reason, in words"),
        *_PROVENANCE,
    ), key=("patient_id", "stay_id"), start="admit_date", end="discharge_date"),
    Table("surgeries", "Operations on the spine; device operations stand in device_events.", (
        _PATIENT,
        _integer("surgery_id", "number of the operation within the patient", low=1, required=True),
        _integer("stay_id", "the stay it belongs to", low=1),
        _DATE,
        _word("procedure", "what was done", required=True),
        _word("approach", "surgical approach"),
        _word("region", "region of the spine"),
        _text("levels", "levels, separated by semicolons: L4-L5;L5-S1"),
        _integer("levels_n", "number of levels", low=1, high=20),
        _word("side", "side"),
        Column("instrumented", "flag", "whether hardware was implanted"),
        _word("indication", "why the spine was operated on", vocabulary="surgery_indication"),
        _word("reason", "why this operation followed an earlier one; index for the first", vocabulary="surgery_reason"),
        Column("staged", "flag", "whether it is a planned further sitting of the operation before"),
        _word("setting", "inpatient or outpatient"),
        _integer("asa", "ASA physical status class", low=1, high=6),
        _text("surgeon_id", "surgeon, pseudonymous"),
        *_PROVENANCE,
    ), key=("patient_id", "surgery_id"), start="date"),
    Table("device_events", "The life of stimulators and pumps: trial, implant, revision, replacement, removal.", (
        _PATIENT,
        _integer("system_id", "number of the device system within the patient", low=1, required=True),
        _word("component", "which part the event concerns", required=True),
        _integer("component_id", "number of the component within the system", low=1),
        _DATE,
        _word("device", "kind of device", required=True),
        _word("event", "what happened", vocabulary="device_event", required=True),
        _word("reason", "why", vocabulary="device_reason"),
        Column("planned", "flag", "whether it was planned, as an end-of-life replacement is"),
        _text("indication", "indication for the device, for example fbss"),
        Column("trial_success", "flag", "whether a trial was judged successful (on trial_end)"),
        _number("percent_relief", "pain relief in the trial (on trial_end)", low=-100, high=100, unit="%"),
        _word("waveform", "stimulation waveform"),
        _word("lead_type", "percutaneous or paddle lead"),
        Column("rechargeable", "flag", "whether the generator is rechargeable"),
        _text("manufacturer", "manufacturer, may be pseudonymous"),
        _text("model", "model, may be pseudonymous"),
        *_PROVENANCE,
    ), start="date"),
    Table("intrathecal_doses", "Programmed intrathecal daily doses, one row per change and drug.", (
        _PATIENT,
        _integer("system_id", "the pump system", low=1, required=True),
        _DATE,
        _word("ingredient", "drug in the pump", vocabulary="intrathecal_ingredient", required=True),
        _number("dose_per_day", "daily dose", low=0, required=True),
        _word("unit", "unit of the daily dose", vocabulary="intrathecal_unit", required=True),
        _number("concentration", "concentration in the reservoir, unit per mL", low=0),
        _number("bolus_max", "largest patient-controlled bolus per day", low=0),
        *_PROVENANCE,
    ), start="date"),
    Table("dispensings", "Systemic opioids dispensed, one row per fill.", (
        _PATIENT,
        _integer("dispensing_id", "number of the fill within the patient", low=1, required=True),
        _DATE,
        _word("ingredient", "opioid; of a combination product only the opioid", required=True),
        _word("form", "dosage form"),
        _word("route", "route"),
        _number("strength_value", "strength of one unit", low=POSITIVE),
        _word("strength_unit", "unit of the strength"),
        _number("quantity", "units dispensed", low=POSITIVE, required=True),
        _word("quantity_unit", "what quantity counts: units (tablets), mL, patches or bottles"),
        _integer("days_supply", "days the fill lasts", low=1, high=365, unit="days", required=True),
        *_PROVENANCE,
    ), key=("patient_id", "dispensing_id"), start="date"),
    Table("therapies", "Every other treatment a patient with FBSS may have; systemic opioids are dispensings.", (
        _PATIENT, _DATE,
        _day("end_date", "last day, where it is a span"),
        _word("therapy", "which treatment", required=True),
        *_PROVENANCE,
    ), start="date", end="end_date"),
)  # fmt: skip

TABLES: Mapping[str, Table] = {each.name: each for each in _ALL}
