"""Whatever stands in a REDCap export, it is refused in a sentence, or every row has one disposition in every form."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Sequence
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from redcap_cases import SAMPLE

from fbss_analytics.errors import DataError
from fbss_analytics.sources.recipe import RedcapSpec
from fbss_analytics.sources.redcap_dictionary import read_dictionary
from fbss_analytics.sources.redcap_export import Export, read_export
from fbss_analytics.sources.redcap_forms import form_accounts, split_form

DICTIONARY = read_dictionary(SAMPLE / "dictionary.csv")
with (SAMPLE / "export.csv").open(encoding="utf-8-sig", newline="") as content:
    HEADER, *ROWS = list(csv.reader(content))
SPEC = RedcapSpec(nulls=("-9999", "NASK", "UNK"))
CELLS = st.sampled_from(
    (
        *("", "0", "1", "2", "-1", "1.5", " 1 ", "NASK", "2018-02-30", "31/12/2018"),
        *(
            "revision",
            "opioid_visit",
            "visit_arm_1",
            "S-01",
            "Female",
            "Checked",
            '"',
            "\n",
            ",",
            "\u00e9",
            "4711" * 100,
        ),
    )
)
CHANGES = st.lists(st.tuples(st.integers(0, len(ROWS) - 1), st.integers(0, len(HEADER) - 1), CELLS), max_size=6)


def written(rows: Sequence[Sequence[str]]) -> Export:
    """Write an export with these rows, and read it."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows([HEADER, *rows])
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "export.csv"
        file.write_text(text.getvalue(), encoding="utf-8", newline="")
        return read_export(file, DICTIONARY, SPEC)


@settings(max_examples=60, deadline=None)
@given(CHANGES, st.lists(st.integers(0, len(ROWS) - 1), max_size=2))
def test_a_changed_export_is_refused_or_accounted_for(changes: list[tuple[int, int, str]], again: list[int]) -> None:
    rows = [list(row) for row in ROWS] + [list(ROWS[place]) for place in again]
    for row, column, cell in changes:
        rows[row][column] = cell
    try:
        export = written(rows)
    except DataError as fault:
        said = str(fault)
    else:
        said = ""
        require_accounts(export, rows)
    assert "4711" not in said


def require_accounts(export: Export, rows: Sequence[Sequence[str]]) -> None:
    """Require that each form accounts for every row, and takes each from its line as the csv module reads it."""
    for form in DICTIONARY.forms:
        extract = split_form(export, form)
        assert sum(account.rows for account in form_accounts(extract)) == len(rows)
        for line, row in zip(extract.whole.lines, extract.rows["record_id"].to_pylist(), strict=True):
            assert (row or "") == rows[line - 1][0].strip()


@settings(max_examples=20, deadline=None)
@given(st.permutations(range(len(ROWS))))
def test_the_order_of_rows_does_not_matter(order: list[int]) -> None:
    first, second = written(ROWS), written([ROWS[place] for place in order])
    for form in DICTIONARY.forms:
        one, two = (sorted(map(str, split_form(each, form).rows.to_pylist())) for each in (first, second))
        assert one == two
