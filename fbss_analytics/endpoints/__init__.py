"""Endpoints: from what happens after day 0 to days, status text and competing events."""

from .time_to import EXPLANT_DEFINITIONS, add_time_to

__all__ = ["EXPLANT_DEFINITIONS", "add_time_to"]
