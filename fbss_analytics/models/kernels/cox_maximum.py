"""The compiled loop of `cox_bootstrap`: Newton steps for each weighting of the rows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

LONGEST = 20.0
"""Longest step, in log hazard ratio per standard deviation, as in `cox`."""

LONG = 2.0
"""A step longer than this may go beyond a finite maximum to where the information is lost in rounding."""


def maximise(
    x: Floats,
    leaving: Ints,
    entering: Ints,
    own_time: Ints,
    offset: Floats,
    weights: Floats,
    start: Floats,
    begins: npt.NDArray[np.bool_],
    efron: bool,
    beta_out: Floats,
    information_out: Floats,
    converged_out: npt.NDArray[np.bool_],
) -> None:
    """Write the maximum, the information there, and whether it was reached, of each weighting.

    Written for the compiler: plain loops, nothing allocated within a step.

    Parameters
    ----------
    x : (n, p) standardised. leaving, entering : (n,) row ``i`` is at risk at the event times ``entering[i] ..
    leaving[i] - 1``, counted so that 0 is before the stratum's first; ``entering`` is empty without late entry.
    own_time : (n,) the event time of a row's own event, -1 without. offset : (n,) or empty. weights : (B, n).
    start : (p,). begins : (K,) whether a stratum begins at the event time. efron : or Breslow.
    """
    n, p = x.shape
    n_times = len(begins)
    risk, hazard = np.empty(n), np.empty(n_times + 1)
    s0, e0 = np.empty(n_times + 1), np.empty(n_times)
    s1, e1 = np.empty((n_times + 1, p)), np.empty((n_times, p))
    own, deaths, mass = np.empty(n_times), np.empty(n_times, dtype=np.int64), np.empty(n_times)
    gradient, information, lower = np.empty(p), np.empty((p, p)), np.empty((p, p))
    beta, step, outward = np.empty(p), np.empty(p), np.empty(p)

    def derive(weight: Floats) -> float:
        """Fill gradient and information at ``beta``; return the log likelihood, minus infinity where it has none."""
        s0[:], s1[:], e0[:], e1[:] = 0.0, 0.0, 0.0, 0.0
        deaths[:], mass[:], gradient[:] = 0, 0.0, 0.0
        likelihood, shift = 0.0, -np.inf
        for i in range(n):
            if weight[i] > 0:
                eta = 0.0 if len(offset) == 0 else offset[i]
                for j in range(p):
                    eta += x[i, j] * beta[j]
                risk[i] = eta
                shift = max(shift, eta)
        for i in range(n):
            if weight[i] > 0:
                eta = risk[i] - shift
                r = weight[i] * np.exp(eta)
                risk[i] = r
                place = leaving[i]
                s0[place] += r
                for j in range(p):
                    s1[place, j] += r * x[i, j]
                if len(entering):
                    s0[entering[i]] -= r
                    for j in range(p):
                        s1[entering[i], j] -= r * x[i, j]
                k = own_time[i]
                if k >= 0:
                    deaths[k] += 1
                    mass[k] += weight[i]
                    likelihood += weight[i] * eta
                    e0[k] += r
                    for j in range(p):
                        e1[k, j] += r * x[i, j]
                        gradient[j] += weight[i] * x[i, j]
        for k in range(n_times - 1, 0, -1):
            if not begins[k]:
                s0[k] += s0[k + 1]
                for j in range(p):
                    s1[k, j] += s1[k + 1, j]
        information[:] = 0.0
        hazard[0] = 0.0
        for k in range(n_times):
            d = deaths[k]
            total, tied = 0.0, 0.0
            if d > 0:
                v = mass[k] / d
                squares, crossed, dying = 0.0, 0.0, 0.0
                for m in range(d):
                    f = m / d if efron else 0.0
                    # Sums at the place after a time are those at risk at it.
                    denominator = s0[k + 1] - f * e0[k]
                    if not denominator > 1e-150:
                        return -np.inf
                    likelihood -= v * np.log(denominator)
                    c = v / denominator
                    total += c
                    tied += f * c
                    squares += c / denominator
                    crossed += f * c / denominator
                    dying += f * f * c / denominator
                for a in range(p):
                    gradient[a] -= total * s1[k + 1, a] - tied * e1[k, a]
                    left = squares * s1[k + 1, a] - crossed * e1[k, a]
                    for b in range(p):
                        information[a, b] -= left * s1[k + 1, b]
                    if d > 1:
                        right = dying * e1[k, a] - crossed * s1[k + 1, a]
                        for b in range(p):
                            information[a, b] -= right * e1[k, b]
            own[k] = tied
            hazard[k + 1] = total if begins[k] else hazard[k] + total
        for i in range(n):
            if weight[i] > 0:
                h = hazard[leaving[i]]
                if len(entering):
                    h -= hazard[entering[i]]
                if own_time[i] >= 0:
                    h -= own[own_time[i]]
                for a in range(p):
                    scaled = risk[i] * h * x[i, a]
                    for b in range(p):
                        information[a, b] += scaled * x[i, b]
        return likelihood

    def solve() -> bool:
        """Write information^-1 gradient into ``step`` by Cholesky factors; return whether there are any."""
        for a in range(p):
            for b in range(a + 1):
                value = information[a, b]
                for c in range(b):
                    value -= lower[a, c] * lower[b, c]
                if a == b:
                    if not value > 1e-13 * information[a, a]:
                        return False
                    lower[a, a] = np.sqrt(value)
                else:
                    lower[a, b] = value / lower[b, b]
        for a in range(p):
            value = gradient[a]
            for c in range(a):
                value -= lower[a, c] * outward[c]
            outward[a] = value / lower[a, a]
        for a in range(p - 1, -1, -1):
            value = outward[a]
            for c in range(a + 1, p):
                value -= lower[c, a] * step[c]
            step[a] = value / lower[a, a]
        return True

    for sample in range(len(weights)):
        weight = weights[sample]
        beta[:] = start
        lowest, longest, halvings, converged = -np.inf, 0.0, 0, p == 0
        for _ in range(200):
            reached = derive(weight)
            fallen = reached < lowest
            blind = not (fallen or converged) and np.isfinite(reached) and not solve()
            # Where nothing is left to be known after a long step, it went too far; after a short one, the estimate is
            # infinite.
            if (fallen and halvings < 30) or (blind and longest > LONG):
                halvings += 1
                longest *= 0.5
                for j in range(p):
                    step[j] *= 0.5
                    beta[j] -= step[j]
                continue
            if converged or blind or not np.isfinite(reached):
                break
            gain, longest = 0.0, 0.0
            for j in range(p):
                longest = max(longest, abs(step[j]))
            for j in range(p):
                step[j] *= LONGEST / max(LONGEST, longest)
                gain += gradient[j] * step[j]
                beta[j] += step[j]
            longest = min(longest, LONGEST)
            lowest, halvings = reached - 1e-9 * abs(reached), 0
            converged = gain < 1e-8
        beta_out[sample] = beta
        information_out[sample] = information
        converged_out[sample] = converged and np.isfinite(reached)
