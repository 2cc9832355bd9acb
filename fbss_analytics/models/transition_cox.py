"""`fit_transitions`: Cox models of the moves between states, each move with its own baseline hazard."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from ..cohort import Definition
from ..cohort.episodes import Episodes
from ..errors import InputError, nearest, one_of
from ..formats import count, html_table, plural
from .adequacy import warn_if_few
from .clustered import clustered_fit
from .formula import build_design, formula_variables
from .kernels import cox
from .results import Fit
from .rows import check_columns, complete_rows
from .transition_data import MOVE, Moves, move_name, transition_data


@dataclass(frozen=True, eq=False)
class TransitionFit:
    """Cox models of the moves between states.

    Attributes
    ----------
    fits : tuple of Fit
        One per move, in the order of ``counts``, its ``cause`` naming the move; or one for all with shared effects.
    counts : DataFrame
        from_state, to_state, n_rows and n_intervals ever at risk of the move, n_events, days_at_risk.
    estimates : DataFrame
        The estimates of all fits below each other.
    clock : str
        ``forward`` or ``reset``.
    method : str
        How the ratios were estimated.
    excluded : DataFrame
        Intervals left out: reason, n.
    """

    outcome: str
    formula: str
    fits: tuple[Fit, ...]
    counted: pd.DataFrame = field(repr=False)
    clock: str
    method: str
    definitions: tuple[Definition, ...] = field(repr=False)
    excluded: pd.DataFrame = field(repr=False)

    @property
    def counts(self) -> pd.DataFrame:
        """A copy of the counts of moves."""
        return self.counted.copy()

    @property
    def estimates(self) -> pd.DataFrame:
        """The estimates of all fits below each other."""
        return pd.concat([fit.table for fit in self.fits], ignore_index=True)

    def fit(self, origin: str, target: str) -> Fit:
        """Return the model of one move.

        Raises
        ------
        InputError
            The move has no model of its own.
        """
        name, known = move_name(origin, target), [fit.cause for fit in self.fits]
        if name not in known:
            raise InputError(f"{name!r} has no model of its own.{nearest(name, known)}")
        return self.fits[known.index(name)]

    def sentence(self, term: str | None = None) -> str:
        """Say the counts of moves, then one term's ratio for each: the first of the formula, or ``term``."""
        columns = (self.counted["from_state"], self.counted["to_state"], self.counted["n_events"])
        moves = ", ".join(f"{origin} to {target} {count(n)}" for origin, target, n in zip(*columns, strict=True))
        return " ".join([f"Moves: {moves}.", *(fit.sentence(term) for fit in self.fits)])

    def _repr_html_(self) -> str:
        table = html_table(self.counted, caption=f"{self.outcome}: moves between states", notes=self.method)
        return table + "".join(fit._repr_html_() for fit in self.fits)


