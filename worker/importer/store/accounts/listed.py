"""Stores the accounts that the bank lists, and reads those that a run imports (`worker.runs.imported_accounts`)."""

import re
import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from worker.connectors.base import Account
from worker.connectors.errors import AccountNotFoundError, InvalidDataError
from worker.importer.account_state import AccountState, load_accounts
from worker.importer.decide.accounts.match_listed import (
    AccountMatch,
    KnownAccount,
    match_accounts,
    with_own_anchors,
    without_repeats,
)
from worker.importer.decide.read.clean_text import clean, id_text
from worker.importer.job import Job
from worker.importer.outcome import NewAccountError, SimilarAccountError
from worker.importer.store.accounts.bank_accounts import recognise_again
from worker.importer.store.results.run_accounts import start_accounts
from worker.importer.store.suggestions.ask import suggest_account
from worker.models import BankConnection, BankConnectionAccount
from worker.money import is_currency, is_money

EXCHANGING = "\x1fformer:"
"""Prefix of the id of an account whose own now belongs to another; no provider's id begins with a control character."""

MAX_NAME, MAX_MASK, MAX_ANCHOR = 200, 10, 100


NOT_LISTED = AccountNotFoundError("the bank does not list it any more: link it again, or leave it out")
UNREADABLE = InvalidDataError("its currency is none of ISO 4217: leave it out, or ask for the connector to be mended")
_WHY_IDLE = {
    "missing": NOT_LISTED,
    "unsupported": UNREADABLE,
    "similar_account": SimilarAccountError(),
    "new_account": NewAccountError(),
}
"""Why a wanted account is not imported, by its standing."""

# A waiting account says by its code what it waits for.
_IDLE = text(
    """SELECT id, CASE status WHEN 'waiting' THEN status_code ELSE status END AS standing FROM bank_connection_accounts
    WHERE connection_id = :connection_id AND included AND status IN ('missing', 'unsupported', 'waiting')
      AND (CAST(:only AS text) IS NULL OR external_id = :only)
    ORDER BY id"""
)


def accounts_to_import(session: Session, job: Job, listed: Sequence[Account]) -> list[AccountState]:
    """Write which accounts the bank lists, and return those to import.

    Wanted ones that cannot be imported say why, in every run until that is mended or the user leaves them out.
    """
    sync_accounts(session, job.connection_id, job.user_id, listed, ask=job.options.new_accounts == "ask")
    accounts = load_accounts(session, job.connection_id, job.account_external_id)
    idle = session.execute(_IDLE, {"connection_id": job.connection_id, "only": job.account_external_id})
    start_accounts(session, job, [one.id for one in accounts], {row.id: _WHY_IDLE[row.standing] for row in idle})
    return accounts


def sync_accounts(
    session: Session, connection_id: uuid.UUID, user_id: int, listed: Sequence[Account], *, ask: bool
) -> None:
    """Write what the bank lists; accounts that it lists no longer are missing from now on.

    Args:
        ask: New accounts wait for the user instead of being imported (`new_accounts`), once the connection has any.
    """
    listed = without_repeats(_fitted(account) for account in listed)
    rows = {row.id: row for row in session.scalars(_select_accounts(connection_id).with_for_update())}
    known = [_known(row) for row in rows.values()]
    listed, doubtful = with_own_anchors(listed, known)
    matches = match_accounts(listed, known)
    new_ids = {match.account.external_id: match.known_id for match in matches if match.known_id is not None}
    _refresh_known(session, rows, matches)
    for match in matches:
        if match.known_id is None and match.account.external_id not in doubtful:
            new_ids[match.account.external_id] = _add(session, connection_id, user_id, match, waits=ask and bool(rows))
    for match in matches:
        if match.known_id is None and match.account.external_id in doubtful:
            owner_id = new_ids[doubtful[match.account.external_id]]
            _add(session, connection_id, user_id, match, waits=True, maybe_id=owner_id)
    _mark_missing(session, rows.values(), {match.known_id for match in matches})
    session.flush()


def _refresh_known(
    session: Session, rows: Mapping[int, BankConnectionAccount], matches: Sequence[AccountMatch]
) -> None:
    """Write what the bank says of stored accounts; one that it says more of may be another account of the user."""
    _release_reassigned_ids(rows, matches)
    session.flush()
    pairs = [(rows[match.known_id], match.account) for match in matches if match.known_id is not None]
    told_more = [row for row, account in pairs if _tells_more(row, account)]
    for row, account in pairs:
        _refresh(row, account)
    session.flush()
    for row in told_more:
        recognise_again(session, row)


def _mark_missing(session: Session, rows: Iterable[BankConnectionAccount], listed_ids: Collection[int | None]) -> None:
    """Mark accounts that the bank lists no longer; one that waited for an answer goes with its question.

    Their pending rows count as absent from now on, because no delivery will have them.
    """
    missing = []
    for row in rows:
        if row.id in listed_ids:
            continue
        if row.status == "active":
            row.status, row.status_code = "missing", "not_listed"
        elif row.status == "waiting":
            session.delete(row)
        if row.status == "missing":
            missing.append(row.id)
    if missing:
        session.execute(_SET_ABSENT, {"missing": missing})


_SET_ABSENT = text(
    """UPDATE bank_transactions SET absent_since_at = now()
    WHERE account_id = ANY(:missing) AND state = 'pending' AND absent_since_at IS NULL"""
)


_PASS_BY = text(
    """UPDATE bank_connection_accounts SET history_from_on = NULL, history_complete = FALSE
    WHERE connection_id = :connection_id AND id <> ALL(:imported) AND history_from_on IS NOT NULL"""
)


