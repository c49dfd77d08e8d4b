"""Finds how equal purchases of two sources meet anew where rows are left alone on both sides. Pure.

Sources that are read day by day deliver equal purchases one at a time. A row meets the nearest one that is free then.
So a later row may find its partner taken, while a row of some days before is alone in the other source: one purchase
too many. Taken together (`sources.meet`), as many meet as the source with fewer rows has: every row between the two
that are alone passes its partner on. So does a row whose partner became another purchase, of another amount.
"""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from worker.importer.decide.compare.one_to_one import PlacePair
from worker.importer.decide.sources.meet import meet_rows
from worker.importer.decide.sources.rows import SourceRow, Spans


@dataclass(frozen=True, slots=True, kw_only=True)
class PairChain:
    """Rows that meet anew, from a left row that was alone to a right one that was.

    Attributes:
        pairs: The new pairs in their order: the left row of each but the first had the right row of the one before.
    """

    pairs: Sequence[PlacePair]

    @property
    def first_left(self) -> int:
        """The left row that was alone."""
        return self.pairs[0][0]

    @property
    def last_right(self) -> int:
        """The right row that was alone."""
        return self.pairs[-1][1]


def find_chains(
    lefts: Sequence[SourceRow],
    rights: Sequence[SourceRow],
    present: Mapping[int, int],
    spans: Spans | None,
    apart: AbstractSet[PlacePair] = frozenset(),
) -> list[PairChain]:
    """Return the chains after which fewer rows are alone; no row is in two of them.

    Args:
        lefts: Rows of one source, over many days: those that have met, and those that are alone.
        rights: Rows of the other sources.
        present: The pairs there are, left row to right row.
        spans: The days of both sides.
        apart: Pairs that a user parted.
    """
    wanted = {one.left: one.right for one in meet_rows(lefts, rights, spans=spans, apart=apart).met}
    left_of = {right: left for left, right in present.items()}
    alone = (place for place in range(len(lefts)) if place not in present)
    chains = (list(_followed(place, wanted, left_of)) for place in alone)
    return [PairChain(pairs=pairs) for pairs in chains if pairs and pairs[-1][1] not in left_of]


def _followed(left: int, wanted: Mapping[int, int], left_of: Mapping[int, int]) -> Iterator[PlacePair]:
    """Yield the pair that a row should have, then that of the row whose partner it takes, and so on."""
    place: int | None = left
    while place is not None and place in wanted:
        yield place, wanted[place]
        place = left_of.get(wanted[place])
