"""`crosscheck=True` of survival curves and cumulative incidences: the same steps by statsmodels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import DataError
from .crosscheck import confirmed
from .followup import FollowUp, groups
from .results import Curve
from .weights import case_weights

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

TOLERANCE = 1e-9
"""How far probabilities and their standard errors may lie apart: both are sums and products of the same counts, so that
only rounding can part them."""

ENGINE = "statsmodels"


@dataclass(frozen=True, eq=False)
class _Group:
    """The rows of one group, each array (n,)."""

    stop: Floats
    cause: Ints
    entry: Floats | None
    weight: Floats | None


@dataclass(frozen=True, eq=False)
class _Step:
    """A step function that jumps at ``time`` (K,), 0 or 1 before (``start``); without errors where it has none."""

    time: Floats
    value: Floats
    error: Floats | None
    start: float = 0.0

    def at(self, days: Floats) -> tuple[Floats, Floats | None]:
        """Return value and standard error at each day."""
        k = np.searchsorted(self.time, days, side="right")
        error = None if self.error is None else np.append(0.0, self.error)[k]
        return np.append(self.start, self.value)[k], error


def check_curve(curve: Curve, follow: FollowUp, *, weights: str | None) -> Curve:
    """Return a curve whose every step statsmodels has confirmed, saying in its method what was compared.

    Survival by ``SurvfuncRight``, which puts rows at risk after their entry. Incidence by ``CumIncidenceRight``, which
    takes all causes of a day together; with late entry, which it lacks, from the survival, risk sets and events of
    ``SurvfuncRight``. Standard errors are compared without weights and clusters and, for incidence, late entry: there
    statsmodels has none, or another estimator.

    Raises
    ------
    DataError
        The two disagree.
    """
    weighted = case_weights(follow, weights)
    comparable = weighted is None and follow.cluster is None
    comparable &= curve.kind == "survival" or follow.entry is None
    for name, mask in groups(follow, curve.by):
        group = _Group(
            follow.stop[mask],
            follow.cause[mask],
            None if follow.entry is None else follow.entry[mask],
            None if weighted is None else weighted.values[mask],
        )
        theirs = [_survival(group)] if curve.kind == "survival" else _incidences(group, len(follow.causes))
        for cause, step in zip(follow.causes, theirs, strict=True):
            _compare(curve, (name, cause), step, errors=comparable)
    return confirmed(curve, ENGINE, f"{'estimates and standard errors' if comparable else 'estimates'} at every step")


def _compare(curve: Curve, piece: tuple[str, str], theirs: _Step, *, errors: bool) -> None:
    """Raise `DataError` where the steps of one group and cause disagree."""
    steps = curve.data[(curve.data["group"] == piece[0]) & (curve.data["cause"] == piece[1])]
    value, error = theirs.at(steps["time_days"].to_numpy())
    pairs = [("estimate", value)]
    if errors and error is not None:
        # statsmodels has no standard error from the day on which nobody is left.
        pairs.append(("std_error", np.where(np.isnan(error), steps["std_error"], error)))
    for column, other in pairs:
        apart = np.abs(steps[column].to_numpy() - other)
        if not (apart <= TOLERANCE).all():
            what = "standard errors" if column == "std_error" else "estimates"
            raise DataError(
                f"{ENGINE} disagrees with this curve: {what} of {piece[1]!r} in group {piece[0]!r} differ by up to "
                f"{apart.max():.3g} at {(~(apart <= TOLERANCE)).sum()} of {len(steps)} steps. Do not use either before "
                f"you know why."
            )


def _survival(group: _Group, cause: int | None = None) -> _Step:
    """Return survival free of every event, or of one cause, the others counted as censored."""
    result = _survfunc(group, cause)
    error = None if group.weight is not None else np.asarray(result.surv_prob_se)
    return _Step(np.asarray(result.surv_times), np.asarray(result.surv_prob), error, start=1.0)


def _survfunc(group: _Group, cause: int | None = None) -> Any:
    from statsmodels.duration.survfunc import SurvfuncRight

    happened = group.cause > 0 if cause is None else group.cause == cause
    return SurvfuncRight(group.stop, happened.astype(np.int64), entry=group.entry, freq_weights=group.weight)


def _incidences(group: _Group, n_causes: int) -> list[_Step]:
    """Return the cumulative incidence of each cause."""
    from statsmodels.duration.survfunc import CumIncidenceRight

    if group.entry is not None:
        return [_incidence(group, cause) for cause in range(1, n_causes + 1)]
    with np.errstate(divide="ignore", invalid="ignore"):
        # Its standard errors divide by 0 where the last rows leave by an event; they are missing then.
        result = CumIncidenceRight(group.stop, group.cause, freq_weights=group.weight)
    time, found = np.asarray(result.times), len(result.cinc)
    none = _Step(time, np.zeros(len(time)), None)
    errors = result.cinc_se if group.weight is None else [None] * found
    return [_Step(time, result.cinc[j], errors[j]) if j < found else none for j in range(n_causes)]


def _incidence(group: _Group, cause: int) -> _Step:
    """Return the cumulative incidence of one cause as the sum of S(u-) times events over rows at risk."""
    free, own = _survival(group), _survfunc(group, cause)
    time = np.asarray(own.surv_times)
    before = np.append(1.0, free.value)[np.searchsorted(free.time, time, side="left")]
    return _Step(time, np.cumsum(before * own.n_events / own.n_risk), None)
