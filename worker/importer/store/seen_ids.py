"""Which ids a delivery has named so far, in eight bytes per id: what it has not met it knows, the rest it suspects."""

from collections.abc import Iterable

_BITS_PER_ROW = 64


class SeenIds:
    """The ids met by one step: a bitmap of their hashes, so that a million ids take eight megabytes at most."""

    def __init__(self, rows: int) -> None:
        """Make room. rows: how many ids will be met at most; with more it only suspects more often."""
        size = max(rows * _BITS_PER_ROW, 1 << 10)
        self._mask = (1 << size.bit_length() - 1) - 1
        self._bits = bytearray((self._mask >> 3) + 1)

    def suspects(self, ids: Iterable[bytes]) -> list[bytes]:
        """Meet the ids, and return those that may have been met before: all that were, and one other in some fifty."""
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
