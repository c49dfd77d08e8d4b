"""What two rows of two accounts say of whether they are one transfer. Pure."""

import re
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Protocol

from worker.connectors.base import AccountType, TransactionKind

TRANSFER_KINDS = frozenset({TransactionKind.TRANSFER, TransactionKind.CARD_PAYMENT})
_NEUTRAL_KINDS = frozenset({None, TransactionKind.OTHER})
MIN_MASK = 4
MIN_NAME = 5
TRANSFER_WORDS = re.compile(
    r"transfer|xfer|payment|autopay|standing order|umbuchung|überweisung|dauerauftrag|virement|traspaso|bonifico"
    r"|giroconto|overboeking",
    re.IGNORECASE,
)
"""A pair with one of these words may be suggested as a transfer, and is never matched for them alone."""

_WITH_DIGIT = re.compile(r"\S*\d\S*")


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferLeg:
    """One row that may be a side of a transfer.

    Attributes:
        words: Counterparty and description.
        bank_account_id: The account that it is booked on; None while nobody knows which one its source is of.
        anchor: Of the account it is booked on, as are mask, name and account_type.
        stated_amounts: What the bank states of the money besides, by name (`Transaction.stated_amounts`).
    """

    id: int
    account_id: int
    bank_account_id: int | None
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
    stated_amounts: Mapping[str, str] | None = None


class NamedAccount(Protocol):
    """What a row may name an account by."""

    @property
    def anchor(self) -> str | None:
        """What never changes of it, such as its number."""

    @property
    def mask(self) -> str | None:
        """Its last digits."""

    @property
    def name(self) -> str:
        """As its bank calls it."""


def contradicts(one: TransferLeg, other: TransferLeg) -> bool:
    """Return whether two rows are no transfer: of one account, of another kind, or one names a third party."""
    if one.account_id == other.account_id or one.bank_account_id == other.bank_account_id is not None:
        return True
    if _names_a_stranger(one, other) or _names_a_stranger(other, one):
        return True
    other_kinds = {one.kind, other.kind} - TRANSFER_KINDS - _NEUTRAL_KINDS
    return bool(other_kinds) and not either_names(one, other)


def either_names(one: TransferLeg, other: TransferLeg) -> bool:
    """Return whether a side names the account of the other."""
    return names_for_certain(one, other) or names_for_certain(other, one)


def name_each_other(one: TransferLeg, other: TransferLeg) -> bool:
    """Return whether each side names the account of the other."""
    return names_for_certain(one, other) and names_for_certain(other, one)


def are_both_labelled(one: TransferLeg, other: TransferLeg) -> bool:
    """Return whether the provider calls both sides a transfer."""
    return is_labelled(one) and is_labelled(other)


def is_either_labelled(one: TransferLeg, other: TransferLeg) -> bool:
    """Return whether the provider calls at least one side a transfer; the other is one too, or of no kind."""
    return is_labelled(one) or is_labelled(other)


def is_labelled(leg: TransferLeg) -> bool:
    """Return whether the provider calls a row a transfer."""
    return leg.kind in TRANSFER_KINDS


def is_suggestive(one: TransferLeg, other: TransferLeg) -> bool:
    """Return whether a transfer is likely enough to ask: by kind, words, name, or the shape of a card payment."""
    return _suggests(one, other) or _suggests(other, one)


def names_by_word(leg: TransferLeg, other: NamedAccount) -> bool:
    """Return whether a row says the name of an account, which may be a common word."""
    return len(other.name) >= MIN_NAME and other.name.casefold() in leg.words.casefold()


def names(leg: TransferLeg, other: NamedAccount) -> bool:
    """Return whether a row names an account, by its number, last digits or name."""
    return names_for_certain(leg, other) or names_by_word(leg, other)


def tells(leg: TransferLeg) -> bool:
    """Return whether a row is called a transfer, by its provider or by one of its words."""
    return is_labelled(leg) or TRANSFER_WORDS.search(leg.words) is not None


def has_evidence(leg: TransferLeg, account: TransferLeg) -> bool:
    """Return whether a row says something of a transfer to the account of another one."""
    return _suggests(leg, account) or names_for_certain(leg, account)


def says(leg: TransferLeg, others: Iterable[TransferLeg]) -> Hashable:
    """Return what is equal of rows that a user cannot tell apart by what they say of a transfer.

    Rows that name an account are all transfers to it, whatever else they say. References have digits and differ.

    Args:
        others: A row of each account that it may name.
    """
    named = frozenset(other.account_id for other in others if names_for_certain(leg, other))
    if named:
        return leg.account_id, named
    words = " ".join(_WITH_DIGIT.sub(" ", leg.words).casefold().split())
    return leg.account_id, leg.kind, leg.counterparty_account, words


def names_for_certain(leg: TransferLeg, other: NamedAccount) -> bool:
    """Return whether a leg names the account of the other: by its number, or by its last digits."""
    if leg.counterparty_account and account_number(other):
        return _without_spaces(leg.counterparty_account) == account_number(other)
    if other.mask is None or len(other.mask) < MIN_MASK:
        return False
    text = f"{leg.words} {leg.counterparty_account or ''}"
    return re.search(rf"{re.escape(other.mask)}(?!\d)", text) is not None


def _names_a_stranger(leg: TransferLeg, other: TransferLeg) -> bool:
    number = account_number(other)
    return bool(leg.counterparty_account and number and _without_spaces(leg.counterparty_account) != number)


def _suggests(leg: TransferLeg, other: TransferLeg) -> bool:
    if tells(leg) or names_by_word(leg, other):
        return True
    pays_a_card = other.account_type == AccountType.CREDIT and leg.account_type != AccountType.CREDIT
    return pays_a_card and leg.amount < 0


def account_number(account: NamedAccount) -> str | None:
    """Return the number of an account; a hash of it cannot be compared."""
    kind, _, number = (account.anchor or "").partition(":")
    return _without_spaces(number) if kind == "iban" and number else None


def _without_spaces(number: str) -> str:
    return "".join(number.split()).upper()
