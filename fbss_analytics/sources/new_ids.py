"""Ids drawn anew, with the key to the old ones in a file kept apart from the cohort."""

from __future__ import annotations

import csv
import io
import os
import secrets
from collections.abc import Sequence
from pathlib import Path

from ..errors import DataError, InputError

_HEADER = ["old_id", "new_id"]


def require_apart(key: Path, folder: Path) -> None:
    """Raise `InputError` where a key would lie in the cohort folder it is to be kept apart from."""
    if folder.resolve() in key.resolve().parents:
        raise InputError(f"{key.name} would lie in the cohort folder; keep the key of the ids apart from the cohort.")
    if not key.resolve().parent.is_dir():
        raise InputError(f"There is no folder {key.resolve().parent.name!r} for the key {key.name}; make it first.")


def draw_new_ids(ids: Sequence[str], key: Path) -> dict[str, str]:
    """Return old id -> new id, drawn at random and written to a key file; the ids of a key that is there stand.

    The new ids carry nothing of the old ones, not even their order. No seed is taken: whoever knew it could draw them
    again.
    """
    known = _read_key(key) if key.exists() else {}
    taken = set(known.values())
    for each in dict.fromkeys(ids):
        if each not in known:
            new = _draw()
            while new in taken:
                new = _draw()
            taken.add(new)
            known[each] = new
    draft = key.with_name(f".{key.name}.draft")
    draft.unlink(missing_ok=True)
    # Only the owner may read it; the draft is moved into place whole, so that no id is ever lost from a key.
    with os.fdopen(
        os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8", newline=""
    ) as file:
        csv.writer(file).writerows([_HEADER, *known.items()])
    draft.replace(key)
    return known


def _draw() -> str:
    return f"P{secrets.randbelow(10**9):09d}"


def _read_key(key: Path) -> dict[str, str]:
    try:
        rows = list(csv.reader(io.StringIO(key.read_bytes().decode("utf-8"), newline="")))
    except (UnicodeDecodeError, csv.Error):
        rows = []
    known = {row[0]: row[1] for row in rows[1:] if len(row) == 2}
    if rows[:1] != [_HEADER] or len(known) < len(rows) - 1 or len(set(known.values())) < len(known):
        raise DataError(f"{key.name} is no key of ids written here; name another file, and keep this one.")
    return known
