"""The REDCap project that a source is emitted as: forms, fields with choices, data dictionary, and the mapping back."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import pandas as pd

from .. import schema
from .toml import block, pairs, text, without

NOT_RECORDED = "-99"
"""The project's missing-data code: somebody looked, and the value is not recorded."""
LOOKED_FOR = (
    "pt_birth_month", "op_levels", "op_asa", "fill_strength_value", "fill_strength_unit", "sc_source",
)  # fmt: skip
"""Fields in which a missing value is the missing-data code; in the others it is empty."""
ENROLMENT, SCORES, DIAGNOSIS = "enrolment", "scores", "diagnosis"
FORMS: Mapping[str, tuple[str, str]] = {
    "patients": (ENROLMENT, "pt"),
    "measurements": (SCORES, "sc"),
    "observation_periods": ("observation", "obs"),
    "attributes": ("attribute_change", "att"),
    "conditions": (DIAGNOSIS, "dx"),
    "stays": ("hospital_stay", "stay"),
    "surgeries": ("operation", "op"),
    "device_events": ("device", "dev"),
    "intrathecal_doses": ("pump_dose", "pump"),
    "dispensings": ("fill", "fill"),
    "therapies": ("treatment", "tx"),
}
"""Form of each table and the beginning of its fields' names."""
VISIT = ("date", "source", "level", "date_precision", "source_code", "vocabulary", "centre_id")
"""What the measurements of one visit share."""
HEADER = (
    "Variable / Field Name", "Form Name", "Section Header", "Field Type", "Field Label",
    "Choices, Calculations, OR Slider Labels", "Field Note", "Text Validation Type OR Show Slider Number",
    "Text Validation Min", "Text Validation Max", "Identifier?", "Branching Logic (Show field only if...)",
    "Required Field?", "Custom Alignment", "Question Number (surveys only)", "Matrix Group Name", "Matrix Ranking?",
    "Field Annotation",
)  # fmt: skip
_VALIDATION = {"day": "date_ymd", "integer": "integer", "number": "number"}


@dataclass(frozen=True)
class Field:
    """One field of the project; ``words`` are the words of ours behind the codes 1, 2, ... of its choices."""

    name: str
    form: str
    kind: str
    label: str
    words: tuple[str, ...] = ()
    validation: str = ""
    note: str = ""

    @property
    def codes(self) -> dict[str, str]:
        """Word of ours -> code."""
        return {word: str(code) for code, word in enumerate(self.words, start=1)}

    @property
    def columns(self) -> tuple[str, ...]:
        """The field's columns in an export: of a checkbox one per box, with one for the missing-data code."""
        if self.kind != "checkbox":
            return (self.name,)
        boxes = (*self.codes.values(), NOT_RECORDED.replace("-", "_"))
        return tuple(f"{self.name}___{code}" for code in boxes)


def field_of(table: str, column: schema.Column) -> Field:
    """Return the field that holds a column of a table."""
    form, prefix = FORMS[table]
    name = f"{prefix}_{column.name}"
    if column.kind == "word":
        return Field(name, form, "radio", column.words, schema.vocabulary(column.vocabulary))
    if column.kind == "flag":
        return Field(name, form, "yesno", column.words)
    return Field(name, form, "text", column.words, validation=_VALIDATION.get(column.kind, ""), note=column.unit)


def fields_of(table: str) -> tuple[Field, ...]:
    """Return the fields of a table's form but the record id."""
    columns = {column.name: column for column in schema.table(table) if column.name != "patient_id"}
    if table == "conditions":
        boxes = Field("dx_condition", DIAGNOSIS, "checkbox", "diagnoses of the day", schema.vocabulary("condition"))
        return (field_of(table, columns["date"]), boxes)
    if table == "measurements":
        scores = (Field(f"sc_{name}", SCORES, "text", each["words"], validation="number", note=each["unit"])
                  for name, each in schema.measures().items())  # fmt: skip
        return (*(field_of(table, columns[name]) for name in VISIT), *scores)
    own = tuple(field_of(table, column) for column in columns.values())
    if table != "patients":
        return own
    told = (Field(f"pt_{word}", ENROLMENT, "text", word.replace("_", " ")) for word in schema.vocabulary("attribute"))
    return (*own, *told)


def forms_of(tables: Collection[str]) -> list[str]:
    """Return the tables that have a form, in the order of the forms; patients always have one."""
    return [name for name in FORMS if name in tables]


def dictionary(tables: Collection[str]) -> pd.DataFrame:
    """Return the data dictionary of the project."""
    fields = [Field("record_id", ENROLMENT, "text", "Record ID")]
    for table in forms_of(tables):
        fields += fields_of(table)
    rows = []
    for field in fields:
        choices = " | ".join(f"{code}, {word.replace('_', ' ').capitalize()}" for word, code in field.codes.items())
        filled = {0: field.name, 1: field.form, 3: field.kind, 4: field.label.capitalize(), 5: choices, 6: field.note,
                  7: field.validation}  # fmt: skip
        rows.append([filled.get(place, "") for place in range(len(HEADER))])
    return pd.DataFrame(rows, columns=list(HEADER))


def mapping(name: str, calendar: str, tables: Collection[str]) -> str:
    """Return the mapping with which `import_redcap` reads the export back."""
    head = (
        f"# Reads this export back: import_redcap('data.csv', 'dictionary.csv', to=..., mapping='mapping.toml')\n"
        f"version = 1\nname = {text(name)}\ncalendar = {text(calendar)}\n[redcap]\nnulls = [{text(NOT_RECORDED)}]\n"
    )
    return head + "".join(part for table in forms_of(tables) for part in _blocks(table, "attributes" in tables))


def _blocks(table: str, with_attributes: bool) -> Iterator[str]:
    form = f"form:{FORMS[table][0]}"
    ids = {"patient_id": text("record_id")}
    if table == "measurements":
        shared = {name: _filled(field_of(table, schema.table(table).column(name))) for name in VISIT}
        for word, each in schema.measures().items():
            columns = ids | shared | {
                "measure": f"{{ constant = {text(word)} }}",
                "value": text(f"sc_{word}"),
                "unit": f"{{ constant = {text(each['unit'])} }}",
            }  # fmt: skip
            yield block(table, form, columns, exclude=without(f"sc_{word}"))
        return
    columns = ids | {
        field.name.partition("_")[2]: _filled(field)
        for field in fields_of(table)
        if field.name.partition("_")[2] in schema.table(table).names
    }
    yield block(table, form, columns, ticked="dx_condition" if table == "conditions" else "")
    if table == "patients" and with_attributes:
        for word in schema.vocabulary("attribute"):
            columns = ids | {"attribute": f"{{ constant = {text(word)} }}", "value": text(f"pt_{word}")}
            yield block("attributes", form, columns, exclude=without(f"pt_{word}"))


def _filled(field: Field) -> str:
    if not field.words:
        return text(field.name)
    return f"{{ recode = {text(field.name)}, words = {pairs({code: word for word, code in field.codes.items()})} }}"
