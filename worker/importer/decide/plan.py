"""Plans what to create, change and remove, and why, from incoming lines and stored rows.

A plan says what should be so. `store.write` makes it so, and the unique keys of the database are the last guard.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from worker.importer.decide.absent_rows import (
    Coverage,
    is_newly_absent,
    out_of_reach,
    removal_reason,
)
from worker.importer.decide.decisions import ExpenseEffect, NewRow, RowChange, RowIdentity, RowRules, Suggestion
from worker.importer.decide.expenses.from_line import expense_of, has_expense, why_no_expense
from worker.importer.decide.expenses.match import Counterpart, UserExpenses, match_user_expenses
from worker.importer.decide.ids.assign import assign_identities
from worker.importer.decide.ids.match import IdentityMatch, IdentityMatches
from worker.importer.decide.pending.match_posted import match_pending_rows
from worker.importer.decide.pending.match_rewritten import UnmatchedRow
from worker.importer.decide.read.line import Line
from worker.importer.decide.reasons import Decision, Reason
from worker.importer.decide.row_update import tombstone, update_from_bank
from worker.importer.decide.stored_row import ExpenseState, State, StoredRow
from worker.importer.decide.told_otherwise import DaysTold, told_otherwise


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a plan is made from, besides the rows that were recognised.

    Attributes:
        coverage: What the delivery proves.
        only_changes: The delivery has every change since the cursor: a row that it does not mention is as it was.
        in_full: The rows that changed, are absent or were removed, with all fields.
        listed_as_removed: Ids of the rows that the bank lists as removed.
        expenses: What the user has that new lines may match.
        rows_set_aside: How many stored rows `read_slice` set aside as unchanged.
        named: Ids of rows that posted lines name as their pending ones, each with the id by which they do.
        delivered: Ids of those of `in_full` that this slice or an earlier one has: neither absent nor replaced.
        common_words: Words that most texts of the account have.
        maybe_restated: Ids of those of `in_full` that the delivery lacks although it has all rows of their days.
        taken_identities: Identities that rows on other days have.
        told: The days of a delivery that holds each of its days as a whole.
    """

    coverage: Coverage
    only_changes: bool = False
    in_full: Mapping[int, StoredRow] = field(default_factory=dict)
    listed_as_removed: frozenset[int] = frozenset()
    expenses: UserExpenses = field(default_factory=UserExpenses)
    rows_set_aside: int = 0
    named: Mapping[int, str] = field(default_factory=dict)
    delivered: frozenset[int] = frozenset()
    common_words: frozenset[str] = frozenset()
    maybe_restated: frozenset[int] = frozenset()
    taken_identities: frozenset[bytes] = frozenset()
    told: DaysTold | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be written for one slice of one account.

    Attributes:
        newly_absent: Ids of rows to be marked as absent from now on.
        returned: Ids of rows that are no longer absent.
        out_of_reach: So many known posted rows are of days that the bank gives no more though it was asked for them.
        expenses: The user's own expenses that rows are linked with or suggested for, as they were read.
        not_compared: So many new rows were not compared with all rows that they may replace.
        told_again: How many unchanged rows may be more purchases that equal them: rows without an id that a list of
            changes tells alone, without the other rows of their days.
    """

    creates: Sequence[NewRow] = ()
    changes: Sequence[RowChange] = ()
    suggestions: Sequence[Suggestion] = ()
    returned: Sequence[int] = ()
    newly_absent: Sequence[int] = ()
    out_of_reach: int = 0
    unchanged: Sequence[IdentityMatch] = ()
    expenses: Sequence[Counterpart] = ()
    not_compared: int = 0
    told_again: int = 0

    @property
    def linked_expense_ids(self) -> set[int]:
        """The user's own expenses that rows are linked with."""
        links = [*(c.link_expense_id for c in self.creates), *(c.effect.link_expense_id for c in self.changes)]
        return {expense_id for expense_id in links if expense_id is not None}


