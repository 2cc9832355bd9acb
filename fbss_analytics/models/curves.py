"""From follow-up to the steps of a `Curve`, group by group."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..formats import plural
from .bands import hazard_limits, probability_limits
from .followup import FollowUp, groups
from .kernels.aalen_johansen import Steps, curves
from .results import STEP_COLUMNS, Curve
from .rows import warn
from .weights import case_weights, count_rows

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def risk_curve(
    follow: FollowUp,
    *,
    kind: str,
    cause: Ints,
    names: tuple[str, ...],
    by: str | None,
    conf_level: float,
    conf_type: str,
    method: str,
    weights: str | None = None,
) -> Curve:
    """Return the curve of every group.

    Parameters
    ----------
    follow : checked follow-up. kind : survival, cumulative_incidence or cumulative_hazard.
    cause : (n,) 0 for censored, else 1 + place in ``names``; a cause treated as censored has been set to 0.
    method : how it was estimated, in words. weights : column of weights of the rows.
    """
    weighted = case_weights(follow, weights)
    clusters = follow.codes(follow.cluster) if follow.cluster is not None else None
    tables: list[pd.DataFrame] = []
    sizes: dict[str, int] = {}
    for group, mask in groups(follow, by):
        steps = curves(
            follow.stop[mask],
            cause[mask],
            len(names),
            entry=None if follow.entry is None else follow.entry[mask],
            cluster=None if clusters is None else clusters[mask],
            weight=None if weighted is None else weighted.values[mask],
            repeats=weighted is not None and weighted.repeats,
            entry_in_variance=kind == "cumulative_incidence",
        )
        if np.any((steps.survival[:-1] == 0) & (steps.events.sum(axis=0)[1:] > 0)) and kind != "cumulative_hazard":
            warn(
                f"In group {group!r} everyone at risk had an event before others entered: the curve ends there. "
                f"Start the clock later, when more are under observation."
            )
        sizes[group] = count_rows(mask, weighted)
        tables.extend(_table(steps, kind, j, group, name, conf_type, conf_level) for j, name in enumerate(names))
    words = [method]
    if follow.entry is not None:
        words.append("at risk only after entry")
    if weighted is not None:
        words.append(weighted.words)
    if clusters is not None:
        words.append(f"standard errors clustered on {follow.cluster} ({plural(int(clusters.max()) + 1, 'cluster')})")
    return Curve(
        kind=kind,
        outcome=follow.outcome,
        by=by,
        data=pd.concat(tables, ignore_index=True),
        method="; ".join(words) + ".",
        conf_type=conf_type,
        conf_level=conf_level,
        definitions=follow.definitions,
        excluded=follow.excluded,
        n=sum(sizes.values()),
        events=count_rows((follow.cause > 0) & (follow.cause <= follow.n_events), weighted),
        sizes=sizes,
        competing=tuple(name for name in names if name in follow.competing),
        unit=follow.unit,
    )


def _table(steps: Steps, kind: str, j: int, group: str, cause: str, conf_type: str, conf_level: float) -> pd.DataFrame:
    """Return the steps of one group and cause with `STEP_COLUMNS`."""
    if kind == "cumulative_hazard":
        estimate, error = steps.hazard[j], steps.hazard_error[j]
        low, high = hazard_limits(estimate, error, conf_level=conf_level)
    else:
        survival = kind == "survival"
        estimate = steps.survival if survival else steps.incidence[j]
        error = steps.survival_error if survival else steps.incidence_error[j]
        low, high = probability_limits(estimate, error, conf_type=conf_type, conf_level=conf_level)
    columns = (group, cause, steps.time, estimate, error, low, high, steps.at_risk, steps.events[j], steps.censored)
    return pd.DataFrame(dict(zip(STEP_COLUMNS, columns, strict=True)))
