"""What everyone implanted is doing, day by day: device in place or out, free of opioids or using, dead, unobserved."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..cohort import Cohort, Definition
from ..cohort.linkage import observed_spans, relative_events
from ..cohort.nouns import add_columns
from ..errors import InputError, one_of
from ..exposure.coverage import check_dose
from ..exposure.definition import DoseDefinition
from ..exposure.freedom import coverage, free_and_using
from ..exposure.intervals import common, less, make_spans, merge
from ..sources.events import event
from .assemble import Numbers, check_until
from .clocks import DEVICES, Device
from .elimination import MARGIN_DAYS
from .time_to import replaced

UNOBSERVED = "unobserved"
_LAST = 10**6


def add_opioid_states(
    cohort: Cohort,
    dose: DoseDefinition,
    *,
    until_days: int,
    unobserved: str,
    device: str | None,
    within_days: int | None = None,
    name: str = "opioid_states",
) -> Cohort:
    """Add what each patient is doing on every day from day 0 on: free of systemic opioids, using, device out, dead.

    **Definition**: on day t a patient is, in this order: ``dead`` from the day of death on; ``pump out`` (or
    ``stimulator out``) from a removal that no new system follows within ``within_days`` days, to the day before the
    next implant; *free* when opioids are eliminated at t (no supply on t-14 .. t+14, observed throughout; see
    `add_opioid_elimination`); *using* when observed with supply on one of these days; else ``unobserved``. With a
    device, free and using are ``on pump and free`` and ``on pump and using``, and also need t observed in the medical
    or registry domain. For t below 14 the days before day 0 count too.

    Parameters
    ----------
    cohort : Cohort
    dose : DoseDefinition
        Which opioids count as systemic.
    until_days : int
        Last day of follow-up, included.
    unobserved : {"state", "censored"}
        Time at the end that is not observed: a state of its own, or follow-up that ends on the day before it. Rows
        without any observed day are left out then.
    device : {"scs", "intrathecal_pump"} or None
        Whose removal is a state; None for none (comparators).
    within_days : int, optional
        Required with a device; as for explant.
    name : str
        Name of the episodes, and prefix of the column.

    Returns
    -------
    Cohort
        A column ``<name>_observed_days`` (days 0 to ``until_days`` in another state than unobserved or dead), and
        `Episodes` of kind ``states``, ``cohort.episodes(name)``: ``start_day``, ``stop_day``, ``state``.

    Raises
    ------
    InputError
        Unknown device, ``within_days`` lacking or not wanted.
    DataError
        No dispensings, nobody with pharmacy observation, or no device events.

    Notes
    -----
    When not to use it: to say how many are ever free; states hide who moves in and out.

    References
    ----------
    Caraway D et al. Neuromodulation 2015, doi 10.1111/ner.12318: the share "among those remaining" beside which the
    share of everyone implanted stands.

    Examples
    --------
    >>> import fbss_analytics as fbss
    >>> source = fbss.simulate("neuromodulation", n_patients=200, seed=1)
    >>> cohort = fbss.start_cohort(source, index="scs_implant", occurrence="first")
    >>> dose = fbss.DoseDefinition(factors="cdc_2022", overlap="concurrent", buprenorphine="exclude")
    >>> cohort = fbss.add_opioid_states(cohort, dose, until_days=730, unobserved="state", device="scs", within_days=90)
    >>> "on stimulator and free" in set(cohort.episodes("opioid_states").frame["state"])
    True
    """
    check_dose(dose)
    check_until(until_days)
    one_of(unobserved, ("state", "censored"), name="unobserved")
    if (device is None) != (within_days is None):
        raise InputError('device= and within_days= go together; type device="intrathecal_pump", within_days=90.')
    found = coverage(cohort, dose, what="States of opioid use")
    free, using = free_and_using(found, MARGIN_DAYS)
    dead = np.flatnonzero(np.isfinite(found.death))
    states = {"dead": make_spans(dead, np.maximum(found.death[dead], 0), np.full(len(dead), _LAST))}
    if device is None:
        states |= {"free": free, "using": using}
    else:
        meant = DEVICES[one_of(device, DEVICES, name="device")]
        seen = observed_spans(cohort, event(meant.removal).domains)[["row", "start", "end"]]
        out = common(_out(cohort, meant, within_days or 0), seen, len(cohort))
        on = f"on {meant.words}"
        states |= {f"{meant.words} out": out, f"{on} and free": common(free, seen, len(cohort)),
                   f"{on} and using": common(using, seen, len(cohort))}  # fmt: skip
    table = _partition(states, len(cohort), until_days)
    days = table[~table["state"].isin(("dead", UNOBSERVED))]
    observed: Numbers = np.zeros(len(cohort))
    np.add.at(observed, days["row"].to_numpy(), (days["end"] - days["start"] + 1).to_numpy(float))
    table = _as_episodes(table, until_days, censored=unobserved == "censored")
    words = f"on each day to day {until_days}: {', '.join((*states, UNOBSERVED))}. {dose.sentence()}"
    arguments = dose.arguments | {
        "until_days": until_days, "unobserved": unobserved, "device": device, "within_days": within_days,
        "margin_days": MARGIN_DAYS, "states": (*states, UNOBSERVED),
    }  # fmt: skip
    columns = {f"{name}_observed_days": observed}
    definition = Definition(name, words, tuple(columns), arguments)
    return add_columns(cohort, columns, definition, intervals=("states", table))


def _out(cohort: Cohort, device: Device, within_days: int) -> pd.DataFrame:
    """Return merged spans without the device: from a removal that counts to the day before the next implant."""
    removals = relative_events(cohort, device.removal, columns=("system_id",))
    removals = removals[~replaced(cohort, removals, within_days, device)]
    removals = removals.sort_values("day", kind="stable")
    implants = relative_events(cohort, device.implant)[["row", "day"]].sort_values("day", kind="stable")
    implants = implants.rename(columns={"day": "next"}).assign(at=implants["day"])
    pairs = pd.merge_asof(removals, implants, left_on="day", right_on="at", by="row", direction="forward",
                          allow_exact_matches=False)  # fmt: skip
    last = pairs["next"].fillna(_LAST + 1).to_numpy() - 1
    return merge(make_spans(pairs["row"], pairs["day"], last))


def _partition(states: dict[str, pd.DataFrame], n: int, until_days: int) -> pd.DataFrame:
    """Return each row's days 0 to ``until_days`` cut into states, an earlier state before a later one."""
    left = make_spans(np.arange(n), np.zeros(n), np.full(n, until_days))
    parts = []
    for state, spans in states.items():
        parts.append(common(spans, left, n).assign(state=state))
        left = less(left, spans, n)
    table = pd.concat([*parts, left.assign(state=UNOBSERVED)])
    return table.sort_values(["row", "start"], kind="stable").reset_index(drop=True)


def _as_episodes(table: pd.DataFrame, until_days: int, *, censored: bool) -> pd.DataFrame:
    """Return joined intervals; the last of a row stops on its last day, since nothing is known of the next."""
    last = ~table["row"].duplicated(keep="last")
    if censored:
        trailing = last & (table["state"] == UNOBSERVED)
        table = table[~trailing]
        last = ~table["row"].duplicated(keep="last")
    stop = np.where(last, table["end"], table["end"] + 1)
    return pd.DataFrame(
        {
            "row": table["row"].to_numpy(),
            "start_day": table["start"].to_numpy(),
            "stop_day": stop,
            "state": table["state"].to_numpy(dtype=object),
        }
    ).reset_index(drop=True)
