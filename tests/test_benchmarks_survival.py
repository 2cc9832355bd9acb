"""The contenders of ``benchmarks/survival.py`` reach the same numbers on small data; nothing here is timed."""

from __future__ import annotations

import importlib
import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def survival() -> Any:
    """The benchmark, imported from its own folder."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        contenders, data = (importlib.import_module(f"survival_{part}") for part in ("contenders", "data"))
        # Its file has the name of a package that the tests use.
        spec = importlib.util.spec_from_file_location("benchmark_survival", BENCHMARKS / "survival.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(BENCHMARKS))
    module.contenders, module.data = contenders.CONTENDERS, data
    return module


def small(survival: Any, task: str) -> dict[str, int]:
    return {**survival.data.SIZES[task], "n": 300, **({"samples": 4} if task == "bootstrap" else {})}


@pytest.mark.parametrize("task", ["cox", "bootstrap", "fine_gray", "aalen_johansen"])
@pytest.mark.filterwarnings("ignore::Warning")
def test_python_contenders_agree(survival: Any, task: str, tmp_path: Path) -> None:
    survival.data.write(tmp_path, survival.data.make(task, small(survival, task), seed=1))
    numbers = {
        name: prepare(survival.data.read(tmp_path))() for name, (_, prepare) in survival.contenders[task].items()
    }
    for contender in survival.TASKS[task].contenders:
        if contender.language == "python":
            survival.check_same(list(numbers[contender.like]), list(numbers[contender.name]), contender, task)
    assert {c.name for c in survival.TASKS[task].contenders if c.language == "python"} == set(numbers)


@pytest.mark.parametrize("task", ["cox", "bootstrap", "fine_gray", "aalen_johansen"])
def test_r_contenders_agree(survival: Any, task: str, tmp_path: Path) -> None:
    if shutil.which("Rscript") is None:
        pytest.skip("R is not installed")
    survival.data.write(tmp_path, survival.data.make(task, small(survival, task), seed=1))
    for contender in survival.TASKS[task].contenders:
        if contender.language == "R":
            _, prepare = survival.contenders[task][contender.like]
            ours = list(prepare(survival.data.read(tmp_path))())
            result = survival.run_contender(task, contender, tmp_path)
            if "absent" in result:
                pytest.skip(result["absent"])
            survival.check_same(ours, result["numbers"], contender, task)


def test_data_are_written_as_they_are_read(survival: Any, tmp_path: Path) -> None:
    made = survival.data.make("bootstrap", small(survival, "bootstrap"), seed=1)
    survival.data.write(tmp_path, made)
    found = survival.data.read(tmp_path)
    assert all(np.array_equal(found[name], values) for name, values in made.items())
    assert made["counts"].sum(axis=1).tolist() == [300.0] * 4
    assert (made["time"] % 1 == 0).all()


def test_other_numbers_stop_the_run(survival: Any) -> None:
    near = survival.Contender("other", "python", 1)
    survival.check_same([1.0, 2.0], [1.0, 2.0 + 1e-7], near, "cox")
    with pytest.raises(RuntimeError, match="other does not agree with ours at cox"):
        survival.check_same([1.0, 2.0], [1.0, 2.1], near, "cox")
    survival.check_same([1.0, 2.0], [1.0, 9.0], survival.Contender("other", "python", 1, compared=0.5), "cox")


def test_a_contender_that_is_not_there_says_so(survival: Any, tmp_path: Path) -> None:
    survival.data.write(tmp_path, survival.data.make("cox", small(survival, "cox"), seed=1))
    hidden = "import sys; sys.modules['lifelines'] = None; import survival_contenders as s; s.main(*sys.argv[1:])"
    done = subprocess.run(
        [sys.executable, "-c", hidden, "cox", "lifelines", str(tmp_path), "1"],
        capture_output=True, text=True, cwd=BENCHMARKS, check=True,
    )  # fmt: skip
    assert "absent" in json.loads(done.stdout.splitlines()[-1])


def test_the_table_says_who_reached_what(survival: Any) -> None:
    task, contender = survival.TASKS["fine_gray"], survival.Contender("ours", "python", 3)
    row = survival._timing(
        "fine_gray", task, contender, {"seconds": [0.03, 0.02, 0.04], "processor_seconds": [0.05], "version": "1"}, 0.03
    )
    assert (row.seconds, row.goal, row.is_reached) == (0.03, "<= 0.05 s", True)
    assert "| 0.03 | 0.05 | 1 | <= 0.05 s | yes |" in survival.as_table([row], {"fine_gray": {"n": 20_000, "p": 12}})
    peer = survival.Contender("lifelines", "python", 3)
    row = survival._timing(
        "cox", survival.TASKS["cox"], peer, {"seconds": [2.0], "processor_seconds": [2.0], "version": "1"}, 1.3
    )
    assert (row.goal, row.is_reached) == ("ours <= 0.6 x", False)
