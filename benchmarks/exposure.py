"""Measure opioid exposure beside pandas, polars, DuckDB, numpy and R data.table: `python benchmarks/exposure.py`.

Every contender runs in a process of its own, after a warm-up on 2,000 rows, and its sums over patients must be those
of all others to 1e-9. See README.md for what is measured and how to read it.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from exposure_data import WINDOWS, make_data
from exposure_peers import PEERS, SUMS, Result, with_quotients
from measuring import Measured, in_own_process, load, median_of, peak_mib, print_table, timed

HERE = Path(__file__).parent
WARM_ROWS = 2_000
TOLERANCE = 1e-9
"""Sums are of up to a billion MME added in different orders, in double precision."""
CONTENDERS = ("fbss_analytics, cohort folder", "fbss_analytics, unsorted frame")
SORTING = "sorted folder from unsorted rows"
TASKS = ("1,000 dispensings, warm", "treatment episodes", SORTING)
DATA_TABLE, ADHERER = "R data.table", "R AdhereR"
NEEDS = {"polars": "polars", "DuckDB": "duckdb", "pandas": "pandas"}
READS = {
    "fbss_analytics, cohort folder": "11 columns, converts",
    "fbss_analytics, unsorted frame": "11 columns in memory, converts",
    "polars, converting": "8 columns, converts",
    "DuckDB, converting": "8 columns, converts",
    DATA_TABLE: "4 ready-made columns in memory",
    "R data.table, with reading": "4 ready-made columns, CSV",
}
"""What a contender starts from; the others read four ready-made columns, with the dose already multiplied out."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000, help="dispensings (10_000_000)")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each contender, of which the median counts")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "fbss_benchmarks")
    parser.add_argument("--only", help="names, separated by semicolons")
    parser.add_argument("--growth", type=int, nargs=2, metavar=("FROM", "TO"), help="powers of ten, for example 4 8")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if asked.child:
        print(json.dumps(run_here(asked.child, asked.folder / str(asked.rows), asked.folder / str(WARM_ROWS))))
        return
    figures = grown(asked) if asked.growth else compared(asked)
    figures |= {"machine": machine(), "load": load()}
    print(f"\n{figures['load']}; {figures['machine']}")
    if asked.json:
        asked.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


def prepare(folder: Path, rows: int, *, seed: int, names: Sequence[str]) -> None:
    """Make the data of a size, and of the warm-up, as far as the named contenders need them and they are not there."""
    for size in (WARM_ROWS, rows):
        made = folder / str(size)
        make_data(made, rows=size, seed=seed)
        if set(names) != {SORTING} and not (made / "cohort" / "source.json").exists():
            print(f"writing the cohort folder of {size:,} dispensings", file=sys.stderr)
            run_here(SORTING, made, None)
        if DATA_TABLE in names and available(DATA_TABLE) and not (made / "windows.csv").exists():
            write_csv(made)


def write_csv(folder: Path) -> None:
    """Write for R what the other peers read as Parquet, with days as numbers."""
    for name, day in (("index", "index_date"), ("ready", "date")):
        file = pq.ParquetFile(folder / f"{name}.parquet")
        with (folder / f"{name}.csv").open("wb") as out:
            for number, batch in enumerate(file.iter_batches(1 << 20)):
                days = batch[day].cast(pa.int32())
                table = pa.Table.from_batches([batch]).drop_columns([day])
                table = table.append_column("index_day" if name == "index" else "day", days)
                pyarrow.csv.write_csv(table, out, pyarrow.csv.WriteOptions(include_header=number == 0))
    lines = [f"{name},{first},{last}\n" for name, (first, last) in WINDOWS.items()]
    (folder / "windows.csv").write_text("window,first,last\n" + "".join(lines), encoding="utf-8")


# --- one contender --------------------------------------------------------------------------------------------------


def run_here(contender: str, folder: Path, warm: Path | None) -> Measured:
    """Run a contender in this process, on the small data first; return seconds, peak memory and checksums."""
    if contender in PEERS:
        if warm:
            PEERS[contender](warm)
        result, measured = timed(lambda: PEERS[contender](folder))
    else:
        # The library is imported where it runs: a peer's memory is its own.
        from exposure_ours import OURS

        if warm and contender != SORTING:
            OURS[contender](warm)
        result, measured = OURS[contender](folder)
    return measured | {"peak_mib": peak_mib(), "checksums": checksums(result)}


def run_data_table(folder: Path) -> Measured:
    """Run the R script and add the checksums of what it wrote."""
    measured = in_own_process(["Rscript", str(HERE / "exposure_peer.R"), str(folder)])
    if "failed" not in measured:
        measured["checksums"] = checksums(data_table_result(folder))
    return measured


def data_table_result(folder: Path) -> Result:
    """Return what R wrote, in the form of the other contenders."""
    rows = pyarrow.csv.read_csv(folder / "data.table.csv").to_pandas()
    result = {}
    for name, window in WINDOWS.items():
        chosen = rows[rows["window"] == name].sort_values("place")
        result[name] = with_quotients({each: chosen[each].to_numpy(float) for each in SUMS}, window)
    return result


def checksums(result: Result) -> dict[str, float]:
    """Return the sum of each quantity over patients, plain and weighted by the patient's place: order counts."""
    sums = {}
    for window, quantities in result.items():
        for name, values in quantities.items():
            sums[f"{window}: {name}"] = float(np.nansum(values))
            sums[f"{window}: {name}, by place"] = float(np.nansum(values * (np.arange(len(values)) % 101)))
    return sums


