"""Compiles a manifest's fields into readers of whole records: transactions, accounts, balances. Pure."""

import json
from collections.abc import Callable, Collection, Iterable
from dataclasses import MISSING, replace
from dataclasses import fields as dataclass_fields
from typing import Any

from worker.connectors.base import (
    IdClass,
    RejectedRow,
    Transaction,
    TransactionKind,
)
from worker.connectors.errors import InvalidDataError
from worker.connectors.manifest.amounts import amount_reader
from worker.connectors.manifest.fields import (
    Hooks,
    Reader,
    Record,
    Scene,
    TextReader,
    conditions,
    day_reader,
    moment_reader,
    state_reader,
    text_reader,
)
from worker.connectors.manifest.requests import (
    TransactionFields,
    TransactionsRequest,
)
from worker.connectors.manifest.values import MomentValue, TextValue
from worker.money import MINOR_UNITS

ReadTransaction = Callable[[Record, Scene], Transaction | None]
_TEXTS = ("counterparty", "counterparty_account", "reference", "pending_id")
_TARGETS = {"pending_id": "pending_external_id"}


def transaction_reader(request: TransactionsRequest, ids: IdClass, hooks: Hooks) -> ReadTransaction:  # noqa: C901 - one closure: a row costs one call
    """Return a reader of one transaction; it returns None for records that moved no money or are left out.

    The reader raises InvalidDataError for a record that cannot be read.
    """
    declared = request.fields
    wanted = conditions(request.where) if request.where else None
    state_of = state_reader(declared.state)
    amount_of = amount_reader(declared.amount)
    fee_of = amount_reader(declared.fee) if declared.fee else None
    account_of = text_reader(declared.account, hooks) if declared.account else _nothing
    currency_of = currency_reader(declared.currency, hooks)
    id_of = text_reader(declared.id, hooks) if declared.id and ids is not IdClass.NONE else _nothing
    description_of = text_reader(declared.description, hooks)
    read_facts = [*_day_readers(declared), *_other_readers(request, hooks)]
    facts = [(_PUT[name], of) for name, of in read_facts]
    unsaid = _unsaid([name for name, _ in read_facts])
    stated_of = _stated_reader(request, hooks)

    def read(record: Record, scene: Scene) -> Transaction | None:  # noqa: C901 - same
        if record.__class__ is not dict:
            raise InvalidDataError("a record is no object")
        if wanted is not None and not wanted(record, scene):
            return None
        state = state_of(record, scene)
        if state == "ignored":
            return None
        account_id = account_of(record, scene) or scene.account_id
        if account_id is None:
            raise InvalidDataError("the record names no account")
        currency = currency_of(record, scene) or scene.currency or scene.currencies.get(account_id)
        amount = amount_of(record, scene, currency)
        if amount is None:
            raise InvalidDataError("the record has no amount")
        if fee_of is not None:
            amount += fee_of(record, scene, currency) or 0
        row = _new(Transaction)
        for put, value in unsaid:
            put(row, value)
        for put, of in facts:
            put(row, of(record, scene))
        _put_account(row, account_id)
        _put_amount(row, amount)
        _put_currency(row, currency)
        _put_id(row, id_of(record, scene))
        _put_description(row, description_of(record, scene) or row.counterparty or "")
        _put_pending(row, state == "pending")
        _put_raw(row, record)
        if stated_of is not None:
            _put_stated(row, stated_of(record, scene, currency))
        if state == "pending" or (row.booking_at is None and row.booking_on is None):
            return _settled(row)
        return row

    return read


# A frozen dataclass sets each field through a check that nobody changes it, which is most of what a row costs. Here
# every field is set once, before anybody has the row.
_new = object.__new__
_PUT = {field.name: Transaction.__dict__[field.name].__set__ for field in dataclass_fields(Transaction)}
_ALWAYS = ("account_id", "amount", "currency", "external_id", "description", "pending", "raw")
_put_account, _put_amount, _put_currency, _put_id, _put_description, _put_pending, _put_raw = (
    _PUT[name] for name in _ALWAYS
)
_put_stated = _PUT["stated_amounts"]


def _unsaid(declared: Collection[str]) -> list[tuple[Any, Any]]:
    """Return who sets each field that a manifest says nothing of, with its default."""
    left = [field for field in dataclass_fields(Transaction) if field.name not in {*declared, *_ALWAYS}]
    return [(_PUT[field.name], None if field.default is MISSING else field.default) for field in left]


def _nothing(_record: Record, _scene: Scene) -> None:
    """Read nothing: the manifest does not say where it lies."""
    return


