"""What a notebook leaves behind: figures as SVG with their data as CSV, tables, and numbers for a manuscript."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from ..cohort import Attrition, Cohort
from ..errors import InputError
from ..formats import significant
from .file import Study

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def write_result(result: Any, *, study: Study, name: str, axes: Axes | None = None) -> None:
    """Write a result where the study keeps its results: numbers as CSV and JSON, and the figure that shows them.

    **Definition**: ``figures/<notebook>_<name>.svg`` with ``.csv`` beside it where ``axes`` is given, else
    ``tables/<notebook>_<name>.csv``; the result's sentence and estimates go to ``results.json``. Numbers carry six
    significant digits. Of a cohort only its attrition is written, never a patient's row.

    Parameters
    ----------
    result : Curve, Fit, Comparison, Table, Cohort or Attrition
    study : Study
    name : str
        Names the files; letters, digits and underscores.
    axes : matplotlib.axes.Axes, optional
        What a ``plot_*`` verb drew of this result.

    Raises
    ------
    InputError
        The name holds other characters, or the result is nothing that can be written.

    Notes
    -----
    When not to use it: for what leaves the machine. Runs on real data stay in their folder.
    """
    if not name.replace("_", "").isalnum() or not name.isascii():
        raise InputError(f"name={name!r} names a file; use letters, digits and underscores.")
    if isinstance(result, Cohort):
        result = result.attrition
    frame = round_numbers(_frame(result))
    stem = f"{study.notebook}_{name}"
    kind = "tables" if axes is None else "figures"
    folder = _prepare(study.folder / kind)
    frame.to_csv(folder / f"{stem}.csv", index=False, lineterminator="\n")
    if axes is not None:
        from ..reporting.theme import figure_svg

        (folder / f"{stem}.svg").write_text(figure_svg(axes.get_figure()), encoding="utf-8")  # type: ignore[arg-type]
    _note(study, name, result, f"{kind}/{stem}.csv")


def round_numbers(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame whose real numbers carry six significant digits."""
    rounded = frame.copy()
    for column in rounded.columns:
        if pd.api.types.is_float_dtype(rounded[column]):
            rounded[column] = rounded[column].map(significant)
    return rounded


def part_file(folder: Path, notebook: str) -> Path:
    """Return the file that collects one notebook's numbers until the run is put together."""
    return folder / f".{notebook}.results.json"


def _frame(result: Any) -> pd.DataFrame:
    if isinstance(result, pd.DataFrame):
        raise InputError("write_result takes a result of the library, not a frame: a frame may hold patients' rows.")
    for attribute in ("frame", "estimates"):
        frame = getattr(result, attribute, None)
        if isinstance(frame, pd.DataFrame):
            return frame
    raise InputError(f"A {type(result).__name__} is no result; give a Curve, Fit, Comparison, Table or Cohort.")


def _note(study: Study, name: str, result: Any, file: str) -> None:
    part = part_file(study.folder, study.notebook)
    notes: dict[str, Any] = json.loads(part.read_text(encoding="utf-8")) if part.exists() else {}
    note: dict[str, Any] = {"file": file}
    if hasattr(result, "sentence"):
        note["sentence"] = result.sentence()
    if isinstance(getattr(result, "method", None), str):
        note["method"] = result.method
    estimates = getattr(result, "estimates", None)
    rows = estimates if isinstance(estimates, pd.DataFrame) else result.frame if isinstance(result, Attrition) else None
    if rows is not None:
        note["estimates"] = json.loads(round_numbers(rows).to_json(orient="records", double_precision=15))
    notes[name] = note
    part.write_text(json.dumps(notes, indent=1, ensure_ascii=False), encoding="utf-8")


def _prepare(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    keep_out = folder.parent / ".gitignore"
    if not keep_out.exists():
        keep_out.write_text("*\n", encoding="utf-8")
    return folder
