"""Endpoints: from events after day 0 to days, status text and competing events.

Time at risk is observed time in a domain the event is seen in. The first unbroken span of observation that reaches
day 0 or later is followed; where it begins after day 0 the patient enters late (left truncation).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..cohort import Cohort, Definition, Outcome
from ..cohort.linkage import observed_spans, relative_events
from ..cohort.nouns import add_columns
from ..errors import InputError, nearest, one_of
from ..exposure.coverage import followed
from ..formats import count
from ..sources import schema
from ..sources.events import event, events
from .assemble import check_until, rivals_of, rivals_words
from .clocks import Device, check_clock, device_of, ends_of
from .reoperation import SCOPES, reoperations

NEVER = np.inf
EXPLANT_DEFINITIONS: Mapping[str, tuple[str, str]] = {
    "any_removal": ("removal of the {core}, whether or not a new one follows on a later day", ""),
    "without_replacement": (
        "removal of the {core} without a new system of the same therapy within {within_days} days, dated at removal",
        "Dougherty MC et al. Neuromodulation 2021, doi 10.1111/ner.13207",
    ),
    "removal_or_revision_for_inadequate_relief": (
        "removal of the {core} or revision of a part for inadequate relief",
        "Nissen M et al. Neuromodulation 2021, PMID 33073907",
    ),
    "with_reason": (
        "removal of the {core} with a stated reason and without a new system within {within_days} days",
        "",
    ),
}
NON_USE = "non_use"
OTHER_REASON = "other_reason"
"""What reasons that have no cause of their own are called together."""
DEVICE_OUTCOMES = ("explant", "explant_or_non_use")
REOPERATION = "reoperation"


@dataclass(frozen=True, eq=False)
class _Found:
    """The first qualifying event of each row: day (`NEVER` without one), reason, and the days to wait for proof.

    ``wait`` is missing where no waiting proves it. Rows in ``left_out`` have no outcome: their clock did not start.
    """

    day: npt.NDArray[np.float64]
    reason: npt.NDArray[Any]
    wait: npt.NDArray[np.float64]
    left_out: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class _Follow:
    """How patients are followed: where events are seen, what competes, how long, and how the event is labelled."""

    domains: tuple[str, ...]
    competing: tuple[str, ...]
    until_days: int
    by_reason: bool | tuple[str, ...]
    unascertained: str


def add_time_to(
    cohort: Cohort,
    event_name: str,
    *,
    until_days: int,
    competing: str | tuple[str, ...] | None,
    definition: str | None = None,
    within_days: int | None = None,
    clock: str | None = None,
    component: str | None = None,
    device: str | None = None,
    scope: str | None = None,
    by_reason: bool | tuple[str, ...] = False,
    unascertained: str = "event",
    name: str | None = None,
) -> Cohort:
    """Add the time from day 0 to the first event of a kind.

    **Definition**: days from day 0 to the event, an event on day 0 after the index procedure counting as 0.5; status is
    ``event`` (or the reason), a competing event's name, or ``censored`` at the end of observation, at death or at
    ``until_days``, that day included. An event and a competing event on one day count as the event. Of the named event
    that is day 0, those from day 1 on count.

    Explant: ``"without_replacement"`` is a generator removed with no new system of the same therapy from the day of
    removal to day ``within_days`` after it, that day included; removal and implant on one day is a replacement. Where
    observation ends before that (and before death) without a new implant it counts as explant with
    ``<name>_is_ascertained`` False; death within it is explant, then death. ``"any_removal"``,
    ``"removal_or_revision_for_inadequate_relief"`` and ``"with_reason"`` repeat published variants.
    ``"explant_or_non_use"`` also counts the end of use without removal, whether taken up again later or not. Of several
    reasons on one day the first in the order of the vocabulary is kept. The clock ``"therapy"`` runs through
    replacements; ``"system"`` ends when the generator (or pump) implanted on day 0 is removed and none is put into the
    same system that day; ``"component"`` when one part of it is removed or replaced, a planned replacement at the end
    of the battery's life included, with its reason.

    Reoperation: an operation on the lumbar spine (region lumbar or lumbosacral) after the index operation; on day 0
    only one with a stated reason to return to theatre. A staged further sitting is none, nor is the laminectomy of a
    paddle lead (a laminectomy, laminotomy or other operation on the day of a device operation) or an injection. Levels
    are compared where they are listed: where those of the index operation are not, the outcome is missing; at an
    operation without listed levels, time is censored with ``<name>_is_ascertained`` False. Adjacent is the next level
    above or below those of the index operation (its staged sittings included) and not one of them.

    Parameters
    ----------
    cohort : Cohort
    event_name : str
        ``"explant"``, ``"explant_or_non_use"``, ``"reoperation"`` or a named event (``data/events.toml``).
    until_days : int
        Last day of follow-up, included.
    competing : str, tuple of str, or None
        Named events that end time at risk as competing events, for example ``"death"``; None for none.
    definition : str
        Explant on the therapy clock only, and required there: one of the four definitions above.
    within_days : int
        Required by ``"without_replacement"`` and ``"with_reason"``.
    clock : {"therapy", "system", "component"}
        Device outcomes only, and required there. The system and component clocks start at an implant on day 0.
    component : {"generator", "lead", "pump", "catheter"}
        Required by ``clock="component"``.
    device : {"scs", "intrathecal_pump"}
        Device outcomes only: the device of the event on day 0 when not given; required where that is no device event.
    scope : {"any_lumbar", "index_level", "adjacent_level", "fusion_only"}
        Reoperation only, and required there.
    by_reason : bool or tuple of str
        Explant and reoperation only: status is the recorded reason (``unknown`` where there is none), one cause each;
        of reasons given by name each is a cause, and all others together are ``other_reason``.
    unascertained : {"event", "censored"}
        Explant only: whether removals with ``<name>_is_ascertained`` False count, or are censored at removal.
    name : str, optional
        The outcome's name; ``event_name`` when not given.

    Returns
    -------
    Cohort
        New columns ``<name>_days`` (days; missing where nothing was observed), ``<name>_status``,
        ``<name>_entry_days`` (0, or half a day before the first observed day where that lies after day 0); explant and
        reoperation also ``<name>_reason`` and ``<name>_is_ascertained``.

    Raises
    ------
    InputError
        Unknown event or definition, or an argument that the event does not take or lacks.
    DataError
        The source lacks device events, operations or observation periods, or nobody's levels are listed.

    Notes
    -----
    When not to use it: for events that repeat, of which it sees the first.

    Examples
    --------
    >>> import fbss_analytics as fbss
    >>> source = fbss.simulate("neuromodulation", n_patients=200, seed=1)
    >>> cohort = fbss.start_cohort(source, index="scs_implant", occurrence="first")
    >>> cohort = fbss.add_time_to(cohort, "explant", definition="without_replacement", within_days=90, clock="therapy",
    ...                           competing="death", until_days=1825)
    >>> sorted(cohort.outcomes)
    ['explant']
    """
    known = (*DEVICE_OUTCOMES, REOPERATION, *events())
    if event_name not in known:
        raise InputError(f"{event_name!r} is not a named event.{nearest(event_name, known)}")
    check_until(until_days)
    one_of(unascertained, ("event", "censored"), name="unascertained")
    cohort.source.require("observation_periods", what=f"Time to {event_name}")
    name = name or event_name
    rivals = rivals_of(competing)
    if event_name in rivals:
        raise InputError(f"{event_name!r} cannot compete with itself; leave it out of competing=.")
    given: dict[str, object] = {
        "definition": definition, "within_days": within_days, "clock": clock, "component": component,
        "device": device, "scope": scope, "by_reason": by_reason or None,
        "unascertained": None if unascertained == "event" else unascertained,
    }  # fmt: skip
    is_device = event_name in DEVICE_OUTCOMES
    what, found, domains = _find(cohort, event_name, given)
    _check_reasons(by_reason, "device_reason" if is_device else "surgery_reason")
    # An operation whose level is not known is never counted as one of a level.
    unascertained = "censored" if event_name == REOPERATION else unascertained
    columns = _time_columns(cohort, name, found, _Follow(domains, rivals, until_days, by_reason, unascertained))
    words = _words(what, clock, rivals, until_days)
    if is_device:
        words += _uncertain_words(columns[f"{name}_is_ascertained"], unascertained)
    elif event_name != REOPERATION:
        columns = {key: values for key, values in columns.items() if not key.endswith(("_reason", "_is_ascertained"))}
    arguments: dict[str, object] = {
        "definition": definition, "within_days": within_days, "clock": clock, "competing": rivals,
        "until_days": until_days, "by_reason": by_reason, "unascertained": unascertained,
    }  # fmt: skip
    arguments |= {key: given[key] for key in ("component", "device", "scope") if given[key] is not None}
    citation = EXPLANT_DEFINITIONS[definition][1] if definition else ""
    causes = _causes(columns[f"{name}_status"], rivals) if by_reason else ("event",)
    outcome = Outcome(name, f"{name}_days", f"{name}_status", f"{name}_entry_days", causes, rivals, until_days, words)
    return add_columns(cohort, columns, Definition(name, words, tuple(columns), arguments, citation), outcome=outcome)


def _find(cohort: Cohort, event_name: str, given: Mapping[str, object]) -> tuple[str, _Found, tuple[str, ...]]:
    """Return what the event is in words, the first one of each row, and the domains in which it is seen."""
    if event_name in DEVICE_OUTCOMES:
        _refuse_arguments(event_name, {"scope": given["scope"]})
        device = device_of(cohort, None if given["device"] is None else str(given["device"]))
        _check_device_arguments(cohort, device, given)
        return *_device_outcome(cohort, event_name, device, given), event(device.removal).domains
    if event_name == REOPERATION:
        _refuse_arguments(event_name, {key: each for key, each in given.items() if key not in ("scope", "by_reason")})
        if given["scope"] is None:
            raise InputError(f"Reoperation needs scope=; choose one of {', '.join(SCOPES)}.")
        scope = one_of(str(given["scope"]), SCOPES, name="scope")
        return SCOPES[scope], _reoperation(cohort, scope), event("lumbar_surgery").domains
    _refuse_arguments(event_name, given)
    return event(event_name).words, _first_event(cohort, event_name), event(event_name).domains


def _check_reasons(by_reason: bool | tuple[str, ...], vocabulary: str) -> None:
    for reason in () if isinstance(by_reason, bool) else by_reason:
        one_of(reason, (*schema.vocabulary(vocabulary), NON_USE), name="by_reason")


def _uncertain_words(is_ascertained: npt.NDArray[np.bool_], unascertained: str) -> str:
    n = int((~is_ascertained).sum())
    fate = "censored at removal" if unascertained == "censored" else "counted"
    return f" {count(n)} {fate} although observation ended before a new implant could be ruled out." if n else ""


def _check_device_arguments(cohort: Cohort, device: Device, given: Mapping[str, object]) -> None:
    definition, within_days = given["definition"], given["within_days"]
    clock, component = (None if given[key] is None else str(given[key]) for key in ("clock", "component"))
    if definition is None and clock in (None, "therapy"):
        raise InputError(f"Explant needs definition=; choose one of {', '.join(EXPLANT_DEFINITIONS)}.")
    if definition is not None:
        one_of(str(definition), EXPLANT_DEFINITIONS, name="definition")
    check_clock(cohort, device, clock, component)
    if clock != "therapy":
        _refuse_arguments(f'clock="{clock}"', {key: given[key] for key in ("definition", "within_days")})
        return
    waits = "{within_days}" in EXPLANT_DEFINITIONS[str(definition)][0]
    if waits and (not isinstance(within_days, int) or within_days < 0):
        raise InputError(
            f"definition={definition!r} needs within_days=, 0 or more; type within_days=90 as in Dougherty 2021."
        )
    if not waits and within_days is not None:
        raise InputError(f"definition={definition!r} takes no within_days=; leave it out.")


def _refuse_arguments(event_name: str, given: Mapping[str, object]) -> None:
    extra = [key for key, value in given.items() if value is not None]
    if extra:
        belong = "they belong" if len(extra) > 1 else "it belongs"
        owner = "explant on the therapy clock" if event_name.startswith("clock") else "explant"
        owner = "reoperation" if extra == ["scope"] else owner
        raise InputError(f"{event_name!r} takes no {' or '.join(extra)}; {belong} to {owner}.")


def _first_event(cohort: Cohort, name: str) -> _Found:
    rows = relative_events(cohort, name)
    rows = rows[rows["day"] >= (1 if name == cohort.index else 0)]
    return _earliest(cohort, rows.assign(reason="unknown", wait=0))


def _earliest(cohort: Cohort, rows: pd.DataFrame, *, reasons: tuple[str, ...] = ()) -> _Found:
    """Return the first of some events (row, day, reason, wait); of several on one day the vocabulary's first reason."""
    order = {reason: i for i, reason in enumerate(reasons or (*schema.vocabulary("device_reason"), NON_USE))}
    rows = rows.assign(reason=rows["reason"].fillna("unknown"))
    rows = rows.assign(place=rows["reason"].map(order)).sort_values(["row", "day", "place"]).drop_duplicates("row")
    day, wait = np.full(len(cohort), NEVER), np.zeros(len(cohort))
    reason = np.full(len(cohort), "unknown", dtype=object)
    for column, values in (("day", day), ("wait", wait), ("reason", reason)):
        values[rows["row"].to_numpy()] = rows[column].to_numpy()
    return _Found(day, reason, wait, np.zeros(len(cohort), dtype=bool))


