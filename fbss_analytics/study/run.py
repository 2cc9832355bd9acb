"""Running a study: its stale notebooks are executed, and a whole set of results takes the place of the last."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from ..errors import DataError, InputError
from .file import NOTEBOOK_VARIABLE, RUN_VARIABLE, STUDY_VARIABLE, SYNTHETIC, Study
from .state import NotebookState, cohort_name, inputs_of, needs, output_hashes, read_state, why_stale, write_state

if TYPE_CHECKING:
    from ..sources.source import Source

OURS = (InputError.__name__, DataError.__name__)
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
"""Sums in one thread give the same last digit on every machine."""


@dataclass(frozen=True)
class Outcome:
    """What became of one notebook: ``done``, ``fresh``, ``skipped`` or ``failed``, why, and how long it took."""

    notebook: str
    kind: str
    why: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Summary:
    """What a run did, and where its results are."""

    study: Study
    outcomes: tuple[Outcome, ...]
    cohorts: tuple[str, ...]

    @property
    def has_failed(self) -> bool:
        """Whether a notebook failed."""
        return any(outcome.kind == "failed" for outcome in self.outcomes)

    def __str__(self) -> str:
        folder = self.study.reports / self.study.run_name
        figures = len(list((folder / "figures").glob("*.svg")))
        tables = len(list((folder / "tables").glob("*.csv")))
        counts = {kind: [o for o in self.outcomes if o.kind == kind] for kind in ("done", "fresh", "skipped", "failed")}
        said = {"done": "run", "fresh": "up to date", "skipped": "skipped", "failed": "failed"}
        lines = [
            *(f"Cohort     {cohort}" for cohort in self.cohorts),
            "Notebooks  " + ", ".join(f"{len(rows)} {said[kind]}" for kind, rows in counts.items() if rows),
            f"Results    {figures} figures, {tables} tables in {_shown(folder)}/",
            f"Read       {_shown(folder / 'report.html')}",
            "Next       fbss lab opens the notebooks; README.md says how to use your own data.",
        ]
        lines += [
            f"{o.kind.capitalize():<10} {o.notebook}: {o.why}" for o in self.outcomes if o.kind in ("skipped", "failed")
        ]
        return "\n".join(lines)


def _shown(path: Path) -> str:
    with suppress(ValueError):
        return path.relative_to(Path.cwd()).as_posix()
    return path.as_posix()


def run_study(study: Study, *, force: bool = False, progress: TextIO | None = None) -> Summary:
    """Execute the stale notebooks of a study and publish the run.

    **Definition**: a notebook is stale when its cells, the package, the cohort, the study file, Python or the lock, or
    one of its own results changed, judged by content. Everything is written to a temporary folder that takes the place
    of the last run when it is whole: a killed run leaves the last good one. A notebook whose tables the cohort lacks is
    skipped with the reason; one that fails is named and the others run.

    Parameters
    ----------
    study : Study
    force : bool
        Run every notebook, stale or not.
    progress : text file, optional
        Where one line per notebook goes; stderr when not given.

    Returns
    -------
    Summary

    Raises
    ------
    InputError
        A study named ``synthetic``, whose results are committed, on a cohort that was not simulated.
    DataError
        The cohort has a schema fault.
    """
    out = progress or sys.stderr
    _refuse_real_data(study)
    state = read_state(study)
    stale = {notebook.stem for notebook in study.notebooks if force or why_stale(study, notebook, state)}
    if not stale and not _report_is_missing(study):
        outcomes = tuple(_fresh(notebook.stem, state) for notebook in study.notebooks)
        unchanged = tuple(f"{each.folder.name}, unchanged since the last run" for each in study.cohorts.values())
        return Summary(study, outcomes, unchanged)
    study.reports.mkdir(parents=True, exist_ok=True)
    for leftover in study.reports.glob(f".{study.run_name}-*"):
        shutil.rmtree(leftover, ignore_errors=True)  # A killed run's; it never was a result.
    sources = {name: study.read(name) for name in study.cohorts}
    with tempfile.TemporaryDirectory(dir=study.reports, prefix=f".{study.run_name}-") as workplace:
        (Path(workplace) / ".gitignore").write_text("*\n", encoding="utf-8")
        draft = Path(workplace) / "run"
        draft.mkdir()
        return _Run(study, sources, draft, out).go(stale, state)


def _refuse_real_data(study: Study) -> None:
    if study.name != SYNTHETIC:
        return
    if not all(_is_simulated(each.folder) for each in study.cohorts.values()):
        raise InputError(
            f"{study.file.name}: reports/{SYNTHETIC}/ is committed, so the study {SYNTHETIC!r} runs on simulated "
            "cohorts only; give your study another name."
        )


def _is_simulated(cohort: Path) -> bool:
    try:
        return bool(json.loads((cohort / "source.json").read_text(encoding="utf-8")).get("kind") == "simulated")
    except (OSError, ValueError):
        return False


def _report_is_missing(study: Study) -> bool:
    folder = study.reports / study.run_name
    return not all((folder / name).exists() for name in ("report.html", "results.json"))


def _fresh(name: str, state: Mapping[str, NotebookState]) -> Outcome:
    kind = "skipped" if state[name].outcome.startswith("skipped") else "fresh"
    return Outcome(name, kind, state[name].outcome.partition(": ")[2])


@dataclass(frozen=True)
class _Run:
    """A run under way: its study, cohort, the folder it is drafted in, and where progress is told."""

    study: Study
    sources: Mapping[str, Source]
    draft: Path
    out: TextIO

    @property
    def goes_back(self) -> bool:
        """Whether executed notebooks take the place of the committed ones."""
        return self.study.run_name == SYNTHETIC

    def go(self, stale: set[str], state: dict[str, NotebookState]) -> Summary:
        outcomes, executed = [], {}
        for number, notebook in enumerate(self.study.notebooks, start=1):
            self._tell(f"[{number}/{len(self.study.notebooks)}] {notebook.stem} ... ", end="")
            outcome, node = self._one(notebook, notebook.stem in stale, state)
            outcomes.append(outcome)
            if node is not None:
                executed[notebook.stem] = node
            took = f" in {outcome.seconds:.1f} s" if outcome.seconds else ""
            self._tell(
                {"done": f"done{took}", "fresh": "up to date"}.get(outcome.kind, f"{outcome.kind}: {outcome.why}")
            )
        self._finish(executed, outcomes)
        self._publish(executed, outcomes, state)
        return Summary(self.study, tuple(outcomes), tuple(each.sentence() for each in self.sources.values()))

    def _tell(self, text: str, end: str = "\n") -> None:
        self.out.write(text + end)
        self.out.flush()

    def _one(self, notebook: Path, is_stale: bool, state: Mapping[str, NotebookState]) -> tuple[Outcome, Any]:
        if not is_stale:
            outcome = _fresh(notebook.stem, state)
            return outcome, self._keep(notebook, state[notebook.stem]) if outcome.kind == "fresh" else None
        source = self.sources.get(cohort_name(notebook), self.sources[""])
        absent = [table for table in needs(notebook) if source.counts.get(table, 0) == 0]
        if absent:
            return Outcome(notebook.stem, "skipped", f"the cohort has no {' and no '.join(absent)}"), None
        return self._execute(notebook, source)

    def _keep(self, notebook: Path, state: NotebookState) -> Any:
        """Carry a fresh notebook's results over from the last good run, and return the executed notebook."""
        import nbformat

        last = self.study.reports / self.study.run_name
        for name in state.outputs:
            file = self.study.root / name
            if last in file.parents and file.parent.name in ("figures", "tables", "notebooks"):
                target = self.draft / file.relative_to(last)
                target.parent.mkdir(exist_ok=True)
                shutil.copyfile(file, target)
        kept = json.loads((last / "results.json").read_text(encoding="utf-8")).get(notebook.stem, {})
        self._part(notebook.stem).write_text(json.dumps(kept), encoding="utf-8")
        place = notebook if self.goes_back else last / "notebooks" / notebook.name
        return nbformat.read(place, as_version=4)  # type: ignore[no-untyped-call]

    def _part(self, name: str) -> Path:
        from .outputs import part_file

        return part_file(self.draft, name)

    def _execute(self, notebook: Path, source: Source) -> tuple[Outcome, Any]:
        import nbformat
        from nbclient import NotebookClient
        from nbclient.exceptions import CellExecutionError

        node = nbformat.read(notebook, as_version=4)  # type: ignore[no-untyped-call]
        _leave_out(node, source)
        _clear(node)
        mine = {STUDY_VARIABLE: str(self.study.file), RUN_VARIABLE: str(self.draft), NOTEBOOK_VARIABLE: notebook.stem}
        place = {"metadata": {"path": str(notebook.parent)}}
        client = NotebookClient(node, config=_private_kernel(), timeout=None, record_timing=False, resources=place)
        start = time.perf_counter()
        try:
            client.execute(env=os.environ | ONE_THREAD | mine)
        except CellExecutionError as fault:
            return Outcome(notebook.stem, "failed", _fault_words(fault), time.perf_counter() - start), None
        _clear_versions(node)
        return Outcome(notebook.stem, "done", seconds=time.perf_counter() - start), node

    def _finish(self, executed: Mapping[str, Any], outcomes: list[Outcome]) -> None:
        """Put results.json, the report and the executed notebooks into the draft."""
        from ..reporting.manifest import facts
        from ..reporting.report import write_report
        from ..sources.files import write_json

        results = {}
        for name in executed:
            part = self._part(name)
            results[name] = json.loads(part.read_text(encoding="utf-8")) if part.exists() else {}
        for part in self.draft.glob(".*.results.json"):
            part.unlink()
        write_json(results, self.draft / "results.json")
        write_report(
            executed,
            file=self.draft / "report.html",
            title=self.study.title,
            lead=" ".join(source.sentence() for source in self.sources.values()),
            facts=facts(tuple(self.sources.values()), self.study.run_name),
            absent={outcome.notebook: outcome.why for outcome in outcomes if outcome.kind in ("skipped", "failed")},
        )
        if self.goes_back:
            (self.draft / ".gitignore").unlink(missing_ok=True)
        else:
            (self.draft / ".gitignore").write_text("*\n", encoding="utf-8")
            for name, node in executed.items():
                _write_notebook(node, self.draft / "notebooks" / f"{name}.ipynb")

    def _publish(self, executed: Mapping[str, Any], outcomes: list[Outcome], state: dict[str, NotebookState]) -> None:
        from ..sources.files import replace_folder

        folder = self.study.reports / self.study.run_name
        replace_folder(self.draft, folder)
        places = {notebook.stem: notebook for notebook in self.study.notebooks}
        if self.goes_back:
            for name, node in executed.items():
                _write_notebook(node, places[name])
        for outcome in outcomes:
            state[outcome.notebook] = self._state(places[outcome.notebook], outcome, folder, state)
        write_state(self.study, state)

    def _state(
        self, notebook: Path, outcome: Outcome, folder: Path, state: Mapping[str, NotebookState]
    ) -> NotebookState:
        if outcome.kind == "fresh":
            return state[notebook.stem]
        files = [file for kind in ("figures", "tables") for file in (folder / kind).glob(f"{notebook.stem}_*")]
        if outcome.kind == "done":
            files.append(notebook if self.goes_back else folder / "notebooks" / notebook.name)
        words = f"skipped: {outcome.why}" if outcome.kind == "skipped" else outcome.kind
        return NotebookState(
            inputs_of(self.study, notebook), words, round(outcome.seconds, 1), output_hashes(self.study, files)
        )


