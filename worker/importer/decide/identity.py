"""Which row is which: identities from trusted ids, content keys where ids cannot be trusted. Pure."""

from datetime import date
from decimal import Decimal
from hashlib import blake2b

DIGEST_BYTES = 16
MAX_PLAIN_ID_BYTES = 64


def digest(*parts: str) -> bytes:
    """Return a short digest of the parts; no two different lists of parts share one text."""
    return blake2b("\x1f".join(parts).encode("utf-8", "surrogatepass"), digest_size=DIGEST_BYTES).digest()


def id_identity(external_id: str, namespace: str = "") -> bytes:
    """Return the identity of a row whose id is trusted. namespace: the session its ids live in, for session ids."""
    plain_id = f"{namespace}\x1f{external_id}".encode("utf-8", "surrogatepass")
    return b"id" + plain_id if len(plain_id) <= MAX_PLAIN_ID_BYTES else digest("id", namespace, external_id)


def content_identity(key: bytes, occurrence: int) -> bytes:
    """Return the identity of the n-th row (from 0) with this content: two equal coffees are two rows."""
    return digest("content", key.hex(), str(occurrence))


def content_key(*, day: date | None, amount: Decimal, currency: str, texts: tuple[str | None, ...]) -> bytes:
    """Return the key of what a row says. Case and white space do not count; the order of texts does."""
    said = [day.isoformat() if day else "", plain(amount), currency]
    said += [folded(text) if text else "" for text in texts]
    return digest("\x1f".join(said))


def plain(amount: Decimal) -> str:
    """Return the amount as digits: 12.50 and 12.5 are one amount."""
    return format(amount.normalize(), "f")


def folded(text: str) -> str:
    """Return the text as it is compared: one case, single spaces."""
    return " ".join(text.casefold().split())
