"""`import_omop`: an extract in the OMOP common data model becomes a cohort folder."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pandas as pd

from ..errors import DataError, InputError, StudyWarning
from ..formats import count, plural
from .checking import RawTable, check_tables
from .codes import Code, code_list, own_codes, read_code_list
from .files import file_hash, read_tables
from .omop_concepts import Concepts, read_concepts
from .omop_details import read_details, with_details
from .omop_events import attributes, doses, measurements, stays, therapies
from .omop_files import OmopFile, cdm_version, find_files, read_omop
from .omop_tables import Coded, devices, diagnoses, drugs, observation, operations, people
from .quarantine import warn_of_quarantine
from .source import Source, in_memory

COLUMNS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "person": (
        ("person_id", "gender_concept_id", "year_of_birth"),
        ("month_of_birth", "race_concept_id", "ethnicity_concept_id", "race_source_value"),
    ),
    "death": (("person_id", "death_date"), ()),
    "observation_period": (
        ("person_id", "observation_period_start_date", "observation_period_end_date"),
        ("observation_period_id",),
    ),
    "payer_plan_period": (
        ("person_id", "payer_plan_period_start_date", "payer_plan_period_end_date"),
        ("payer_plan_period_id", "plan_source_value"),
    ),
    "visit_occurrence": (
        ("visit_occurrence_id", "person_id", "visit_concept_id", "visit_start_date", "visit_end_date"),
        (),
    ),
    "condition_occurrence": (
        ("person_id", "condition_concept_id", "condition_start_date"),
        ("condition_occurrence_id", "condition_source_value", "condition_source_concept_id"),
    ),
    "drug_exposure": (
        ("person_id", "drug_concept_id", "drug_exposure_start_date"),
        (
            "drug_exposure_id",
            "drug_exposure_end_date",
            "drug_type_concept_id",
            "quantity",
            "days_supply",
            "route_concept_id",
            "drug_source_value",
            "drug_source_concept_id",
            "dose_unit_source_value",
        ),
    ),
    "procedure_occurrence": (
        ("person_id", "procedure_concept_id", "procedure_date"),
        (
            "procedure_occurrence_id",
            "procedure_end_date",
            "visit_occurrence_id",
            "procedure_source_value",
            "procedure_source_concept_id",
        ),
    ),
    "device_exposure": (
        ("person_id", "device_concept_id", "device_exposure_start_date"),
        ("device_exposure_id", "device_source_value", "device_source_concept_id"),
    ),
    "measurement": (
        ("person_id", "measurement_concept_id", "measurement_date", "value_as_number"),
        (
            "measurement_id",
            "measurement_type_concept_id",
            "unit_source_value",
            "measurement_source_value",
            "measurement_source_concept_id",
        ),
    ),
    "observation": (
        ("person_id", "observation_concept_id", "observation_date"),
        (
            "observation_id",
            "value_as_number",
            "value_as_string",
            "unit_source_value",
            "qualifier_source_value",
            "observation_source_value",
            "observation_source_concept_id",
            "observation_event_id",
            "obs_event_field_concept_id",
        ),
    ),
}
"""Columns read of each CDM table: those it must have, and those it may have."""
FILE_OF: Mapping[str, str] = {
    "condition": "condition_occurrence",
    "drug": "drug_exposure",
    "procedure": "procedure_occurrence",
    "device": "device_exposure",
    "measurement": "measurement",
    "observation": "observation",
}
"""The CDM table whose columns begin with each word."""
WRITTEN = ("38000177", "32838")
"""Drug types of prescriptions written, of which nobody knows whether they were filled."""


def import_omop(path: str | Path, folder: str | Path, *, mapping: str | Path | None = None) -> Source:
    """Import an extract in the OMOP common data model (5.3 or 5.4) into a cohort folder.

    **Definition**: people with their race, observation periods (medical, and pharmacy where there are drugs), deaths,
    stays in hospital and, of diagnoses, drugs, operations, devices, measurements, treatments and observations, the rows
    whose code stands in a code list. A code is found by the source concept where the vocabulary is in the extract, else
    by the source code; opioids by their ingredient's descendants (``concept_ancestor``), else by the ingredient itself.
    A source concept of the vocabulary ``FBSS`` is a word of this library (``conditions/anxiety``). Every row of a file
    is accepted, quarantined under a row rule, excluded with a reason or merged; ``.accounting`` lists them.

    Parameters
    ----------
    path : str or Path
        Folder with ``person``, ``observation_period`` and what else there is, as ``.csv``, ``.csv.gz`` or ``.parquet``.
    folder : str or Path
        Cohort folder to write; an earlier cohort folder there is replaced.
    mapping : str or Path, optional
        CSV of further codes (columns ``system, code, table, word``), for instance a site's own; they come before ours.

    Returns
    -------
    Source
        The cohort folder.

    Raises
    ------
    InputError
        No such folder or file, or a wrong word in the mapping.
    DataError
        No person or observation period table, a column of the CDM is missing, a file cannot be read, the version is
        neither 5.3 nor 5.4, or no patient is accepted.

    Warns
    -----
    StudyWarning
        Rows set aside; opioids that are prescriptions written rather than fills; CDM tables that are not there.

    Notes
    -----
    When not to use it: to find device implants by standard concepts alone (SNOMED); the code lists hold source codes
    (CPT, HCPCS, ICD). Where a source keeps none, add its own codes with ``mapping``.

    References
    ----------
    OHDSI, OMOP Common Data Model v5.3 and v5.4, https://ohdsi.github.io/CommonDataModel/

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import fbss_analytics as fbss
    >>> here = Path(tempfile.mkdtemp())
    >>> _ = (here / "person.csv").write_text("person_id,gender_concept_id,year_of_birth\\n1,8532,1960\\n")
    >>> _ = (here / "observation_period.csv").write_text(
    ...     "person_id,observation_period_start_date,observation_period_end_date\\n1,2010-01-01,2015-12-31\\n"
    ... )
    >>> _ = (here / "procedure_occurrence.csv").write_text(
    ...     "person_id,procedure_concept_id,procedure_date,procedure_source_value\\n1,0,2012-05-04,63685\\n"
    ... )
    >>> source = fbss.import_omop(here, here / "cohort")
    >>> source.tables["device_events"].select(["component", "event"]).to_pylist()
    [{'component': 'generator', 'event': 'implant'}]
    """
    here, there = Path(path), Path(folder)
    files = find_files(here)
    if there.resolve() in (here.resolve(), *here.resolve().parents):
        raise InputError(f"{there.name} holds the extract itself; name another folder for the cohort.")
    if "observation_period" not in files:
        raise DataError(f"{here.name} holds no observation_period table, the only source of time at risk.")
    version = cdm_version(files)
    codes = (*(read_code_list(Path(mapping)) if mapping else ()), *code_list(), *own_codes())
    read = {name: read_omop(files[name], must, optional=may) for name, (must, may) in COLUMNS.items() if name in files}
    concepts = read_concepts(files, codes, _used(read))
    checked = check_tables(_tables(read, concepts, files))
    warn_of_quarantine(checked.accounts)
    _warn_of_written(read, concepts)
    provenance = {
        "kind": "imported",
        "mapping": {
            "file": Path(mapping).name if mapping else "code_lists.csv",
            "version": f"OMOP CDM {version or 'version not told'}",
            "sha256": file_hash(Path(mapping)) if mapping else "",
        },
        "files": {each.name: {"rows": each.rows.num_rows, "sha256": each.sha256} for each in read.values()},
    }
    source = in_memory(
        here.name,
        checked.tables,
        accounts=checked.accounts,
        quarantine=checked.quarantine,
        provenance=provenance,
    )
    return read_tables(source.to_folder(there))


def _used(read: Mapping[str, OmopFile]) -> set[str]:
    """Return the concept ids that rows hold."""
    found: set[str] = set()
    for file in read.values():
        for name in file.rows.column_names:
            if name.endswith("concept_id"):
                found |= set(file.rows[name].unique().drop_null().to_pylist())
    return found - {"0"}


def _tables(read: Mapping[str, OmopFile], concepts: Concepts, files: Mapping[str, Path]) -> dict[str, RawTable]:
    """Return the raw tables of the schema that the extract has."""
    has_drugs = "drug_exposure" in read and read["drug_exposure"].rows.num_rows > 0
    details = read_details(read.get("observation"), concepts)
    found = partial(_found, read, concepts)
    tables = {
        "patients": people(read["person"], read.get("death")),
        "observation_periods": observation(read["observation_period"], read.get("payer_plan_period"), has_drugs),
        "attributes": attributes(read["person"], found("attributes", "observation")),
    }
    numbers: dict[tuple[str, str], str] = {}
    if "visit_occurrence" in read:
        tables["stays"], numbers = stays(read["visit_occurrence"])
    if "drug_exposure" in read:
        tables["dispensings"] = drugs(read["drug_exposure"], concepts, files)
    for table, make, kind in (
        ("conditions", diagnoses, "condition"),
        ("measurements", measurements, "measurement"),
        ("surgeries", partial(operations, stays=numbers), "procedure"),
        ("intrathecal_doses", doses, "observation"),
    ):
        for part in found(table, kind):
            tables[table] = make(part)
    if parts := found("device_events", "procedure", "device", "observation"):
        tables["device_events"] = devices(parts, details["device_events"].index if "device_events" in details else ())
    if parts := found("therapies", "procedure", "drug"):
        tables["therapies"] = therapies(parts, concepts)
    return {name: with_details(raw, details.get(name)) for name, raw in tables.items()}


def _found(read: Mapping[str, OmopFile], concepts: Concepts, table: str, *kinds: str) -> list[Coded]:
    """Return the files of some kinds that the extract has, with what their codes mean for a table."""
    return [_coded(read[FILE_OF[kind]], kind, concepts, (table,)) for kind in kinds if FILE_OF[kind] in read]


def _coded(file: OmopFile, kind: str, concepts: Concepts, tables: tuple[str, ...]) -> Coded:
    """Return rows with the code list's entry of each, looked up once per distinct code."""
    frame = file.rows.to_pandas()
    keys = frame[[f"{kind}_source_concept_id", f"{kind}_concept_id", f"{kind}_source_value"]].astype(object)
    keys = keys.where(keys.notna(), None)
    distinct: dict[tuple[str | None, ...], Code | None] = {}
    codes: list[Code | None] = []
    for key in keys.itertuples(index=False, name=None):
        if key not in distinct:
            source, standard, value = key
            found = concepts.meaning(source, value, tables)
            distinct[key] = concepts.meaning(standard, None, tables) if found is None else found
        codes.append(distinct[key])
    return Coded(file, kind, frame, codes)


def _warn_of_written(read: Mapping[str, OmopFile], concepts: Concepts) -> None:
    """Warn of opioids that were prescribed, of which nobody knows whether they were dispensed."""
    if "drug_exposure" not in read:
        return
    frame: pd.DataFrame = read["drug_exposure"].rows.to_pandas()
    opioid = frame[frame["drug_concept_id"].isin(list(concepts.ingredient))]
    written = int(opioid["drug_type_concept_id"].isin(WRITTEN).sum())
    if written:
        warnings.warn(
            f"{count(written)} of {plural(len(opioid), 'opioid row')} are prescriptions written, not fills; a dose "
            "from them is what was ordered. Say so beside every dose.",
            StudyWarning,
            stacklevel=3,
        )
