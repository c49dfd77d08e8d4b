"""How far back a bank's answers reach: many a bank tells the last 30 or 90 days alone, whatever it is asked for.

It does not say so. What is older than all that an answer tells is out of its reach then, or taken back by the bank. So
it is kept of each account how far back its answers told rows.
"""

from dataclasses import dataclass
from datetime import date, timedelta

FIRST_DAYS = 2
"""How many of the first days of a delivery a bank may have left out a part of: it has days of its own zone."""

LEAST_REACH_DAYS = 28
"""So many days at least a bank is taken to tell, a short month, until an answer comes without some of them."""

MOST_REACH_DAYS = 45
"""More days are not held against a bank: after the first hours of a consent many tell fewer, by law no more than 90."""


@dataclass(frozen=True, slots=True)
class AnswersReach:
    """How far back the answers about an account reach.

    Attributes:
        longest_days: So many days back an answer told a posted row, as far as they count; None before one did.
        shortest_days: So many days back the answers reach since one came without all older rows, a short month at most:
            a bank that gives this month and the last one gives more on most days. None if none did.
    """

    longest_days: int | None = None
    shortest_days: int | None = None

    def first_on(self, today: date) -> date:
        """Return the first of the days that the bank tells, as far as is known."""
        days = self.shortest_days
        if days is None:
            days = max(LEAST_REACH_DAYS, (self.longest_days or 0) - FIRST_DAYS)
        return today - timedelta(days=days)

    def told_anew(self, told_from_on: date, today: date, lost_to_on: date | None = None) -> "AnswersReach":
        """Return how far back the answers reach, now that one told of a day.

        Args:
            told_from_on: The day of the oldest posted row that it told.
            lost_to_on: The day of the youngest row that was found out of reach; None without any.
        """
        shortest = shortest_days(self.shortest_days, told_from_on, today)
        if lost_to_on is not None and lost_to_on >= self.first_on(today):
            shortest = LEAST_REACH_DAYS
        return AnswersReach(longest_days(self.longest_days, told_from_on, today), shortest)


def surely_told_from_on(today: date) -> date:
    """Return the first of the days that any bank is taken to tell, unless its answers came without some of them."""
    return today - timedelta(days=LEAST_REACH_DAYS)


def shortest_days(known: int | None, told_from_on: date, today: date) -> int | None:
    """Return how many days back the answers reach since one fell short, now that one told of a day.

    An answer that tells more than a bank of less than a month could shows that the row before was taken back.
    """
    if known is None or (today - told_from_on).days <= known + FIRST_DAYS:
        return known
    return LEAST_REACH_DAYS


def longest_days(known: int | None, told_from_on: date, today: date) -> int:
    """Return how many days back an answer told a posted row, now that one told of a day."""
    return max(known or 0, min((today - told_from_on).days, MOST_REACH_DAYS))
