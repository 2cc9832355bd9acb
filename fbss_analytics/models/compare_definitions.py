"""`compare_definitions`: the share of responders, or who responds, under every combination of definitions."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..cohort import Cohort
from ..dates import Window, check_window, whole_days, window_words
from ..endpoints.opioid_change import add_opioid_change
from ..endpoints.opioid_discontinuation import add_opioid_discontinuation
from ..endpoints.opioid_published import PUBLISHED
from ..endpoints.opioid_responder import add_opioid_responder
from ..errors import DataError, InputError, StudyWarning, is_positive, nearest, one_of
from ..exposure.coverage import check_dose
from ..exposure.definition import DoseDefinition
from ..exposure.opioids import PER, add_opioid_dose
from .bands import normal_quantile
from .formula import formula_variables
from .multiverse import Multiverse
from .regression import fit_logistic

DOSE_FIELDS = tuple(each.name for each in fields(DoseDefinition))
FALLS = {"fall_20": 20.0, "fall_30": 30.0, "fall_50": 50.0, "fall_75": 75.0}
"""Rules of a fall of the dose, in percent of the baseline dose."""
STOPPED = "stopped"
RULES = (*FALLS, STOPPED, *PUBLISHED)
WITHOUT_OVERLAP = ("overlap_within", "carry_at_most_days")
"""What a dose definition says only of fills that are not simply added."""
DEFAULTS = {each.name: each.default for each in fields(DoseDefinition)}


@dataclass(frozen=True)
class Question:
    """What stays the same in every specification."""

    baseline_days: Window
    later_days: Window
    floor: float
    formula: str | None
    term: str | None


@dataclass(frozen=True)
class Setting:
    """One specification: a rule with what it uses; ``per`` and ``gap_days`` are None where the rule has no use for
    them."""

    rule: str
    dose: DoseDefinition
    per: str | None
    gap_days: int | None


def compare_definitions(
    cohort: Cohort,
    dose: DoseDefinition,
    *,
    rule: str,
    per: str,
    gap_days: int,
    vary: Mapping[str, Sequence[Any]],
    baseline_days: Window,
    later_days: Window,
    floor: float,
    formula: str | None = None,
    term: str | None = None,
) -> Multiverse:
    """Ask one question of opioid response under every combination of definitions.

    **Definition**: every value of ``vary`` is combined with every other, the chosen value of each dimension among them.
    A rule ignores what it has no use for, and what then is the same definition is asked once. *Responders* are those
    who meet the rule, among those in whom it can be judged: ``fall_20`` to ``fall_75`` is a dose in ``later_days``
    lower by at least so many percent than in ``baseline_days``, among those with a baseline of at least ``floor`` MME
    per day (both included), the dead not responding (`add_opioid_change`); ``stopped`` is a gap of at least
    ``gap_days`` uncovered days that begins on or before the last of ``later_days``, among those with supply in the
    baseline window (`add_opioid_discontinuation`), who left observation before then being in no count. A published
    endpoint (`add_opioid_responder`) keeps its own windows and takes those given here where its paper has none; days
    without supply that make *stopped* are then ``later_days``.

    Parameters
    ----------
    cohort : Cohort
    dose : DoseDefinition
        The chosen definition of the dose.
    rule : {"fall_20", "fall_30", "fall_50", "fall_75", "stopped", "fraifeld2021", ...}
        The chosen rule: a fall, a stop, or the name of a published endpoint.
    per : str
        The chosen denominator of the dose, as in `add_opioid_dose`.
    gap_days : int
        The chosen gap.
    vary : mapping of str to sequence
        Alternatives by dimension: ``rule``, ``per``, ``gap_days`` or a field of `DoseDefinition` (``factors``,
        ``overlap``, ``overlap_within``, ``buprenorphine`` ...).
    baseline_days, later_days : (int, int)
        The two windows.
    floor : float
        Least baseline dose of a fall in percent, MME per day, above 0.
    formula, term : str, optional
        Right-hand side of a logistic regression of response, and the term whose odds ratio is compared; a spline gives
        its contrast. Without them the share of responders is compared.

    Returns
    -------
    Multiverse
        One row per specification; one whose model has no finite estimate has none, and ``why_missing`` says so.

    Raises
    ------
    InputError
        An unknown dimension or value, ``formula`` without ``term``, or a term that the formula does not have.

    Notes
    -----
    When not to use it: to pick the definition that gives the wanted answer. Choose first; the curve then shows how much
    hangs on the choice. Specifications are not independent, so their count is no evidence.

    References
    ----------
    Simonsohn U, Simmons JP, Nelson LD. Nat Hum Behav 2020;4:1208-1214, doi 10.1038/s41562-020-0912-z (specification
    curve). Steegen S et al. Perspect Psychol Sci 2016;11:702-712, doi 10.1177/1745691616658637 (multiverse).

    Examples
    --------
    >>> import fbss_analytics as fbss
    >>> source = fbss.simulate("neuromodulation", n_patients=1500, seed=1)
    >>> cohort = fbss.start_cohort(source, index="scs_trial", occurrence="first")
    >>> cohort = fbss.require_observation(cohort, domain="pharmacy", days=(-365, -1))
    >>> dose = fbss.DoseDefinition(factors="cdc_2022", overlap="concurrent", buprenorphine="exclude")
    >>> many = fbss.compare_definitions(
    ...     cohort, dose, rule="fall_50", per="day_in_window", gap_days=90, floor=20, baseline_days=(-90, -1),
    ...     later_days=(276, 365), vary={"factors": ["cdc_2016"], "rule": ["stopped"], "gap_days": [30]},
    ... )
    >>> len(many), int(many.frame["is_chosen"].sum())
    (4, 1)
    """
    check_dose(dose)
    question = Question(
        check_window(baseline_days, name="baseline_days"),
        check_window(later_days, name="later_days"),
        floor,
        formula,
        term,
    )
    if (formula is None) != (term is None):
        raise InputError("formula= and term= go together: the term of the formula whose odds ratio is compared.")
    if formula is not None:
        # A formula that cannot be read is wrong in every specification, and no missing estimate of one.
        formula_variables(formula, cohort.frame)
    if not is_positive(floor):
        raise InputError(f"floor={floor!r}: expected a least baseline dose above 0, for example floor=5.")
    gap_days = whole_days(gap_days, name="gap_days")
    one_of(rule, RULES, name="rule")
    one_of(per, PER, name="per")
    choices = _choices(dose, {"rule": rule, "per": per, "gap_days": gap_days}, vary)
    combined = (dict(zip(choices, values, strict=True)) for values in itertools.product(*choices.values()))
    settings = list(dict.fromkeys(_setting(values, dose) for values in combined if _goes_together(values, choices)))
    chosen = settings[0]
    responses = _Responses(cohort, question)
    rows = [_row(setting, setting == chosen, cohort, responses, question) for setting in settings]
    labels = {name: [_label(setting, name) for setting in settings] for name in choices}
    varied = {name: words for name, words in labels.items() if len(set(words) - {""}) > 1}
    table = _in_order(pd.DataFrame(rows), varied)
    measure = "share" if term is None else "OR"
    return Multiverse(table, tuple(varied), measure, term or "", _method(question, measure), cohort.definitions)


class _Responses:
    """Who responds under a setting; windows of dose that several settings share are computed once."""

    def __init__(self, cohort: Cohort, question: Question) -> None:
        self._cohort, self._question = cohort, question
        self._windows: dict[tuple[DoseDefinition, str], Cohort] = {}

    def __call__(self, setting: Setting) -> npt.NDArray[np.object_]:
        """Return True, False or None (cannot be judged) for each row of the cohort."""
        name = _free_name(self._cohort, "response")
        if setting.rule in FALLS:
            changed = add_opioid_change(
                self._with_windows(setting.dose, str(setting.per)),
                baseline=_free_name(self._cohort, "before"),
                later=_free_name(self._cohort, "after"),
                unit="percent",
                floor=self._question.floor,
                at_least=FALLS[setting.rule],
                name=name,
            )
            return changed.data[f"{name}_is_reduced"].to_numpy(object)
        return self._stopped(setting, name) if setting.rule == STOPPED else self._published(setting, name)

    def _with_windows(self, dose: DoseDefinition, per: str) -> Cohort:
        if (dose, per) not in self._windows:
            before, after = (_free_name(self._cohort, which) for which in ("before", "after"))
            cohort = add_opioid_dose(self._cohort, dose, name=before, days=self._question.baseline_days, per=per)
            cohort = add_opioid_dose(cohort, dose, name=after, days=self._question.later_days, per=per)
            self._windows[dose, per] = cohort
        return self._windows[dose, per]

    def _stopped(self, setting: Setting, name: str) -> npt.NDArray[np.object_]:
        last = self._question.later_days[1]
        cohort = add_opioid_discontinuation(
            self._cohort,
            setting.dose,
            gap_days=int(setting.gap_days or 0),
            until_days=last,
            competing="death",
            baseline_days=self._question.baseline_days,
            name=name,
        )
        days, status = cohort.data[f"{name}_days"].to_numpy(float), cohort.data[f"{name}_status"].to_numpy(object)
        response = np.full(len(cohort), None, dtype=object)
        response[(status == "death") | (status == "censored") & (days >= last)] = False
        response[status == "event"] = True
        return response

    def _published(self, setting: Setting, name: str) -> npt.NDArray[np.object_]:
        rule, question = PUBLISHED[setting.rule], self._question
        cohort = add_opioid_responder(
            self._cohort,
            setting.dose,
            definition=setting.rule,
            floor=question.floor,
            baseline_days=None if rule.baseline_days else question.baseline_days,
            days=question.later_days if rule.compares_doses and rule.days is None else None,
            stop_days=question.later_days if rule.needs_stop_days else None,
            name=name,
        )
        return cohort.data[name].to_numpy(object)


def _choices(dose: DoseDefinition, chosen: dict[str, Any], vary: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
    """Return the values of each dimension, the chosen one first."""
    known = {**chosen, **{name: getattr(dose, name) for name in DOSE_FIELDS}}
    if not isinstance(vary, Mapping):
        raise InputError('vary= takes alternatives by dimension, for example vary={"factors": ["cdc_2016"]}.')
    for name, values in vary.items():
        if name not in known:
            raise InputError(f"vary= names {name!r}, which is no dimension.{nearest(name, known)}")
        if isinstance(values, str) or not isinstance(values, Collection) or not values:
            raise InputError(f"vary[{name!r}] takes a list of alternatives, for example [{known[name]!r}].")
        if name == "rule":
            [one_of(value, RULES, name="rule") for value in values]
        if name == "per":
            [one_of(value, PER, name="per") for value in values]
        if name == "gap_days":
            [whole_days(value, name="gap_days") for value in values]
        if not all(isinstance(value, Hashable) for value in values):
            raise InputError(f"vary[{name!r}] holds a list or the like; each alternative is one value.")
    return {name: list(dict.fromkeys([value, *vary.get(name, ())])) for name, value in known.items()}


def _goes_together(values: Mapping[str, Any], choices: Mapping[str, Sequence[Any]]) -> bool:
    """Return whether a combination means anything: fills that follow each other need to know within what."""
    needs_within = values["overlap"] != "concurrent" and values["overlap_within"] is None
    return not (needs_within and len(choices["overlap_within"]) > 1)


def _setting(values: Mapping[str, Any], dose: DoseDefinition) -> Setting:
    """Return one combination as a setting; what its rule or its overlap has no use for is left out."""
    given = {name: values[name] for name in DOSE_FIELDS}
    if given["overlap"] == "concurrent":
        given |= {name: DEFAULTS[name] for name in WITHOUT_OVERLAP}
    if given["overlap"] == "truncate":
        given["carry_at_most_days"] = DEFAULTS["carry_at_most_days"]
    rule = str(values["rule"])
    if rule == STOPPED:
        # Which days are covered does not depend on what they are converted by.
        given["factors"] = dose.factors
        return Setting(rule, replace(dose, **given), None, int(values["gap_days"]))
    return Setting(rule, replace(dose, **given), str(values["per"]) if rule in FALLS else None, None)


def _row(
    setting: Setting, is_chosen: bool, cohort: Cohort, responses: _Responses, question: Question
) -> dict[str, Any]:
    """Return the numbers of one specification."""
    response = responses(setting)
    judged = np.array([value is not None for value in response])
    n, events = int(judged.sum()), int(sum(value is True for value in response[judged]))
    row = {"n": n, "events": events, "n_missing": len(cohort) - n, "is_chosen": is_chosen, "why_missing": ""}
    estimate = _share(events, n) if question.term is None else _odds_ratio(cohort, response, judged, question)
    return row | estimate


def _share(events: int, n: int) -> dict[str, Any]:
    """Return a share with Wilson's 95 % interval."""
    if n == 0:
        return _no_estimate("nobody can be judged")
    z, share = normal_quantile(0.95), events / n
    middle, half = (share + z * z / (2 * n)) / (1 + z * z / n), z * np.sqrt(share * (1 - share) / n + (z / n) ** 2 / 4)
    half /= 1 + z * z / n
    return {"estimate": share, "conf_low": max(middle - half, 0.0), "conf_high": min(middle + half, 1.0)}


