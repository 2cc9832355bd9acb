"""`estimate_survival`, `estimate_cause_specific_hazard`, `fit_cox` and the log-log view of a curve."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ..cohort import Cohort
from ..errors import InputError, one_of
from ..formats import plural
from .adequacy import check_clusters, refuse_flat, warn_if_few
from .curves import risk_curve
from .followup import Columns, FollowUp, ended_by, follow_up, pick_cause
from .formula import build_design, formula_variables
from .kernels import cox
from .periods import Settings, fit_by_period
from .results import Curve, Fit
from .terms import make_fit


def estimate_survival(
    cohort: Cohort | pd.DataFrame,
    *,
    outcome: str | None = None,
    by: str | None = None,
    conf_level: float = 0.95,
    conf_type: str = "log-log",
    duration: str | None = None,
    status: str | None = None,
    event: str | None = None,
    entry: str | None = None,
) -> Curve:
    """Estimate the share still free of the event, by Kaplan-Meier.

    **Definition**: S(t) = product over the days u <= t with an event of (1 - events / at risk); at risk on day u are
    rows with entry < u <= day of leaving, so an event on the last day of follow-up counts.

    Parameters
    ----------
    cohort : Cohort or DataFrame
        A cohort takes ``outcome=``; a plain frame ``duration=``, ``status=``, ``event=`` and ``entry=``.
    outcome : str
        Name of a time-to-event outcome without competing events.
    by : str, optional
        Column of at most 20 groups.
    conf_level : float
        0.95 by default.
    conf_type : str
        ``log-log`` (the default), ``log`` (R's default) or ``plain``.
    duration, status, event, entry : str
        Columns of days, status (text, true/false or 0/1) and late entry; the word of ``status`` that is the event.

    Returns
    -------
    Curve
        Of kind ``survival``, with Greenwood's standard errors.

    Raises
    ------
    InputError
        The outcome has competing events, status is ambiguous (1/2), or there is no event.
    DataError
        Times are negative, 0 or not after entry.

    When not to use it
    ------------------
    Where another event (death) ends the wait: 1 - S is then no risk; use `estimate_cumulative_incidence`.

    References
    ----------
    Kaplan and Meier 1958, doi:10.1080/01621459.1958.10501452. Held to R survival 3.5-3 ``survfit``.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"days": [5.0, 8.0, 8.0, 12.0], "ended": ["explant", "censored", "explant", "explant"]})
    >>> curve = estimate_survival(frame, duration="days", status="ended", event="explant")
    >>> curve.frame["estimate"].tolist()
    [1.0, 0.75, 0.5, 0.0]
    """
    columns = Columns(duration=duration, status=status, event=event, entry=entry)
    follow = follow_up(cohort, outcome, columns, also=[by] if by else [])
    if len(follow.causes) > 1:
        others = ", ".join(follow.causes[1:])
        raise InputError(
            f"{follow.outcome!r} has competing events ({others}): 1 minus Kaplan-Meier would not be its risk. "
            f"Use estimate_cumulative_incidence; for the log-log plot, estimate_cause_specific_hazard."
        )
    return risk_curve(
        follow,
        kind="survival",
        cause=follow.cause,
        names=follow.causes,
        by=by,
        conf_level=conf_level,
        conf_type=conf_type,
        method=f"Kaplan-Meier (own kernel), Greenwood standard error, {conf_type} interval",
    )


def estimate_cause_specific_hazard(
    cohort: Cohort | pd.DataFrame,
    *,
    outcome: str | None = None,
    cause: str | None = None,
    by: str | None = None,
    conf_level: float = 0.95,
    duration: str | None = None,
    status: str | None = None,
    event: str | None = None,
    entry: str | None = None,
) -> Curve:
    """Estimate the cumulative cause-specific hazard, by Nelson-Aalen.

    **Definition**: H(t) = sum over the days u <= t of events of the cause / at risk; other events end follow-up on
    their day. The column ``n_censored`` counts them with the censored.

    Parameters
    ----------
    cohort, outcome, by, conf_level, duration, status, event, entry
        As in `estimate_survival`; other events of ``status`` are allowed.
    cause : str, optional
        Which event, where the outcome has several.

    Returns
    -------
    Curve
        Of kind ``cumulative_hazard``; `log_minus_log` of it gives the log-log plot of proportional hazards.

    Raises
    ------
    InputError, DataError
        As in `estimate_survival`; or ``cause`` is not an event of the outcome.

    When not to use it
    ------------------
    As a risk: a cumulative hazard is not a probability; use `estimate_cumulative_incidence`.

    References
    ----------
    Aalen 1978, doi:10.1214/aos/1176344247. Held to R survival 3.5-3 (``cumhaz``, ``std.chaz``).

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"days": [5.0, 8.0, 9.0, 12.0], "ended": ["explant", "death", "censored", "explant"]})
    >>> curve = estimate_cause_specific_hazard(frame, duration="days", status="ended", event="explant")
    >>> curve.frame["estimate"].tolist()
    [0.0, 0.25, 0.25, 0.25, 1.25]
    """
    columns = Columns(duration=duration, status=status, event=event, entry=entry)
    follow = follow_up(cohort, outcome, columns, also=[by] if by else [], others="compete")
    which = pick_cause(follow, cause)
    happened = follow.cause == 1 + follow.causes.index(which)
    return risk_curve(
        follow,
        kind="cumulative_hazard",
        cause=happened.astype(np.int64),
        names=(which,),
        by=by,
        conf_level=conf_level,
        conf_type="log",
        method=f"Nelson-Aalen cumulative hazard of {follow.name_of(which)}{ended_by(follow, which)}, log interval",
    )


def log_minus_log(curve: Curve) -> pd.DataFrame:
    """Return the points of a log-log plot: parallel lines speak for proportional hazards.

    **Definition**: log days against log(-log S(t)) of a survival curve, or against log H(t) of a cumulative hazard;
    steps where S is 1 or 0 have no point.

    Parameters
    ----------
    curve : Curve
        Of kind ``survival`` or ``cumulative_hazard``.

    Returns
    -------
    DataFrame
        group, log_days, log_minus_log.

    Raises
    ------
    InputError
        Another kind of curve.

    When not to use it
    ------------------
    As a test: with few events early lines cross by chance.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"days": [5.0, 8.0, 12.0], "ended": ["explant", "censored", "explant"]})
    >>> curve = estimate_survival(frame, duration="days", status="ended", event="explant")
    >>> log_minus_log(curve).round(3).values.tolist()
    [['all', 1.609, -0.903], ['all', 2.079, -0.903]]
    """
    if curve.kind not in ("survival", "cumulative_hazard"):
        raise InputError(f"A log-log plot needs a survival curve or a cumulative hazard, not kind {curve.kind!r}.")
    steps = curve.frame
    with np.errstate(divide="ignore"):
        hazard = -np.log(steps["estimate"]) if curve.kind == "survival" else steps["estimate"]
    steps = steps[(hazard > 0) & np.isfinite(hazard)]
    drawn = {
        "group": steps["group"],
        "log_days": np.log(steps["time_days"]),
        "log_minus_log": np.log(hazard[steps.index]),
    }
    return pd.DataFrame(drawn).reset_index(drop=True)


def fit_cox(
    cohort: Cohort | pd.DataFrame,
    *,
    outcome: str | None = None,
    formula: str,
    cause: str | None = None,
    strata: str | Sequence[str] | None = None,
    cluster: str | None = None,
    ties: str = "efron",
    periods: Sequence[float] | None = None,
    varying: str | Sequence[str] | None = None,
    conf_level: float = 0.95,
    duration: str | None = None,
    status: str | None = None,
    event: str | None = None,
    entry: str | None = None,
) -> Fit:
    """Fit a Cox model for the cause-specific hazard of an event.

    **Definition**: hazard ratios from the partial likelihood; a row is at risk on days t with entry < t <= day of
    leaving. Competing events end follow-up on their day (cause-specific hazard).

    Parameters
    ----------
    cohort : Cohort or DataFrame
        As in `estimate_survival`.
    outcome : str
        Name of a time-to-event outcome of the cohort.
    formula : str
        Right-hand side: columns, ``C(x, Treatment("a"))``, ``rcs(x, 4)``, ``log(x)``, interactions ``a:b``.
    cause : str, optional
        Which event, where the outcome has several.
    strata : str or list of str, optional
        Columns whose combinations have their own baseline hazard.
    cluster : str, optional
        Column of the patient or centre: robust standard errors. A cohort with several rows per patient uses
        ``patient_id``.
    ties : str
        ``efron`` or ``breslow``.
    periods : list of float, optional
        Days at which follow-up is split, such as ``(90, 730)`` for 0-90, 91-730 and later: one model with hazard ratios
        of each period, an event on day 90 being in the first. ``Fit.parts`` has the periods apart, and ``Fit.tests``
        whether a term's ratios differ between them.
    varying : str or list of str, optional
        With ``periods``: the variables whose ratios differ by period; all when None, the others have one for all.
    conf_level : float
        Of the Wald intervals.
    duration, status, event, entry : str
        The columns of a plain frame; ``entry`` and ``duration`` may be the start and stop of pieces of follow-up.

    Returns
    -------
    Fit
        ``model`` cox, ``measure`` HR.

    Raises
    ------
    InputError
        Wrong formula or arguments, ambiguous status, no event, constant or collinear columns.
    DataError
        Times that cannot be, or a level that separates events perfectly.

    Warns
    -----
    StudyWarning
        Rows with missing values left out; fewer than 10 events, or 10 events per parameter.

    When not to use it
    ------------------
    For a risk: with competing events a hazard ratio of one cause does not give the ratio of risks. And for an
    exposure known only after day 0 (immortal time).

    References
    ----------
    Cox 1972, doi:10.1111/j.2517-6161.1972.tb00899.x; Efron 1977, doi:10.1080/01621459.1977.10480613; Lin and Wei 1989,
    doi:10.1080/01621459.1989.10478874. Held to R survival 3.5-3 ``coxph``.

    Examples
    --------
    >>> import pandas as pd
    >>> days = [float(day) for day in range(1, 41)]
    >>> explanted, dose = [day % 3 > 0 for day in range(40)], [(7 * day) % 11 for day in range(40)]
    >>> frame = pd.DataFrame({"days": days, "explanted": explanted, "dose": dose})
    >>> fit = fit_cox(frame, duration="days", status="explanted", event="explant", formula="dose")
    >>> fit.estimates[["term", "measure", "estimate", "n", "events"]].round(3).values.tolist()
    [['dose', 'HR', 0.967, 40, 26]]
    """
    one_of(ties, ("efron", "breslow"), name="ties")
    stratified = [strata] if isinstance(strata, str) else list(strata or ())
    also = [*stratified, *([cluster] if cluster else [])]
    frame = cohort.frame if isinstance(cohort, Cohort) else cohort
    if isinstance(frame, pd.DataFrame):
        also = [*formula_variables(formula, frame), *also]
    columns = Columns(duration=duration, status=status, event=event, entry=entry)
    follow = follow_up(cohort, outcome, columns, also=also, others="compete")
    which = pick_cause(follow, cause)
    happened = follow.cause == 1 + follow.causes.index(which)
    design = build_design(follow.frame, formula, intercept=False)
    grouped = np.asarray(follow.frame.groupby(stratified, sort=False).ngroup(), dtype=np.int64) if stratified else None
    patient = cluster or follow.cluster
    method = _method(follow, which, ties, stratified, patient)
    if periods is not None:
        settings = Settings(which, ties, patient, conf_level, method)
        return fit_by_period(follow, happened, design, settings, periods=periods, varying=varying, stratum=grouped)
    if varying is not None:
        raise InputError("varying= names what differs between periods; give periods=, for instance (90, 730).")
    warn_if_few(int(happened.sum()), design.n_parameters)
    sets = cox.risk_sets(design.matrix, follow.stop, happened, entry=follow.entry, stratum=grouped, ties=ties)
    result = cox.fit_risk_sets(sets)
    refuse_flat(design, result.flat, result.converged, happened)
    robust = None
    if patient is not None:
        check_clusters(follow.codes(patient), design.n_parameters, cluster=patient)
        robust = cox.sandwich(sets, result, cluster=follow.codes(patient))
    return make_fit(
        design,
        result.coefficients,
        result.covariance if robust is None else robust,
        happened,
        conf_level=conf_level,
        log_likelihood=(result.log_likelihood, result.log_likelihood_null),
        robust=robust is not None,
        model="cox",
        measure="HR",
        outcome=follow.outcome,
        cause=which,
        method=method,
        definitions=follow.definitions,
        excluded=follow.excluded,
        unit=follow.unit,
    )


def _method(follow: FollowUp, cause: str, ties: str, strata: Sequence[str], cluster: str | None) -> str:
    """Say in words how the hazard ratios were estimated."""
    words = [f"Cox proportional hazards, {ties.capitalize()} ties"]
    words.append(f"cause-specific hazard ratio of {follow.name_of(cause)}{ended_by(follow, cause)}")
    if follow.entry is not None:
        words.append("at risk only after entry")
    if strata:
        words.append(f"stratified by {', '.join(strata)}")
    if cluster is None:
        words.append("model-based standard errors")
    else:
        clusters = plural(int(follow.codes(cluster).max()) + 1, "cluster")
        words.append(f"robust standard errors, clustered on {cluster} ({clusters})")
    return "; ".join(words) + "."
