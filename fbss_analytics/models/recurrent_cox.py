"""`fit_recurrent`: Cox models of events that come back (Andersen-Gill, Prentice-Williams-Peterson, WLW)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..cohort.episodes import Episodes
from ..errors import InputError, one_of
from ..formats import plural
from .adequacy import warn_if_few
from .clustered import clustered_fit
from .formula import Design, build_design, formula_variables
from .kernels import cox
from .recurrent_pieces import NUMBER, Pieces, read_pieces, stack_pieces, warn_sparse
from .results import Fit
from .rows import check_columns, complete_rows, warn
from .weights import positive_weights

Ints = npt.NDArray[np.int64]

MODELS = {
    "andersen_gill": "Andersen-Gill: all events share one baseline hazard by days from day 0",
    "pwp_total": "Prentice-Williams-Peterson, total time: each event number has its own baseline hazard by days from "
    "day 0, and a row is at risk of an event once it has had the one before",
    "pwp_gap": "Prentice-Williams-Peterson, gap time: each event number has its own baseline hazard by days since the "
    "event before",
    "wlw": "Wei-Lin-Weissfeld: each event number has its own baseline hazard by days from day 0, and a row is at risk "
    "of all of them from the start",
}
"""The models, and what each takes time and risk to be."""


def fit_recurrent(
    episodes: Any,
    *,
    model: str,
    formula: str,
    up_to: int | None = None,
    terminal: str | Sequence[str] | None = None,
    strata: str | Sequence[str] | None = None,
    cluster: str | None = None,
    weights: str | None = None,
    ties: str = "efron",
    row: str = "row",
    start: str = "start_day",
    stop: str = "stop_day",
    status: str = "status",
    event: str = "event",
    outcome: str | None = None,
    conf_level: float = 0.95,
) -> Fit:
    """Fit a Cox model of all events of a kind, those after the first included.

    **Definition**: a piece of follow-up is at risk on days t with start < t <= stop, so an event on its last day
    counts. Event number k is the k-th event of a row; the time up to it, after the one before, carries the number k.
    ``andersen_gill``: all events share one baseline hazard h(t), t in days from day 0. ``pwp_total``: each number has
    its own, h_k(t), and only rows that have had k - 1 events are at risk. ``pwp_gap``: the same with t counted from the
    event before (day 0 for the first). ``wlw``: each number has its own, and every row is at risk of number k from its
    start to its k-th event, whether or not it has had those before.

    Parameters
    ----------
    episodes : Episodes or DataFrame
        Episodes of kind ``recurrent`` (``cohort.episodes(name)``), or a frame with one row per piece.
    model : {"andersen_gill", "pwp_total", "pwp_gap", "wlw"}
        See the definition.
    formula : str
        Right-hand side, as in `fit_cox`. ``event_number`` is a column of its own: ``arm + arm:C(event_number)`` lets
        the ratio of ``arm`` differ by event number, and `Fit.tests` says whether it does.
    up_to : int, optional
        Last event number of ``pwp_total``, ``pwp_gap`` and ``wlw``: later strata rest on few rows. Pieces left out are
        counted in ``Fit.excluded`` and said in ``Fit.method``. The last number with an event when None.
    terminal : str or list of str, optional
        Words of ``status`` after which no event can follow, such as death. They end follow-up: ratios are
        cause-specific, of the rate among those alive.
    strata : str or list of str, optional
        Further columns whose combinations have their own baseline hazard.
    cluster : str, optional
        Column of the patient or centre; the patient of `Episodes`, ``row`` of a frame when None.
    weights : str, optional
        Column of positive case weights.
    ties : str
        ``efron`` or ``breslow``.
    row, start, stop, status : str
        Columns of the row of the cohort, first day, last day, and how the piece ended: text, true/false or 0/1.
    event : str
        The word of ``status`` that is counted.
    outcome : str, optional
        What is counted, for sentences and tables; the name of the episodes when None.
    conf_level : float
        Of the Wald intervals.

    Returns
    -------
    Fit
        ``model`` as asked, ``measure`` HR, rows being pieces of follow-up. Standard errors are always robust,
        clustered.

    Raises
    ------
    InputError
        Wrong arguments, an ambiguous status, no event, ``up_to`` with ``andersen_gill``, or ``event_number`` as a term
        of its own where it is the stratum.
    DataError
        Pieces overlap or run backwards, a row is followed on after the terminal event, or no finite estimate exists.

    Warns
    -----
    StudyWarning
        Rows with missing values left out; few events, in all or of an event number; rows not followed from day 0
        without a gap, whose event numbers may be too low.

    When not to use it
    ------------------
    For the expected number of events with death competing: a rate among those alive does not give it; use
    `estimate_mean_cumulative_count`. ``wlw`` counts a row as at risk of a second event before its first: its ratios
    include the effect on earlier events, those of PWP condition on them (and on what made them happen).

    References
    ----------
    Andersen and Gill 1982, doi:10.1214/aos/1176345976; Prentice, Williams and Peterson 1981,
    doi:10.1093/biomet/68.2.373; Wei, Lin and Weissfeld 1989, doi:10.1080/01621459.1989.10478873. Held to R survival
    3.5-3 ``coxph(..., cluster=)``.

    Examples
    --------
    >>> import fbss_analytics as fbss
    >>> cohort = fbss.start_cohort(fbss.simulate("surgical", n_patients=400, seed=1), index="lumbar_surgery",
    ...                            occurrence="first")
    >>> cohort = fbss.add_recurrent(cohort, "reoperation", scope="any_lumbar", competing="death", until_days=1825)
    >>> fit = fbss.fit_recurrent(cohort.episodes("reoperation"), model="andersen_gill", formula="age_years",
    ...                          terminal="death")
    >>> (fit.model, fit.measure, fit.events == int(cohort.frame["reoperation_count"].sum()))
    ('andersen_gill', 'HR', True)
    """
    one_of(model, MODELS, name="model")
    one_of(ties, ("efron", "breslow"), name="ties")
    _check_up_to(up_to, model)
    ends = (terminal,) if isinstance(terminal, str) else tuple(terminal or ())
    further = [strata] if isinstance(strata, str) else list(strata or ())
    named = isinstance(episodes, Episodes)
    patient = cluster or ("patient_id" if named else row)
    pieces, unsure, empty = read_pieces(
        episodes, row=row, start=start, stop=stop, status=status, event=event, terminal=ends
    )
    needed = [*further, patient, *([weights] if weights else [])]
    check_columns(pieces.frame, needed, argument="The call")
    kept, excluded = complete_rows(pieces.frame, [*formula_variables(formula, pieces.frame), *needed])
    pieces = pieces.take(kept)
    if not pieces.happened.any():
        raise InputError(f"No interval ends with the event {event!r}; there is nothing to estimate.")
    last = up_to or int(pieces.number[pieces.happened].max())
    stacked = stack_pieces(pieces, model, last)
    late = int((pieces.number > last).sum()) if model != "andersen_gill" else 0
    design = build_design(stacked.frame, formula, intercept=False)
    if model != "andersen_gill":
        _check_numbers(stacked, design, model, last, unsure)
    warn_if_few(int(stacked.happened.sum()), design.n_parameters)
    about = {
        "model": model,
        "measure": "HR",
        "outcome": outcome or (episodes.name if named else event),
        "cause": event,
        "method": _method(stacked.frame, model, ties, ends, further, patient, (last, late)),
        "definitions": tuple(getattr(episodes, "definitions", ())),
        "excluded": _with(excluded, {"no time at risk": empty, f"after event number {last}": late}),
        "unit": "interval",
        "conf_level": conf_level,
    }
    sets = cox.risk_sets(
        design.matrix,
        stacked.stop,
        stacked.happened,
        entry=stacked.start if (stacked.start > 0).any() else None,
        stratum=_strata(stacked, model, further),
        weight=None if weights is None else positive_weights(stacked.frame, weights, unit="interval"),
        ties=ties,
    )
    return clustered_fit(design, sets, stacked.happened, stacked.frame[patient], **about)


def _check_numbers(stacked: Pieces, design: Design, model: str, last: int, unsure: int) -> None:
    """Refuse the stratum as a term; warn of event numbers that rest on few events, or may be too low."""
    if any(set(term.variables) == {NUMBER} for term in design.terms):
        raise InputError(
            f"{NUMBER!r} is the stratum of {model!r}; its own effect is part of the baseline hazard. Leave it out, or "
            f"let another term differ by it: x + x:C({NUMBER})."
        )
    warn_sparse(stacked, last)
    if unsure:
        warn(
            f"{plural(unsure, 'row')} not followed from day 0 without a gap: events not seen are not counted, so later "
            f"event numbers may be too low."
        )


def _check_up_to(up_to: int | None, model: str) -> None:
    """Refuse a last event number that is none, or that the model has no use for."""
    if up_to is None:
        return
    if model == "andersen_gill":
        raise InputError(f"up_to= is for models with a stratum for each event number; {model!r} takes all events.")
    if not isinstance(up_to, int | np.integer) or isinstance(up_to, bool) or up_to < 1:
        raise InputError(f"up_to={up_to!r} must be the last event number to keep, 1 or more.")


def _with(excluded: pd.DataFrame, counts: dict[str, int]) -> pd.DataFrame:
    """Return the exclusions with further reasons, those that left anything out."""
    more = pd.DataFrame([(reason, n) for reason, n in counts.items() if n], columns=["reason", "n"])
    return pd.concat([more, excluded], ignore_index=True).astype({"n": np.int64}) if len(more) else excluded


def _strata(stacked: Pieces, model: str, further: list[str]) -> Ints | None:
    """Return the code of each piece's baseline hazard, None where all have the same."""
    by = [*further, *([] if model == "andersen_gill" else [NUMBER])]
    return np.asarray(stacked.frame.groupby(by, sort=False).ngroup(), dtype=np.int64) if by else None


def _method(
    frame: pd.DataFrame,
    model: str,
    ties: str,
    terminal: tuple[str, ...],
    further: list[str],
    patient: str,
    numbers: tuple[int, int],
) -> str:
    """Say in words how the ratios were estimated."""
    words = [MODELS[model], f"{ties.capitalize()} ties"]
    if terminal:
        words.append(f"{' or '.join(terminal)} ends follow-up (cause-specific: ratios of the rate among those alive)")
    if model != "andersen_gill":
        last, late = numbers
        dropped = f" ({plural(late, 'interval')} after it left out)" if late else ""
        words.append(f"up to event number {last}{dropped}")
    if further:
        words.append(f"also stratified by {', '.join(further)}")
    clusters = plural(int(frame[patient].nunique()), "cluster")
    words.append(f"robust standard errors, clustered on {patient} ({clusters})")
    return "; ".join(words) + "."
