"""Matches the bank's accounts with the stored ones, also after a new link, and stores them. `match_accounts` is pure.

An account is found again by its id, by its anchor, or by name, last four, currency, type and institution together
when there is exactly one candidate; never by name alone. Anything less makes a new account and a suggestion.
"""

import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from worker.connectors.base import Account, IdClass
from worker.importer.decide.reasons import Reason
from worker.importer.decide.text import clean, id_text
from worker.importer.job import Job
from worker.models import BankConnection, BankConnectionAccount, BankMatchSuggestion
from worker.money import is_currency

_GONE = "\x1fformer:"
"""Prefix of the id of an account whose own now belongs to another; no provider's id begins with a control character."""

MAX_NAME, MAX_MASK, MAX_ANCHOR = 200, 10, 100


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownAccount:
    """The identifying fields of a stored account."""

    id: int
    external_id: str
    anchor: str | None
    name: str
    mask: str | None
    currency: str | None
    account_type: str
    institution_name: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountMatch:
    """One listed account: the known one it is, or None; maybe_id: one it may be, for the user to decide."""

    account: Account
    known_id: int | None
    maybe_id: int | None = None


def match_accounts(listed: Sequence[Account], known: Sequence[KnownAccount]) -> list[AccountMatch]:
    """Match listed accounts with known ones, one-to-one, strongest evidence first."""
    found: dict[str, int] = {}
    free = {row.id: row for row in known}
    for same in (_same_id, _same_anchor):
        for account in listed:
            row = next((row for row in free.values() if same(account, row)), None)
            if account.external_id not in found and row is not None:
                found[account.external_id] = row.id
                del free[row.id]
    for account in listed:
        if account.external_id not in found:
            candidates = [row for row in free.values() if _same_visible_fields(account, row)]
            rivals = [
                o for o in listed if o.external_id not in found and _visible_fields(o) == _visible_fields(account)
            ]
            if len(candidates) == 1 and len(rivals) == 1 and account.mask:
                found[account.external_id] = candidates[0].id
                del free[candidates[0].id]
    maybe = _similar_pairs([account for account in listed if account.external_id not in found], free)
    return [
        AccountMatch(account=account, known_id=found.get(account.external_id), maybe_id=maybe.get(account.external_id))
        for account in listed
    ]


def _same_id(account: Account, row: KnownAccount) -> bool:
    return account.external_id == row.external_id and not (
        account.anchor and row.anchor and account.anchor != row.anchor
    )


def _same_anchor(account: Account, row: KnownAccount) -> bool:
    """Compare the anchor; one IBAN may hold an account per currency."""
    code = _currency(account)
    one_currency = code is None or row.currency is None or code == row.currency
    return account.anchor is not None and account.anchor == row.anchor and one_currency


def _with_own_anchors(listed: Sequence[Account], known: Sequence[KnownAccount]) -> tuple[list[Account], dict[str, str]]:
    """Take the anchor from accounts that share one with another listed account, known ones keep it first.

    Returns the accounts, and for each that lost its anchor the listed account that has it: they may be one.
    """
    known_ids = {row.external_id for row in known}
    owners: dict[tuple[str, str | None], str] = {}
    for account in sorted(listed, key=lambda account: account.external_id not in known_ids):
        if account.anchor is not None:
            owners.setdefault((account.anchor, _currency(account)), account.external_id)
    doubtful = {
        account.external_id: owner
        for account in listed
        if account.anchor is not None and (owner := owners[account.anchor, _currency(account)]) != account.external_id
    }
    return [replace(a, anchor=None) if a.external_id in doubtful else a for a in listed], doubtful


def _visible_fields(account: Account) -> tuple[object, ...]:
    return (
        account.name, account.mask, account.currency, str(account.account_type), account.institution_name,
    )  # fmt: skip


def _same_visible_fields(account: Account, row: KnownAccount) -> bool:
    if account.anchor and row.anchor:
        return False
    stored = (row.name, row.mask, row.currency, row.account_type, row.institution_name)
    return _visible_fields(account) == stored


def _similar_pairs(listed: Sequence[Account], free: dict[int, KnownAccount]) -> dict[str, int]:
    """Pair the remaining accounts that are similar, one-to-one, as questions for the user."""
    maybe: dict[str, int] = {}
    for account in listed:
        near = _similar_account(account, free.values())
        if near is not None:
            maybe[account.external_id] = near
            del free[near]
    return maybe


def _similar_account(account: Account, rows: Iterable[KnownAccount]) -> int | None:
    near = [
        row.id
        for row in rows
        if row.name == account.name and row.currency == account.currency and not (account.anchor and row.anchor)
    ]
    return near[0] if near else None


