"""Simulate a large cohort to a folder, measure it, and scan every row for hard rules: `python benchmarks/simulate.py`.

Simulation and scan run in processes of their own, so that each has its own peak of memory. The time is that of
`simulate(..., folder=...)` from the call to the finished folder, read back by its hashes; a warm-up on 50 patients
comes before it, so that compiling is not counted. The run fails where a rule is broken once.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from hard_rules import scan
from measuring import Measured, in_own_process, load, peak_mib, print_table, timed

import fbss_analytics as fbss

SCENARIOS = ("neuromodulation", "surgical")
WARM_PATIENTS = 50


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and scan what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, default=1_000_000, help="patients of each cohort (1_000_000)")
    parser.add_argument("--scenario", choices=SCENARIOS, help="one scenario; all when not given")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, help="threads; as many as processors when not given")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "fbss_benchmarks" / "simulated")
    parser.add_argument("--keep", action="store_true", help="leave the cohorts where they were written")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument("--child", choices=("simulate", "scan"), help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if asked.child:
        print(json.dumps(run_here(asked)))
        return
    figures = {name: measured(name, asked) for name in ([asked.scenario] if asked.scenario else SCENARIOS)}
    if asked.json:
        asked.json.write_text(json.dumps(figures | {"load": load()}, indent=1) + "\n", encoding="utf-8")
    if any("failed" in each or each["broken"] for each in figures.values()):
        sys.exit("A run failed or a hard rule is broken; see above.")


def run_here(asked: argparse.Namespace) -> Measured:
    """Simulate or scan one cohort in this process."""
    folder = asked.folder / asked.scenario
    if asked.child == "scan":
        found, times = timed(lambda: scan(folder))
        return times | {"peak_mib": peak_mib(), "violations": found}
    fbss.simulate(asked.scenario, n_patients=WARM_PATIENTS, seed=asked.seed)
    wanted = {"n_patients": asked.patients, "seed": asked.seed, "threads": asked.threads}
    source, times = timed(lambda: fbss.simulate(asked.scenario, folder=folder, **wanted))
    size = sum(file.stat().st_size for file in folder.iterdir())
    return times | {"peak_mib": peak_mib(), "rows": dict(source.counts), "mib": size / 1024**2}


def measured(scenario: str, asked: argparse.Namespace) -> Measured:
    """Simulate and scan one scenario, each in a process of its own, and print what was found."""
    print(f"\n{scenario}, {asked.patients:,} patients, seed {asked.seed}; {load()}")
    made = child("simulate", scenario, asked)
    if "failed" in made:
        print(made["failed"])
        return made
    scanned = child("scan", scenario, asked)
    if not asked.keep:
        shutil.rmtree(asked.folder / scenario)
    if "failed" in scanned:
        print(scanned["failed"])
        return scanned
    print_table([["", "seconds", "CPU seconds", "peak MiB"], line("simulated", made), line("scanned", scanned)])
    rows = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in made["rows"].items())
    print(f"\n{made['mib']:,.0f} MiB on disk: {rows}.\n")
    found = scanned.pop("violations")
    print_table([["rule", "violations"], *([rule, f"{count:,}"] for rule, count in found.items())])
    return {"simulated": made, "scanned": scanned, "rules": len(found), "broken": {k: n for k, n in found.items() if n}}


def child(task: str, scenario: str, asked: argparse.Namespace) -> Measured:
    """Run a task on a scenario in a process of its own."""
    options = {"patients": asked.patients, "seed": asked.seed, "folder": asked.folder, "scenario": scenario}
    options |= {"child": task} | ({"threads": asked.threads} if asked.threads else {})
    given = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    return in_own_process([sys.executable, __file__, *given])


def line(name: str, figures: Measured) -> list[str]:
    """Return a line of the table."""
    return [name, *(f"{figures[key]:,.1f}" for key in ("seconds", "cpu_seconds")), f"{figures['peak_mib']:,.0f}"]


if __name__ == "__main__":
    main()
