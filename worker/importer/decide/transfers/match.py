"""Matches two rows as a transfer by evidence for and against it, and suggests pairs that only a user can judge.

A pair needs evidence beyond amount and day: a leg names the other account, or the provider calls it a transfer and
nothing contradicts. Without that two unrelated rows of one amount would vanish from the books together.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial

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
from worker.importer.decide.transfers.evidence import (
    TransferLeg,
    both_labelled,
    contradicts,
    is_labelled,
    is_suggestive_pair,
    name_each_other,
    names_account,
    suggests_transfer,
)

MAX_DAYS = 4
MAX_DAYS_NAMED = 7
"""Days between two legs that name each other's account: holidays on either side of a weekend."""

_COST_PER_DAY = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferMatches:
    """Certain pairs, and pairs that a user should decide."""

    certain: Sequence[Match[TransferLeg, TransferLeg]]
    suggestions: Sequence[Match[TransferLeg, TransferLeg]]


def match_transfers(ours: Sequence[TransferLeg], theirs: Sequence[TransferLeg]) -> TransferMatches:
    """Match rows of one account with rows of the user's other accounts."""
    matching = OneToOne(ours, theirs)
    fitting = [pair for pair in _near(matching, ours, theirs) if not contradicts(*matching.items(pair))]
    near = [pair for pair in fitting if _days_between(*matching.items(pair)) <= MAX_DAYS]
    matching.choose(near, _rate_named_account)
    mutual = [pair for pair in matching.free(fitting) if name_each_other(*matching.items(pair))]
    matching.choose(evenly_matched(mutual), _rate_named_account)
    labelled = [pair for pair in matching.free(near) if both_labelled(*matching.items(pair))]
    matching.choose(evenly_matched(labelled), _rate_label)
    matching.choose(evenly_matched(matching.free(near)), _rate_label)
    certain = list(matching.matches)
    worth_asking = [pair for pair in matching.free(near) if _is_worth_asking(*matching.items(pair))]
    asked = [pair for pair in evenly_matched(worth_asking) if is_suggestive_pair(*matching.items(pair))]
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
    return {
        leg.id
        for leg in legs
        if any(suggests_transfer(leg, account) or names_account(leg, account) for account in accounts)
    }


def _rate_named_account(one: TransferLeg, other: TransferLeg) -> Rating | None:
    named = names_account(one, other) or names_account(other, one)
    return Rating(days_apart(one.on, other.on) * _COST_PER_DAY, Reason.NAMES_THE_ACCOUNT) if named else None


def _rate_label(one: TransferLeg, other: TransferLeg) -> Rating | None:
    """Rate a pair of which the provider calls at least one side a transfer; the other is one too, or of no kind."""
    labelled = is_labelled(one, other)
    return Rating(days_apart(one.on, other.on) * _COST_PER_DAY, Reason.CALLED_A_TRANSFER) if labelled else None


def _rate_suggestion(one: TransferLeg, other: TransferLeg) -> Rating:
    return Rating(float(days_apart(one.on, other.on)), Reason.EQUAL_AND_OPPOSITE)


def _days_between(one: TransferLeg, other: TransferLeg) -> int:
    return days_apart(one.on, other.on)


def _is_worth_asking(one: TransferLeg, other: TransferLeg) -> bool:
    return is_labelled(one, other) or days_apart(one.on, other.on) <= 1