def _device_outcome(cohort: Cohort, event_name: str, device: Device, given: Mapping[str, object]) -> tuple[str, _Found]:
    """Return what the outcome is in words, and its first event."""
    clock, component = str(given["clock"]), given["component"]
    left_out = np.zeros(len(cohort), dtype=bool)
    if clock == "therapy":
        wait = given["within_days"] if isinstance(given["within_days"], int) else 0
        ends = _therapy_ends(cohort, device, str(given["definition"]), wait).assign(wait=wait)
        what = EXPLANT_DEFINITIONS[str(given["definition"])][0].format(within_days=wait, core=device.core)
    else:
        ends, has = ends_of(cohort, device, clock, None if component is None else str(component))
        ends, left_out = ends.assign(wait=0), ~has
        what = f"removal or replacement of the {component} implanted on day 0"
        if clock == "system":
            what = f"removal of the {device.words} system implanted on day 0"
    if event_name == "explant_or_non_use":
        what += ", or end of use without removal"
        stopped = relative_events(cohort, device.non_use, columns=("system_id",))
        ends = pd.concat([ends, stopped[stopped["day"] >= 0].assign(reason=NON_USE, wait=0)])
    return what, replace(_earliest(cohort, ends), left_out=left_out)


def _therapy_ends(cohort: Cohort, device: Device, definition: str, within_days: int) -> pd.DataFrame:
    removals = relative_events(cohort, device.removal, columns=("system_id", "reason"))
    removals = removals[removals["day"] >= 0]
    if definition == "removal_or_revision_for_inadequate_relief":
        revisions = relative_events(cohort, device.revision, columns=("system_id", "reason"))
        both = pd.concat([removals, revisions[revisions["day"] >= 0]])
        return both[both["reason"] == "inadequate_relief"]
    ends = removals[~replaced(cohort, removals, within_days, device)]
    if definition == "with_reason":
        ends = ends[ends["reason"].notna() & (ends["reason"] != "unknown")]
    return ends


