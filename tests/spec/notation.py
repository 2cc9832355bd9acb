"""The notation of the specification: tiny tables of text become a `Source`, a call is made, patients are compared.

A table is its name, a header and rows, all separated by ``|``. A number in a date column counts days from day 0. What a
table leaves out takes the values of `DEFAULTS`; `ASSUMED` says them in words.
"""

from __future__ import annotations

import warnings
from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pandas as pd
import pyarrow as pa

import fbss_analytics.cohort.prior as prior
import fbss_analytics.cohort.verbs as cohort_verbs
import fbss_analytics.endpoints as endpoints
import fbss_analytics.endpoints.change as change
import fbss_analytics.endpoints.elimination as elimination
import fbss_analytics.endpoints.onset as onset
import fbss_analytics.endpoints.opioid_change as opioid_change
import fbss_analytics.endpoints.opioid_discontinuation as opioid_discontinuation
import fbss_analytics.endpoints.opioid_long_term as opioid_long_term
import fbss_analytics.endpoints.opioid_persistent_use as opioid_persistent_use
import fbss_analytics.endpoints.opioid_responder as opioid_responder
import fbss_analytics.endpoints.opioid_taper as opioid_taper
import fbss_analytics.endpoints.recurrent as recurrent
import fbss_analytics.exposure.anchor as anchor
import fbss_analytics.exposure.category as category
import fbss_analytics.exposure.covariates as covariates
import fbss_analytics.exposure.definition as definition
import fbss_analytics.exposure.devices as devices
import fbss_analytics.exposure.exposure as exposure
import fbss_analytics.exposure.intrathecal as intrathecal
import fbss_analytics.exposure.opioids as opioids
import fbss_analytics.exposure.therapies as therapies
import fbss_analytics.exposure.trajectory as trajectory
import fbss_analytics.exposure.treatment as treatment
from fbss_analytics.cohort import Cohort
from fbss_analytics.errors import StudyWarning
from fbss_analytics.sources import schema
from fbss_analytics.sources.checking import RawTable, check_tables
from fbss_analytics.sources.source import Source, in_memory

DAY_0 = date(2015, 7, 1)
ASSUMED = """\
A number in a date column counts days from day 0, which is 1 July 2015. Unless a table says otherwise, every patient
was born in 1960 (month not known), is observed in every domain from day -2000 to day 4000, and has the generator of a
spinal cord stimulator (system 1) implanted on day 0, the index date. Device events concern that generator; operations
are lumbar decompressions; fills are oral morphine tablets of 10 mg, one a day, for the 30 days from day -30. An empty
cell in an expected table means *missing*.
"""
DEFAULTS: dict[str, dict[str, str]] = {
    "patients": {"birth_year": "1960"},
    "device_events": {"system_id": "1", "component": "generator", "device": "scs"},
    "surgeries": {"procedure": "decompression", "region": "lumbar"},
    "dispensings": {
        "ingredient": "morphine",
        "form": "tablet",
        "route": "oral",
        "strength_value": "10",
        "strength_unit": "mg",
        "date": "-30",
        "days_supply": "30",
    },
}
NUMBERED = {"surgeries": "surgery_id", "dispensings": "dispensing_id", "stays": "stay_id"}
VERBS = {
    name: getattr(module, name)
    for module, names in (
        (cohort_verbs, ("start_cohort", "require_age", "require_fbss", "require_observation",
                       "require_event", "exclude_condition")),
        (covariates, ("add_attribute", "add_condition", "add_measurement", "add_surgery_history")),
        (devices, ("add_device",)),
        (therapies, ("add_therapy",)),
        (definition, ("DoseDefinition",)),
        (opioids, ("add_opioid_dose",)),
        (exposure, ("opioid_exposure",)),
        (treatment, ("treatment_episodes",)),
        (endpoints, ("add_time_to",)),
        (prior, ("require_no_prior",)),
        (trajectory, ("add_opioid_trajectory",)),
        (category, ("add_dose_category",)),
        (intrathecal, ("add_intrathecal_dose",)),
        (change, ("add_change", "add_responder")),
        (opioid_change, ("add_opioid_change", "add_joint_response")),
        (elimination, ("add_opioid_elimination", "add_opioid_relapse")),
        (opioid_discontinuation, ("add_opioid_discontinuation",)),
        (opioid_long_term, ("add_long_term_opioid_therapy",)),
        (opioid_persistent_use, ("add_new_persistent_use",)),
        (opioid_taper, ("add_abrupt_stop", "add_taper")),
        (opioid_responder, ("add_opioid_responder",)),
        (anchor, ("add_anchor_day", "add_anchored_opioid_dose")),
        (recurrent, ("add_recurrent",)),
        (onset, ("add_fbss_onset",)),
    )
    for name in names
}  # fmt: skip

