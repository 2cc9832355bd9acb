"""Work per patient on runs of patients: cut at patient boundaries, in threads, in bounded memory, in patient order.

A run is a function without arguments that reads its rows when it is called, so that a run not yet begun takes no
memory. The work done on a run is a pure function that knows nothing of this module; numba kernels, Arrow and Parquet
let go of the interpreter lock, so that threads are enough.
"""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from .errors import DataError, InputError

R = TypeVar("R")
Run = Callable[[], pa.Table]
ROWS_PER_RUN = 131_072
"""Rows a run aims at; it ends with the next patient."""
QUIET_SECONDS = 2.0
"""Work shorter than this shows no progress."""
_BAR = 30


def default_threads() -> int:
    """Return the number of processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_order(
    work: Callable[[pa.Table], R], runs: Sequence[Run], *, threads: int | None = None, what: str = ""
) -> Iterator[R]:
    """Yield what ``work`` makes of each run, in the order of the runs, whatever the number of threads.

    At most twice as many runs as threads are begun or waiting to be taken, which bounds the memory. Where a run fails,
    its error is raised when its turn comes and the runs after it are not begun. ``what`` names long work in the bar of
    progress, which is drawn on stderr where that is a terminal.
    """
    threads = default_threads() if threads is None else threads
    if threads < 1:
        raise InputError(f"threads={threads}: expected 1 or more.")
    results = (work(run()) for run in runs) if threads == 1 else _in_threads(work, runs, threads)
    return _with_progress(results, len(runs), what)


def _in_threads(work: Callable[[pa.Table], R], runs: Sequence[Run], threads: int) -> Iterator[R]:
    waiting: deque[Future[R]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for run in runs:
                waiting.append(pool.submit(_one, work, run))
                if len(waiting) == 2 * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for each in waiting:
                each.cancel()


def _one(work: Callable[[pa.Table], R], run: Run) -> R:
    return work(run())


def _with_progress(results: Iterator[R], total: int, what: str) -> Iterator[R]:
    begun, shown = time.monotonic(), False
    for done, result in enumerate(results, start=1):
        if what and sys.stderr.isatty() and time.monotonic() - begun > QUIET_SECONDS:
            full = _BAR * done // total
            sys.stderr.write(f"\r{what} [{'#' * full}{'.' * (_BAR - full)}] {done}/{total}")
            sys.stderr.flush()
            shown = True
        yield result
    if shown:
        sys.stderr.write("\n")


def table_runs(table: pa.Table, *, rows_per_run: int = ROWS_PER_RUN) -> list[Run]:
    """Return runs of a table sorted by ``patient_id``."""
    return [
        partial(table.slice, start, stop - start) for start, stop in pairwise(_cuts(table["patient_id"], rows_per_run))
    ]


def _cuts(patient_id: pa.ChunkedArray, rows_per_run: int) -> list[int]:
    """Return where runs begin, and the number of rows; a patient's rows stay together."""
    rows = len(patient_id)
    cuts = [0]
    while cuts[-1] < rows:
        cut = min(cuts[-1] + rows_per_run, rows)
        patient = patient_id[cut - 1]
        # The patient at the cut is followed to the last row, in steps that grow.
        step = 64
        while cut < rows and patient_id[cut] == patient:
            reach = min(cut + step, rows)
            same = (patient_id.slice(cut, reach - cut).to_numpy() == patient.as_py()).tolist()
            cut += same.index(False) if False in same else len(same)
            step *= 2
        cuts.append(cut)
    return cuts


def file_runs(
    file: Path, columns: Sequence[str], *, words: Collection[str] = (), rows_per_run: int = ROWS_PER_RUN
) -> list[Run]:
    """Return runs of the Parquet file of a table sorted by ``patient_id``: row groups, joined where they are small.

    Columns of ``words`` are read as dictionaries, and so is ``patient_id``. Row groups that share a patient are one
    run.
    """
    try:
        metadata = pq.read_metadata(file)
    except (pa.ArrowException, OSError):
        raise DataError(_damaged(file)) from None
    absent = [name for name in columns if name not in metadata.schema.names]
    if absent:
        raise DataError(f"{file.name} has no column {' and '.join(absent)}; write the cohort folder again.")
    encoded = [name for name in columns if name == "patient_id" or name in words]
    return [
        partial(_read_groups, file, metadata, groups, list(columns), encoded)
        for groups in _joined(metadata, rows_per_run)
    ]


def _joined(metadata: pq.FileMetaData, rows_per_run: int) -> list[list[int]]:
    place = metadata.schema.names.index("patient_id")
    runs: list[list[int]] = []
    rows, last = 0, None
    for group in range(metadata.num_row_groups):
        each = metadata.row_group(group)
        if each.num_rows == 0:
            continue
        known = each.column(place).statistics
        first = known.min if known is not None and known.has_min_max else None
        if runs and (rows + each.num_rows <= rows_per_run or (first is not None and first == last)):
            runs[-1].append(group)
            rows += each.num_rows
        else:
            runs.append([group])
            rows = each.num_rows
        last = known.max if first is not None else None
    return runs


def _read_groups(
    file: Path, metadata: pq.FileMetaData, groups: list[int], columns: list[str], encoded: list[str]
) -> pa.Table:
    try:
        # Each run opens the file for itself: a reader serves one thread only.
        with pq.ParquetFile(file, metadata=metadata, read_dictionary=encoded, memory_map=True) as content:
            return content.read_row_groups(groups, columns=columns, use_threads=False)
    except (pa.ArrowException, OSError):
        raise DataError(_damaged(file)) from None


def _damaged(file: Path) -> str:
    return f"{file.name} cannot be read as Parquet: it is truncated or damaged. Write or copy it again."
