"""A study: one cohort, the notebooks that answer its questions, and the folder their results go to."""

from .file import Study, open_study

__all__ = ["Study", "open_study"]
