"""Reads transactions of a connector: each becomes a checked and cleaned line, or a rejection with its reason."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from worker.connectors.base import IdClass, Transaction, TransactionKind
from worker.importer.decide.read.clean_text import clean, id_text, plain_text
from worker.importer.decide.read.context import ReadContext
from worker.importer.decide.read.days import day_of_moment, expense_day
from worker.importer.decide.read.identity import content_key, digest, id_identity, plain_amount
from worker.importer.decide.row_days import RowDays
from worker.money import MAX_DECIMALS, MAX_EXPENSE_AMOUNT, expense_amount, is_currency, money_in

MAX_DESCRIPTION = 20_000
MAX_COUNTERPARTY = 500
MAX_COUNTERPARTY_ACCOUNT = 100
MAX_REFERENCE = 255


class FingerprintedTransaction(NamedTuple):
    """A transaction with what tells whether its row is known and unchanged.

    Attributes:
        identity: Of its trusted id; None when its id is missing or not trusted.
        fingerprint: A digest of its state, amount, days, currency, kind, texts and counterparty account.
    """

    transaction: Transaction
    identity: bytes | None
    fingerprint: bytes


class Line(NamedTuple):
    """One transaction, read and cleaned, ready to be compared with stored rows.

    Attributes:
        identity: Of its trusted id; None when it is recognised by its content alone.
        fingerprint: Changes with its state, amount, days, currency, kind, texts or counterparty account; what else
            the bank says of a row is stored when one of these changes.
        stated_on: The first day the bank states; None for a transaction without any.
        effective_on: The day of the expense.
        expense_amount: The positive amount as FinMind's expenses hold it.
        currency_stated: The transaction itself names its currency.
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
    stated_amounts: Mapping[str, str] | None
    raw: Mapping[str, Any] | None
    pending: bool
    expense_amount: Decimal
    currency_stated: bool

    @property
    def days(self) -> RowDays:
        """Its days."""
        return RowDays(self.stated_on, self.effective_on, self.transaction_on, self.value_on)


STATED_FIELDS = (
    "stated_on", "effective_on", "booking_on", "value_on", "transaction_on", "amount", "currency", "description",
    "counterparty", "counterparty_account", "kind", "pending_external_id", "reference",
)  # fmt: skip
"""Fields of a line that are stored as they are, in columns of the same names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """A transaction that cannot be imported.

    Attributes:
        code: The reason.
        raw: The transaction as text, so that it can be read again later.
    """

    code: str
    message: str
    raw: str
    external_id: str | None = None

    @property
    def identity(self) -> bytes:
        """The identity of the row; one that is delivered broken every day is one rejection."""
        return digest("rejection", self.external_id or self.raw)


def trusts_ids(id_class: IdClass) -> bool:
    """Return whether ids of this class are identities (session ids are, within their session)."""
    return id_class in (IdClass.STABLE, IdClass.SESSION)


def fingerprint(transaction: Transaction, context: ReadContext, salt: str) -> FingerprintedTransaction:
    """Return the transaction with its identity and fingerprint, without reading the rest of it.

    Args:
        salt: The context's `fingerprint_salt`, computed once for all transactions.
    """
    external_id = (transaction.external_id or "").strip()
    identity = id_identity(external_id, context.namespace) if external_id and context.trusted else None
    state = "posted" if not transaction.pending else "hidden" if context.pending_hidden else "pending"
    days = f"{transaction.booking_on!s}|{transaction.transaction_on!s}|{transaction.value_on!s}"
    moments = f"{transaction.booking_at!s}|{transaction.transaction_at!s}|{transaction.currency!s}|{transaction.kind!s}"
    content = (
        f"{salt}\x1f{state}\x1f{plain_amount(transaction.amount)}\x1f{days}\x1f{moments}\x1f{transaction.description}"
        f"\x1f{transaction.counterparty or ''}\x1f{transaction.counterparty_account or ''}"
    )
    return FingerprintedTransaction(transaction, identity, digest(content))


def read_transaction(transaction: Transaction, context: ReadContext) -> Line | Rejection:
    """Check and clean one transaction; what cannot be imported comes back as a rejection with its reason."""
    return read_line(fingerprint(transaction, context, context.fingerprint_salt), context)


def read_line(fingerprinted: FingerprintedTransaction, context: ReadContext) -> Line | Rejection:
    """Check and clean a transaction whose identity and fingerprint were computed before; see `read_transaction`."""
    transaction, identity, line_fingerprint = fingerprinted
    currency = (transaction.currency or context.currency).strip().upper()
    booking_on, transaction_on = transaction.booking_on, transaction.transaction_on
    if booking_on is None and transaction.booking_at is not None:
        booking_on = day_of_moment(transaction.booking_at, context)
    if transaction_on is None and transaction.transaction_at is not None:
        transaction_on = day_of_moment(transaction.transaction_at, context)
    stated_on = booking_on or transaction_on or transaction.value_on
    positive = expense_amount(transaction.amount)
    if positive is None or (stated_on is None and not transaction.pending) or not is_currency(currency):
        return _rejection(transaction, positive, currency)
    amount = transaction.amount if context.sign == 1 else transaction.amount.copy_negate()
    description = clean(transaction.description)
    counterparty = clean(transaction.counterparty)[:MAX_COUNTERPARTY] if transaction.counterparty else None
    # By position, in the order of the fields: naming them costs 0.07 s of every 100,000 lines. A test compares each.
    return Line(
        identity,
        id_text(transaction.external_id) if transaction.external_id else None,
        content_key(day=stated_on, amount=amount, currency=currency, texts=(counterparty or None, description)),
        line_fingerprint,
        stated_on,
        expense_day(context, transaction_on, booking_on, transaction.value_on) or context.today,
        booking_on,
        transaction.value_on,
        transaction_on,
        amount,
        currency,
        description[:MAX_DESCRIPTION],
        counterparty or None,
        _shortened(transaction.counterparty_account, MAX_COUNTERPARTY_ACCOUNT),
        transaction.kind,
        id_text(transaction.pending_external_id) if transaction.pending_external_id else None,
        _shortened(transaction.reference, MAX_REFERENCE),
        _with_readable_balance(transaction.stated_amounts),
        transaction.raw,
        transaction.pending,
        positive,
        bool(transaction.currency),
    )


def _with_readable_balance(stated: Mapping[str, str] | None) -> Mapping[str, str] | None:
    """Return what a source states of a row's money without a balance that is none: queries read it as a number."""
    if not stated or "balance_after" not in stated or money_in(stated["balance_after"]) is not None:
        return stated
    return {name: text for name, text in stated.items() if name != "balance_after"} or None