def fit_transitions(
    episodes: Any,
    *,
    formula: str,
    clock: str,
    effects: str,
    transitions: Iterable[tuple[str, str]] | None = None,
    cluster: str | None = None,
    ties: str = "efron",
    row: str = "row",
    start: str = "start_day",
    stop: str = "stop_day",
    state: str = "state",
    outcome: str | None = None,
    conf_level: float = 0.95,
) -> TransitionFit:
    """Fit Cox models of the moves between states, each move with its own baseline hazard.

    **Definition**: a row in state h on the days start .. stop - 1 is at risk, on days t with start < t <= stop, of
    every move out of h that is modelled; moving to j on day ``stop`` is the event of h -> j and ends the risk of the
    others (cause-specific). ``clock="forward"``: t counts from day 0, and a row enters the risk set when it enters the
    state (delayed entry). ``clock="reset"``: t counts from the day the state was entered.

    Parameters
    ----------
    episodes : Episodes or DataFrame
        Episodes of kind ``states``, or a frame with one row per interval. Intervals that follow each other in one state
        may differ in covariates. An end such as death is a last interval, with or without length.
    formula : str
        Right-hand side, as in `fit_cox`. With shared effects ``transition`` is a column of its own:
        ``age + age:C(transition)`` lets the ratio of age differ by move, and `Fit.tests` says whether it does.
    clock : {"forward", "reset"}
        See the definition.
    effects : {"by_transition", "shared"}
        A model for each move, or one model for all in which a ratio is the same for every move.
    transitions : list of (str, str), optional
        Moves (from, to) that are modelled; all others end follow-up in the state, censored. None: all moves that
        occur, but for those from and to ``unobserved``.
    cluster : str, optional
        Column of the patient or centre; the patient of `Episodes`, ``row`` of a frame when None.
    ties : str
        ``efron`` or ``breslow``.
    row, start, stop, state : str
        Columns of the row of the cohort, first day, last day and state (text).
    outcome : str, optional
        What the states are called together; the name of the episodes when None.
    conf_level : float
        Of the Wald intervals.

    Returns
    -------
    TransitionFit
        Hazard ratios with robust standard errors, clustered, since a row may make the same move several times.

    Raises
    ------
    InputError
        Wrong arguments, a state that is not there, or a move that does not occur.
    DataError
        Intervals overlap or run backwards, or a move has no finite estimate.

    Warns
    -----
    StudyWarning
        Rows with missing values left out; fewer than 10 events, or 10 events per parameter, of a move.

    When not to use it
    ------------------
    For the share in each state: a ratio of one move does not give it; use `estimate_state_occupancy`. With
    ``clock="forward"`` where the time since entering a state drives the move out of it, and the other way round.

    Notes
    -----
    With ``clock="reset"`` intervals that follow ``unobserved`` are left out and counted: nobody knows when the state
    was entered. The state on day 0 counts from day 0.

    References
    ----------
    Andersen and Keiding 2002, doi:10.1191/0962280202SM276ra; Putter, Fiocco and Geskus 2007, doi:10.1002/sim.2712. Held
    to R survival 3.5-3 ``coxph`` of a multi-state ``Surv``.

    Examples
    --------
    >>> import pandas as pd
    >>> spells = [(k, 0, 5 + k % 7, "on", k % 2) for k in range(60)]
    >>> spells += [(k, 5 + k % 7, 30, "off" if k % 3 else "dead", k % 2) for k in range(60)]
    >>> frame = pd.DataFrame(spells, columns=["row", "start_day", "stop_day", "state", "arm"])
    >>> fit = fit_transitions(frame, formula="arm", clock="forward", effects="by_transition")
    >>> fit.counts[["from_state", "to_state", "n_rows", "n_events"]].values.tolist()
    [['on', 'dead', 60, 20], ['on', 'off', 60, 40]]
    """
    one_of(clock, ("forward", "reset"), name="clock")
    one_of(effects, ("by_transition", "shared"), name="effects")
    one_of(ties, ("efron", "breslow"), name="ties")
    named = isinstance(episodes, Episodes)
    patient = cluster or ("patient_id" if named else row)
    moves, excluded = transition_data(
        episodes, clock=clock, transitions=transitions, row=row, start=start, stop=stop, state=state
    )
    check_columns(moves.frame, [patient], argument="The call")
    kept, missing = complete_rows(moves.frame, [*formula_variables(formula, moves.frame), patient])
    moves = moves.take(kept)
    method = _method(moves, clock, effects, ties, patient)
    about = {
        "model": "cox",
        "measure": "HR",
        "outcome": outcome or (episodes.name if named else state),
        "definitions": tuple(getattr(episodes, "definitions", ())),
        "excluded": pd.concat([excluded, missing], ignore_index=True).astype({"n": np.int64}),
        "unit": "interval",
        "conf_level": conf_level,
        "method": method,
    }
    if effects == "shared":
        fits: tuple[Fit, ...] = (_fitted(moves, formula, "", patient, ties, about),)
    else:
        fits = tuple(
            _fitted(moves.take(moves.move == k), formula, move_name(*pair), patient, ties, about)
            for k, pair in enumerate(moves.pairs)
        )
    return TransitionFit(
        outcome=str(about["outcome"]),
        formula=formula,
        fits=fits,
        counted=_counts(moves, row, start, stop),
        clock=clock,
        method=method,
        definitions=fits[0].definitions,
        excluded=fits[0].excluded,
    )


def _counts(moves: Moves, row: str, start: str, stop: str) -> pd.DataFrame:
    """Return, for each move, rows and intervals at risk of it, events, and days at risk."""
    frame = pd.DataFrame(
        {
            "move": moves.move,
            "row": moves.frame[row].to_numpy(),
            "happened": moves.happened,
            "days": moves.stop - moves.entry,
        }
    )
    grouped = frame.groupby("move")
    table = pd.DataFrame(moves.pairs, columns=["from_state", "to_state"])
    table["n_rows"] = grouped["row"].nunique().reindex(table.index, fill_value=0).astype(np.int64)
    table["n_intervals"] = grouped.size().reindex(table.index, fill_value=0).astype(np.int64)
    table["n_events"] = grouped["happened"].sum().reindex(table.index, fill_value=0).astype(np.int64)
    table["days_at_risk"] = grouped["days"].sum().reindex(table.index, fill_value=0.0)
    return table


def _method(moves: Moves, clock: str, effects: str, ties: str, patient: str) -> str:
    """Say in words how the ratios were estimated."""
    time = "days from day 0, at risk once in the state" if clock == "forward" else "days since the state was entered"
    share = "one ratio for all moves" if effects == "shared" else "a model for each move"
    clusters = plural(int(moves.frame[patient].nunique()), "cluster")
    return (
        f"Cox models of {plural(len(moves.pairs), 'move')} between states, {share}, each move with its own baseline "
        f"hazard by {time}; {ties.capitalize()} ties; other moves counted as censored; robust standard errors, "
        f"clustered on {patient} ({clusters})."
    )


def _fitted(part: Moves, formula: str, name: str, patient: str, ties: str, about: dict[str, Any]) -> Fit:
    """Return the model of one move by name, or of all with shared effects (no name)."""
    shared = not name
    if not part.happened.any():
        raise InputError(f"No move {name} is left among the rows that can be used; leave it out of transitions=.")
    design = build_design(part.frame, formula, intercept=False)
    if shared and any(set(term.variables) == {MOVE} for term in design.terms):
        raise InputError(
            f"{MOVE!r} is the stratum; its own effect is part of the baseline hazard. Leave it out, or let another "
            f"term differ by it: x + x:C({MOVE})."
        )
    warn_if_few(int(part.happened.sum()), design.n_parameters, when=name)
    sets = cox.risk_sets(
        design.matrix, part.stop, part.happened, entry=part.entry, stratum=part.move if shared else None, ties=ties
    )
    return clustered_fit(design, sets, part.happened, part.frame[patient], cause=name, **about)
