"""Joins accounts of connections with the user's accounts: reads what both sides state, and writes which is which.

The rule is `decide.accounts.recognise`. A source has no account until its first import recognised it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import TypeAlias

from sqlalchemy import delete, select, text
from sqlalchemy.orm import Session

from worker.importer.decide.accounts.recognise import AccountEvidence, AccountFacts, Recognition, best, recognise
from worker.importer.decide.accounts.row_agreement import MAX_COMPARED_ROWS, MAX_DAYS_AWAY
from worker.importer.decide.sources.rows import SourceRow
from worker.importer.store.sources.joined_rows import meet_joined_rows
from worker.models import BankAccount, BankConnectionAccount

_SOURCES = text(
    """SELECT s.id, s.bank_account_id, s.name, s.institution_name, s.currency, s.anchor, c.connector_name,
        CASE WHEN NOT EXISTS (SELECT FROM bank_connection_accounts o WHERE o.connection_id = s.connection_id
          AND o.mask = s.mask AND o.id <> s.id AND o.name <> s.name) THEN s.mask END AS mask, p.anchors,
        s.mask AS stated_mask, s.status = 'active' AND c.status <> 'disconnected' AS delivers
    FROM bank_connection_accounts n
    JOIN bank_connection_accounts s ON s.user_id = n.user_id AND s.bank_account_id IS NOT NULL
    JOIN bank_accounts p ON p.id = s.bank_account_id
    JOIN bank_connections c ON c.id = s.connection_id
    WHERE n.id = :source_id AND s.id <> n.id AND s.bank_account_id IS DISTINCT FROM n.bank_account_id
      AND NOT EXISTS (SELECT FROM bank_connection_accounts o
        WHERE o.connection_id = n.connection_id AND o.bank_account_id = s.bank_account_id)
      AND NOT EXISTS (SELECT FROM bank_match_suggestions q
        JOIN bank_connection_accounts o ON o.bank_account_id = s.bank_account_id
        WHERE q.kind = 'account' AND q.status = 'declined'
          AND (q.account_id = n.id AND q.other_account_id = o.id OR q.account_id = o.id AND q.other_account_id = n.id))
    ORDER BY s.bank_account_id, s.id"""
)
_MASK = text(
    """SELECT n.mask FROM bank_connection_accounts n WHERE n.id = :source_id AND NOT EXISTS (
        SELECT FROM bank_connection_accounts o WHERE o.connection_id = n.connection_id AND o.mask = n.mask
          AND o.id <> n.id AND o.name <> n.name)"""
)
_ROW = """SELECT coalesce(t.stated_on, t.effective_on) AS "on", t.amount, t.currency,
    concat_ws(' ', t.counterparty, t.description) AS words, t.state = 'pending' AS pending,
    CAST(t.stated_amounts ->> 'balance_after' AS numeric) AS balance"""
# One row per purchase: what another source of the account has too is left out. So are the rows of a connection that was
# removed with its expenses, where another source has rows of these days: each purchase of both would count twice.
_ROWS = text(
    f"""{_ROW} FROM bank_connection_accounts s JOIN bank_transactions t ON t.account_id = s.id
    JOIN bank_connections c ON c.id = s.connection_id
    WHERE s.bank_account_id = :bank_account_id AND s.id <> :source_id AND t.state <> 'removed'
      AND t.expense_state <> 'twin' AND t.effective_on BETWEEN :from_on AND :to_on
      AND (t.expense_state <> 'reverted' OR c.status <> 'disconnected' OR NOT EXISTS (
        SELECT FROM bank_connection_accounts o JOIN bank_transactions u ON u.account_id = o.id
        WHERE o.bank_account_id = :bank_account_id AND o.id <> :source_id AND u.state <> 'removed'
          AND u.expense_state NOT IN ('twin', 'reverted') AND u.effective_on BETWEEN :from_on AND :to_on))
    ORDER BY t.effective_on DESC, t.id DESC LIMIT :most"""
)
_NEWEST = text(
    f"""{_ROW} FROM bank_connection_accounts s JOIN bank_transactions t ON t.account_id = s.id
    WHERE s.bank_account_id = :bank_account_id AND s.id <> :source_id AND t.state <> 'removed'
    ORDER BY t.effective_on DESC LIMIT 1"""
)
_OWN_ROWS = text(
    f"""{_ROW} FROM bank_transactions t WHERE t.account_id = :source_id AND t.state <> 'removed'
    ORDER BY t.effective_on DESC, t.id DESC LIMIT :most"""
)


RowsUntil: TypeAlias = Callable[[date | None], Sequence[SourceRow]]
"""Returns the newest rows of a source up to a day, as many as are compared; all of its days where that is None."""


def recognise_source(
    session: Session, source_id: int, rows_until: RowsUntil
) -> tuple[BankConnectionAccount, AccountEvidence] | None:
    """Return a source of the account that this one is, or may be, with the evidence; None when it is a new account.

    Args:
        source_id: A source; the account that it has already is left out.
        rows_until: What it delivered. A known account that ended long ago is compared with the rows of its days.
    """
    accounts = _known_accounts(session, source_id)
    if not accounts:
        return None
    source = session.get_one(BankConnectionAccount, source_id)
    mask = session.execute(_MASK, {"source_id": source_id}).scalar_one_or_none()
    new = AccountFacts(
        anchors=_some(source.anchor),
        masks=_some(mask),
        named_masks=_named(source.mask, source.name),
        names=_some(source.name),
        institutions=_some(source.institution_name),
        currency=source.currency,
        connectors=_some(_connector_of(session, source)),
    )
    found = []
    for bank_account_id, facts in accounts.items():
        newest = session.execute(_NEWEST, {"source_id": source_id, "bank_account_id": bank_account_id})
        rows = rows_until(last_compared_on([SourceRow(**row._asdict()) for row in newest]))
        known = _with_rows(session, source_id, bank_account_id, facts, rows)
        found.append((bank_account_id, recognise(replace(new, rows=rows), known)))
    chosen = best(found)
    if chosen is None:
        return None
    bank_account_id, evidence = chosen
    return sources_of(session, bank_account_id)[0], evidence


def attach(session: Session, source: BankConnectionAccount, bank_account_id: int) -> None:
    """Make an account of a connection a source of a user's account, which learns what the source states of it."""
    account = session.get_one(BankAccount, bank_account_id, with_for_update=True)
    before_id = source.bank_account_id
    source.bank_account_id = bank_account_id
    _learn(account, source)
    session.flush()
    if before_id is not None and before_id != bank_account_id:
        drop_if_empty(session, before_id)


