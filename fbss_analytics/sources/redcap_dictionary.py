"""The data dictionary of a REDCap project: its forms, their fields, and what each field may hold."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..errors import DataError, InputError, nearest

HEADINGS: Mapping[str, tuple[str, str]] = {
    "name": ("Variable / Field Name", "field_name"),
    "form": ("Form Name", "form_name"),
    "kind": ("Field Type", "field_type"),
    "label": ("Field Label", "field_label"),
    "choices": ("Choices, Calculations, OR Slider Labels", "select_choices_or_calculations"),
    "validation": ("Text Validation Type OR Show Slider Number", "text_validation_type_or_show_slider_number"),
    "identifier": ("Identifier?", "identifier"),
}
"""What is read of a dictionary: the heading in a file downloaded by hand, and the one of the API."""
STATUS = {"0": "Incomplete", "1": "Unverified", "2": "Complete"}
"""The choices of the status of a form, ``<form>_complete``."""
_FIXED_CHOICES = {"yesno": {"1": "Yes", "0": "No"}, "truefalse": {"1": "True", "0": "False"}}
_WITH_CHOICES = ("radio", "dropdown", "checkbox")
_PERSONAL = ("email", "phone", "zipcode", "postalcode", "postcode", "ssn", "mrn", "vmrn", "bsn")
"""Validation types of fields that point to a person whether the dictionary says so or not."""


@dataclass(frozen=True)
class Field:
    """One field: its form, its type, its choices (code -> label; none where it has no choices)."""

    name: str
    form: str
    kind: str
    label: str
    choices: Mapping[str, str]
    validation: str
    is_flagged: bool

    @property
    def is_date(self) -> bool:
        """Whether it holds a date, also with a time of day; raw exports write them year-month-day in any format."""
        return self.kind == "text" and self.validation.startswith("date")

    @property
    def withheld(self) -> str:
        """Why its values are not read: ``identifiers``, ``free text`` or ``files``; empty where they are."""
        if self.kind in ("notes", "file"):
            return "free text" if self.kind == "notes" else "files"
        is_personal = self.kind == "text" and self.validation.startswith(_PERSONAL)
        return "identifiers" if self.is_flagged or is_personal else ""

    def box(self, code: str) -> str:
        """Return the column of one box of a checkbox field: lower case, a minus sign as an underscore."""
        return f"{self.name}___{_in_column(code)}"

    def boxes(self, columns: Container[str]) -> dict[str, str]:
        """Return code -> column of the boxes that are among these columns."""
        found: dict[str, str] = {}
        for code in self.choices:
            # Some releases of REDCap lose an underscore of the code in the name of the column.
            for column in (self.box(code), self.box(code.replace("_", ""))):
                if column in columns:
                    found.setdefault(code, column)
        return found


@dataclass(frozen=True)
class Dictionary:
    """A data dictionary as read; ``fields`` by name, in order, without texts that only describe."""

    file: str
    sha256: str
    fields: Mapping[str, Field]

    @property
    def record(self) -> str:
        """The field of the record id: the first one of a project."""
        return next(iter(self.fields))

    @property
    def forms(self) -> tuple[str, ...]:
        """The forms in order."""
        return tuple(dict.fromkeys(field.form for field in self.fields.values()))

    def form_fields(self, form: str) -> tuple[Field, ...]:
        """Return the fields of a form but the record id, which every row has."""
        return tuple(each for each in self.fields.values() if each.form == form and each.name != self.record)


def read_dictionary(path: Path) -> Dictionary:
    """Read a data dictionary as REDCap writes it, by hand or by the API.

    Raises
    ------
    InputError
        There is no such file.
    DataError
        It is no data dictionary, it is no UTF-8, a field has no name, form or type or stands twice, or choices cannot
        be read.
    """
    if not path.is_file():
        raise InputError(f"There is no data dictionary {path.name!r} here; type the path of its CSV file.")
    content = path.read_bytes()
    try:
        rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    except (UnicodeDecodeError, csv.Error):
        raise DataError(
            f"{path.name} cannot be read as UTF-8 text with commas; download the dictionary again."
        ) from None
    fields: dict[str, Field] = {}
    for field in _fields(path.name, [row for row in rows if any(row)]):
        if field.name in fields:
            raise DataError(f"{path.name}: the field {field.name} stands twice; download the dictionary again.")
        fields[field.name] = field
    if not fields:
        raise DataError(f"{path.name} has no field; download the dictionary again.")
    return Dictionary(path.name, hashlib.sha256(content).hexdigest(), fields)


def is_dictionary_header(names: list[str]) -> bool:
    """Return whether a header is that of a data dictionary."""
    found = {_plain(name) for name in names}
    return all(any(_plain(heading) in found for heading in HEADINGS[key]) for key in ("name", "form", "kind"))


def _fields(file: str, rows: list[list[str]]) -> Iterator[Field]:
    places = _places(file, rows[0] if rows else [])
    for row in rows[1:]:
        cell = {key: row[place].strip() if place < len(row) else "" for key, place in places.items()}
        if not (cell["name"] and cell["form"] and cell["kind"]):
            raise DataError(f"{file}: a field has no name, form or type; download the dictionary again.")
        if cell["kind"] == "descriptive":
            continue
        yield Field(
            name=cell["name"],
            form=cell["form"],
            kind=cell["kind"],
            label=cell["label"],
            choices=_choices(file, cell["name"], cell["kind"], cell["choices"]),
            validation=cell["validation"].lower(),
            is_flagged=cell["identifier"].lower() == "y",
        )


def _places(file: str, header: list[str]) -> dict[str, int]:
    """Return where each column of a dictionary stands; programs that pass it on change spaces and signs."""
    at = {_plain(name): place for place, name in enumerate(header)}
    places = {}
    for key, headings in HEADINGS.items():
        found = [at[_plain(heading)] for heading in headings if _plain(heading) in at]
        if not found:
            raise DataError(
                f"{file} has no column {headings[0]!r} (API: {headings[1]}): is it the data dictionary? Download it in "
                "REDCap: Project Setup > Data Dictionary > Download the current Data Dictionary."
            )
        places[key] = found[0]
    return places


def _choices(file: str, name: str, kind: str, text: str) -> Mapping[str, str]:
    if kind not in _WITH_CHOICES:
        return _FIXED_CHOICES.get(kind, {})
    pairs = [part.partition(",") for part in text.split("|") if part.strip()]
    choices = {code.strip(): label.strip() for code, _, label in pairs}
    if not choices or len(choices) < len(pairs) or any(not comma for _, comma, _ in pairs):
        raise DataError(f"{file}: the choices of {name} cannot be read; expected '1, Yes | 2, No', each code once.")
    return choices


def choice_code(field: Field, label: str, *, place: str) -> str:
    """Return the code of a choice's label, or raise `InputError` with the nearest label."""
    codes = [code for code, each in field.choices.items() if each == label]
    if len(codes) != 1:
        hint = nearest(label, field.choices.values()) if not codes else " Write its code, with recode."
        raise InputError(f"{place}: {label!r} is the label of {len(codes)} choices of {field.name}.{hint}")
    return codes[0]


def _in_column(code: str) -> str:
    return re.sub(r"[^0-9a-z_]", "", code.lower().replace("-", "_"))


def _plain(heading: str) -> str:
    return re.sub(r"[^a-z]", "", heading.lower())
