"""Opioid exposure written to a folder run by run, so that it takes little memory and goes on where it was stopped."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from .. import __version__
from ..dates import to_timestamps
from ..engine import in_order
from ..errors import DataError, InputError
from ..sources.files import file_hash, write_json
from .definition import DoseDefinition
from .exposure import Days, check_definition, exposure_frame, windows_of
from .people import Frame, People, find, people_of, string_column
from .runs import FILE, UNSORTED, checked_path, part_of, runs_of, without_supplies
from .sweep import COUNTED, Totals

Integers = npt.NDArray[np.int64]
ABOUT = "_about.json"


def write_opioid_exposure(
    dispensings: str | Path,
    index_dates: Frame,
    definition: DoseDefinition,
    folder: str | Path,
    *,
    days: Days,
    observation: Frame | None = None,
    stays: Frame | None = None,
    threads: int | None = None,
) -> Path:
    """Write the opioid exposure of a cohort folder's patients to a folder of Parquet files.

    **Definition**: the rows and columns of `opioid_exposure`, with ``index_date`` besides. Each run of patients is one
    file, in the order of patients; a last file has the patients without dispensings. A file is there whole or not at
    all: when the work was stopped, the same call goes on with the runs that are missing. Finished files are used again
    only when dispensings, index dates, observation, stays, windows, definition and version of this library are the
    same, by their SHA-256; the folder of another analysis is refused.

    Parameters
    ----------
    dispensings : path
        A cohort folder.
    index_dates, definition, days, observation, stays, threads
        As in `opioid_exposure`.
    folder : path
        Where to write; made when it does not exist.

    Returns
    -------
    Path
        The folder; ``pandas.read_parquet`` reads it as one frame.

    Raises
    ------
    InputError
        The folder holds something else, or another analysis.
    DataError
        As in `opioid_exposure`.

    Notes
    -----
    When not to use it: where the result fits into memory, `opioid_exposure` is simpler. The folder holds rows of
    patients, so it comes with a ``.gitignore`` that keeps it out of version control.

    References
    ----------
    As in `opioid_exposure`.

    Examples
    --------
    >>> import tempfile
    >>> import pandas as pd
    >>> import fbss_analytics as fbss
    >>> place = tempfile.mkdtemp()
    >>> cohort = fbss.simulate("neuromodulation", n_patients=200, seed=1).to_folder(place + "/cohort")
    >>> index = pd.read_parquet(cohort / "patients.parquet")[["patient_id"]]
    >>> index["index_date"] = pd.Timestamp("2018-01-01")
    >>> dose = fbss.DoseDefinition(factors="cdc_2022", overlap="concurrent", buprenorphine="exclude")
    >>> written = fbss.write_opioid_exposure(cohort, index, dose, place + "/exposure", days=(-90, -1))
    >>> len(pd.read_parquet(written))
    200
    """
    names, windows = windows_of(days)
    check_definition(definition)
    source, target = checked_path(dispensings, "dispensings"), checked_path(folder, "folder")
    runs = runs_of(source, definition)
    people = people_of(index_dates, definition, observation, stays)
    about = {"inputs": _key(source, people, definition, names, windows), "runs": len(runs)}
    _claim(target, about)
    missing = [number for number in range(len(runs)) if not _file(target, number).exists()]

    def work(table: pa.Table) -> pa.Table:
        part = part_of(table, people, definition, windows)
        return _table(people, names, part.totals, part.rows)

    tables = in_order(work, [runs[number] for number in missing], threads=threads, what="opioid exposure")
    for number, table in zip(missing, tables, strict=True):
        _write(table, _file(target, number))
    last = _file(target, len(runs))
    if not last.exists():
        seen = _seen(target, people, len(runs))
        _write(_table(people, names, *without_supplies(people, seen, windows)), last)
    return target


def _key(
    source: Path, people: People, definition: DoseDefinition, names: tuple[str, ...] | None, windows: Integers
) -> str:
    """Return the SHA-256 of everything the result depends on."""
    digest = hashlib.sha256(json.dumps([__version__, definition.arguments, names, windows.tolist()]).encode())
    digest.update(file_hash(source / FILE).encode())
    stays = people.stays.to_numpy(np.int64)
    for array in (people.first, people.rows, people.day_0, *(people.spans or ()), stays):
        digest.update(f"{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    for batch in pa.table({"patient_id": people.ids}).to_batches():
        digest.update(batch.serialize())
    return digest.hexdigest()


def _claim(folder: Path, about: dict[str, object]) -> None:
    """Make the folder this analysis' own, or raise `InputError` where it is another's."""
    file = folder / ABOUT
    if file.exists():
        if json.loads(file.read_text(encoding="utf-8")) != about:
            raise InputError(
                f"{folder.name} holds an analysis of other dispensings, index dates, windows or of another definition; "
                "name a new folder."
            )
    elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder.name} exists and is no folder of exposures; name a new folder, or empty this one.")
    else:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ".gitignore").write_text("*\n", encoding="utf-8")
        draft = file.with_suffix(".draft")
        write_json(about, draft)
        draft.replace(file)


def _file(folder: Path, number: int) -> Path:
    return folder / f"part-{number:06d}.parquet"


def _table(people: People, names: tuple[str, ...] | None, totals: Totals, rows: Integers) -> pa.Table:
    """Return the result for some rows of the index dates, in the order of patients."""
    person = np.empty(len(people.rows), dtype=np.int64)
    person[people.rows] = np.repeat(np.arange(len(people.ids)), np.diff(people.first))
    ids = people.ids.take(pa.array(person[rows])).to_pandas().to_numpy(dtype=object)
    frame = exposure_frame(ids, names, {name: getattr(totals, name) for name in COUNTED})
    index_date = to_timestamps(np.repeat(people.day_0[rows], 1 if names is None else len(names)))
    frame.insert(list(frame.columns).index("patient_id") + 1, "index_date", index_date.to_numpy())
    table = pa.Table.from_pandas(frame, preserve_index=False)
    # A part without a row has no text to tell the type of its columns of text by.
    text = [pa.field(name, pa.string()) for name in ("window", "patient_id") if name in table.column_names]
    return table.cast(pa.schema([next((each for each in text if each.name == f.name), f) for f in table.schema]))


def _write(table: pa.Table, file: Path) -> None:
    """Write a file beside its place and move it there, so that there is never half of one."""
    draft = file.with_suffix(".draft")
    pq.write_table(table, draft, compression="zstd")
    draft.replace(file)


def _seen(folder: Path, people: People, n_runs: int) -> npt.NDArray[np.bool_]:
    """Return which persons are in a part, or raise `DataError` where one is in two."""
    times = np.zeros(len(people.ids), dtype=np.int64)
    for number in range(n_runs):
        ids = pc.unique(pq.read_table(_file(folder, number), columns=["patient_id"])["patient_id"])
        times[find(people, string_column(ids))] += 1
    if (times > 1).any():
        raise DataError(UNSORTED)
    return np.asarray(times > 0)