def _learn(account: BankAccount, source: BankConnectionAccount) -> None:
    """Add to an account what one of its sources states: its anchor, and what the others do not say."""
    if source.anchor is not None and source.anchor not in account.anchors:
        account.anchors = [*account.anchors, source.anchor]
    account.mask = account.mask or source.mask
    account.institution_name = account.institution_name or source.institution_name
    account.currency = account.currency or source.currency
    if account.account_type == "unknown":
        account.account_type = source.account_type


def add_account(session: Session, source: BankConnectionAccount) -> int:
    """Add an account of the user with its first source; return its id."""
    account = BankAccount(
        user_id=source.user_id,
        name=source.name,
        institution_name=source.institution_name,
        account_type=source.account_type,
        mask=source.mask,
        currency=source.currency,
        anchors=[] if source.anchor is None else [source.anchor],
    )
    session.add(account)
    session.flush()
    source.bank_account_id = account.id
    session.flush()
    return account.id


def sources_of(session: Session, bank_account_id: int | None) -> Sequence[BankConnectionAccount]:
    """Return the sources of an account, the oldest first; none of what is no account yet."""
    if bank_account_id is None:
        return ()
    query = select(BankConnectionAccount).where(BankConnectionAccount.bank_account_id == bank_account_id)
    return session.scalars(query.order_by(BankConnectionAccount.id)).all()


def other_sources(session: Session, bank_account_id: int | None, source_id: int) -> Sequence[int]:
    """Return the ids of an account's sources without this one, the oldest first."""
    return [source.id for source in sources_of(session, bank_account_id) if source.id != source_id]


