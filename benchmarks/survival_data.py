"""Data to time survival models with: seeded, written once per folder as raw numbers that Python and R both read.

Times are whole days, so that many rows share one, as in claims.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

SIZES = {
    "cox": {"n": 1_000_000, "p": 12},
    "bootstrap": {"n": 1_000, "p": 12, "samples": 500},
    "fine_gray": {"n": 20_000, "p": 12},
    "aalen_johansen": {"n": 200_000, "p": 0},
}
"""Rows, columns and samples of each task, as in the design."""
HORIZONS = (365.0, 1095.0, 1825.0)
"""Days at which curves are compared."""


def make(task: str, size: dict[str, int], *, seed: int) -> dict[str, Floats]:
    """Return the arrays of a task: covariates ``x`` (n, p), ``time``, ``cause`` (0 censored, 1, 2), ``counts``."""
    random = np.random.default_rng([seed, list(SIZES).index(task)])
    n, p = size["n"], size["p"]
    x = random.normal(size=(n, p))
    x[:, p // 2 :] = x[:, p // 2 :] > 0
    slopes = np.linspace(-0.4, 0.4, p)
    first = random.exponential(2_000, n) * np.exp(-x @ slopes)
    second = random.exponential(4_000, n)
    censored = random.uniform(100, 3_650, n)
    time = np.minimum(np.minimum(first, second), censored)
    cause = np.where(time == first, 1.0, np.where(time == second, 2.0, 0.0))
    arrays = {"x": x, "time": np.ceil(time), "cause": cause}
    if task == "bootstrap":
        drawn = random.integers(0, n, (size["samples"], n))
        arrays["counts"] = np.stack([np.bincount(sample, minlength=n) for sample in drawn]).astype(np.float64)
    return arrays


def write(folder: Path, arrays: dict[str, Floats]) -> None:
    """Write each array column by column as 64-bit numbers, and their shapes as JSON."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, values in arrays.items():
        np.asarray(values, dtype="<f8").ravel(order="F").tofile(folder / f"{name}.bin")
    shapes = {name: list(values.shape) for name, values in arrays.items()}
    (folder / "shapes.json").write_text(json.dumps(shapes))


def read(folder: Path) -> dict[str, Floats]:
    """Return the arrays of a folder."""
    shapes = json.loads((folder / "shapes.json").read_text())
    return {
        name: np.fromfile(folder / f"{name}.bin", dtype="<f8").reshape(shape, order="F")
        for name, shape in shapes.items()
    }
