"""The estimand table: what a number is an estimate of, in the words of ICH E9(R1)."""

from __future__ import annotations

from ...errors import InputError, nearest
from .noun import Table, text_table

ESTIMAND_PARTS = {
    "population": "Population",
    "time_zero": "Time zero",
    "exposure": "Treatment or exposure",
    "endpoint": "Endpoint (variable)",
    "death": "Death",
    "explant": "Explant",
    "device_switch": "Switch to the other device",
    "reoperation": "Reoperation",
    "cancer": "Cancer",
    "opioid_use_disorder_treatment": "Treatment for opioid use disorder",
    "horizon": "Horizon",
    "contrast": "Contrast (population-level summary)",
}
"""The parts of an estimand, in the order of the table."""

NEEDED_PARTS = ("population", "time_zero", "endpoint", "horizon", "contrast")
EVENTS_AFTER_ZERO = ("death", "explant", "device_switch", "reoperation", "cancer", "opioid_use_disorder_treatment")


def table_estimand(**parts: str) -> Table:
    """Say what is estimated: the estimand table every notebook prints.

    **Definition.** The attributes of ICH E9(R1) - population, treatment, variable, intercurrent events with their
    strategy, population-level summary - with time zero and horizon. Events after time zero that are not named are
    handled by treatment policy: what happens afterwards counts as it comes.

    Parameters
    ----------
    **parts : str
        Text by part: ``population``, ``time_zero``, ``endpoint``, ``horizon`` and ``contrast`` (needed), ``exposure``,
        and the events after time zero ``death, explant, device_switch, reoperation, cancer,
        opioid_use_disorder_treatment``, each with its strategy (for example ``"competing event (while alive)"``).

    Returns
    -------
    Table
        One row per part.

    Raises
    ------
    InputError
        When a needed part is missing or a part is not known.

    When not to use it: for descriptive tables, which estimate nothing.

    References
    ----------
    ICH E9(R1) Addendum on estimands and sensitivity analysis in clinical trials. 2019.
    https://database.ich.org/sites/default/files/E9-R1_Step4_Guideline_2019_1203.pdf

    Examples
    --------
    >>> table = table_estimand(
    ...     population="adults with FBSS", time_zero="permanent implant", endpoint="explant", horizon="5 years",
    ...     contrast="cumulative incidence", death="competing event",
    ... )
    >>> table.frame.iloc[0].tolist()
    ['Population', 'adults with FBSS']
    """
    for name in parts:
        if name not in ESTIMAND_PARTS:
            raise InputError(f"table_estimand has no part {name!r}.{nearest(name, ESTIMAND_PARTS)}")
    lacking = [name for name in NEEDED_PARTS if not parts.get(name)]
    if lacking:
        raise InputError(f"table_estimand needs {', '.join(lacking)}; add each as {lacking[0]}='...'.")
    rows = [(words, parts[name]) for name, words in ESTIMAND_PARTS.items() if parts.get(name)]
    silent = [ESTIMAND_PARTS[name].lower() for name in EVENTS_AFTER_ZERO if not parts.get(name)]
    note = f"Treatment policy strategy for what is not named: {', '.join(silent)}." if silent else ""
    return text_table("Estimand (ICH E9(R1))", rows, ("part", "here"), (note,))
