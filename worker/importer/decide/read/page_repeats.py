"""Drops rows that a page repeats from the end of the previous page, as offset paging does while rows are added.

Equal rows on one page are purchases of their own. So are equal rows on two pages that nothing tells apart: an overlap
is a repeat only if it is a sequence of different rows, or if its rows have a reference, or an id that no other row has.
"""

from collections import Counter
from collections.abc import Sequence

from worker.connectors.base import Transaction


def repeated_rows(previous: Sequence[Transaction], page: Sequence[Transaction]) -> int:
    """Return how many rows at the start of a page are the last ones of the previous page."""
    if not previous or not page:
        return 0
    first = page[0]
    for start in range(max(0, len(previous) - len(page)), len(previous)):
        if previous[start].amount != first.amount or previous[start] != first:
            continue
        overlap = previous[start:]
        if list(overlap) == list(page[: len(overlap)]) and _is_evident(overlap, [*previous, *page]):
            return len(overlap)
    return 0


def _is_evident(overlap: Sequence[Transaction], rows: Sequence[Transaction]) -> bool:
    first = overlap[0]
    if first.reference or any(row != first for row in overlap):
        return True
    has_id = bool((first.external_id or "").strip())
    return has_id and all(row == first for row in rows if row.external_id == first.external_id)


def times_told(page: Sequence[Transaction]) -> Counter[tuple[str, str]]:
    """Return how often a page tells an id, by account and id, where it does so several times."""
    ids = [row.external_id for row in page if row.external_id]
    if len(set(ids)) == len(ids):
        return Counter()
    told = Counter((row.account_id, row.external_id) for row in page if row.external_id)
    return Counter({which: times for which, times in told.items() if times > 1})
