"""Matches rows of a user's accounts as transfers by evidence for and against it, and suggests what only they can judge.

A pair needs evidence beyond amount and day: a leg names the other account, or the provider calls it a transfer and
nothing contradicts. Without that two unrelated rows of one amount would vanish from the books together.

All rows of an amount that may be legs are decided together, those that leave an account and those that arrive,
whichever account a run reads: who is imported first changes nothing. As many on either side are as many transfers,
whichever is paired with which. Where one side has more, its rows are told apart by what they say of a transfer: equal
ones are paired in their order and the last ones wait, others are a question.
"""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from datetime import date

from worker.importer.decide.compare.one_to_one import Key, OneToOne, PlacePair
from worker.importer.decide.transfers.evidence import TransferLeg, has_evidence
from worker.importer.decide.transfers.rounds import MAX_DAYS, MAX_DAYS_NAMED, Rounds, TransferMatches

MAX_COMPARED_PAIRS = 40_000
"""Rows of an amount that make more pairs are not compared, which would take minutes: they are asked about."""


def match_transfers(legs: Sequence[TransferLeg], apart: AbstractSet[tuple[int, int]] = frozenset()) -> TransferMatches:
    """Match rows that leave an account with those that arrive on another one.

    Args:
        legs: Rows of all accounts of a user, each amount with all its rows of some days.
        apart: Pairs that the user parted, by their ids, the lower one first.
    """
    in_order = sorted(legs, key=lambda leg: (leg.on, leg.id))
    matching = OneToOne([leg for leg in in_order if leg.amount < 0], [leg for leg in in_order if leg.amount > 0])
    compared, not_compared = _candidates(matching)
    rounds = Rounds(matching, compared, apart)
    rounds.settle_by_evidence()
    certain = list(matching.matches)
    return TransferMatches(certain=certain, suggestions=rounds.ask(not_compared))


def _candidates(matching: OneToOne[TransferLeg, TransferLeg]) -> tuple[list[PlacePair], list[PlacePair]]:
    """Pair opposite amounts within some days, unless no leg of an amount has evidence: of those nothing could follow.

    Returns the pairs to compare; and of amounts that make too many, those of the legs in their order.
    """
    outs, ins = [leg for _, leg in matching.free_lefts()], [leg for _, leg in matching.free_rights()]
    evident = {_key(leg)[0] for leg in (*_with_evidence(outs, ins), *_with_evidence(ins, outs))}

    def key_with_evidence(leg: TransferLeg) -> tuple[Key, date]:
        key, on = _key(leg)
        return key if key in evident else None, on

    counted = matching.count_pairs_by_key_and_day(key_with_evidence, key_with_evidence, MAX_DAYS_NAMED)
    crowded = {key for key, pairs in counted.items() if pairs > MAX_COMPARED_PAIRS}

    def key_compared(leg: TransferLeg) -> tuple[Key, date]:
        key, on = key_with_evidence(leg)
        return None if key in crowded else key, on

    def key_of_crowd(leg: TransferLeg) -> tuple[Key, date]:
        key, on = _key(leg)
        return key if key in crowded else None, on

    compared = matching.pairs_by_key_and_day(key_compared, key_compared, MAX_DAYS_NAMED)
    in_order = (
        matching.pairs_in_order(key_of_crowd, key_of_crowd, days_later=days)
        for days in sorted(range(-MAX_DAYS, MAX_DAYS + 1), key=abs)
    )
    return list(compared), [pair for pairs in in_order for pair in pairs]


def _with_evidence(legs: Sequence[TransferLeg], others: Iterable[TransferLeg]) -> list[TransferLeg]:
    """Return the legs that say something of a transfer to one of the others' accounts."""
    accounts = {other.account_id: other for other in others}.values()
    return [leg for leg in legs if any(has_evidence(leg, account) for account in accounts)]


def _key(leg: TransferLeg) -> tuple[Key, date]:
    return (leg.currency, abs(leg.amount)), leg.on
