"""Reads the bank's balance and the account's rows, and compares them with `decide.balance`."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from worker.importer.account_state import is_inverted
from worker.importer.decide.balance import BalanceProof, Books, PostedRow, explain, prove
from worker.importer.job import Job
from worker.models import BankConnectionAccount
from worker.money import is_currency

_SUMS = text(
    """SELECT coalesce(sum(amount) FILTER (WHERE state = 'posted' AND day BETWEEN :from_on AND :to_on), 0) AS posted,
        coalesce(sum(amount) FILTER (WHERE state = 'posted' AND day = :to_on), 0) AS posted_on_day,
        coalesce(sum(amount) FILTER (WHERE state = 'pending'), 0) AS pending,
        min(day) FILTER (WHERE state = 'posted' AND day BETWEEN :from_on AND :to_on) AS first_on
    FROM (SELECT amount, state, coalesce(stated_on, effective_on) AS day FROM bank_transactions
          WHERE account_id = :account_id AND state <> 'removed') t"""
)
_PROVEN_ON = text(
    """SELECT max((p.balance_proof ->> 'balance_on')::date) FROM bank_import_run_accounts p
    JOIN bank_import_runs r ON r.id = p.run_id AND NOT r.dry_run
    WHERE p.account_id = :account_id AND p.balance_proof ->> 'result' = 'proven'"""
)
_SUSPECTS = text(
    """SELECT id, amount, content_key, state FROM bank_transactions
    WHERE account_id = :account_id AND state IN ('posted', 'removed')
      AND coalesce(stated_on, effective_on) BETWEEN :from_on AND :to_on
    ORDER BY id DESC LIMIT 10000"""
)


def prove_balance(session: Session, job: Job, account_id: int, zone: ZoneInfo) -> BalanceProof:
    """Compare the account's booked balance with its rows. zone: of the bank's days."""
    account = session.get_one(BankConnectionAccount, account_id)
    booked, balance_on = _booked(account, job, zone)
    # A balance that counts days which were not read yet would make an opening amount that never fits.
    read_to_balance = account.watermark_on is None or balance_on is None or account.watermark_on >= balance_on
    opens = account.opening_amount is None and account.history_complete and read_to_balance
    since = date.min if account.opening_amount is None else account.opening_on or date.min
    sums = _sums(session, account_id, since, balance_on or date.max)
    if opens and booked is not None and balance_on is not None:
        first_on = sums.first_on or balance_on
        # From the first day that was read, for a row that the bank moves by a day still counts.
        account.opening_amount, account.opening_on = (
            booked - sums.posted,
            min(first_on, account.history_from_on or first_on),
        )
        account.opening_balance, account.opening_balance_on = booked, balance_on
        account.opening_pending = sums.pending
        return BalanceProof(result="unproven", reason="opening_taken", balance_on=balance_on)
    proof = prove(
        Books(
            booked=booked,
            balance_on=balance_on,
            opening=account.opening_amount,
            opening_on=account.opening_on,
            opening_balance=account.opening_balance,
            opening_balance_on=account.opening_balance_on,
            opening_pending=account.opening_pending,
            posted=sums.posted,
            posted_on_day=sums.posted_on_day,
            pending=sums.pending,
            proven_on=session.execute(_PROVEN_ON, {"account_id": account_id}).scalar(),
        )
    )
    if proof.difference is None:
        return proof
    suspects = session.execute(_SUSPECTS, {"account_id": account_id, "from_on": since, "to_on": balance_on})
    rows = [
        PostedRow(id=r.id, amount=r.amount, alike=bytes(r.content_key), removed=r.state == "removed") for r in suspects
    ]
    return replace(proof, explanation=explain(proof.difference, rows))


def _booked(account: BankConnectionAccount, job: Job, zone: ZoneInfo) -> tuple[Decimal | None, date | None]:
    """Return the booked balance with the account's sign, and its day."""
    # Rows of an account without a currency of its own cannot be added up.
    one_currency = account.currency is None or is_currency(account.currency)
    booked = account.balance_amount if account.balance_kind == "booked" and one_currency else None
    if booked is not None and is_inverted(account, job.options):
        booked = -booked
    return booked, account.balance_at.astimezone(zone).date() if account.balance_at else None


def _sums(session: Session, account_id: int, from_on: date, to_on: date) -> Row[Any]:
    return session.execute(_SUMS, {"account_id": account_id, "from_on": from_on, "to_on": to_on}).one()
