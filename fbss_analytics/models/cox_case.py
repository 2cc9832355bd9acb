"""What a Cox model is fitted to: rows, weights, strata and choices, kept beside the fit for its diagnostics."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ..errors import InputError
from ..formats import plural
from .adequacy import check_clusters
from .fit import Fit
from .followup import FollowUp, ended_by
from .formula import Design
from .kernels import cox
from .kernels.cox import CoxEstimate, RiskSets
from .kernels.firth import fit_firth
from .weights import case_weights, column_of_numbers

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class CoxSettings:
    """What `fit_cox` has been asked for, by the names of its arguments."""

    cause: str
    formula: str
    strata: tuple[str, ...] = ()
    cluster: str | None = None
    weights: str | None = None
    offset: str | None = None
    ties: str = "efron"
    penalty: float = 0.0
    firth: bool = False
    interval: str = "wald"
    conf_level: float = 0.95


@dataclass(frozen=True, eq=False)
class CoxRows:
    """Rows a Cox model is fitted to. Shapes (n,): ``happened``, and, where asked for, ``stratum`` and ``cluster`` as
    codes, ``weight``, ``offset``."""

    follow: FollowUp
    happened: Mask
    design: Design
    settings: CoxSettings
    stratum: Ints | None
    cluster: Ints | None
    weight: Floats | None
    offset: Floats | None

    @property
    def is_robust(self) -> bool:
        """Whether standard errors are robust: with clusters, and with weights that are no counts of rows."""
        return self.cluster is not None or (self.weight is not None and bool((self.weight % 1 != 0).any()))


@dataclass(frozen=True, eq=False)
class CoxCase:
    """A fitted Cox model with its rows. ``over_time``: the function of time of each term that has one."""

    rows: CoxRows
    sets: RiskSets
    estimate: CoxEstimate
    covariance: Floats
    over_time: Mapping[str, Callable[[Floats], Floats]] = field(default_factory=dict)


def case_of(fit: Fit, verb: str) -> CoxCase:
    """Return the rows behind a plain Cox fit, or raise `InputError` saying which fits the verb takes."""
    if fit.case is None or fit.case.over_time:
        how = " without periods= and time_varying=" if fit.model == "cox" else ""
        raise InputError(f"{verb} needs a fit from fit_cox{how}, not this fit of the model {fit.model!r}.")
    return fit.case


def cox_rows(follow: FollowUp, happened: Mask, design: Design, settings: CoxSettings) -> CoxRows:
    """Return the rows with their strata, clusters, weights and offset.

    Raises
    ------
    InputError
        A weight or offset is no number, clusters are too few, or choices exclude each other.
    DataError
        A weight is 0 or negative.
    """
    grouped = follow.frame.groupby(list(settings.strata), sort=False).ngroup() if settings.strata else None
    cluster = None
    if settings.cluster is not None:
        cluster = follow.codes(settings.cluster)
        check_clusters(cluster, design.n_parameters, cluster=settings.cluster)
    weights, offset = case_weights(follow, settings.weights), settings.offset
    rows = CoxRows(
        follow=follow,
        happened=happened,
        design=design,
        settings=settings,
        stratum=None if grouped is None else np.asarray(grouped, dtype=np.int64),
        cluster=cluster,
        weight=None if weights is None else weights.values,
        offset=None if offset is None else column_of_numbers(follow.frame, offset, argument="offset"),
    )
    if rows.is_robust and (settings.firth or settings.interval == "profile"):
        why = "clusters" if cluster is not None else "weights that are no whole numbers"
        asked = "firth=True" if settings.firth else 'interval="profile"'
        raise InputError(
            f"{asked} rests on the likelihood, which {why} make invalid; leave one of them out, or use "
            f'interval="wald" without Firth.'
        )
    return rows


def risk_sets_of(rows: CoxRows) -> RiskSets:
    """Return the risk sets of the rows."""
    return cox.risk_sets(
        rows.design.matrix,
        rows.follow.stop,
        rows.happened,
        entry=rows.follow.entry,
        stratum=rows.stratum,
        weight=rows.weight,
        offset=rows.offset,
        ties=rows.settings.ties,
    )


def maximum(sets: RiskSets, matrix: Floats, settings: CoxSettings) -> CoxEstimate:
    """Return the estimate asked for: of the likelihood, of Firth's, or under a ridge penalty."""
    if settings.firth:
        return fit_firth(sets)
    if settings.penalty == 0:
        return cox.fit_risk_sets(sets)
    spread = matrix.std(axis=0, ddof=1) / sets.scale
    return cox.fit_risk_sets(sets, penalty=np.diag(settings.penalty * spread**2))


def check_settings(settings: CoxSettings) -> None:
    """Raise `InputError` for a penalty that is none, or choices that exclude each other."""
    penalty = settings.penalty
    if isinstance(penalty, bool) or not isinstance(penalty, int | float) or not 0 <= penalty < np.inf:
        raise InputError(f"penalty={penalty!r} must be 0 or a positive number, for instance 1.0.")
    if penalty and settings.firth:
        raise InputError("penalty= and firth=True are two penalties; choose one.")
    if penalty and settings.interval == "profile":
        raise InputError('A ridge estimate is biased by design and has no profile interval; use interval="wald".')


def method_words(rows: CoxRows) -> str:
    """Say in words how the hazard ratios were estimated."""
    follow, asked = rows.follow, rows.settings
    words = [f"Cox proportional hazards, {asked.ties.capitalize()} ties"]
    words.append(f"cause-specific hazard ratio of {follow.name_of(asked.cause)}{ended_by(follow, asked.cause)}")
    if follow.entry is not None:
        words.append("at risk only after entry")
    if asked.strata:
        words.append(f"stratified by {', '.join(asked.strata)}")
    if asked.weights is not None:
        words.append(f"rows weighted by {asked.weights}")
    if asked.offset is not None:
        words.append(f"offset {asked.offset}")
    if asked.firth:
        words.append("Firth's penalised likelihood")
    if asked.penalty:
        words.append(
            f"ridge penalty {asked.penalty:g} on coefficients per standard deviation, which draws estimates towards "
            f"no effect: intervals from the penalised information do not keep their level"
        )
    return "; ".join([*words, *_error_words(rows)]) + "."


def _error_words(rows: CoxRows) -> Sequence[str]:
    asked = rows.settings
    if asked.interval == "profile":
        return ["profile likelihood intervals and likelihood ratio tests"]
    if rows.cluster is not None:
        clusters = plural(int(rows.cluster.max()) + 1, "cluster")
        return [f"robust standard errors, clustered on {asked.cluster} ({clusters})"]
    return ["robust standard errors" if rows.is_robust else "model-based standard errors"]
