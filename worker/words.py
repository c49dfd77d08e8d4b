"""Compares texts by their words, whatever marks and blanks stand between them. Pure."""

import re
from typing import Protocol

_WORD = re.compile(r"[^\W_]+")


class SaidOfPayment(Protocol):
    """A row, line or transaction, as far as it says in words what a payment is."""

    @property
    def counterparty(self) -> str | None:
        """The other side."""

    @property
    def description(self) -> str:
        """The text of the bank."""


def payment_text(payment: SaidOfPayment) -> str:
    """Return all that is said of a payment in words: the other side, then the description."""
    return f"{payment.counterparty or ''} {payment.description}"


def words_of(text: str) -> list[str]:
    """Return the words of a text, numbers too, in one case and in their order."""
    return _WORD.findall(text.casefold())


def words_apart(one: str, other: str) -> int | None:
    """Return how many words, numbers too, one text has that the other lacks; None where each has some of its own.

    Exports of one account tell a payment with more words or with fewer: a column is filled in one of them and empty in
    another, or a text is cut. What either has of its own speaks of two payments.
    """
    ours, theirs = set(words_of(one)), set(words_of(other))
    return len(ours ^ theirs) if ours <= theirs or theirs <= ours else None
