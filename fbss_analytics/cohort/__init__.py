"""`Cohort`: one row per patient at an index date, with the story of how it came about.

`start_cohort` opens a cohort; each ``require_*`` and ``exclude_*`` returns a smaller one and writes one attrition line.
Nothing changes in place. What a column means, and which rows left and why, travels with the cohort.
"""

from .nouns import Attrition, Cohort, Definition, Outcome, Step

__all__ = ["Attrition", "Cohort", "Definition", "Outcome", "Step"]
