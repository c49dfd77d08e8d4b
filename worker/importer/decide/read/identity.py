"""Computes the identity of a row: its trusted id, or its content and its number among equal rows."""

from datetime import date
from decimal import Context, Decimal
from hashlib import blake2b

DIGEST_BYTES = 16
MAX_PLAIN_ID_BYTES = 64
"""A longer id is stored as its digest: identities lie in an index."""

_LONGEST = 1000
"""How many digits of an amount are written out."""

_QUIET = Context(prec=28, traps=[])
"""Computes with NaN and infinities as well: a record gets its identity before it is known whether it can be read."""


def digest(*parts: str) -> bytes:
    """Return a short digest of the parts; other parts have other texts as long as none holds the unit separator."""
    return blake2b("\x1f".join(parts).encode("utf-8", "surrogatepass"), digest_size=DIGEST_BYTES).digest()


def id_identity(external_id: str, namespace: str = "") -> bytes:
    """Return the identity of a row whose id is trusted.

    Args:
        external_id: The provider's id.
        namespace: The session in which session ids are valid; empty for ids that stay.
    """
    plain_id = f"{namespace}\x1f{external_id}".encode("utf-8", "surrogatepass")
    return b"id" + plain_id if len(plain_id) <= MAX_PLAIN_ID_BYTES else digest("id", namespace, external_id)


def content_identity(key: bytes, occurrence: int) -> bytes:
    """Return the identity of the n-th row (from 0) with this content: two equal coffees are two rows."""
    return digest("content", key.hex(), str(occurrence))


def content_key(*, day: date | None, amount: Decimal, currency: str, texts: tuple[str | None, ...]) -> bytes:
    """Return a digest of a row's content. Case and white space do not count; the order of texts does."""
    folded = "\x1f".join([folded_text(text) if text else "" for text in texts])
    return digest(day.isoformat() if day else "", plain_amount(amount), currency, folded)


def plain_amount(amount: Decimal) -> str:
    """Return the amount as digits: 12.50 and 12.5 are one amount. One of over 1,000 digits stays as it is written."""
    if not -_LONGEST < amount.adjusted() < _LONGEST:
        return str(amount)
    return format(_QUIET.normalize(amount), "f")


def folded_text(text: str) -> str:
    """Return the text as it is compared: one case, single spaces."""
    return " ".join(text.casefold().split())
