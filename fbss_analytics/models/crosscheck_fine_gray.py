"""`crosscheck=True` of a Fine-Gray model: weights by statsmodels, the model by lifelines on rows spread over time.

Each row with a competing event becomes one row until then and one for every later stretch of days over which its weight
is the same, as R ``finegray`` spreads them; a weighted Cox model of these rows has the coefficients and the information
of the Fine-Gray model (Geskus 2011, doi:10.1111/j.1541-0420.2010.01420.x).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from .competing_fit import CompetingFit
from .cox_case import CoxRows, case_of
from .crosscheck import check_cox, compare_engines, confirmed, fit_lifelines, unchecked
from .fit import Fit

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

MOST_ROWS = 500_000
"""Rows that lifelines fits within a minute or so; a larger spread is not checked."""


@dataclass(frozen=True, eq=False)
class _Spread:
    """Rows at risk over (``start``, ``stop``] with ``weight``; ``row`` (m,) says of whom, ``happened`` of the cause."""

    row: Ints
    start: Floats
    stop: Floats
    happened: npt.NDArray[np.bool_]
    weight: Floats


def check_competing_fit(fit: CompetingFit, *, stratum: Ints | None, ties: str) -> CompetingFit:
    """Return the fit whose models second engines have confirmed, each saying so in its method; warn where none can.

    lifelines has Efron's ties only: other ties can be checked where no two events of the cause share a day. Its robust
    standard errors do not count the estimation of the weights, so those from the information are compared.

    Raises
    ------
    DataError
        A second engine disagrees.
    """
    rows = case_of(fit.cause_specific[0], "crosscheck").rows
    others = tuple(check_cox(one) for one in fit.cause_specific)
    return replace(fit, fine_gray=_check(fit, rows, stratum, ties), cause_specific=others)


def _check(fit: CompetingFit, rows: CoxRows, stratum: Ints | None, ties: str) -> Fit:
    """Return the Fine-Gray fit, confirmed or said not to be checked."""
    days = np.unique(rows.follow.stop[rows.happened])
    if ties != "efron" and len(days) < rows.happened.sum():
        return unchecked(fit.fine_gray, f"no second engine has the ties {ties!r} with weights")
    spread = _spread(rows, days, stratum, events_first=ties != "cmprsk")
    if spread is None:
        return unchecked(fit.fine_gray, "the rows spread over time are too many for a second engine")
    more = {"entry": spread.start, "weights": spread.weight}
    theirs = fit_lifelines(rows.design.matrix[spread.row], spread.stop, spread.happened, more)
    errors = np.sqrt(np.diag(fit.case.estimate.covariance))
    compare_engines((fit.case.estimate.coefficients, errors), theirs, rows.design.names, engine="lifelines")
    return confirmed(fit.fine_gray, "lifelines", "coefficients and model-based standard errors")


def _spread(rows: CoxRows, days: Floats, stratum: Ints | None, *, events_first: bool) -> _Spread | None:
    """Return the rows spread over the ``days`` of events; None when they are too many."""
    follow = rows.follow
    n = len(follow.stop)
    own = np.ones(n) if rows.weight is None else rows.weight
    entry = np.zeros(n) if follow.entry is None else follow.entry
    pieces = [_Spread(np.arange(n), entry, follow.stop, rows.happened, own)]
    size, codes = n, np.zeros(n, dtype=np.int64) if stratum is None else stratum
    competed = (follow.cause > 0) & ~rows.happened
    for code in range(int(codes.max()) + 1):
        mine = np.flatnonzero(codes == code)
        share = _remaining(rows, mine, days, events_first=events_first)
        at_exit = _remaining(rows, mine, follow.stop[mine], events_first=events_first)
        left, base = mine[competed[mine]], at_exit[competed[mine]]
        ends = np.flatnonzero(np.append(np.diff(share) != 0, True))
        begins = np.append(0.0, days[ends[:-1]])
        for begin, end, level in zip(begins, days[ends], share[ends], strict=True):
            late = (follow.stop[left] < end) & (level > 0)
            who, size = left[late], size + int(late.sum())
            if size > MOST_ROWS:
                return None
            start, stop = np.maximum(begin, follow.stop[who]), np.full(len(who), end)
            pieces.append(_Spread(who, start, stop, np.zeros(len(who), dtype=bool), own[who] * level / base[late]))
    return _Spread(*(np.concatenate([getattr(one, name) for one in pieces]) for name in _Spread.__annotations__))


def _remaining(rows: CoxRows, mine: Ints, at: Floats, *, events_first: bool) -> Floats:
    """Return the chance of being neither censored nor yet to enter just before the days ``at``, by statsmodels.

    It works on places in time: on a day events come first, then censorings (with the events where ``events_first`` is
    False), then entries.
    """
    stop, censored = rows.follow.stop[mine], rows.follow.cause[mine] == 0
    entry = None if rows.follow.entry is None else rows.follow.entry[mine]
    weight = None if rows.weight is None else rows.weight[mine]
    days = np.unique(np.concatenate([stop, at, [0.0] if entry is None else entry]))
    leaving = 4 * np.searchsorted(days, stop) + (censored if events_first else 0) + 4
    asked = 4 * np.searchsorted(days, at) + 4
    entering = None if entry is None else 4 * np.searchsorted(days, entry) + 6
    share = _product(leaving, censored, entering, weight, asked)
    if entering is not None:
        # Entries in reversed time: at risk of entering on a day are those who have entered by then and leave later.
        backwards = int(leaving.max()) + 4
        share = share * _product(
            backwards - entering, np.ones(len(mine), dtype=bool), backwards - leaving, weight, backwards - asked
        )
    return np.where(at > stop.max(), 0.0, share)


def _product(
    place: Ints, happened: npt.NDArray[np.bool_], entry: Ints | None, weight: Floats | None, at: Ints
) -> Floats:
    """Return the product-limit estimate just before the places ``at``; 1 where nothing happens."""
    from statsmodels.duration.survfunc import SurvfuncRight

    if not happened.any():
        return np.ones(len(at))
    result = SurvfuncRight(place, happened.astype(np.int64), entry=entry, freq_weights=weight)
    return np.append(1.0, result.surv_prob)[np.searchsorted(result.surv_times, at, side="left")]
