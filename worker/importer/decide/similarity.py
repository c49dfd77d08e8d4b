"""Rates how similar two texts are, and how far two days are apart."""

import re
from collections import Counter
from collections.abc import Collection, Iterable
from datetime import date
from difflib import SequenceMatcher

from worker.words import words_of

ALIKE = 0.5
"""Texts that are at least so similar are taken to name the same merchant."""

_MIN_JOINED = 5
_JOINED_IN_OTHER = 0.9
_MIN_LETTERS_ALIKE = 0.8
"""Below this, letters coincide by chance."""


MIN_TEXTS = 6
"""Of fewer texts nothing says which of their words name no merchant."""


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
    if common:
        left, right = without_words(left, common), without_words(right, common)
    left_words, right_words = _words(left), _words(right)
    if not left_words or not right_words:
        return 0.0
    shared = len(left_words & right_words) / min(len(left_words), len(right_words))
    return shared if shared == 1 else max(shared, _similarity_of_joined_words(left, right))


def without_words(text: str, left_out: Collection[str]) -> str:
    """Return the words of a text but for some of them."""
    return " ".join(word for word in words_of(text) if word not in left_out)


def _words(text: str) -> frozenset[str]:
    return frozenset(word for word in words_of(text) if not word.isdigit() and len(word) > 1)


def _similarity_of_joined_words(left: str, right: str) -> float:
    """Compare names that were cut or run together: `BLUEBOTTLE` and `Blue Bottle Coffee`."""
    short, long = sorted((_joined(left), _joined(right)), key=len)
    if len(short) < _MIN_JOINED:
        return 0.0
    if short in long:
        return _JOINED_IN_OTHER
    ratio = SequenceMatcher(None, short[:60], long[:60]).ratio()
    return ratio if ratio >= _MIN_LETTERS_ALIKE else 0.0


def _joined(text: str) -> str:
    return re.sub(r"\d", "", "".join(words_of(text)))


def days_apart(left: date, right: date) -> int:
    """Return the distance in days."""
    return abs((left - right).days)
