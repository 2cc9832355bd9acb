"""What a run rests on, for the section *How this was made* and for the last cell of a notebook."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib.metadata import version

from .. import __version__
from ..formats import count
from ..sources.source import Source

LIBRARIES = (
    "numpy", "pandas", "pyarrow", "numba", "scipy", "statsmodels", "lifelines", "formulaic", "matplotlib", "seaborn"
)  # fmt: skip


def versions() -> str:
    """Return the versions results rest on, as one line; Python's minor version only, as bytes are promised for it."""
    python = platform.python_version().rsplit(".", 1)[0]
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return f"fbss_analytics {__version__}, Python {python}, {libraries}"


def facts(sources: Sequence[Source], run: str) -> list[tuple[str, str]]:
    """Return label and value of what a report rests on: cohorts, checks, versions, command and limits."""
    synthetic = all(source.is_synthetic for source in sources)
    return [
        *(row for source in sources for row in _source_facts(source)),
        ("Versions", versions()),
        ("Made by", f"fbss run, results in reports/{run}/; code cells are folded above each result"),
        ("Limits", "For research. Not for clinical decisions." + (" The data are synthetic." if synthetic else "")),
    ]


def _source_facts(source: Source) -> list[tuple[str, str]]:
    made = source.provenance
    rows = [("Cohort", source.sentence())]
    if source.is_synthetic:
        rows.append(("Simulated", ", ".join(f"{key} {made[key]}" for key in ("scenario", "n_patients", "seed"))))
    rows.append(("Calendar", source.calendar))
    aside = [a for a in source.accounts if a.disposition != "accepted" and a.rows]
    rows += [(f"{a.disposition.capitalize()} from {a.table}", f"{count(a.rows)} rows: {a.words}") for a in aside]
    if "mapping_sha256" in made:
        rows.append(("Mapping (SHA-256)", str(made["mapping_sha256"])))
    return rows + [(f"{name} (SHA-256)", each["sha256"]) for name, each in made.get("tables", {}).items()]
