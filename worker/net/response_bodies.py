"""Reads a response body within limits, also when it unpacks to far more than was sent.

What JSON becomes in memory is twenty times its bytes and more, so the values that it can hold are counted in its bytes
before anything is made of them.
"""

import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import httpx2

_PIECE_BYTES = 64 * 1024
_OUTSIDE_OF_JSON = b" \t\r\n\xef\xbb\xbf"
_GZIP, _ZLIB, _DEFLATE = 31, 15, -15


class BodyTooLargeError(httpx2.TransportError):
    """The response is larger than its limits."""


def _do_nothing() -> None:
    """Do nothing: the default where no answer is too much."""


MAX_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyLimits:
    """How much an answer may hold.

    Attributes:
        max_bytes: Unpacked.
        max_ratio: Unpacked bytes for each packed one, from `free_bytes` on.
        max_values: Values of JSON, counted by the marks between them.
        heavy_bytes: From here on, or from `heavy_values`, `refuse_if_heavy` is asked.
        refuse_if_heavy: Raises where another worker is to read such an answer.
    """

    max_bytes: int = MAX_BYTES
    max_ratio: int = 100
    free_bytes: int = 1024 * 1024
    max_values: int = 1_000_000
    heavy_bytes: int = 4 * 1024 * 1024
    heavy_values: int = 150_000
    refuse_if_heavy: Callable[[], None] = _do_nothing


def read_body(answer: httpx2.Response, limits: BodyLimits) -> bytes:
    """Return the unpacked body.

    Raises: BodyTooLargeError, httpx2.DecodingError for an encoding that nobody asked for or that is damaged, and what
    `refuse_if_heavy` raises.
    """
    body = bytearray()
    heavy = False
    unpacked = _unpacked(answer.iter_raw(_PIECE_BYTES), answer.headers.get("content-encoding", ""))
    for piece in unpacked:
        body += piece
        if len(body) > limits.max_bytes:
            raise BodyTooLargeError(f"more than {limits.max_bytes} bytes")
        if len(body) > max(limits.free_bytes, answer.num_bytes_downloaded * limits.max_ratio):
            raise BodyTooLargeError(f"unpacks to more than {limits.max_ratio} times its size")
        if not heavy and len(body) > limits.heavy_bytes:
            heavy = True
            limits.refuse_if_heavy()
    values = _most_values(body)
    if values > limits.max_values:
        raise BodyTooLargeError(f"more than {limits.max_values} values")
    if not heavy and values > limits.heavy_values:
        limits.refuse_if_heavy()
    return bytes(body)


def _most_values(body: bytearray) -> int:
    """Return how many values JSON can hold at most, by the marks that begin or part them; 0 for other bodies."""
    if not body[:16].lstrip(_OUTSIDE_OF_JSON).startswith((b"{", b"[")):
        return 0
    return sum(body.count(mark) for mark in (b",", b"{", b"["))


def _unpacked(pieces: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    match encoding.strip().lower():
        case "" | "identity":
            yield from pieces
        case "gzip" | "x-gzip":
            yield from _inflated(pieces, _GZIP)
        case "deflate":
            yield from _deflated(pieces)
        case _:
            raise httpx2.DecodingError("an encoding that nobody asked for")


def _deflated(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Unpack `deflate`, which servers send with and without the frame of zlib."""
    arriving = iter(pieces)
    first = next(arriving, b"")
    framed = len(first) > 1 and first[0] & 0x0F == 8 and (first[0] * 256 + first[1]) % 31 == 0  # noqa: PLR2004 - RFC 1950
    yield from _inflated(_joined(first, arriving), _ZLIB if framed else _DEFLATE)


def _joined(first: bytes, others: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from others


def _inflated(pieces: Iterable[bytes], window_bits: int) -> Iterator[bytes]:
    """Unpack piece by piece, no more at once than a piece, whatever the packed bytes stand for."""
    inflating = zlib.decompressobj(window_bits)
    begun = False
    try:
        for packed in pieces:
            rest = packed
            while rest:
                if inflating.eof:  # another member of gzip
                    inflating = zlib.decompressobj(window_bits)
                begun = True
                yield inflating.decompress(rest, _PIECE_BYTES)
                rest = inflating.unconsumed_tail or inflating.unused_data
    except zlib.error:
        raise httpx2.DecodingError("wrongly compressed") from None
    if begun and not inflating.eof:
        raise httpx2.DecodingError("the compressed answer is cut off")
