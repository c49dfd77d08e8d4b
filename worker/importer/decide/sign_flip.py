"""Detects that amounts have the opposite sign: all of an account from now on, or all of a second source of it.

Then the user is asked. Where it was the user who inverted the account, the rows follow.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import replace

from worker.importer.decide.absent_rows import Coverage
from worker.importer.decide.ids.match import IdentityMatches
from worker.importer.decide.read.context import ReadContext
from worker.importer.decide.read.line import fingerprint
from worker.importer.decide.slice_rows import SetAside
from worker.importer.decide.sources.rows import SourceRow
from worker.importer.decide.stored_row import State, StoredKey, StoredRow

MIN_FLIPPED = 2
MIN_OPPOSITE = 5
MIN_TIMES_MORE = 4


def signs_flipped(
    matches: IdentityMatches, in_full: Mapping[int, StoredRow], coverage: Coverage, rows_set_aside: int
) -> bool:
    """Return whether every delivered posted row has the opposite sign now.

    One row may have been corrected by the bank; one row that kept its sign says that the others were.

    Args:
        in_full: The stored rows that changed or are absent.
        rows_set_aside: How many stored rows were set aside as unchanged before.
    """
    if rows_set_aside or matches.unchanged:
        return False
    flipped = 0
    for match in matches.changed:
        row = in_full[match.known_id]
        if State.PENDING in (row.state, State.PENDING if match.line.pending else None) or not row.amount:
            continue
        if match.line.amount != -row.amount:
            return False
        flipped += 1
    # Words do not count: ids and texts may have changed with the signs.
    new = Counter((line.currency, line.amount, line.stated_on) for line in matches.new)
    for key in matches.undelivered:
        if key.state != State.POSTED or not (coverage.window is None or coverage.must_have(key.days)):
            continue
        absent = in_full.get(key.id)
        if absent is None or not new[absent.currency, -absent.amount, absent.days.stated_on]:
            return False
        flipped += 1
    return flipped >= MIN_FLIPPED


def opposite_fingerprints(matches: IdentityMatches, set_aside: SetAside, context: ReadContext) -> Mapping[bytes, bytes]:
    """Return by the fingerprint of a line the one that it has with the opposite sign, where all known rows changed."""
    if set_aside.transactions or matches.unchanged or not (matches.changed or matches.undelivered):
        return {}
    context = replace(context, sign=-context.sign)
    salt = context.fingerprint_salt
    return {item.fingerprint: fingerprint(item.transaction, context, salt).fingerprint for item in set_aside.rest}


def match_inverted_rows(matches: IdentityMatches, opposite: Mapping[bytes, bytes]) -> None:
    """Match new lines with stored rows that differ in the sign alone, after the user inverted the account.

    Args:
        opposite: See `opposite_fingerprints`.
    """
    rows: dict[bytes, deque[StoredKey]] = defaultdict(deque)
    for row in matches.undelivered:
        rows[row.fingerprint].append(row)
    left, matched = [], set()
    for line in matches.new:
        inverted = opposite.get(line.fingerprint)
        if inverted is None or not (found := rows.get(inverted)):
            left.append(line)
            continue
        row = found.popleft()
        matched.add(row.id)
        matches.take(line, row)
    matches.new[:] = left
    matches.undelivered[:] = [row for row in matches.undelivered if row.id not in matched]


def inverted_by_user(
    matches: IdentityMatches, in_full: Mapping[int, StoredRow], opposite: Mapping[bytes, bytes]
) -> bool:
    """Return whether the bank states a row as before, and only the user's choice of the sign changed it."""
    return any(opposite.get(match.line.fingerprint) == in_full[match.known_id].fingerprint for match in matches.changed)


def states_opposite_signs(rows: Sequence[SourceRow], others: Sequence[SourceRow]) -> bool:
    """Return whether a new source states the rows of an account's other sources with the opposite sign.

    Args:
        rows: Of the new source.
        others: Of the others, of the same days.
    """
    known = Counter((row.on, row.currency, row.amount) for row in others)
    equal = Counter((row.on, row.currency, row.amount) for row in rows) & known
    opposite = Counter((row.on, row.currency, -row.amount) for row in rows) & known
    return opposite.total() >= MIN_OPPOSITE and opposite.total() >= MIN_TIMES_MORE * equal.total()
