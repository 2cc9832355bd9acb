"""A mapping held against a REDCap dictionary: forms and fields that are there, labels turned into their codes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..errors import InputError, nearest
from .extract import Extract
from .mapping_file import FORM
from .recipe import Block, MappingFile, Step, Where
from .redcap_dictionary import STATUS, Field, choice_code
from .redcap_export import Export
from .redcap_forms import tick

_WITHHELD = {"identifiers": "an identifier", "free text": "free text", "files": "a file"}


def bind(recipe: MappingFile, export: Export, forms: Mapping[str, Extract]) -> tuple[MappingFile, dict[str, Extract]]:
    """Return a mapping in codes of the export, and what its blocks read: forms, and ticked boxes as rows.

    Raises
    ------
    InputError
        A form, field, choice or code the dictionary does not have, a field that is not read, a checkbox field without
        its box.
    """
    files = {f"{FORM}{form}": extract for form, extract in forms.items()}
    blocks = []
    for block in recipe.blocks:
        for name in (block.file, *(join.file for join in block.joins)):
            if name not in files:
                hint = nearest(name.removeprefix(FORM), forms)
                raise InputError(f"{recipe.file}: tables.{block.table}: there is no {name!r}.{hint}")
        bound = _Binding(recipe, export, block, forms).block()
        if block.ticked:
            files[bound.file] = tick(files[block.file], export.dictionary.fields[block.ticked])
        blocks.append(bound)
    return replace(recipe, blocks=tuple(blocks)), files


@dataclass(frozen=True)
class _Binding:
    """Holds one block against the dictionary."""

    recipe: MappingFile
    export: Export
    source: Block
    forms: Mapping[str, Extract]

    def block(self) -> Block:
        block = self.source
        if block.ticked:
            self.require_checkbox(block)
        for file, column in block.reads():
            self.require_column(file, column)
        steps = tuple(self.step(step) for step in (*block.steps, *block.spans))
        for where in (block.where, *(each.where for each in block.exclusions)):
            self.require_codes(where)
        for join in block.joins:
            self.require_codes({f"{join.file}.{name}": words for name, words in join.where.items()})
        return replace(
            block,
            file=f"{block.file} ticked {block.ticked}" if block.ticked else block.file,
            steps=steps[: len(block.steps)],
            spans=steps[len(block.steps) :],
        )

    def refuse(self, words: str) -> InputError:
        return InputError(f"{self.recipe.file}: tables.{self.source.table}: {words}")

    def field(self, name: str) -> Field | None:
        """Return the field behind a name in the block, that of a box included; none where it is no field."""
        column = self.source.locate(name)[1]
        fields = self.export.dictionary.fields
        return fields.get(column) or fields.get(column.partition("___")[0])

    def require_checkbox(self, block: Block) -> None:
        fields = self.export.dictionary.form_fields(block.file.removeprefix(FORM))
        boxes = {each.name for each in fields if each.kind == "checkbox" and not each.withheld}
        if block.ticked not in boxes:
            raise self.refuse(
                f"ticked = {block.ticked!r} is no checkbox field of {block.file}.{nearest(block.ticked, boxes)}"
            )
        if not self.export.dictionary.fields[block.ticked].boxes(self.export.rows.column_names):
            raise self.refuse(f"no box of {block.ticked} is in {self.export.file}; export its form again.")

    def require_column(self, file: str, column: str) -> None:
        form = file.removeprefix(FORM)
        present = self.forms[form].rows.column_names
        if column in present or (file == self.source.file and column == self.source.ticked):
            return
        field = self.export.dictionary.fields.get(column)
        if field is None:
            raise self.refuse(f"form {form} has no column {column!r}.{nearest(column, present)}")
        if field.form != form:
            raise self.refuse(f"{column} is a field of form {field.form}, not of {form}.")
        if field.kind == "checkbox" and not field.withheld:
            one = field.box(next(iter(field.choices)))
            raise self.refuse(f"{column} is a checkbox: name a box ({one}), or make rows of them, ticked = {column!r}.")
        if field.withheld:
            raise self.refuse(f"{column} is {_WITHHELD[field.withheld]} by the dictionary, and is not read.")
        raise self.refuse(f"{column} is not in {self.export.file}; export the form {form} again, with it.")

    def step(self, step: Step) -> Step:
        field = self.field(step.source) if step.source else None
        if field is not None and field.is_date and step.verb != "year" and field.name in self.export.years:
            raise self.refuse(
                f"{field.name} is flagged an identifier: {{ year = {step.source!r} }} reads its year; for the whole "
                "date name it in identifier_dates under [redcap]."
            )
        if step.verb == "choice":
            return self.recode(step, field)
        if step.verb == "recode":
            self.require_codes({step.source: tuple(step.options["words"])})
        return step

    def recode(self, step: Step, field: Field | None) -> Step:
        """Return a step that recodes codes for one that recodes their labels."""
        if field is None or not field.choices:
            raise self.refuse(f"{step.target} is to be a choice of {step.source}, which has no choices; use recode.")
        place = f"{self.recipe.file}: tables.{self.source.table}.columns.{step.target}"
        options: dict[str, Any] = dict(step.options)
        words = {choice_code(field, label, place=place): word for label, word in options["words"].items() if label}
        if options["unmapped"] == "keep":
            words = dict(field.choices) | words
        if "" in options["words"]:
            words[""] = options["words"][""]
        return Step(step.target, "recode", step.source, options | {"words": words})

    def require_codes(self, where: Where) -> None:
        """Refuse a code that the choices of its field do not have: it could never be found."""
        for name, words in where.items():
            field = self.field(name)
            codes = dict(field.choices) if field is not None else {}
            column = self.source.locate(name)[1]
            if column.endswith("_complete") and column.removesuffix("_complete") in self.export.dictionary.forms:
                codes = dict(STATUS)
            if field is not None and column != field.name:
                codes = {"0": "not ticked", "1": "ticked"}
            for word in words:
                if codes and word and word not in codes:
                    known = ", ".join(f"{code} ({label})" for code, label in list(codes.items())[:8])
                    raise self.refuse(f"{name} has no code {word!r}; its codes are {known}.")
