"""What is added up for one run of patients: pure functions from Arrow rows to totals, which know nothing of threads."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ..dates import FAR, NO_DAY, to_days
from ..engine import Run, file_runs, table_runs
from ..errors import DataError, InputError
from ..formats import count, plural
from ..sources import schema
from ..sources.source import Source
from .definition import DoseDefinition
from .overlap import resolve
from .people import People, find, string_column, view_of
from .prepared import NUMBERS, number_column, table_supplies
from .stays import with_stays
from .supply import WORDS, Supplies, is_repeat
from .sweep import Totals, View, bands_of, by_row, window_totals

Integers = npt.NDArray[np.int64]
COLUMNS = ("patient_id", "date", *WORDS, *NUMBERS)
FILE = "dispensings.parquet"
MOST_DAYS = 365
UNSORTED = (
    f"{FILE}: the rows are not sorted by patient_id. Read the tables with read_tables and write them with "
    "Source.to_folder, which sorts them."
)


@dataclass(frozen=True, eq=False)
class Part:
    """What a run of patients adds up to.

    Attributes
    ----------
    first_id, last_id : str
        The run's first and last patient, by which its order is checked.
    persons : (n,) int
        Patients with dispensings that were asked for, by their place in `People`.
    rows : (m,) int
        Their rows of the index dates.
    totals : Totals
        Arrays (m, windows).
    n_dispensings, n_ignored, n_repeats : int
        Dispensings that count, those of them of patients not asked for, and repeats that were dropped before.
    """

    first_id: str
    last_id: str
    persons: Integers
    rows: Integers
    totals: Totals
    n_dispensings: int
    n_ignored: int
    n_repeats: int


def runs_of(dispensings: Source | str | Path, definition: DoseDefinition) -> list[Run]:
    """Return runs of the dispensings of a source or of a cohort folder."""
    # Rows are repeats of each other when every column agrees, so then every column is read.
    columns = schema.table("dispensings").names if definition.repeats == "drop" else COLUMNS
    if isinstance(dispensings, Source):
        dispensings.require("dispensings", what="The opioid exposure")
        return table_runs(dispensings.tables["dispensings"].select(list(columns)))
    file = checked_path(dispensings, "dispensings") / FILE
    if not file.is_file():
        raise InputError(
            f"{file.parent.name} holds no {FILE}; expected a cohort folder (Source.to_folder, import_tables)."
        )
    words = [column.name for column in schema.table("dispensings") if column.kind == "word"]
    return file_runs(file, columns, words=words)


def checked_path(path: object, name: str) -> Path:
    """Return a path, or raise `InputError` where something else stands in its place."""
    if isinstance(path, str | Path):
        return Path(path)
    known = "the path of a folder" if name == "folder" else "a DataFrame, a Table, a Source or the path of a folder"
    raise InputError(f"{name} is of type {type(path).__name__}; expected {known}.")


def part_of(table: pa.Table, people: People, definition: DoseDefinition, windows: Integers) -> Part:
    """Return what the dispensings of a run of patients add up to."""
    rows_read = table.num_rows
    table = _without_repeats(table, definition)
    definition = replace(definition, repeats="keep")
    start, days = checked_days(table)
    patient = table["patient_id"].combine_chunks()
    patient = patient if pa.types.is_dictionary(patient.type) else patient.dictionary_encode()
    codes, ids = np.asarray(patient.indices, dtype=np.int64), string_column(patient.dictionary)
    persons = find(people, ids)
    asked = persons >= 0
    view, rows = view_of(people, persons, windows)
    keep = near_windows(start, days, codes, view, len(persons), definition)
    supplies, _ = table_supplies(_rows(table, keep), codes[keep], definition)
    totals = add_up(supplies, persons, people, definition, view)
    n_ignored = 0 if asked.all() else int((~asked)[codes].sum())
    ends = str(ids[int(codes[0])]), str(ids[int(codes[-1])])
    return Part(*ends, persons[asked], rows, totals, len(codes), n_ignored, rows_read - len(codes))


def _without_repeats(table: pa.Table, definition: DoseDefinition) -> pa.Table:
    return table.filter(pa.array(~is_repeat(table.to_pandas()))) if definition.repeats == "drop" else table


def near_windows(
    start: Integers, days: Integers, patient: Integers, view: View, n_patients: int, definition: DoseDefinition
) -> Integers:
    """Return the places of dispensings that can matter to a patient's windows; those of a patient of -1 cannot.

    What an overlap policy moves can come from far away, so that under it all of a patient's dispensings matter.
    """
    first, last = (np.append(day, none) for day, none in zip(_reach(view, n_patients), (FAR, -FAR), strict=True))
    if definition.overlap != "concurrent":
        return np.flatnonzero((first <= last)[patient])
    return np.flatnonzero((start <= last[patient]) & (start + days > first[patient]))


def _reach(view: View, n_patients: int) -> tuple[Integers, Integers]:
    """Return the first and last day that the windows of each patient reach; none for one without a row."""
    first, last = np.full(n_patients, FAR), np.full(n_patients, -FAR)
    begin = np.flatnonzero(np.append(True, view.patient[1:] != view.patient[:-1])[: len(view.patient)])
    if len(begin):
        first[view.patient[begin]] = np.minimum.reduceat(view.day_0, begin) + view.windows[:, 0].min()
        last[view.patient[begin]] = np.maximum.reduceat(view.day_0, begin) + view.windows[:, 1].max()
    return first, last


def _rows(table: pa.Table, which: Integers) -> pa.Table:
    """Return rows of a table; of a dictionary column only the codes are moved."""
    places = pa.array(which)
    columns = {}
    for name in table.column_names:
        column = table[name].combine_chunks()
        if pa.types.is_dictionary(column.type):
            columns[name] = pa.DictionaryArray.from_arrays(column.indices.take(places), column.dictionary, safe=False)
        else:
            columns[name] = column.take(places)
    return pa.table(columns)


def add_up(supplies: Supplies, persons: Integers, people: People, definition: DoseDefinition, view: View) -> Totals:
    """Return the totals of a view on supplies as dispensed, whose ``row`` is the place in ``persons``."""
    supplies = by_row(resolve(supplies, definition))
    if len(people.stays):
        place = np.full(len(people.ids) + 1, -1, dtype=np.int64)
        place[persons] = np.where(persons >= 0, np.arange(len(persons)), -1)
        stays = people.stays.assign(row=place[people.stays["row"].to_numpy()])
        supplies = by_row(with_stays(supplies, stays[stays["row"] >= 0]))
    whole = definition.straddle == "whole_fill"
    return window_totals(supplies, view, bands_of(definition.factors), whole_fills=whole)


def without_supplies(people: People, seen: npt.NDArray[np.bool_], windows: Integers) -> tuple[Totals, Integers]:
    """Return the totals of the persons who have no dispensing: nothing but observed days."""
    persons = np.flatnonzero(~seen)
    view, rows = view_of(people, persons, windows)
    none = np.empty(0, dtype=np.int64)
    supplies = Supplies(none, none, none, np.empty(0), np.empty(0), np.empty(0, dtype=np.int32))
    return window_totals(supplies, view, (np.empty(0), np.empty(0))), rows


def check_order(before: str, first: str, last: str) -> str:
    """Return the last patient of a run, or raise `DataError` where its first does not follow the one before it."""
    if before and not before < first:
        raise DataError(UNSORTED)
    return last


def checked_days(table: pa.Table) -> tuple[Integers, Integers]:
    """Return day and days' supply, or raise `DataError` where rows break the rules a cohort folder is checked by."""
    start, days = to_days(table["date"]), number_column(table["days_supply"])
    bad = ~((days >= 1) & (days <= MOST_DAYS) & (number_column(table["quantity"]) > 0)) | (start == NO_DAY)
    n = int(bad.sum()) + table["patient_id"].null_count
    if n:
        raise DataError(
            f"{plural(n, 'dispensing')} of {count(table.num_rows)} read so far have no patient, date or quantity, or "
            f"days_supply outside 1 to {MOST_DAYS}. The folder changed since it was written; read it with read_tables, "
            "which sets such rows aside and counts them."
        )
    return start.astype(np.int64), days.astype(np.int64)
