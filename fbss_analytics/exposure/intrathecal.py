"""The intrathecal dose in force at given days."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..cohort import Cohort, Definition
from ..cohort.linkage import observed_spans, relative_days, relative_events
from ..cohort.nouns import add_columns
from ..dates import FAR
from ..errors import DataError, InputError, one_of
from ..formats import count
from ..sources import schema
from ..sources.events import matches
from .coverage import death_days
from .intervals import holds_on_any

IN_UNIT = {("mg", "mg"): 1.0, ("mcg", "mcg"): 1.0, ("mcg", "mg"): 1e-3, ("mg", "mcg"): 1e3}
Numbers = npt.NDArray[np.float64]


def add_intrathecal_dose(
    cohort: Cohort, ingredient: str, *, unit: str, at_days: Sequence[int], name: str | None = None
) -> Cohort:
    """Add the daily intrathecal dose of one drug in force at given days.

    **Definition**: the last dose programmed for the drug on or before day t, in the pump then in place: a programming
    on day t is in force on it. The dose is 0 where the pump holds other drugs only, or the drug was set to 0. It is
    missing before the first programming, from the removal of the pump on (a replacement keeps it) until the next
    system is programmed, after death and where the day is not observed in the medical or registry domain.

    Parameters
    ----------
    cohort : Cohort
    ingredient : str
        One drug, for example ``"morphine"``. Intrathecal doses of different drugs are never added or converted: no
        factor to oral or to each other is sound.
    unit : {"mg", "mcg"}
        Of the columns, per day.
    at_days : sequence of int
        Days t relative to day 0.
    name : str, optional
        Prefix of the columns and name of the episodes; ``intrathecal_<ingredient>`` when not given.

    Returns
    -------
    Cohort
        A column ``<name>_<unit>_per_day_at_<t>`` for each t; and `Episodes` of kind ``days`` with one row for each
        patient and day: ``day``, ``start_day``, ``stop_day``, ``state`` (in_force, other_drugs, no_pump, dead,
        unobserved) and ``dose_per_day``.

    Raises
    ------
    InputError
        Unknown drug or unit, or no day.
    DataError
        The source has no intrathecal doses, or nobody in the cohort this drug.

    Notes
    -----
    When not to use it: to compare drugs, or mixtures with single drugs; and among those still with a pump, to say how
    doses rise: those with trouble leave.

    References
    ----------
    Hayek SM et al. Pain Med 2011, doi 10.1111/j.1526-4637.2011.01188.x (rise of the dose by age).

    Examples
    --------
    >>> import fbss_analytics as fbss
    >>> source = fbss.simulate("neuromodulation", n_patients=200, seed=1)
    >>> cohort = fbss.start_cohort(source, index="pump_implant", occurrence="first")
    >>> cohort = fbss.add_intrathecal_dose(cohort, "morphine", unit="mg", at_days=(30, 365))
    >>> list(cohort.frame.columns[-2:])
    ['intrathecal_morphine_mg_per_day_at_30', 'intrathecal_morphine_mg_per_day_at_365']
    """
    one_of(ingredient, schema.vocabulary("intrathecal_ingredient"), name="ingredient")
    one_of(unit, schema.vocabulary("intrathecal_unit"), name="unit")
    if len(at_days) == 0:
        raise InputError("at_days= names no day; type at_days=(30, 365).")
    cohort.source.require("intrathecal_doses", what="The intrathecal dose")
    rows = relative_days(cohort, "intrathecal_doses", columns=("system_id", "ingredient", "dose_per_day", "unit"))
    if not (rows["ingredient"] == ingredient).any():
        drugs = rows.drop_duplicates(["row", "ingredient"])["ingredient"].value_counts()
        has = ", ".join(f"{drug} ({count(n)})" for drug, n in drugs.items())
        raise DataError(
            f"Nobody in this cohort has intrathecal {ingredient}. "
            + (f"By drug it has: {has}." if has else "Nobody has an intrathecal dose.")
        )
    rows["dose"] = rows["dose_per_day"].to_numpy(float) * rows["unit"].map(lambda u: IN_UNIT[(u, unit)]).to_numpy(float)
    removed = _removals(cohort)
    spans, death = observed_spans(cohort, ("medical", "registry")), death_days(cohort)
    name = name or f"intrathecal_{ingredient}"
    columns, days = {}, []
    for t in at_days:
        seen = holds_on_any(spans, t, t, len(cohort))
        dose, state = _in_force(rows, removed, ingredient, t, len(cohort))
        state = np.select([death <= t, ~seen], ["dead", "unobserved"], state).astype(object)
        dose = np.where((death <= t) | ~seen, np.nan, dose)
        columns[f"{name}_{unit}_per_day_at_{t}"] = dose
        days.append(pd.DataFrame({"row": np.arange(len(cohort)), "day": t, "start_day": t, "stop_day": t + 1,
                                  "state": state, "dose_per_day": dose}))  # fmt: skip
    table = pd.concat(days).sort_values(["row", "day"], kind="stable").reset_index(drop=True)
    words = f"intrathecal {ingredient} in force, {unit} per day, at {', '.join(f'day {t}' for t in at_days)}"
    arguments = {"ingredient": ingredient, "unit": unit, "at_days": tuple(at_days)}
    definition = Definition(name, words, tuple(columns), arguments, known_at_day=max(at_days))
    return add_columns(cohort, columns, definition, intervals=("days", table))


def _removals(cohort: Cohort) -> pd.DataFrame:
    """Return the removals of pumps (row, system_id, removed), those followed by a pump in the same system left out."""
    if "device_events" not in cohort.source.tables:
        return pd.DataFrame({"row": [], "system_id": [], "removed": []})
    table = cohort.source.tables["device_events"]
    keep = matches(table["device"], ("intrathecal_pump",))
    removed = relative_events(cohort, "pump_removal", columns=("system_id",))
    put = relative_days(cohort, "device_events", columns=("system_id", "component", "event"), keep=keep)
    put = put[put["component"].isin(("pump", "system")) & put["event"].isin(("implant", "replace", "upgrade"))]
    both = removed.merge(put[["row", "system_id", "day"]].drop_duplicates(), on=["row", "system_id", "day"],
                         how="left", indicator=True)  # fmt: skip
    gone = both[both["_merge"] == "left_only"]
    first = gone.sort_values("day", kind="stable").drop_duplicates(["row", "system_id"])
    return first[["row", "system_id", "day"]].rename(columns={"day": "removed"})


def _in_force(
    rows: pd.DataFrame, removed: pd.DataFrame, ingredient: str, t: int, n: int
) -> tuple[Numbers, npt.NDArray[np.str_]]:
    """Return each row's dose of a drug at a day, and what the pump is doing."""
    past = rows[rows["day"] <= t].merge(removed, on=["row", "system_id"], how="left")
    past = past[past["removed"].fillna(FAR) > t].sort_values(["row", "day"], kind="stable")
    # The system programmed last is the one in use.
    current = past.groupby("row")["system_id"].transform("last")
    past = past[past["system_id"] == current]
    dose, state = np.full(n, np.nan), np.full(n, "no_pump", dtype="<U11")
    any_row = past["row"].unique()
    dose[any_row], state[any_row] = 0.0, "other_drugs"
    mine = past[past["ingredient"] == ingredient]
    last = mine[mine["day"] == mine.groupby("row")["day"].transform("max")].groupby("row")["dose"].sum()
    dose[last.index.to_numpy()] = last.to_numpy()
    state[last.index.to_numpy()[last.to_numpy() > 0]] = "in_force"
    return dose, state
