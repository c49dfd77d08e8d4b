"""Proves by balances where one source of an account goes on from another, or says that nothing proves it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

_STATED_AT = text(
    """SELECT a.opening_amount, a.opening_on, a.opening_amount + coalesce((SELECT sum(t.amount) FROM bank_transactions t
      WHERE t.account_id = a.id AND t.state = 'posted'
        AND coalesce(t.stated_on, t.effective_on) BETWEEN a.opening_on AND :on), 0) AS amount
    FROM bank_connection_accounts a
    WHERE a.id = ANY(:source_ids) AND a.opening_amount IS NOT NULL AND a.opening_on <= CAST(:on AS date) + 1
    ORDER BY a.opening_on, a.id LIMIT 1"""
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountBalance:
    """What the first of some sources gives for the end of a day.

    Attributes:
        opening_amount: The balance before `opening_on`.
        amount: The balance at the end of the day.
    """

    opening_amount: Decimal
    opening_on: date
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Seam:
    """Where a source goes on from the earlier ones.

    Attributes:
        on: The day at whose end the balances of both sides are compared.
        result: `proven`, `mismatch`, or `unproven` where a side states no balance.
        difference: What the later source has more.
    """

    on: date
    result: str
    difference: Decimal | None = None


def prove_seam(session: Session, earlier_ids: Sequence[int], source_id: int, on: date) -> Seam:
    """Compare the balances that the earlier sources and a later one give for the end of a day."""
    before, after = stated_at(session, earlier_ids, on), stated_at(session, [source_id], on)
    if before is None or after is None:
        return Seam(on=on, result="unproven")
    if after.amount == before.amount:
        return Seam(on=on, result="proven")
    return Seam(on=on, result="mismatch", difference=after.amount - before.amount)


def stated_at(session: Session, source_ids: Sequence[int], on: date) -> AccountBalance | None:
    """Return the balance at the end of a day by the source that begins first; None where none states one."""
    found = session.execute(_STATED_AT, {"source_ids": list(source_ids), "on": on}).mappings().one_or_none()
    return None if found is None else AccountBalance(**found)


def seams_of(session: Session, sources: Sequence[dict[str, Any]]) -> dict[int, Seam]:
    """Return the seam of every source that begins after another one of its account, by its id."""
    begun = sorted((one for one in sources if one["first_on"] is not None), key=lambda one: one["first_on"])
    return {
        source["id"]: prove_seam(
            session, [one["id"] for one in begun[:place]], source["id"], source["first_on"] - timedelta(days=1)
        )
        for place, source in enumerate(begun)
        if place and source["first_on"] > begun[0]["first_on"]
    }
