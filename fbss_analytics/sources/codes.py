"""Code lists: which code of which system means what in our tables. Read from ``data/code_lists.csv``.

Where a source can name codes of its own, as an OMOP extract can, the words of this library are a system too: `OWN`.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from ..errors import InputError, nearest
from . import schema

COLUMNS = ("concept", "system", "code", "description", "event", "table", "word", "source_url", "note")
OWN = "FBSS"
"""The system of our own words: ``conditions/anxiety``, ``device_events/scs/lead/revise``. No bare code is read so."""
DETAIL, UNDATED = "detail", "undated"
"""Codes ``detail/surgeries.approach`` tell a column of a row that another code tells; undated is what has no day."""
PREFIX = "_PREFIX"
"""Ending of a system whose codes stand for all that begin with them."""
OPEN_ENDED = ("ICD10CM", "ICD9CM")
"""Systems of diagnoses, where a code stands for its more exact codes as well."""
NOT_TOLD = "the code alone does not tell what happened (trial or implant, revision or removal)"


@dataclass(frozen=True)
class Code:
    """One code: the list and system it is in, and the table and word it becomes (empty: it becomes no row)."""

    concept: str
    system: str
    code: str
    event: str
    table: str
    word: str

    def covers(self, system: str, code: str) -> bool:
        """Return whether a code of a system is this one, or begins with it where that counts."""
        if system != self.system.removesuffix(PREFIX):
            return False
        if self.system.endswith(PREFIX) or self.system in OPEN_ENDED:
            return _plain(code).startswith(_plain(self.code))
        return _plain(code) == _plain(self.code)


def _plain(code: str) -> str:
    """Return a code without the dot, which sources write or leave out."""
    return code.replace(".", "").strip().upper()


@cache
def code_list() -> tuple[Code, ...]:
    """Return the codes this library knows, each with its source in the file."""
    path = files("fbss_analytics").joinpath("data/code_lists.csv")
    return _read(path.read_text(encoding="utf-8").splitlines(), "code_lists.csv")


@cache
def own_codes() -> tuple[Code, ...]:
    """Return the words of this library as codes of the system `OWN`, ``<table>/<word>``, and its columns as details."""
    words = (
        Code("own words", OWN, f"{table}/{word}", word, table, word)
        for table in TABLES
        for word in (_OWN_EVENTS if table == "device_events" else words_of(table))
    )
    columns = (f"{table.name}.{column.name}" for table in schema.TABLES.values() for column in table)
    return (*words, *(Code("own words", OWN, f"{DETAIL}/{name}", DETAIL, "", name) for name in columns))


def read_code_list(path: Path) -> tuple[Code, ...]:
    """Return the codes of a file of the same columns (``system``, ``code``, ``table`` and ``word`` at least).

    Raises
    ------
    InputError
        There is no such file, or a column, table or word is not known.
    """
    if not path.is_file():
        raise InputError(f"There is no file {path.name!r}; type the path of a CSV with system, code, table and word.")
    return _read(path.read_text(encoding="utf-8-sig").splitlines(), path.name)


def _read(lines: Iterable[str], name: str) -> tuple[Code, ...]:
    reader = csv.DictReader(lines)
    for column in ("system", "code", "table", "word"):
        if column not in (reader.fieldnames or ()):
            raise InputError(f"{name} has no column {column!r}.{nearest(column, reader.fieldnames or ())}")
    found = []
    for row in reader:
        if row["table"] and row["table"] not in TABLES:
            raise InputError(f"{name}: no code becomes a row of {row['table']!r}.{nearest(row['table'], TABLES)}")
        allowed = words_of(row["table"])
        if row["table"] and row["word"] not in allowed:
            raise InputError(f"{name}: {row['word']!r} is no word for {row['table']}.{nearest(row['word'], allowed)}")
        found.append(
            Code(row.get("concept") or "", row["system"], row["code"], row.get("event") or row["word"], row["table"],
                 row["word"])
        )  # fmt: skip
    return tuple(found)


TABLES: Mapping[str, str] = {
    "conditions": "condition",
    "dispensings": "ingredient",
    "surgeries": "procedure",
    "device_events": "",
    "measurements": "measure",
    "therapies": "therapy",
    "attributes": "attribute",
    "intrathecal_doses": "intrathecal_ingredient",
}
"""Tables that codes become rows of, and the vocabulary their words come from."""
SURGERY_DETAILS = ("add_on", "instrumentation")
"""Words of codes that say more about an operation and are none of their own."""
_OWN_EVENTS: Mapping[str, tuple[str, str, str]] = {
    f"{device}/{component}/{event}": (device, component, event)
    for device in schema.vocabulary("device")
    for component in schema.vocabulary("component")
    for event in schema.vocabulary("device_event")
}
DEVICE_WORDS: Mapping[str, tuple[str, str, str]] = {
    "scs_trial": ("scs", "system", "trial_start"),
    "scs_implant_ipg": ("scs", "generator", "implant"),
    "scs_implant_ipg|scs_replace_ipg": ("scs", "generator", "implant"),
    "scs_explant_ipg": ("scs", "generator", "explant"),
    "scs_revision_ipg": ("scs", "generator", "revise"),
    "scs_implant_lead": ("scs", "lead", "implant"),
    "scs_explant_lead": ("scs", "lead", "explant"),
    "scs_revision_lead": ("scs", "lead", "revise"),
    "pump_implant": ("intrathecal_pump", "pump", "implant"),
    "pump_implant|pump_replace": ("intrathecal_pump", "pump", "implant"),
    "pump_replace": ("intrathecal_pump", "pump", "replace"),
    "pump_explant": ("intrathecal_pump", "pump", "explant"),
    "pump_revision": ("intrathecal_pump", "pump", "revise"),
    "pump_refill": ("intrathecal_pump", "pump", "refill"),
    "pump_implant_catheter": ("intrathecal_pump", "catheter", "implant"),
    "pump_implant_catheter|pump_revision_catheter": ("intrathecal_pump", "catheter", "implant"),
    "pump_explant_catheter": ("intrathecal_pump", "catheter", "explant"),
    **_OWN_EVENTS,
}
"""Device, component and event of each word; of "a|b" the first in a patient's course is a, later ones are b."""


def words_of(table: str) -> tuple[str, ...]:
    """Return the words that codes of a table may become."""
    if table == "device_events":
        return tuple(DEVICE_WORDS)
    details = SURGERY_DETAILS if table == "surgeries" else ()
    return (*schema.vocabulary(TABLES[table]), *details) if table else ()
