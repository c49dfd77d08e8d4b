"""Plans what to create, change and remove, and why, from incoming lines and stored rows.

A plan says what should be so. `store.write` makes it so, and the unique keys of the database are the last guard.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from worker.importer.decide.compare.one_to_one import Match
from worker.importer.decide.decisions import ExpenseEffect, NewRow, RowChange, RowIdentity, RowRules, Suggestion
from worker.importer.decide.evidence import Evidence
from worker.importer.decide.expenses.from_line import expense_of, has_expense, why_no_expense
from worker.importer.decide.expenses.match import Counterpart, match_user_expenses
from worker.importer.decide.ids.assign import assign_identities
from worker.importer.decide.ids.match import IdentityMatch, IdentityMatches
from worker.importer.decide.pending.match_posted import match_pending_rows
from worker.importer.decide.pending.match_rewritten import UnmatchedRow
from worker.importer.decide.read.line import Line
from worker.importer.decide.reasons import Decision, Reason
from worker.importer.decide.row_update import update_from_bank
from worker.importer.decide.stored_row import ExpenseState, StoredRow
from worker.importer.decide.undelivered import decide_left_over, replaceable_rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be written for one slice of one account.

    Attributes:
        newly_absent: Ids of rows to be marked as absent from now on.
        returned: Ids of rows that are no longer absent.
        out_of_reach: Known posted rows of days that the bank gives no more though it was asked for them.
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
    out_of_reach: Sequence[StoredRow] = ()
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
        replaceable_rows(matches, evidence, rules),
        lacking=evidence.told.lacking if evidence.told is not None else 0,
        delivered_known=evidence.rows_set_aside + len(matches.delivered_ids),
        common_words=evidence.common_words,
        not_compared=not_compared,
    )
    matched_lines = {match.left_place for match in became}
    new = [line for place, line in enumerate(matches.new) if place not in matched_lines]
    changes, identities = _updates(matches, became, new, evidence, rules)
    left_over = decide_left_over(matches, became, new, evidence, rules)
    changes += left_over.removals
    told_alone = rules.list_of_changes and not rules.whole_days
    found = _match_counterparts(new, changes, evidence, rules)
    return Plan(
        creates=[
            _new_row(line, identity, found.of_new.get(place), matches.shared_ids, rules)
            for place, (line, identity) in enumerate(zip(new, identities, strict=True))
        ],
        changes=[
            change if (effect := found.of_changes.get(place)) is None else replace(change, effect=effect)
            for place, change in enumerate(changes)
        ],
        suggestions=[*found.suggestions, *(one for one in left_over.suggestions if one.new_place not in found.of_new)],
        returned=matches.returned,
        newly_absent=left_over.newly_absent,
        out_of_reach=left_over.out_of_reach,
        unchanged=matches.unchanged,
        expenses=found.users_expenses,
        not_compared=len(not_compared),
        told_again=sum(match.line.identity is None for match in matches.unchanged) if told_alone else 0,
    )


def _updates(
    matches: IdentityMatches,
    became: Sequence[Match[Line, UnmatchedRow]],
    new: Sequence[Line],
    evidence: Evidence,
    rules: RowRules,
) -> tuple[list[RowChange], list[RowIdentity]]:
    """Return how the stored rows change that lines are, and the identities of the other lines, which are new."""
    updates: list[tuple[StoredRow, Line, Reason | None]]
    updates = [(evidence.in_full[match.known_id], match.line, None) for match in matches.changed]
    updates += [(match.right.known, match.left, match.reason) for match in became]
    identities = assign_identities(
        [*((line, known) for known, line, _ in updates), *((line, None) for line in new)],
        matches.next_occurrence,
        {*matches.taken_identities, *evidence.taken_identities},
    )
    changes = [
        update_from_bank(known, line, identity, rules, reason=reason, beside=matches.delivered_beside.get(known.id))
        for (known, line, reason), identity in zip(updates, identities, strict=False)  # those of new rows follow
    ]
    return changes, identities[len(updates) :]


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
