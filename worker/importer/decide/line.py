"""From what a connector says to what the importer reasons about: one checked, cleaned line. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from worker.connectors.base import IdClass, Transaction, TransactionKind
from worker.importer.decide.identity import content_key, digest, id_identity, plain
from worker.importer.decide.text import clean, id_text, plain_text
from worker.money import expense_amount, is_currency

MAX_DESCRIPTION = 20_000
MAX_COUNTERPARTY = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadContext:
    """What is known of an account before its lines are read.

    trusted: the ids of this account are identities. namespace: the session of session ids, empty otherwise.
    currency: the account's, else the user's, for lines that name none. sign: -1 where the bank states it inverted.
    """

    zone: ZoneInfo
    today: date
    currency: str
    trusted: bool
    namespace: str = ""
    booking_basis: bool = False
    sign: int = 1

    @property
    def salt(self) -> str:
        """What a line depends on besides the bank: when it changes, every row is looked at anew."""
        return f"{self.zone.key}|{self.currency}|{self.booking_basis}|{self.sign}"


class Line(NamedTuple):
    """One row of the bank, ready to be compared.

    identity: of its trusted id, None when only its content speaks. stated_on: the first day the bank states; None
    for a row without any. effective_on: the day of the expense. expense_amount: the positive amount FinMind holds.
    fingerprint: changes when the bank changes anything. `said` are the fields in the order of their columns.
    """

    identity: bytes | None
    external_id: str | None
    content_key: bytes
    fingerprint: bytes
    stated_on: date | None
    effective_on: date
    booking_on: date | None
    value_on: date | None
    transaction_on: date | None
    amount: Decimal
    currency: str
    description: str
    counterparty: str | None
    counterparty_account: str | None
    kind: TransactionKind | None
    pending_external_id: str | None
    reference: str | None
    raw: Mapping[str, Any] | None
    pending: bool
    expense_amount: Decimal

    @property
    def said(self) -> tuple[Any, ...]:
        """What is stored of the line, from `stated_on` to `reference`: a slice, for it is taken of every new row."""
        return self[4:17]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """A row that cannot be imported, and why. raw: the row as text, so that it can be replayed."""

    code: str
    message: str
    raw: str
    external_id: str | None = None

    @property
    def identity(self) -> bytes:
        """A row that is delivered broken every day is one rejection."""
        return digest("rejection", self.external_id or self.raw)


def trusts_ids(id_class: IdClass) -> bool:
    """Say whether ids of this class are identities (session ids are, within their session)."""
    return id_class in (IdClass.STABLE, IdClass.SESSION)


def unlinked(transactions: list[Transaction]) -> list[Transaction]:
    """Leave out pending rows that a booked one of the same answer says it replaces."""
    links = {t.pending_external_id for t in transactions if t.pending_external_id}
    return [t for t in transactions if not (t.pending and t.external_id in links)] if links else transactions


def identity_and_fingerprint(transaction: Transaction, context: ReadContext, salt: str) -> tuple[bytes | None, bytes]:
    """Return what tells whether a row is known and unchanged, without reading the rest of it."""
    external_id = (transaction.external_id or "").strip()
    identity = id_identity(external_id, context.namespace) if external_id and context.trusted else None
    said = "\x1f".join(
        [
            salt,
            "pending" if transaction.pending else "posted",
            plain(transaction.amount),
            f"{transaction.booking_on}|{transaction.transaction_on}|{transaction.value_on}",
            f"{transaction.booking_at}|{transaction.transaction_at}|{transaction.currency}|{transaction.kind}",
            transaction.description,
            transaction.counterparty or "",
            transaction.counterparty_account or "",
        ]
    )
    return identity, digest(said)


def read_line(
    transaction: Transaction, context: ReadContext, marks: tuple[bytes | None, bytes] | None = None
) -> Line | Rejection:
    """Check and clean one transaction; what cannot be imported comes back as a rejection with its reason.

    marks: its identity and fingerprint, where they are known already.
    """
    identity, fingerprint = marks or identity_and_fingerprint(transaction, context, context.salt)
    amount = transaction.amount * context.sign
    currency = (transaction.currency or context.currency).strip().upper()
    booking_on = transaction.booking_on or _day(transaction.booking_at, context.zone)
    transaction_on = transaction.transaction_on or _day(transaction.transaction_at, context.zone)
    stated_on = booking_on or transaction_on or transaction.value_on
    held = expense_amount(amount)
    problem = _problem(amount, held, currency, stated_on or (context.today if transaction.pending else None))
    if problem is not None:
        return Rejection(
            code=problem[0], message=problem[1], raw=_as_text(transaction), external_id=transaction.external_id
        )
    assert held is not None
    description = clean(transaction.description)
    counterparty = clean(transaction.counterparty)[:MAX_COUNTERPARTY] if transaction.counterparty else None
    first, second = (booking_on, transaction_on) if context.booking_basis else (transaction_on, booking_on)
    # By position: of a hundred thousand lines, naming the fields of each took a tenth of a second.
    return Line(
        identity,
        id_text(transaction.external_id),
        content_key(day=stated_on, amount=amount, currency=currency, texts=(counterparty or None, description)),
        fingerprint,
        stated_on,
        first or second or transaction.value_on or context.today,
        booking_on,
        transaction.value_on,
        transaction_on,
        amount,
        currency,
        description[:MAX_DESCRIPTION],
        counterparty or None,
        _short(transaction.counterparty_account, 100),
        transaction.kind,
        id_text(transaction.pending_external_id),
        _short(transaction.reference, 255),
        transaction.raw,
        transaction.pending,
        held,
    )


def _short(text: str | None, length: int) -> str | None:
    return (clean(text)[:length] or None) if text else None


def _problem(amount: Decimal, held: Decimal | None, currency: str, day: date | None) -> tuple[str, str] | None:
    if not amount.is_finite():
        return "amount_invalid", "the amount is not a number"
    if held is None:
        return "amount_too_large", "the amount does not fit NUMERIC(12,2)"
    if not is_currency(currency):
        return "currency_unknown", f"{currency[:20]!r} is not an ISO 4217 currency"
    if day is None:
        return "date_missing", "a posted row without any date"
    return None


def _day(moment: datetime | None, zone: ZoneInfo) -> date | None:
    return None if moment is None else moment.astimezone(zone).date()


def _as_text(transaction: Transaction) -> str:
    record = {
        name: getattr(transaction, name)
        for name in transaction.__dataclass_fields__
        if getattr(transaction, name) not in (None, "")
    }
    text = json.dumps(record, default=str, ensure_ascii=False)
    return text if plain_text(text) == text else json.dumps(record, default=str)
