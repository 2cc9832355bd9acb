"""Synthetic cohorts whose truth is known: scenarios, parameters with their sources, counter-based random numbers."""

from .simulate import simulate

__all__ = ["simulate"]
