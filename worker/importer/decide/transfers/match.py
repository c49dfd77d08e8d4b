"""Matches two rows as a transfer by evidence for and against it, and suggests pairs that only a user can judge.

A pair needs evidence beyond amount and day: a leg names the other account, or the provider calls it a transfer and
nothing contradicts. Without that two unrelated rows of one amount would vanish from the books together.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import partial

from worker.connectors.base import AccountType, TransactionKind
from worker.importer.decide.compare.one_to_one import (
    MAX_CANDIDATES,
    Key,
    Match,
    OneToOne,
    PlacePair,
    Rating,
    evenly_matched,
)
from worker.importer.decide.compare.text_similarity import days_apart
from worker.importer.decide.reasons import Reason

MAX_DAYS = 4
MAX_DAYS_NAMED = 7
"""Days between two legs that name each other's account: holidays on either side of a weekend."""

_COST_PER_DAY = 0.1
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


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferMatches:
    """Certain pairs, and pairs that a user should decide."""

    certain: Sequence[Match[TransferLeg, TransferLeg]]
    suggestions: Sequence[Match[TransferLeg, TransferLeg]]


def match_transfers(ours: Sequence[TransferLeg], theirs: Sequence[TransferLeg]) -> TransferMatches:
    """Match rows of one account with rows of the user's other accounts."""
    matching = OneToOne(ours, theirs)
    fitting = [pair for pair in _near(matching, ours, theirs) if not _contradicts(*matching.items(pair))]
    near = [pair for pair in fitting if _days_between(*matching.items(pair)) <= MAX_DAYS]
    matching.choose(near, _rate_named_account)
    mutual = [pair for pair in matching.free(fitting) if _name_each_other(*matching.items(pair))]
    matching.choose(evenly_matched(mutual), _rate_named_account)
    labelled = [pair for pair in matching.free(near) if _both_labelled(*matching.items(pair))]
    matching.choose(evenly_matched(labelled), _rate_label)
    matching.choose(evenly_matched(matching.free(near)), _rate_label)
    certain = list(matching.matches)
    worth_asking = [pair for pair in matching.free(near) if _is_worth_asking(*matching.items(pair))]
    asked = [pair for pair in evenly_matched(worth_asking) if _is_suggestive_pair(*matching.items(pair))]
    return TransferMatches(certain=certain, suggestions=matching.choose(asked, _rate_suggestion))


def _near(
    matching: OneToOne[TransferLeg, TransferLeg], ours: Sequence[TransferLeg], theirs: Sequence[TransferLeg]
) -> list[PlacePair]:
    """Pair opposite amounts within some days, unless neither side has evidence: of those nothing could follow.

    Thousands of equal coffees on either account would be millions of pairs. A leg with more than `MAX_CANDIDATES`
    others has none.
    """
    our_evidence = _ids_with_evidence(ours, theirs)
    their_evidence = _ids_with_evidence(theirs, ours)

    def ours_with(leg: TransferLeg) -> tuple[Key, date]:
        return (leg.currency, leg.amount) if leg.id in our_evidence else None, leg.on

    def ours_without(leg: TransferLeg) -> tuple[Key, date]:
        return None if leg.id in our_evidence else (leg.currency, leg.amount), leg.on

    def any_of_theirs(leg: TransferLeg) -> tuple[Key, date]:
        return (leg.currency, -leg.amount), leg.on

    def theirs_with(leg: TransferLeg) -> tuple[Key, date]:
        return (leg.currency, -leg.amount) if leg.id in their_evidence else None, leg.on

    near = partial(matching.pairs_by_key_and_day, max_days=MAX_DAYS_NAMED, most=MAX_CANDIDATES)
    return [*near(ours_with, any_of_theirs), *near(ours_without, theirs_with)]


def _ids_with_evidence(legs: Sequence[TransferLeg], others: Iterable[TransferLeg]) -> set[int]:
    """Return the legs that say something of a transfer to one of the others' accounts."""
    accounts = {other.account_id: other for other in others}.values()
    return {leg.id for leg in legs if any(_suggests(leg, account) or _names(leg, account) for account in accounts)}


def _rate_named_account(one: TransferLeg, other: TransferLeg) -> Rating | None:
    named = _names(one, other) or _names(other, one)
    return Rating(days_apart(one.on, other.on) * _COST_PER_DAY, Reason.NAMES_THE_ACCOUNT) if named else None


def _rate_label(one: TransferLeg, other: TransferLeg) -> Rating | None:
    """Rate a pair of which the provider calls at least one side a transfer; the other is one too, or of no kind."""
    labelled = one.kind in _TRANSFER_KINDS or other.kind in _TRANSFER_KINDS
    return Rating(days_apart(one.on, other.on) * _COST_PER_DAY, Reason.CALLED_A_TRANSFER) if labelled else None


def _rate_suggestion(one: TransferLeg, other: TransferLeg) -> Rating:
    return Rating(float(days_apart(one.on, other.on)), Reason.EQUAL_AND_OPPOSITE)


def _both_labelled(one: TransferLeg, other: TransferLeg) -> bool:
    return one.kind in _TRANSFER_KINDS and other.kind in _TRANSFER_KINDS


def _is_worth_asking(one: TransferLeg, other: TransferLeg) -> bool:
    return one.kind in _TRANSFER_KINDS or other.kind in _TRANSFER_KINDS or days_apart(one.on, other.on) <= 1


def _contradicts(one: TransferLeg, other: TransferLeg) -> bool:
    """Return whether a side contradicts a transfer: it has another kind, or names a third party."""
    if _names_a_stranger(one, other) or _names_a_stranger(other, one):
        return True
    other_kinds = {one.kind, other.kind} - _TRANSFER_KINDS - _NEUTRAL_KINDS
    return bool(other_kinds) and not (_names(one, other) or _names(other, one))


def _days_between(one: TransferLeg, other: TransferLeg) -> int:
    return days_apart(one.on, other.on)


def _name_each_other(one: TransferLeg, other: TransferLeg) -> bool:
    return _names(one, other) and _names(other, one)


def _names(leg: TransferLeg, other: TransferLeg) -> bool:
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


def _is_suggestive_pair(one: TransferLeg, other: TransferLeg) -> bool:
    return _suggests(one, other) or _suggests(other, one)


def _suggests(leg: TransferLeg, other: TransferLeg) -> bool:
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
