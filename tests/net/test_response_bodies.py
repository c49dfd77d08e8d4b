"""An answer is unpacked piece by piece and given up as soon as it is more than a provider could mean."""

import gzip
import io
import tracemalloc
import zlib
from functools import partial

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.net.response_bodies import BodyLimits, BodyTooLargeError, read_body

packed = partial(gzip.compress, mtime=0)
"""The same bytes in every second: they are a part of tests' names, which two processes must agree about."""
MIB = 1024**2


class _Pieces(httpx2.SyncByteStream):
    def __init__(self, content, size):
        self._content = io.BytesIO(content)
        self._size = size

    def __iter__(self):
        return iter(lambda: self._content.read(self._size), b"")


def answered(content, encoding="", size=1400, **limits):
    headers = {"content-encoding": encoding} if encoding else {}
    response = httpx2.Response(200, headers=headers, stream=_Pieces(content, size))
    return read_body(response, BodyLimits(**limits))


def _raw_deflate(content):
    packing = zlib.compressobj(wbits=-15)
    return packing.compress(content) + packing.flush()


PACKED = {
    "": bytes,
    "identity": bytes,
    "gzip": gzip.compress,
    "X-GZIP": gzip.compress,
    "deflate": zlib.compress,
    " Deflate ": _raw_deflate,
}


@pytest.mark.parametrize("encoding", PACKED)
@given(content=st.binary(max_size=300), repeat=st.integers(1, 400), size=st.integers(1, 3000))
def test_every_encoding_that_was_asked_for_is_read_however_it_arrives(encoding, content, repeat, size):
    whole = content * repeat
    assert answered(PACKED[encoding](whole), encoding, size) == whole


def test_gzip_may_come_in_members():
    assert answered(packed(b"one ") + packed(b"two"), "gzip", 5) == b"one two"


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (packed(b"x" * 5000)[:-9], "gzip"),
        (b"no gzip at all", "gzip"),
        (packed(packed(b"x")), "gzip, gzip"),
        (b"\x1b", "br"),
        (b"x", "gzip\x00"),
    ],
)
def test_what_cannot_be_unpacked_or_was_not_asked_for_is_refused(content, encoding):
    with pytest.raises(httpx2.DecodingError):
        answered(content, encoding)


@given(st.binary(max_size=2000), st.sampled_from(sorted(PACKED)))
def test_any_bytes_are_unpacked_or_refused(content, encoding):
    try:
        answered(content, encoding)
    except httpx2.DecodingError:
        return


@pytest.mark.parametrize(
    ("content", "encoding", "limits"),
    [
        (b"x" * 11, "", {"max_bytes": 10}),
        (packed(b"x" * 11), "gzip", {"max_bytes": 10}),
        (packed(b"0" * 3 * MIB), "gzip", {}),
        (b"[" + b"{}," * 10 + b"{}]", "", {"max_values": 20}),
        (b"\xef\xbb\xbf [" + b"1," * 30 + b"1]", "", {"max_values": 20}),
    ],
)
def test_more_than_the_limits_is_given_up(content, encoding, limits):
    with pytest.raises(BodyTooLargeError):
        answered(content, encoding, **limits)


def test_kilobytes_that_stand_for_gigabytes_cost_next_to_nothing():
    bomb = packed(b"{}," * 20 * MIB, compresslevel=9)
    assert len(bomb) < 100_000
    tracemalloc.start()
    try:
        with pytest.raises(BodyTooLargeError):
            answered(bomb, "gzip", 65_536)
        assert tracemalloc.get_traced_memory()[1] < 12 * MIB
    finally:
        tracemalloc.stop()


def test_a_large_answer_is_weighed_once_and_only_then():
    asked = []
    heavy = {"heavy_bytes": 100, "heavy_values": 10, "refuse_if_heavy": lambda: asked.append(1)}
    answered(b"[" + b"1," * 5 + b"1]", **heavy)
    assert asked == []
    answered(b"[" + b"1," * 20 + b"1]", **heavy)
    assert asked == [1]
    answered(b"[" + b"1," * 200 + b"1]", **heavy)
    assert asked == [1, 1]