@dataclass(slots=True, kw_only=True)
class _CounterpartMatches:
    """The counterparts of new lines and of rows that return or become visible, by their places in the two lists."""

    of_new: dict[int, tuple[ExpenseEffect, Reason]] = field(default_factory=dict)
    of_changes: dict[int, ExpenseEffect] = field(default_factory=dict)
    suggestions: list[Suggestion] = field(default_factory=list)
    users_expenses: list[Counterpart] = field(default_factory=list)


def make_plan(matches: IdentityMatches, evidence: Evidence, rules: RowRules) -> Plan:
    """Decide every row of a slice."""
    not_compared = set[int]()
    became = match_pending_rows(
        matches.new,
        _candidates(matches, evidence, rules),
        delivered_known=evidence.rows_set_aside + len(matches.delivered_ids),
        common_words=evidence.common_words,
        not_compared=not_compared,
    )
    updates: list[tuple[StoredRow, Line, Reason | None]]
    updates = [(evidence.in_full[match.known_id], match.line, None) for match in matches.changed]
    updates += [(match.right.known, match.left, match.reason) for match in became]
    matched_lines = {match.left_place for match in became}
    new = [line for place, line in enumerate(matches.new) if place not in matched_lines]
    identities = assign_identities(
        [*((line, known) for known, line, _ in updates), *((line, None) for line in new)],
        matches.next_occurrence,
        {*matches.taken_identities, *evidence.taken_identities},
    )
    changes = [
        update_from_bank(known, line, identity, rules, reason=reason, beside=matches.delivered_beside.get(known.id))
        for (known, line, reason), identity in zip(updates, identities, strict=False)  # those of new rows follow
    ]
    undelivered = _undelivered({match.right.known.id for match in became} | matches.delivered_ids, evidence)
    beyond = out_of_reach(undelivered, evidence.coverage) - evidence.listed_as_removed
    left_over = [row for row in undelivered if row.id not in beyond]
    removals = _removals(left_over, evidence, rules)
    changes += removals
    tombstoned = {change.known.id for change in removals}
    told_alone = rules.list_of_changes and not rules.whole_days
    found = _match_counterparts(new, changes, evidence, rules)
    return Plan(
        creates=[
            _new_row(line, identity, found.of_new.get(place), matches.shared_ids, rules)
            for place, (line, identity) in enumerate(zip(new, identities[len(updates) :], strict=True))
        ],
        changes=[
            change if (effect := found.of_changes.get(place)) is None else replace(change, effect=effect)
            for place, change in enumerate(changes)
        ],
        suggestions=found.suggestions,
        returned=matches.returned,
        newly_absent=_newly_absent(
            [row for row in left_over if row.id not in tombstoned], [*new, *_came_back(matches, evidence)], evidence
        ),
        out_of_reach=len(beyond),
        unchanged=matches.unchanged,
        expenses=found.users_expenses,
        not_compared=len(not_compared),
        told_again=sum(match.line.identity is None for match in matches.unchanged) if told_alone else 0,
    )


def _came_back(matches: IdentityMatches, evidence: Evidence) -> list[Line]:
    """Return the lines of rows that an earlier delivery lacked, or that were removed."""
    lacked = {row.id for row in evidence.in_full.values() if row.state == State.REMOVED or row.absent_days is not None}
    lacked.update(matches.returned)
    return [match.line for match in (*matches.unchanged, *matches.changed) if match.known_id in lacked]


def _newly_absent(staying: Sequence[StoredRow], new: Sequence[Line], evidence: Evidence) -> list[int]:
    """Return the ids of undelivered rows that stay, to be marked as absent from now on.

    Args:
        new: The lines that deliveries before lacked.
    """
    not_noted = [row for row in staying if row.absent_days is None]
    otherwise = told_otherwise(not_noted, new, evidence.coverage, evidence.told) if not_noted else set()
    otherwise |= {row.id for row in not_noted if row.state == State.PENDING and _is_held(row, evidence.told)}
    return [row.id for row in staying if is_newly_absent(row, evidence.coverage) or row.id in otherwise]


def _is_held(row: StoredRow, told: DaysTold | None) -> bool:
    """Return whether a delivery of whole days has the day of a row that it lacks."""
    return told is not None and row.days.stated_on is not None and told.holds(row.days.stated_on)


