"""The specification holds: every piece of it, and `docs/definitions.md`, which is written from it."""

from dataclasses import replace
from pathlib import Path

import pytest
from spec import chapters
from spec.notation import Spec, build, differences, parse

SPECS = [spec for chapter in chapters.CHAPTERS for spec in chapter.SPECS]
PAGE = Path(__file__).parents[2] / "docs" / "definitions.md"


@pytest.mark.parametrize("spec", SPECS, ids=[spec.title for spec in SPECS])
def test_specification_holds(spec: Spec) -> None:
    assert differences(spec) == []


def test_titles_are_unique() -> None:
    titles = [spec.title for spec in SPECS]
    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize("spec", SPECS, ids=[spec.title for spec in SPECS])
def test_a_wrong_expectation_is_noticed(spec: Spec) -> None:
    lines = [line for line in spec.expect.strip().splitlines() if line.strip()]
    head, first = (line.split("|") for line in lines[:2])
    turned = {"yes": "no", "no": "yes", "": "7"}
    wrong = [*first[:-1], " " + turned.get(first[-1].strip(), "1234567")]
    spoilt = replace(spec, expect="\n".join(["|".join(head), "|".join(wrong), *lines[2:]]))
    assert len(differences(spoilt)) == 1


def test_tables_that_break_a_row_rule_are_refused() -> None:
    with pytest.raises(AssertionError, match="row rules"):
        build(parse("conditions\npatient_id | date | condition\na | 0 | depresion\nb | 0 | depression"))


@pytest.mark.skipif(not (PAGE.parents[1] / "pyproject.toml").exists(), reason="the page belongs to the repository")
def test_the_page_is_written_from_the_specification() -> None:
    assert PAGE.read_text(encoding="utf-8") == chapters.page(), "run: .venv/bin/python tests/spec"
