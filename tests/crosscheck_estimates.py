"""Estimates written as plain loops and Newton steps, or taken from statsmodels: none by the library's own kernels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from crosscheck import NEVER, Array, outcome


def incidence(found: pd.DataFrame, horizons: Sequence[float], causes: Sequence[str]) -> Array:
    """Return the cumulative incidence (causes, horizons) by Aalen and Johansen; every other cause ends the wait."""
    found = found[found["days"].notna()]
    days, entry = found["days"].to_numpy(), found["entry"].to_numpy()
    status = found["status"].to_numpy(object)
    risk, free = dict.fromkeys(causes, 0.0), 1.0
    answer = np.zeros((len(causes), len(horizons)))
    for t in sorted(set(days[status != "censored"])):
        at_risk = ((entry < t) & (days >= t)).sum()
        now = status[days == t]
        for number, cause in enumerate(causes):
            risk[cause] += free * (now == cause).sum() / at_risk
            answer[number, [t <= horizon for horizon in horizons]] = risk[cause]
        free *= 1 - (now != "censored").sum() / at_risk
    return answer


def mean_count(people: pd.DataFrame, found: pd.DataFrame, horizons: Sequence[float], until: int) -> Array:
    """Return the mean number of events per person (Ghosh and Lin): events per person at risk, times survival before."""
    ends = [outcome(NEVER, each.death, each.medical_end, until, each.medical_start) for each in people.itertuples()]
    stop, died = np.array([day for day, _ in ends]), np.array([status == "death" for _, status in ends])
    entry = np.where(people["medical_start"] > 0, people["medical_start"] - 0.5, 0.0)
    mine = found[["row", "day"]].drop_duplicates()
    mine = mine[(mine["day"] <= stop[mine["row"]]) & (mine["day"] > entry[mine["row"]] - 0.5)]
    happened = np.maximum(mine["day"].to_numpy(), 0.5)
    mean, alive, answer = 0.0, 1.0, np.zeros(len(horizons))
    for t in sorted({*happened, *stop[died]}):
        at_risk = ((entry < t) & (stop >= t)).sum()
        mean += alive * (happened == t).sum() / at_risk
        alive *= 1 - (died & (stop == t)).sum() / at_risk
        answer[[t <= horizon for horizon in horizons]] = mean
    return answer


def occupancy(states: Array, names: Sequence[str], horizons: Sequence[int]) -> Array:
    """Return the share in each state (horizons, states) from states day by day; ``""`` is no longer followed."""
    codes = np.full(states.shape, -1)
    for code, name in enumerate(names):
        codes[states == name] = code
    codes = codes[codes[:, 0] >= 0]
    share = np.bincount(codes[:, 0], minlength=len(names)) / len(codes)
    shares = [share]
    for before, after in zip(codes.T, codes.T[1:], strict=False):
        seen = (before >= 0) & (after >= 0)
        moves = np.zeros((len(names), len(names)))
        np.add.at(moves, (before[seen], after[seen]), 1)
        total = moves.sum(axis=1, keepdims=True)
        share = share @ np.where(total > 0, moves / np.maximum(total, 1), np.eye(len(names)))
        shares.append(share)
    return np.array([shares[day] for day in horizons])


def knots(values: Array, k: int) -> Array:
    """Return Harrell's knots for 3 or 4, the first beside a heap of 5 % or more at the smallest value."""
    distinct, n = np.unique(values, return_counts=True)
    outer = 0.10 if k == 3 else 0.05
    assert (n[1:] / len(values) < 0.05).all(), "only a heap at the lower end is written down here"
    if n[0] / len(values) < 0.05:
        return np.quantile(values, np.linspace(outer, 1 - outer, k))
    rest = values[values > distinct[1]]
    at = np.linspace(outer, 1 - outer, 3) if k == 4 else [0.5, 1 - outer]
    return np.array([distinct[1], *np.quantile(rest, at)])


def spline(values: pd.Series, k: int) -> Mapping[str, Array]:
    """Return the columns of a restricted cubic spline in Harrell's form: the value, and k - 2 cubic terms."""
    x = values.to_numpy(float)
    t = knots(x, k)
    columns = {"x": x}
    cubes = [np.clip(x - knot, 0, None) ** 3 for knot in t]
    for j in range(k - 2):
        a, b = (t[-1] - t[j]) / (t[-1] - t[-2]), (t[-2] - t[j]) / (t[-1] - t[-2])
        columns[f"x{j + 1}"] = (cubes[j] - a * cubes[-2] + b * cubes[-1]) / (t[-1] - t[0]) ** 2
    return columns


def cox(days: Any, happened: Any, columns: Mapping[str, Any]) -> tuple[Any, Any]:
    """Return coefficients and standard errors of a Cox model by statsmodels, ties by Efron."""
    from statsmodels.duration.hazard_regression import PHReg

    x = np.column_stack([np.asarray(column, dtype=float) for column in columns.values()])
    middle, spread = x.mean(axis=0), x.std(axis=0)
    model = PHReg(np.asarray(days), (x - middle) / spread, status=np.asarray(happened, int), ties="efron")
    result = model.fit(method="newton", disp=0, maxiter=50, tol=1e-10)
    return result.params / spread, result.bse / spread


def linear(y: Any, columns: Mapping[str, Any], cluster: Any) -> tuple[Any, Any]:
    """Return coefficients and standard errors of least squares by statsmodels, clustered with its HC1-type factor."""
    from statsmodels.regression.linear_model import OLS

    x = np.column_stack([np.asarray(column, dtype=float) for column in columns.values()])
    spread = np.sqrt((x**2).mean(axis=0))
    codes = pd.factorize(np.asarray(cluster))[0]
    result = OLS(np.asarray(y, dtype=float), x / spread).fit(cov_type="cluster", cov_kwds={"groups": codes})
    return np.asarray(result.params) / spread, np.asarray(result.bse) / spread


def logistic(y: Any, columns: Mapping[str, Any]) -> tuple[Any, Any]:
    """Return coefficients and standard errors of a logistic regression, by Newton's steps from 0."""
    x = np.column_stack([np.asarray(column, dtype=float) for column in columns.values()])
    spread = np.sqrt((x**2).mean(axis=0))
    x, y, beta = x / spread, np.asarray(y, dtype=float), np.zeros(x.shape[1])
    for _ in range(30):
        risk = 1 / (1 + np.exp(-x @ beta))
        information = (x.T * (risk * (1 - risk))) @ x
        beta = beta + np.linalg.solve(information, x.T @ (y - risk))
    assert np.abs(x.T @ (y - risk)).max() < 1e-8
    return beta / spread, np.sqrt(np.diag(np.linalg.inv(information))) / spread
