"""Set-up: one list of dependencies, a lock that fits it, and a bootstrap that never leaves a half-made environment."""

import ast
import importlib.util
import os
import re
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

import fbss_analytics

ROOT = Path(__file__).parents[1]
BOOTSTRAP = ROOT / "tools" / "bootstrap.py"
if not BOOTSTRAP.exists():
    pytest.skip("set-up is tested in the repository only", allow_module_level=True)

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
DECLARED = [*PROJECT["dependencies"], *(line for extra in PROJECT["optional-dependencies"].values() for line in extra)]
CONDA_NAMES = {"build": "python-build", "duckdb": "python-duckdb"}


def parsed(lines: list[str], names: dict[str, str] | None = None) -> dict[str, str]:
    """Return each requirement's bounds by its name, in one spelling."""
    requirements = map(Requirement, lines)
    return {(names or {}).get(item.name, item.name): str(item.specifier) for item in requirements}


# --- one list of dependencies ---------------------------------------------------------------------------------------


def test_environment_yml_names_what_pyproject_names() -> None:
    entries = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    (from_pip,) = (entry["pip"] for entry in entries if isinstance(entry, dict))
    python, pip, *from_conda = (entry for entry in entries if isinstance(entry, str))
    assert python == f"python={PYPROJECT['tool']['fbss_analytics']['recorded-python']}"
    assert pip == "pip"
    assert from_pip[-1] == "-e ."
    assert parsed(from_conda) | parsed(from_pip[:-1], CONDA_NAMES) == parsed(DECLARED, CONDA_NAMES)


