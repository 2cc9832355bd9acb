"""A cohort simulated to a folder part by part: the same bytes in any parts and threads, whole or not at all."""

from __future__ import annotations

import filecmp
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path

import numba
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fbss_analytics import engine
from fbss_analytics.compiled import compiled
from fbss_analytics.errors import InputError
from fbss_analytics.sources import appending, schema
from fbss_analytics.sources.files import patient_groups, read_tables
from fbss_analytics.sources.source import Source
from fbss_analytics.sources.synthetic import assemble, simulate
from fbss_analytics.sources.synthetic.rows import ordered

COMMITTED = Path(__file__).parents[1] / "data" / "synthetic"
FAR = 400_000
"""Patients whose simulation takes far longer than a test waits before it stops it."""


def assert_same_files(one: Path, other: Path) -> None:
    """Both folders hold the same files, byte for byte."""
    names = sorted(file.name for file in one.iterdir())
    assert names == sorted(file.name for file in other.iterdir())
    assert filecmp.cmpfiles(one, other, names, shallow=False)[1:] == ([], [])


def assert_nothing_left(folder: Path) -> None:
    """Neither the folder nor a draft of it is there."""
    assert list(folder.parent.iterdir()) == []


# The same bytes


@pytest.mark.skipif(not COMMITTED.exists(), reason="the committed cohorts stand in the repository only")
@pytest.mark.parametrize("scenario", ["neuromodulation", "surgical"])
def test_the_committed_cohorts_are_made_again_to_the_same_bytes(scenario, tmp_path):
    committed = COMMITTED / scenario
    made = json.loads((committed / "source.json").read_text(encoding="utf-8"))
    source = simulate(scenario, n_patients=made["n_patients"], seed=made["seed"], folder=tmp_path / "cohort")
    if pq.read_metadata(committed / "patients.parquet").created_by == f"parquet-cpp-arrow version {pa.__version__}":
        assert_same_files(committed, tmp_path / "cohort")
    else:  # another writer may compress otherwise; the rows are the same
        theirs = read_tables(committed)
        assert all(source.tables[name].equals(theirs.tables[name]) for name in schema.TABLES)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """A cohort with several row groups, made in memory in one part and written at once."""
    return simulate("neuromodulation", n_patients=4000, seed=8).to_folder(tmp_path_factory.mktemp("whole") / "cohort")


@pytest.mark.parametrize(("at_a_time", "threads"), [(25_000, None), (25_000, 3), (1777, 1), (900, 2), (333, 4)])
def test_parts_and_threads_do_not_change_a_byte(whole, tmp_path, monkeypatch, at_a_time, threads):
    assert pq.read_metadata(whole / "dispensings.parquet").num_row_groups > 2
    monkeypatch.setattr(assemble, "_AT_A_TIME", at_a_time)
    simulate("neuromodulation", n_patients=4000, seed=8, folder=tmp_path / "cohort", threads=threads)
    assert_same_files(whole, tmp_path / "cohort")


def test_threads_do_not_change_a_table_in_memory(monkeypatch):
    one = simulate("surgical", n_patients=300, seed=2)
    monkeypatch.setattr(assemble, "_AT_A_TIME", 40)
    other = simulate("surgical", n_patients=300, seed=2, threads=3)
    assert all(other.tables[name].equals(one.tables[name]) for name in schema.TABLES)


def test_tables_without_a_row_are_written_the_same(tmp_path):
    simulate("neuromodulation", n_patients=1, seed=1).to_folder(tmp_path / "whole")
    streamed = simulate("neuromodulation", n_patients=1, seed=1, folder=tmp_path / "streamed")
    assert streamed.counts["intrathecal_doses"] == 0
    assert_same_files(tmp_path / "whole", tmp_path / "streamed")


def test_one_patient_on_the_way_is_the_patient_of_a_large_cohort(whole):
    rows = read_tables(whole).tables["dispensings"]
    alone = assemble.simulate_tables(assemble.load_parameters("neuromodulation"), np.array([3210]), seed=8)
    same = rows.filter(pa.compute.equal(rows["patient_id"], "S0003210"))
    assert alone["dispensings"].equals(same.combine_chunks())


@settings(max_examples=40, deadline=None)
@given(
    fills=st.lists(st.integers(min_value=1, max_value=30), min_size=1, max_size=25),
    ends=st.sets(st.integers(min_value=1, max_value=24), max_size=8),
)
def test_row_groups_do_not_depend_on_where_runs_end(tmp_path_factory, fills, ends):
    patients = [f"S{number:07d}" for number in range(len(fills))]
    stops = [0, *sorted(end for end in ends if end < len(fills)), len(fills)]
    whole = _attributes([patient for patient, n in zip(patients, fills, strict=True) for _ in range(n)])
    first = np.append(0, np.cumsum(fills))
    runs = [{"attributes": whole.slice(first[a], first[b] - first[a])} for a, b in pairwise(stops)]
    folder = tmp_path_factory.mktemp("runs") / "cohort"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(appending, "patient_groups", partial(patient_groups, rows_per_group=20))
        appending.write_runs(runs, Source("runs", {}, {}, provenance={"kind": "simulated"}), folder)
    written = pq.ParquetFile(folder / "attributes.parquet")
    groups = [written.metadata.row_group(k).num_rows for k in range(written.num_row_groups)]
    assert groups == [stop - start for start, stop in patient_groups(whole["patient_id"], 20)]
    assert written.read()["patient_id"].equals(whole["patient_id"])