Row = dict[str, str]
Tables = dict[str, list[Row]]


@dataclass(frozen=True)
class Spec:
    """One piece of the specification: what is claimed, the tables, the call, and what each patient gets.

    ``expect`` holds the columns of the cohort that matter; a verb that keeps or excludes is judged by ``kept``.
    ``implanted`` is False where the tables hold the index events themselves. Numbers agree to ``within``. With
    ``from_frame`` there is no cohort: the call takes the tables as frames (dispensings as ``fills``) and
    ``index_dates``, all on day 0, and returns a frame, every row of a patient of which is expected, in order.
    """

    title: str
    words: str
    tables: str
    call: str
    expect: str
    index: str = "scs_implant"
    implanted: bool = True
    within: float = 1e-9
    source: str = ""
    from_frame: bool = False


def parse(text: str) -> Tables:
    """Return tables of text as rows of text by table."""
    tables: Tables = {}
    header: list[str] = []
    name = ""
    for line in filter(None, map(str.strip, text.splitlines())):
        if "|" not in line:
            name, header = line, []
            tables[name] = []
            continue
        cells = [cell.strip() for cell in line.split("|")]
        if not header:
            header = cells
        else:
            tables[name].append(dict(zip(header, cells, strict=True)))
    return tables


def rows_of(text: str) -> list[Row]:
    """Return one table of text, which needs no name, as rows of text."""
    return parse(f"table\n{text}")["table"]


def build(tables: Tables, *, implanted: bool = True) -> Source:
    """Return a `Source` of tables as text, filled up with the defaults and checked by the library's own row rules."""
    patients = list(dict.fromkeys(row["patient_id"] for rows in tables.values() for row in rows))
    tables = dict(tables)
    named = {row["patient_id"] for row in tables.get("patients", [])}
    tables["patients"] = tables.get("patients", []) + [{"patient_id": each} for each in patients if each not in named]
    if implanted:
        first = [{"patient_id": each, "date": "0", "event": "implant"} for each in patients]
        tables["device_events"] = first + tables.get("device_events", [])
    observed = {row["patient_id"] for row in tables.get("observation_periods", [])}
    tables["observation_periods"] = tables.get("observation_periods", []) + [
        {"patient_id": each, "start_date": "-2000", "end_date": "4000"} for each in patients if each not in observed
    ]
    checked = check_tables({name: RawTable(_arrow(name, rows), name) for name, rows in tables.items()})
    refused = [account for account in checked.accounts if account.disposition != "accepted"]
    assert not refused, f"the tables of a specification break the row rules: {refused}"
    return in_memory("the specification", checked.tables)


def _arrow(name: str, rows: list[Row]) -> pa.Table:
    rows = [DEFAULTS.get(name, {}) | row for row in rows]
    if name == "observation_periods":
        domains = schema.vocabulary("domain")
        rows = [
            row | {"domain": domain} for row in rows for domain in ([row["domain"]] if row.get("domain") else domains)
        ]
    if name == "dispensings":
        rows = [{"quantity": row["days_supply"]} | row for row in rows]
    if name in NUMBERED:
        rows = [row | {NUMBERED[name]: str(number)} for number, row in enumerate(rows, start=1)]
    days = {column.name for column in schema.table(name) if column.kind == "day"}
    columns = list(dict.fromkeys(column for row in rows for column in row))
    return pa.table({each: [_cell(row.get(each, ""), each in days) for row in rows] for each in columns})


