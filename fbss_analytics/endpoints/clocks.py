"""Devices and their three clocks: the therapy of a patient, the system implanted on day 0, and one component of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..cohort import Cohort
from ..cohort.linkage import relative_days
from ..errors import DataError, InputError, one_of
from ..sources.events import event, matches

CLOCKS = ("therapy", "system", "component")


@dataclass(frozen=True)
class Device:
    """A device by the names of its events: ``core`` is the part whose removal ends it, ``parts`` what can be named."""

    name: str
    words: str
    core: str
    parts: tuple[str, ...]
    implant: str
    replacement: str
    removal: str
    revision: str
    non_use: str


DEVICES = {
    "scs": Device(
        "scs", "stimulator", "generator", ("generator", "lead"),
        "scs_implant", "scs_replacement", "scs_removal", "device_revision", "scs_non_use",
    ),
    "intrathecal_pump": Device(
        "intrathecal_pump", "pump", "pump", ("pump", "catheter"),
        "pump_implant", "pump_replacement", "pump_removal", "pump_revision", "pump_non_use",
    ),
}  # fmt: skip


def device_of(cohort: Cohort, given: str | None) -> Device:
    """Return the device meant: the one named, else the one of the event that is day 0."""
    if given is not None:
        return DEVICES[one_of(given, DEVICES, name="device")]
    own = event(cohort.index).where.get("device", ()) if event(cohort.index).table == "device_events" else ()
    if len(own) != 1 or own[0] not in DEVICES:
        raise InputError(
            f'Day 0 is {cohort.index!r}, which is no event of a stimulator or pump; type device="scs" or '
            'device="intrathecal_pump".'
        )
    return DEVICES[own[0]]


def check_clock(cohort: Cohort, device: Device, clock: str | None, component: str | None) -> None:
    """Raise `InputError` for a clock that is not known, not started on day 0, or without its component."""
    if clock is None:
        raise InputError('Explant needs clock=; type clock="therapy" to count from day 0 through replacements.')
    one_of(clock, CLOCKS, name="clock")
    if clock != "component" and component is not None:
        raise InputError('component= belongs to clock="component"; leave it out.')
    if clock == "component" and component is None:
        raise InputError(f'clock="component" needs component=; type {" or ".join(map(repr, device.parts))}.')
    if clock == "component" and component is not None:
        one_of(component, device.parts, name="component")
    if clock != "therapy" and cohort.index != device.implant:
        raise InputError(
            f'clock="{clock}" starts at the implant of the {device.words}, but day 0 is {cohort.index!r}; start the '
            f'cohort with index="{device.implant}", or type clock="therapy".'
        )


def ends_of(
    cohort: Cohort, device: Device, clock: str, component: str | None
) -> tuple[pd.DataFrame, npt.NDArray[np.bool_]]:
    """Return the ends of what was implanted on day 0 (row, day, reason), and which rows had it implanted.

    A system ends when its generator or pump is removed and none is put into the same system that day. A component ends
    when it is removed or replaced; of several of a kind (two leads) the first end counts.
    """
    table = cohort.source.tables["device_events"]
    columns = ("system_id", "component_id", "component", "event", "reason")
    rows = relative_days(cohort, "device_events", columns=columns, keep=matches(table["device"], (device.name,)))
    rows = rows[rows["day"] >= 0].reset_index(drop=True)
    kind = component or device.core
    rows = rows[rows["component"].isin((kind, "system"))]
    begun = rows[(rows["day"] == 0) & (rows["event"] == "implant")]
    if begun.empty:
        raise DataError(
            f'No {kind} is recorded as implanted on day 0, so its clock cannot start; type clock="therapy", or use a '
            "source that lists the parts of a system."
        )
    has = np.zeros(len(cohort), dtype=bool)
    has[begun["row"].to_numpy()] = True
    own = rows.merge(begun[["row", "system_id"]].drop_duplicates(), on=["row", "system_id"])
    removed = own[own["event"] == "explant"]
    if clock == "component":
        known = begun[["row", "system_id", "component_id"]].assign(is_own=True).drop_duplicates()
        removed = removed.merge(known, on=["row", "system_id", "component_id"], how="left")
        # A part with a number of its own that came later (a third lead) is not the one implanted on day 0.
        later = removed["component_id"].notna() & removed["is_own"].isna() & (removed["component"] != "system")
        unnumbered = removed[["row"]].merge(begun[begun["component_id"].isna()][["row"]].drop_duplicates(),
                                            on="row", how="left", indicator=True)["_merge"] == "both"  # fmt: skip
        removed = removed[~later | unnumbered.to_numpy()]
        ends = pd.concat([own[own["event"].isin(("replace", "upgrade"))], removed])
    else:
        put_back = own[own["event"].isin(("implant", "replace", "upgrade")) & (own["day"] > 0)]
        put_back = put_back[["row", "system_id", "day"]].drop_duplicates().assign(is_back=True)
        ends = removed.merge(put_back, on=["row", "system_id", "day"], how="left")
        ends = ends[ends["is_back"].isna()]
    return ends[["row", "day", "reason"]], has
