"""Time the survival kernels beside their peers, in one run: ``python benchmarks/survival.py [--tasks cox ...]``.

Every contender runs in a process of its own on the same data, written once, and must reach the same numbers, else the
run stops. Printed: the median of several runs, the ratio to ours, and what the design asks for, by the clock; on a
busy machine the processors' seconds beside it say more. ``--json`` writes the same to a file. Peers that are not
installed are skipped, with a line that says so.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import survival_data

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Contender:
    """Who runs: ``language`` python or R; repeats; how near its numbers must be (``close``, relative to the largest).

    ``compared`` is the share of the numbers, from the first, that must agree: 0.5 for an engine whose standard errors
    are those of another estimator, 0 for another convention. ``like`` names whose numbers they are to be.
    """

    name: str
    language: str
    repeats: int
    close: float = 1e-6
    compared: float = 1.0
    like: str = "ours"


@dataclass(frozen=True)
class Task:
    """A line of the table: what is done, by whom (ours first), and the goals: a share of a peer's time, or seconds."""

    words: str
    contenders: tuple[Contender, ...]
    at_most_share: dict[str, float]
    at_most_seconds: float | None = None


@dataclass(frozen=True)
class Timing:
    """One contender's result."""

    task: str
    contender: str
    version: str
    seconds: float
    processor_seconds: float
    runs: int
    ratio_to_ours: float
    goal: str
    is_reached: bool | None


TASKS = {
    "cox": Task(
        "Cox model on arrays",
        (
            Contender("ours", "python", 5),
            Contender("coxph.fit", "R", 5),
            # lifelines stops at a step of 1e-7 or a relative gain of 1e-9 in likelihood; its coefficients are as near.
            Contender("lifelines", "python", 3, close=1e-4),
            Contender("coxph", "R", 2),
        ),
        {"coxph.fit": 1.5, "lifelines": 0.6},
    ),
    "bootstrap": Task(
        "bootstrap refits of a Cox model",
        (
            Contender("ours", "python", 5),
            Contender("coxph.fit", "R", 5),
            Contender("coxph", "R", 2),
            Contender("lifelines", "python", 1, close=1e-4),
        ),
        {"coxph.fit": 0.7},
    ),
    "fine_gray": Task(
        "Fine-Gray with robust standard errors",
        (
            Contender("ours", "python", 5),
            # Its standard errors take the weights as known.
            Contender("finegray", "R", 1, compared=0.5),
            Contender("ours, ties as crr", "python", 5, compared=0.0),
            # It stops at a gradient of 1e-6.
            Contender("crr", "R", 1, close=1e-4, like="ours, ties as crr"),
        ),
        {},
        0.05,
    ),
    "aalen_johansen": Task(
        "Aalen-Johansen with standard errors",
        (
            Contender("ours", "python", 7),
            # Its standard errors are those of Dinse and Larson.
            Contender("statsmodels", "python", 7, compared=0.5),
            Contender("survfit", "R", 2),
        ),
        {},
        0.01,
    ),
}


