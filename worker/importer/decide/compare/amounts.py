"""Rates how far two amounts are apart."""

from decimal import Decimal

MAX_SHARE_UNSEEN = 0.3
"""A line whose amount differs by a larger share is not matched with a row that has no expense, or whose amount the user
changed: it may be another purchase, which would be hidden or shown with the amount of that row."""


def share_apart(one: Decimal, other: Decimal) -> float:
    """Return by which share of the larger one two amounts differ."""
    larger = max(abs(one), abs(other))
    return float(abs(one - other) / larger) if larger else 0.0
