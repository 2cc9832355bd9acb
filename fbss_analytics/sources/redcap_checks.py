"""Whether a file is a raw REDCap export of the project that a data dictionary describes; if not, what it is."""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import DataError
from ..formats import count, plural
from .convert import Mask
from .recipe import RedcapSpec
from .redcap_dictionary import STATUS, Dictionary, is_dictionary_header

EVENT, INSTRUMENT, INSTANCE = "redcap_event_name", "redcap_repeat_instrument", "redcap_repeat_instance"
KEYS = (EVENT, INSTRUMENT, INSTANCE, "redcap_data_access_group")
"""What a row says of itself besides the record: event, repeating form, instance, data access group."""
SURVEY_IDENTIFIER = "redcap_survey_identifier"
OF_FORM = ("complete", "timestamp", "return_code")
"""What REDCap adds to each form: ``<form>_complete`` and, for a survey, when and with which code."""
RAW = (
    "Export it again in REDCap: Data Exports, Reports, and Stats > Export Data > CSV / Microsoft Excel (raw data); by "
    "the API with rawOrLabel = raw, rawOrLabelHeaders = raw and type = flat."
)
SAME_DAY = "Download export and dictionary on the same day from the same project."
_DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|", "caret": "^"}
_TICKS = {"Checked", "Unchecked"}
_SHOWN = 8
_NAME = r"[a-z][a-z0-9_]{0,99}"


def require_raw_header(path: Path, dictionary: Dictionary, spec: RedcapSpec) -> None:
    """Raise `DataError` saying what a file is whose header has no record id; nothing of its header is shown."""
    header = _first_line(path, spec.encoding, spec.delimiter)
    if dictionary.record in header:
        return
    if is_dictionary_header(header):
        raise DataError(f"{path.name} is a data dictionary; are export and dictionary swapped?")
    if {"record", "field_name", "value"} <= set(header):
        raise DataError(f"{path.name} has a row per value (type = eav). {RAW}")
    for word, delimiter in _DELIMITERS.items():
        if dictionary.record in _first_line(path, spec.encoding, delimiter):
            written = "\\t" if delimiter == "\t" else delimiter
            raise DataError(
                f'{path.name} has a {word} between its fields; write delimiter = "{written}" under [redcap] in the '
                "mapping."
            )
    labels = {field.label for field in dictionary.fields.values()} | {"Event Name", "Repeat Instrument"}
    # A label export heads the box of a checkbox field "label (choice=...)".
    found = sum(name.partition(" (choice=")[0] in labels for name in header)
    if found and 2 * found >= len(header):
        raise DataError(f"{path.name} has labels in place of field names in its header. {RAW}")
    raise DataError(
        f"{path.name} is no raw export of this project: its header has no {dictionary.record!r}, the first field of "
        f"{dictionary.file}. {RAW}"
    )


def _first_line(path: Path, encoding: str, delimiter: str) -> list[str]:
    """Return the names in the first line; none where it cannot be read.

    What does not fit the encoding is passed over here: `csv_header` says so better, once it is known to be an export.
    """
    encoding = "utf-8-sig" if encoding.lower() in ("utf-8", "utf8") else encoding
    try:
        with path.open(encoding=encoding, errors="replace", newline="") as lines:
            return [name.strip() for name in next(csv.reader(lines, delimiter=delimiter), [])]
    except (UnicodeError, csv.Error):
        return []


def require_known_columns(file: str, header: Collection[str], dictionary: Dictionary, spec: RedcapSpec) -> None:
    """Raise `DataError` naming columns of an export that its dictionary does not have, or boxes the export lacks."""
    known = {dictionary.record, *KEYS, SURVEY_IDENTIFIER, *missing_boxes(dictionary, spec.nulls)}
    known |= {f"{form}_{word}" for form in dictionary.forms for word in OF_FORM}
    for field in dictionary.fields.values():
        known |= set(field.boxes(header).values()) if field.kind == "checkbox" else {field.name}
    unknown = [name for name in header if name not in known]
    if unknown:
        is_box = any("___" in name and name.partition("___")[0] in dictionary.fields for name in unknown)
        nulls = " If the project has missing-data codes, list them as nulls under [redcap] in the mapping."
        raise DataError(
            f"{file} has {plural(len(unknown), 'column')} that {dictionary.file} does not have: {_some(unknown)}."
            f"{nulls if is_box else ''} {SAME_DAY}"
        )
    for field in dictionary.fields.values():
        boxes = field.boxes(header)
        lacking = [field.box(code) for code in field.choices if code not in boxes]
        if boxes and lacking:
            # Nobody could tell a box that was not exported from one that was not ticked.
            columns = plural(len(lacking), "box", "boxes")
            raise DataError(f"{file} lacks {columns} of {field.name}: {_some(lacking)}. {SAME_DAY}")


