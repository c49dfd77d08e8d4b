"""Which two rows are one transfer: evidence for, evidence against, and what only a person can judge. Pure.

A pair needs evidence beyond amount and day: a leg names the other account, or the provider calls it a transfer and
nothing speaks against it. Without that two strangers of one amount would vanish from the books together.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from worker.connectors.base import AccountType, TransactionKind
from worker.importer.decide.similarity import Match, bucketed_by_day, choose, days_apart

MAX_DAYS = 4
_KINDS = frozenset({TransactionKind.TRANSFER, TransactionKind.CARD_PAYMENT})
_OPEN = frozenset({None, TransactionKind.OTHER})
_MIN_MASK = 4
_MIN_NAME = 5
_MOVES = re.compile(
    r"transfer|xfer|payment|autopay|standing order|umbuchung|überweisung|dauerauftrag|virement|traspaso|bonifico"
    r"|giroconto|overboeking",
    re.IGNORECASE,
)
"""Words that make a pair worth a question; they never make a transfer."""


@dataclass(frozen=True, slots=True)
class TransferLeg:
    """One side of what may be a transfer. anchor, mask, name, account_type: of the account it is booked on."""

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


Pairs = list[tuple[TransferLeg, TransferLeg]]


def match_transfers(
    ours: Sequence[TransferLeg], theirs: Sequence[TransferLeg]
) -> tuple[list[Match[TransferLeg, TransferLeg]], list[Match[TransferLeg, TransferLeg]]]:
    """Return certain pairs, and pairs of equal amount and nearly equal day that only a person can judge."""
    near = [(one, other) for one, other in _near(ours, theirs) if not _denied(one, other)]
    certain = choose(near, _named)
    near = _left(near, certain)
    called = choose(_even([(a, b) for a, b in near if a.kind in _KINDS and b.kind in _KINDS]), _called)
    near = _left(near, called)
    called += choose(_even(near), _called)
    near = _left(near, called)
    doubtful = [(a, b) for a, b in near if a.kind in _KINDS or b.kind in _KINDS or days_apart(a.on, b.on) <= 1]
    asked = [pair for pair in _even(doubtful) if _hinted(*pair) or _hinted(*pair[::-1])]
    return [*certain, *called], choose(asked, lambda a, b: (float(days_apart(a.on, b.on)), "equal_and_opposite"))


def _near(ours: Sequence[TransferLeg], theirs: Sequence[TransferLeg]) -> Iterator[tuple[TransferLeg, TransferLeg]]:
    """Yield pairs of opposite amounts within some days, unless both sides are silent: of those nothing could follow.

    Thousands of equal coffees on either account would be millions of pairs.
    """
    loud_ours, silent_ours = _parted(ours, theirs)
    loud_theirs, _ = _parted(theirs, ours)
    for some, others in ((loud_ours, theirs), (silent_ours, loud_theirs)):
        yield from bucketed_by_day(
            some, others, lambda a: ((a.currency, a.amount), a.on), lambda b: ((b.currency, -b.amount), b.on), MAX_DAYS
        )


def _parted(legs: Sequence[TransferLeg], others: Sequence[TransferLeg]) -> tuple[list[TransferLeg], list[TransferLeg]]:
    """Part those that say something of a transfer to one of the others' accounts from those that do not."""
    accounts = {other.account_id: other for other in others}.values()
    loud = {id(leg) for leg in legs if any(_hinted(leg, account) or _names(leg, account) for account in accounts)}
    return [leg for leg in legs if id(leg) in loud], [leg for leg in legs if id(leg) not in loud]


def _left(pairs: Pairs, matches: Sequence[Match[TransferLeg, TransferLeg]]) -> Pairs:
    taken = {id(leg) for match in matches for leg in (match.left, match.right)}
    return [(a, b) for a, b in pairs if id(a) not in taken and id(b) not in taken]


def _even(pairs: Pairs) -> Pairs:
    """Keep pairs whose sides have equally many candidates: one for one, or so many alike that any order is right."""
    count = Counter(id(leg) for pair in pairs for leg in pair)
    return [(a, b) for a, b in pairs if count[id(a)] == count[id(b)]]


def _named(one: TransferLeg, other: TransferLeg) -> tuple[float, str] | None:
    named = _names(one, other) or _names(other, one)
    return (days_apart(one.on, other.on) * 0.1, "names_the_account") if named else None


def _called(one: TransferLeg, other: TransferLeg) -> tuple[float, str] | None:
    """What is near is a transfer or of no stated kind (`_denied`); one side has to be called one."""
    called = one.kind in _KINDS or other.kind in _KINDS
    return (days_apart(one.on, other.on) * 0.1, "called_a_transfer") if called else None


def _denied(one: TransferLeg, other: TransferLeg) -> bool:
    """Whether a side says that it is something else: another kind of thing, or money from or to a stranger."""
    if _names_a_stranger(one, other) or _names_a_stranger(other, one):
        return True
    other_kinds = {one.kind, other.kind} - _KINDS - _OPEN
    return bool(other_kinds) and not (_names(one, other) or _names(other, one))


def _names(leg: TransferLeg, other: TransferLeg) -> bool:
    """Whether a leg names the account of the other: by its number, or by its last digits."""
    if leg.counterparty_account and _number(other):
        return _bare(leg.counterparty_account) == _number(other)
    if other.mask is None or len(other.mask) < _MIN_MASK:
        return False
    said = f"{leg.words} {leg.counterparty_account or ''}"
    return re.search(rf"{re.escape(other.mask)}(?!\d)", said) is not None


def _names_a_stranger(leg: TransferLeg, other: TransferLeg) -> bool:
    return bool(leg.counterparty_account and _number(other) and _bare(leg.counterparty_account) != _number(other))


def _hinted(leg: TransferLeg, other: TransferLeg) -> bool:
    """Whether something makes a transfer likely enough to ask: its kind, its words, or the shape of a card payment."""
    if leg.kind in _KINDS or _MOVES.search(leg.words):
        return True
    if len(other.name) >= _MIN_NAME and other.name.casefold() in leg.words.casefold():
        return True
    pays_a_card = other.account_type == AccountType.CREDIT and leg.account_type != AccountType.CREDIT
    return pays_a_card and leg.amount < 0


def _number(leg: TransferLeg) -> str | None:
    """The number of a leg's account; a hash of it cannot be compared."""
    kind, _, number = (leg.anchor or "").partition(":")
    return _bare(number) if kind == "iban" and number else None


def _bare(number: str) -> str:
    return "".join(number.split()).upper()
