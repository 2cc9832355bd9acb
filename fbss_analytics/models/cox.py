"""`fit_cox`: Cox models of the cause-specific hazard."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..cohort import Cohort
from ..cohort.episodes import Episodes
from ..errors import InputError, one_of
from .adequacy import refuse_flat, warn_if_few
from .cox_case import CoxCase, CoxRows, CoxSettings, check_settings, cox_rows, maximum, method_words, risk_sets_of
from .cox_profile import with_profile
from .crosscheck import check_cox
from .fit import Fit
from .followup import Columns, FollowUp, follow_up, pick_cause
from .formula import build_design, formula_variables
from .kernels import cox
from .over_time import fit_over_time
from .periods import fit_by_period
from .pieces import follow_pieces
from .terms import make_fit

Floats = npt.NDArray[np.float64]


def fit_cox(
    cohort: Cohort | Episodes | pd.DataFrame,
    *,
    outcome: str | None = None,
    formula: str,
    cause: str | None = None,
    strata: str | Sequence[str] | None = None,
    cluster: str | None = None,
    weights: str | None = None,
    offset: str | None = None,
    ties: str = "efron",
    periods: Sequence[float] | None = None,
    varying: str | Sequence[str] | None = None,
    time_varying: Mapping[str, str | Callable[[Floats], Floats]] | None = None,
    penalty: float = 0.0,
    firth: bool = False,
    interval: str | None = None,
    crosscheck: bool = False,
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
    cohort : Cohort, Episodes or DataFrame
        As in `estimate_survival`; or the pieces of `add_time_varying`, clustered on the patient.
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
    weights : str, optional
        Column of case weights above 0. Whole numbers count rows; others (sampling, treatment weights) make standard
        errors robust.
    offset : str, optional
        Column added to the log hazard with coefficient 1.
    ties : str
        ``efron`` or ``breslow``.
    periods : list of float, optional
        Days at which follow-up is split, such as ``(90, 730)`` for 0-90, 91-730 and later: one model with hazard ratios
        of each period, an event on day 90 being in the first. ``Fit.parts`` has the periods apart, and ``Fit.tests``
        whether a term's ratios differ between them.
    varying : str or list of str, optional
        With ``periods``: the variables whose ratios differ by period; all when None, the others have one for all.
    time_varying : mapping, optional
        Variables whose log hazard ratio is b + c g(day): ``{"age_years": "log"}`` for the logarithm, or a function of
        days. The row ``age_years x log(days)`` has c.
    penalty : float
        Ridge penalty: ``penalty / 2`` times the sum of squared coefficients per (sample) standard deviation of their
        column is taken from the log likelihood, as R's ``ridge(..., theta=penalty)`` does. Standard errors are from
        the penalised information.
    firth : bool
        Firth's penalised likelihood, whose estimates are finite where events are separated.
    interval : str, optional
        ``wald``, or ``profile`` (likelihood ratio intervals and p-values); ``profile`` with Firth, else ``wald``.
    crosscheck : bool
        Fit again with lifelines or statsmodels, and stop when they disagree; a warning says when neither can.
    conf_level : float
        Of the intervals.
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
        Times or weights that cannot be, a level that separates events perfectly, or a second engine that disagrees.

    Warns
    -----
    StudyWarning
        Rows with missing values left out; fewer than 10 events, or 10 events per parameter.

    When not to use it
    ------------------
    For a risk: with competing events a hazard ratio of one cause does not give the ratio of risks. And for an
    exposure known only after day 0 (immortal time): `add_time_varying` or `start_landmark`.

    References
    ----------
    Cox 1972, doi:10.1111/j.2517-6161.1972.tb00899.x; Efron 1977, doi:10.1080/01621459.1977.10480613; Lin and Wei 1989,
    doi:10.1080/01621459.1989.10478874; Heinze and Schemper 2001, doi:10.1111/j.0006-341X.2001.00114.x. Held to R
    survival 3.5-3 ``coxph``.

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
    chosen = one_of(interval or ("profile" if firth else "wald"), ("wald", "profile"), name="interval")
    stratified = (strata,) if isinstance(strata, str) else tuple(strata or ())
    columns = Columns(duration=duration, status=status, event=event, entry=entry)
    follow = _follow(cohort, outcome, columns, formula, [*stratified, cluster, weights, offset])
    settings = CoxSettings(
        cause=pick_cause(follow, cause),
        formula=formula,
        strata=stratified,
        cluster=cluster or follow.cluster,
        weights=weights,
        offset=offset,
        ties=ties,
        penalty=penalty,
        firth=firth,
        interval=chosen,
        conf_level=conf_level,
    )
    check_settings(settings)
    rows = _rows(follow, settings)
    if periods is not None or time_varying is not None:
        _refuse_together(settings, crosscheck=crosscheck, both=periods is not None and time_varying is not None)
    if periods is not None:
        return fit_by_period(rows, periods=periods, varying=varying)
    if varying is not None:
        raise InputError("varying= names what differs between periods; give periods=, for instance (90, 730).")
    warn_if_few(int(rows.happened.sum()), rows.design.n_parameters + len(time_varying or ()))
    if time_varying is not None:
        return fit_over_time(rows, time_varying)
    fit = fit_rows(rows)
    return check_cox(fit) if crosscheck else fit


def fit_rows(rows: CoxRows) -> Fit:
    """Return the fit of rows, with its case."""
    settings, sets = rows.settings, risk_sets_of(rows)
    result = maximum(sets, rows.design.matrix, settings)
    refuse_flat(rows.design, result.flat, result.converged, rows.happened, firth="firth=True")
    covariance = cox.sandwich(sets, result, cluster=rows.cluster) if rows.is_robust else result.covariance
    # Firth's likelihood is that of the matrix as given; the kernel has its columns standardised.
    moved = float(np.log(sets.scale).sum())
    likelihood = (result.log_likelihood, result.log_likelihood_null)
    case = CoxCase(rows, sets, result, covariance)
    fit = make_fit(
        rows.design,
        result.coefficients,
        covariance,
        rows.happened,
        conf_level=settings.conf_level,
        log_likelihood=(result.maximum + moved, result.maximum_null + moved) if settings.firth else likelihood,
        robust=rows.is_robust or settings.penalty > 0,
        model="cox",
        measure="HR",
        outcome=rows.follow.outcome,
        cause=settings.cause,
        method=method_words(rows),
        definitions=rows.follow.definitions,
        excluded=rows.follow.excluded,
        unit=rows.follow.unit,
    )
    fit = replace(fit, case=case)
    return with_profile(fit, case) if settings.interval == "profile" else fit


def _follow(
    cohort: Cohort | Episodes | pd.DataFrame,
    outcome: str | None,
    columns: Columns,
    formula: str,
    named: Sequence[str | None],
) -> FollowUp:
    """Return the follow-up of rows that have all the columns the model uses."""
    also = [name for name in named if name is not None]
    frame = cohort.frame if isinstance(cohort, Cohort | Episodes) else cohort
    if isinstance(frame, pd.DataFrame):
        also = [*formula_variables(formula, frame), *also]
    if isinstance(cohort, Episodes):
        return follow_pieces(cohort, outcome, columns, also=also)
    return follow_up(cohort, outcome, columns, also=also, others="compete")


def _rows(follow: FollowUp, settings: CoxSettings) -> CoxRows:
    """Return the rows with the design matrix of the formula."""
    happened = follow.cause == 1 + follow.causes.index(settings.cause)
    return cox_rows(follow, happened, build_design(follow.frame, settings.formula, intercept=False), settings)


def _refuse_together(settings: CoxSettings, *, crosscheck: bool, both: bool) -> None:
    """Raise `InputError` for choices that a model with ratios changing over time does not offer."""
    asked = {
        "penalty=": settings.penalty > 0,
        "firth=True": settings.firth,
        'interval="profile"': settings.interval == "profile",
        "crosscheck=True": crosscheck,
    }
    named = [name for name, given in asked.items() if given]
    if named:
        raise InputError(f"periods= and time_varying= cannot be combined with {named[0]}; leave one of them out.")
    if both:
        raise InputError("periods= and time_varying= are two ways to let a ratio change with time; choose one.")
