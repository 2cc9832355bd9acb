"""Curves and regressions: from a cohort, or a plain frame, to results that say what they rest on."""
