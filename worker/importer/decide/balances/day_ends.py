"""Checks whether the balances that the bank states for the end of past days follow from the rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from worker.importer.decide.balances.proof import BALANCES, BalanceProof


@dataclass(frozen=True, slots=True, kw_only=True)
class DayEnd:
    """A balance that the bank states for the end of a past day, and the posted rows since the opening amount."""

    on: date
    booked: Decimal
    posted: Decimal


def check_day_ends(
    day_ends: Sequence[DayEnd], *, opening: Decimal, opening_on: date, rests_on: str = "stated_balances"
) -> BalanceProof | None:
    """Compare balances of past days, in order of days, with the rows: a mismatch, a proof, or None without any.

    Args:
        day_ends: What the bank states.
        opening: The amount before the first row, of the day `opening_on`.
        opening_on: The first day whose rows are added.
        rests_on: What the balances are.
    """
    last_fitting_on = opening_on - timedelta(days=1)
    compared = [day_end for day_end in day_ends if day_end.on >= opening_on]
    for day_end in compared:
        difference = day_end.booked - opening - day_end.posted
        if difference:
            return BalanceProof(
                result="mismatch",
                reason="does_not_balance",
                difference=difference,
                since_on=last_fitting_on,
                balance_on=day_end.on,
                rests_on=rests_on,
                told_on=compared[-1].on,
            )
        last_fitting_on = day_end.on
    if not compared:
        return None
    return BalanceProof(
        result="proven",
        reason=BALANCES,
        balance_on=last_fitting_on,
        rests_on=rests_on,
        from_on=opening_on - timedelta(days=1),
    )
