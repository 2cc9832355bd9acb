"""State occupancy by Aalen-Johansen on arrays, any states, returns allowed, exact on ties.

Row ``i`` is in state ``h`` and at risk at ``u`` when it has an interval of ``h`` with ``start < u <= stop``. With
``Y_h`` those rows and ``N_hj`` the moves from ``h`` to ``j`` at ``u``, all moves of one time taken together,

    p(t) = p(0) prod_{u <= t} (I + A(u)),    A_hj = N_hj / Y_h (j != h),    A_hh = -sum_j A_hj.

The influence of row ``i`` is carried along, ``U_i(u) = U_i(u-) (I + A) + p_h(u-) (dN_i - A_h) / Y_h`` for a row at risk
in ``h``, from ``U_i(0) = (1[state] - p(0)) / n``; squares are summed over rows, or over patients (``cluster``). This is
the infinitesimal jackknife of R's multi-state ``survfit``.

The estimate needs no Markov property: with censoring independent of the states it is the share in each state (Datta and
Satten 2001, doi:10.1016/S0167-7152(01)00155-9; Aalen and Johansen 1978, https://www.jstor.org/stable/4615704).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

GONE = -1
"""State of a row that is no longer followed."""


@dataclass(frozen=True, eq=False)
class Intervals:
    """Intervals sorted by row and start, the next of a row beginning where the last ended, all rows starting at 0.

    Shapes (m,): ``row`` codes from 0, ``start``, ``stop``, ``state`` codes from 0.
    """

    row: Ints
    start: Floats
    stop: Floats
    state: Ints

    @property
    def following(self) -> Ints:
        """The state (m,) each interval is left for, `GONE` where the row is followed no further."""
        last = np.append(np.diff(self.row) != 0, True)
        return np.where(last, GONE, np.append(self.state[1:], GONE))


@dataclass(frozen=True, eq=False)
class Occupancy:
    """Shares in each state at distinct times, the first of them 0. Shapes (K,) and, per state, (S, K).

    ``present`` counts rows in the state just before each time (at time 0: those who start in it), ``entered`` those who
    move into it at that time, ``censored`` those last seen in it then.
    """

    time: Floats
    share: Floats
    std_error: Floats
    present: Ints
    entered: Ints
    censored: Ints


def occupancy(
    intervals: Intervals, n_states: int, *, among: Ints | None = None, cluster: Ints | None = None
) -> Occupancy:
    """Estimate the share of rows in each state.

    Parameters
    ----------
    intervals : see `Intervals`. n_states : how many states there are.
    among : codes of states; the share is then of those in any of them at the time (0 / 0 is missing).
    cluster : (n,) codes of the patient of each row.
    """
    following = intervals.following
    first = np.append(True, np.diff(intervals.row) != 0)
    current = intervals.state[first].copy()
    n = len(current)
    ends = np.argsort(intervals.stop, kind="stable")
    time, begins = np.unique(intervals.stop[ends], return_index=True)
    if time[0] > 0:
        time, begins = np.append(0.0, time), np.append(0, begins)
    begins = np.append(begins, len(ends))
    present = np.stack([_present(intervals, state, time) for state in range(n_states)])
    entered, censored = np.zeros_like(present), np.zeros_like(present)
    share, std_error = np.empty(present.shape), np.empty(present.shape)
    p = np.bincount(current, minlength=n_states) / n
    influence = (np.eye(n_states)[current] - p) / n
    for k in range(len(time)):
        ending = ends[begins[k] : begins[k + 1]]
        moving = ending[(following[ending] != GONE) & (following[ending] != intervals.state[ending])]
        if len(moving):
            moves = (intervals.row[moving], intervals.state[moving], following[moving])
            entered[:, k] = np.bincount(moves[2], minlength=n_states)
            p = _step(p, influence, current, present[:, k], moves)
        _leave(current, intervals, ending, following)
        lost = intervals.state[ending[following[ending] == GONE]]
        censored[:, k] = np.bincount(lost, minlength=n_states)
        share[:, k], std_error[:, k] = _reported(p, influence, among, cluster)
    return Occupancy(time, share, std_error, present, entered, censored)


def _present(intervals: Intervals, state: int, time: Floats) -> Ints:
    """Return how many rows are in a state just before each time; at time 0, how many start in it."""
    mine = intervals.state == state
    begun = np.searchsorted(np.sort(intervals.start[mine]), time, side="left")
    ended = np.searchsorted(np.sort(intervals.stop[mine]), time, side="left")
    count = np.asarray(begun - ended, dtype=np.int64)
    count[0] = int((mine & (intervals.start == 0)).sum())
    return count


def _step(p: Floats, influence: Floats, current: Ints, present: Ints, moves: tuple[Ints, Ints, Ints]) -> Floats:
    """Return the shares after the moves of one time, and carry the influence (n, S) along in place."""
    rows, origin, target = moves
    size = len(p)
    counts = np.bincount(origin * size + target, minlength=size * size).reshape(size, size)
    hazard = counts / np.maximum(present, 1)[:, None]
    np.fill_diagonal(hazard, -hazard.sum(axis=1))
    influence += influence @ hazard
    for state in np.flatnonzero(counts.sum(axis=1)):
        influence[current == state] -= p[state] / present[state] * hazard[state]
    weight = p[origin] / present[origin]
    np.add.at(influence, (rows, target), weight)
    np.subtract.at(influence, (rows, origin), weight)
    return np.asarray(p + p @ hazard, dtype=np.float64)


def _leave(current: Ints, intervals: Intervals, ending: Ints, following: Ints) -> None:
    """Move the rows whose intervals end on to what follows; of several of one row the last counts."""
    current[intervals.row[ending]] = following[ending]


def _reported(p: Floats, influence: Floats, among: Ints | None, cluster: Ints | None) -> tuple[Floats, Floats]:
    """Return shares and standard errors, of everyone or of those in the states ``among``."""
    share, own = p, influence
    if among is not None:
        total = p[among].sum()
        share = np.full(len(p), np.nan)
        own = np.full_like(influence, np.nan)
        if total > 0:
            share[among] = p[among] / total
            own[:, among] = (influence[:, among] - share[among] * influence[:, among].sum(axis=1)[:, None]) / total
    if cluster is not None:
        own = np.stack([np.bincount(cluster, column) for column in own.T], axis=1)
    return share, np.sqrt(np.einsum("ij,ij->j", own, own))
