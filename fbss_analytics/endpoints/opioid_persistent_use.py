"""New persistent opioid use after an operation in those who did not use opioids before."""

from __future__ import annotations

import numpy as np

from ..cohort import Cohort, Definition
from ..cohort.nouns import add_columns
from ..dates import Window, check_window, window_words
from ..errors import InputError
from ..exposure.coverage import check_dose
from ..exposure.definition import DoseDefinition
from ..exposure.fills import fills
from ..exposure.freedom import coverage
from ..formats import count
from .judging import Mask, observed_throughout, yes_or_no

NAIVE_DAYS = (-365, -31)
PERIOPERATIVE_DAYS = (-30, 14)
LATER_DAYS = (90, 180)
CITATION = "Brummett CM et al. JAMA Surg 2017;152(6):e170504, doi 10.1001/jamasurg.2017.0504"


def add_new_persistent_use(
    cohort: Cohort,
    dose: DoseDefinition,
    *,
    naive_days: Window = NAIVE_DAYS,
    perioperative_days: Window = PERIOPERATIVE_DAYS,
    days: Window = LATER_DAYS,
    name: str = "new_persistent_use",
) -> Cohort:
    """Add who goes on filling opioids after the index operation without having used them before.

    **Definition** (Brummett 2017): *naive*, no fill dated on days -365 to -31; a *perioperative* fill dated on days -30
    to 14; then *new persistent use* is at least one fill dated on days 90 to 180. All windows include both ends. Fills
    count where they are dated, whatever days their supply reaches: supply carried into a window is no fill in it. A
    fill on day 0 is perioperative. Whoever is not naive, or fills nothing perioperatively, is not judged, and neither
    is who is not observed on every day of the three windows (to the end, or to death). Who dies first without a later
    fill is not a persistent user: death competes.

    Parameters
    ----------
    cohort : Cohort
        Day 0 is the operation.
    dose : DoseDefinition
        Which opioids count as systemic (``buprenorphine``); a fill of unknown dose is a fill.
    naive_days, perioperative_days, days : (int, int)
        The three windows, in this order without overlap; the published ones when not given.
    name : str
        The column, and prefix of the status.

    Returns
    -------
    Cohort
        ``<name>`` (True, False; missing where not judged) and ``<name>_status`` (observed, death, not_naive,
        no_perioperative_fill, unobserved).

    Raises
    ------
    InputError
        Windows that overlap or stand in another order.
    DataError
        No dispensings, or nobody with pharmacy observation.

    Notes
    -----
    When not to use it: for people on opioids before the operation, most of those with failed back surgery syndrome;
    use `add_opioid_change` or `add_opioid_discontinuation`. A fill after a further operation counts here as well, while
    the paper leaves such patients out. In one cohort 29 definitions of persistent use gave 0.01 to 14.7 %
    (Anesthesiology 2020;132:1528).

    References
    ----------
    Brummett CM et al. JAMA Surg 2017;152(6):e170504, doi 10.1001/jamasurg.2017.0504.

    Examples
    --------
    >>> import fbss_analytics as fbss
    >>> source = fbss.simulate("surgical", n_patients=200, seed=1)
    >>> cohort = fbss.start_cohort(source, index="lumbar_surgery", occurrence="first")
    >>> dose = fbss.DoseDefinition(factors="cdc_2022", overlap="concurrent", buprenorphine="exclude")
    >>> cohort = fbss.add_new_persistent_use(cohort, dose)
    >>> "not_naive" in set(cohort.frame["new_persistent_use_status"])
    True
    """
    check_dose(dose)
    before = check_window(naive_days, name="naive_days")
    around = check_window(perioperative_days, name="perioperative_days")
    after = check_window(days)
    if not before[1] < around[0] <= around[1] < after[0]:
        raise InputError(
            f"naive_days={before}, perioperative_days={around} and days={after} overlap or stand in another order; "
            f"the published ones are {NAIVE_DAYS}, {PERIOPERATIVE_DAYS} and {LATER_DAYS}."
        )
    found = coverage(cohort, dose, what="New persistent use")
    row, day = (fills(cohort, dose)[column].to_numpy() for column in ("row", "start"))

    def filled(window: Window) -> Mask:
        has = np.zeros(len(cohort), dtype=bool)
        has[row[(day >= window[0]) & (day <= window[1])]] = True
        return has

    seen = np.logical_and.reduce([observed_throughout(found, window) for window in (before, around, after)])
    used, started, goes_on = filled(before), filled(around), filled(after)
    reasons = [~seen, used, ~started, (found.death <= after[1]) & ~goes_on]
    status = np.select(reasons, ["unobserved", "not_naive", "no_perioperative_fill", "death"], "observed")
    judged = seen & ~used & started
    columns = {name: yes_or_no(goes_on, judged), f"{name}_status": status.astype(object)}
    words = (
        f"new persistent opioid use: a fill on {window_words(after)}, among those without a fill on "
        f"{window_words(before)} and with one on {window_words(around)}. {count(judged.sum())} of {count(len(cohort))} "
        f"are judged. {dose.sentence()}"
    )
    arguments = dose.arguments | {"naive_days": before, "perioperative_days": around, "days": after}
    return add_columns(cohort, columns, Definition(name, words, tuple(columns), arguments, CITATION, after[1]))