def _odds_ratio(
    cohort: Cohort, response: npt.NDArray[np.object_], judged: npt.NDArray[np.bool_], question: Question
) -> dict[str, Any]:
    """Return the odds ratio of the term among those judged, or why there is none."""
    name = _free_name(cohort, "response")
    frame = cohort.frame[judged].reset_index(drop=True).assign(**{name: response[judged].astype(bool)})
    cluster = None if cohort.unit == "patient" else "patient_id"
    try:
        with warnings.catch_warnings():
            # How many are judged and respond stands in the row; the rest would be said once for each specification.
            warnings.simplefilter("ignore", StudyWarning)
            fit = fit_logistic(frame, outcome=name, formula=str(question.formula), cluster=cluster)
    except (DataError, InputError):
        return _no_estimate("the model has no finite estimate")
    of_term = fit.estimates[fit.estimates["term"] == question.term]
    if len(of_term) != 1:
        raise InputError(
            f"term={question.term!r} has {len(of_term)} estimates in the formula; expected one."
            f"{nearest(question.term, fit.estimates['term'].unique())}"
        )
    return dict(of_term[["estimate", "conf_low", "conf_high", "p_value"]].iloc[0])


def _no_estimate(why: str) -> dict[str, Any]:
    return {"estimate": np.nan, "conf_low": np.nan, "conf_high": np.nan, "why_missing": why}