def _reoperation(cohort: Cohort, scope: str) -> _Found:
    rows, judged = reoperations(cohort, scope)
    rows = rows.assign(wait=np.where(rows["is_certain"], 0.0, np.nan))
    found = _earliest(cohort, rows, reasons=schema.vocabulary("surgery_reason"))
    return replace(found, left_out=~judged)


def replaced(cohort: Cohort, removals: pd.DataFrame, within_days: int, device: Device) -> npt.NDArray[np.bool_]:
    """Return which removals are followed by a new generator or pump from that day to ``within_days`` after it."""
    implants = relative_events(cohort, device.implant, columns=("system_id",))
    swaps = relative_events(cohort, device.replacement, columns=("system_id",))
    first = implants.groupby(["row", "system_id"])["day"].min().rename("own_implant").reset_index()
    later = pd.concat([implants, swaps]).rename(columns={"day": "new_day", "system_id": "new_system"})
    ends = removals[["row", "day", "system_id"]].assign(end=np.arange(len(removals)))
    pairs = ends.merge(first, on=["row", "system_id"], how="left").merge(later, on="row")
    # A system removed on the day it was implanted is a failed implant, not its own replacement.
    own = (pairs["new_system"] == pairs["system_id"]) & (pairs["new_day"] == pairs["own_implant"])
    own &= pairs["new_day"] == pairs["day"]
    follows = ~own & (pairs["new_day"] >= pairs["day"]) & (pairs["new_day"] <= pairs["day"] + within_days)
    is_replaced = np.zeros(len(removals), dtype=bool)
    is_replaced[pairs.loc[follows, "end"].to_numpy()] = True
    return is_replaced


