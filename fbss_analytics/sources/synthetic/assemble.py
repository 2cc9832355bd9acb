"""`simulate`: a synthetic cohort whose generator is known, the same for the same seed whatever its size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from ...errors import InputError
from ..source import Source, in_memory
from .draws import Whole
from .neuromodulation import neuromodulation_tables
from .parameters import Parameters, load_parameters
from .surgical import surgical_cohort_tables

MOST_PATIENTS = 9_999_999
_AT_A_TIME = 25_000
"""Patients simulated in one go; memory is bounded by them, and the result does not depend on it."""


def simulate(scenario: str, *, n_patients: int, seed: int, folder: str | Path | None = None) -> Source:
    """Simulate a cohort: adults eligible for neuromodulation, or adults from an index lumbar operation on.

    **Definition**: every number of a patient is addressed by seed, purpose, patient number and draw number, so that the
    same patient has the same rows, ids included, whatever ``n_patients`` is; ids are ``S0000001``, ``S0000002``, ...
    Rows lie within the observation of their domain, both ends included; only operations may precede it.

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
        Write the cohort folder there and return a source that reads it.

    Returns
    -------
    Source
        Tables in memory, or read from ``folder``; ``.parameters`` holds the generator's parameters with the published
        figures they rest on, apart from the data.

    Raises
    ------
    InputError
        The scenario is not known, or ``n_patients`` or ``seed`` is not a whole number in range.

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
    parts = []
    for first in range(1, n_patients + 1, _AT_A_TIME):
        numbers = np.arange(first, min(first + _AT_A_TIME, n_patients + 1), dtype=np.int64)
        parts.append(simulate_tables(parameters, numbers, seed=seed))
    tables = {name: pa.concat_tables([part[name] for part in parts]).combine_chunks() for name in parts[0]}
    provenance = {
        "kind": "simulated",
        "scenario": scenario,
        "n_patients": n_patients,
        "seed": seed,
        "parameters_sha256": parameters.sha256(),
    }
    source = in_memory(f"synthetic {scenario}", tables, provenance=provenance, parameters=parameters.content)
    if folder is None:
        return source
    from ..files import read_tables

    return read_tables(source.to_folder(folder))


def simulate_tables(parameters: Parameters, numbers: Whole, *, seed: int) -> dict[str, pa.Table]:
    """Return all tables of the patients with these numbers (rising), each sorted as a cohort folder is."""
    ids = pa.array([f"S{number:07d}" for number in numbers.tolist()], pa.string())
    make = surgical_cohort_tables if parameters.content["scenario"] == "surgical" else neuromodulation_tables
    return make(parameters, numbers, ids, seed=seed)


def _whole(value: object, *, name: str, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not low <= value <= high:
        raise InputError(f"{name} is to be a whole number from {low:,} to {high:,}; got {value!r}.")
    return int(value)
