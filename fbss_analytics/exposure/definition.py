"""How dispensings become a daily dose: every choice by name, and the sentence that says them."""

from __future__ import annotations

import operator
from dataclasses import dataclass, fields

from ..errors import InputError, one_of
from .factors import FactorTable, factor_tables

OVERLAP = ("concurrent", "carry_forward", "truncate")
WITHIN = ("ingredient_and_form", "ingredient")
CHOICES = {
    "buprenorphine": ("exclude", "include"),
    "straddle": ("prorate", "whole_fill"),
    "stays": ("ignore", "exclude", "assume_supplied"),
    "repeats": ("keep", "drop"),
}
_WITHIN_WORDS = {"ingredient_and_form": "ingredient and form", "ingredient": "ingredient"}
_STAY_WORDS = {
    "exclude": "days in hospital are left out of the covered days and of the window",
    "assume_supplied": "days in hospital count as supplied, without a dose",
}


@dataclass(frozen=True)
class DoseDefinition:
    """How dispensings become MME; no scientific choice has a default.

    **Definition**: a fill of n days from day s covers s .. s+n-1, both days included, and gives the same dose on each.
    On a day that several fills cover, ``concurrent`` adds their doses. Under the other policies the fills of one
    group, an ingredient and form (or an ingredient), follow each other, and only doses of different groups add:
    ``carry_forward`` moves a fill that begins on or before the last day of the one before it to the day after;
    ``truncate`` ends the earlier fill on the day before the later one begins. Fills of one group on one day are taken
    together and add.

    Parameters
    ----------
    factors : str or FactorTable
        Conversion table: ``"cdc_2016"`` (methadone by its total daily dose), ``"cdc_2022"``, ``"nih_heal"``,
        ``"cdc_file_2018"``, or your own from `read_factor_table`.
    overlap : {"concurrent", "carry_forward", "truncate"}
        What happens on days covered by several fills.
    buprenorphine : {"exclude", "include"}
        Leave buprenorphine out of dose and days, or convert it where the table lists a factor and call it unknown where
        not.
    overlap_within : {"ingredient_and_form", "ingredient"}, optional
        Which fills follow each other. Required unless doses of concurrent fills add, where it has no meaning.
    carry_at_most_days : int, optional
        Most days by which ``carry_forward`` moves a fill; where that is not enough, the one before it ends on the day
        before. No cap when not given.
    straddle : {"prorate", "whole_fill"}
        A fill that lies partly outside a window counts by its days inside, or whole (Dasgupta's D1).
    stays : {"ignore", "exclude", "assume_supplied"}
        Days in hospital: as any other, out of window and coverage, or covered without a dose.
    repeats : {"keep", "drop"}
        Rows equal in every column but ``dispensing_id``: each counts, or the first of them alone.

    Raises
    ------
    InputError
        A value that is not known (the nearest one is given), or choices that contradict each other.

    Notes
    -----
    When not to use it: to compare doses of two studies that chose differently; 22 of 126 reviewed studies said how they
    handled overlap at all, and the choice moves the dose. `compare_definitions` shows by how much.

    References
    ----------
    CDC 2022: doi 10.15585/mmwr.rr7103a1. CDC 2016: doi 10.15585/mmwr.rr6501e1. Dasgupta N et al. Clin J Pain
    2021;37(8):565-574, doi 10.1097/AJP.0000000000000948.

    Examples
    --------
    >>> import fbss_analytics as fbss
    >>> print(fbss.DoseDefinition(factors="cdc_2022", overlap="concurrent", buprenorphine="exclude").sentence())
    Oral MME by the table cdc_2022; doses of concurrent fills add; buprenorphine is excluded.
    >>> print(fbss.DoseDefinition(factors="cdc_2016", overlap="truncate", buprenorphine="include",
    ...                           overlap_within="ingredient").sentence())
    Oral MME by the table cdc_2016; a new fill of the same ingredient ends the one before it; buprenorphine is included.
    """

    factors: str | FactorTable
    overlap: str
    buprenorphine: str
    overlap_within: str | None = None
    carry_at_most_days: int | None = None
    straddle: str = "prorate"
    stays: str = "ignore"
    repeats: str = "keep"

    def __post_init__(self) -> None:
        if not isinstance(self.factors, FactorTable):
            one_of(self.factors, factor_tables(), name="factors")
        one_of(self.overlap, OVERLAP, name="overlap")
        for name, allowed in CHOICES.items():
            one_of(getattr(self, name), allowed, name=name)
        _check_within(self.overlap, self.overlap_within)
        _check_cap(self.overlap, self.carry_at_most_days)

    @property
    def arguments(self) -> dict[str, object]:
        """The choices as plain values: the three that have no default, and the others where they were made."""
        values = {each.name: (getattr(self, each.name), each.default) for each in fields(self)}
        made = {name: value for name, (value, default) in values.items() if value != default}
        return made | {"factors": self.factors.label if isinstance(self.factors, FactorTable) else self.factors}

    def sentence(self) -> str:
        """Say the definition in words; choices that are the plain default go without saying."""
        table = self.factors.name if isinstance(self.factors, FactorTable) else self.factors
        own = "your own table" if isinstance(self.factors, FactorTable) else "the table"
        parts = [f"Oral MME by {own} {table}", _overlap_words(self), f"buprenorphine is {self.buprenorphine}d"]
        if self.straddle == "whole_fill":
            parts.append("a fill that touches the window counts whole")
        if self.stays in _STAY_WORDS:
            parts.append(_STAY_WORDS[self.stays])
        if self.repeats == "drop":
            parts.append("rows equal in every column but dispensing_id count once")
        return "; ".join(parts) + "."


def _check_within(overlap: str, within: str | None) -> None:
    if overlap == "concurrent" and within is not None:
        raise InputError(
            f'overlap_within={within!r} has no meaning with overlap="concurrent", where the doses of all fills add; '
            'leave it out, or type overlap="carry_forward" or "truncate".'
        )
    if overlap != "concurrent" and within is None:
        raise InputError(
            f'overlap="{overlap}" needs to know which fills follow each other; type '
            'overlap_within="ingredient_and_form" or "ingredient".'
        )
    if within is not None:
        one_of(within, WITHIN, name="overlap_within")


def _check_cap(overlap: str, days: int | None) -> None:
    if days is None:
        return
    if overlap != "carry_forward":
        raise InputError(
            f'carry_at_most_days={days!r} caps overlap="carry_forward" only, and overlap is "{overlap}"; leave it out.'
        )
    try:
        enough = operator.index(days) >= 1 and not isinstance(days, bool)
    except TypeError:
        enough = False
    if not enough:
        raise InputError(
            f"carry_at_most_days={days!r}: expected a whole number of days, 1 or more; to carry nothing type "
            'overlap="truncate".'
        )


def _overlap_words(dose: DoseDefinition) -> str:
    if dose.overlap_within is None:
        return "doses of concurrent fills add"
    same = f"the same {_WITHIN_WORDS[dose.overlap_within]}"
    if dose.overlap == "truncate":
        return f"a new fill of {same} ends the one before it"
    cap = f", by {dose.carry_at_most_days} days at most" if dose.carry_at_most_days is not None else ""
    return f"a fill of {same} begins when the one before it is used up{cap}"
