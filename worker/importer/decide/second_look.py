"""Decides from which day on rows of earlier runs are matched again with what was added since."""

from datetime import date, timedelta

LOOK_BACK_DAYS = 60
"""How far back rows are looked at again; those of days of which the user added an expense since, however old."""


def looked_at_since(today: date) -> date:
    """Return the first day of the rows that are looked at again."""
    return today - timedelta(days=LOOK_BACK_DAYS)