def missing_boxes(dictionary: Dictionary, nulls: Iterable[str]) -> dict[str, str]:
    """Return column -> checkbox field of the boxes that REDCap adds for the missing-data codes of a project."""
    fields = [field for field in dictionary.fields.values() if field.kind == "checkbox"]
    return {field.box(code): field.name for field in fields for code in nulls if code not in field.choices}


def require_raw_values(file: str, table: pa.Table, dictionary: Dictionary) -> None:
    """Raise `DataError` where labels stand in place of codes, a form is not known, or dates were written anew."""
    labelled = list(dict.fromkeys(_labelled(table, dictionary)))
    if labelled:
        columns = plural(len(labelled), "column")
        raise DataError(f"{file} holds labels in place of codes in {columns}: {_some(labelled)}. {RAW}")
    if INSTRUMENT in table.column_names:
        strange = table[INSTRUMENT].is_valid().to_numpy() & ~is_among(table[INSTRUMENT], dictionary.forms)
        if strange.any():
            raise DataError(
                f"{file}: {plural(int(strange.sum()), 'row')} of {count(table.num_rows)} "
                f"{'names' if strange.sum() == 1 else 'name'} a form in {INSTRUMENT} that {dictionary.file} does not "
                f"have. {SAME_DAY}"
            )
    for field in dictionary.fields.values():
        if field.is_date and field.name in table.column_names:
            given = table[field.name].drop_null()
            if len(given) > 1 and not pc.any(pc.match_substring_regex(given, r"^[0-9]{4}-[0-9]{2}-[0-9]{2}")).as_py():
                raise DataError(
                    f"{file}: none of the {count(len(given))} dates of {field.name} is year-month-day, as a raw export "
                    f"writes them; was the file saved by a spreadsheet program? {RAW}"
                )


def _labelled(table: pa.Table, dictionary: Dictionary) -> Iterator[str]:
    """Yield the columns of which a value is a label and no code."""
    columns = table.column_names

    def holds(name: str, labels: Iterable[str], codes: Collection[str]) -> bool:
        return name in columns and bool(is_among(table[name], {each for each in labels if each not in codes}).any())

    for form in dictionary.forms:
        plain = form.replace("_", " ")
        if holds(INSTRUMENT, (plain, plain.title(), plain.capitalize()), dictionary.forms):
            yield INSTRUMENT
        if holds(f"{form}_complete", STATUS.values(), ()):
            yield f"{form}_complete"
    for field in dictionary.fields.values():
        if field.kind == "checkbox":
            for code, column in field.boxes(columns).items():
                if holds(column, _TICKS | {field.choices[code]}, ("0", "1")):
                    yield column
        elif holds(field.name, field.choices.values(), field.choices):
            yield field.name
    if EVENT in columns:
        events = table[EVENT].drop_null().unique().to_pylist()
        if not all(re.fullmatch(r"\w*_arm_[0-9]+[a-z]?", each) for each in events):
            yield EVENT


def is_among(column: pa.ChunkedArray | pa.Array, words: Iterable[str]) -> Mask:
    """Return the rows in which a text column holds one of some words."""
    found = pc.is_in(column, value_set=pa.array(list(words), pa.string()))
    return np.asarray(found.to_numpy(zero_copy_only=False) if isinstance(found, pa.Array) else found.to_numpy(), bool)


def _some(names: list[str]) -> str:
    # A header that swallowed a row would hold a patient's values: only what can be a REDCap name is shown.
    shown = [name if re.fullmatch(_NAME, name) else "(no REDCap name)" for name in names[:_SHOWN]]
    return ", ".join(shown) + (", ..." if len(names) > _SHOWN else "")