def _candidates(matches: IdentityMatches, evidence: Evidence, rules: RowRules) -> list[UnmatchedRow]:
    """Return the rows that a new line may match: removed ones, those that a line names, other pending ones.

    A row that was removed before matters only if a user had deleted or changed its expense.
    """
    candidates = []
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
                candidates.append(UnmatchedRow(known=row, withdrawn=False, complete=False, removed_before=True))
            continue
        withdrawn = explicit or evidence.coverage.would_have(row.days)
        guessed = row.state == State.PENDING and not rules.links_pending
        restated = row.id in evidence.maybe_restated
        if withdrawn or guessed or named or restated:
            complete, cut_off = explicit or rules.windows_complete, guessed and evidence.coverage.was_cut_off(row.days)
            candidates.append(
                UnmatchedRow(
                    known=row,
                    withdrawn=withdrawn,
                    complete=complete,
                    maybe_cut_off=cut_off,
                    ahead=evidence.coverage.is_ahead(row.days.day),
                    named_as=evidence.named.get(row.id),
                    maybe_restated=restated,
                    currency_assumed=row.currency == rules.currency_assumed,
                )
            )
    return candidates


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


def _match_counterparts(
    new: Sequence[Line], changes: Sequence[RowChange], evidence: Evidence, rules: RowRules
) -> _CounterpartMatches:
    """Look for the user's own expenses behind all lines that are about to get one."""
    found = _CounterpartMatches()
    expenses, taken = evidence.expenses, {change.effect.link_expense_id for change in changes} - {None}
    candidates = [one for one in expenses.counterparts if one.twin_id is not None or one.expense_id not in taken]
    if not candidates:
        return found
    new_places = [place for place, line in enumerate(new) if has_expense(line, pending_hidden=rules.pending_hidden)]
    change_lines = {
        place: change.line
        for place, change in enumerate(changes)
        if change.line is not None and change.effect.write is not None and change.known.expense_id is None
    }
    change_places = list(change_lines)
    visible = [*(new[place] for place in new_places), *change_lines.values()]
    row_ids = [*(None for _ in new_places), *(changes[place].known.id for place in change_places)]
    apart = expenses.asked.apart(row_ids)
    result = match_user_expenses(visible, candidates, expenses.spans, apart=apart, rivals=expenses.rivals)
    for match in result.matches:
        if match.left_place < len(new_places):
            found.of_new[new_places[match.left_place]] = (match.right.effect, match.reason)
            continue
        place = change_places[match.left_place - len(new_places)]
        if (changes[place].known.id, match.right.partner) not in expenses.asked.open:
            found.of_changes[place] = match.right.effect
    found.users_expenses = [m.right for m in (*result.matches, *result.suggestions) if m.right.twin_id is None]
    found.suggestions = [
        Suggestion(
            new_place=new_places[match.left_place],
            reason=match.reason,
            expense_id=match.right.partner.expense_id,
            twin_id=match.right.partner.twin_id,
        )
        for match in result.suggestions
        if match.left_place < len(new_places)
    ]
    return found


def _new_row(
    line: Line,
    identity: RowIdentity,
    counterpart: tuple[ExpenseEffect, Reason] | None,
    shared_ids: Mapping[str, bytes],
    rules: RowRules,
) -> NewRow:
    why_none = why_no_expense(line, pending_hidden=rules.pending_hidden)
    effect, decision = ExpenseEffect(state=ExpenseState.OWN), Decision.CREATED
    reason = Reason.NEW_ID if line.identity else Reason.NEW_CONTENT
    if why_none is not None:
        effect, reason = ExpenseEffect(state=ExpenseState.NONE), why_none
    elif counterpart is not None:
        (effect, reason), decision = counterpart, Decision.LINKED
    return NewRow(
        line=line,
        identity=identity.identity,
        occurrence=identity.occurrence,
        decision=decision,
        reason=reason,
        expense_state=effect.state,
        expense=expense_of(line) if why_none is None else None,
        link_expense_id=effect.link_expense_id,
        twin_id=effect.twin_id,
        shared_identity=shared_ids.get(line.external_id) if line.external_id else None,
    )
