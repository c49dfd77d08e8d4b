"""Decides per account whether the transaction ids of its files identify transactions. Pure."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from worker.connectors.base import Transaction
from worker.connectors.file.statement.events import day_of

_MAX_WATCHED = 200_000
_COUNTER_DIGITS = 4


class IdDoubt(StrEnum):
    """Why ids are no identities; the value is the sentence that people read."""

    LINE_NUMBERS = "ids are mere line numbers"
    REUSED = "an id stands for two different transactions"
    EQUAL_ROWS = "an id stands for two equal rows"
    RENUMBERED = "two files number the same transactions differently"


@dataclass(slots=True)
class UsedIds:
    """The ids of one account in one file, as hashes; memory is bounded.

    Attributes:
        facts: Hash of an id to the hash of its day and amount.
        contents: Hash of day, amount and text to the hash of the id; None where several ids share them.
        distrusted: The first reason found in this file.
    """

    facts: dict[int, int] = field(default_factory=dict)
    contents: dict[int, int | None] = field(default_factory=dict)
    distrusted: IdDoubt | None = None

    def see(self, transaction: Transaction) -> None:
        """Take note of one transaction."""
        number = transaction.external_id
        if number is None:
            return
        if len(number) <= _COUNTER_DIGITS and number.isdigit():
            self.distrusted = IdDoubt.LINE_NUMBERS
        elif len(self.facts) < _MAX_WATCHED:
            facts = _digest(day_of(transaction), transaction.amount)
            known_as = _digest(number)
            before = self.facts.setdefault(known_as, facts)
            content = _digest(facts, transaction.description)
            if before != facts:
                self.distrusted = IdDoubt.REUSED
            elif self.contents.get(content) == known_as:
                self.distrusted = self.distrusted or IdDoubt.EQUAL_ROWS
            # equal rows with ids of their own say nothing about the ids of another file
            self.contents[content] = known_as if self.contents.get(content) in {None, known_as} else None


def _digest(*facts: object) -> int:
    """Return the same number for the same facts in every process."""
    text = "|".join(map(str, facts))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=7).digest())


def distrusted(files: Iterable[UsedIds]) -> IdDoubt | None:
    """Return why the ids of an account are no identities, judged over all its files; None where they are."""
    seen: dict[int, int] = {}
    same = different = 0
    for ids in files:
        if ids.distrusted:
            return ids.distrusted
        for content, number in ids.contents.items():
            known = seen.get(content)
            if number is not None:
                same += known == number
                different += known not in {None, number}
                seen[content] = number
    return IdDoubt.RENUMBERED if different > same else None
