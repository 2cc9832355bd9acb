"""The chapters of the specification in order, and the page that is written from them."""

from __future__ import annotations

import textwrap
from types import ModuleType

from spec import charted, course, describe, dispensed, dose, explant, parts, reoperation, stopping, who
from spec.notation import ASSUMED, Spec

CHAPTERS: tuple[ModuleType, ...] = (
    who,
    describe,
    dose,
    dispensed,
    charted,
    course,
    stopping,
    explant,
    parts,
    reoperation,
)
HEAD = """\
# Definitions by example

What the library means by its words, with the first and the last day on each side of every boundary. This page is
written from the tests in `tests/spec/`; a test holds it to them. Write it again with `.venv/bin/python tests/spec`.
"""


def page() -> str:
    """Return the page as Markdown."""
    parts = [HEAD, ASSUMED]
    for chapter in CHAPTERS:
        parts.append(f"## {chapter.TITLE}\n")
        parts += [_section(spec) for spec in chapter.SPECS]
    return "\n".join(parts)


def _section(spec: Spec) -> str:
    source = f"\nSource: {spec.source}\n" if spec.source else ""
    close = f", to within {spec.within:g}" if spec.within > 1e-6 else ""
    return (
        f"### {spec.title}\n\n{spec.words}\n{source}\n```text\n{_plain(spec.tables)}\n```\n\n"
        f"```python\n{_double(spec.call)}\n```\n\ngives{close}\n\n```text\n{_plain(spec.expect)}\n```\n"
    )


def _plain(text: str) -> str:
    lines = [line.rstrip() for line in textwrap.dedent(text).strip().splitlines()]
    return "\n".join(line if "|" in line else f"\n{line}" for line in lines).strip()


def _double(call: str) -> str:
    """Return a call with double quotes, as the house writes them; in the tests it stands inside a string."""
    return call.replace("'", '"')
