"""The contenders of the exposure benchmark agree with a count day by day; how fast they are is no test."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
if not BENCHMARKS.exists():
    pytest.skip("the benchmarks stand in the repository only", allow_module_level=True)

ROWS = 10_000
MODULES = ("exposure", "exposure_data", "exposure_ours", "exposure_peers", "measuring")
PEERS = (
    "numpy day grid", "pandas", "polars", "polars, converting", "DuckDB", "DuckDB, day by day", "DuckDB, converting",
)  # fmt: skip


@pytest.fixture(scope="module")
def bench() -> Iterator[dict[str, Any]]:
    """The benchmark's modules, found as `python benchmarks/exposure.py` finds them."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        yield {name: importlib.import_module(name) for name in MODULES}
    finally:
        sys.path.remove(str(BENCHMARKS))
        for name in MODULES:
            sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def folder(bench: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the data of 10,000 dispensings."""
    path = tmp_path_factory.mktemp("benchmarks")
    bench["exposure"].prepare(path, ROWS, seed=1, names=["R data.table"])
    return path / str(ROWS)


@pytest.fixture(scope="module")
def expected(bench: dict[str, Any]) -> dict[str, dict[str, list[float]]]:
    """Every quantity counted day by day from the fills as they were drawn."""
    data = bench["exposure_data"]
    fills = data.make_fills(ROWS, seed=1)
    result = {}
    for name, (first, last) in data.WINDOWS.items():
        supplied = [0] * len(fills.index_day)
        known = [0] * len(fills.index_day)
        dose: list[dict[int, float]] = [{} for _ in fills.index_day]
        for patient, day, days, quantity, product in zip(
            fills.patient, fills.day, fills.days_supply, fills.quantity, fills.product, strict=True
        ):
            if data.PRODUCTS[product].ingredient == "buprenorphine":
                continue
            mme = data.PRODUCTS[product].mme_per_unit * quantity / days
            for each in range(day - fills.index_day[patient], day - fills.index_day[patient] + days):
                if first <= each <= last:
                    supplied[patient] += 1
                    known[patient] += not np.isnan(mme)
                    dose[patient][each] = dose[patient].get(each, 0.0) + (0.0 if np.isnan(mme) else mme)
        total = [sum(days.values()) for days in dose]
        covered = [len(days) for days in dose]
        result[name] = {
            "total_mme": total,
            "days_supplied": supplied,
            "known_days": known,
            "days_covered": covered,
            "max_daily_mme": [max(days.values(), default=0.0) for days in dose],
            "mme_per_day_supplied": [a / b if b else np.nan for a, b in zip(total, supplied, strict=True)],
            "mme_per_day_covered": [a / b if b else np.nan for a, b in zip(total, covered, strict=True)],
            "mme_per_day_in_window": [a / (last - first + 1) for a in total],
        }
    return result


def assert_same(found: Any, expected: dict[str, dict[str, list[float]]]) -> None:
    assert set(found) == set(expected)
    for window, quantities in expected.items():
        assert set(found[window]) == set(quantities) - {"known_days"}
        for name in found[window]:
            values = quantities[name]
            np.testing.assert_allclose(found[window][name], values, rtol=1e-9, atol=1e-9, err_msg=f"{window}: {name}")


@pytest.mark.parametrize("peer", PEERS)
def test_a_peer_counts_as_day_by_day(
    bench: dict[str, Any], folder: Path, expected: dict[str, dict[str, list[float]]], peer: str
) -> None:
    if not bench["exposure"].available(peer):
        pytest.skip(f"the package of {peer} is not installed")
    assert_same(bench["exposure_peers"].PEERS[peer](folder), expected)


def test_all_peers_are_tested(bench: dict[str, Any]) -> None:
    assert set(PEERS) == set(bench["exposure_peers"].PEERS)


def test_data_table_counts_as_day_by_day(
    bench: dict[str, Any], folder: Path, expected: dict[str, dict[str, list[float]]]
) -> None:
    if not bench["exposure"].available("R data.table"):
        pytest.skip("R data.table is not installed")
    measured = bench["exposure"].run_data_table(folder)
    assert measured["seconds_with_reading"] >= measured["seconds"]
    assert_same(bench["exposure"].data_table_result(folder), expected)


@pytest.mark.parametrize("contender", ["from_folder", "from_frame"])
def test_ours_counts_as_day_by_day(
    bench: dict[str, Any], folder: Path, expected: dict[str, dict[str, list[float]]], contender: str
) -> None:
    result, measured = getattr(bench["exposure_ours"], contender)(folder)
    assert measured["seconds"] > 0
    unknown_at_all = 0
    for window, quantities in result.items():
        # Where every fill is of unknown dose ours says so; the peers were given 0 for it.
        days, known = (np.array(expected[window][name]) for name in ("days_supplied", "known_days"))
        unknown = (days > 0) & (known == 0)
        unknown_at_all += unknown.sum()
        for name in quantities.keys() - {"days_supplied", "days_covered"}:
            assert np.all(np.isnan(quantities[name][unknown]))
            quantities[name] = np.where(unknown, 0.0, quantities[name])
    assert unknown_at_all > 0
    assert_same(result, expected)


@pytest.mark.parametrize("task", ["a_thousand", "episodes"])
def test_the_other_tasks_of_ours_run(bench: dict[str, Any], folder: Path, task: str) -> None:
    result, measured = getattr(bench["exposure_ours"], task)(folder)
    assert measured["seconds"] > 0
    assert all(len(values) for quantities in result.values() for values in quantities.values())


def test_the_data_are_made_once_from_the_seed(bench: dict[str, Any], folder: Path, tmp_path: Path) -> None:
    data = bench["exposure_data"]
    fills = data.make_fills(ROWS, seed=1)
    assert len(fills.patient) == ROWS
    assert len(fills.index_day) == ROWS // data.ROWS_PER_PATIENT
    assert np.all(np.lexsort((fills.day, fills.patient)) == np.arange(ROWS))
    data.make_data(tmp_path / "again", rows=ROWS, seed=1)
    for name in ("ready.parquet", "index.parquet", "unsorted/dispensings-000.parquet"):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()
    written = (tmp_path / "again" / "ready.parquet").stat().st_mtime_ns
    data.make_data(tmp_path / "again", rows=ROWS, seed=2)
    assert (tmp_path / "again" / "ready.parquet").stat().st_mtime_ns == written


def test_contenders_that_disagree_stop_the_run(bench: dict[str, Any]) -> None:
    same = {"year: total_mme": 1e6, "year: days_covered": 12.0}
    other = same | {"year: total_mme": 1e6 + 1e-2}
    failed = {"failed": "not installed"}
    bench["exposure"].require_same({"a": {"checksums": same}, "b": failed, "c": {"checksums": dict(same)}})
    with pytest.raises(SystemExit, match="b disagrees with a on year: total_mme"):
        bench["exposure"].require_same({"a": {"checksums": same}, "b": {"checksums": other}})


def test_the_order_of_patients_counts_in_a_checksum(bench: dict[str, Any]) -> None:
    one, two = (bench["exposure"].checksums({"year": {"total_mme": np.array(v)}}) for v in ([1.0, 2, 3], [3.0, 2, 1]))
    assert one["year: total_mme"] == two["year: total_mme"]
    assert one["year: total_mme, by place"] != two["year: total_mme, by place"]


def test_runs_are_summarised_by_their_median_and_largest_peak(bench: dict[str, Any]) -> None:
    runs = [{"seconds": seconds, "peak_mib": peak} for seconds, peak in ((3.0, 10), (1.0, 30), (2.0, 20))]
    assert bench["measuring"].median_of(runs) == {"seconds": 2.0, "peak_mib": 30, "runs": [3.0, 1.0, 2.0]}
    failing = bench["measuring"].in_own_process([sys.executable, "-c", "raise ValueError('no')"])
    assert failing == {"failed": "ValueError: no"}
    assert bench["measuring"].median_of([runs[0], failing]) == failing


def test_a_run_prints_one_table(
    bench: dict[str, Any], folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = "fbss_analytics, cohort folder; pandas; R AdhereR"
    json_file = tmp_path / "figures.json"
    asked = ["--rows", str(ROWS), "--repeats", "1", "--folder", str(folder.parent), "--only", names]
    bench["exposure"].main([*asked, "--json", str(json_file)])
    printed = capsys.readouterr().out
    assert "10,000 dispensings of 200 patients" in printed
    assert any(line.startswith("R AdhereR") and "not installed" in line for line in printed.splitlines())
    figures = json.loads(json_file.read_text())
    assert set(figures["measured"]["pandas"]) == {"seconds", "cpu_seconds", "peak_mib", "checksums", "runs"}
    assert figures["load"] in printed
