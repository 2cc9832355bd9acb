"""Measuring one contender in a process of its own, and printing what was measured."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

Measured = dict[str, Any]


def peak_mib() -> float:
    """Return the most memory (MiB) this process has held."""
    status = Path("/proc/self/status")
    if status.exists():
        # Linux hands a child the peak of the parent that started it (ru_maxrss), but not this figure.
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024**2 if sys.platform == "darwin" else 1024)


def timed(call: Callable[[], Any]) -> tuple[Any, Measured]:
    """Return what a call returns, its seconds, and those of all processors together, which other work alters less."""
    begin, cpu = time.perf_counter(), time.process_time()
    result = call()
    return result, {"seconds": time.perf_counter() - begin, "cpu_seconds": time.process_time() - cpu}


def in_own_process(command: Sequence[str]) -> Measured:
    """Run a command that prints one JSON object last, and return it; ``failed`` holds the last line of an error."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"failed": (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]}
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def median_of(runs: Sequence[Measured]) -> Measured:
    """Return one measurement of several: the median of seconds, the largest peak, all seconds beside them."""
    failed = [run for run in runs if "failed" in run]
    if failed:
        return failed[0]
    times = {key: statistics.median(run[key] for run in runs) for key in runs[0] if "seconds" in key}
    peak = {"peak_mib": max(run["peak_mib"] for run in runs)} if "peak_mib" in runs[0] else {}
    return runs[0] | times | peak | {"runs": [run["seconds"] for run in runs]}


def load() -> str:
    """Return how busy the machine is, so that a figure taken beside other work is not taken for more than it is."""
    cores = os.cpu_count() or 1
    if not hasattr(os, "getloadavg"):
        return f"{cores} cores"
    return f"{cores} cores, load {os.getloadavg()[0]:.1f} in the last minute"


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """Print rows in columns, the first row as the head."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for number, row in enumerate(rows):
        first, *others = (
            cell.ljust(width) if k == 0 else cell.rjust(width)
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        print("  ".join([first, *others]).rstrip())
        if number == 0:
            print("  ".join("-" * width for width in widths))
