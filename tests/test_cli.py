"""The fbss command: what it prints, and with which code it exits."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from small_study import small_study, write_notebook

from fbss_analytics import __version__, cli


@pytest.fixture(autouse=True)
def _warnings_as_they_were() -> object:
    kept = warnings.formatwarning
    yield
    warnings.formatwarning = kept


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_study(tmp_path_factory.mktemp("cli"))


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["version"]) == cli.DONE
    assert capsys.readouterr().out == f"{__version__}\n"


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(["--help"])
    assert stopped.value.code == cli.DONE
    text = capsys.readouterr().out
    assert all(
        word in text for word in ("run", "status", "check", "simulate", "import", "lab", "version", "exit codes")
    )


def test_wrong_use_exits_with_two(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(["simulate", "neuromodulation", "folder", "--patients", "10"])
    assert stopped.value.code == cli.WRONG_USE
    assert "--seed" in capsys.readouterr().err
    assert cli.main(["run", "--study", "no_such.toml"]) == cli.WRONG_USE
    assert capsys.readouterr().err == "fbss: There is no study file no_such.toml; type fbss run --study FILE.\n"


def test_simulate_and_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(tmp_path / "cohort")
    assert cli.main(["simulate", "neuromodulation", folder, "--patients", "60", "--seed", "3"]) == cli.DONE
    assert "60 patients" in capsys.readouterr().out
    assert cli.main(["check", folder]) == cli.DONE
    assert "Every row was accepted." in capsys.readouterr().out
    assert cli.main(["simulate", "neuromodulaton", folder, "--patients", "60", "--seed", "3"]) == cli.WRONG_USE
    assert "Did you mean 'neuromodulation'?" in capsys.readouterr().err


def test_import(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    extract = Path(__file__).parent / "data" / "other_names"
    folder = str(tmp_path / "cohort")
    assert cli.main(["import", str(extract), folder, "--mapping", str(extract / "mapping.toml")]) == cli.DONE
    assert f"Next: fbss check {folder}" in capsys.readouterr().out
    assert cli.main(["check", folder]) == cli.DONE
    capsys.readouterr()
    assert cli.main(["import", str(extract), folder, "--mapping", "no_such.toml"]) == cli.WRONG_USE
    assert "no_such.toml" in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore:.*not read, by what")
def test_a_redcap_project_is_imported_by_the_mapping_that_new_study_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["new-study", "mine", "--format", "redcap"]) == cli.DONE
    assert "Written to mine_mapping.toml: fit it to your extract" in capsys.readouterr().out
    mapping = (tmp_path / "mine_mapping.toml").read_text(encoding="utf-8")
    assert "fbss import EXPORT.csv cohort --redcap DICTIONARY.csv --mapping mine_mapping.toml" in mapping
    sample = Path(__file__).parent / "data" / "redcap"
    words = ["import", str(sample / "export.csv"), "cohort", "--mapping", "mine_mapping.toml"]
    assert cli.main([*words, "--redcap", str(sample / "dictionary.csv"), "--new-ids", "key.csv"]) == cli.DONE
    assert "Mine: 4 patients" in capsys.readouterr().out
    assert cli.main(["check", "cohort"]) == cli.DONE
    assert "S-01" in (tmp_path / "key.csv").read_text(encoding="utf-8")
    capsys.readouterr()
    assert cli.main([*words, "--new-ids", "key.csv"]) == cli.WRONG_USE
    assert "type --redcap DICTIONARY" in capsys.readouterr().err
    assert cli.main(["new-study", "other", "--format", "redcab"]) == cli.WRONG_USE
    assert "format='redcab' is not known. Did you mean 'redcap'?" in capsys.readouterr().err
    assert not (tmp_path / "other.toml").exists()
    (tmp_path / "mine.toml").unlink()
    assert cli.main(["new-study", "mine", "--format", "redcap"]) == cli.WRONG_USE
    assert "mine_mapping.toml exists" in capsys.readouterr().err
    assert not (tmp_path / "mine.toml").exists()


@pytest.mark.filterwarnings("ignore:.*not read, by what")
def test_the_redcap_commands_of_the_guide_run_as_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    guide = Path(__file__).parents[1] / "docs" / "your_own_data.md"
    if not guide.exists():
        pytest.skip("docs/your_own_data.md is in the repository only")
    section = guide.read_text(encoding="utf-8").partition("## A REDCap project")[2].partition("```sh\n")[2]
    commands = [line.split()[1:] for line in section.partition("```")[0].splitlines()]
    assert [command[0] for command in commands] == ["new-study", "import", "check", "run"]
    (tmp_path / "tests").symlink_to(Path(__file__).parent)
    write_notebook(tmp_path / "notebooks", "a_good", ["import fbss_analytics as fbss", "fbss.open_study().read()"])
    monkeypatch.chdir(tmp_path)
    assert [cli.main(command) for command in commands] == [cli.DONE] * 4
    assert "1 run" in capsys.readouterr().out
    assert (tmp_path / "reports" / "try" / "report.html").exists()


def test_new_study_writes_a_file_that_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    small_study(tmp_path)
    assert cli.main(["new-study", "my_cohort", "--cohort", "cohort"]) == cli.DONE
    assert "Next: fbss check --study my_cohort.toml" in capsys.readouterr().out
    assert cli.main(["run", "--study", "my_cohort.toml"]) == cli.DONE
    assert (tmp_path / "reports" / "my_cohort" / "report.html").exists()
    capsys.readouterr()
    assert cli.main(["new-study", "my_cohort"]) == cli.WRONG_USE
    assert "my_cohort.toml exists" in capsys.readouterr().err
    assert cli.main(["new-study", "a/b"]) == cli.WRONG_USE
    assert "use letters, digits" in capsys.readouterr().err


def test_import_needs_to_know_the_columns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["import", str(tmp_path), str(tmp_path / "cohort")]) == cli.WRONG_USE
    assert "type --mapping FILE, or --omop" in capsys.readouterr().err


def test_check_lists_rows_set_aside_and_exits_with_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "patients.csv").write_text("patient_id,sex\nSECRET-1,female\nSECRET-2,femle\n", encoding="utf-8")
    with pytest.warns(match="Rows were set aside"):
        assert cli.main(["check", str(tmp_path)]) == cli.FAULT
    said = capsys.readouterr()
    assert "quarantined" in said.out
    assert "R03" in said.out
    assert "SECRET" not in said.out + said.err


def test_a_fault_of_the_data_exits_with_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", str(tmp_path)]) == cli.FAULT
    assert "holds no CSV or Parquet file" in capsys.readouterr().err


def test_run_status_and_check_of_a_study(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["status", "--study", str(study)]) == cli.DONE
    assert "a_good" in (said := capsys.readouterr().out)
    assert "stale: it has not run yet" in said
    assert cli.main(["run", "--study", str(study)]) == cli.DONE
    assert "1 run" in capsys.readouterr().out
    assert cli.main(["status", "--study", str(study)]) == cli.DONE
    assert "up to date" in capsys.readouterr().out
    assert cli.main(["check", "--study", str(study)]) == cli.DONE
    write_notebook(study.parent / "notebooks", "b_fails", ["1 / 0"])
    assert cli.main(["run", "--study", str(study)]) == cli.FAULT
    assert "b_fails: ZeroDivisionError in a cell" in capsys.readouterr().out


def test_lab_opens_the_notebooks_of_the_study(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda _, words: called.append(words))
    monkeypatch.setenv("FBSS_STUDY", "")
    with pytest.raises(TypeError):  # execv never returns; here it does, with no exit code.
        int(cli.main(["lab", "--study", str(study)]))  # type: ignore[call-overload]
    assert called[0][-2:] == ["--notebook-dir", str(study.parent / "notebooks")]
    assert os.environ["FBSS_STUDY"] == str(study)


def test_an_interrupt_says_that_the_last_results_stand(
    study: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("fbss_analytics.study.run.run_study", interrupted)
    assert cli.main(["run", "--study", str(study)]) == 130
    assert "the last good results are as they were" in capsys.readouterr().err


def test_python_m_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "fbss_analytics", "version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{__version__}\n"
