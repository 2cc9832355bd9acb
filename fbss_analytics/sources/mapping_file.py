"""The mapping file: which files and columns of a foreign extract become which tables and columns of ours.

It is TOML, read once into frozen nouns; a word in it that is not known is refused with the nearest one that is.
"""

from __future__ import annotations

import codecs
import datetime
import hashlib
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

from ..errors import InputError, nearest
from . import schema
from .recipe import Block, Exclusion, FileSpec, Join, MappingFile, RedcapSpec, Step, Where

MAPPING_VERSION = 1
VERBS: Mapping[str, tuple[str, ...]] = {
    "copy": (),
    "constant": (),
    "date": ("format",),
    "year": ("format",),
    "day": ("origin",),
    "recode": ("words", "unmapped"),
    "choice": ("words", "unmapped"),
    "birth_year_from_age": ("at",),
    "row_number": (),
}
"""What fills a column, with the further keys each verb knows."""
UNMAPPED = ("set_aside", "keep", "missing")
_FOR_KIND = {
    "date": "day",
    "day": "day",
    "year": "integer",
    "birth_year_from_age": "integer",
    "row_number": "integer",
}
FORM = "form:"
"""Begins what stands in ``from`` for a form of a REDCap export."""


def read_mapping(path: Path, *, is_redcap: bool = False) -> MappingFile:
    """Read a mapping file, or raise `InputError` saying which key of it is wrong and what to write.

    The mapping of a REDCap export names forms (``from = "form:implant"``) in place of files.
    """
    if not path.is_file():
        raise InputError(f"There is no mapping file {path.name!r} here; type the path of a TOML file.")
    content = path.read_bytes()
    try:
        tree = tomllib.loads(content.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise InputError(f"{path.name} is not TOML: {fault}") from None
    return _Reader(path.name, is_redcap).mapping(tree, hashlib.sha256(content).hexdigest())


@dataclass(frozen=True)
class _Reader:
    """Turns the tree of a TOML file into nouns; ``file`` is named in every refusal."""

    file: str
    is_redcap: bool

    def mapping(self, tree: Mapping[str, Any], sha256: str) -> MappingFile:
        place = "the top level"
        parts = "redcap" if self.is_redcap else "files"
        self.keys(tree, ("version", "name", "calendar", "origin", parts, "tables"), place)
        for key in ("version", "name", "calendar", *(() if self.is_redcap else ("files",)), "tables"):
            if key not in tree:
                self.refuse(place, f"needs the key {key!r}")
        if tree["version"] != MAPPING_VERSION:
            self.refuse("version", f"is to be {MAPPING_VERSION}")
        if tree["calendar"] not in ("gregorian", "shifted"):
            self.refuse("calendar", "is to be 'gregorian' or, where dates are de-identified, 'shifted'")
        trees = {} if self.is_redcap else self.tree(tree["files"], "files")
        files = {name: self.file_spec(name, each) for name, each in trees.items()}
        blocks = tuple(self.blocks(self.tree(tree["tables"], "tables"), files, self.day(tree.get("origin"), "origin")))
        if "patients" not in {block.table for block in blocks}:
            self.refuse("tables", "feeds no patients table; every source needs one row per patient")
        name, redcap = self.text(tree["name"], "name"), self.redcap_spec(tree.get("redcap"))
        return MappingFile(self.file, sha256, name, tree["calendar"], files, blocks, redcap)

    def refuse(self, place: str, words: str) -> NoReturn:
        raise InputError(f"{self.file}: {place} {words}.")

    def keys(self, tree: Mapping[str, Any], known: Iterable[str], place: str) -> None:
        known = tuple(known)
        for key in tree:
            if key not in known:
                raise InputError(f"{self.file}: {place} has no key {key!r}.{nearest(key, known)}")

    def tree(self, value: Any, place: str) -> Mapping[str, Any]:
        if not isinstance(value, dict) or not value:
            self.refuse(place, "is to be a table with at least one key")
        return dict(value)

    def text(self, value: Any, place: str) -> str:
        if not isinstance(value, str) or not value:
            self.refuse(place, "is to be text")
        return value

    def day(self, value: Any, place: str) -> datetime.date | None:
        if value is None or (isinstance(value, datetime.date) and not isinstance(value, datetime.datetime)):
            return value
        self.refuse(place, "is to be a date without quotation marks, such as 2000-01-01")

    def file_spec(self, name: str, value: Any) -> FileSpec:
        place = f"files.{name}"
        tree = {"path": value} if isinstance(value, str) else self.tree(value, place)
        self.keys(tree, ("path", "delimiter", "encoding", "nulls"), place)
        path = self.text(tree.get("path"), f"{place}.path")
        usual = "," if path.lower().endswith(".csv") else "\t"
        delimiter, encoding = self.written(tree, place, delimiter=usual)
        return FileSpec(name, path, delimiter, encoding, self.words(tree.get("nulls", []), f"{place}.nulls"))

    def redcap_spec(self, value: Any) -> RedcapSpec:
        if value is None:
            return RedcapSpec()
        tree = self.tree(value, "redcap")
        self.keys(tree, ("delimiter", "encoding", "nulls", "identifier_dates"), "redcap")
        return RedcapSpec(
            *self.written(tree, "redcap", delimiter=","),
            nulls=self.words(tree.get("nulls", []), "redcap.nulls"),
            identifier_dates=self.words(tree.get("identifier_dates", []), "redcap.identifier_dates"),
        )

    def written(self, tree: Mapping[str, Any], place: str, *, delimiter: str) -> tuple[str, str]:
        delimiter = self.text(tree.get("delimiter", delimiter), f"{place}.delimiter")
        encoding = self.text(tree.get("encoding", "utf-8"), f"{place}.encoding")
        if len(delimiter) != 1:
            self.refuse(f"{place}.delimiter", "is to be one character")
        try:
            codecs.lookup(encoding)
        except LookupError:
            self.refuse(f"{place}.encoding", "is not known to Python; try 'utf-8' or 'latin-1'")
        return delimiter, encoding

    def words(self, value: Any, place: str) -> tuple[str, ...]:
        each = value if isinstance(value, list) else [value]
        return tuple(self.word(word, place) for word in each)

    def word(self, value: Any, place: str) -> str:
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
            return value.isoformat()
        if not isinstance(value, str | int | float):
            self.refuse(place, "is to be text, a number, a date, true or false")
        return str(value)

    def where(self, value: Any, place: str) -> Where:
        return {name: self.words(each, f"{place}.{name}") for name, each in self.tree(value, place).items()}

    def known_file(self, value: Any, files: Mapping[str, FileSpec], place: str) -> str:
        if isinstance(value, str) and value.startswith(FORM):
            if not self.is_redcap:
                self.refuse(place, "names a form: a REDCap export is imported with its data dictionary (import_redcap)")
            return value
        if self.is_redcap:
            self.refuse(place, f"is to name a form of the export, such as '{FORM}demographics'")
        if not isinstance(value, str) or value not in files:
            raise InputError(f"{self.file}: {place} is to name a file under [files].{nearest(value, files)}")
        return value

    def blocks(
        self, tables: Mapping[str, Any], files: Mapping[str, FileSpec], origin: datetime.date | None
    ) -> Iterator[Block]:
        for name, value in tables.items():
            if name not in schema.TABLES:
                raise InputError(f"{self.file}: there is no table {name!r}.{nearest(name, schema.TABLES)}")
            trees = value if isinstance(value, list) else [value]
            blocks = [
                self.block(schema.table(name), self.tree(each, f"tables.{name}"), files, origin) for each in trees
            ]
            numbered = [{step.target for step in block.steps if step.verb == "row_number"} for block in blocks]
            if any(each != numbered[0] for each in numbered):
                self.refuse(f"tables.{name}", "is to number the rows of all its files, or of none")
            yield from blocks

    def block(
        self,
        table: schema.Table,
        tree: Mapping[str, Any],
        files: Mapping[str, FileSpec],
        origin: datetime.date | None,
    ) -> Block:
        place = f"tables.{table.name}"
        spans = ("from_first_to_last",) if table.name == "observation_periods" else ()
        ticked = ("ticked",) if self.is_redcap else ()
        self.keys(tree, ("from", "where", "join", "exclude", "columns", *spans, *ticked), place)
        steps = _Columns(self, table, origin)
        block = Block(
            table=table.name,
            file=self.known_file(tree.get("from"), files, f"{place}.from"),
            where=self.where(tree["where"], f"{place}.where") if "where" in tree else {},
            joins=tuple(self.join(tree.get("join", {}), files, place)),
            exclusions=tuple(self.exclusions(tree.get("exclude", []), place)),
            steps=steps.all(self.tree(tree.get("columns"), f"{place}.columns")),
            spans=steps.spans(tree.get("from_first_to_last", [])),
            ticked=self.text(tree["ticked"], f"{place}.ticked") if "ticked" in tree else "",
        )
        steps.require_complete(block)
        return block

    def join(self, value: Any, files: Mapping[str, FileSpec], place: str) -> Iterator[Join]:
        for name, each in (self.tree(value, f"{place}.join") if value else {}).items():
            here = f"{place}.join.{name}"
            self.known_file(name, files, f"{place}.join")
            tree = self.tree(each, here)
            self.keys(tree, ("on", "where"), here)
            on = tree.get("on")
            pair = self.tree({on: on} if isinstance(on, str) else on, f"{here}.on")
            if len(pair) != 1:
                self.refuse(f"{here}.on", "is to be one column, or { column = 'column there' }")
            key, there = next(iter(pair.items()))
            if key.partition(".")[0] in tuple(value)[tuple(value).index(name) :]:
                self.refuse(f"{here}.on", "looks a key up in a join that does not stand before it")
            where = self.where(tree["where"], f"{here}.where") if "where" in tree else {}
            yield Join(name, key, self.text(there, f"{here}.on"), where)

    def exclusions(self, value: Any, place: str) -> Iterator[Exclusion]:
        for each in value if isinstance(value, list) else [value]:
            tree = self.tree(each, f"{place}.exclude")
            self.keys(tree, ("where", "reason"), f"{place}.exclude")
            reason = self.text(tree.get("reason"), f"{place}.exclude.reason")
            yield Exclusion(self.where(tree.get("where"), f"{place}.exclude.where"), reason)


@dataclass(frozen=True)
class _Columns:
    """Reads the columns of one block."""

    reader: _Reader
    table: schema.Table
    origin: datetime.date | None

    def all(self, tree: Mapping[str, Any]) -> tuple[Step, ...]:
        place = f"tables.{self.table.name}.columns"
        self.reader.keys(tree, self.table.names, place)
        return tuple(self.step(self.table.column(name), each, f"{place}.{name}") for name, each in tree.items())

    def spans(self, value: Any) -> tuple[Step, ...]:
        place = f"tables.{self.table.name}.from_first_to_last"
        each = value if isinstance(value, list) else [value]
        steps = [self.step(self.table.column(self.table.start), one, place) for one in each]
        for step in steps:
            if step.verb not in ("copy", "date", "day"):
                self.reader.refuse(place, "reads days: write 'column', { date = ... } or { day = ... }")
        written = {"format": "%Y-%m-%d"}
        return tuple(replace(step, verb="date", options=written) if step.verb == "copy" else step for step in steps)

    def step(self, column: schema.Column, value: Any, place: str) -> Step:
        if isinstance(value, str):
            return Step(column.name, "copy", self.reader.text(value, place))
        tree = self.reader.tree(value, f"{place}: a column is 'source column' or {{ verb = ... }}; it")
        verbs = [key for key in tree if key in VERBS]
        if len(verbs) != 1:
            unknown = next((key for key in tree if key not in VERBS), "")
            hint = nearest(unknown, VERBS) if not verbs else ""
            raise InputError(f"{self.reader.file}: {place} needs one verb and has {len(verbs)}.{hint}")
        verb = verbs[0]
        self.reader.keys(tree, (verb, *VERBS[verb]), place)
        if verb == "choice" and not self.reader.is_redcap:
            self.reader.refuse(place, "reads labels off a REDCap dictionary; a file has none: recode its words")
        if column.kind != _FOR_KIND.get(verb, column.kind):
            self.reader.refuse(place, f"cannot be filled by {verb!r}, which gives a {_FOR_KIND[verb]}")
        return self.filled(column, verb, tree, place)

    def filled(self, column: schema.Column, verb: str, tree: Mapping[str, Any], place: str) -> Step:
        reader = self.reader
        if verb == "constant":
            word = reader.word(tree[verb], place)
            self.require_word(column, word, place)
            return Step(column.name, verb, options={"word": word})
        if verb == "row_number":
            if tree[verb] != "patient_id":
                reader.refuse(place, "counts within the patient: write { row_number = 'patient_id' }")
            return Step(column.name, verb)
        options: dict[str, Any] = {}
        if verb == "date":
            options["format"] = reader.text(tree.get("format"), f"{place}.format (such as '%d/%m/%Y')")
        if verb == "year":
            options["format"] = reader.text(tree.get("format", "%Y-%m-%d"), f"{place}.format")
        if verb in ("day", "birth_year_from_age"):
            key = VERBS[verb][0]
            options[key] = reader.day(tree.get(key, self.origin), f"{place}.{key}")
            if options[key] is None:
                reader.refuse(place, f"needs {key} here, or origin at the top level: the day it counts from")
        if verb in ("recode", "choice"):
            options |= self.recoding(column, tree, place)
        return Step(column.name, verb, reader.text(tree[verb], place), options)

    def recoding(self, column: schema.Column, tree: Mapping[str, Any], place: str) -> dict[str, Any]:
        table = self.reader.tree(tree.get("words"), f"{place}.words")
        words = {key: self.reader.word(each, f"{place}.words") for key, each in table.items()}
        for word in words.values():
            self.require_word(column, word, place)
        unmapped = tree.get("unmapped", "set_aside")
        if unmapped not in UNMAPPED:
            raise InputError(f"{self.reader.file}: {place}.unmapped is not known.{nearest(unmapped, UNMAPPED)}")
        return {"words": words, "unmapped": unmapped}

    def require_word(self, column: schema.Column, word: str, place: str) -> None:
        known = schema.vocabulary(column.vocabulary) if column.kind == "word" else ()
        if known and word and word not in known:
            raise InputError(f"{self.reader.file}: {place}: {word!r} is not in the vocabulary.{nearest(word, known)}")

    def require_complete(self, block: Block) -> None:
        given = {step.target for step in block.steps}
        ends = {self.table.start, self.table.end} if block.spans else set()
        place = f"tables.{self.table.name}"
        if given & ends:
            self.reader.refuse(
                place, f"gives {' and '.join(sorted(given & ends))} twice: from_first_to_last fills both"
            )
        for column in self.table:
            if column.required and column.name not in given | ends:
                self.reader.refuse(place, f"does not say what fills {column.name}, which must be there")