def save_connection_cursor(session: Session, job: Job, imported: Sequence[int], cursor: str | None) -> None:
    """Move the cursor that covers all accounts of the connection.

    It passes rows of accounts that are missing, left out or waiting. Their history counts as unread from now on, so
    that everything is read again once they are imported; with the run of a single account the cursor stays where it is.
    """
    if job.account_external_id is not None:
        return
    session.get_one(BankConnection, job.connection_id).cursor = cursor
    session.execute(_PASS_BY, {"connection_id": job.connection_id, "imported": list(imported)})


def save_consent(session: Session, job: Job, expires_at: datetime | None) -> None:
    """Store until when the user's consent is valid."""
    session.get_one(BankConnection, job.connection_id).consent_expires_at = expires_at


def update_balance(session: Session, account_id: int, account: Account) -> None:
    """Store a balance that came along with transactions."""
    row = session.get_one(BankConnectionAccount, account_id)
    _refresh(row, _fitted(account))


def _fitted(account: Account) -> Account:
    """Return the account with texts that fit their columns, and a balance that is one; a mask keeps its end."""
    return replace(
        account,
        name=clean(account.name)[:MAX_NAME] or account.external_id[:MAX_NAME],
        mask=clean(account.mask)[-MAX_MASK:] or None if account.mask else None,
        institution_name=clean(account.institution_name)[:MAX_NAME] or None if account.institution_name else None,
        anchor=id_text(account.anchor, MAX_ANCHOR),
        balance=account.balance if account.balance is not None and is_money(account.balance.amount) else None,
    )


def _select_accounts(connection_id: uuid.UUID):  # type: ignore[no-untyped-def]  # noqa: ANN202 - a select of accounts
    return (
        select(BankConnectionAccount)
        .where(BankConnectionAccount.connection_id == connection_id)
        .order_by(BankConnectionAccount.id)
    )


def _known(row: BankConnectionAccount) -> KnownAccount:
    return KnownAccount(
        id=row.id,
        external_id=row.external_id,
        anchor=row.anchor,
        name=row.name,
        mask=row.mask,
        currency=row.currency,
        account_type=row.account_type,
        institution_name=row.institution_name,
        former_external_ids=row.former_external_ids,
    )


def _release_reassigned_ids(rows: Mapping[int, BankConnectionAccount], matches: Sequence[AccountMatch]) -> None:
    """Take an id from the row that has it where the bank gives it to another account now."""
    owners = {match.account.external_id: match.known_id for match in matches}
    for row in rows.values():
        if owners.get(row.external_id, row.id) != row.id:
            row.former_external_ids = [*row.former_external_ids, row.external_id]
            row.external_id = f"{EXCHANGING}{row.id}"


def _tells_more(row: BankConnectionAccount, account: Account) -> bool:
    """Return whether the bank states an account number or last digits that it did not state before."""
    known = row.bank_account_id is not None
    return known and (account.anchor or row.anchor, account.mask or row.mask) != (row.anchor, row.mask)


def _refresh(row: BankConnectionAccount, account: Account) -> None:
    if row.external_id != account.external_id:
        if not row.external_id.startswith(EXCHANGING):
            row.former_external_ids = [*row.former_external_ids, row.external_id]
        row.external_id = account.external_id
    row.anchor = account.anchor or row.anchor
    row.name, row.account_type = account.name, str(account.account_type)
    row.mask = account.mask or row.mask
    if account.id_class is not None:  # what it delivered since may show that its ids are no identities, or are again
        row.id_class = str(account.id_class)
    take_currency(row, _stated_currency(account))
    row.institution_name = account.institution_name or row.institution_name
    row.last_seen_at = func.now()
    mended = row.status == "unsupported" and _stated_currency(account) is not None
    if row.status in {"missing", "closed"} or mended:
        row.status, row.status_code = "active", None
    _balance(row, account)


def take_currency(row: BankConnectionAccount, stated: str | None) -> None:
    """Take the currency that the bank states; where another one was assumed before, everything is read again."""
    if stated is None:
        return
    if row.currency is None and row.currency_assumed == stated:
        row.currency_assumed = None
    if row.currency is None and row.currency_assumed is not None:
        row.history_from_on, row.history_complete, row.cursor = None, False, None
    row.currency = stated


def _balance(row: BankConnectionAccount, account: Account) -> None:
    if account.balance is not None:
        row.balance_amount, row.balance_kind = account.balance.amount, str(account.balance.kind)
        row.balance_at = account.balance.at


def _add(
    session: Session,
    connection_id: uuid.UUID,
    user_id: int,
    match: AccountMatch,
    *,
    waits: bool,
    maybe_id: int | None = None,
) -> int:
    """Add an account and return its id; one that may be another (`maybe_id`) waits for the user to decide."""
    account = match.account
    odd = account.currency is not None and _stated_currency(account) is None
    row = BankConnectionAccount(
        connection_id=connection_id,
        user_id=user_id,
        external_id=account.external_id,
        former_external_ids=[],
        anchor=account.anchor,
        id_class=None if account.id_class is None else str(account.id_class),
        name=account.name,
        institution_name=account.institution_name,
        account_type=str(account.account_type),
        mask=account.mask,
        currency=_stated_currency(account),
        status="unsupported" if odd else "waiting" if waits else "active",
        status_code="currency_unknown" if odd else "similar_account" if maybe_id else "new_account" if waits else None,
        last_seen_at=func.now(),
    )
    _balance(row, account)
    session.add(row)
    session.flush()
    if maybe_id is not None:
        suggest_account(session, user_id, row.id, maybe_id)
    return row.id


def _stated_currency(account: Account) -> str | None:
    """Return a code of three letters, also one of no currency (`XXX`): the rows of such an account state their own."""
    code = (account.currency or "").strip().upper()
    return code if is_currency(code) or re.fullmatch("[A-Z]{3}", code) else None
