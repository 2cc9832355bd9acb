"""A raw REDCap export as read: what may be read of it, and in which rows each form holds anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import InputError, nearest
from .convert import Mask, to_text
from .files import file_hash
from .reading import csv_header, read_csv
from .recipe import RedcapSpec
from .redcap_checks import (
    KEYS,
    OF_FORM,
    SURVEY_IDENTIFIER,
    is_among,
    missing_boxes,
    require_known_columns,
    require_raw_header,
    require_raw_values,
)
from .redcap_dictionary import Dictionary, Field


@dataclass(frozen=True, eq=False)
class Export:
    """A raw export that fits its dictionary.

    Attributes
    ----------
    file : str
        Its name; ``sha256`` is its hash.
    dictionary : Dictionary
    rows : pyarrow.Table
        The columns that are read, as text, null where there is no value or a missing-data code; of identifiers, free
        text and files only the year of a date.
    content : mapping of str to (n,) bool
        For each form the rows in which it is not empty: it holds a value (one that is not read included), a ticked
        box, or a status other than incomplete.
    withheld : mapping of str to tuple of str
        What was not read: identifiers, free text, files -> fields.
    """

    file: str
    sha256: str
    dictionary: Dictionary
    rows: pa.Table
    content: Mapping[str, Mask]
    withheld: Mapping[str, tuple[str, ...]]

    @property
    def years(self) -> tuple[str, ...]:
        """The dates flagged identifiers, of which the year is all that is read."""
        return tuple(each for each in self.withheld.get("identifiers", ()) if self.dictionary.fields[each].is_date)

    def columns(self, form: str) -> tuple[str, ...]:
        """Return the columns of a form that are read, after those with which a row says what it is."""
        present = self.rows.column_names
        own = [f"{form}_{word}" for word in OF_FORM]
        for field in self.dictionary.form_fields(form):
            own += field.boxes(present).values() if field.kind == "checkbox" else [field.name]
        return tuple(name for name in (self.dictionary.record, *KEYS, *own) if name in present)


def read_export(path: Path, dictionary: Dictionary, spec: RedcapSpec) -> Export:
    """Read a raw export.

    Raises
    ------
    InputError
        There is no such file, or ``identifier_dates`` names no date that is an identifier.
    DataError
        It cannot be read, or is no raw export of this project; see `redcap_checks`.
    """
    if not path.is_file():
        raise InputError(f"There is no export {path.name!r} here; type the path of its CSV file.")
    dates = [each.name for each in dictionary.fields.values() if each.is_date and each.withheld]
    for name in spec.identifier_dates:
        if name not in dates:
            raise InputError(
                f"redcap.identifier_dates: {name!r} is no date flagged an identifier.{nearest(name, dates)}"
            )
    written = {"delimiter": spec.delimiter, "encoding": spec.encoding}
    require_raw_header(path, dictionary, spec)
    require_known_columns(path.name, csv_header(path, **written), dictionary, spec)
    table = read_csv(path, **written)
    table = pa.table({name: to_text(table[name]) for name in table.column_names})
    known = pa.table({name: _without_nulls(table[name], name, dictionary, spec) for name in table.column_names})
    require_raw_values(path.name, known, dictionary)
    content = {form: _content(table, dictionary, form) for form in dictionary.forms}
    withheld: dict[str, tuple[str, ...]] = {}
    for field in dictionary.fields.values():
        is_there = field.name in table.column_names or field.boxes(table.column_names)
        if is_there and _reason(field, dictionary, spec):
            withheld[field.withheld] = (*withheld.get(field.withheld, ()), field.name)
    return Export(path.name, file_hash(path), dictionary, _readable(known, dictionary, spec), content, withheld)


def _reason(field: Field, dictionary: Dictionary, spec: RedcapSpec) -> str:
    """Return why a field is not read; the record id always is, and the dates that the mapping asks for."""
    return "" if field.name in (dictionary.record, *spec.identifier_dates) else field.withheld


def _without_nulls(column: pa.ChunkedArray, name: str, dictionary: Dictionary, spec: RedcapSpec) -> pa.Array:
    values = column.combine_chunks()
    if name not in dictionary.fields or name == dictionary.record:
        return values
    return pc.if_else(pa.array(is_among(values, spec.nulls)), pa.scalar(None, pa.string()), values)


def _content(table: pa.Table, dictionary: Dictionary, form: str) -> Mask:
    """Return the rows in which a form holds a value, a ticked box, or a status that someone gave it."""
    held = np.zeros(table.num_rows, dtype=bool)
    kinds = {field.name: field.kind for field in dictionary.form_fields(form)}
    for name in table.column_names:
        # An unticked box is 0, and an empty form "incomplete", whether anyone saw them or not.
        if kinds.get(name.partition("___")[0]) == "checkbox":
            held |= is_among(table[name], ("1",))
        elif name == f"{form}_complete":
            held |= is_among(table[name], ("1", "2"))
        elif name in kinds:
            held |= np.asarray(table[name].is_valid().to_numpy(), dtype=bool)
    return held


def _readable(table: pa.Table, dictionary: Dictionary, spec: RedcapSpec) -> pa.Table:
    """Return the columns that may be read: dates without a time of day, of a date that identifies only the year."""
    extra = {box: name for box, name in missing_boxes(dictionary, spec.nulls).items() if box in table.column_names}
    columns = {}
    for name in table.column_names:
        field = dictionary.fields.get(name) or dictionary.fields.get(name.partition("___")[0])
        if name in extra or name == SURVEY_IDENTIFIER:
            continue
        values = table[name].combine_chunks()
        if field is None or name == dictionary.record:
            columns[name] = values
        elif field.is_date:
            columns[name] = pc.utf8_slice_codeunits(values, 0, 4 if _reason(field, dictionary, spec) else 10)
        elif not _reason(field, dictionary, spec):
            for box in (box for box, owner in extra.items() if owner == field.name):
                values = pc.if_else(pa.array(is_among(table[box], ("1",))), pa.scalar(None, pa.string()), values)
            columns[name] = _decimal_point(values, field)
    return pa.table(columns)


def _decimal_point(values: pa.Array, field: Field) -> pa.Array:
    if not field.validation.endswith("comma_decimal"):
        return values
    return pc.replace_substring(values, ",", ".")