def _cell(text: str, is_day: bool) -> str | None:
    if is_day and text.lstrip("-").isdigit():
        return (DAY_0 + timedelta(days=int(text))).isoformat()
    return text or None


def run(spec: Spec) -> tuple[list[Row], list[dict[str, Any]]]:
    """Make the call of a specification; return what is expected of each patient, and what came out."""
    frame = _answer(spec)
    expected = rows_of(spec.expect)
    actual: list[dict[str, Any]] = []
    places: dict[str, list[int]] = {}
    for place, patient in enumerate(frame["patient_id"]):
        places.setdefault(patient, []).append(place)
    if spec.from_frame:
        asked = Counter(row["patient_id"] for row in expected)
        assert {patient: len(places.get(patient, ())) for patient in asked} == asked, "rows that are not expected"
    for row in expected:
        patient = row["patient_id"]
        columns = [column for column in row if column != "patient_id"]
        if columns == ["kept"]:
            actual.append({"patient_id": patient, "kept": "yes" if patient in places else "no"})
        else:
            place = places[patient].pop(0)
            actual.append({"patient_id": patient} | {column: frame[column].iloc[place] for column in columns})
    return expected, actual


def _answer(spec: Spec) -> pd.DataFrame:
    """Return the frame that the call of a specification makes."""
    if spec.from_frame:
        with warnings.catch_warnings():
            # How many rows are set aside is said in a warning; which are is what the specification expects.
            warnings.simplefilter("ignore", StudyWarning)
            return eval(spec.call, {"__builtins__": {}}, VERBS | frames(parse(spec.tables)))  # type: ignore[no-any-return]
    source = build(parse(spec.tables), implanted=spec.implanted)
    cohort = cohort_verbs.start_cohort(source, index=spec.index, occurrence="first")
    result: Cohort = eval(spec.call, {"__builtins__": {}}, VERBS | {"cohort": cohort, "source": source})
    return result.frame


def frames(tables: Tables) -> dict[str, pd.DataFrame]:
    """Return tables as frames by name, unchecked, and the index dates of every patient in them."""
    made = {name: _arrow(name, rows).to_pandas() for name, rows in tables.items()}
    if "quantity_unit" not in made["dispensings"]:
        made["dispensings"]["quantity_unit"] = None
    for frame in made.values():
        for column in frame.columns[frame.columns.str.endswith("_date")]:
            frame[column] = pd.to_datetime(frame[column])
    patients = list(dict.fromkeys(patient for frame in made.values() for patient in frame["patient_id"]))
    made["index_dates"] = pd.DataFrame({"patient_id": patients, "index_date": pd.Timestamp(DAY_0)})
    return {"fills" if name == "dispensings" else name: frame for name, frame in made.items()}


def differences(spec: Spec) -> list[str]:
    """Return where a specification and the library disagree, one line each."""
    expected, actual = run(spec)
    return [
        f"{row['patient_id']}: {column} is {got[column]!r}, not {value!r}"
        for row, got in zip(expected, actual, strict=True)
        for column, value in row.items()
        if not _agree(value, got[column], spec.within)
    ]


def _agree(expected: str, actual: Any, within: float) -> bool:
    if expected == "":
        return bool(actual is None or actual != actual)
    if isinstance(actual, str):
        return expected == actual
    if isinstance(actual, date):
        return expected == actual.isoformat()[:10]
    if str(actual) in ("True", "False"):
        return expected == {"True": "yes", "False": "no"}[str(actual)]
    return actual is not None and abs(float(actual) - float(expected)) <= within
