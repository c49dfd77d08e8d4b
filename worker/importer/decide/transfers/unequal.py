"""Matches rows of unequal amounts as transfers: of two currencies, or with a fee.

Where both rows state one amount, as what was sent abroad or as what it was before a fee, the same evidence makes them
a transfer as makes two rows of one amount one, and so does that each states the amount of the other. Everything else is
a question at most: one leg names the other account and little is missing, or both say that they move money and neither
for what, on near days, and neither fits another one.
"""

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Self

from worker.importer.decide.compare.one_to_one import MAX_CANDIDATES, OneToOne, PlacePair, Rating, unambiguous
from worker.importer.decide.reasons import Reason
from worker.importer.decide.transfers.evidence import (
    TransferLeg,
    is_labelled,
    name_each_other,
    names_by_word,
    names_for_certain,
    tells,
)
from worker.importer.decide.transfers.money_moved import (
    Booked,
    asked_because,
    missing_share,
    rough_gap,
    sent_abroad,
    state_each_other,
    states_more,
    states_the_same,
)
from worker.importer.decide.transfers.rough_rates import rough_rate
from worker.importer.decide.transfers.rounds import MAX_DAYS, MAX_DAYS_NAMED, Rounds, TransferMatches, days_between

MAX_FEE_SHARE = Decimal("0.1")
"""So much of what left may be missing where a leg names the other account."""

_MAX_FEE_SHARE_BY_WORDS = Decimal("0.02")
_MAX_ROUGH_GAP = Decimal("1.5")
_MAX_ROUGH_GAP_BY_WORDS = Decimal("1.2")

MOVING_WORDS = re.compile(
    r"transfer|xfer|umbuchung|überweisung|virement|traspaso|bonifico|giroconto|overboeking|exchange|conver[st]"
    r"|umtausch|geldwechsel|cambio",
    re.IGNORECASE,
)
"""Words of rows that move or exchange money; purchases are payments as well."""

_SAYS_NO_MORE = re.compile(
    rf"\w*(?:{MOVING_WORDS.pattern})\w*|account|bank|between|credit|debit|eigene|eingang|erhalten|funds|from|gesendet"
    r"|gutschrift|incoming|instant|internal|into|konto|money|nach|outgoing|own|payment|received|sent|sepa|savings|von"
    r"|zahlung|reçu|[eé]mis|vers|depuis|compte|ricevuto|inviato|conto|recibida|enviada|cuenta|ontvangen|verstuurd|rekening",
    re.IGNORECASE,
)
"""Words that say no more of a row than that money came or went."""

_WORD = re.compile(r"[^\W\d_]{3,}")


def match_unequal(
    legs: Sequence[TransferLeg],
    apart: AbstractSet[tuple[int, int]] = frozenset(),
    waiting: AbstractSet[int] = frozenset(),
) -> TransferMatches:
    """Match rows that leave an account with rows of another amount or currency that arrive on another one.

    Args:
        legs: Rows of all accounts of a user that tell of a transfer, and those that they name.
        apart: Pairs that the user parted, by their ids, the lower one first.
        waiting: Ids of rows that wait for an answer: they may be paired, and are asked about no second time.
    """
    in_order = sorted(legs, key=lambda leg: (leg.on, leg.id))
    matching = OneToOne([leg for leg in in_order if leg.amount < 0], [leg for leg in in_order if leg.amount > 0])
    accounts = {leg.account_id: leg for leg in in_order}.values()
    told = {leg.id: _Told.of(leg, accounts) for leg in in_order}

    def both(pair: PlacePair) -> tuple[_Told, _Told]:
        out, into = matching.items(pair)
        return told[out.id], told[into.id]

    pairs = list(_near_pairs(matching))
    stating = (pair for pair in pairs if any(one.states_more for one in both(pair)))
    rounds = Rounds(matching, (pair for pair in stating if states_the_same(*matching.items(pair))), apart, waiting)
    rounds.settle_by_evidence()
    rounds.settle(rounds.near, state_each_other, Reason.STATES_THE_AMOUNT)
    certain = list(matching.matches)
    suggestions = rounds.ask()
    free = rounds.to_ask(pairs)
    naming = (pair for pair in free if _name(*both(pair)))
    moving = (pair for pair in free if _move(*both(pair)))
    named = rounds.fitting(pair for pair in naming if _is_likely(*matching.items(pair)))
    said = rounds.fitting(pair for pair in moving if _is_possible(*matching.items(pair)))
    suggestions += matching.choose([*named, *matching.free(unambiguous(said))], _rate)
    return TransferMatches(certain=certain, suggestions=suggestions)


@dataclass(frozen=True, slots=True)
class _Told:
    """What a leg tells by itself, read once: of pairs there are a hundred times as many.

    Attributes:
        account_id: The account that it is booked on.
        states_more: It states what was moved by more than its own amount.
        names: The accounts that it names.
        says: One of its words says that it moves money.
        moves: It is said to move money, by its words or its provider, and to no third party.
    """

    account_id: int
    states_more: bool
    names: frozenset[int]
    says: bool
    moves: bool

    @classmethod
    def of(cls, leg: TransferLeg, accounts: Iterable[TransferLeg]) -> Self:
        says = MOVING_WORDS.search(leg.words) is not None
        named = (one.account_id for one in accounts if one.account_id != leg.account_id and _names(leg, one))
        moves = leg.counterparty_account is None and (says or is_labelled(leg))
        return cls(leg.account_id, states_more(leg), frozenset(named), says, moves)


