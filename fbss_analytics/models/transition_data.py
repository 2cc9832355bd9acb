"""Transition data: from intervals in states to one row per interval and move it is at risk of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..endpoints.states import UNOBSERVED
from ..errors import InputError, nearest
from .episodes import loose_intervals

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

MOVE = "transition"
"""Column every formula may use: the move a row of transition data is at risk of, ``on -> off``."""


@dataclass(frozen=True, eq=False)
class Moves:
    """Transition data: one row per interval and move it is at risk of. Shapes (m,), ``pairs`` (T,).

    ``frame`` has the columns of the interval and ``transition``; ``move`` is the place among ``pairs``.
    """

    frame: pd.DataFrame = field(repr=False)
    entry: Floats
    stop: Floats
    happened: Mask
    move: Ints
    pairs: tuple[tuple[str, str], ...]

    def take(self, rows: Mask) -> Moves:
        """Return some of the rows."""
        frame = self.frame[rows].reset_index(drop=True)
        return Moves(frame, self.entry[rows], self.stop[rows], self.happened[rows], self.move[rows], self.pairs)


def move_name(origin: str, target: str) -> str:
    """Return a move in words: ``on -> off``."""
    return f"{origin} -> {target}"


def transition_data(
    episodes: Any,
    *,
    clock: str,
    transitions: Iterable[tuple[str, str]] | None = None,
    row: str = "row",
    start: str = "start_day",
    stop: str = "stop_day",
    state: str = "state",
) -> tuple[Moves, pd.DataFrame]:
    """Return one row per interval and move it is at risk of, and the intervals left out (reason, n).

    Parameters are those of `fit_transitions`.
    """
    frame, codes, begins, stops = loose_intervals(episodes, row=row, start=start, stop=stop, label=state)
    if pd.api.types.infer_dtype(frame[state], skipna=False) not in ("string", "categorical"):
        raise InputError(f"{state!r} must hold states as text, such as 'on pump and free'.")
    held = frame[state].astype(object).to_numpy()
    joined = np.append((np.diff(codes) == 0) & (begins[1:] == stops[:-1]), False)
    following = np.where(joined, np.append(held[1:], ""), "")
    pairs = _pairs(held, following, transitions)
    origin, known = _entered(codes, begins, held, joined)
    at_risk = stops > begins
    unclear = int((at_risk & ~known & np.isin(held, [pair[0] for pair in pairs])).sum()) if clock == "reset" else 0
    shift = np.zeros(len(codes))
    if clock == "reset":
        at_risk, shift = at_risk & known, origin
    rows = [np.flatnonzero(at_risk & (held == pair[0])) for pair in pairs]
    every = np.concatenate(rows)
    move = np.repeat(np.arange(len(pairs)), [len(mine) for mine in rows])
    labels = np.array([move_name(*pair) for pair in pairs], dtype=object)[move]
    happened = following[every] == np.array([pair[1] for pair in pairs], dtype=object)[move]
    made = frame.iloc[every].reset_index(drop=True).assign(**{MOVE: labels})
    reasons = [("entered its state at an unknown time", unclear)] if unclear else []
    excluded = pd.DataFrame(reasons, columns=["reason", "n"]).astype({"n": np.int64})
    entry = (begins - shift)[every]
    return Moves(made, entry, (stops - shift)[every], happened.astype(bool), move, pairs), excluded


def _pairs(
    held: npt.NDArray[Any], following: npt.NDArray[Any], wanted: Iterable[tuple[str, str]] | None
) -> tuple[tuple[str, str], ...]:
    """Return the moves to model, in order of their names, or as asked."""
    seen = {(str(a), str(b)) for a, b in zip(held, following, strict=True) if b and a != b}
    if wanted is None:
        found = sorted(pair for pair in seen if UNOBSERVED not in pair)
        if not found:
            raise InputError("No row moves from one state to another; there is nothing to estimate.")
        return tuple(found)
    asked = [(str(pair[0]), str(pair[1])) for pair in wanted]
    known = sorted({str(name) for name in held})
    for name in dict.fromkeys(name for pair in asked for name in pair):
        if name not in known:
            raise InputError(f"transitions= names {name!r}, which is no state.{nearest(name, known)}")
    for pair in asked:
        if pair not in seen:
            listed = ", ".join(move_name(*other) for other in sorted(seen))
            raise InputError(f"No row moves {move_name(*pair)}; there are {listed}.")
    if len(set(asked)) < len(asked) or not asked:
        raise InputError("transitions= must name one move or more, each once.")
    return tuple(asked)


def _entered(codes: Ints, begins: Floats, held: npt.NDArray[Any], joined: Mask) -> tuple[Floats, Mask]:
    """Return the day each interval's state was entered, and whether that is known.

    It is not after time not observed, nor where a row is first seen after day 0.
    """
    before = np.append(False, joined[:-1])
    same = before & np.append(False, held[1:] == held[:-1])
    run = np.cumsum(~same) - 1
    first = np.flatnonzero(~same)
    opened = np.append(UNOBSERVED, held[:-1])
    known = np.where(before, opened != UNOBSERVED, begins == 0)
    return begins[first][run], known[first][run].astype(bool)
