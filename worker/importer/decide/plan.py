"""Incoming lines against known rows: what is to be created, changed, removed, and why. Pure and total.

Plans only say what should be so; `store` makes it so and the unique keys of the database are the last guard.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from worker.importer.decide.decisions import ExpenseEffect, NewRow, Plan, RowChange, Rules, Suggestion
from worker.importer.decide.expense import has_expense, project
from worker.importer.decide.expense_update import tombstone, update_from_bank
from worker.importer.decide.line import Line
from worker.importer.decide.match_by_id import Coverage, Pairing, identity_of
from worker.importer.decide.match_pending import Candidate, match_pending_rows
from worker.importer.decide.match_user_expense import ExpenseMatches, UserExpense, match_user_expenses
from worker.importer.decide.similarity import Match
from worker.importer.decide.stored_row import ExpenseState, State, StoredRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What `make_plan` looks at besides the pairing.

    details: the rows that changed, are absent or were removed, whole. removed: ids the bank took back explicitly.
    only_changes: a whole list of changes, in which what was gone before is gone still.
    """

    coverage: Coverage
    only_changes: bool = False
    details: Mapping[int, StoredRow] = field(default_factory=dict)
    removed: frozenset[int] = frozenset()
    existing: Sequence[UserExpense] = ()


def make_plan(pairing: Pairing, evidence: Evidence, rules: Rules) -> Plan:
    """Decide every row of a slice."""
    taken = match_pending_rows(pairing.new, _candidates(pairing, evidence, rules))
    followed = [(evidence.details[pair.known_id], pair.line, "changed") for pair in pairing.changed]
    followed += [(match.right.known, match.left, match.reason) for match in taken]
    changes = [_follow(known, line, reason, pairing, rules) for known, line, reason in followed]
    gone = {match.right.known.id for match in taken} | pairing.seen
    left = [row for row in evidence.details.values() if row.id not in gone and row.state != State.REMOVED]
    changes += [drop for row in left if (drop := _drop(row, evidence, rules)) is not None]
    dropped = {change.known.id for change in changes}
    claimed = {id(match.left) for match in taken}
    new = [line for line in pairing.new if id(line) not in claimed]
    findings = _find_existing(new, changes, evidence, rules)
    matched = {id(match.left): match for match in findings.matches}
    fresh = {id(line) for line in new}
    return Plan(
        creates=[_create_one(line, matched.get(id(line)), pairing, rules) for line in new],
        changes=[_linked(change, matched.get(id(change.line))) for change in changes],
        suggestions=[
            Suggestion(line=match.left, expense_id=match.right.expense_id, reason=match.reason)
            for match in findings.suggestions
            if id(match.left) in fresh
        ],
        returned=pairing.returned,
        missing=[
            row.id
            for row in left
            if row.id not in dropped and row.absent_days is None and evidence.coverage.covers(row.effective_on)
        ],
        unchanged=pairing.unchanged,
    )


def _find_existing(
    lines: Sequence[Line], changes: Sequence[RowChange], evidence: Evidence, rules: Rules
) -> ExpenseMatches:
    """Look for the user's own expenses behind all lines that are about to get one."""
    if not evidence.existing:
        return ExpenseMatches()
    visible = [line for line in lines if has_expense(line, pending_hidden=rules.pending_hidden)]
    visible += [change.line for change in changes if change.line is not None and _wants_expense(change)]
    return match_user_expenses(visible, evidence.existing)


def _follow(known: StoredRow, line: Line, reason: str, pairing: Pairing, rules: Rules) -> RowChange:
    """Bring a row to what the bank says now, its identity too: what it was called by before becomes an alias."""
    says_the_same = line.identity is None and known.speaks_for(line.content_key)
    now = (known.identity, known.occurrence) if says_the_same else identity_of(line, pairing)
    return update_from_bank(known, line, reason, now, rules)


def _candidates(pairing: Pairing, evidence: Evidence, rules: Rules) -> list[Candidate]:
    """Rows that a new line may stand for: those withdrawn, and pending ones when nobody links them for us."""
    candidates = []
    links = {line.pending_external_id for line in pairing.new} - {None}
    for row in evidence.details.values():
        explicit, linked = row.id in evidence.removed, row.external_id in links
        if row.id in pairing.seen or (row.state == State.REMOVED and not explicit and not linked):
            continue
        day = row.stated_on or row.effective_on
        withdrawn = explicit or evidence.coverage.covers(day)
        guessed = row.state == State.PENDING and rules.guess_pending
        if withdrawn or guessed or linked:
            complete, cut = explicit or rules.windows_complete, guessed and evidence.coverage.lacks(day)
            candidates.append(Candidate(known=row, withdrawn=withdrawn, complete=complete, cut=cut))
    return candidates


def _drop(row: StoredRow, evidence: Evidence, rules: Rules) -> RowChange | None:
    """Take a row back when the bank says so, or proves it by a complete delivery without it."""
    if row.id in evidence.removed:
        return tombstone(row, "removed_by_bank")
    day = row.stated_on or row.effective_on
    covered = evidence.coverage.covers(day)
    if row.state == State.PENDING:
        waited = row.absent_days is not None and row.absent_days >= rules.pending_grace_days
        settled = covered or evidence.only_changes or evidence.coverage.is_past(day)
        return tombstone(row, "pending_vanished") if waited and settled else None
    return tombstone(row, "absent_from_complete_window") if covered and rules.windows_complete else None


def _wants_expense(change: RowChange) -> bool:
    return change.effect.write is not None and change.known.expense_id is None


def _linked(change: RowChange, match: Match[Line, UserExpense] | None) -> RowChange:
    """A row that returns or shows at last stands for the expense the user has of it meanwhile."""
    if match is None or match.right.twin_id is not None:
        return change
    return replace(change, effect=ExpenseEffect(state=ExpenseState.LINKED, link_expense_id=match.right.expense_id))


def _create_one(line: Line, match: Match[Line, UserExpense] | None, pairing: Pairing, rules: Rules) -> NewRow:
    identity, occurrence = identity_of(line, pairing)
    wanted = project(line, pending_hidden=rules.pending_hidden)
    state, reason, decision = ExpenseState.OWN, "new_id" if line.identity else "new_content", "created"
    link_expense_id = twin_id = None
    if wanted is None:
        state, reason = ExpenseState.NONE, "zero_amount" if line.amount == 0 else "pending_hidden"
    elif match is not None and match.right.twin_id is not None:
        state, reason, decision, twin_id = ExpenseState.TWIN, match.reason, "linked", match.right.twin_id
    elif match is not None:
        state, reason, decision, link_expense_id = ExpenseState.LINKED, match.reason, "linked", match.right.expense_id
    return NewRow(
        line=line,
        identity=identity,
        occurrence=occurrence,
        decision=decision,
        reason=reason,
        expense_state=state,
        expense=wanted,
        link_expense_id=link_expense_id,
        twin_id=twin_id,
    )
