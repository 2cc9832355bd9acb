"""Published figures as data, and the interval and standard error of each.

Each row of ``data/published_figures.csv`` is one printed number with its source. Four columns say what it can be
compared with: ``outcome`` and ``cause`` (empty: nothing here), ``statistic`` (how to read the number) and ``method``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
import pandas as pd

from ..errors import one_of

Z95 = 1.959963984540054


@cache
def _read_published() -> pd.DataFrame:
    path = resources.files("fbss_analytics") / "data" / "published_figures.csv"
    with path.open(encoding="utf-8") as handle:
        words = pd.read_csv(handle, dtype=str, keep_default_na=False)
    for column in ("n", "follow_up_months", "estimate", "ci_low", "ci_high", "events"):
        words[column] = pd.to_numeric(words[column].replace("", None), errors="raise").astype("float64")
    # The file holds numbers as printed; shares are told as shares.
    for unit, told in (("percent", "fraction"), ("percent per year", "per year")):
        mine = words["unit"] == unit
        words.loc[mine, ["estimate", "ci_low", "ci_high"]] /= 100
        words.loc[mine, "unit"] = told
    return words


def published_figures(*, topic: str | None = None, quantity: str | None = None) -> pd.DataFrame:
    """Return the published figures this library carries, each with its source.

    **Definition.** One row per number printed in a paper, abstract or registry report; nothing is pooled or corrected,
    and known inconsistencies of a source are told in ``definition``.

    Parameters
    ----------
    topic : str, optional
        Keep one topic: ``scs_explant``, ``scs_opioid``, ``scs_trial``, ``itdd_opioid``, ``itdd_other``,
        ``reoperation``, ``fbss_incidence``, ``satisfaction`` or ``other_therapy``.
    quantity : str, optional
        Keep one quantity, for example ``"explant_cumulative_incidence"``.

    Returns
    -------
    pandas.DataFrame
        ``study_key, label, citation, doi, address, topic, population, n, follow_up_months, quantity, group, estimate,
        ci_low, ci_high, unit, definition, confidence`` and, for comparison, ``outcome, cause, statistic, events,
        method, indication``. Shares are between 0 and 1. ``confidence`` says where the number was read
        (``verified_abstract``: in the abstract).

    Raises
    ------
    InputError
        When the topic or quantity is not known.

    When not to use it: as the data of a meta-analysis; most numbers come from abstracts, and cohorts overlap.

    References
    ----------
    Each row has its own ``doi`` or ``address``.

    Examples
    --------
    >>> figures = published_figures(topic="scs_explant", quantity="explant_cumulative_incidence")
    >>> ten_years = figures[(figures["study_key"] == "gatzinsky2024") & (figures["follow_up_months"] == 120)]
    >>> ten_years["estimate"].tolist()
    [0.38, 0.23]
    """
    frame = _read_published()
    for column, wanted in (("topic", topic), ("quantity", quantity)):
        if wanted is not None:
            one_of(wanted, frame[column].unique(), name=column)
            frame = frame[frame[column] == wanted]
    return frame.copy()


def published_interval(row: Mapping[str, Any]) -> tuple[float, float, float, float, str]:
    """Return estimate, low, high, standard error and the interval's origin of one published row, as a risk or rate.

    **Definition.** Device survival is turned into a risk. Without a printed interval, a share gets Wilson's 95 %
    interval from n and the standard error sqrt(p (1 - p) / n); a rate gets the log-normal interval from its explants.

    Parameters
    ----------
    row : mapping
        A row of `published_figures`.

    Returns
    -------
    tuple
        ``(estimate, low, high, std_error, origin)``; origin is ``"printed"``, ``"from n"``, ``"from events"`` or
        ``"none"``.

    When not to use it: on rows whose ``ci_low`` holds a quartile (their ``definition`` says so).

    References
    ----------
    Wilson EB. Probable inference, the law of succession, and statistical inference. J Am Stat Assoc 1927;22:209-212.
    doi:10.1080/01621459.1927.10502953

    Examples
    --------
    >>> row = {"statistic": "risk", "estimate": 0.2, "ci_low": float("nan"), "ci_high": float("nan"), "n": 100.0,
    ...        "events": float("nan")}
    >>> [round(value, 3) for value in published_interval(row)[:4]]
    [0.2, 0.133, 0.289, 0.04]
    """
    estimate, low, high = row["estimate"], row["ci_low"], row["ci_high"]
    if row["statistic"] == "survival":
        estimate, low, high = 1 - estimate, 1 - high, 1 - low
    if np.isfinite(low) and np.isfinite(high):
        return estimate, low, high, (high - low) / (2 * Z95), "printed"
    if row["statistic"] == "rate":
        if not row["events"] > 0:
            return estimate, np.nan, np.nan, np.nan, "none"
        factor = np.exp(Z95 / np.sqrt(row["events"]))
        return estimate, estimate / factor, estimate * factor, estimate / np.sqrt(row["events"]), "from events"
    if not row["n"] > 0:
        return estimate, np.nan, np.nan, np.nan, "none"
    low, high = wilson_interval(estimate, row["n"])
    return estimate, low, high, float(np.sqrt(estimate * (1 - estimate) / row["n"])), "from n"


def wilson_interval(share: float, n: float) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share observed in ``n`` people.

    **Definition.** The shares that a score test at 5 % does not reject.

    Parameters
    ----------
    share : float
        Between 0 and 1.
    n : float
        People.

    Returns
    -------
    tuple of float
        ``(low, high)``, within 0 and 1.

    When not to use it: for a risk with censoring, where n is not the number followed.

    References
    ----------
    Wilson EB. J Am Stat Assoc 1927;22:209-212. doi:10.1080/01621459.1927.10502953

    Examples
    --------
    >>> [round(bound, 4) for bound in wilson_interval(0.1, 50)]
    [0.0435, 0.2136]
    """
    square = Z95**2 / n
    centre = (share + square / 2) / (1 + square)
    half = Z95 / (1 + square) * np.sqrt(share * (1 - share) / n + square / (4 * n))
    return float(centre - half), float(centre + half)


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a frame as dictionaries."""
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]
