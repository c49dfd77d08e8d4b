"""Matches the rows of a slice with stored ones, before and after the stored ones are known in full."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from worker.importer.decide.absent_rows import Coverage
from worker.importer.decide.decisions import RowRules
from worker.importer.decide.expenses.from_line import has_expense
from worker.importer.decide.ids.assign import possible_identities
from worker.importer.decide.ids.match import IdentityMatches, match_by_identity
from worker.importer.decide.ids.reused import set_reused_ids_apart
from worker.importer.decide.pending.match_moved import MAX_DAYS_MOVED_ALIKE
from worker.importer.decide.pending.match_posted import MAX_DAYS_TO_POST
from worker.importer.decide.read.context import ReadContext
from worker.importer.decide.read.line import Line
from worker.importer.decide.sign_flip import inverted_by_user, match_inverted_rows, opposite_fingerprints, signs_flipped
from worker.importer.decide.slice_rows import SliceRows
from worker.importer.decide.stored_row import State, StoredRow


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceMatches:
    """What was recognised by identity and content.

    Attributes:
        matches: Lines with their stored rows.
        opposite: By the fingerprint of a line, the one that it has with the opposite sign.
        undecided: Ids of the stored rows that are to be loaded in full.
        named_ids: Provider ids of the pending rows that new lines name.
        rows_set_aside: How many stored rows were set aside as unchanged.
        none_known: No stored row was delivered, though some are of days which the delivery covers.
    """

    matches: IdentityMatches
    opposite: Mapping[bytes, bytes]
    undecided: frozenset[int]
    named_ids: Sequence[str]
    rows_set_aside: int
    none_known: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsInFull:
    """Stored rows with all fields.

    Attributes:
        by_id: The undecided rows and those that new lines name, by their ids.
        named: Ids of the rows that new lines name, each with the provider's id by which they do.
    """

    by_id: Mapping[int, StoredRow]
    named: Mapping[int, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectedMatches:
    """What followed from the stored rows, and what is still to be loaded.

    Attributes:
        matches: Lines with their stored rows, corrected.
        signs_flipped: All amounts of the account have the opposite sign now, and the user did not ask for it.
        maybe_restated: Ids of stored rows that new lines may state otherwise, of the same day.
        maybe_moved: Ids of stored rows that new lines may state under another day.
        without_expense: Ids of the changed rows that have no expense.
        visible: The new lines, and those of these rows, that get an expense.
    """

    matches: IdentityMatches
    signs_flipped: bool
    maybe_restated: frozenset[int]
    maybe_moved: frozenset[int]
    without_expense: Sequence[int]
    visible: Sequence[Line]


def match_slice(rows: SliceRows, coverage: Coverage, context: ReadContext, rules: RowRules) -> SliceMatches:
    """Match lines with stored rows by identity and content."""
    matches = match_by_identity(
        rows.lines, rows.known, rows.aliases, coverage, rows.shared_ids, links_pending=rules.links_pending
    )
    opposite = opposite_fingerprints(matches, rows.set_aside, context)
    match_inverted_rows(matches, opposite)
    return SliceMatches(
        matches=matches,
        opposite=opposite,
        undecided=frozenset(undecided_ids(matches, coverage)),
        named_ids=[line.pending_external_id for line in matches.new if line.pending_external_id],
        rows_set_aside=len(rows.set_aside.row_ids),
        none_known=not rows.set_aside.row_ids and _knows_none(matches, coverage),
    )


def _knows_none(matches: IdentityMatches, coverage: Coverage) -> bool:
    if matches.unchanged or matches.changed or not matches.new:
        return False
    return any(row.state == State.POSTED and coverage.would_have(row.days) for row in matches.undelivered)


def correct_matches(found: SliceMatches, rows: RowsInFull, coverage: Coverage, rules: RowRules) -> CorrectedMatches:
    """Correct what was recognised by what the stored rows say: named pending rows, ids of other purchases, signs."""
    matches, in_full = found.matches.copied(), rows.by_id
    _release_named(matches, [id_ for id_ in rows.named if in_full[id_].state == State.PENDING])
    set_reused_ids_apart(matches, in_full, coverage)
    flipped = signs_flipped(matches, in_full, coverage, found.rows_set_aside)
    without_expense = [match for match in matches.changed if in_full[match.known_id].expense_id is None]
    lines = [*matches.new, *(match.line for match in without_expense)]
    return CorrectedMatches(
        matches=matches,
        signs_flipped=flipped and not inverted_by_user(matches, in_full, found.opposite),
        maybe_restated=frozenset(_maybe_restated(matches)) if rules.whole_days else frozenset(),
        maybe_moved=frozenset(_maybe_moved(matches)) if rules.whole_days else frozenset(),
        without_expense=[match.known_id for match in without_expense],
        visible=[line for line in lines if has_expense(line, pending_hidden=rules.pending_hidden)],
    )


def identities_maybe_taken(matches: IdentityMatches, stored_to_on: date) -> list[bytes]:
    """Return the identities that lines may get and that rows which were not loaded may have.

    Args:
        stored_to_on: The last day that the bank states of such rows.
    """
    lines = [*matches.new, *(match.line for match in matches.changed)]
    near = [line for line in lines if line.stated_on is None or line.stated_on <= stored_to_on]
    return possible_identities(near, matches.next_occurrence)


def undecided_ids(matches: IdentityMatches, coverage: Coverage) -> set[int]:
    """Return the rows to load in full: changed ones, those whose absence may mean something or that may be back.

    A row that was removed may be back as far from its day as `pending.match_posted` looks for it.
    """
    missing = {row.id for row in matches.undelivered if row.state == State.PENDING or coverage.would_have(row.days)}
    said = {point for line in matches.new for point in line.days.points()} if matches.removed else set()
    back = {row.id for row in matches.removed if not said.isdisjoint(row.days.points(MAX_DAYS_TO_POST))}
    back |= {row.id for row in matches.removed if row.is_forgotten}
    return missing | back | {match.known_id for match in matches.changed}


def _maybe_restated(matches: IdentityMatches) -> set[int]:
    """Return the posted rows on the days of new lines that may state them otherwise, as not both have trusted ids."""
    lines = [line for line in matches.new if not line.pending]
    days = {day for line in lines for day in (line.stated_on, line.value_on)}
    without_id = {day for line in lines if line.identity is None for day in (line.stated_on, line.value_on)}
    there = (row for row in matches.undelivered if row.state == State.POSTED and row.days.stated_on in days)
    return {row.id for row in there if not row.has_trusted_id or row.days.stated_on in without_id}


def _maybe_moved(matches: IdentityMatches) -> set[int]:
    """Return the posted rows that lines may state under another day: new ones, and those of rows that come back."""
    returned = set(matches.returned)
    came_back = [match.line for match in matches.unchanged if match.known_id in returned]
    lines = [*matches.new, *came_back, *(match.line for match in matches.changed)]
    days = {line.stated_on for line in lines if line.stated_on is not None and not line.pending}
    within = range(-MAX_DAYS_MOVED_ALIKE, MAX_DAYS_MOVED_ALIKE + 1)
    near = {day + timedelta(days=n) for day in days for n in within}
    return {row.id for row in matches.undelivered if row.state == State.POSTED and row.days.stated_on in near}


def _release_named(matches: IdentityMatches, named: Collection[int]) -> None:
    """Let posted lines have the rows that they name, although pending lines deliver these under an id of today."""
    for match in [m for m in (*matches.changed, *matches.unchanged) if m.known_id in named and m.line.pending]:
        matches.delivered_beside[match.known_id] = match.line
        matches.delivered_ids.discard(match.known_id)
        if match in matches.changed:
            matches.changed.remove(match)
            matches.unchanged.append(match)
    matches.returned = [row_id for row_id in matches.returned if row_id not in matches.delivered_beside]