def run_contender(task: str, contender: Contender, folder: Path) -> dict[str, Any]:
    """Run one contender in a process of its own and return what it prints."""
    if contender.language == "R":
        found = shutil.which("Rscript")
        if found is None:
            return {"absent": "R is not installed"}
        command = [found, str(HERE / "survival.R")]
    else:
        command = [sys.executable, str(HERE / "survival_contenders.py")]
    command += [task, contender.name, str(folder), str(contender.repeats)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{contender.name} failed at {task}:\n{done.stderr}")
    result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def check_same(ours: list[float], theirs: list[float], contender: Contender, task: str) -> None:
    """Stop when a contender's numbers are not ours."""
    first = round(len(ours) * contender.compared)
    a, b = np.array(ours[:first]), np.array(theirs[:first])
    room = contender.close * np.abs(a).max(initial=0.0)
    if len(ours) != len(theirs) or not np.allclose(a, b, rtol=contender.close, atol=room):
        raise RuntimeError(
            f"{contender.name} does not agree with ours at {task}: largest difference {np.abs(a - b).max()}"
        )


def run_task(name: str, size: dict[str, int], folder: Path, *, seed: int) -> list[Timing]:
    """Time all contenders of a task, ours first."""
    task, rows = TASKS[name], []
    survival_data.write(folder, survival_data.make(name, size, seed=seed))
    results: dict[str, dict[str, Any]] = {}
    for contender in task.contenders:
        result = run_contender(name, contender, folder)
        if "absent" in result:
            print(f"{name}: {contender.name} skipped ({result['absent']})", file=sys.stderr)
            continue
        results[contender.name] = result
        check_same(results[contender.like]["numbers"], result["numbers"], contender, name)
        rows.append(_timing(name, task, contender, result, statistics.median(results["ours"]["seconds"])))
        print(f"{name}: {contender.name} {rows[-1].seconds:.4g} s", file=sys.stderr)
    return rows


def _timing(name: str, task: Task, contender: Contender, result: dict[str, Any], ours: float) -> Timing:
    """Return a line of the table, with the goal that this contender sets."""
    seconds = statistics.median(result["seconds"])
    goal, reached = "", None
    if contender.name in task.at_most_share:
        share = task.at_most_share[contender.name]
        goal, reached = f"ours <= {share:g} x", ours <= share * seconds
    elif contender.name == "ours" and task.at_most_seconds is not None:
        goal, reached = f"<= {task.at_most_seconds:g} s", seconds <= task.at_most_seconds
    processor, runs = statistics.median(result["processor_seconds"]), len(result["seconds"])
    return Timing(name, contender.name, result["version"], seconds, processor, runs, seconds / ours, goal, reached)


def as_table(rows: list[Timing], sizes: dict[str, dict[str, int]]) -> str:
    """Return the timings as a Markdown table."""
    lines = [
        "| task | contender | seconds | of processors | times ours | goal | reached |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        size = ", ".join(f"{key} = {value:,}" for key, value in sizes[row.task].items() if value)
        what = f"{TASKS[row.task].words}, {size}"
        reached = {None: "", True: "yes", False: "no"}[row.is_reached]
        who = f"{row.contender} ({row.version})"
        times = f"{row.seconds:.4g} | {row.processor_seconds:.4g} | {row.ratio_to_ours:.3g}"
        lines.append(f"| {what} | {who} | {times} | {row.goal} | {reached} |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> list[Timing]:
    """Run the tasks asked for, print the table, and write it where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", nargs="+", choices=list(TASKS), default=list(TASKS))
    parser.add_argument(
        "--rows", type=int, help="rows of every task, for a trial run; the design's sizes when left out"
    )
    parser.add_argument("--seed", type=int, default=20261120)
    parser.add_argument("--json", type=Path, help="file to write the timings to")
    asked = parser.parse_args(arguments)
    sizes = {name: survival_data.SIZES[name] | ({"n": asked.rows} if asked.rows else {}) for name in asked.tasks}
    load = os.getloadavg()
    rows: list[Timing] = []
    with tempfile.TemporaryDirectory() as folder:
        for name in asked.tasks:
            rows += run_task(name, sizes[name], Path(folder) / name, seed=asked.seed)
    print(as_table(rows, sizes))
    print(f"\n{os.cpu_count()} processors; load {load[0]:.1f} before, {os.getloadavg()[0]:.1f} after.")
    if asked.json:
        about = {
            "sizes": sizes,
            "seed": asked.seed,
            "processors": os.cpu_count(),
            "load": [load[0], os.getloadavg()[0]],
        }
        asked.json.write_text(json.dumps(about | {"timings": [asdict(row) for row in rows]}, indent=2) + "\n")
    return rows


if __name__ == "__main__":
    main()
