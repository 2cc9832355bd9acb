"""A small study for tests: a simulated cohort and notebooks of a few cells, in a folder of its own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import fbss_analytics as fbss

GOOD = [
    "import fbss_analytics as fbss\nstudy = fbss.open_study()",
    "cohort = fbss.start_cohort(study.read(), index='scs_implant', occurrence='first')\nprint(cohort.attrition)",
    "axes = fbss.plot_flow(cohort)\nfbss.write_result(cohort, study=study, name='flow', axes=axes)",
]


def write_notebook(folder: Path, name: str, cells: Sequence[str], needs: Sequence[str] = ()) -> Path:
    """Write a notebook of code cells under a title."""
    title = {"cell_type": "markdown", "id": "title", "metadata": {}, "source": [f"# {name} & <more>\n\n## A part"]}
    code = [
        {
            "cell_type": "code",
            "id": f"cell-{i}",
            "metadata": {},
            "source": [text],
            "execution_count": None,
            "outputs": [],
        }
        for i, text in enumerate(cells)
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    content = {
        "cells": [title, *code],
        "metadata": {"fbss": {"needs": list(needs)}, "kernelspec": kernel},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    folder.mkdir(exist_ok=True)
    file = folder / f"{name}.ipynb"
    file.write_text(json.dumps(content), encoding="utf-8")
    return file


def write_study(root: Path, *, name: str = "mine", text: str = "") -> Path:
    """Write a study file over `cohort/` and `notebooks/` of a folder."""
    file = root / "study.toml"
    file.write_text(f'name = "{name}"\ntitle = "A small study"\n[cohort]\nfolder = "cohort"\n{text}', encoding="utf-8")
    return file


def small_study(root: Path, *, name: str = "mine") -> Path:
    """Write a whole small study and return its study file."""
    fbss.simulate("neuromodulation", n_patients=200, seed=1, folder=root / "cohort")
    write_notebook(root / "notebooks", "a_good", GOOD, needs=["device_events"])
    return write_study(root, name=name)
