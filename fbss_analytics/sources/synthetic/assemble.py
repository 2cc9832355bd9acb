"""`simulate`: a synthetic cohort whose generator is known, the same for the same seed whatever its size."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from ...engine import in_order
from ...errors import InputError
from ..source import Source, in_memory
from .draws import Whole
from .neuromodulation import neuromodulation_tables
from .parameters import Parameters, load_parameters
from .surgical import surgical_cohort_tables

MOST_PATIENTS = 9_999_999
_AT_A_TIME = 25_000
"""Patients simulated in one go; memory is bounded by them, and the result does not depend on it."""


def simulate(
    scenario: str, *, n_patients: int, seed: int, folder: str | Path | None = None, threads: int | None = None
) -> Source:
    """Simulate a cohort: adults eligible for neuromodulation, or adults from an index lumbar operation on.

    **Definition**: every number of a patient is addressed by seed, purpose, patient number and draw number, so that the
    same patient has the same rows, ids included, whatever ``n_patients`` and ``threads`` are; ids are ``S0000001``,
    ``S0000002``, ... Rows lie within the observation of their domain, both ends included; only operations may precede
    it.

    Parameters
    ----------
    scenario : {"neuromodulation", "surgical"}
        Adults eligible for neuromodulation: one in four is referred for a spinal cord stimulation trial, one in twenty
        has a trial of intrathecal delivery, the others are managed conventionally. Or adults from an index lumbar
        operation on, unselected: reoperations by cause, persistent pain, and the few who come to a device.
    n_patients : int
        1 to 9,999,999.
    seed : int
        0 to 2**64 - 1.
    folder : str or Path, optional
        Write the cohort folder there, a part at a time, and return a source that reads it: a million patients need no
        more memory than some ten thousand. It is put in place when it is whole.
    threads : int, optional
        As many as there are processors when not given; the result does not depend on it.

    Returns
    -------
    Source
        Tables in memory, or read from ``folder``; ``.parameters`` holds the generator's parameters with the published
        figures they rest on, apart from the data.

    Raises
    ------
    InputError
        The scenario is not known, ``n_patients`` or ``seed`` is not a whole number in range, or ``folder`` exists and
        is not a cohort folder; nothing is written then.

    Notes
    -----
    When not to use it: simulated rates repeat what was put in and are no evidence about patients. Coefficients of the
    generator are conditional on a latent frailty; a correct marginal model does not estimate them.

    References
    ----------
    Salmon et al., Parallel random numbers: as easy as 1, 2, 3, SC 2011. doi:10.1145/2063384.2063405 (random numbers);
    each parameter names its own source.

    Examples
    --------
    >>> import fbss_analytics as fbss
    >>> source = fbss.simulate("neuromodulation", n_patients=200, seed=1)
    >>> source.counts["patients"]
    200
    >>> source.parameters["people"]["female"]["value"]
    0.57
    """
    parameters = load_parameters(scenario)
    n_patients = _whole(n_patients, name="n_patients", low=1, high=MOST_PATIENTS)
    seed = _whole(seed, name="seed", low=0, high=2**64 - 1)
    described = Source(
        name=f"synthetic {scenario}",
        tables={},
        counts={},
        provenance={
            "kind": "simulated",
            "scenario": scenario,
            "n_patients": n_patients,
            "seed": seed,
            "parameters_sha256": parameters.sha256(),
        },
        parameters=parameters.content,
    )
    with closing(_parts(parameters, n_patients, seed, threads)) as parts:
        if folder is None:
            return _joined(list(parts), described)
        from ..appending import write_runs
        from ..files import read_tables

        return read_tables(write_runs(parts, described, Path(folder)))


def _parts(
    parameters: Parameters, n_patients: int, seed: int, threads: int | None
) -> Generator[dict[str, pa.Table], None, None]:
    """Yield the tables of the patients, some thousand patients at a time, in order."""
    starts = range(1, n_patients + 1, _AT_A_TIME)
    runs = [partial(_numbered, first, min(first + _AT_A_TIME, n_patients + 1)) for first in starts]
    work = partial(_tables_of, parameters, seed)
    # One part is made where it is asked for: a pool of threads would only wait for it.
    threads = 1 if threads is None and len(runs) == 1 else threads
    yield from in_order(work, runs, threads=threads, what="simulating")


def _numbered(first: int, stop: int) -> pa.Table:
    return pa.table({"number": np.arange(first, stop, dtype=np.int64)})


def _tables_of(parameters: Parameters, seed: int, run: pa.Table) -> dict[str, pa.Table]:
    return simulate_tables(parameters, run["number"].to_numpy(), seed=seed)


def _joined(parts: list[dict[str, pa.Table]], described: Source) -> Source:
    tables = {name: pa.concat_tables([part[name] for part in parts]).combine_chunks() for name in parts[0]}
    return in_memory(described.name, tables, provenance=described.provenance, parameters=described.parameters)


def simulate_tables(parameters: Parameters, numbers: Whole, *, seed: int) -> dict[str, pa.Table]:
    """Return all tables of the patients with these numbers (rising), each sorted as a cohort folder is."""
    ids = pa.array([f"S{number:07d}" for number in numbers.tolist()], pa.string())
    make = surgical_cohort_tables if parameters.content["scenario"] == "surgical" else neuromodulation_tables
    return make(parameters, numbers, ids, seed=seed)


def _whole(value: object, *, name: str, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not low <= value <= high:
        raise InputError(f"{name} is to be a whole number from {low:,} to {high:,}; got {value!r}.")
    return int(value)
