"""Whether the balances of statements fit their rows and one another. Pure."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum

from worker.connectors.file.statement.events import Remark, StatedBalance


class StatementProof(StrEnum):
    """Whether opening balance plus booked rows is the closing balance."""

    PROVEN = "proven"
    MISMATCH = "mismatch"
    UNPROVEN = "unproven"


@dataclass(frozen=True, slots=True, kw_only=True)
class Imbalance:
    """A statement whose balances and rows do not fit.

    Attributes:
        amount: Closing balance less opening balance less rows.
        on: Day of the closing balance.
        reason: The sentence for people.
    """

    amount: Decimal
    on: date
    reason: str


def gap_between(before: StatedBalance | None, opening: StatedBalance | None, line: int) -> Remark | None:
    """Say where consecutive statements of an account do not follow one another."""
    if before is None or opening is None or before.currency != opening.currency or before.amount == opening.amount:
        return None
    if opening.on < before.on:
        return None  # the file is not in the order of time
    return Remark(
        line=line,
        reason=f"a statement may be missing: one closes with {before.amount:f} on {before.on},"
        f" the next opens with {opening.amount:f} on {opening.on}",
    )
