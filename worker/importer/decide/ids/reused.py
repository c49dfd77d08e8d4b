"""Finds lines whose id stood for another purchase before, and makes them rows of their own."""

from collections import Counter
from collections.abc import Mapping

from worker.importer.decide.absent_rows import Coverage
from worker.importer.decide.compare.text_similarity import ALIKE, similarity
from worker.importer.decide.ids.match import IdentityMatch, IdentityMatches
from worker.importer.decide.read.line import Line
from worker.importer.decide.stored_row import State, StoredKey, StoredRow
from worker.words import payment_text

MAX_DAYS_UNDER_ONE_ID = 31
"""A row that changes moves no further, as one that was booked ahead may; another purchase under its id is further."""


def set_reused_ids_apart(matches: IdentityMatches, in_full: Mapping[int, StoredRow], coverage: Coverage) -> None:
    """Make lines rows of their own whose id stood for another purchase before.

    Args:
        matches: What was recognised; lines that are no longer their rows are new ones then.
        in_full: The rows that changed, with all fields.
    """
    _give_rows_their_next_ids(matches, in_full, coverage)
    reused = [match for match in matches.changed if _is_other_purchase(match.line, in_full[match.known_id], coverage)]
    for match in reused:
        matches.changed.remove(match)
        matches.delivered_ids.discard(match.known_id)
        line, identity = match.line._replace(identity=None), match.line.identity
        row = next((row for row in matches.undelivered if _is_stored_as(line, row)), None)
        if row is not None:
            matches.undelivered.remove(row)
            matches.take(line, row)
            continue
        matches.new.append(line)
        if line.external_id is not None and identity is not None:
            matches.shared_ids = {**matches.shared_ids, line.external_id: identity}


def _give_rows_their_next_ids(matches: IdentityMatches, in_full: Mapping[int, StoredRow], coverage: Coverage) -> None:
    """Give rows the new ids under which they are there again, where their old ones have another amount.

    Banks that number the rows of a day do so when one is inserted before the others.
    """
    posted = [line for line in matches.new if not line.pending]
    counts = Counter(line.content_key for line in posted)
    again = {line.content_key: line for line in posted if line.identity and counts[line.content_key] == 1}
    for place, match in enumerate(matches.changed):
        known = in_full[match.known_id]
        line = again.get(known.content_key)
        changed_hands = (
            match.line.identity is not None and match.line.amount != known.amount and known.state == State.POSTED
        )
        if line is None or not changed_hands or match.line.pending or not coverage.would_have(known.days):
            continue
        del again[known.content_key]
        matches.changed[place] = IdentityMatch(line, known.id)
        matches.new[matches.new.index(line)] = match.line


def _is_stored_as(line: Line, row: StoredKey) -> bool:
    return row.content_key == line.content_key and row.external_id == line.external_id


def _is_other_purchase(line: Line, known: StoredRow, coverage: Coverage) -> bool:
    """Return whether no correction of a row looks like this line.

    It is of another amount, in other words, on a day far away; or it is on a much later day, and the bank was not
    asked about the day of the row, which may be there as before: ids are counted anew, or name a standing order.
    """
    if line.identity is None or line.pending or known.state != State.POSTED:
        return False
    if line.days.nearest_gap(known.days) <= MAX_DAYS_UNDER_ONE_ID:
        return False
    if line.days.day > known.days.day and coverage.is_past(known.days):
        return True
    return line.amount != known.amount and similarity(payment_text(line), payment_text(known)) < ALIKE
