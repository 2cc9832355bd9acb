"""Restricted cubic splines with Harrell's knots and scaling."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..errors import InputError

Floats = npt.NDArray[np.float64]

TIED_SHARE = 0.05
"""Share of rows at the smallest (or largest) value from which that value is stepped over when knots are placed."""

SMALL = 100
"""Below this many values the outer knots are the fifth smallest and the fifth largest value."""


def spline_knots(values: Floats, k: int, *, name: str = "x") -> Floats:
    """Place ``k`` knots at Harrell's quantiles of ``values``.

    **Definition**: equally spaced quantiles (linear interpolation, numpy's default, R's type 7) from 0.10 to 0.90 for 3
    knots, 0.05 to 0.95 for 4 to 6 and 0.025 to 0.975 for 7. Where one end holds at least 5 % of the rows (zero doses,
    for instance) and no value between does, the first knot is the next value inwards and the others are quantiles of
    what lies beyond it. With fewer than 100 values the outer knots are the fifth smallest and fifth largest. Same
    knots as ``Hmisc::rcspline.eval``.

    Parameters
    ----------
    values : finite numbers. k : 3 to 7. name : the column's name, for messages.

    Raises
    ------
    InputError
        ``k`` outside 3 to 7, or too few distinct values for ``k`` different knots.

    References
    ----------
    Harrell FE. Regression Modeling Strategies, 2nd ed., section 2.4.5. doi:10.1007/978-3-319-19425-7
    """
    if not isinstance(k, int | np.integer) or not 3 <= k <= 7:
        raise InputError(f"rcs({name}, {k}): the number of knots must be 3, 4, 5, 6 or 7.")
    distinct, counts = np.unique(values, return_counts=True)
    if len(distinct) < k + 3:
        raise InputError(_too_few(name, k, len(distinct)))
    outer = 0.10 if k == 3 else 0.05 if k < 7 else 0.025
    inside, first, last = values, [], []
    share = counts / len(values)
    if share[1:-1].max() < TIED_SHARE:
        if share[0] >= TIED_SHARE:
            first = [distinct[1]]
            inside = inside[inside > distinct[1]]
        if share[-1] >= TIED_SHARE:
            last = [distinct[-2]]
            inside = inside[inside < distinct[-2]]
    wanted = k - len(first) - len(last)
    knots = _quantiles(inside, wanted, outer)
    if wanted > 1 and len(inside) < SMALL:
        ordered = np.sort(inside)
        if not first:
            knots[0] = ordered[4]
        if not last:
            knots[-1] = ordered[-5]
    placed = np.unique(np.concatenate([first, knots, last]))
    if len(placed) < k:
        raise InputError(_too_few(name, k, len(distinct)))
    return placed


def spline_basis(x: Floats, knots: Floats) -> Floats:
    """Return the basis columns: ``x`` itself and ``len(knots) - 2`` cubic terms that are straight beyond the end knots.

    **Definition**: with knots t_1 < ... < t_k, column j + 1 (j = 1 .. k - 2) is

        [(x - t_j)+^3 - (x - t_{k-1})+^3 (t_k - t_j) / (t_k - t_{k-1}) + (x - t_k)+^3 (t_{k-1} - t_j) / (t_k - t_{k-1})]
        / (t_k - t_1)^2

    References
    ----------
    Devlin and Weeks 1986; Harrell, Regression Modeling Strategies, equation 2.25. doi:10.1007/978-3-319-19425-7
    """
    x = np.asarray(x, dtype=np.float64)
    t = np.asarray(knots, dtype=np.float64)
    end, before = np.maximum(x - t[-1], 0.0) ** 3, np.maximum(x - t[-2], 0.0) ** 3
    gap = t[-1] - t[-2]
    columns = [x]
    for knot in t[:-2]:
        term = np.maximum(x - knot, 0.0) ** 3 - before * (t[-1] - knot) / gap + end * (t[-2] - knot) / gap
        columns.append(term / (t[-1] - t[0]) ** 2)
    return np.column_stack(columns)


def _quantiles(values: Floats, wanted: int, outer: float) -> Floats:
    """Return ``wanted`` quantiles; two start at the median, because the other end is already placed."""
    if wanted == 1:
        return np.array([np.median(values)])
    low = 0.5 if wanted == 2 else outer
    return np.asarray(np.quantile(values, np.linspace(low, 1 - outer, wanted)), dtype=np.float64)


def _too_few(name: str, k: int, distinct: int) -> str:
    """Return the message for a column that cannot carry the knots."""
    return (
        f"rcs({name}, {k}): the quantiles of {name!r} ({distinct} distinct values) do not give {k} different knots. "
        f"Type {name} for a straight line, C({name}) for categories, or rcs({name}, knots=[a, b, c]) to place them."
    )
