"""`import_omop`: an extract in the OMOP common data model becomes a cohort folder."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from ..errors import DataError, InputError, StudyWarning
from ..formats import count, plural
from .checking import RawTable, check_tables
from .codes import Code, code_list, read_code_list
from .files import file_hash, read_tables
from .omop_concepts import Concepts, read_concepts
from .omop_files import OmopFile, cdm_version, find_files, read_omop
from .omop_tables import Coded, devices, diagnoses, drugs, observation, operations, people
from .quarantine import warn_of_quarantine
from .source import Source, in_memory

COLUMNS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "person": (("person_id", "gender_concept_id", "year_of_birth"), ("month_of_birth",)),
    "death": (("person_id", "death_date"), ()),
    "observation_period": (("person_id", "observation_period_start_date", "observation_period_end_date"), ()),
    "condition_occurrence": (
        ("person_id", "condition_concept_id", "condition_start_date"),
        ("condition_source_value", "condition_source_concept_id"),
    ),
    "drug_exposure": (
        ("person_id", "drug_concept_id", "drug_exposure_start_date"),
        ("drug_type_concept_id", "quantity", "days_supply", "drug_source_value"),
    ),
    "procedure_occurrence": (
        ("person_id", "procedure_concept_id", "procedure_date"),
        ("procedure_source_value", "procedure_source_concept_id"),
    ),
    "device_exposure": (
        ("person_id", "device_concept_id", "device_exposure_start_date"),
        ("device_source_value", "device_source_concept_id"),
    ),
}
"""Columns read of each CDM table: those it must have, and those it may have."""
WRITTEN = ("38000177", "32838")
"""Drug types of prescriptions written, of which nobody knows whether they were filled."""


def import_omop(path: str | Path, folder: str | Path, *, mapping: str | Path | None = None) -> Source:
    """Import an extract in the OMOP common data model (5.3 or 5.4) into a cohort folder.

    **Definition**: people, observation periods (medical, and pharmacy where there are drugs), deaths, and, of
    diagnoses, drugs, operations and devices, the rows whose code stands in a code list. A code is found by the source
    concept where the vocabulary is in the extract, else by the source code; opioids by their ingredient's descendants
    (``concept_ancestor``), else by the ingredient itself. Every row of a file is accepted, quarantined under a row
    rule, excluded with a reason or merged; ``.accounting`` lists them.

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
    codes = (*(read_code_list(Path(mapping)) if mapping else ()), *code_list())
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
    domains = ["medical", *(["pharmacy"] if "drug_exposure" in read and read["drug_exposure"].rows.num_rows else [])]
    tables = {
        "patients": people(read["person"], read.get("death")),
        "observation_periods": observation(read["observation_period"], domains),
    }
    if "condition_occurrence" in read:
        tables["conditions"] = diagnoses(_coded(read["condition_occurrence"], "condition", concepts, ("conditions",)))
    if "drug_exposure" in read:
        tables["dispensings"] = drugs(read["drug_exposure"], concepts, files)
    parts, dates, values = [], [], []
    for name, kind, date in (
        ("procedure_occurrence", "procedure", "procedure_date"),
        ("device_exposure", "device", "device_exposure_start_date"),
    ):
        if name in read:
            parts.append(_coded(read[name], kind, concepts, ("device_events",)))
            dates.append(date)
            values.append(f"{kind}_source_value")
    if "procedure_occurrence" in read:
        tables["surgeries"] = operations(_coded(read["procedure_occurrence"], "procedure", concepts, ("surgeries",)))
    if parts:
        tables["device_events"] = devices(parts, dates, values)
    return tables


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
    return Coded(file, frame, codes)


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
