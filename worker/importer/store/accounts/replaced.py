"""Detects a new account that is another one: an older one of its connection, or one of another connection.

What evidently is an account that went missing goes on as it; what evidently is one of another connection becomes a
source of the same account of the user. What may be is asked, and not imported until the user answers: also an account
with the rows of one that the bank lists as well, or that has another account number.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from functools import partial
from heapq import nlargest
from typing import Any

from sqlalchemy import Row, func, text
from sqlalchemy.orm import Session

from worker.connectors.base import Transaction, Window
from worker.importer.account_state import AccountState, load_accounts
from worker.importer.decide.accounts.recognise import Recognition
from worker.importer.decide.accounts.replaced import (
    NewAccount,
    compare_accounts,
    compare_listed_at_once,
    decide_new_account,
)
from worker.importer.decide.accounts.row_agreement import MAX_COMPARED_ROWS
from worker.importer.decide.balances.running import balance_after
from worker.importer.decide.read.days import UNDATED, rough_day
from worker.importer.decide.read.line import Line, read_transaction
from worker.importer.decide.sign_flip import states_opposite_signs
from worker.importer.decide.sources.rows import SourceRow
from worker.importer.outcome import SignsFlippedError
from worker.importer.store.account_share import AccountShare
from worker.importer.store.accounts.bank_accounts import (
    add_account,
    attach,
    drop_if_empty,
    last_compared_on,
    own_rows,
    recognise_source,
    rows_of_same_days,
)
from worker.importer.store.accounts.listed import take_currency
from worker.importer.store.results.run_accounts import reopen
from worker.importer.store.rows.keys import has_rows
from worker.importer.store.suggestions.ask import suggest_account
from worker.models import BankConnectionAccount
from worker.telemetry.logs import get_logger
from worker.words import payment_text

log = get_logger(__name__)

_ALL_DAYS = Window(from_on=date.min, to_on=date.max)

# An account that has a suggestion, open or answered, gets no second one. Old accounts that nothing is asked about come
# first. Accounts that the bank began to list at the same time did not take each other's place; those without another
# number, with one balance and about as many rows of the days that were read of the new one, may be one under two ids.
# An account whose currency the bank does not state may be in any.
_OLDER = text(
    """SELECT o.id, o.included, o.status = 'active' AS is_listed,
      o.status = 'active' AND o.created_at = n.created_at AS at_once,
      coalesce(o.anchor <> n.anchor, FALSE) AS other_anchor,
      o.currency IS NOT DISTINCT FROM n.currency AS in_one_currency,
      o.name = n.name AND o.currency IS NOT DISTINCT FROM n.currency AS same_name,
      o.status = 'missing' AND coalesce(o.anchor = n.anchor, TRUE) AND o.included AND NOT o.inverted
        AND o.account_type = n.account_type
        AND NOT EXISTS (SELECT 1 FROM bank_transactions t WHERE t.account_id = o.id) AS is_blank
    FROM bank_connection_accounts o JOIN bank_connection_accounts n ON n.id = :account_id
    WHERE o.connection_id = n.connection_id AND o.id <> n.id
      AND (o.status = 'missing' OR o.status = 'active' AND o.created_at < n.created_at
        OR o.status = 'active' AND o.created_at = n.created_at
          AND CAST(:rows AS int) > 0
          AND coalesce(o.anchor = n.anchor, TRUE) AND coalesce(o.mask = n.mask, TRUE)
          AND coalesce(o.balance_amount = n.balance_amount, TRUE)
          AND (SELECT count(*) FROM bank_transactions t WHERE t.account_id = o.id AND t.state <> 'removed'
              AND coalesce(t.stated_on, t.effective_on) BETWEEN :from_on AND :to_on)
            BETWEEN 0.9 * CAST(:rows AS int) AND 1.1 * CAST(:rows AS int))
      AND coalesce(o.currency = n.currency, TRUE)
      AND NOT EXISTS (SELECT 1 FROM bank_match_suggestions s WHERE s.kind = 'account' AND s.account_id = n.id)
    ORDER BY o.status DESC, EXISTS (SELECT FROM bank_match_suggestions s
      WHERE s.kind = 'account' AND s.other_account_id = o.id AND s.status = 'open'), o.id"""
)
_ASKED = text("SELECT EXISTS (SELECT FROM bank_match_suggestions WHERE kind = 'account' AND account_id = :account_id)")
_WAIT = text(
    "UPDATE bank_connection_accounts SET status = 'waiting', status_code = 'similar_account' WHERE id = :account_id"
)


def account_or_old_one(session: Session, share: AccountShare) -> AccountState | None:
    """Return the account to import as: the new one, or the older one that it evidently is; None when it waits."""
    account = share.account
    if has_rows(session, account.id):
        return _with_bank_account(session, share)
    days = _days_read(share)
    older = list(
        session.execute(
            _OLDER, {"account_id": account.id, "rows": share.rows, "from_on": days.from_on, "to_on": days.to_on}
        )
    )
    if not older:
        return _with_bank_account(session, share)
    decided: dict[NewAccount, list[int]] = {decision: [] for decision in NewAccount}
    for row in older:
        stored = [other for other in own_rows(session, row.id) if other.on in days or not row.at_once]
        told = delivered_rows(share, last_compared_on(stored))
        compare = compare_listed_at_once if row.at_once else compare_accounts
        verdict = compare(*((told, stored) if row.in_one_currency else map(_by_amount_alone, (told, stored))))
        facts = {name: getattr(row, name) for name in ("is_listed", "other_anchor", "included", "same_name")}
        decided[decide_new_account(verdict, **facts)].append(row.id)
    match decided[NewAccount.GOES_ON], decided[NewAccount.ASK]:
        case [old_id], _:
            return _as_old_one(session, share, old_id)
        case [], []:
            blank = _only_blank_one(older)
            return _with_bank_account(session, share) if blank is None else _as_old_one(session, share, blank)
        case several, asked:
            _ask(session, share, [*several, *asked][0], {})
            return None


def _with_bank_account(session: Session, share: AccountShare) -> AccountState | None:
    """Return the account as a source of the user's account that it is or begins; None when that has to be asked."""
    if share.account.bank_account_id is not None:
        return share.account
    source = session.get_one(BankConnectionAccount, share.account.id)
    found = recognise_source(session, source.id, partial(delivered_rows, share))
    if found is not None and found[1].verdict == Recognition.SAME and found[0].bank_account_id is not None:
        rows = delivered_rows(share, None)
        if states_opposite_signs(rows, rows_of_same_days(session, source.id, found[0].bank_account_id, rows)):
            raise SignsFlippedError
        attach(session, source, found[0].bank_account_id)
        log.info("account.recognised", account_id=source.id, bank_account_id=source.bank_account_id)
    elif found is not None and not session.execute(_ASKED, {"account_id": source.id}).scalar_one():
        _ask(session, share, found[0].id, found[1].as_json())
        return None
    else:
        add_account(session, source)
    return replace(share.account, bank_account_id=source.bank_account_id)