def _in_order(table: pd.DataFrame, labels: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Return the table with a column per dimension in front, in order of the estimate."""
    numbers = ["estimate", "conf_low", "conf_high", "p_value", "n", "events", "n_missing", "is_chosen", "why_missing"]
    whole = pd.concat([pd.DataFrame(labels, index=table.index), table.reindex(columns=numbers)], axis=1)
    return whole.sort_values("estimate", kind="stable", ignore_index=True)


def _label(setting: Setting, dimension: str) -> str:
    """Return a setting's value of a dimension as text, "" where its rule or overlap has no use for it."""
    value = asdict(setting).get(dimension) if dimension in ("rule", "per", "gap_days") else None
    if dimension in DOSE_FIELDS:
        value = getattr(setting.dose, dimension)
        if dimension == "factors" and setting.rule == STOPPED:
            value = None
    return "" if value is None else str(getattr(value, "name", value))


def _free_name(cohort: Cohort, name: str) -> str:
    """Return a name that no column of the cohort begins with."""
    while any(str(column).startswith(name) for column in cohort.data):
        name = f"{name}_"
    return name


def _method(question: Question, measure: str) -> str:
    """Say how each estimate was made."""
    windows = f"baseline on {window_words(question.baseline_days)}, later on {window_words(question.later_days)}"
    if measure == "share":
        return f"Share of responders among those who can be judged, Wilson's 95 % interval; {windows}."
    return f"Logistic regression of response on {question.formula}, odds ratio of {question.term}; {windows}."
