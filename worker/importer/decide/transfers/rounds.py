"""Chooses the evident ones of pairs of rows whose amounts are those of one transfer, and those to ask about. Pure."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import timedelta

from worker.importer.decide.compare.most_pairs import most_pairs, pairs_by_group
from worker.importer.decide.compare.one_to_one import Match, OneToOne, PlacePair, Rating
from worker.importer.decide.compare.text_similarity import days_apart
from worker.importer.decide.reasons import Reason
from worker.importer.decide.transfers.evidence import (
    TransferLeg,
    are_both_labelled,
    contradicts,
    either_names,
    is_either_labelled,
    is_labelled,
    is_suggestive,
    name_each_other,
    says,
)
from worker.importer.decide.transfers.money_moved import asked_because

MAX_DAYS = 4
MAX_DAYS_NAMED = 7
"""Days between two legs that name each other's account: holidays on either side of a weekend."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferMatches:
    """Certain pairs, and pairs that a user should decide."""

    certain: Sequence[Match[TransferLeg, TransferLeg]]
    suggestions: Sequence[Match[TransferLeg, TransferLeg]]


class Rounds:
    """The pairs of the legs while they are chosen, by the strongest evidence first.

    Attributes:
        near: Pairs of few days that nothing contradicts.
    """

    def __init__(
        self,
        matching: OneToOne[TransferLeg, TransferLeg],
        pairs: Iterable[PlacePair],
        apart: AbstractSet[tuple[int, int]],
        waiting: AbstractSet[int] = frozenset(),
    ) -> None:
        """Begin.

        Args:
            matching: Rows that leave an account, and rows that arrive on one.
            pairs: Those of them whose amounts are those of one transfer.
            apart: Pairs that the user parted, by their ids, the lower one first.
            waiting: Ids of rows that wait for an answer: they may be paired, and are asked about no second time.
        """
        self._matching = matching
        self._apart = apart
        self._waiting = waiting
        self._fitting = self.fitting(pairs)
        self.near = [pair for pair in self._fitting if days_between(*matching.items(pair)) <= MAX_DAYS]
        self._contested: list[PlacePair] = []

    def settle_by_evidence(self) -> None:
        """Choose the pairs of which a leg names the other account, then those that a provider calls transfers."""
        self.settle(self.near, either_names, Reason.NAMES_THE_ACCOUNT)
        self.settle(self._fitting, name_each_other, Reason.NAMES_THE_ACCOUNT)
        self.settle(self.near, are_both_labelled, Reason.CALLED_A_TRANSFER)
        self.settle(self.near, is_either_labelled, Reason.CALLED_A_TRANSFER)

    def settle(
        self, pairs: Sequence[PlacePair], evidence: Callable[[TransferLeg, TransferLeg], bool], reason: Reason
    ) -> None:
        """Choose among the pairs with this evidence, group by group; what stays contested is asked about."""
        evident = [pair for pair in self._matching.free(pairs) if evidence(*self._matching.items(pair))]
        for group in pairs_by_group(evident):
            chosen = self._settled(group, reason)
            self._matching.choose(chosen, lambda one, other: Rating(float(days_between(one, other)), reason))
            self._contested += group if len(chosen) < len(group) else []

    def ask(self, not_compared: Iterable[PlacePair] = ()) -> list[Match[TransferLeg, TransferLeg]]:
        """Choose the nearest pairs of what is left that are worth a question.

        Args:
            not_compared: Pairs of amounts that have too many to compare them.
        """
        worth_asking = [
            *self._contested,
            *(pair for pair in self.near if _is_worth_asking(*self._matching.items(pair))),
            *(pair for pair in self.fitting(not_compared) if is_suggestive(*self._matching.items(pair))),
        ]
        return self._matching.choose(
            self.to_ask(worth_asking),
            lambda one, other: Rating(float(days_between(one, other)), asked_because(one, other)),
        )

    def to_ask(self, pairs: Iterable[PlacePair]) -> list[PlacePair]:
        """Return the pairs of which neither row is paired, or waits for an answer."""
        legs = self._matching.items
        return [p for p in self._matching.free(pairs) if self._waiting.isdisjoint(leg.id for leg in legs(p))]

    def fitting(self, pairs: Iterable[PlacePair]) -> list[PlacePair]:
        """Return the pairs that neither the user parted nor anything contradicts."""
        return [pair for pair in pairs if self._fits(pair)]

    def _settled(self, group: Sequence[PlacePair], reason: Reason) -> list[PlacePair]:
        """Return the pairs of a group that are certain; a chain longer than legs are apart is cut into its days."""
        chosen = self._whole(group, reason)
        days = {leg.on for pair in group for leg in self._matching.items(pair)}
        if chosen or max(days) - min(days) <= timedelta(days=MAX_DAYS):
            return chosen
        of_one_day = (pair for pair in group if days_between(*self._matching.items(pair)) == 0)
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


def _is_worth_asking(one: TransferLeg, other: TransferLeg) -> bool:
    near = is_either_labelled(one, other) or days_between(one, other) <= 1
    return near and is_suggestive(one, other)


def days_between(one: TransferLeg, other: TransferLeg) -> int:
    """Return how many days two legs are apart."""
    return days_apart(one.on, other.on)