def require_same(measured: Mapping[str, Measured]) -> None:
    """Stop unless all contenders that computed every quantity have the same checksums."""
    known = {name: each["checksums"] for name, each in measured.items() if "checksums" in each}
    reference = next(iter(known.values()), {})
    for name, sums in known.items():
        wrong = [key for key in reference if abs(sums[key] - reference[key]) > TOLERANCE * max(abs(reference[key]), 1)]
        if wrong:
            sys.exit(f"{name} disagrees with {next(iter(known))} on {'; '.join(wrong)}.")


# --- tables ---------------------------------------------------------------------------------------------------------


def available(contender: str) -> bool:
    """Return whether a contender's package is installed."""
    if contender == DATA_TABLE:
        asked = ["Rscript", "-e", """cat(sprintf('{"ok": %d}', requireNamespace("data.table", quietly = TRUE)))"""]
        return shutil.which("Rscript") is not None and in_own_process(asked).get("ok") == 1
    package = next((package for start, package in NEEDS.items() if contender.startswith(start)), None)
    return contender != ADHERER and (package is None or importlib.util.find_spec(package) is not None)


def compared(asked: argparse.Namespace) -> Measured:
    """Measure all contenders on one size and print them in one table."""
    folder = asked.folder / str(asked.rows)
    names = chosen([*CONTENDERS, *PEERS, DATA_TABLE, ADHERER, *TASKS], asked.only)
    prepare(asked.folder, asked.rows, seed=asked.seed, names=names)
    measured = {}
    for name in names:
        print(f"{name} ...", file=sys.stderr)
        measured[name] = repeated(name, folder, asked) if available(name) else {"failed": "not installed"}
    require_same({name: each for name, each in measured.items() if name not in TASKS})
    if "seconds_with_reading" in measured.get(DATA_TABLE, {}):
        reading = measured[DATA_TABLE]
        measured["R data.table, with reading"] = reading | {
            "seconds": reading["seconds_with_reading"],
            "cpu_seconds": reading["cpu_seconds_with_reading"],
            "runs": [],
        }
    ours = measured.get(CONTENDERS[0], {}).get("seconds")
    print(f"\n{asked.rows:,} dispensings of {asked.rows // 50:,} patients, {len(WINDOWS)} windows, seed {asked.seed}\n")
    order = [name for name in measured if name not in TASKS] + [name for name in measured if name in TASKS]
    print_table(
        [
            ["", "seconds", "times ours", "CPU seconds", "peak MiB", "starts from"],
            *(line(name, measured[name], ours) for name in order),
        ]
    )
    return {"rows": asked.rows, "seed": asked.seed, "measured": measured}


def chosen(names: Iterable[str], only: str | None) -> list[str]:
    """Return the names asked for, all where none is."""
    wanted = [name.strip() for name in only.split(";")] if only else None
    return [name for name in names if wanted is None or name in wanted]


def repeated(name: str, folder: Path, asked: argparse.Namespace) -> Measured:
    """Return the median of several runs, each in its own process."""
    if name == DATA_TABLE:
        return median_of([run_data_table(folder) for _ in range(asked.repeats)])
    command = [sys.executable, str(HERE / "exposure.py"), "--child", name]
    command += ["--rows", folder.name, "--folder", str(asked.folder)]
    return median_of([in_own_process(command) for _ in range(asked.repeats)])


def line(name: str, measured: Measured, ours: float | None) -> list[str]:
    """Return a line of the table."""
    if "failed" in measured:
        return [name, "-", "", "", "", measured["failed"][:60]]
    times = "" if name in TASKS or not ours else f"{measured['seconds'] / ours:.1f}"
    starts_from = "" if name in TASKS else READS.get(name, "4 ready-made columns")
    cpu = f"{measured['cpu_seconds']:.3f}"
    return [name, f"{measured['seconds']:.3f}", times, cpu, f"{measured['peak_mib']:,.0f}", starts_from]


def grown(asked: argparse.Namespace) -> Measured:
    """Measure ours from a cohort folder over powers of ten, and print the slope of log seconds on log rows."""
    lowest, highest = asked.growth
    sizes = [10**power for power in range(lowest, highest + 1)]
    measured = {}
    for rows in sizes:
        prepare(asked.folder, rows, seed=asked.seed, names=CONTENDERS[:1])
        print(f"{rows:,} ...", file=sys.stderr)
        measured[rows] = repeated(CONTENDERS[0], asked.folder / str(rows), asked)
    print_table(
        [
            ["dispensings", "seconds", "million a second", "peak MiB"],
            *(
                [
                    f"{rows:,}",
                    f"{each['seconds']:.3f}",
                    f"{rows / each['seconds'] / 1e6:.1f}",
                    f"{each['peak_mib']:,.0f}",
                ]
                for rows, each in measured.items()
            ),
        ]
    )
    seconds = [measured[rows]["seconds"] for rows in sizes]
    slope = float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])
    upper = float(np.polyfit(np.log(sizes[-3:]), np.log(seconds[-3:]), 1)[0])
    print(f"\nlog-log slope {slope:.2f} over all sizes, {upper:.2f} over the three largest (1 is linear)")
    return {"seed": asked.seed, "slope": slope, "slope_of_three_largest": upper, "measured": measured}


def machine() -> str:
    """Return the system, the Python and the versions that matter."""
    known = [
        name for name in ("numpy", "pandas", "polars", "duckdb", "pyarrow", "numba") if importlib.util.find_spec(name)
    ]
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in known)
    return f"{platform.system()} {platform.machine()}, Python {platform.python_version()}, {versions}"


if __name__ == "__main__":
    main()
