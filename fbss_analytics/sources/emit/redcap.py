"""A source as a raw REDCap export with its data dictionary, which `import_redcap` reads back.

One longitudinal project: enrolment, visits as a repeating event, and a history of repeating instruments.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import numpy as np
import pandas as pd

from .. import schema
from ..source import Source
from .chunks import Chunk, Text, or_else
from .files import CsvFiles
from .ledger import Ledger
from .redcap_project import (
    ENROLMENT,
    FORMS,
    LOOKED_FOR,
    NOT_RECORDED,
    SCORES,
    VISIT,
    Field,
    dictionary,
    fields_of,
    forms_of,
    mapping,
)

KEYS = ["record_id", "redcap_event_name", "redcap_repeat_instrument", "redcap_repeat_instance"]
EVENTS = {ENROLMENT: "enrolment_arm_1", SCORES: "visit_arm_1"}
HISTORY = "history_arm_1"
COMPLETE = "2"
RECORDS_AT_A_TIME = 100
_FLAGS = {"true": "1", "false": "0"}


def write_redcap(source: Source, chunks: Iterable[Chunk], files: CsvFiles, ledger: Ledger) -> None:
    """Write ``data.csv``, ``dictionary.csv`` and ``mapping.toml``."""
    tables = list(source.tables)
    columns = _columns(tables)
    files.add("dictionary", dictionary(tables))
    files.text("mapping.toml", mapping(source.name, source.calendar, tables))
    files.add("data", pd.DataFrame(columns=columns))
    for chunk in chunks:
        forms = [_form(table, chunk, ledger).astype(object) for table in forms_of(tables)]
        places = [pd.Series(chunk.place(form["record_id"])) for form in forms]
        last = chunk.first + len(chunk.frames["patients"])
        # All columns of a row are there, nearly all of them empty: few records at a time bound the memory.
        for first in range(chunk.first, last, RECORDS_AT_A_TIME):
            chosen = [place.between(first, first + RECORDS_AT_A_TIME - 1) for place in places]
            rows = pd.concat([form[mine] for form, mine in zip(forms, chosen, strict=True)], ignore_index=True)
            order = pd.concat([place[mine] for place, mine in zip(places, chosen, strict=True)], ignore_index=True)
            files.add("data", rows.reindex(columns=columns).loc[order.sort_values(kind="stable").index])


def _columns(tables: Collection[str]) -> list[str]:
    """Return the columns of the export: keys, then each form's fields and its status."""
    columns = list(KEYS)
    for table in forms_of(tables):
        columns += [name for field in fields_of(table) for name in field.columns]
        columns.append(f"{FORMS[table][0]}_complete")
    return columns


def _form(table: str, chunk: Chunk, ledger: Ledger) -> Text:
    """Return the rows of a form, with its keys and its status."""
    form = FORMS[table][0]
    make = {"patients": _enrolment, "measurements": _visits, "conditions": _diagnoses}.get(table, _instances)
    rows = make(table, chunk, ledger)
    repeats = form not in EVENTS
    instance = rows.groupby("record_id", sort=False).cumcount() + 1
    keys = {
        "record_id": rows["record_id"],
        "redcap_event_name": EVENTS.get(form, HISTORY),
        "redcap_repeat_instrument": form if repeats else None,
        "redcap_repeat_instance": None if form == ENROLMENT else instance.astype(str),
    }
    return (
        pd.DataFrame(keys, index=rows.index)
        .join(rows.drop(columns="record_id"))
        .assign(**{f"{form}_complete": COMPLETE})
    )


def _filled(field: Field, values: pd.Series) -> pd.Series:
    """Return values of ours as a field holds them: choices as codes, flags as 1 or 0."""
    codes = field.codes or (_FLAGS if field.kind == "yesno" else {})
    coded = values.map(codes) if codes else values
    return or_else(coded, NOT_RECORDED) if field.name in LOOKED_FOR else coded


def _instances(table: str, chunk: Chunk, ledger: Ledger) -> Text:
    """Return a row for each row of a table, its columns as fields."""
    rows = chunk.frames[table]
    if table == "attributes":
        rows = rows[~_at_enrolment(rows)].reset_index(drop=True)
    columns = schema.table(table).names[1:]
    filled = {field.name: _filled(field, rows[name]) for field, name in zip(fields_of(table), columns, strict=True)}
    return pd.DataFrame({"record_id": rows["patient_id"]} | filled)


def _at_enrolment(attributes: Text) -> pd.Series:
    """Return which attributes have no dates and are the first of their kind: those that enrolment asks for."""
    undated = attributes["start_date"].isna() & attributes["end_date"].isna()
    key = attributes[["patient_id", "attribute"]].where(undated)
    return undated & ~key.duplicated()


def _enrolment(table: str, chunk: Chunk, ledger: Ledger) -> Text:
    people, told = chunk.frames["patients"], chunk.frames["attributes"]
    told = told[_at_enrolment(told)].pivot(index="patient_id", columns="attribute", values="value")
    filled = {"record_id": people["patient_id"]}
    for field in fields_of(table):
        name = field.name.removeprefix("pt_")
        if name in people:
            filled[field.name] = _filled(field, people[name])
        elif name in told:
            filled[field.name] = people["patient_id"].map(told[name])
    return pd.DataFrame(filled, index=people.index)


def _diagnoses(table: str, chunk: Chunk, ledger: Ledger) -> Text:
    """Return a row for each day with diagnoses, a box ticked for each; one told twice on a day is in a second row."""
    rows = chunk.frames[table]
    ledger.keep_only(table, rows, ("patient_id", "date", "condition"))
    again = rows.groupby(["patient_id", "date", "condition"], sort=False).cumcount()
    number = rows.assign(again=again).groupby(["patient_id", "date", "again"], sort=False).ngroup()
    date, boxes = fields_of(table)
    first = ~number.duplicated()
    days = pd.DataFrame({"record_id": rows["patient_id"], date.name: rows["date"]})[first].reset_index(drop=True)
    codes = rows["condition"].map(boxes.codes)
    ticked = {f"{boxes.name}___{code}": days.index.isin(number[codes == code]) for code in boxes.codes.values()}
    boxed = pd.DataFrame({name: np.where(each, "1", "0") for name, each in ticked.items()}, index=days.index)
    return days.join(boxed).assign(**{boxes.columns[-1]: "0"})


def _visits(table: str, chunk: Chunk, ledger: Ledger) -> Text:
    """Return a row for each visit, its measures as fields; a measure told twice at a visit is in a second row."""
    rows = chunk.frames[table]
    usual = rows["measure"].map({name: each["unit"] for name, each in schema.measures().items()})
    ledger.change(table, "unit", "a field has the unit of its measure", int((rows["unit"] != usual).sum()))
    shared = ["patient_id", *VISIT]
    again = rows.groupby([*shared, "measure"], sort=False, dropna=False).cumcount()
    number = rows.assign(again=again).groupby([*shared, "again"], sort=False, dropna=False).ngroup()
    wide = rows.assign(number=number).pivot(index="number", columns="measure", values="value")
    visits = rows.loc[~number.duplicated(), shared].reset_index(drop=True)
    filled = {"record_id": visits["patient_id"]}
    for field in fields_of(table):
        name = field.name.removeprefix("sc_")
        if name in VISIT:
            filled[field.name] = _filled(field, visits[name])
        elif name in wide:
            filled[field.name] = wide[name]
    return pd.DataFrame(filled, index=visits.index)
