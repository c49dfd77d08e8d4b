"""Compiles a manifest's fields into readers of accounts and balances. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from worker.connectors.base import Account, AccountType, Balance, BalanceKind
from worker.connectors.errors import InvalidDataError
from worker.connectors.manifest.amounts import AmountReader, amount_reader
from worker.connectors.manifest.fields import Hooks, Record, Scene, day_reader, moment_reader, place, text_reader
from worker.connectors.manifest.requests import AccountFields, AccountsRequest, BalanceFields
from worker.connectors.manifest.rows import currency_reader

MASK_LENGTH = 4
"""Characters of an account's number that are kept, for people to recognise it by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedAccount:
    """An account with what requests about it name.

    Attributes:
        opened_on: Its first day, where none before it may be asked for.
    """

    account: Account
    kept: dict[str, Any]
    opened_on: date | None = None


def account_reader(request: AccountsRequest, hooks: Hooks) -> Callable[[Record, Scene, datetime], AskedAccount]:
    """Return a reader of one account. The reader raises InvalidDataError."""
    fields = request.fields
    id_of, name_of = text_reader(fields.id, hooks), text_reader(fields.name, hooks)
    currency_of = currency_reader(fields.currency, hooks)
    type_of = text_reader(fields.type, hooks) if fields.type else None
    mask_of = text_reader(fields.mask, hooks) if fields.mask else None
    bank_of = text_reader(fields.institution, hooks) if fields.institution else None
    anchor_of = place(fields.anchor.path) if fields.anchor else None
    balance_of = balance_reader(fields)
    opened_of = day_reader(fields.opened_on) if fields.opened_on else None
    kept = {name: place(path) for name, path in request.keep.items()}

    def read(record: Record, scene: Scene, now: datetime) -> AskedAccount:
        external_id = id_of(record, scene)
        if external_id is None:
            raise InvalidDataError(f"{request.name}: an account without an id")
        currency = currency_of(record, scene)
        anchor = anchor_of(record, scene) if anchor_of else None
        number = mask_of(record, scene) if mask_of else None
        account = Account(
            external_id=external_id,
            name=name_of(record, scene) or external_id,
            account_type=_account_type(type_of(record, scene) if type_of else None),
            currency=currency,
            mask=number[-MASK_LENGTH:] if number else None,
            anchor=f"{fields.anchor.kind}:{str(anchor).replace(' ', '')}" if fields.anchor and anchor else None,
            institution_name=bank_of(record, scene) if bank_of else None,
            balance=balance_of(record, scene, currency, now),
        )
        return AskedAccount(
            account=account,
            kept={name: find(record, scene) for name, find in kept.items()},
            opened_on=opened_of(record, scene) if opened_of else None,
        )

    return read


def _account_type(text: str | None) -> AccountType:
    return AccountType(text) if text in set(AccountType) else AccountType.UNKNOWN


def balance_reader(
    fields: AccountFields | BalanceFields,
) -> Callable[[Record, Scene, str | None, datetime], Balance | None]:
    """Return a reader of a balance, the booked one where both are there."""
    readers: list[tuple[BalanceKind, AmountReader]] = [
        (kind, amount_reader(value))
        for kind, value in ((BalanceKind.BOOKED, fields.booked), (BalanceKind.AVAILABLE, fields.available))
        if value is not None
    ]
    at_of = moment_reader(fields.balance_at) if fields.balance_at else None

    def read(record: Record, scene: Scene, currency: str | None, now: datetime) -> Balance | None:
        for kind, amount_of in readers:
            amount: Decimal | None = amount_of(record, scene, currency)
            if amount is not None:
                return Balance(amount=amount, kind=kind, at=(at_of(record, scene) if at_of else None) or now)
        return None

    return read
