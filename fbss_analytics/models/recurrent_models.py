"""`fit_recurrent_models`: the mean number of events, all events' rate and the next event's, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ..errors import InputError
from ..formats import html_table, interval, p_value, ratio
from .recurrent import estimate_mean_cumulative_count
from .recurrent_cox import fit_recurrent
from .results import Curve, Fit

SHOWN = {"andersen_gill": "All events (Andersen-Gill)", "pwp_gap": "Next event (PWP gap time)"}
"""The models, and what each of them is about."""


@dataclass(frozen=True, eq=False)
class RecurrentModels:
    """Three views of the same recurrent events.

    Attributes
    ----------
    mean_count : Curve
        Mean cumulative count, with a terminal event Ghosh and Lin's.
    fits : tuple of Fit
        Andersen-Gill, then PWP gap time.
    estimates : DataFrame
        The estimates of both models, term by term beside each other in `sentence` and on screen.
    """

    mean_count: Curve
    fits: tuple[Fit, ...]

    @property
    def estimates(self) -> pd.DataFrame:
        """The estimates of both models below each other."""
        return pd.concat([fit.table for fit in self.fits], ignore_index=True)

    def sentence(self, term: str | None = None) -> str:
        """Say the mean count, then one term's ratio in both models: the first of the formula, or ``term``."""
        said = [f"{SHOWN[fit.model]}: {fit.sentence(term)}" for fit in self.fits]
        return " ".join([self.mean_count.sentence(), *said])

    def _repr_html_(self) -> str:
        first = self.fits[0].table
        shown = pd.DataFrame({"term": first["term"], "contrast": first["contrast"]})
        for fit in self.fits:
            table = fit.table
            limits = zip(table["conf_low"], table["conf_high"], strict=True)
            values = zip(table["estimate"], limits, table["p_value"], strict=True)
            shown[SHOWN[fit.model]] = [f"{ratio(hr)} ({interval(*ends)}), p {p_value(p)}" for hr, ends, p in values]
        both = html_table(
            shown, caption=f"{first['outcome'].iloc[0]}: HR by model", notes=" ".join(f.method for f in self.fits)
        )
        return self.mean_count._repr_html_() + both


def fit_recurrent_models(
    episodes: Any,
    *,
    formula: str,
    by: str | None = None,
    up_to: int | None = None,
    terminal: str | Sequence[str] | None = None,
    cluster: str | None = None,
    conf_level: float = 0.95,
    **columns: Any,
) -> RecurrentModels:
    """Estimate the mean cumulative count and fit Andersen-Gill and PWP gap time models to the same events.

    **Definition**: `estimate_mean_cumulative_count` with ``by`` and ``terminal``; `fit_recurrent` with
    ``andersen_gill`` and with ``pwp_gap`` up to event number ``up_to``.

    Parameters
    ----------
    episodes, formula, up_to, cluster, conf_level
        As in `fit_recurrent`.
    by : str, optional
        Column of the groups of the mean count.
    terminal : str, optional
        The word of the status after which no event can follow; one only, which the mean count needs.
    columns : row, start, stop, status, event, outcome
        As in both.

    Returns
    -------
    RecurrentModels

    Raises
    ------
    InputError, DataError
        As the three; or several terminal events.

    Notes
    -----
    Why side by side: the first event alone wastes the others; a rate among those alive does not give a number of events
    where people die; and a rate of all events mixes who has a first with who has the next.

    When not to use it
    ------------------
    As three tests of one hypothesis: say beforehand which of the three answers the question.

    References
    ----------
    Amorim and Cai 2015, doi:10.1093/ije/dyu222 (which model answers which question).

    Examples
    --------
    >>> import fbss_analytics as fbss
    >>> cohort = fbss.start_cohort(fbss.simulate("surgical", n_patients=400, seed=1), index="lumbar_surgery",
    ...                            occurrence="first")
    >>> cohort = fbss.require_observation(cohort, domain="medical", days=(0, 0))
    >>> cohort = fbss.add_recurrent(cohort, "reoperation", scope="any_lumbar", competing="death", until_days=1825)
    >>> both = fbss.fit_recurrent_models(cohort.episodes("reoperation"), formula="age_years", up_to=1, terminal="death")
    >>> both.estimates["model"].tolist()
    ['andersen_gill', 'pwp_gap']
    """
    ends = (terminal,) if isinstance(terminal, str) else tuple(terminal or ())
    if len(ends) > 1:
        raise InputError(
            f"terminal= names {len(ends)} words; the mean count takes one. Recode them to one word, such as 'ended'."
        )
    common = {"cluster": cluster, "conf_level": conf_level, **columns}
    curve = estimate_mean_cumulative_count(episodes, by=by, terminal=ends[0] if ends else None, **common)
    fits = tuple(
        fit_recurrent(
            episodes,
            model=model,
            formula=formula,
            up_to=up_to if model == "pwp_gap" else None,
            terminal=ends or None,
            **common,
        )
        for model in SHOWN
    )
    return RecurrentModels(curve, fits)