def drop_if_empty(session: Session, bank_account_id: int) -> None:
    """Delete an account that has no source any more."""
    if not session.scalar(select(BankConnectionAccount.id).filter_by(bank_account_id=bank_account_id).limit(1)):
        session.execute(delete(BankAccount).where(BankAccount.id == bank_account_id))


def own_rows(session: Session, source_id: int) -> Sequence[SourceRow]:
    """Return the newest rows of a source, as many as are compared."""
    return [SourceRow(**row._asdict()) for row in session.execute(_OWN_ROWS, _most(source_id=source_id))]


def recognise_again(session: Session, source: BankConnectionAccount) -> bool:
    """Join a source whose number or last digits became known with the account that it evidently is."""
    rows = own_rows(session, source.id)
    found = recognise_source(session, source.id, lambda _until_on: rows)
    if found is None or found[1].verdict != Recognition.SAME or found[0].bank_account_id is None:
        if source.bank_account_id is not None:
            _learn(session.get_one(BankAccount, source.bank_account_id), source)
        return False
    attach(session, source, found[0].bank_account_id)
    others = other_sources(session, source.bank_account_id, source.id)
    meet_joined_rows(session, source.id, others, source.user_id)
    return True


def _known_accounts(session: Session, source_id: int) -> dict[int, AccountFacts]:
    """Return what the sources of the user's other accounts state, by account; rows are read when they are needed."""
    accounts: dict[int, AccountFacts] = {}
    for row in session.execute(_SOURCES, {"source_id": source_id}):
        facts = accounts.get(row.bank_account_id, AccountFacts(served=False))
        accounts[row.bank_account_id] = replace(
            facts,
            anchors=facts.anchors | _some(row.anchor) | frozenset(row.anchors),
            masks=facts.masks | _some(row.mask),
            named_masks=facts.named_masks | _named(row.stated_mask, row.name),
            names=facts.names | _some(row.name),
            institutions=facts.institutions | _some(row.institution_name),
            currency=facts.currency or row.currency,
            connectors=facts.connectors | _some(row.connector_name),
            served=facts.served or row.delivers,
        )
    return accounts


def last_compared_on(stored: Sequence[SourceRow]) -> date | None:
    """Return the last day of which rows may be compared with stored ones; None when there are none."""
    return _shifted(max(row.on for row in stored), timedelta(days=MAX_DAYS_AWAY)) if stored else None


def _with_rows(
    session: Session, source_id: int, bank_account_id: int, facts: AccountFacts, rows: Sequence[SourceRow]
) -> AccountFacts:
    """Add the rows of an account that are near those of the source; its newest one where none is."""
    if not rows:
        return facts
    stored = rows_of_same_days(session, source_id, bank_account_id, rows)
    if not stored:
        newest = session.execute(_NEWEST, {"source_id": source_id, "bank_account_id": bank_account_id})
        stored = [SourceRow(**row._asdict()) for row in newest]
    return replace(facts, rows=stored)


def rows_of_same_days(
    session: Session, source_id: int, bank_account_id: int, rows: Sequence[SourceRow]
) -> Sequence[SourceRow]:
    """Return the rows of an account's other sources that are near those of a source, the newest first."""
    if not rows:
        return []
    near = timedelta(days=MAX_DAYS_AWAY)
    days = {"from_on": _shifted(min(row.on for row in rows), -near), "to_on": _shifted(max(r.on for r in rows), near)}
    found = session.execute(_ROWS, _most(source_id=source_id, bank_account_id=bank_account_id, **days))
    return [SourceRow(**row._asdict()) for row in found]


def _shifted(on: date, by: timedelta) -> date:
    try:
        return on + by
    except OverflowError:
        return on


def _most(**values: object) -> Mapping[str, object]:
    return {**values, "most": MAX_COMPARED_ROWS}


def _connector_of(session: Session, source: BankConnectionAccount) -> str:
    query = text("SELECT connector_name FROM bank_connections WHERE id = :id")
    return str(session.execute(query, {"id": source.connection_id}).scalar_one())


def _named(mask: str | None, name: str) -> frozenset[tuple[str, str]]:
    return frozenset() if not mask else frozenset({(mask, name)})


def _some(value: str | None) -> frozenset[str]:
    return frozenset() if not value else frozenset({value})
