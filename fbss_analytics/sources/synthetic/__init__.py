"""Synthetic cohorts whose truth is known: scenarios, parameters with their sources, counter-based random numbers."""

from .assemble import simulate

__all__ = ["simulate"]
