"""The three ways the library speaks up: wrong use, unusable data, and a warning a reader of results must see.

Messages name columns, rules and counts. They never hold a patient's id or value.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable

import numpy as np


class InputError(ValueError):
    """An argument is not what the call expects; the message says what to type instead."""


class DataError(ValueError):
    """The data cannot be used as they are; the message names file, column, rule and count."""


class StudyWarning(UserWarning):
    """Something a reader of the results must know, although the analysis goes on."""


def nearest(word: object, known: Iterable[str]) -> str:
    """Return `` Did you mean 'x'?`` for a near miss, else `` Known: a, b, c.``."""
    names = sorted(str(name) for name in known)
    close = difflib.get_close_matches(str(word), names, n=1, cutoff=0.6)
    if close:
        return f" Did you mean {close[0]!r}?"
    shown = ", ".join(names[:12])
    return f" Known: {shown}{', ...' if len(names) > 12 else '.'}"


def is_positive(value: object) -> bool:
    """Return whether a value is a finite number above 0."""
    is_number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    return is_number and 0 < float(value) < math.inf  # type: ignore[arg-type]


def one_of(value: str, allowed: Iterable[str], *, name: str) -> str:
    """Return ``value`` when it is one of ``allowed``, else raise `InputError` naming the nearest one."""
    allowed = tuple(allowed)
    if value not in allowed:
        raise InputError(f"{name}={value!r} is not known.{nearest(value, allowed)}")
    return value
