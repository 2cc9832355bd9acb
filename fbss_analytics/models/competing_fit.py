"""`CompetingFit`: a Fine-Gray model beside the cause-specific Cox models of the same rows."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from ..cohort import Definition
from ..formats import html_table, p_value, ratio
from .fit import Fit
from .kernels.cox import CoxEstimate
from .kernels.fine_gray import Subdistribution
from .result_table import intervals, listed, percent_words, ratio_words


@dataclass(frozen=True, eq=False)
class SubdistributionCase:
    """A fitted Fine-Gray model with its rows, for predictions and checks. Never printed or written."""

    model: Subdistribution
    estimate: CoxEstimate


@dataclass(frozen=True, eq=False)
class CompetingFit:
    """How covariates go with the risk of one event, and with the rate of every event that ends the wait for it.

    Attributes
    ----------
    fine_gray : Fit
        ``model`` fine_gray, ``measure`` sHR: ratios of the subdistribution hazard of the cause.
    cause_specific : tuple of Fit
        Cox models (``measure`` HR) of the same formula and rows: of the cause first, then of each competing event.
    case : SubdistributionCase
        The rows behind the Fine-Gray model.
    """

    fine_gray: Fit
    cause_specific: tuple[Fit, ...]
    case: SubdistributionCase = field(repr=False)

    @property
    def fits(self) -> tuple[Fit, ...]:
        """The Fine-Gray model, then the cause-specific ones."""
        return (self.fine_gray, *self.cause_specific)

    @property
    def estimates(self) -> pd.DataFrame:
        """The estimates of all models below each other, with `ESTIMATE_COLUMNS`."""
        return pd.concat([fit.estimates for fit in self.fits], ignore_index=True)

    @property
    def outcome(self) -> str:
        """Name of the outcome."""
        return self.fine_gray.outcome

    @property
    def cause(self) -> str:
        """The event whose risk is modelled."""
        return self.fine_gray.cause

    @property
    def method(self) -> str:
        """How each model was fitted."""
        return " ".join(dict.fromkeys(fit.method for fit in self.fits))

    @property
    def definitions(self) -> tuple[Definition, ...]:
        """What the numbers rest on."""
        return self.fine_gray.definitions

    @property
    def excluded(self) -> pd.DataFrame:
        """Rows left out: reason, n."""
        return self.fine_gray.excluded

    def sentence(self, term: str | None = None) -> str:
        """Say one term in all models: what it goes with in risk, and in the rate of each event.

        Raises
        ------
        InputError
            ``term`` is not among the estimates.
        """
        first, level = self.fine_gray.sentence(term), percent_words(self.fine_gray.conf_level)
        rates = []
        for fit in self.cause_specific:
            row = _row(fit, term)
            rates.append(f"{_name(fit)} {ratio_words(row, level)}")
        return (
            f"{first} The sHR says which way the risk of {_name(self.fine_gray)} goes with it, "
            f"the competing events counted in; it is no ratio of rates or risks. Rates among those still free of every "
            f"event, cause-specific HR: {listed(rates)}."
        )

    def _repr_html_(self) -> str:
        tables = [fit.table for fit in self.fits]
        shown = pd.DataFrame({"term": tables[0]["term"], "contrast": tables[0]["contrast"]})
        for fit, table in zip(self.fits, tables, strict=True):
            head = f"{_name(fit)} {fit.measure}"
            bounds = intervals(table, digits=2, scale=1.0)
            shown[head] = [f"{ratio(value)} ({text})" for value, text in zip(table["estimate"], bounds, strict=True)]
            shown[f"{head}, p"] = table["p_value"].map(p_value)
        caption = f"{self.outcome}: association, mutually adjusted. sHR: risk of {_name(self.fine_gray)}; HR: rates."
        return html_table(shown, caption=caption, notes=self.method)


def _row(fit: Fit, term: str | None) -> pd.Series:
    """Return the first row of a term, or of the first term."""
    return (fit.table if term is None else fit.table[fit.table["term"] == term]).iloc[0]


def _name(fit: Fit) -> str:
    """Return a fit's event as a reader knows it."""
    return fit.outcome if fit.cause in ("", "event") else fit.cause
