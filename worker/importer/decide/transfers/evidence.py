"""Says what speaks for and against a transfer between two rows: kinds, words, account numbers, shapes of payments."""

import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from worker.connectors.base import AccountType, TransactionKind

_TRANSFER_KINDS = frozenset({TransactionKind.TRANSFER, TransactionKind.CARD_PAYMENT})
_NEUTRAL_KINDS = frozenset({None, TransactionKind.OTHER})
_MIN_MASK = 4
_MIN_NAME = 5
_TRANSFER_WORDS = re.compile(
    r"transfer|xfer|payment|autopay|standing order|umbuchung|überweisung|dauerauftrag|virement|traspaso|bonifico"
    r"|giroconto|overboeking",
    re.IGNORECASE,
)
"""A pair with one of these words may be suggested as a transfer, and is never matched for them alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferLeg:
    """One row that may be a side of a transfer.

    Attributes:
        words: Counterparty and description.
        anchor: Of the account it is booked on, as are mask, name and account_type.
    """

    id: int
    account_id: int
    amount: Decimal
    currency: str
    on: date
    kind: str | None
    counterparty_account: str | None
    words: str
    anchor: str | None
    mask: str | None
    name: str
    account_type: str


def both_labelled(one: TransferLeg, other: TransferLeg) -> bool:
    """Return whether the provider calls both sides transfers."""
    return one.kind in _TRANSFER_KINDS and other.kind in _TRANSFER_KINDS


def is_labelled(one: TransferLeg, other: TransferLeg) -> bool:
    """Return whether the provider calls at least one side a transfer."""
    return one.kind in _TRANSFER_KINDS or other.kind in _TRANSFER_KINDS


def contradicts(one: TransferLeg, other: TransferLeg) -> bool:
    """Return whether a side contradicts a transfer: it has another kind, or names a third party."""
    if _names_a_stranger(one, other) or _names_a_stranger(other, one):
        return True
    other_kinds = {one.kind, other.kind} - _TRANSFER_KINDS - _NEUTRAL_KINDS
    return bool(other_kinds) and not (names_account(one, other) or names_account(other, one))


def name_each_other(one: TransferLeg, other: TransferLeg) -> bool:
    """Return whether each leg names the account of the other."""
    return names_account(one, other) and names_account(other, one)


def names_account(leg: TransferLeg, other: TransferLeg) -> bool:
    """Return whether a leg names the account of the other: by its number, or by its last digits."""
    if leg.counterparty_account and _account_number(other):
        return _without_spaces(leg.counterparty_account) == _account_number(other)
    if other.mask is None or len(other.mask) < _MIN_MASK:
        return False
    text = f"{leg.words} {leg.counterparty_account or ''}"
    return re.search(rf"{re.escape(other.mask)}(?!\d)", text) is not None


def _names_a_stranger(leg: TransferLeg, other: TransferLeg) -> bool:
    number = _account_number(other)
    return bool(leg.counterparty_account and number and _without_spaces(leg.counterparty_account) != number)


def is_suggestive_pair(one: TransferLeg, other: TransferLeg) -> bool:
    """Return whether one of the sides makes a transfer likely enough to ask."""
    return suggests_transfer(one, other) or suggests_transfer(other, one)


def suggests_transfer(leg: TransferLeg, other: TransferLeg) -> bool:
    """Return whether a transfer is likely enough to ask: by kind, by words, or by the shape of a card payment."""
    if leg.kind in _TRANSFER_KINDS or _TRANSFER_WORDS.search(leg.words):
        return True
    if len(other.name) >= _MIN_NAME and other.name.casefold() in leg.words.casefold():
        return True
    pays_a_card = other.account_type == AccountType.CREDIT and leg.account_type != AccountType.CREDIT
    return pays_a_card and leg.amount < 0


def _account_number(leg: TransferLeg) -> str | None:
    """Return the number of a leg's account; a hash of it cannot be compared."""
    kind, _, number = (leg.anchor or "").partition(":")
    return _without_spaces(number) if kind == "iban" and number else None


def _without_spaces(number: str) -> str:
    return "".join(number.split()).upper()
