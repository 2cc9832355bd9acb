"""Which code is written for a word of ours on a day: ``data/emitted_codes.csv``, with the code systems of the time."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

import numpy as np
import pandas as pd

Use = Literal["omop", "claims"]
Spelling = tuple[str, str]
"""A code's system and the code; both empty where a word has none."""


@dataclass(frozen=True)
class Emitted:
    """One code with the first and the last day on which it is written; an empty day sets no bound."""

    system: str
    code: str
    first_day: str
    last_day: str

    def is_valid(self, day: str) -> bool:
        """Return whether the code is written on a day (yyyy-mm-dd), both ends included."""
        return self.first_day <= day and (not self.last_day or day <= self.last_day)


@cache
def emitted_codes(use: Use) -> Mapping[tuple[str, str], tuple[Emitted, ...]]:
    """Return the codes by table and word that extracts of a kind are written with."""
    content = files("fbss_analytics").joinpath("data/emitted_codes.csv").read_text(encoding="utf-8")
    found: dict[tuple[str, str], tuple[Emitted, ...]] = {}
    for row in csv.DictReader(content.splitlines()):
        if row["use"] in ("", use):
            key = (row["table"], row["word"])
            each = Emitted(row["system"], row["code"], row["first_day"], row["last_day"])
            found[key] = (*found.get(key, ()), each)
    return found


def spellings(table: str, word: str, day: str, *, use: Use) -> tuple[Emitted, ...]:
    """Return the codes of a word on a day, most often one; a word may be a path, whose last part can be left away."""
    known = emitted_codes(use)
    found = known.get((table, word)) or known.get((table, word.rpartition("/")[0]), ())
    return tuple(each for each in found if each.is_valid(day))


def spelled(table: str, words: pd.Series, days: pd.Series, *, use: Use) -> tuple[pd.Series, pd.Series]:
    """Return the system and the code of each row's word on its day, empty where there is none; of two, the first."""
    seen: dict[tuple[str, str], Spelling] = {}
    systems, codes = [], []
    for key in zip(words, days, strict=True):
        if key not in seen:
            found = spellings(table, *key, use=use)
            seen[key] = (found[0].system, found[0].code) if found else ("", "")
        systems.append(seen[key][0])
        codes.append(seen[key][1])
    return pd.Series(systems, words.index, dtype=object), pd.Series(codes, words.index, dtype=object)


def device_words(frame: pd.DataFrame) -> pd.Series:
    """Return ``device/component/event`` of device events, of paddle leads ``device/component/event/paddle``."""
    word = frame["device"] + "/" + frame["component"] + "/" + frame["event"]
    paddle = (frame["component"] == "lead") & (frame["lead_type"] == "paddle")
    return pd.Series(np.where(paddle, word + "/paddle", word), index=frame.index, dtype=object)