def _time_columns(cohort: Cohort, name: str, found: _Found, follow: _Follow) -> dict[str, npt.NDArray[Any]]:
    entry, end = followed(observed_spans(cohort, follow.domains), len(cohort))
    day, status = np.minimum(end, follow.until_days), np.full(len(cohort), "censored", dtype=object)
    # The first rival named wins a tie among rivals, and the event wins against all: death is last on its day.
    for rival in reversed(follow.competing):
        rival_day = _first_event(cohort, rival).day
        day, status = np.where(rival_day <= day, rival_day, day), np.where(rival_day <= day, rival, status)
    certain = _is_ascertained(cohort, found, end)
    happens = found.day <= day
    counted = happens & (certain | (follow.unascertained == "event"))
    status = np.where(counted, _labels(found.reason, follow.by_reason), np.where(happens, "censored", status))
    day = np.where(happens, found.day, day)
    unseen = np.isnan(end) | (day < entry) | found.left_out
    return {
        f"{name}_days": np.where(unseen, np.nan, np.maximum(day, 0.5)),
        f"{name}_status": _text_where(~unseen, status),
        f"{name}_entry_days": np.where(unseen, np.nan, np.where(entry > 0, entry - 0.5, 0.0)),
        f"{name}_reason": _text_where(happens & ~unseen, found.reason),
        f"{name}_is_ascertained": ~(happens & ~unseen) | certain,
    }


