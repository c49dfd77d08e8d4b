"""Rates how similar two texts are, and how far two days are apart."""

import re
from collections import Counter
from collections.abc import Collection, Iterable
from datetime import date
from difflib import SequenceMatcher
from functools import lru_cache
from typing import NamedTuple

from worker.words import words_of

ALIKE = 0.5
"""Texts that are at least so similar are taken to name the same merchant."""

SURE = 0.75
"""Texts must be so similar where a wrong match could hide a purchase."""

_MIN_JOINED = 5
_JOINED_IN_OTHER = 0.9
_MIN_LETTERS_ALIKE = 0.8
"""Below this, letters coincide by chance."""

_MAX_LETTERS = 60
"""So many letters of joined words are compared."""


MIN_TEXTS = 6
"""Fewer texts do not say which of their words name no merchant."""


def common_words(texts: Iterable[str]) -> frozenset[str]:
    """Return the words that most different texts of an account have, such as `CARD PAYMENT`: they name no merchant."""
    different = {_words(text) for text in texts}
    counts = Counter(word for words in different for word in words)
    enough = len(different) >= MIN_TEXTS
    return frozenset(word for word, count in counts.items() if enough and count * 2 > len(different))


def similarity(left: str, right: str, *, common: frozenset[str] = frozenset()) -> float:
    """Return how alike two descriptions are, 0 to 1: the share of the shorter one's words found in the other.

    Numbers alone do not count: card, terminal and reference numbers change between a pending row and its booking.

    Args:
        common: Words that name no merchant. A description of nothing else is like no other one.
    """
    one, other = _taken_apart(left, common), _taken_apart(right, common)
    if not one.words or not other.words:
        return 0.0
    shared = len(one.words & other.words) / min(len(one.words), len(other.words))
    return shared if shared == 1 else max(shared, _similarity_of_joined_words(one, other))


class _TakenApart(NamedTuple):
    """A text as it is compared.

    Attributes:
        words: Its words but for numbers.
        joined: All words in their order, without digits.
        letters: The letters of the beginning of `joined`, each as often as it is there: 64 bits for each of 32 kinds.
    """

    words: frozenset[str]
    joined: str
    letters: int


@lru_cache(maxsize=4096)
def _taken_apart(text: str, common: frozenset[str]) -> _TakenApart:
    """Take a text apart once, however many others it is compared with: that takes longer than to compare two."""
    if common:
        text = without_words(text, common)
    joined = re.sub(r"\d", "", "".join(words_of(text)))
    counts = Counter(ord(letter) % 32 for letter in joined[:_MAX_LETTERS])
    return _TakenApart(_words(text), joined, sum((1 << count) - 1 << 64 * kind for kind, count in counts.items()))


def without_words(text: str, left_out: Collection[str]) -> str:
    """Return the words of a text but for some of them."""
    return " ".join(word for word in words_of(text) if word not in left_out)


def _words(text: str) -> frozenset[str]:
    return frozenset(word for word in words_of(text) if not word.isdigit() and len(word) > 1)


def _similarity_of_joined_words(one: _TakenApart, other: _TakenApart) -> float:
    """Compare names that were cut or run together: `BLUEBOTTLE` and `Blue Bottle Coffee`."""
    short, long = sorted((one.joined, other.joined), key=len)
    if len(short) < _MIN_JOINED:
        return 0.0
    if short in long:
        return _JOINED_IN_OTHER
    short, long = short[:_MAX_LETTERS], long[:_MAX_LETTERS]
    # Whatever their order, no more letters can agree than both have. To compare the order takes 50 times as long.
    in_both = (one.letters & other.letters).bit_count()
    if 2 * in_both / (len(short) + len(long)) < _MIN_LETTERS_ALIKE:
        return 0.0
    ratio = SequenceMatcher(None, short, long).ratio()
    return ratio if ratio >= _MIN_LETTERS_ALIKE else 0.0


def days_apart(left: date, right: date) -> int:
    """Return the distance in days."""
    return abs((left - right).days)
