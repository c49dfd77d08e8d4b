"""Proves by balances what an account's purchases add up to, before a move to another source and after it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from sqlalchemy import text
from sqlalchemy.orm import Session

from worker.bank_accounts.move_plan import MovePlan
from worker.bank_accounts.seams import stated_at
from worker.importer.decide.sources.rows import MovableRow

_LAST_ON = text(
    "SELECT max(coalesce(stated_on, effective_on)) FROM bank_transactions WHERE account_id = :id AND state = 'posted'"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveProof:
    """By how much an account's purchases differ from the balance of the source that it moves to.

    Attributes:
        on: The day at whose end both are compared: the last one of which the new source has a posted row.
        before: The purchases less the balance, as they stand; a doubled purchase counts twice.
        after: The same after the move.
    """

    on: date
    before: Decimal
    after: Decimal


def prove_move(session: Session, old_ids: Sequence[int], source_id: int, plan: MovePlan) -> MoveProof | None:
    """Compare an account's purchases with the balance of its new source; None where no balance is stated."""
    on = session.execute(_LAST_ON, {"id": source_id}).scalar()
    if on is None:
        return None
    opening, balance = stated_at(session, [*old_ids, source_id], on), stated_at(session, [source_id], on)
    if opening is None or balance is None:
        return None

    def total(rows: Iterable[MovableRow]) -> Decimal:
        inside = (row for row in rows if not row.row.pending and opening.opening_on <= _day(row) <= on)
        return sum((row.row.amount for row in inside), Decimal(0))

    before = opening.opening_amount + total(plan.standing) - balance.amount
    return MoveProof(on=on, before=before, after=before - total(plan.ended))


def _day(row: MovableRow) -> date:
    return row.row.stated_on or row.row.on