def _day_readers(fields: TransactionFields) -> list[tuple[str, Reader]]:
    found: list[tuple[str, Reader]] = []
    for name in ("booking_on", "booking_at", "value_on", "transaction_on", "transaction_at"):
        value = getattr(fields, name)
        if value is not None:
            found.append((name, moment_reader(value) if isinstance(value, MomentValue) else day_reader(value)))
    return found


def _other_readers(request: TransactionsRequest, hooks: Hooks) -> list[tuple[str, Reader]]:
    fields = request.fields
    found: list[tuple[str, Reader]] = [
        (_TARGETS.get(name, name), text_reader(value, hooks))
        for name in _TEXTS
        if (value := getattr(fields, name)) is not None
    ]
    if fields.kind is not None:
        kind_of = text_reader(fields.kind, hooks)
        found.append(
            ("kind", lambda record, scene: TransactionKind(kind) if (kind := kind_of(record, scene)) else None)
        )
    return found


def _settled(row: Transaction) -> Transaction:
    """A pending row has no day of booking yet, and a posted one has one: that of the purchase where no other is said.

    Raises: InvalidDataError for a posted row without any day.
    """
    has_purchase = row.transaction_on is not None or row.transaction_at is not None
    if row.pending and has_purchase:
        return replace(row, booking_on=None, booking_at=None)
    if row.pending:
        made: dict[str, Any] = {"transaction_on": row.booking_on, "transaction_at": row.booking_at}
        return replace(row, booking_on=None, booking_at=None, **made)
    if not has_purchase:
        raise InvalidDataError("a posted record has no day")
    return replace(row, booking_on=row.transaction_on, booking_at=row.transaction_at)


def currency_reader(value: TextValue | None, hooks: Hooks) -> TextReader:
    """Return a reader of a currency, in capitals; it reads nothing where the manifest does not say where."""
    if value is None:
        return _nothing
    read = text_reader(value, hooks)

    def currency(record: Record, scene: Scene) -> str | None:
        found = read(record, scene)
        return found if found is None or found in MINOR_UNITS else found.upper()

    return currency


def _stated_reader(
    request: TransactionsRequest, hooks: Hooks
) -> Callable[[Record, Scene, str | None], dict[str, str] | None] | None:
    """Return a reader of what is stated of the money besides; None where the manifest says nothing of it."""
    fields = request.fields
    original_of = amount_reader(fields.original_amount) if fields.original_amount else None
    currency_of = currency_reader(fields.original_currency, hooks)
    rate_of = text_reader(fields.exchange_rate, hooks) if fields.exchange_rate else None
    balance_of = amount_reader(fields.balance_after) if fields.balance_after else None
    if original_of is None and rate_of is None and balance_of is None:
        return None

    def stated(record: Record, scene: Scene, currency: str | None) -> dict[str, str] | None:
        original_currency = currency_of(record, scene)
        if original_currency == currency:
            original_currency = None  # a purchase at home; without a currency only a number would be known
        abroad = original_currency is not None
        amount = original_of(record, scene, original_currency) if original_of and abroad else None
        balance = balance_of(record, scene, currency) if balance_of else None
        named = {
            "original_amount": None if amount is None else format(amount, "f"),
            "original_currency": original_currency,
            "exchange_rate": rate_of(record, scene) if rate_of and abroad else None,
            "balance_after": None if balance is None else format(balance, "f"),
        }
        return {name: text for name, text in named.items() if text} or None

    return stated


def read_records(
    records: Iterable[Any], read: ReadTransaction, scene: Scene, id_of: TextReader | None
) -> tuple[tuple[Transaction, ...], tuple[RejectedRow, ...]]:
    """Return what could be read of a page, and what could not with the reason."""
    rows: list[Transaction] = []
    rejected: list[RejectedRow] = []
    for record in records:
        try:
            row = read(record, scene)
        except (InvalidDataError, ValueError) as error:
            rejected.append(_rejected(record, error, scene, id_of))
        else:
            if row is not None:
                rows.append(row)
    return tuple(rows), tuple(rejected)


def _rejected(record: Any, error: Exception, scene: Scene, id_of: TextReader | None) -> RejectedRow:  # noqa: ANN401 - the provider's own JSON
    external_id = None
    if id_of is not None and isinstance(record, dict):
        try:
            external_id = id_of(record, scene)
        except InvalidDataError:
            external_id = None
    message = str(error) if isinstance(error, InvalidDataError) else "a value is none of those that are known"
    return RejectedRow(
        code=InvalidDataError.code,
        message=message,
        raw=json.dumps(record, default=str, ensure_ascii=False),
        account_id=scene.account_id,
        external_id=external_id,
    )
