"""Column names as words, the same in every table and figure."""

from __future__ import annotations

import re

CAPITALS = {
    "mme": "MME",
    "scs": "SCS",
    "fbss": "FBSS",
    "nrs": "NRS",
    "odi": "ODI",
    "bmi": "BMI",
    "mri": "MRI",
    "asd": "ASD",
    "ssi": "SSI",
    "csf": "CSF",
    "crps": "CRPS",
    "ssri": "SSRI",
    "snri": "SNRI",
    "tca": "TCA",
    "phq9": "PHQ-9",
    "eq5d": "EQ-5D",
    "cdc": "CDC",
    "nih": "NIH",
    "heal": "HEAL",
}
UNITS = ("days", "months", "years", "mm", "mg", "percent")
"""Last words of a name that are a unit: ``age_years`` gives ``age, years``."""

MODEL_WORDS = {
    "cox": "Cox regression",
    "fine_gray": "Fine-Gray",
    "logistic": "logistic regression",
    "linear": "linear regression",
    "gee": "estimating equations",
    "mixed": "mixed model",
    "kaplan_meier": "Kaplan-Meier",
    "aalen_johansen": "Aalen-Johansen",
    "andersen_gill": "Andersen-Gill",
    "pwp_total": "PWP total time",
    "pwp_gap": "PWP gap time",
    "wlw": "Wei-Lin-Weissfeld",
}


def in_words(name: str) -> str:
    """Return a column or vocabulary name as words: ``baseline_mme_per_day`` gives ``baseline MME per day``.

    The ``has_`` or ``is_`` of a yes-or-no column is left out.
    """
    words = [CAPITALS.get(word, word) for word in str(name).removeprefix("has_").removeprefix("is_").split("_")]
    if len(words) > 1 and words[-1] in UNITS and words[-2] != "per":
        return f"{' '.join(words[:-1])}, {words[-1]}"
    return " ".join(words)


def group_in_words(by: str | None, group: str) -> str:
    """Return a group as words; *yes* and *no* say of what: ``depression: yes``."""
    return f"{in_words(by)}: {group}" if by is not None and group in ("yes", "no") else in_words(group)


def capitalised(text: str) -> str:
    """Return a text with its first letter in upper case and the rest as it is."""
    return text[:1].upper() + text[1:]


def term_in_words(term: str) -> str:
    """Return a model term as words: ``rcs(age_years, 4)`` gives ``age, years``."""
    inner = re.fullmatch(r"(?:C|rcs|poly|bs|cr)\(\s*`?([A-Za-z_]\w*)`?\s*(?:,.*)?\)", str(term), re.DOTALL)
    return in_words(inner[1] if inner else str(term))


def days_in_words(days: float) -> str:
    """Return days as years where they are whole years of 365 days, else as days."""
    years, rest = divmod(days, 365)
    if rest == 0 and years:
        return f"{years:.0f} year" + ("" if years == 1 else "s")
    return f"{days:g} day" + ("" if days == 1 else "s")
