"""Pieces of follow-up between recurrent events: read, numbered, and stacked as a model takes them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import DataError, InputError, nearest
from ..formats import plural
from .adequacy import FEW
from .episodes import loose_intervals
from .followup import CENSORED, Columns, text_status
from .rows import warn

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

NUMBER = "event_number"
"""Column every formula may use: 1 until the first event, 2 until the second ..."""


@dataclass(frozen=True, eq=False)
class Pieces:
    """Pieces of follow-up with time at risk, in order of row and day. Shapes (m,).

    ``number`` is 1 + the events of the row before the piece, ``origin`` the day of the last of them (0 for the first).
    """

    frame: pd.DataFrame = field(repr=False)
    start: Floats
    stop: Floats
    happened: Mask
    number: Ints
    origin: Floats

    def take(self, rows: Ints | Mask) -> Pieces:
        """Return some of the pieces, or the same ones repeatedly."""
        frame = self.frame.iloc[np.flatnonzero(rows) if rows.dtype == bool else rows].reset_index(drop=True)
        return Pieces(
            frame, self.start[rows], self.stop[rows], self.happened[rows], self.number[rows], self.origin[rows]
        )


def read_pieces(
    episodes: Any, *, row: str, start: str, stop: str, status: str, event: str, terminal: tuple[str, ...]
) -> tuple[Pieces, int, int]:
    """Return the pieces with time at risk, how many rows may miss events, and how many pieces have no time at risk.

    Raises
    ------
    InputError
        A column or word is not there, or the status is ambiguous.
    DataError
        Pieces overlap or run backwards, an event has no time at risk, or a row is followed on after its end.
    """
    frame, codes, begins, stops = loose_intervals(episodes, row=row, start=start, stop=stop, label=status)
    happened = _happened(frame[status], codes, status=status, event=event, terminal=terminal)
    return _numbered(frame, codes, begins, stops, happened)


def stack_pieces(pieces: Pieces, model: str, last: int) -> Pieces:
    """Return the pieces as the model takes them: cut at the last event number, on its clock, or once per number."""
    if model == "wlw":
        # At risk of event k are all pieces up to the k-th event, whatever happened before it.
        rows = [np.flatnonzero(pieces.number <= k) for k in range(1, last + 1)]
        meant = np.repeat(np.arange(1, last + 1), [len(mine) for mine in rows])
        stacked = pieces.take(np.concatenate(rows))
        happened = stacked.happened & (stacked.number == meant)
        frame = stacked.frame.assign(**{NUMBER: meant})
        return Pieces(frame, stacked.start, stacked.stop, happened, meant, stacked.origin)
    kept = pieces.take(pieces.number <= last) if model != "andersen_gill" else pieces
    if model == "pwp_gap":
        start, stop = kept.start - kept.origin, kept.stop - kept.origin
        return Pieces(kept.frame, start, stop, kept.happened, kept.number, kept.origin)
    return kept


def warn_sparse(stacked: Pieces, last: int) -> None:
    """Warn of event numbers that few events stand for."""
    counts = np.bincount(stacked.number[stacked.happened], minlength=last + 1)[1:]
    few = np.flatnonzero(counts < FEW)
    if 0 < len(few) < last and few[0] > 0:
        warn(
            f"Event numbers from {few[0] + 1} on rest on fewer than {FEW} events ({int(counts[few[0]])} of number "
            f"{few[0] + 1}); give up_to={few[0]} to leave them out."
        )


def _happened(values: pd.Series, codes: Ints, *, status: str, event: str, terminal: tuple[str, ...]) -> Mask:
    """Return which pieces end with the event; refuse words that are not known and pieces after the terminal event."""
    if len({event, *terminal, CENSORED}) != len(terminal) + 2:
        raise InputError("event= and terminal= must name different words, none of them 'censored'.")
    words = text_status(values, Columns(status=status, event=event, competing=terminal or None)).to_numpy()
    known = (event, CENSORED, *terminal)
    for word in dict.fromkeys(words):
        if word not in known:
            raise InputError(
                f"status={status!r} also holds {word!r}. Where it ends follow-up for good, give terminal={word!r}; "
                f"else recode it to 'censored'.{nearest(str(word), known)}"
            )
    followed_on = np.append(np.diff(codes) == 0, False)
    after = int((np.isin(words, terminal) & followed_on).sum())
    if after:
        listed = " or ".join(repr(word) for word in terminal)
        raise DataError(f"{plural(after, 'row')} followed on after {listed}, which must end a row's follow-up.")
    return np.asarray(words == event, dtype=bool)


def _numbered(
    frame: pd.DataFrame, codes: Ints, begins: Floats, stops: Floats, happened: Mask
) -> tuple[Pieces, int, int]:
    """Return the pieces with time at risk and their event numbers; how many rows may miss events; pieces without time.

    A death on the day of the last event is a piece without time at risk: nobody is at risk in (t, t].
    """
    first = np.append(True, np.diff(codes) != 0)
    place = np.flatnonzero(first)[codes] if len(codes) else codes
    passed = np.append(0, np.cumsum(happened))
    number = 1 + passed[:-1] - passed[place]
    previous = np.where(first, 0.0, np.append(0.0, np.where(happened, stops, 0.0)[:-1]))
    # The day of the last event before: days only rise within a row, so the latest event day so far is the largest.
    origin = np.asarray(pd.Series(previous).groupby(codes).cummax(), dtype=np.float64)
    joined = np.where(first, begins == 0, begins == np.append(0.0, stops[:-1]))
    unsure = len(np.unique(codes[~joined]))
    long = stops > begins
    if (happened & ~long).any():
        wrong = int((happened & ~long).sum())
        raise DataError(
            f"{plural(wrong, 'interval')} of {len(codes):,} with the event and no length; nobody is at risk in them. "
            f"An event on day 0 stands at 0.5 by convention."
        )
    pieces = Pieces(frame.assign(**{NUMBER: number}), begins, stops, happened, number, origin)
    return pieces.take(long), unsure, int((~long).sum())
