"""The loops of the sweep, which `sweep` compiles: over first and last days in order, and over windows.

They are plain functions that fill the arrays given last; nothing is compiled when the module is imported.
"""

from __future__ import annotations

from typing import Any

import numpy as np

GRAIN = 2.0**-33
"""The step in which doses are counted, about 1e-10 MME: exact to 1e-9, with room for 5e8 MME a day."""
MOST_GRAINS = 2**62


def order_loop(first: Any, day: Any, order: Any) -> None:
    """Sort ``order`` by day within each patient; equal days stay in their order."""
    for p in range(len(first) - 1):
        low, high = first[p], first[p + 1]
        # Nearly sorted days take about as many moves as there are days; what takes many more is sorted otherwise.
        moves = 8 * (high - low) + 64
        for i in range(low + 1, high):
            this, j = order[i], i
            while j > low and day[order[j - 1]] > day[this]:
                order[j] = order[j - 1]
                j -= 1
            order[j] = this
            moves -= i - j
            if moves < 0:
                order[low:high] = low + np.argsort(day[low:high], kind="mergesort")
                break


def step_loop(
    first: Any, begins: Any, ends: Any, start: Any, end: Any, linear: Any, banded: Any,
    step_first: Any, step_start: Any, step_stop: Any, step_grains: Any, step_mg: Any,
) -> bool:  # fmt: skip
    """Fill the steps of each patient, first and last days in order; return whether a sum is too large."""
    m = 0
    too_large = False
    for p in range(len(first) - 1):
        i, j, high = first[p], first[p], first[p + 1]
        active, dose, mg, since = 0, 0, 0, 0
        while j < high:
            stop = end[ends[j]] + 1
            day = min(start[begins[i]], stop) if i < high else stop
            if active > 0 and day > since:
                step_start[m], step_stop[m], step_grains[m], step_mg[m] = since, day, dose, mg
                m += 1
            while i < high and start[begins[i]] == day:
                dose += linear[begins[i]]
                mg += banded[begins[i]]
                too_large |= dose > MOST_GRAINS or mg > MOST_GRAINS
                active += 1
                i += 1
            while j < high and end[ends[j]] + 1 == day:
                dose -= linear[ends[j]]
                mg -= banded[ends[j]]
                active -= 1
                j += 1
            since = day
        step_first[p + 1] = m
    return too_large


def total_loop(
    first: Any, start: Any, end: Any, linear: Any, banded: Any, unknown: Any, stay: Any,
    step_first: Any, step_start: Any, step_stop: Any, step_grains: Any,
    patient: Any, spans_of: Any, day_0: Any, windows: Any,
    has_spans: Any, span_first: Any, span_start: Any, span_end: Any, sums: Any, heal: Any, heal_mg: Any,
) -> bool:  # fmt: skip
    """Fill ``sums`` (in the order of `Totals`), and ``heal`` and ``heal_mg`` in grains, for each row and window."""
    too_large = False
    seen = np.full(len(start), -1)
    for row in range(len(patient)):
        p, q = patient[row], spans_of[row]
        for window in range(len(windows)):
            cell = row * len(windows) + window
            low, high = day_0[row] + windows[window, 0], day_0[row] + windows[window, 1]
            # Grains x days can leave 63 bits, so their sum is kept in two parts.
            above, below, most = 0, 0, 0
            supplied, covered, observed, fills, without, one_day, one_day_mg = 0, 0, 0, 0, 0, 0, 0
            for span in range(span_first[q], span_first[q + 1]) if has_spans else range(1):
                a = max(low, span_start[span]) if has_spans else low
                b = min(high, span_end[span]) if has_spans else high
                if a > b:
                    continue
                observed += b - a + 1
                for i in range(first[p], first[p + 1]):
                    days = min(end[i], b) - max(start[i], a) + 1
                    if days <= 0:
                        continue
                    supplied += days
                    if seen[i] != cell and not stay[i]:
                        seen[i] = cell
                        fills += 1
                        without += unknown[i]
                        one_day += linear[i]
                        one_day_mg += banded[i]
                        too_large |= one_day > MOST_GRAINS or one_day_mg > MOST_GRAINS
                left, right = step_first[p], step_first[p + 1]
                while left < right:
                    middle = (left + right) // 2
                    if step_stop[middle] <= a:
                        left = middle + 1
                    else:
                        right = middle
                for k in range(left, step_first[p + 1]):
                    if step_start[k] > b:
                        break
                    days = min(step_stop[k] - 1, b) - max(step_start[k], a) + 1
                    covered += days
                    above += (step_grains[k] >> 24) * days
                    below += (step_grains[k] & 0xFFFFFF) * days
                    most = max(most, step_grains[k])
            if fills == 0:
                supplied, covered = 0, 0
            above, below = above + (below >> 24), below & 0xFFFFFF
            sums[0, row, window] = (float(above) * 2.0**24 + float(below)) * GRAIN
            sums[1, row, window], sums[2, row, window], sums[3, row, window] = supplied, covered, observed
            sums[4, row, window] = most * GRAIN
            sums[6, row, window], sums[7, row, window] = fills, without
            heal[row, window], heal_mg[row, window] = one_day, one_day_mg
    return too_large
