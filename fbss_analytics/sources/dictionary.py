"""The data dictionary, written from the schema: ``python -m fbss_analytics.sources.dictionary`` writes the page."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from . import schema
from .quarantine import Disposition
from .rules import EXCLUSIONS, MERGES, RULES, allowed

_KINDS = {
    "text": "text",
    "word": "word",
    "day": "date",
    "integer": "whole number",
    "number": "number",
    "flag": "true or false",
}
_HEAD = f"""# Data dictionary

Written from `fbss_analytics/sources/schema.py` and `fbss_analytics/data/vocabularies.toml` (schema version
{schema.SCHEMA_VERSION}) by `python -m fbss_analytics.sources.dictionary`; a test holds this page to them.

A cohort is a folder with one file per table, CSV or Parquet, named after the table: `patients.csv`. Only `patients`
must be there; what needs another table says so. Every table begins with `patient_id`. Dates are written `yyyy-mm-dd`,
decimals with a point, missing values as nothing. Ids other than `patient_id` are whole numbers that count within the
patient. Columns that are not in the schema are named in a warning and not read.

How to bring files with other names: [your_own_data.md](your_own_data.md).
"""
_DISPOSITIONS: dict[Disposition, str] = {
    "accepted": "in the cohort",
    "quarantined": "set aside under a row rule; `quarantine/<table>.parquet` has rule, file, line and values as read",
    "excluded": "left out by the mapping, for the reason it gives",
    "merged": "equal to an accepted row, or joined with others into one span",
}


def data_dictionary() -> str:
    """Return the data dictionary as Markdown."""
    parts = [_HEAD, _contents(), *(_table(each) for each in schema.TABLES.values()), _measures(), _rules()]
    return "\n".join(parts)


def _contents() -> str:
    rows = [(f"[`{each.name}`](#{each.name})", each.words) for each in schema.TABLES.values()]
    return "## Tables\n\n" + _markdown(("table", "what it holds"), rows)


def _table(table: schema.Table) -> str:
    rows = [
        (f"`{each.name}`", _KINDS[each.kind], "yes" if each.required else "", each.unit, _may_be(each), each.words)
        for each in table
    ]
    key = f" Unique: {', '.join(f'`{name}`' for name in table.key)}." if table.key else ""
    order = ", ".join(f"`{name}`" for name in table.sort_keys) if table.key else "`patient_id`, day, then all columns"
    heads = ("column", "type", "required", "unit", "allowed", "meaning")
    return f"## {table.name}\n\n{table.words}{key} Sorted by {order}.\n\n" + _markdown(heads, rows)


def _may_be(column: schema.Column) -> str:
    if column.name == "measure":
        return "[measures](#measures)"
    if column.kind == "word":
        return ", ".join(schema.vocabulary(column.vocabulary))
    return allowed(column)


def _measures() -> str:
    rows = [
        (f"`{name}`", each["unit"], f"{each['minimum']:g} to {each['maximum']:g}", each["better"], each["words"])
        for name, each in schema.measures().items()
    ]
    return "## Measures\n\n" + _markdown(("measure", "unit", "allowed", "better for the patient", "meaning"), rows)


def _rules() -> str:
    fates = _markdown(("fate of a row", "meaning"), list(_DISPOSITIONS.items()))
    rules = _markdown(("rule", "meaning"), list({**RULES, **MERGES, **EXCLUSIONS}.items()))
    words = "Every row read has one fate; the four add up to the rows read. A row counts under the first rule broken."
    years = f"A date outside the years {schema.FIRST_YEAR} to {schema.LAST_YEAR} is out of range (R07)."
    return f"## Row rules\n\n{words} {years}\n\n{fates}\n{rules}"


def _markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = (heads, ["---"] * len(heads), *rows)
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def main(arguments: Sequence[str]) -> None:
    """Write the data dictionary to the path given, by default ``docs/data_dictionary.md`` here."""
    Path(*arguments or ("docs/data_dictionary.md",)).write_text(data_dictionary(), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