def _private_kernel() -> Any:
    """Return the kernel settings that encrypt what passes between runner and kernel: it may hold patients' values."""
    import zmq
    from traitlets.config import Config

    return Config(KernelManager={"transport_encryption": "required" if zmq.has("curve") else "disabled"})


def _fault_words(fault: Any) -> str:
    """Return what a failing notebook may say: our own messages name no patient, others are only named."""
    if fault.ename in OURS:
        return str(fault.evalue)
    return f"{fault.ename} in a cell; open the notebook with fbss lab and run it to see where"


def _leave_out(node: Any, source: Source) -> None:
    """Put a sentence in the place of the cells that need a table which the cohort lacks (``fbss.needs`` of a cell)."""
    kept: list[Any] = []
    for cell in node.cells:
        needed = cell.metadata.get("fbss", {}).get("needs", [])
        absent = [table for table in needed if source.counts.get(table, 0) == 0]
        words = f"*Not run: the cohort has no {' and no '.join(absent)}.*"
        if not absent:
            kept.append(cell)
        elif not kept or kept[-1].source != words:
            kept.append(_markdown(words, cell.id))
    node.cells = kept


def _markdown(words: str, cell_id: str) -> Any:
    """Return a markdown cell that stands in the place of another."""
    import nbformat

    return nbformat.v4.new_markdown_cell(words, id=cell_id)  # type: ignore[no-untyped-call]


def _clear(node: Any) -> None:
    for cell in node.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None


def _clear_versions(node: Any) -> None:
    node.metadata.get("language_info", {}).pop("version", None)
    for cell in node.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = _in_stable_order(cell.outputs)


def _in_stable_order(outputs: list[Any]) -> list[Any]:
    """Return warnings, then what was printed, then what was shown.

    The kernel sends the three side by side, in pieces and in an order that depend on timing.
    """
    streams: dict[str, Any] = {}
    for output in outputs:
        if output.output_type == "stream" and output.name in streams:
            streams[output.name].text += output.text
        elif output.output_type == "stream":
            streams[output.name] = output
    shown = [output for output in outputs if output.output_type != "stream"]
    return [streams[name] for name in ("stderr", "stdout") if name in streams] + shown


def _write_notebook(node: Any, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_suffix(".draft")
    draft.write_text(json.dumps(node, indent=1, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8")
    draft.replace(file)
