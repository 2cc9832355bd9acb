"""`fit_fine_gray`: the subdistribution hazard of one event, always beside the cause-specific hazards of all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..cohort import Cohort
from ..errors import DataError, InputError, one_of
from ..formats import plural
from .adequacy import refuse_flat, warn_if_few
from .competing_fit import CompetingFit, SubdistributionCase
from .cox import fit_rows
from .cox_case import CoxRows, CoxSettings, cox_rows
from .crosscheck_fine_gray import check_competing_fit
from .fit import Fit
from .followup import Columns, FollowUp, follow_up, pick_cause
from .formula import build_design, formula_variables
from .kernels import cox, fine_gray
from .result_table import listed
from .terms import make_fit

Ints = npt.NDArray[np.int64]


def fit_fine_gray(
    cohort: Cohort | pd.DataFrame,
    *,
    outcome: str | None = None,
    formula: str,
    cause: str | None = None,
    cluster: str | None = None,
    weights: str | None = None,
    censoring_strata: str | Sequence[str] | None = None,
    ties: str = "efron",
    crosscheck: bool = False,
    conf_level: float = 0.95,
    duration: str | None = None,
    status: str | None = None,
    event: str | Sequence[str] | None = None,
    competing: str | Sequence[str] | None = None,
    entry: str | None = None,
) -> CompetingFit:
    """Fit a Fine-Gray model for the risk of an event, and the cause-specific Cox model of every event beside it.

    **Definition**: ratios of the subdistribution hazard, for which a row is at risk on days t with entry < t <= day of
    leaving and, after a competing event on day s, on all days t > s with the weight G(t-) H(t-) / (G(s-) H(s-)): G is
    the chance of not yet being censored and H of having entered, by product limits within ``censoring_strata``. Events
    of a day come before its censorings. The cause-specific models end follow-up on the day of any event.

    Parameters
    ----------
    cohort : Cohort or DataFrame
        As in `estimate_cumulative_incidence`.
    outcome : str
        Name of a time-to-event outcome with competing events.
    formula : str
        Right-hand side, as in `fit_cox`; the same in all models.
    cause : str, optional
        The event whose risk is modelled, where the outcome has several; the others compete.
    cluster : str, optional
        Column of the patient or centre: standard errors for clusters. A cohort with several rows per patient uses
        ``patient_id``.
    weights : str, optional
        Column of case weights above 0; they also weight G and H.
    censoring_strata : str or list of str, optional
        Columns within whose combinations censoring and entry are alike; all rows alike when None.
    ties : str
        ``efron``, ``breslow``, or ``cmprsk``: Breslow with those who have an event at risk of being censored on its
        day, which repeats R ``crr``. The cause-specific models then use Breslow.
    crosscheck : bool
        Fit all models again, the Fine-Gray model by lifelines on rows spread over the days of events with weights from
        statsmodels, and stop when they disagree; a warning says which model has no second engine.
    conf_level : float
        Of the Wald intervals.
    duration, status, event, competing, entry : str
        The columns of a plain frame and the words of ``status``.

    Returns
    -------
    CompetingFit
        Standard errors of the Fine-Gray model are robust and count the estimation of the weights.

    Raises
    ------
    InputError
        Wrong formula or arguments, no competing event, constant or collinear columns.
    DataError
        Times or weights that cannot be, a level that separates events perfectly in one of the models, or late entry
        that leaves days on which nobody is under observation; or a second engine that disagrees.

    Warns
    -----
    StudyWarning
        Rows with missing values left out; fewer than 10 events, or 10 events per parameter, of any cause.

    When not to use it
    ------------------
    For how a factor acts on the event: those with a competing event stay in the risk set, so that a factor that only
    hastens death has an sHR below 1. Read the cause-specific ratios for that, and give risks
    (`predict_cumulative_incidence`, `estimate_adjusted_risk`). And with covariates that change after day 0, whose
    values are not known once the patient has died.

    References
    ----------
    Fine and Gray 1999, doi:10.1080/01621459.1999.10474144; Geskus 2011, doi:10.1111/j.1541-0420.2010.01420.x; Latouche,
    Allignol, Beyersmann, Labopin and Fine 2013, doi:10.1016/j.jclinepi.2012.09.017. Held to R survival 3.5-3
    ``finegray`` and cmprsk 2.2-11 ``crr``.

    Examples
    --------
    >>> import pandas as pd
    >>> ended = [("explant", "death", "censored", "explant")[(3 * i) % 4] for i in range(80)]
    >>> frame = pd.DataFrame({"days": [float(1 + (7 * i) % 80) for i in range(80)], "ended": ended})
    >>> frame["dose"] = [(11 * i) % 13 for i in range(80)]
    >>> keys = {"duration": "days", "status": "ended", "event": "explant", "competing": "death"}
    >>> fit_fine_gray(frame, formula="dose", **keys).estimates[["measure", "cause", "events"]].values.tolist()
    [['sHR', 'explant', 40], ['HR', 'explant', 40], ['HR', 'death', 20]]
    """
    one_of(ties, fine_gray.TIES, name="ties")
    stratified = [censoring_strata] if isinstance(censoring_strata, str) else list(censoring_strata or ())
    columns = Columns(duration=duration, status=status, event=event, competing=competing, entry=entry)
    frame = cohort.frame if isinstance(cohort, Cohort) else cohort
    also = [*stratified, *(name for name in (cluster, weights) if name is not None)]
    if isinstance(frame, pd.DataFrame):
        also = [*formula_variables(formula, frame), *also]
    follow = follow_up(cohort, outcome, columns, also=also)
    which = pick_cause(follow, cause)
    settings = CoxSettings(
        cause=which,
        formula=formula,
        cluster=cluster or follow.cluster,
        weights=weights,
        ties="efron" if ties == "efron" else "breslow",
        conf_level=conf_level,
    )
    models = _rows_by_cause(follow, settings)
    result, case = _subdistribution(models[0], follow, ties, stratified)
    fit = CompetingFit(fine_gray=result, cause_specific=tuple(fit_rows(rows) for rows in models), case=case)
    return check_competing_fit(fit, stratum=_stratum(follow, stratified), ties=ties) if crosscheck else fit


def _rows_by_cause(follow: FollowUp, settings: CoxSettings) -> list[CoxRows]:
    """Return the rows of the model of each event that occurs, the cause of interest first."""
    happens = [name for place, name in enumerate(follow.causes, start=1) if (follow.cause == place).any()]
    causes = [settings.cause, *(name for name in happens if name != settings.cause)]
    if len(causes) == 1:
        raise InputError(
            f"No row has an event that competes with {follow.name_of(settings.cause)!r}; without one the Fine-Gray "
            f"model is the Cox model: use fit_cox."
        )
    design = build_design(follow.frame, settings.formula, intercept=False)
    models = []
    for name in causes:
        happened = follow.cause == 1 + follow.causes.index(name)
        warn_if_few(int(happened.sum()), design.n_parameters, when=f"the model of {follow.name_of(name)}")
        models.append(cox_rows(follow, happened, design, replace(settings, cause=name)))
    return models


def _subdistribution(
    rows: CoxRows, follow: FollowUp, ties: str, strata: Sequence[str]
) -> tuple[Fit, SubdistributionCase]:
    """Return the Fine-Gray fit of the rows, and what it was fitted to."""
    model = fine_gray.subdistribution(
        rows.design.matrix,
        follow.stop,
        np.where(rows.happened, 1, np.where(follow.cause > 0, 2, 0)),
        entry=follow.entry,
        weight=rows.weight,
        stratum=_stratum(follow, strata),
        ties=ties,
    )
    if model.unknown:
        raise DataError(
            f"The weight of {plural(model.unknown, 'row')} with a competing event cannot be estimated: between it and "
            f"a later event nobody was under observation. Start the clock later, when more have entered."
        )
    estimate = cox.fit_risk_sets(model.sets)
    refuse_flat(rows.design, estimate.flat, estimate.converged, rows.happened)
    fit = make_fit(
        rows.design,
        estimate.coefficients,
        fine_gray.sandwich(model, estimate, cluster=rows.cluster),
        rows.happened,
        conf_level=rows.settings.conf_level,
        log_likelihood=(estimate.log_likelihood, estimate.log_likelihood_null),
        robust=True,
        model="fine_gray",
        measure="sHR",
        outcome=follow.outcome,
        cause=rows.settings.cause,
        method=_method(rows, follow, ties, strata),
        definitions=follow.definitions,
        excluded=follow.excluded,
        unit=follow.unit,
    )
    return fit, SubdistributionCase(model, estimate)


def _stratum(follow: FollowUp, columns: Sequence[str]) -> Ints | None:
    """Return the codes of the censoring strata."""
    if not columns:
        return None
    return np.asarray(follow.frame.groupby(list(columns), sort=False, observed=True).ngroup(), dtype=np.int64)


def _method(rows: CoxRows, follow: FollowUp, ties: str, strata: Sequence[str]) -> str:
    """Say in words how the subdistribution hazard ratios were estimated."""
    cause = rows.settings.cause
    others = listed([follow.name_of(name) for name in follow.causes if name != cause])
    handled = "Breslow ties as R crr" if ties == "cmprsk" else f"{ties.capitalize()} ties"
    words = [
        f"Fine-Gray model, {handled}: subdistribution hazard ratio of {follow.name_of(cause)}, {others} competing",
        "weighted by the inverse probability of censoring" + (f" within {', '.join(strata)}" if strata else ""),
    ]
    if follow.entry is not None:
        words.append("at risk only after entry, late entry in the weights")
    if rows.settings.weights is not None:
        words.append(f"rows weighted by {rows.settings.weights}")
    errors = "robust standard errors that count the estimation of the weights"
    if rows.cluster is not None:
        errors += f", clustered on {rows.settings.cluster} ({plural(int(rows.cluster.max()) + 1, 'cluster')})"
    return "; ".join([*words, errors]) + "."
