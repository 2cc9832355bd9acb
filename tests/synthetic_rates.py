"""How simulated rates are held to published ones: shares, means, Kaplan-Meier, cumulative incidence, doses."""

from __future__ import annotations

import numpy as np
import pandas as pd

# CDC 2022 factors for strength x quantity / days; a fentanyl patch counts three days.
FACTORS = {
    "tramadol": 0.2, "hydrocodone": 1.0, "oxycodone": 1.5, "tapentadol": 0.4, "hydromorphone": 5.0, "morphine": 1.0,
    "methadone": 4.7, "fentanyl": 7.2,
}  # fmt: skip


def assert_share(simulated: float, n: int, published: float, n_published: int) -> None:
    """Hold a simulated share to a published one, to three standard errors of their difference."""
    error = np.sqrt(published * (1 - published) * (1 / n_published + 1 / n))
    assert abs(simulated - published) <= 3 * error, f"{simulated:.4f} (n={n}) against {published} (n={n_published})"


def assert_mean(values: pd.Series, published: float, sd: float, n_published: int) -> None:
    """Hold a simulated mean to a published one, to three standard errors of their difference."""
    error = sd * np.sqrt(1 / n_published + 1 / len(values))
    assert abs(values.mean() - published) <= 3 * error, f"{values.mean():.3f} against {published}"


def kaplan_meier(years: np.ndarray, event: np.ndarray, at: float) -> float:
    """Return one minus Kaplan-Meier, as the published series print it (everything else censored)."""
    times, counts = np.unique(years[event & (years <= at)], return_counts=True)
    at_risk = len(years) - np.searchsorted(np.sort(years), times, side="left")
    return float(1 - np.prod(1 - counts / at_risk))


def supplied(fills: pd.DataFrame, n: int, first: np.ndarray, last: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return MME and days of supply that fall between two days of each patient (both included)."""
    patient = fills.patient.to_numpy()
    start, stop = fills.start.to_numpy(), (fills.start + fills.days - 1).to_numpy()
    days = np.minimum(stop, last[patient]) - np.maximum(start, first[patient]) + 1
    days = np.maximum(days, 0)
    return np.bincount(patient, days * fills.mme.fillna(0), n), np.bincount(patient, days, n)


def cumulative_incidence(years: np.ndarray, status: np.ndarray, at: float) -> float:
    """Return the cumulative incidence of status 1 with status 2 competing."""
    times = np.unique(years[(status > 0) & (years <= at)])
    ordered, of_cause = np.sort(years), np.sort(years[status == 1])
    ended = np.sort(years[status > 0])
    at_risk = len(years) - np.searchsorted(ordered, times, side="left")
    events = np.searchsorted(of_cause, times, side="right") - np.searchsorted(of_cause, times, side="left")
    ends = np.searchsorted(ended, times, side="right") - np.searchsorted(ended, times, side="left")
    free = np.cumprod(1 - ends / at_risk)
    return float(np.sum(np.append(1.0, free[:-1]) * events / at_risk))