def _attributes(patient_id: list[str]) -> pa.Table:
    definition = schema.table("attributes")
    columns = {"patient_id": patient_id, "attribute": ["centre"] * len(patient_id)}
    arrays = [
        pa.array(columns[each.name], each.arrow_type.value_type).dictionary_encode().cast(each.arrow_type)
        if each.name in columns and each.kind == "word"
        else pa.array(columns.get(each.name, [None] * len(patient_id)), each.arrow_type)
        for each in definition
    ]
    return pa.table(arrays, schema=definition.arrow_schema)


# Whole or not at all


def test_a_part_that_fails_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(assemble, "_AT_A_TIME", 10)
    monkeypatch.setattr(assemble, "simulate_tables", _failing(MemoryError("no memory is left")))
    with pytest.raises(MemoryError, match="no memory"):
        simulate("neuromodulation", n_patients=100, seed=1, folder=tmp_path / "cohort", threads=2)
    assert_nothing_left(tmp_path / "cohort")


def test_a_part_that_fails_leaves_the_earlier_cohort_as_it_was(tmp_path, monkeypatch):
    folder = simulate("neuromodulation", n_patients=10, seed=1).to_folder(tmp_path / "cohort")
    monkeypatch.setattr(assemble, "_AT_A_TIME", 10)
    monkeypatch.setattr(assemble, "simulate_tables", _failing(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        simulate("neuromodulation", n_patients=100, seed=2, folder=folder, threads=2)
    assert [file.name for file in tmp_path.iterdir()] == ["cohort"]
    assert read_tables(folder).provenance["seed"] == 1


def _failing(fault: BaseException):
    """Return a `simulate_tables` that fails from the fourth part on."""
    honest = assemble.simulate_tables

    def make(parameters, numbers, *, seed):
        if numbers[0] > 30:
            raise fault
        return honest(parameters, numbers, seed=seed)

    return make


@pytest.fixture
def running(tmp_path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A process that simulates a large cohort and has begun to write it."""
    folder = tmp_path / "parent" / "cohort"
    code = f"import fbss_analytics as f; f.simulate('surgical', n_patients={FAR}, seed=1, folder={str(folder)!r})"
    root = Path(__file__).parents[1]
    with subprocess.Popen([sys.executable, "-c", code], cwd=root, stderr=subprocess.PIPE, text=True) as process:
        try:
            while process.poll() is None and not list(folder.parent.glob(".cohort.draft-*/*/patients.parquet")):
                time.sleep(0.05)
            assert process.poll() is None
            yield process, folder
        finally:
            process.kill()


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_an_interrupted_run_leaves_nothing(running):
    process, folder = running
    process.send_signal(signal.SIGINT)
    assert "KeyboardInterrupt" in process.communicate()[1]
    assert_nothing_left(folder)


def test_a_killed_run_leaves_no_half_cohort_and_the_next_one_clears_up(running):
    process, folder = running
    process.kill()
    process.wait()
    assert not folder.exists()
    (draft,) = folder.parent.iterdir()
    assert draft.name.startswith(".cohort.draft-")
    assert (draft / ".gitignore").read_text(encoding="utf-8") == "*\n"
    simulate("surgical", n_patients=5, seed=1, folder=folder)
    assert [each.name for each in folder.parent.iterdir()] == ["cohort"]


# Refused before anything is written


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scenario": "surgcal"}, "Did you mean 'surgical'"),
        ({"n_patients": 0}, "n_patients is to be a whole number from 1"),
        ({"seed": None}, "seed is to be a whole number from 0"),
        ({"threads": 0}, "threads=0: expected"),
    ],
)
def test_wrong_arguments_write_nothing(tmp_path, arguments, message):
    call = {"scenario": "surgical", "n_patients": 5, "seed": 1, "folder": tmp_path / "cohort"} | arguments
    with pytest.raises(InputError, match=message):
        simulate(call.pop("scenario"), **call)
    assert_nothing_left(tmp_path / "cohort")


def test_a_folder_of_other_things_is_refused_before_the_work(tmp_path, monkeypatch):
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "a.txt").write_text("mine", encoding="utf-8")
    monkeypatch.setattr(assemble, "simulate_tables", _failing(AssertionError("simulated in vain")))
    with pytest.raises(InputError, match="letters exists and is not a cohort folder"):
        simulate("surgical", n_patients=50, seed=1, folder=tmp_path / "letters")
    assert [each.name for each in (tmp_path / "letters").iterdir()] == ["a.txt"]


# Parts


def test_long_work_shows_how_far_it_is(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(assemble, "_AT_A_TIME", 10)
    monkeypatch.setattr(engine, "QUIET_SECONDS", -1.0)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    simulate("surgical", n_patients=40, seed=1, folder=tmp_path / "cohort")
    shown = capsys.readouterr()
    assert shown.err.endswith("simulating [##############################] 4/4\n")
    assert shown.out == ""


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.integers(0, 5), st.integers(-3, 3), st.sampled_from([0, 1, 2**40])), min_size=1, max_size=40
    )
)
def test_rows_are_ordered_as_by_one_key_after_the_other(rows):
    first, second, third = np.array(rows, dtype=np.int64).T
    for keys in ((first, second, third), (first * 2**20, second, third)):
        assert ordered(*keys).tolist() == np.lexsort(keys[::-1]).tolist()


def test_loops_are_compiled_anew_where_nothing_can_be_kept(monkeypatch):
    honest = numba.njit

    def without_cache(loop, *, cache=False, **options):
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return honest(loop, **options)

    monkeypatch.setattr(numba, "njit", without_cache)
    assert compiled(_twice)(4) == 8


def _twice(value):
    return 2 * value
