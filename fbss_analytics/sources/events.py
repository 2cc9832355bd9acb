"""Events by name: ``data/events.toml`` says which rows of which table are an event, and what it is called."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import DataError, InputError, nearest
from .schema import table
from .source import Source


@dataclass(frozen=True)
class Event:
    """What an event's name stands for: rows of ``table`` whose columns hold one of the words in ``where``."""

    name: str
    table: str
    words: str
    domains: tuple[str, ...]
    where: Mapping[str, tuple[str, ...]]
    date: str


@cache
def events() -> Mapping[str, Event]:
    """Return every named event."""
    content = tomllib.loads(files("fbss_analytics").joinpath("data/events.toml").read_text(encoding="utf-8"))
    return {
        name: Event(
            name=name,
            table=each["table"],
            words=each["words"],
            domains=tuple(each["domains"]),
            where={column: tuple(words) for column, words in each.get("where", {}).items()},
            date=each.get("date", table(each["table"]).start),
        )
        for name, each in content.items()
    }


def event(name: str) -> Event:
    """Return a named event, or raise `InputError` with the nearest name."""
    if name not in events():
        raise InputError(f"{name!r} is not a named event.{nearest(name, events())}")
    return events()[name]


def event_rows(source: Source, name: str, *, what: str) -> pa.Table:
    """Return the rows of a named event that carry a date, in patient order."""
    definition = event(name)
    if definition.table not in source.tables:
        raise DataError(
            f"{what} needs the table {definition.table} ({definition.words}), which this source does not have."
        )
    rows = source.tables[definition.table]
    keep = np.asarray(pc.is_valid(rows[definition.date]).to_numpy(), dtype=bool)
    for column, words in definition.where.items():
        keep &= matches(rows[column], words)
    return rows.filter(pa.array(keep))


def matches(column: pa.ChunkedArray, words: tuple[str, ...]) -> npt.NDArray[np.bool_]:
    """Return which values of a text or vocabulary column are among ``words``; a missing value is not."""
    array = column.combine_chunks()
    if pa.types.is_dictionary(array.type):
        wanted = np.append(np.isin(array.dictionary.to_pylist(), words), False)
        return np.asarray(wanted[array.indices.fill_null(len(wanted) - 1).to_numpy(zero_copy_only=False)], dtype=bool)
    found = pc.is_in(array, value_set=pa.array(list(words), array.type))
    return np.asarray(pc.fill_null(found, False).to_numpy(zero_copy_only=False), dtype=bool)
