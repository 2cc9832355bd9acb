"""The Python contenders, each run in a process of its own: ``survival_contenders.py TASK NAME FOLDER REPEATS``.

Prints JSON: seconds of each run by the clock and of the processors, the numbers to compare, and the version. A
contender whose package is not installed prints why. Reading the data and one run to warm up are not timed (compiled
code is cached on disk between processes).
"""

from __future__ import annotations

import importlib.metadata
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from survival_data import HORIZONS, Floats, read

Data = dict[str, Floats]


def cox_ours(data: Data) -> Callable[[], Any]:
    from fbss_analytics.models.kernels import cox

    x, stop, event = np.ascontiguousarray(data["x"]), data["time"], data["cause"] == 1
    return lambda: cox.fit_risk_sets(cox.risk_sets(x, stop, event)).coefficients


def cox_lifelines(data: Data) -> Callable[[], Any]:
    import pandas as pd
    from lifelines import CoxPHFitter

    frame = pd.DataFrame(data["x"], columns=[f"x{j}" for j in range(data["x"].shape[1])])
    frame = frame.assign(days=data["time"], event=data["cause"] == 1)
    return lambda: CoxPHFitter().fit(frame, "days", "event").params_.to_numpy()


def bootstrap_ours(data: Data) -> Callable[[], Any]:
    from fbss_analytics.models.kernels import cox
    from fbss_analytics.models.kernels.cox_bootstrap import refit

    x, stop, event = np.ascontiguousarray(data["x"]), data["time"], data["cause"] == 1

    def run() -> Floats:
        sets = cox.risk_sets(x, stop, event)
        whole = cox.fit_risk_sets(sets)
        information = np.linalg.inv(whole.covariance * np.outer(sets.scale, sets.scale))
        return _spread(refit(sets, data["counts"], whole.coefficients, information).coefficients)

    return run


def bootstrap_lifelines(data: Data) -> Callable[[], Any]:
    import pandas as pd
    from lifelines import CoxPHFitter

    names = [f"x{j}" for j in range(data["x"].shape[1])]
    frame = pd.DataFrame(data["x"], columns=names).assign(days=data["time"], event=data["cause"] == 1)

    def one(counts: Floats) -> Floats:
        mine = frame[counts > 0].assign(w=counts[counts > 0])
        fit = CoxPHFitter().fit(mine, "days", "event", weights_col="w", robust=False)
        return np.asarray(fit.params_.to_numpy())

    return lambda: _spread(np.stack([one(counts) for counts in data["counts"]]))


def _spread(coefficients: Floats) -> Floats:
    """Return mean and standard deviation of each coefficient over samples (samples, p)."""
    return np.concatenate([coefficients.mean(axis=0), coefficients.std(axis=0, ddof=1)])


def fine_gray_ours(data: Data, ties: str = "efron") -> Callable[[], Any]:
    from fbss_analytics.models.kernels import cox, fine_gray

    x, stop, cause = np.ascontiguousarray(data["x"]), data["time"], data["cause"].astype(np.int64)

    def run() -> Floats:
        model = fine_gray.subdistribution(x, stop, cause, ties=ties)
        fit = cox.fit_risk_sets(model.sets)
        robust = fine_gray.sandwich(model, fit)
        return np.concatenate([fit.coefficients, np.sqrt(np.diag(robust))])

    return run


def fine_gray_as_crr(data: Data) -> Callable[[], Any]:
    return fine_gray_ours(data, ties="cmprsk")


def aalen_johansen_ours(data: Data) -> Callable[[], Any]:
    from fbss_analytics.models.kernels import aalen_johansen

    stop, cause = data["time"], data["cause"].astype(np.int64)

    def run() -> Floats:
        steps = aalen_johansen.curves(stop, cause, 2)
        at = np.searchsorted(steps.time, HORIZONS, side="right") - 1
        return np.concatenate([steps.incidence[:, at].ravel(), steps.incidence_error[:, at].ravel()])

    return run


def aalen_johansen_statsmodels(data: Data) -> Callable[[], Any]:
    from statsmodels.duration.survfunc import CumIncidenceRight

    stop, cause = data["time"], data["cause"].astype(np.int64)

    def run() -> Floats:
        curve = CumIncidenceRight(stop, cause)
        at = np.searchsorted(curve.times, HORIZONS, side="right") - 1
        return np.concatenate([curve.cinc[j][at] for j in (0, 1)] + [curve.cinc_se[j][at] for j in (0, 1)])

    return run


CONTENDERS: dict[str, dict[str, tuple[str, Callable[[Data], Callable[[], Any]]]]] = {
    "cox": {"ours": ("fbss_analytics", cox_ours), "lifelines": ("lifelines", cox_lifelines)},
    "bootstrap": {"ours": ("fbss_analytics", bootstrap_ours), "lifelines": ("lifelines", bootstrap_lifelines)},
    "fine_gray": {
        "ours": ("fbss_analytics", fine_gray_ours),
        "ours, ties as crr": ("fbss_analytics", fine_gray_as_crr),
    },
    "aalen_johansen": {
        "ours": ("fbss_analytics", aalen_johansen_ours),
        "statsmodels": ("statsmodels", aalen_johansen_statsmodels),
    },
}
"""Of each task: the name of a contender, its package, and what makes its timed run from the data."""


def main(task: str, name: str, folder: str, repeats: str) -> None:
    """Time one contender and print the result as JSON."""
    package, prepare = CONTENDERS[task][name]
    try:
        version = importlib.metadata.version(package)
        run = prepare(read(Path(folder)))
    except ImportError as error:
        print(json.dumps({"absent": str(error)}))
        return
    numbers, seconds, processor = run(), [], []
    for _ in range(int(repeats)):
        begun, worked = time.perf_counter(), time.process_time()
        numbers = run()
        seconds.append(time.perf_counter() - begun)
        processor.append(time.process_time() - worked)
    timed = {"seconds": seconds, "processor_seconds": processor}
    print(json.dumps(timed | {"numbers": np.asarray(numbers).tolist(), "version": version}))


if __name__ == "__main__":
    main(*sys.argv[1:])
