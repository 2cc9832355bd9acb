"""What a run rested on, so that only stale notebooks run again. Judged by content; standard library only."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from .file import Study

REASONS = {
    "notebook": "the notebook changed",
    "code": "the code of fbss_analytics changed",
    "cohort": "the cohort changed",
    "study": "the study file changed",
    "environment": "Python or the locked libraries changed",
}


@dataclass(frozen=True)
class NotebookState:
    """What one notebook's last run rested on, what became of it, and the files it left."""

    inputs: Mapping[str, str]
    outcome: str
    seconds: float = 0.0
    outputs: Mapping[str, str] = field(default_factory=dict)


def state_file(study: Study) -> Path:
    """Return the file that keeps the state of a study's run; it is never committed."""
    return study.reports / ".state" / f"{study.run_name}.json"


def read_state(study: Study) -> dict[str, NotebookState]:
    """Return the state by notebook; empty when there is none or it cannot be read."""
    try:
        content = json.loads(state_file(study).read_text(encoding="utf-8"))
        return {name: NotebookState(**each) for name, each in content.items()}
    except (OSError, ValueError, TypeError):
        return {}


def write_state(study: Study, state: Mapping[str, NotebookState]) -> None:
    """Write the state beside its final place and move it there."""
    file = state_file(study)
    file.parent.mkdir(parents=True, exist_ok=True)
    (file.parent / ".gitignore").write_text("*\n", encoding="utf-8")
    draft = file.with_suffix(".draft")
    content = {
        name: each.__dict__ | {"inputs": dict(each.inputs), "outputs": dict(each.outputs)}
        for name, each in state.items()
    }
    draft.write_text(json.dumps(content, indent=1), encoding="utf-8")
    draft.replace(file)


def inputs_of(study: Study, notebook: Path) -> dict[str, str]:
    """Return the hashes a notebook's results rest on, by kind (the keys of `REASONS`)."""
    lock = study.root / "requirements.lock"
    environment = platform.python_version().rsplit(".", 1)[0].encode() + (lock.read_bytes() if lock.exists() else b"")
    return {
        "notebook": _digest([json.dumps(notebook_source(notebook)).encode()]),
        "code": _code_hash(),
        "cohort": folder_hash(study.cohort(cohort_name(notebook)).folder),
        "study": _digest([study.file.read_bytes()]),
        "environment": _digest([environment]),
    }


def why_stale(study: Study, notebook: Path, state: Mapping[str, NotebookState]) -> list[str]:
    """Return the reasons why a notebook must run again, in words; empty when it need not."""
    last = state.get(notebook.stem)
    if last is None:
        return ["it has not run yet"]
    now = inputs_of(study, notebook)
    reasons = [words for key, words in REASONS.items() if last.inputs.get(key) != now[key]]
    if last.outcome == "failed":
        reasons.append("its last run failed")
    changed = [name for name, content in last.outputs.items() if _file_hash(study.root / name) != content]
    if changed:
        reasons.append(
            f"{changed[0]} is missing or changed" + (f" (and {len(changed) - 1} more)" if changed[1:] else "")
        )
    return reasons


def notebook_source(notebook: Path) -> list[list[str]]:
    """Return a notebook's cells as (type, text, needs), without outputs, and what the notebook says of itself."""
    content: Any = json.loads(notebook.read_text(encoding="utf-8"))
    cells = [
        [cell["cell_type"], "".join(cell["source"]), json.dumps(cell["metadata"].get("fbss", {}))]
        for cell in content["cells"]
    ]
    return [*cells, [json.dumps(_said(notebook))]]


def needs(notebook: Path) -> list[str]:
    """Return the tables a notebook says it needs, in its metadata under ``fbss.needs``."""
    return list(_said(notebook).get("needs", []))


def cohort_name(notebook: Path) -> str:
    """Return the cohort a notebook reads, in its metadata under ``fbss.cohort``; ``""`` for the study's own."""
    return str(_said(notebook).get("cohort", ""))


def _said(notebook: Path) -> dict[str, Any]:
    content: Any = json.loads(notebook.read_text(encoding="utf-8"))
    return dict(content.get("metadata", {}).get("fbss", {}))


def output_hashes(study: Study, files: Iterable[Path]) -> dict[str, str]:
    """Return the hash of each file by its path from the root of the study."""
    return {file.relative_to(study.root).as_posix(): _file_hash(file) for file in sorted(files)}


@cache
def folder_hash(folder: Path) -> str:
    """Return a hash over the names and contents of all files of a folder, hidden ones left out."""
    files = sorted(file for file in folder.rglob("*") if file.is_file() and not file.name.startswith("."))
    return _digest(part for file in files for part in (file.relative_to(folder).as_posix().encode(), file.read_bytes()))


@cache
def _code_hash() -> str:
    package = Path(__file__).parent.parent
    files = sorted(
        file for file in package.rglob("*") if file.is_file() and file.suffix in (".py", ".toml", ".csv", ".css")
    )
    return _digest(
        part for file in files for part in (file.relative_to(package).as_posix().encode(), file.read_bytes())
    )


def _file_hash(file: Path) -> str:
    return _digest([file.read_bytes()]) if file.is_file() else ""


def _digest(parts: Iterable[bytes]) -> str:
    hasher = hashlib.sha256()
    for part in parts:
        hasher.update(len(part).to_bytes(8, "big"))
        hasher.update(part)
    return hasher.hexdigest()[:32]
