"""Decides which category is suggested for an expense: the one that the user always gave to the counterparty."""

from collections.abc import Mapping

MIN_TIMES = 3
"""How often the user must have given the category."""


def usual_category(times: Mapping[int, int]) -> int | None:
    """Return the category that a user gave to a counterparty often enough, and never another one; None without such.

    Args:
        times: How many expenses of the counterparty have each category.
    """
    if len(times) != 1:
        return None
    ((category_id, given),) = times.items()
    return category_id if given >= MIN_TIMES else None