def go_on_as(session: Session, old: BankConnectionAccount, new: BankConnectionAccount) -> None:
    """Let the old account take the place of the new one: its rows and choices stay, what the bank states is the new."""
    stated = {
        name: getattr(new, name)
        for name in ("external_id", "name", "account_type", "balance_amount", "balance_kind", "balance_at")
    }
    stated |= {
        name: value
        for name in ("anchor", "mask", "id_class", "institution_name")
        if (value := getattr(new, name)) is not None
    }
    currency, empty_id = new.currency, new.bank_account_id
    session.delete(new)
    session.flush()
    if empty_id is not None and empty_id != old.bank_account_id:
        drop_if_empty(session, empty_id)
    old.former_external_ids = [*old.former_external_ids, old.external_id]
    for name, value in stated.items():
        setattr(old, name, value)
    old.status, old.status_code, old.cursor = "active", None, None
    take_currency(old, currency)
    old.last_seen_at = func.now()
    session.flush()


def _as_old_one(session: Session, share: AccountShare, old_id: int) -> AccountState:
    new = session.get_one(BankConnectionAccount, share.account.id)
    go_on_as(session, session.get_one(BankConnectionAccount, old_id, with_for_update=True), new)
    log.info("account.goes_on", account_id=old_id, instead_of=share.account.id)
    reopen(session, share.job, [old_id])
    return next(a for a in load_accounts(session, share.job.connection_id, share.account.external_id) if a.id == old_id)


def _ask(session: Session, share: AccountShare, old_id: int, evidence: dict[str, Any]) -> None:
    job, account_id = share.job, share.account.id
    suggest_account(session, job.user_id, account_id, old_id, run_id=job.lease.run_id, evidence=evidence)
    session.execute(_WAIT, {"account_id": account_id})


def _only_blank_one(older: list[Row[Any]]) -> int | None:
    """Return the missing account that has neither rows nor choices of the user; None when there are several."""
    blank = [row.id for row in older if row.is_blank]
    return blank[0] if len(blank) == 1 else None


def delivered_rows(share: AccountShare, until_on: date | None) -> list[SourceRow]:
    """Return the newest delivered rows up to a day, as many as are compared; None for no such day."""
    transactions = share.delivery.staging.transactions(share.account.external_id)
    if until_on is not None and share.rows > MAX_COMPARED_ROWS:
        transactions = (one for one in transactions if _day_or_latest(one) <= until_on)
    newest = nlargest(MAX_COMPARED_ROWS, transactions, key=_day_or_latest)
    lines = (read_transaction(transaction, share.read_context) for transaction in newest)
    return [
        SourceRow(
            on=line.stated_on or line.effective_on,
            amount=line.amount,
            currency=line.currency,
            words=payment_text(line).strip(),
            pending=line.pending,
            balance=balance_after(line.stated_amounts),
        )
        for line in lines
        if isinstance(line, Line)
    ]


def _day_or_latest(transaction: Transaction) -> date:
    """Return the day of a transaction; one without any is pending, and newer than all others."""
    day = rough_day(transaction)
    return date.max if day == UNDATED else day


def _days_read(share: AccountShare) -> Window:
    """Return the days of which the delivery may have rows: by a cursor, and booked ahead, those of any day."""
    window = share.request.window
    if share.request.by_cursor:
        return _ALL_DAYS
    return replace(window, to_on=date.max) if window.to_on >= share.read_context.today else window


def _by_amount_alone(rows: Sequence[SourceRow]) -> list[SourceRow]:
    """Return rows of an account whose currency is stated on one side alone: what the other was read in was assumed."""
    return [replace(row, currency="") for row in rows]
