"""The published endpoints of opioid response after a device: what each paper counts, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..dates import Window

ANY_FALL = 0.0
"""Stands for a fall of any size: the dose is lower at all."""


@dataclass(frozen=True)
class Published:
    """A published endpoint of opioid response; a patient responds in any of the ways that are set.

    Attributes
    ----------
    words : str
        The rule as the paper's abstract states it.
    citation : str
        Where it stands.
    baseline_days, days : (int, int) or None
        Windows of baseline and follow-up; None where our sources of the paper do not say.
    least_fall : float or None
        *Reduced*: a fall of the mean daily dose by at least this percent; `ANY_FALL` is any fall.
    gap_days, most_supply : int or None
        *Stopped*: a gap of at least so many uncovered days, or at most so many days' supply, in the follow-up.
    needs_stop_days : bool
        *Stopped* means no supply on days the paper's abstract does not give; ``stop_days`` says them.
    groups : tuple of float
        *Lower group*: upper edges, included, of groups of dose.
    """

    words: str
    citation: str
    baseline_days: Window | None = None
    days: Window | None = None
    least_fall: float | None = None
    gap_days: int | None = None
    most_supply: int | None = None
    needs_stop_days: bool = False
    groups: tuple[float, ...] = ()

    @property
    def compares_doses(self) -> bool:
        """Whether the dose of the follow-up matters beyond having none."""
        return self.least_fall is not None or bool(self.groups)


PUBLISHED: Mapping[str, Published] = {
    "fraifeld2021": Published(
        "stopped (a gap of at least 365 days, or at most 30 days' supply in the follow-up) or average daily dose lower "
        "by at least 50 percent",
        "Fraifeld EM et al. Pain Med 2021;22:784-799, doi 10.1093/pm/pnab033",
        baseline_days=(-365, -1),
        days=(1, 730),
        least_fall=50.0,
        gap_days=365,
        most_supply=30,
    ),
    "adil2020": Published(
        "in a lower group of daily dose than before, of [0, 20], (20, 50], (50, 90] and (90, inf)",
        "Adil SM et al. Neurosurgery 2020;88:193-201, doi 10.1093/neuros/nyaa353",
        groups=(20.0, 50.0, 90.0),
    ),
    "yong2024": Published(
        "stopped or daily dose lower by at least 20 percent, over at least three years",
        "Yong RJ et al. J Pain Res 2024;17:1773-1784, doi 10.2147/JPR.S441195",
        baseline_days=(-365, -1),
        days=(1, 1095),
        least_fall=20.0,
        needs_stop_days=True,
    ),
    "nissen2021_opioid": Published(
        "all opioids stopped by two years",
        "Nissen M et al. Neuromodulation 2021, PMID 33073907",
        needs_stop_days=True,
    ),
    "hatheway2019": Published(
        "stopped or average daily dose lower over 395 days",
        "Hatheway JA et al. Pain Med 2019, PMC7687163",
        days=(1, 395),
        least_fall=ANY_FALL,
        needs_stop_days=True,
    ),
    "caraway2015": Published(
        "no systemic opioid at a visit",
        "Caraway D et al. Neuromodulation 2015;18:508-515, doi 10.1111/ner.12318",
        needs_stop_days=True,
    ),
}
