"""`estimate_mean_cumulative_count`: how many events a patient has had on average, death ending the count."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import InputError, nearest, one_of
from ..formats import plural
from .bands import hazard_limits, normal_quantile, probability_limits
from .episodes import Spells, spells, unit_of
from .followup import CENSORED
from .kernels.counts import Counts, Pieces, mean_counts
from .results import STEP_COLUMNS, Curve

Floats = npt.NDArray[np.float64]


def estimate_mean_cumulative_count(
    episodes: Any,
    *,
    row: str = "row",
    start: str = "start_day",
    stop: str = "stop_day",
    status: str = "status",
    event: str = "event",
    terminal: str | None = None,
    by: str | None = None,
    cluster: str | None = None,
    outcome: str | None = None,
    conf_level: float = 0.95,
    conf_type: str = "log",
) -> Curve:
    """Estimate the mean number of events per row by each day, those after the first included.

    **Definition**: mu(t) = sum over the days u <= t of S(u-) x events / at risk; at risk on day u are rows with
    start < u <= stop. S is Kaplan-Meier from the terminal event (Ghosh-Lin), or 1 without ``terminal``, where the sum
    is of Nelson-Aalen type. An event on the day of death counts.

    Parameters
    ----------
    episodes : DataFrame, or anything whose ``.frame`` is one
        One row per piece of follow-up: every row of the cohort from day 0, or from when it enters late, without gaps,
        cut at its events.
    row, start, stop, status : str
        Columns of the row of the cohort, first day, last day, and how the piece ended (text): ``event``, ``terminal``
        or ``censored``.
    event : str
        The word of ``status`` that is counted.
    terminal : str, optional
        The word of ``status`` after which no event can follow, such as death. It must end a row.
    by : str, optional
        Column of at most 20 groups, the same in all pieces of a row.
    cluster : str, optional
        Column of the patient where a patient has several rows.
    outcome : str, optional
        What is counted, for sentences and figures; ``event`` when None.
    conf_level : float
        0.95 by default.
    conf_type : str
        ``log`` (the default) or ``plain``.

    Returns
    -------
    Curve
        Of kind ``mean_cumulative_count``; with ``terminal`` also its cumulative risk, as a competing cause. Standard
        errors are robust: Lawless and Nadeau's, with a terminal event Ghosh and Lin's.

    Raises
    ------
    InputError
        A column or word is not there, status is no text, or nobody has the event.
    DataError
        Values are missing, a row starts before day 0 or has a gap, or is followed on after the terminal event.

    When not to use it
    ------------------
    Without ``terminal`` where people die: the count is then that of a population in which nobody does. To tell how many
    ever have an event, use `estimate_cumulative_incidence`.

    References
    ----------
    Lawless and Nadeau 1995, doi:10.1080/00401706.1995.10484300; Ghosh and Lin 2000,
    doi:10.1111/j.0006-341X.2000.00554.x. Held to R survival 3.5-3 ``survfit(..., id=)`` and mets 1.3.2.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame(
    ...     [(1, 0, 10, "event"), (1, 10, 20, "event"), (1, 20, 30, "censored"), (2, 0, 15, "death")],
    ...     columns=["row", "start_day", "stop_day", "status"],
    ... )
    >>> curve = estimate_mean_cumulative_count(frame, terminal="death", outcome="reoperation")
    >>> curve.frame.loc[curve.frame["cause"] == "reoperation", "estimate"].tolist()
    [0.0, 0.5, 0.5, 1.0, 1.0]
    """
    one_of(conf_type, ("log", "plain"), name="conf_type")
    found = spells(episodes, row=row, start=start, stop=stop, label=status, by=by, cluster=cluster, late_entry=True)
    _check_words(found, status=status, event=event, terminal=terminal)
    names = (outcome or event, *([terminal] if terminal else []))
    tables: list[pd.DataFrame] = []
    sizes: dict[str, int] = {}
    for number, group in enumerate(found.groups):
        mask, rows, patients = found.of(number)
        words = found.label[mask]
        pieces = Pieces(rows, found.start[mask], found.stop[mask], words == event, words == (terminal or ""))
        sizes[group] = int(rows[-1]) + 1
        counts = mean_counts(pieces, sizes[group], cluster=patients)
        tables += [_table(counts, group, cause, j, conf_type, conf_level) for j, cause in enumerate(names)]
    words_of = "Ghosh-Lin mean cumulative count" if terminal else "mean cumulative count of Nelson-Aalen type"
    method = f"{words_of} (own kernel), robust standard error, {conf_type} interval"
    if found.cluster is not None:
        method += f"; clustered on {cluster} ({plural(int(found.cluster.max()) + 1, 'cluster')})"
    return Curve(
        kind="mean_cumulative_count",
        outcome=names[0],
        by=by,
        data=pd.concat(tables, ignore_index=True),
        method=f"{method[:1].upper()}{method[1:]}.",
        conf_type=conf_type,
        conf_level=conf_level,
        definitions=tuple(getattr(episodes, "definitions", ())),
        excluded=pd.DataFrame({"reason": pd.Series(dtype=object), "n": pd.Series(dtype=np.int64)}),
        n=sum(sizes.values()),
        events=int((found.label == event).sum()),
        sizes=sizes,
        unit=unit_of(episodes),
        competing=names[1:],
    )


def _check_words(found: Spells, *, status: str, event: str, terminal: str | None) -> None:
    """Refuse words that are not known, a terminal event that does not end its row, and the lack of any event."""
    if pd.api.types.infer_dtype(found.label, skipna=False) != "string":
        raise InputError(f"status={status!r} must be text: 'censored', the event's name, and that of the terminal one.")
    if len({event, terminal, CENSORED}) < 3:
        raise InputError("event= and terminal= must name different words, neither of them 'censored'.")
    known = {event, CENSORED, *([terminal] if terminal else [])}
    for word in dict.fromkeys(found.label):
        if word not in known:
            raise InputError(
                f"status={status!r} also holds {word!r}. Where it ends follow-up for good, give terminal={word!r}; "
                f"else recode it to 'censored'.{nearest(word, known)}"
            )
    if not (found.label == event).any():
        raise InputError(f"No row has the event {event!r}; there is nothing to estimate.")
    last = np.append(np.diff(found.row) != 0, True)
    after = int(((found.label == (terminal or "")) & ~last).sum())
    if after:
        raise InputError(f"{plural(after, 'row')} followed on after {terminal!r}, which must end a row's follow-up.")


def _table(counts: Counts, group: str, cause: str, j: int, conf_type: str, conf_level: float) -> pd.DataFrame:
    """Return the steps of the count (``j`` 0) or of the risk of the terminal event, with `STEP_COLUMNS`."""
    if j:
        estimate, error = counts.risk, counts.risk_error
        low, high = probability_limits(estimate, error, conf_type="log-log", conf_level=conf_level)
    else:
        estimate, error = counts.mean, counts.mean_error
        low, high = _count_limits(estimate, error, conf_type, conf_level)
    happened = counts.terminal if j else counts.events
    columns = (group, cause, counts.time, estimate, error, low, high, counts.at_risk, happened, counts.left)
    return pd.DataFrame(dict(zip(STEP_COLUMNS, columns, strict=True)))


def _count_limits(estimate: Floats, error: Floats, conf_type: str, conf_level: float) -> tuple[Floats, Floats]:
    if conf_type == "log":
        return hazard_limits(estimate, error, conf_level=conf_level)
    z = normal_quantile(conf_level)
    return np.maximum(estimate - z * error, 0.0), estimate + z * error
