"""Matches rows of a user's accounts as transfers by evidence for and against it, and suggests what only they can judge.

A pair needs evidence beyond amount and day: a leg names the other account, or the provider calls it a transfer and
nothing contradicts. Without that two unrelated rows of one amount would vanish from the books together.

All rows of an amount that may be legs are decided together, those that leave an account and those that arrive,
whichever account a run reads: who is imported first changes nothing. As many on either side are as many transfers,
whichever is paired with which. Where one side has more, its rows are told apart by what they say of a transfer: equal
ones are paired in their order and the last ones wait, others are a question.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import date, timedelta

from worker.importer.decide.compare.one_to_one import (
    Key,
    Match,
    OneToOne,
    PlacePair,
    Rating,
    most_pairs,
    pairs_by_group,
)
from worker.importer.decide.compare.text_similarity import days_apart
from worker.importer.decide.reasons import Reason
from worker.importer.decide.transfers.evidence import (
    TransferLeg,
    are_both_labelled,
    contradicts,
    either_names,
    has_evidence,
    is_either_labelled,
    is_labelled,
    is_suggestive,
    name_each_other,
    says,
)

MAX_DAYS = 4
MAX_DAYS_NAMED = 7
"""Days between two legs that name each other's account: holidays on either side of a weekend."""

MAX_COMPARED_PAIRS = 40_000
"""Rows of an amount that make more pairs are not compared, which would take minutes: they are asked about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferMatches:
    """Certain pairs, and pairs that a user should decide."""

    certain: Sequence[Match[TransferLeg, TransferLeg]]
    suggestions: Sequence[Match[TransferLeg, TransferLeg]]


def match_transfers(legs: Sequence[TransferLeg], apart: AbstractSet[tuple[int, int]] = frozenset()) -> TransferMatches:
    """Match rows that leave an account with those that arrive on another one.

    Args:
        legs: Rows of all accounts of a user, each amount with all its rows of some days.
        apart: Pairs that the user parted, by their ids, the lower one first.
    """
    in_order = sorted(legs, key=lambda leg: (leg.on, leg.id))
    matching = OneToOne([leg for leg in in_order if leg.amount < 0], [leg for leg in in_order if leg.amount > 0])
    rounds = _Rounds(matching, apart)
    rounds.settle(rounds.near, either_names, Reason.NAMES_THE_ACCOUNT)
    rounds.settle(rounds.fitting, name_each_other, Reason.NAMES_THE_ACCOUNT)
    rounds.settle(rounds.near, are_both_labelled, Reason.CALLED_A_TRANSFER)
    rounds.settle(rounds.near, is_either_labelled, Reason.CALLED_A_TRANSFER)
    certain = list(matching.matches)
    return TransferMatches(certain=certain, suggestions=rounds.ask())


class _Rounds:
    """The pairs of the legs while they are chosen, by the strongest evidence first.

    Attributes:
        fitting: Pairs of opposite amounts that nothing contradicts.
        near: Those of few days.
    """

    def __init__(self, matching: OneToOne[TransferLeg, TransferLeg], apart: AbstractSet[tuple[int, int]]) -> None:
        self._matching = matching
        self._apart = apart
        compared, self._not_compared = _candidates(matching)
        self.fitting = [pair for pair in compared if self._fits(pair)]
        self.near = [pair for pair in self.fitting if _days_between(*matching.items(pair)) <= MAX_DAYS]
        self._contested: list[PlacePair] = []

    def settle(
        self, pairs: Sequence[PlacePair], evidence: Callable[[TransferLeg, TransferLeg], bool], reason: Reason
    ) -> None:
        """Choose among the pairs with this evidence, group by group; what stays contested is asked about."""
        evident = [pair for pair in self._matching.free(pairs) if evidence(*self._matching.items(pair))]
        for group in pairs_by_group(evident):
            chosen = self._settled(group, reason)
            self._matching.choose(chosen, lambda one, other: Rating(float(_days_between(one, other)), reason))
            self._contested += group if len(chosen) < len(group) else []

    def ask(self) -> list[Match[TransferLeg, TransferLeg]]:
        """Choose the nearest pairs of what is left that are worth a question."""
        worth_asking = [
            *self._contested,
            *(pair for pair in self.near if _is_worth_asking(*self._matching.items(pair))),
            *(pair for pair in self._not_compared if self._fits(pair) and is_suggestive(*self._matching.items(pair))),
        ]
        return self._matching.choose(
            self._matching.free(worth_asking),
            lambda one, other: Rating(float(_days_between(one, other)), Reason.EQUAL_AND_OPPOSITE),
        )

    def _settled(self, group: Sequence[PlacePair], reason: Reason) -> list[PlacePair]:
        """Return the pairs of a group that are certain; a chain longer than legs are apart is cut into its days."""
        chosen = self._whole(group, reason)
        days = {leg.on for pair in group for leg in self._matching.items(pair)}
        if chosen or max(days) - min(days) <= timedelta(days=MAX_DAYS):
            return chosen
        of_one_day = (pair for pair in group if _days_between(*self._matching.items(pair)) == 0)
        return [pair for day in pairs_by_group(of_one_day) for pair in self._whole(day, reason)]

    def _whole(self, group: Sequence[PlacePair], reason: Reason) -> list[PlacePair]:
        """Return pairs of all legs of a group, or of all of one side where only alike ones are left over; else none."""
        chosen = most_pairs(group)
        lefts, rights = ({pair[side] for pair in group} for side in (0, 1))
        if len(chosen) < min(len(lefts), len(rights)):
            return []
        if len(lefts) == len(rights):
            return chosen
        more = 0 if len(lefts) > len(rights) else 1
        alike = [most_pairs(part) for part in self._by_what_they_say(group, more, reason)]
        fitting = [part for part in alike if len(part) == len(chosen)]
        return fitting[0] if len(fitting) == 1 else []

    def _by_what_they_say(self, group: Sequence[PlacePair], side: int, reason: Reason) -> list[list[PlacePair]]:
        """Return the pairs of a group by what is equal of the legs of one side.

        Where the provider's label is the only evidence, nothing is equal of legs that do not have it.
        """
        others = [self._matching.items(pair)[1 - side] for pair in group]
        accounts = list({other.account_id: other for other in others}.values())
        parts: dict[Hashable, list[PlacePair]] = defaultdict(list)
        for pair in group:
            leg = self._matching.items(pair)[side]
            is_told_apart = reason == Reason.CALLED_A_TRANSFER and not is_labelled(leg)
            parts[leg.id if is_told_apart else says(leg, accounts)].append(pair)
        return list(parts.values())

    def _fits(self, pair: PlacePair) -> bool:
        one, other = self._matching.items(pair)
        return (min(one.id, other.id), max(one.id, other.id)) not in self._apart and not contradicts(one, other)


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


def _is_worth_asking(one: TransferLeg, other: TransferLeg) -> bool:
    near = is_either_labelled(one, other) or _days_between(one, other) <= 1
    return near and is_suggestive(one, other)


def _days_between(one: TransferLeg, other: TransferLeg) -> int:
    return days_apart(one.on, other.on)


def _key(leg: TransferLeg) -> tuple[Key, date]:
    return (leg.currency, abs(leg.amount)), leg.on