def _name(one: _Told, other: _Told) -> bool:
    """Return whether a leg names the account of the other."""
    return other.account_id in one.names or one.account_id in other.names


def _move(one: _Told, other: _Told) -> bool:
    """Return whether both legs are said to move money; some providers call most rows transfers: one has to say so."""
    return one.moves and other.moves and (one.says or other.says)


def _near_pairs(matching: OneToOne[TransferLeg, TransferLeg]) -> Iterator[PlacePair]:
    """Yield the pairs of near days whose amounts can be those of one transfer; of a leg with very many of them none."""
    arrived: dict[tuple[str, date], list[tuple[Decimal, int]]] = defaultdict(list)
    for place, leg in matching.free_rights():
        arrived[leg.currency, leg.on].append((leg.amount, place))
    for of_day in arrived.values():
        of_day.sort()
    currencies = {currency for currency, _ in arrived}
    days = [timedelta(days=days) for days in range(-MAX_DAYS_NAMED, MAX_DAYS_NAMED + 1)]
    for place, leg in matching.free_lefts():
        near: list[tuple[list[tuple[Decimal, int]], int, int]] = []
        for currency in currencies:
            least, most = _arriving(leg, currency)
            for day in days:
                of_day = arrived.get((currency, leg.on + day), [])
                first = 0 if least is None else bisect_left(of_day, (least, 0))
                last = len(of_day) if most is None else bisect_left(of_day, (most, 0))
                near.append((of_day, first, last))
        if sum(last - first for _, first, last in near) <= MAX_CANDIDATES:
            yield from ((place, right) for of_day, first, last in near for _, right in of_day[first:last])


def _arriving(out: TransferLeg, currency: str) -> tuple[Decimal | None, Decimal | None]:
    """Return how much of what left can arrive in a currency: at least the first amount, and less than the second."""
    left = abs(out.amount)
    if currency == out.currency:
        return left * (1 - MAX_FEE_SHARE), left
    rate = rough_rate(out.currency, currency)
    if rate is None:
        return None, None
    sent = sent_abroad(out, currency)
    least, most = min([left * rate / _MAX_ROUGH_GAP, *sent]), max([left * rate * _MAX_ROUGH_GAP, *sent])
    return least * (1 - MAX_FEE_SHARE), most + 1


def could_be_one(out: Booked, into: Booked) -> bool:
    """Return whether the amounts can be those of one transfer, as far as a question about them goes."""
    return out.amount < 0 < into.amount and _fits_roughly(out, into, MAX_FEE_SHARE, _MAX_ROUGH_GAP)


def _is_likely(out: TransferLeg, into: TransferLeg) -> bool:
    """Return whether two legs of which one names the other account can be one transfer, by days and amounts."""
    most = MAX_DAYS_NAMED if name_each_other(out, into) else MAX_DAYS
    return days_between(out, into) <= most and could_be_one(out, into)


def _names(leg: TransferLeg, other: TransferLeg) -> bool:
    """Return whether a leg names another account; its name alone may be any word where nothing tells of a transfer."""
    return names_for_certain(leg, other) or (tells(leg) and names_by_word(leg, other))


def _is_possible(out: TransferLeg, into: TransferLeg) -> bool:
    """Return whether two legs that are said to move money can be one transfer of which hardly anything is missing."""
    if days_between(out, into) > 1:
        return False
    unlisted = out.currency != into.currency and rough_gap(out, into) is None and missing_share(out, into) is None
    fits = not unlisted and _fits_roughly(out, into, _MAX_FEE_SHARE_BY_WORDS, _MAX_ROUGH_GAP_BY_WORDS)
    return fits and not _are_for_different_things(out, into)


def _are_for_different_things(one: TransferLeg, other: TransferLeg) -> bool:
    """Return whether each leg says what it is for, or with whom, and none of it is what the other says."""
    said = [_said_besides(leg, {one.name, other.name, one.currency, other.currency}) for leg in (one, other)]
    return all(said) and said[0].isdisjoint(said[1])


def _said_besides(leg: TransferLeg, either: AbstractSet[str]) -> set[str]:
    """Return the words of a leg that say more than that money moves; `either`: what the accounts are called."""
    own = {word for name in either for word in _WORD.findall(name.casefold())}
    words = (word for word in _WORD.findall(leg.words.casefold()) if not _SAYS_NO_MORE.fullmatch(word))
    return {*words} - own


def _fits_roughly(out: Booked, into: Booked, most_missing: Decimal, most_off: Decimal) -> bool:
    share = missing_share(out, into)
    if share is not None:
        return 0 <= share <= most_missing
    gap = rough_gap(out, into)
    return gap is None or gap <= most_off


def _rate(out: TransferLeg, into: TransferLeg) -> Rating:
    off = missing_share(out, into)
    gap = rough_gap(out, into) if off is None else None
    share = float(off if off is not None else gap - 1 if gap is not None else 1)
    return Rating(days_between(out, into) + share, asked_because(out, into))
