"""Writing mapping files: the few words of TOML they need."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence


def text(value: str) -> str:
    """Return text as TOML writes it; JSON escapes it the same way."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def pairs(words: Mapping[str, str]) -> str:
    """Return an inline table of words."""
    return "{ " + ", ".join(f"{text(key)} = {text(word)}" for key, word in words.items()) + " }"


def listed(words: Sequence[str]) -> str:
    """Return an array of words."""
    return "[" + ", ".join(text(word) for word in words) + "]"


def block(
    table: str,
    file: str,
    columns: Mapping[str, str],
    *,
    where: Mapping[str, Sequence[str]] | None = None,
    exclude: Mapping[str, Mapping[str, Sequence[str]]] | None = None,
    ticked: str = "",
    join: Mapping[str, str] | None = None,
) -> str:
    """Return one block of a mapping.

    ``columns`` are written as they are; ``where`` and ``exclude`` (by reason) choose rows; ``ticked`` names a checkbox
    field; ``join`` gives the key of each file joined.
    """
    lines = [f"\n[[tables.{table}]]", f"from = {text(file)}"]
    lines += [f"ticked = {text(ticked)}"] if ticked else []
    lines += [f"where = {_chosen(where)}"] if where else []
    if exclude:
        each = (f"{{ where = {_chosen(chosen)}, reason = {text(why)} }}" for why, chosen in exclude.items())
        lines.append(f"exclude = [{', '.join(each)}]")
    lines += [f"join.{name} = {{ on = {text(key)} }}" for name, key in (join or {}).items()]
    lines += [f"columns.{name} = {value}" for name, value in columns.items()]
    return "\n".join(lines) + "\n"


def without(column: str) -> dict[str, dict[str, list[str]]]:
    """Return what excludes the rows in which a column is empty."""
    return {f"no {column}": {column: [""]}}


def _chosen(where: Mapping[str, Sequence[str]]) -> str:
    return "{ " + ", ".join(f"{text(column)} = {listed(words)}" for column, words in where.items()) + " }"
