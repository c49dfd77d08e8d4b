"""A Bloom filter with one hash function: which trusted ids a delivery has named so far, in eight bytes per id."""

from collections.abc import Iterable

_BITS_PER_ROW = 64


class SeenIds:
    """The ids of one delivery as a bitmap of their hashes: at most eight megabytes for a million ids."""

    def __init__(self, rows: int) -> None:
        """Make room. rows: how many ids are expected; more of them only make false positives more frequent."""
        size = max(rows * _BITS_PER_ROW, 1 << 10)
        self._mask = (1 << size.bit_length() - 1) - 1
        self._bits = bytearray((self._mask >> 3) + 1)

    def add(self, ids: Iterable[bytes]) -> list[bytes]:
        """Add the ids, and return those that may have been added before: all that were, and one other in some fifty."""
        bits, mask = self._bits, self._mask
        suspects = []
        for id_ in ids:
            place = hash(id_) & mask
            bit = 1 << (place & 7)
            if bits[place >> 3] & bit:
                suspects.append(id_)
            else:
                bits[place >> 3] |= bit
        return suspects