@pytest.mark.parametrize("lock", ["requirements.lock", "tools/virtualenv.lock"])
def test_lock_carries_hashes_and_no_address(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    entries = re.split(r"\n(?=[a-z0-9])", text)[1:]
    assert len(entries) > 3
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []
    assert not re.search(r"https?:|file:|--index-url|--extra-index-url|--find-links| @ ", text)


def test_lock_fits_every_declared_bound() -> None:
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    locked: dict[str, list[str]] = {}
    for name, version in re.findall(r"^([a-z0-9-]+)==([^ ]+)", text, flags=re.MULTILINE):
        locked.setdefault(name, []).append(version)
    for requirement in map(Requirement, DECLARED):
        versions = locked[requirement.name]
        assert [version for version in versions if not requirement.specifier.contains(version)] == []


def test_make_targets_are_the_commands_of_bootstrap() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    (targets,) = re.findall(r"^\.PHONY: help (.*)$", text, flags=re.MULTILINE)
    assert {*targets.split(), "fbss"} == set(load().COMMANDS)


def test_release_is_the_same_everywhere() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert (citation["version"], citation["license"]) == (PROJECT["version"], PROJECT["license"])
    assert fbss_analytics.__version__ == PROJECT["version"]
    assert citation["keywords"] == PROJECT["keywords"]


def test_each_release_opens_with_changes_to_numbers() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    releases = text.split("\n## ")[1:]
    assert releases
    assert {release.split("\n### ")[1].splitlines()[0] for release in releases} == {"Changes to numbers"}


def test_contributors_read_the_order_of_layers_that_is_held() -> None:
    text = " ".join((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split())
    (order,) = re.findall(r"`(errors, .*? < cli)`", text)
    assert re.split(r", | < ", order) == PYPROJECT["tool"]["fbss_analytics"]["layers"]


# --- bootstrap ------------------------------------------------------------------------------------------------------


def load() -> Any:
    """Return tools/bootstrap.py as a fresh module."""
    spec = importlib.util.spec_from_file_location("bootstrap", BOOTSTRAP)
    assert spec is not None
    assert spec.loader is not None
    module: ModuleType = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def step_name(arguments: list[str]) -> str:
    """Return what a step does: the module it runs or, for pip, what that installs."""
    if arguments[2] != "pip":
        return arguments[2]
    return "--editable" if "--editable" in arguments else os.path.basename(arguments[-1])


class Steps:
    """Stands in for run_step: records each step, makes what it would make, and fails where it is told to."""

    def __init__(self, bootstrap: Any) -> None:
        self.bootstrap = bootstrap
        self.seen: list[str] = []
        self.fail: dict[str, BaseException] = {}

    def __call__(self, arguments: list[str], **_: Any) -> list[str]:
        name = step_name(arguments)
        self.seen.append(name)
        if name in self.fail:
            raise self.fail[name]
        if name in ("venv", "virtualenv"):
            python = Path(self.bootstrap.environment_python(arguments[-1]))
            python.parent.mkdir()
            python.touch()
        return []

    def taken(self) -> list[str]:
        seen, self.seen = self.seen, []
        return seen


MADE_NEW = ["venv", "requirements.lock", "compileall", "--editable"]
BROUGHT_UP_TO_DATE = MADE_NEW[1:]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A small project, without an environment."""
    (tmp_path / "requirements.lock").write_text("numpy==2.4.6\n", encoding="utf-8")
    text = (
        '[project]\nname = "small"\ndependencies = ["numpy"]\n[build-system]\nrequires = []\n'
        '[tool.hatch]\nx = 1\n[tool.ruff]\nline-length = 120\n'
    )  # fmt: skip
    (tmp_path / "pyproject.toml").write_text(text, encoding="utf-8")
    return tmp_path


@pytest.fixture
def bootstrap(monkeypatch: pytest.MonkeyPatch, root: Path) -> Any:
    module = load()
    monkeypatch.setattr(module, "ROOT", str(root))
    monkeypatch.setattr(module, "has", lambda name: True)
    return module


@pytest.fixture
def steps(bootstrap: Any, monkeypatch: pytest.MonkeyPatch) -> Steps:
    recorder = Steps(bootstrap)
    monkeypatch.setattr(bootstrap, "run_step", recorder)
    return recorder


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_first_run_sets_up_and_the_second_does_nothing(bootstrap: Any, steps: Steps) -> None:
    assert bootstrap.main(["setup"]) == 0
    assert steps.taken() == MADE_NEW
    assert bootstrap.main(["setup"]) == 0
    assert steps.taken() == []


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("requirements.lock", "2.4.6", "2.4.7"),
        ("pyproject.toml", '["numpy"]', '["numpy", "pandas"]'),
        ("pyproject.toml", "x = 1", "x = 2"),
    ],
)
def test_changed_requirements_bring_it_up_to_date(
    bootstrap: Any, steps: Steps, root: Path, file: str, old: str, new: str
) -> None:
    bootstrap.ensure_ready(str(root))
    steps.taken()
    edit(root / file, old, new)
    bootstrap.ensure_ready(str(root))
    assert steps.taken() == BROUGHT_UP_TO_DATE


def test_settings_of_linters_do_not_count(bootstrap: Any, steps: Steps, root: Path) -> None:
    bootstrap.ensure_ready(str(root))
    steps.taken()
    edit(root / "pyproject.toml", "line-length = 120", "line-length = 100")
    bootstrap.ensure_ready(str(root))
    assert steps.taken() == []


def test_another_python_makes_it_new(bootstrap: Any, steps: Steps, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bootstrap.ensure_ready(str(root))
    steps.taken()
    (root / ".venv" / "left-over").touch()
    monkeypatch.setattr(bootstrap, "base_executable", lambda: "/opt/python3.13")
    bootstrap.ensure_ready(str(root))
    assert steps.taken() == MADE_NEW
    assert not (root / ".venv" / "left-over").exists()


def test_a_python_that_is_gone_makes_it_new(bootstrap: Any, steps: Steps, root: Path) -> None:
    bootstrap.ensure_ready(str(root))
    steps.taken()
    Path(bootstrap.environment_python(str(root / ".venv"))).unlink()
    bootstrap.ensure_ready(str(root))
    assert steps.taken() == MADE_NEW


@pytest.mark.parametrize("step", MADE_NEW)
def test_a_run_that_was_killed_is_made_good(bootstrap: Any, steps: Steps, root: Path, step: str) -> None:
    steps.fail[step] = KeyboardInterrupt()
    assert bootstrap.main(["setup"]) == 130
    steps.taken()
    steps.fail.clear()
    assert bootstrap.main(["setup"]) == 0
    assert steps.taken() == MADE_NEW


def test_an_update_that_was_killed_is_made_good(bootstrap: Any, steps: Steps, root: Path) -> None:
    bootstrap.ensure_ready(str(root))
    edit(root / "requirements.lock", "2.4.6", "2.4.7")
    steps.fail["requirements.lock"] = KeyboardInterrupt()
    assert bootstrap.main(["setup"]) == 130
    edit(root / "requirements.lock", "2.4.7", "2.4.6")
    steps.fail.clear()
    steps.taken()
    bootstrap.ensure_ready(str(root))
    assert steps.taken() == MADE_NEW


def test_a_removal_that_was_killed_is_made_good(bootstrap: Any, steps: Steps, root: Path) -> None:
    (root / ".venv.old").mkdir()
    (root / ".venv.old" / "left-over").touch()
    bootstrap.ensure_ready(str(root))
    assert steps.taken() == MADE_NEW
    assert not (root / ".venv.old").exists()


def test_a_folder_of_someone_else_is_left_alone(
    bootstrap: Any, steps: Steps, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / ".venv").mkdir()
    (root / ".venv" / "pyvenv.cfg").touch()
    assert bootstrap.main(["setup"]) == 1
    assert steps.taken() == []
    assert [path.name for path in (root / ".venv").iterdir()] == ["pyvenv.cfg"]
    assert "was not made by this script and is left alone; move it away" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("present", "expected"),
    [
        ({"venv", "ensurepip", "virtualenv", "pip"}, ["venv"]),
        ({"venv", "virtualenv", "pip"}, ["virtualenv"]),
        ({"ensurepip", "pip"}, ["virtualenv.lock", "virtualenv"]),
        ({"pip"}, ["virtualenv.lock", "virtualenv"]),
    ],
)
def test_environment_is_made_by_the_first_way_there_is(
    bootstrap: Any, steps: Steps, root: Path, monkeypatch: pytest.MonkeyPatch, present: set[str], expected: list[str]
) -> None:
    monkeypatch.setattr(bootstrap, "has", present.__contains__)
    bootstrap.ensure_ready(str(root))
    assert steps.taken() == [*expected, *BROUGHT_UP_TO_DATE]


def test_a_package_file_that_does_not_compile_is_no_fault(bootstrap: Any, steps: Steps, root: Path) -> None:
    steps.fail["compileall"] = bootstrap.SetupError("a syntax error")
    bootstrap.ensure_ready(str(root))
    assert steps.taken() == MADE_NEW
    assert bootstrap.is_ready(str(root))


def test_a_way_that_fails_gives_way_to_the_next(bootstrap: Any, steps: Steps, root: Path) -> None:
    steps.fail["venv"] = bootstrap.SetupError("ensurepip is not available")
    bootstrap.ensure_ready(str(root))
    assert steps.taken() == ["venv", "virtualenv", *BROUGHT_UP_TO_DATE]


def test_without_any_way_one_sentence_says_what_to_install(
    bootstrap: Any, steps: Steps, root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bootstrap, "has", lambda name: False)
    assert bootstrap.main(["reproduce"]) == 1
    assert steps.taken() == []
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("set-up: this Python has neither ensurepip nor virtualenv nor pip; install one of them")


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        (
            ["ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device"],
            "the disk is full",
        ),
        (
            [
                "WARNING: Retrying (Retry(total=4)) after connection broken by 'NewConnectionError'",
                "ERROR: Could not find a version that satisfies the requirement x (from versions: none)",
                "ERROR: No matching distribution found for x",
            ],
            "pip cannot reach its package index; check the network",
        ),
        (["ERROR: No matching distribution found for x"], "pip finds no ready-made package for this Python"),
        (["ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE."], "a downloaded package is not"),
        (["[Errno 13] Permission denied: 'x'"], "a file of the project may not be written"),
        (["ERROR: something new", "  and its trace", ""], "a step failed (ERROR: something new)"),
        (["Segmentation fault"], "a step failed (Segmentation fault)"),
        ([], "a step failed (no output)"),
    ],
)
def test_a_failed_step_is_explained_in_one_sentence(bootstrap: Any, output: list[str], reason: str) -> None:
    sentence = bootstrap.explain(output)
    assert sentence.startswith(reason)
    assert sentence.endswith("then type the same command again")
    assert "\n" not in sentence


def test_a_failing_command_stops_with_its_reason(bootstrap: Any, root: Path) -> None:
    program = "import sys; print('ERROR: No space left on device'); sys.exit(3)"
    with pytest.raises(bootstrap.SetupError, match="the disk is full"):
        bootstrap.run_step([sys.executable, "-c", program], root=str(root))


def test_progress_of_pip_is_counted(bootstrap: Any, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = "print('Collecting x\\n' * 50 + 'Installing collected packages: x')"
    bootstrap.run_step([sys.executable, "-c", program], root=str(root), expected=60)
    assert capsys.readouterr().err.splitlines() == [
        "set-up:   25 of about 60 packages found",
        "set-up:   50 of about 60 packages found",
        "set-up:   all packages found; unpacking them",
    ]


def test_other_packages_do_not_leak_in(bootstrap: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    monkeypatch.setenv("PIP_USER", "1")
    assert not {"PYTHONPATH", "PIP_USER"} & set(bootstrap.clean_variables())


def test_a_full_disk_is_one_sentence(
    bootstrap: Any, root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(bootstrap, "start_folder", fail)
    assert bootstrap.main(["test"]) == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith("set-up: the disk is full; make room")


@pytest.mark.skipif(os.name == "nt", reason="turns are taken by a lock that Windows does not have")
def test_two_runs_take_turns(bootstrap: Any, steps: Steps, root: Path) -> None:
    program = (
        f"import runpy, sys\nmodule = runpy.run_path({str(BOOTSTRAP)!r})\nprint('waiting', flush=True)\n"
        f"module['ensure_ready']({str(root)!r})\nprint('finds it ready')"
    )
    arguments = [sys.executable, "-c", program]
    other: list[subprocess.Popen[str]] = []

    def start_other(name: str) -> bool:
        if not other:
            other.append(subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
            assert other[0].stdout is not None
            other[0].stdout.readline()
        return True

    bootstrap.has = start_other
    bootstrap.ensure_ready(str(root))
    output, errors = other[0].communicate(timeout=60)
    assert (output, other[0].returncode) == ("finds it ready\n", 0)
    assert errors in ("", "set-up: another set-up is at work in this folder; waiting for it\n")


def test_an_unknown_command_names_the_known_ones(bootstrap: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert bootstrap.main(["reproduec"]) == 2
    assert "no command 'reproduec'; type one of setup, reproduce, test, check, lab" in capsys.readouterr().err


def test_every_part_of_a_command_runs_and_the_worst_exit_code_counts(
    bootstrap: Any, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "environment_python", lambda folder: sys.executable)
    note = "import sys; open('seen', 'a').write(sys.argv[1]); sys.exit(int(sys.argv[1]))"
    monkeypatch.setitem(bootstrap.COMMANDS, "check", (("-c", note, "0"), ("-c", note, "4"), ("-c", note, "1")))
    monkeypatch.chdir(root)
    assert bootstrap.run_command(str(root), "check", []) == 4
    assert (root / "seen").read_text(encoding="utf-8") == "041"


@pytest.mark.skipif(os.name == "nt", reason="a command is a child process on Windows")
def test_a_single_command_takes_over_the_process(bootstrap: Any, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[Any, ...]] = []

    def take_over(*arguments: Any) -> None:
        calls.append(arguments)
        raise SystemExit

    monkeypatch.setattr(os, "execve", take_over)
    monkeypatch.chdir(root)
    with pytest.raises(SystemExit):
        bootstrap.run_command(str(root), "test", ["-k", "cox"])
    ((python, arguments, variables),) = calls
    assert arguments == [python, "-m", "pytest", "--cov", "-k", "cox"]
    assert variables["PATH"].split(os.pathsep)[0] == str(Path(python).parent)


def test_an_old_python_is_told_so_before_anything_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 18))
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(BOOTSTRAP))
    assert stop.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("set-up: this is Python 3.9 and fbss_analytics needs 3.11 or newer; install one")


def test_old_pythons_can_read_it() -> None:
    ast.parse(BOOTSTRAP.read_text(encoding="utf-8"), feature_version=(3, 7))


def test_nothing_to_do_loads_next_to_nothing(bootstrap: Any, steps: Steps, root: Path) -> None:
    bootstrap.ensure_ready(str(root))
    program = (
        "import runpy, sys\n"
        f"module = runpy.run_path({str(BOOTSTRAP)!r})\n"
        f"assert module['is_ready']({str(root)!r})\n"
        "print(*({'subprocess', 'shutil', 'tempfile', 'argparse', 'json', 'venv'} & set(sys.modules)))"
    )
    # -S -E: what the environment's own start-up files load is not the script's doing.
    result = subprocess.run([sys.executable, "-S", "-E", "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == ""
