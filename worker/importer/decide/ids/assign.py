"""Decides which identity the row of each line gets: that of its trusted id, or the next free one of its content."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping

from worker.importer.decide.decisions import RowIdentity
from worker.importer.decide.read.identity import content_identity
from worker.importer.decide.read.line import Line
from worker.importer.decide.stored_row import StoredRow


def assign_identities(
    rows: Iterable[tuple[Line, StoredRow | None]], next_occurrence: Mapping[bytes, int], taken: Collection[bytes]
) -> list[RowIdentity]:
    """Return the identities that rows get, in their order; no two lines get the same occurrence of one content.

    Args:
        rows: What the bank says of each row, and the row as it is stored; None for a new one.
        next_occurrence: By content key, the first occurrence that no row of the days has.
        taken: Identities that rows have already.
    """
    following = dict(next_occurrence)
    assigned: list[RowIdentity] = []
    for line, known in rows:
        if line.identity is not None:
            assigned.append(RowIdentity(line.identity, 0))
        elif known is not None and known.has_content_identity(line.content_key):
            assigned.append(RowIdentity(known.identity, known.occurrence))
        else:
            occurrence = following.get(line.content_key, 0)
            while (identity := content_identity(line.content_key, occurrence)) in taken:
                occurrence += 1
            following[line.content_key] = occurrence + 1
            assigned.append(RowIdentity(identity, occurrence))
    return assigned


def possible_identities(lines: Iterable[Line], next_occurrence: Mapping[bytes, int]) -> list[bytes]:
    """Return the identities that rows of these lines may get, with room for as many equal ones again."""
    counts = Counter(line.content_key for line in lines if line.identity is None)
    return [
        content_identity(key, occurrence)
        for key, count in counts.items()
        for occurrence in range(next_occurrence.get(key, 0), next_occurrence.get(key, 0) + 2 * count)
    ]
