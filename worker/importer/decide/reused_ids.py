"""Finds lines whose id stood for another purchase before, and makes them rows of their own."""

from collections.abc import Mapping

from worker.importer.decide.line import Line
from worker.importer.decide.match_by_identity import IdentityMatches
from worker.importer.decide.similarity import ALIKE, days_apart, similarity
from worker.importer.decide.stored_row import State, StoredKey, StoredRow

MAX_DAYS_UNDER_ONE_ID = 31
"""A row that changes moves no further, as one that was booked ahead may; another purchase under its id is further."""


def set_reused_ids_apart(matches: IdentityMatches, details: Mapping[int, StoredRow]) -> bool:
    """Make lines rows of their own whose id stood for another purchase before; return whether there are any.

    That is one of another amount, in other words, on a day far away: no correction looks like that.
    """
    reused = [match for match in matches.changed if _is_other_purchase(match.line, details[match.known_id])]
    for match in reused:
        matches.changed.remove(match)
        matches.seen.discard(match.known_id)
        line, identity = match.line._replace(identity=None), match.line.identity
        row = next((row for row in matches.absent if _is_stored_as(line, row)), None)
        if row is not None:
            matches.absent.remove(row)
            matches.take(line, row)
            continue
        matches.new.append(line)
        if line.external_id is not None and identity is not None:
            matches.shared_ids = {**matches.shared_ids, line.external_id: identity}
    return bool(reused)


def _is_stored_as(line: Line, row: StoredKey) -> bool:
    return row.content_key == line.content_key and row.external_id == line.external_id


def _is_other_purchase(line: Line, known: StoredRow) -> bool:
    if line.identity is None or line.pending or known.state != State.POSTED or line.amount == known.amount:
        return False
    if line.stated_on is None or days_apart(line.stated_on, known.day) <= MAX_DAYS_UNDER_ONE_ID:
        return False
    texts = (f"{one.counterparty or ''} {one.description}" for one in (line, known))
    return similarity(*texts) < ALIKE