def _shortened(text: str | None, length: int) -> str | None:
    return (clean(text)[:length] or None) if text else None


def _rejection(transaction: Transaction, positive: Decimal | None, currency: str) -> Rejection:
    if not transaction.amount.is_finite():
        code, message = "amount_invalid", "the amount is not a number"
    elif positive is None and transaction.amount.copy_abs() < MAX_EXPENSE_AMOUNT:
        code, message = "amount_invalid", f"the amount has more than {MAX_DECIMALS} decimals"
    elif positive is None:
        code, message = "amount_too_large", "the amount does not fit NUMERIC(12,2)"
    elif not is_currency(currency):
        code, message = "currency_unknown", f"{currency[:20]!r} is not an ISO 4217 currency"
    else:
        code, message = "date_missing", "a posted row without any date"
    raw = transaction_as_text(transaction)
    return Rejection(code=code, message=message, raw=raw, external_id=transaction.external_id)


def transaction_as_text(transaction: Transaction) -> str:
    """Return a transaction as the text that a rejection keeps."""
    record = {
        name: getattr(transaction, name)
        for name in transaction.__dataclass_fields__
        if getattr(transaction, name) not in (None, "")
    }
    text = json.dumps(record, default=str, ensure_ascii=False)
    return text if plain_text(text) == text else json.dumps(record, default=str)


_FIELDS = frozenset(field.name for field in fields(Transaction))
_ALWAYS_KEPT = frozenset({"account_id", "amount", "pending"})


def kept_transaction(text: str) -> Transaction | None:
    """Return the transaction that `transaction_as_text` wrote; None where the text is anything else.

    A provider's own record may name an amount as well, but of another sign or meaning: only its connector can read it.

    Raises: ValueError, TypeError, ArithmeticError where a field has no value of its kind.
    """
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not (isinstance(record, dict) and _ALWAYS_KEPT <= record.keys() <= _FIELDS):
        return None
    return Transaction(**({"description": ""} | {name: _value(name, kept) for name, kept in record.items()}))


def _value(name: str, value: Any) -> Any:  # noqa: ANN401 - JSON in, a field's value out
    if name == "amount":
        return Decimal(str(value))
    if name.endswith("_on"):
        return date.fromisoformat(value)
    if name.endswith("_at"):
        return datetime.fromisoformat(value)
    return TransactionKind(value) if name == "kind" else value
