"""What a mapping file says, as frozen nouns: files, blocks of columns, lookups, exclusions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .source import Calendar

Where = Mapping[str, tuple[str, ...]]
"""Column -> words; a row is chosen when every column holds one of its words. The empty word is a missing value."""


@dataclass(frozen=True)
class FileSpec:
    """A file of the extract: its path in the folder and how it is written."""

    name: str
    path: str
    delimiter: str
    encoding: str
    nulls: tuple[str, ...]


@dataclass(frozen=True)
class RedcapSpec:
    """How a REDCap export is written, its missing-data codes, and the dates to read although they are identifiers."""

    delimiter: str = ","
    encoding: str = "utf-8"
    nulls: tuple[str, ...] = ()
    identifier_dates: tuple[str, ...] = ()


@dataclass(frozen=True)
class Step:
    """How one column is filled: a verb, the source column it reads (none for a constant), and the verb's options."""

    target: str
    verb: str
    source: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Join:
    """A lookup file: its columns are ``<file>.<column>`` where the key ``there`` equals the column ``here``."""

    file: str
    here: str
    there: str
    where: Where


@dataclass(frozen=True)
class Exclusion:
    """Rows that a mapping leaves out, and why."""

    where: Where
    reason: str


@dataclass(frozen=True)
class Block:
    """One ``[[tables.<table>]]``: rows of one file on their way into one table.

    ``ticked`` names a checkbox field of a REDCap form of which each ticked box is to be a row.
    """

    table: str
    file: str
    where: Where
    joins: tuple[Join, ...]
    exclusions: tuple[Exclusion, ...]
    steps: tuple[Step, ...]
    spans: tuple[Step, ...] = ()
    ticked: str = ""

    def locate(self, name: str) -> tuple[str, str]:
        """Return the file and the column that a name in this block stands for."""
        file, dot, column = name.partition(".")
        return (file, column) if dot and file in {join.file for join in self.joins} else (self.file, name)

    def names(self) -> tuple[str, ...]:
        """Return the columns the block reads by the names they have in it, but the keys of its joins."""
        conditions = (self.where, *(each.where for each in self.exclusions))
        steps = (step.source for step in (*self.steps, *self.spans) if step.source)
        return tuple(dict.fromkeys((*steps, *(name for where in conditions for name in where))))

    def reads(self) -> Iterator[tuple[str, str]]:
        """Yield every file and column that the block reads."""
        for join in self.joins:
            yield from ((join.file, column) for column in (join.there, *join.where))
            yield self.locate(join.here)
        yield from (self.locate(name) for name in self.names())


@dataclass(frozen=True)
class MappingFile:
    """A mapping file as read.

    Attributes
    ----------
    file : str
        Its name; ``sha256`` is the hash of its bytes.
    name : str
        What the source is called in output.
    calendar : {"gregorian", "shifted"}
    files : mapping of str to FileSpec
        None for a REDCap export, whose parts are its forms.
    blocks : tuple of Block
    redcap : RedcapSpec
    """

    file: str
    sha256: str
    name: str
    calendar: Calendar
    files: Mapping[str, FileSpec]
    blocks: tuple[Block, ...]
    redcap: RedcapSpec = RedcapSpec()

    def columns(self, file: str) -> tuple[str, ...]:
        """Return the columns of a file that the mapping reads; no others are."""
        return tuple(dict.fromkeys(column for block in self.blocks for each, column in block.reads() if each == file))
