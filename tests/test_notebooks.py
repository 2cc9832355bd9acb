"""The committed notebooks: executed again they give what is committed, and they keep to the house style."""

from __future__ import annotations

import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from extracts import write_in_foreign_dress

from fbss_analytics.errors import StudyWarning
from fbss_analytics.sources.files import read_tables
from fbss_analytics.sources.mapping import import_tables
from fbss_analytics.sources.omop import import_omop
from fbss_analytics.study import open_study
from fbss_analytics.study.run import run_study

ROOT = Path(__file__).parents[1]
COPIED = ("study.toml", "pyproject.toml", "requirements.lock", "notebooks", "data/synthetic")
if not (ROOT / "study.toml").exists():
    pytest.skip("the notebooks stand in the repository", allow_module_level=True)
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def again(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository's study, run again in a folder of its own."""
    root = tmp_path_factory.mktemp("again")
    for name in COPIED:
        source, target = ROOT / name, root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, target) if source.is_dir() else shutil.copyfile(source, target)
    summary = run_study(open_study(root / "study.toml"), force=True, progress=io.StringIO())
    assert not summary.has_failed, str(summary)
    return root


def test_executed_again_the_notebooks_give_the_committed_outputs(again: Path) -> None:
    if not open_study(ROOT / "study.toml").on_recorded_python:
        pytest.skip("bytes are promised under the recorded Python only; the numbers are compared below")
    for notebook in NOTEBOOKS:
        assert (again / "notebooks" / notebook.name).read_bytes() == notebook.read_bytes(), notebook.name
    committed = sorted(p for p in (ROOT / "reports" / "synthetic").rglob("*") if p.is_file())
    assert len(committed) > 10
    for file in committed:
        here = again / file.relative_to(ROOT)
        assert here.read_bytes() == file.read_bytes(), file.relative_to(ROOT).as_posix()


def test_executed_again_the_numbers_agree_to_six_digits(again: Path) -> None:
    ours = json.loads((again / "reports" / _run_name(again) / "results.json").read_text(encoding="utf-8"))
    committed = json.loads((ROOT / "reports" / "synthetic" / "results.json").read_text(encoding="utf-8"))
    compared = _compare(ours, committed)
    assert compared > 100


def test_on_an_import_of_the_same_cohort_the_numbers_are_the_same(again: Path, tmp_path: Path) -> None:
    """The committed cohort, written with other names, words and dates and imported, gives the same results."""
    write_in_foreign_dress(read_tables(ROOT / "data" / "synthetic" / "neuromodulation"), tmp_path, suffix="csv")
    import_tables(tmp_path, tmp_path / "cohort", mapping=tmp_path / "mapping.toml")
    shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks")
    names = ["00_start_here", "03_scs_explant", "05_intrathecal_delivery"]
    study = f'name = "imported"\n[cohort]\nfolder = "cohort"\n[notebooks]\nrun = {names}\n'
    (tmp_path / "study.toml").write_text(study, encoding="utf-8")
    summary = run_study(open_study(tmp_path / "study.toml"), progress=io.StringIO())
    assert not summary.has_failed, str(summary)
    ours = json.loads((again / "reports" / _run_name(again) / "results.json").read_text(encoding="utf-8"))
    theirs = json.loads((tmp_path / "reports" / "imported" / "results.json").read_text(encoding="utf-8"))
    assert theirs == {name: ours[name] for name in names}


def test_on_ctn0094_the_first_notebook_runs_and_the_explant_notebook_is_skipped(tmp_path: Path) -> None:
    data = ROOT.parent / "shared" / "data" / "ctn0094"
    if not data.is_dir():
        pytest.skip("the CTN-0094 files (../shared/data/ctn0094) are not here")
    import_tables(data, tmp_path / "cohort", mapping=ROOT / "examples" / "ctn0094.toml")
    shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks")
    study = 'name = "ctn0094"\n[cohort]\nfolder = "cohort"\n[notebooks]\nrun = ["00_start_here", "03_scs_explant"]\n'
    (tmp_path / "study.toml").write_text(study, encoding="utf-8")
    said = str(run_study(open_study(tmp_path / "study.toml"), progress=io.StringIO()))
    assert "1 run, 1 skipped" in said
    assert "03_scs_explant: the cohort has no device_events and no surgeries and no therapies" in said
    page = (tmp_path / "reports" / "ctn0094" / "report.html").read_text(encoding="utf-8")
    assert "215,433" in page
    assert "naltrexone arm: no opioid agonist" in page
    assert "of unknown dose" in page


def test_on_the_omop_demo_the_first_notebook_says_what_the_import_found(tmp_path: Path) -> None:
    data = ROOT.parent / "shared" / "data" / "omop_gibleed"
    if not data.is_dir():
        pytest.skip("the OMOP demo (../shared/data/omop_gibleed) is not here")
    with pytest.warns(StudyWarning):
        import_omop(data, tmp_path / "cohort")
    shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks")
    (tmp_path / "study.toml").write_text('name = "omop"\n[cohort]\nfolder = "cohort"\n', encoding="utf-8")
    summary = run_study(open_study(tmp_path / "study.toml"), progress=io.StringIO())
    assert not summary.has_failed, str(summary)
    why = {outcome.notebook: outcome.why for outcome in summary.outcomes if outcome.kind == "skipped"}
    assert set(why) >= {"03_scs_explant", "04_opioid_reduction_after_scs", "05_intrathecal_delivery", "06_reoperation"}
    assert all(words.startswith("the cohort has no ") for words in why.values())
    page = (tmp_path / "reports" / "omop" / "report.html").read_text(encoding="utf-8")
    assert "2,694" in page


def _run_name(root: Path) -> str:
    return open_study(root / "study.toml").run_name


def _compare(ours: Any, theirs: Any) -> int:
    if isinstance(ours, dict):
        assert ours.keys() == theirs.keys()
        return sum(_compare(ours[key], theirs[key]) for key in ours)
    if isinstance(ours, list):
        assert len(ours) == len(theirs)
        return sum(_compare(a, b) for a, b in zip(ours, theirs, strict=True))
    if isinstance(ours, float):
        # Both sides are rounded to six digits, so they may differ by one in the sixth.
        assert ours == pytest.approx(theirs, rel=2e-6, abs=1e-12)
        return 1
    assert ours == theirs
    return 0


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_prose_and_short_cells(notebook: Path) -> None:
    content = json.loads(notebook.read_text(encoding="utf-8"))
    code = ["".join(cell["source"]) for cell in content["cells"] if cell["cell_type"] == "code"]
    prose = ["".join(cell["source"]) for cell in content["cells"] if cell["cell_type"] == "markdown"]
    assert all(cell["outputs"] or not _shows(text) for cell, text in _code(content)), "committed with outputs"
    for text in code:
        assert not re.search(r"^\s*(def|class|while)\b|^for ", text, flags=re.MULTILINE)
        # Addresses, and a division by a number in a formula, are no paths.
        assert "/" not in re.sub(r"https?://\S+| / \d+", "", text), "no path in a notebook"
    assert re.match(r"# .*\?", prose[0]), "a question as title"
    assert any("## Limits" in text for text in prose)
    assert "version" not in content["metadata"].get("language_info", {})


def _code(content: Any) -> list[tuple[Any, str]]:
    return [(cell, "".join(cell["source"])) for cell in content["cells"] if cell["cell_type"] == "code"]


def _shows(text: str) -> bool:
    last = text.strip().splitlines()[-1]
    return last == "table" or last.startswith(("print(", "fbss.table"))