def _labels(reason: npt.NDArray[Any], by_reason: bool | tuple[str, ...]) -> npt.NDArray[Any] | str:
    """Return what an event is called in the status."""
    if isinstance(by_reason, bool):
        return reason if by_reason else "event"
    return np.where(np.isin(reason, by_reason), reason, OTHER_REASON)


def _text_where(mask: npt.NDArray[np.bool_], values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    chosen = np.full(len(mask), None, dtype=object)
    chosen[mask] = values[mask]
    return chosen


def _is_ascertained(cohort: Cohort, found: _Found, end: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Return where the absence of a new implant was seen to the end of the waiting time, or to death within it."""
    return np.asarray(end >= np.minimum(found.day + found.wait, _first_event(cohort, "death").day))


def _causes(status: npt.NDArray[Any], rivals: tuple[str, ...]) -> tuple[str, ...]:
    """Return the reasons that occur, the most frequent first."""
    counts = pd.Series(status).dropna().value_counts()
    reasons = [str(value) for value in counts.index if value != "censored" and value not in rivals]
    return tuple(sorted(reasons, key=lambda reason: (-counts[reason], reason)))


def _words(what: str, clock: str | None, rivals: tuple[str, ...], until_days: int) -> str:
    since = f" on the {clock} clock" if clock else ""
    return f"time from day 0{since} to {what}, followed to day {until_days}{rivals_words(rivals)}; day 0 counts as 0.5."
