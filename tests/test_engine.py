"""Runs of patients: cut between patients, worked on in threads, given back in order, bounded in number."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fbss_analytics import engine
from fbss_analytics.engine import default_threads, file_runs, in_order, table_runs
from fbss_analytics.errors import DataError, InputError

Refused = Callable[..., None]


def rows_of(sizes: list[int]) -> pa.Table:
    """Return a table in which patient i has so many rows, numbered."""
    ids = [f"p{i:04d}" for i, size in enumerate(sizes) for _ in range(size)]
    return pa.table({"patient_id": ids, "number": pa.array(range(len(ids)), pa.int32())})


def numbers(table: pa.Table) -> list[int]:
    return table["number"].to_pylist()


@pytest.mark.parametrize("rows_per_run", [1, 3, 10, 1000])
@pytest.mark.parametrize("sizes", [[1], [5, 1, 1, 7, 300, 2], [3] * 40, [200]])
def test_runs_of_a_table_hold_whole_patients_in_order(sizes: list[int], rows_per_run: int) -> None:
    table = rows_of(sizes)
    parts = [run() for run in table_runs(table, rows_per_run=rows_per_run)]
    assert [n for part in parts for n in numbers(part)] == list(range(sum(sizes)))
    owners = [set(part["patient_id"].to_pylist()) for part in parts]
    assert sum(map(len, owners)) == len(sizes)
    # A run is no longer than it has to be: without its last patient it falls short of what it aims at.
    for part in parts[:-1]:
        ids = part["patient_id"].to_pylist()
        assert len(ids) >= rows_per_run > ids.index(ids[-1])


def test_a_table_without_rows_has_no_run() -> None:
    assert table_runs(rows_of([])) == []


def write(table: pa.Table, file: Path, cuts: list[int], **options: Any) -> Path:
    with pq.ParquetWriter(file, table.schema, **options) as writer:
        for start, stop in zip([0, *cuts], [*cuts, len(table)], strict=True):
            writer.write_table(table.slice(start, stop - start))
    return file


@pytest.mark.parametrize(
    ("cuts", "rows_per_run", "expected"),
    [
        ([4, 8], 1, [4, 4, 4]),
        ([4, 8], 8, [8, 4]),
        ([4, 8], 100, [12]),
        ([4, 6], 1, [4, 8]),  # The patient of rows 4 to 7 is in two row groups.
        ([4, 4, 8], 1, [4, 4, 4]),  # A row group without rows.
    ],
)
def test_row_groups_are_joined_where_small_and_where_they_share_a_patient(
    tmp_path: Path, cuts: list[int], rows_per_run: int, expected: list[int]
) -> None:
    file = write(rows_of([4, 4, 4]), tmp_path / "x.parquet", cuts)
    runs = file_runs(file, ["patient_id", "number"], rows_per_run=rows_per_run)
    parts = [run() for run in runs]
    assert [len(part) for part in parts] == expected
    assert [n for part in parts for n in numbers(part)] == list(range(12))
    assert pa.types.is_dictionary(parts[0]["patient_id"].type)


def test_row_groups_without_statistics_are_runs(tmp_path: Path) -> None:
    file = write(rows_of([4, 4, 4]), tmp_path / "x.parquet", [4, 6], write_statistics=False)
    assert [len(run()) for run in file_runs(file, ["number"], rows_per_run=1)] == [4, 2, 6]


def test_files_that_cannot_be_read_are_named(tmp_path: Path, refused: Refused) -> None:
    file = write(rows_of([4, 4]), tmp_path / "x.parquet", [4])
    refused(DataError, lambda: file_runs(file, ["patient_id", "route"]), "x.parquet has no column route")
    runs = file_runs(file, ["number"], rows_per_run=1)
    content = file.read_bytes()
    file.write_bytes(content[:4] + bytes(len(content) - 4))
    refused(DataError, runs[0], "x.parquet cannot be read as Parquet")
    refused(DataError, lambda: file_runs(file, ["number"]), "x.parquet cannot be read as Parquet")


def test_runs_do_not_read_before_they_are_called(tmp_path: Path) -> None:
    file = write(rows_of([4, 4]), tmp_path / "x.parquet", [4])
    runs = file_runs(file, ["number"], rows_per_run=1)
    file.unlink()
    with pytest.raises(DataError, match="cannot be read"):
        runs[0]()


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_results_come_in_order_whatever_the_threads(threads: int) -> None:
    runs = table_runs(rows_of([1] * 30), rows_per_run=1)

    def late_first(table: pa.Table) -> int:
        time.sleep(0.002 * (30 - numbers(table)[0]) / 30)
        return numbers(table)[0]

    assert list(in_order(late_first, runs, threads=threads)) == list(range(30))


def test_few_runs_are_in_flight() -> None:
    begun = threading.Semaphore(0)
    count = [0]

    def work(table: pa.Table) -> None:
        count[0] += 1
        begun.release()

    results = in_order(work, table_runs(rows_of([1] * 50), rows_per_run=1), threads=2)
    next(results)
    time.sleep(0.05)
    # Two threads: four runs are handed out before the first result is taken, none more until the next is asked for.
    assert count[0] == 4
    list(results)
    assert count[0] == 50


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_is_raised_in_its_turn_and_ends_the_work(threads: int) -> None:
    done: list[int] = []

    def work(table: pa.Table) -> int:
        if numbers(table)[0] == 7:
            raise DataError("the eighth run")
        return numbers(table)[0]

    results = in_order(work, table_runs(rows_of([1] * 500), rows_per_run=1), threads=threads)
    with pytest.raises(DataError, match="the eighth run"):
        done.extend(results)
    assert done == list(range(7))


def test_threads_are_one_or_more() -> None:
    assert default_threads() >= 1
    with pytest.raises(InputError, match="threads=0: expected a whole number, 1 or more"):
        in_order(len, [], threads=0)


class Terminal(io.StringIO):
    """A stderr that is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("terminal", "quiet_seconds", "what", "is_shown"),
    [(True, -1.0, "opioid exposure", True), (True, 60.0, "opioid exposure", False),
     (False, -1.0, "opioid exposure", False), (True, -1.0, "", False)],
)  # fmt: skip
def test_progress_is_shown_on_a_terminal_for_long_work(
    monkeypatch: pytest.MonkeyPatch, terminal: bool, quiet_seconds: float, what: str, is_shown: bool
) -> None:
    screen = Terminal() if terminal else io.StringIO()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setattr(engine, "QUIET_SECONDS", quiet_seconds)
    list(in_order(len, table_runs(rows_of([1] * 4), rows_per_run=1), threads=1, what=what))
    assert bool(screen.getvalue()) == is_shown
    if is_shown:
        assert screen.getvalue().endswith(f"opioid exposure [{'#' * 30}] 4/4\n")


def test_work_without_processors_to_ask_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("os.sched_getaffinity", raising=False)
    monkeypatch.setattr("os.cpu_count", lambda: None)
    assert default_threads() == 1
    assert np.isfinite(default_threads())