def sync_accounts(
    session: Session, connection_id: uuid.UUID, user_id: int, listed: Sequence[Account], *, ask: bool
) -> list[int]:
    """Write what the bank lists and return the ids of accounts that were known, active, and are missing now.

    ask: new accounts wait for the user instead of being imported (`new_accounts`), once the connection has any.
    """
    listed = [_fitted(account) for account in listed]
    rows = {row.id: row for row in session.scalars(_select_accounts(connection_id).with_for_update())}
    known = [_known(row) for row in rows.values()]
    listed, doubtful = _with_own_anchors(listed, known)
    matches = match_accounts(listed, known)
    new_ids = {match.account.external_id: match.known_id for match in matches if match.known_id is not None}
    _release_reassigned_ids(rows, matches)
    session.flush()
    for match in matches:
        if match.known_id is not None:
            _refresh(rows[match.known_id], match.account)
    session.flush()
    for match in matches:
        if match.known_id is None and match.account.external_id not in doubtful:
            new_ids[match.account.external_id] = _add(session, connection_id, user_id, match, waits=ask and bool(rows))
    for match in matches:
        if match.known_id is None and match.account.external_id in doubtful:
            owner = doubtful[match.account.external_id]
            _add(session, connection_id, user_id, replace(match, maybe_id=new_ids[owner]), waits=True)
    matched = {match.known_id for match in matches}
    missing = [row for row in rows.values() if row.id not in matched and row.status == "active"]
    for row in missing:
        row.status, row.status_code = "missing", "not_listed"
    session.flush()
    return [row.id for row in missing]


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


def update_balance(session: Session, account_id: int, account: Account) -> None:
    """Store a balance that came along with transactions."""
    row = session.get_one(BankConnectionAccount, account_id)
    _refresh(row, _fitted(account))


def _fitted(account: Account) -> Account:
    """Return the account with texts that fit their columns; of a mask the last characters are kept."""
    return replace(
        account,
        name=clean(account.name)[:MAX_NAME] or account.external_id[:MAX_NAME],
        mask=clean(account.mask)[-MAX_MASK:] or None if account.mask else None,
        institution_name=clean(account.institution_name)[:MAX_NAME] or None if account.institution_name else None,
        anchor=id_text(account.anchor, MAX_ANCHOR),
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
    )


def _release_reassigned_ids(rows: Mapping[int, BankConnectionAccount], matches: Sequence[AccountMatch]) -> None:
    """Take an id from the row that has it where the bank gives it to another account now."""
    owners = {match.account.external_id: match.known_id for match in matches}
    for row in rows.values():
        if owners.get(row.external_id, row.id) != row.id:
            row.former_external_ids = [*row.former_external_ids, row.external_id]
            row.external_id = f"{_GONE}{row.id}"


def _refresh(row: BankConnectionAccount, account: Account) -> None:
    if row.external_id != account.external_id:
        if not row.external_id.startswith(_GONE):
            row.former_external_ids = [*row.former_external_ids, row.external_id]
        row.external_id = account.external_id
    row.anchor = account.anchor or row.anchor
    row.name, row.account_type = account.name, str(account.account_type)
    row.mask = account.mask or row.mask
    if account.id_class is IdClass.NONE:  # what it delivered since shows that its ids are no identities
        row.id_class = str(IdClass.NONE)
    row.currency = _stated_currency(account) or row.currency
    row.institution_name = account.institution_name or row.institution_name
    row.last_seen_at = func.now()
    mended = row.status == "unsupported" and _stated_currency(account) is not None
    if row.status == "missing" or mended:
        row.status, row.status_code = "active", None
    _balance(row, account)


def _balance(row: BankConnectionAccount, account: Account) -> None:
    if account.balance is not None:
        row.balance_amount, row.balance_kind = account.balance.amount, str(account.balance.kind)
        row.balance_at = account.balance.at


def _add(session: Session, connection_id: uuid.UUID, user_id: int, match: AccountMatch, *, waits: bool) -> int:
    """Add an account and return its id; one that may be another waits for the user to decide."""
    account = match.account
    odd = account.currency is not None and _stated_currency(account) is None
    waits = waits or match.maybe_id is not None
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
        status_code="currency_unknown"
        if odd
        else "similar_account"
        if match.maybe_id
        else "new_account"
        if waits
        else None,
        last_seen_at=func.now(),
    )
    _balance(row, account)
    session.add(row)
    session.flush()
    if match.maybe_id is not None:
        session.execute(
            insert(BankMatchSuggestion)
            .values(
                user_id=user_id,
                kind="account",
                account_id=row.id,
                other_account_id=match.maybe_id,
                reason=Reason.SIMILAR_ACCOUNT,
            )
            .on_conflict_do_nothing()
        )
    return row.id


def _stated_currency(account: Account) -> str | None:
    """Return a code of three letters, also one of no currency (`XXX`): the rows of such an account state their own."""
    code = (account.currency or "").strip().upper()
    return code if is_currency(code) or re.fullmatch("[A-Z]{3}", code) else None


def _currency(account: Account) -> str | None:
    code = (account.currency or "").strip().upper()
    return code if is_currency(code) else None
