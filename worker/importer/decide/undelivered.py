"""Decides what becomes of stored rows that a slice lacks: a new line may be one, the bank has others no longer."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from worker.importer.decide.absent_rows import is_newly_absent, out_of_reach, removal_reason
from worker.importer.decide.compare.one_to_one import Match
from worker.importer.decide.decisions import RowChange, RowRules, Suggestion
from worker.importer.decide.evidence import Evidence
from worker.importer.decide.ids.match import IdentityMatches
from worker.importer.decide.pending.match_moved import days_moved
from worker.importer.decide.pending.match_rewritten import UnmatchedRow
from worker.importer.decide.read.line import Line
from worker.importer.decide.row_update import tombstone
from worker.importer.decide.stored_row import State, StoredKey, StoredRow
from worker.importer.decide.told_otherwise import DaysTold, displaced, lines_of_deleted, told_otherwise


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOver:
    """What becomes of the stored rows that no line is.

    Attributes:
        removals: The changes of those that the bank has no longer.
        newly_absent: Ids of those to be marked as absent from now on.
        out_of_reach: The posted ones of days that the bank gives no more though it was asked for them.
        suggestions: New lines that may be those of which the user deleted the expense.
    """

    removals: Sequence[RowChange]
    newly_absent: Sequence[int]
    out_of_reach: Sequence[StoredRow]
    suggestions: Sequence[Suggestion]


@dataclass(frozen=True, slots=True)
class VoidedRows:
    """The rows that a delivery tells as void.

    Attributes:
        gone: Ids of those that the bank has no longer.
        doubtful: Ids of posted ones that a line without an id equals: it may be a try of the same day that failed.
    """

    gone: frozenset[int] = frozenset()
    doubtful: frozenset[int] = frozenset()


def decide_left_over(
    matches: IdentityMatches,
    became: Sequence[Match[Line, UnmatchedRow]],
    new: Sequence[Line],
    evidence: Evidence,
    rules: RowRules,
) -> LeftOver:
    """Decide about the stored rows that no line is.

    Args:
        became: The rows that new lines were found to be.
        new: The other new lines.
    """
    undelivered = _undelivered(matches.delivered_ids.union(match.right.known.id for match in became), evidence)
    asked_for = [row for row in undelivered if row.id not in evidence.listed_as_removed]
    beyond = out_of_reach(asked_for, evidence.coverage)
    beyond_ids = {row.id for row in beyond}
    within = [row for row in undelivered if row.id not in beyond_ids]
    removals = _removals(within, evidence, rules)
    tombstoned = {change.known.id for change in removals}
    staying = [row for row in within if row.id not in tombstoned]
    displaced_rows = (
        displaced(staying, new, evidence.told, moved) if evidence.told and (moved := days_moved(became)) else set()
    )
    return LeftOver(
        removals=removals,
        newly_absent=_newly_absent(staying, [*new, *_came_back(matches, evidence)], evidence, displaced_rows),
        out_of_reach=beyond,
        suggestions=lines_of_deleted(staying, new, evidence.coverage, evidence.told),
    )


def replaceable_rows(matches: IdentityMatches, evidence: Evidence, rules: RowRules) -> list[UnmatchedRow]:
    """Return the rows that a new line may match: removed ones, those that a line names, other pending ones.

    A row that was removed before matters only if a user had deleted or changed its expense.
    """
    replaceable = []
    for row in evidence.in_full.values():
        explicit, named = row.id in evidence.listed_as_removed, row.id in evidence.named
        if row.id in matches.delivered_ids or (
            row.id in evidence.delivered and row.state == State.POSTED and not explicit
        ):
            continue
        if row.booked_as_other and not named:
            continue
        if row.state == State.REMOVED and not explicit and not named:
            if row.changed_by_user:
                replaceable.append(UnmatchedRow(known=row, withdrawn=False, complete=False, removed_before=True))
            continue
        withdrawn = explicit or evidence.coverage.would_have(row.days)
        guessed = row.state == State.PENDING and not rules.links_pending
        restated, moved = row.id in evidence.maybe_restated, row.id in evidence.maybe_moved
        if withdrawn or guessed or named or restated or moved:
            complete, cut_off = explicit or rules.windows_complete, guessed and evidence.coverage.was_cut_off(row.days)
            replaceable.append(
                UnmatchedRow(
                    known=row,
                    withdrawn=withdrawn,
                    complete=complete,
                    maybe_cut_off=cut_off,
                    ahead=evidence.coverage.is_ahead(row.days.day),
                    named_as=evidence.named.get(row.id),
                    maybe_restated=restated,
                    maybe_moved=moved,
                    currency_assumed=row.currency == rules.currency_assumed,
                )
            )
    return replaceable


def voided_rows(voided: Sequence[Line], undelivered: Sequence[StoredKey]) -> VoidedRows:
    """Return the undelivered rows that lines call void: one for each line, of its id or its content."""
    if not voided:
        return VoidedRows()
    by_identity = {row.identity: row.id for row in undelivered}
    by_content: dict[bytes, list[StoredKey]] = defaultdict(list)
    for row in sorted(undelivered, key=lambda row: row.state == State.PENDING):
        by_content[row.content_key].append(row)
    gone, doubtful = set[int](), set[int]()
    for line in voided:
        if line.identity in by_identity:
            gone.add(by_identity[line.identity])
            continue
        equal = [row for row in by_content[line.content_key] if line.identity is None or not row.has_trusted_id]
        if equal:
            by_content[line.content_key].remove(equal[-1])
            (gone if equal[-1].state == State.PENDING else doubtful).add(equal[-1].id)
    return VoidedRows(frozenset(gone), frozenset(doubtful))


def _undelivered(delivered: set[int], evidence: Evidence) -> list[StoredRow]:
    """Return the rows in full that the delivery has no line for, without those that are removed already.

    Args:
        delivered: Ids of the rows that a line of this slice is.
    """
    delivered = delivered | (evidence.delivered - evidence.listed_as_removed)
    rows = [row for row in evidence.in_full.values() if row.id not in delivered]
    return [row for row in rows if row.state != State.REMOVED or row.returned_by_revert]


def _removals(undelivered: Sequence[StoredRow], evidence: Evidence, rules: RowRules) -> list[RowChange]:
    """Return the changes of those rows that the bank has no longer."""
    coverage, listed, only_changes = evidence.coverage, evidence.listed_as_removed, evidence.only_changes
    removals = []
    for row in undelivered:
        reason = removal_reason(row, coverage, rules, removed_by_bank=row.id in listed, only_changes=only_changes)
        removals += [tombstone(row, reason)] if reason is not None else []
    return removals


def _newly_absent(
    staying: Sequence[StoredRow], new: Sequence[Line], evidence: Evidence, displaced_rows: Collection[int]
) -> list[int]:
    """Return the ids of undelivered rows that stay, to be marked as absent from now on.

    Args:
        new: The lines that deliveries before lacked.
        displaced_rows: Ids of those that other new lines may be.
    """
    not_noted = [row for row in staying if row.absent_days is None]
    otherwise = told_otherwise(not_noted, new, evidence.coverage, evidence.told) if not_noted else set()
    otherwise |= {row.id for row in not_noted if row.state == State.PENDING and _is_held(row, evidence.told)}
    otherwise |= {row.id for row in not_noted if row.id in displaced_rows or row.id in evidence.maybe_void}
    return [row.id for row in staying if is_newly_absent(row, evidence.coverage) or row.id in otherwise]


def _came_back(matches: IdentityMatches, evidence: Evidence) -> list[Line]:
    """Return the lines of rows that an earlier delivery lacked, or that were removed."""
    lacked = {row.id for row in evidence.in_full.values() if row.state == State.REMOVED or row.absent_days is not None}
    lacked.update(matches.returned)
    return [match.line for match in (*matches.unchanged, *matches.changed) if match.known_id in lacked]


def _is_held(row: StoredRow, told: DaysTold | None) -> bool:
    """Return whether a delivery of whole days has the day of a row that it lacks."""
    return told is not None and row.days.stated_on is not None and told.holds(row.days.stated_on)
