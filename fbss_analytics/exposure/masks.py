"""Days after operations, on which opioids are given for the operation and not for the pain before it."""

from __future__ import annotations

import pandas as pd

from ..cohort import Cohort
from ..cohort.linkage import relative_days
from ..dates import Window
from ..errors import InputError
from ..sources.events import matches
from .intervals import make_spans, merge

OPERATIONS = ("implant", "revise", "replace", "upgrade", "explant")


def perioperative_spans(cohort: Cohort, mask_days: Window) -> pd.DataFrame:
    """Return merged spans of the days from and to so many days after any operation: row, start, end.

    Operations are those of the table of surgeries, and implants, revisions, replacements, upgrades and removals of
    devices; trials are none.
    """
    tables = cohort.source.tables
    found = []
    if "surgeries" in tables:
        found.append(relative_days(cohort, "surgeries"))
    if "device_events" in tables:
        keep = matches(tables["device_events"]["event"], OPERATIONS)
        found.append(relative_days(cohort, "device_events", keep=keep))
    if not found:
        raise InputError("mask_days= needs surgeries or device events, and this source has neither; leave it out.")
    rows = pd.concat(found)
    return merge(make_spans(rows["row"], rows["day"] + mask_days[0], rows["day"] + mask_days[1]))
