"""All of it for one slice: what is created, changed, removed, linked and asked."""

from dataclasses import replace

import pytest

from tests.importer.decide.rows import COMPLETE, NOTHING_PROVEN, counterpart, key, line, row, rules
from worker.connectors.base import TransactionKind
from worker.importer.decide.evidence import Evidence
from worker.importer.decide.expenses.match import UserExpenses
from worker.importer.decide.ids.match import match_by_identity
from worker.importer.decide.plan import make_plan
from worker.importer.decide.reasons import Decision, Reason
from worker.importer.decide.stored_row import ExpenseState, State
from worker.importer.decide.undelivered import voided_rows

PROMISED = rules(windows_complete=True)


def plan(lines, known=(), coverage=COMPLETE, rules=PROMISED, *, counterparts=(), **evidence):
    matches = match_by_identity(lines, [key(r) for r in known], {}, coverage)
    in_full, expenses = {r.id: r for r in known}, UserExpenses(counterparts=counterparts)
    return make_plan(matches, Evidence(coverage=coverage, in_full=in_full, expenses=expenses, **evidence), rules)


NEW = {
    "a trusted id": (line(external_id="a"), (), PROMISED, Decision.CREATED, Reason.NEW_ID, ExpenseState.OWN),
    "no id": (line(), (), PROMISED, Decision.CREATED, Reason.NEW_CONTENT, ExpenseState.OWN),
    "zero": (line("0"), (), PROMISED, Decision.CREATED, Reason.ZERO_AMOUNT, ExpenseState.NONE),
    "securities": (
        line(kind=TransactionKind.TRADE), (), PROMISED, Decision.CREATED, Reason.TRADE, ExpenseState.NONE,
    ),
    "hidden": (
        line(pending=True), (), rules(pending_hidden=True),
        Decision.CREATED, Reason.PENDING_HIDDEN, ExpenseState.NONE,
    ),
    "an expense of the user": (
        line(), [counterpart()], PROMISED, Decision.LINKED, Reason.SAME_EXPENSE, ExpenseState.LINKED,
    ),
    "a row of another connection": (
        line(), [counterpart(twin_id=5)], PROMISED, Decision.LINKED, Reason.SAME_ACCOUNT_TWIN, ExpenseState.TWIN,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("said", "counterparts", "rules", "decision", "reason", "state"), NEW.values(), ids=NEW)
def test_a_new_row(said, counterparts, rules, decision, reason, state):
    (create,) = plan([said], counterparts=counterparts, rules=rules).creates
    assert (create.decision, create.reason, create.expense_state) == (decision, reason, state)
    assert (create.link_expense_id, create.twin_id) == {
        ExpenseState.LINKED: (7, None), ExpenseState.TWIN: (None, 5),
    }.get(state, (None, None))  # fmt: skip


CHANGES = {
    "another text under its id": (
        [line(text="Bar", external_id="a")], row(external_id="a"), Decision.UPDATED, Reason.AMENDED,
    ),
    "posted under another id": (
        [line(external_id="q")], row(external_id="p", pending=True), Decision.UPDATED, Reason.POSTED,
    ),
    "with a tip": (
        [line("-4", external_id="q")], row(external_id="p", pending=True), Decision.UPDATED, Reason.POSTED_AMOUNT,
    ),
    "no longer delivered": (
        [], row(external_id="a"), Decision.REMOVED, Reason.ABSENT_FROM_COMPLETE_WINDOW,
    ),
    "delivered again": (
        [line(external_id="a")], row(external_id="a", state=State.REMOVED), Decision.RESTORED, Reason.RETURNED,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("lines", "known", "decision", "reason"), CHANGES.values(), ids=CHANGES)
def test_a_stored_row_that_changes(lines, known, decision, reason):
    decided = plan(lines, [known])
    assert [(change.decision, change.reason) for change in decided.changes] == [(decision, reason)]
    assert decided.creates == []


def test_a_known_row_stays_as_it_is():
    decided = plan([line(external_id="a")], [row(external_id="a")])
    assert [match.known_id for match in decided.unchanged] == [1]
    assert (decided.creates, decided.changes, decided.newly_absent) == ([], [], [])


def test_a_row_the_bank_lists_as_removed_goes_though_nothing_else_is_proven():
    decided = plan([], [row(external_id="a")], NOTHING_PROVEN, listed_as_removed=frozenset({1}))
    assert [change.reason for change in decided.changes] == [Reason.REMOVED_BY_BANK]


def test_an_absent_pending_row_is_marked_and_stays():
    decided = plan([], [row(external_id="p", pending=True)])
    assert (decided.changes, decided.newly_absent) == ([], [1])


def test_a_row_that_a_new_line_links_to_is_neither_absent_nor_replaced_where_it_was_delivered():
    purchase = row("-20", external_id="1")
    lines = [line("20", external_id="2", pending_external_id="1"), line("-20", external_id="3")]
    matches = match_by_identity(lines, [], {}, COMPLETE)
    made = make_plan(
        matches,
        Evidence(coverage=COMPLETE, in_full={purchase.id: purchase}, delivered=frozenset({purchase.id})),
        PROMISED,
    )
    assert (len(made.creates), made.changes, made.newly_absent) == (2, [], [])


def test_a_suggestion_names_the_place_of_its_row():
    decided = plan([line("0"), line()], counterparts=[counterpart("lunch")])
    assert [(s.new_place, s.expense_id, s.reason) for s in decided.suggestions] == [(1, 7, Reason.SAME_AMOUNT_AND_DAY)]
    assert decided.creates[1].expense is not None


def test_a_row_that_returns_stands_for_the_expense_the_user_has_meanwhile():
    known = row(external_id="a", state=State.REMOVED, expense_id=None, expense_state=ExpenseState.NONE)
    (change,) = plan([line(external_id="a")], [known], counterparts=[counterpart()]).changes
    assert (change.effect.state, change.effect.link_expense_id) == (ExpenseState.LINKED, 7)


def test_a_row_that_returns_is_the_twin_of_the_one_that_another_connection_has_meanwhile():
    known = row(external_id="a", state=State.REMOVED, expense_id=None, expense_state=ExpenseState.NONE)
    (change,) = plan([line(external_id="a")], [known], counterparts=[counterpart(twin_id=5)]).changes
    assert (change.effect.state, change.effect.twin_id, change.effect.write) == (ExpenseState.TWIN, 5, None)


def test_a_row_recognised_by_its_content_keeps_its_identity():
    known = replace(row(), fingerprint=b"as another connector said it")
    (change,) = plan([line()], [known]).changes
    assert (change.identity, change.occurrence) == (known.identity, 0)


TOLD = [({"list_of_changes": True}, 1), ({"list_of_changes": True, "whole_days": True}, 0), ({}, 0)]


@pytest.mark.parametrize(("promises", "rows"), TOLD)
def test_known_rows_without_an_id_may_be_more_purchases_where_changes_are_told_alone(promises, rows):
    known = [row(id=1), row("-9", id=2, external_id="a")]
    decided = plan([line(), line("-9", external_id="a")], known, rules=rules(**promises))
    assert (len(decided.unchanged), decided.told_again) == (2, rows)


A = {"external_id": "a"}
VOIDED = {
    "a pending row of its content": ([line()], [row(pending=True)], {1}, set()),
    "a posted one is asked about": ([line()], [row()], set(), {1}),
    "of two equal ones one": ([line()], [row(pending=True, id=1), row(pending=True, id=2)], {2}, set()),
    "as many as are called void": ([line()] * 2, [row(id=1), row(pending=True, id=2)], {2}, {1}),
    "a row of its id, whatever that says": ([line(text="Bar", **A)], [row(**A)], {1}, set()),
    "no row of another id": ([line(external_id="b")], [row(pending=True, **A)], set(), set()),
    "a row without an id": ([line(external_id="b")], [row(pending=True)], {1}, set()),
    "nothing that was told before": ([line("-9")], [row(pending=True)], set(), set()),
}


@pytest.mark.parametrize(("void", "undelivered", "gone", "asked"), VOIDED.values(), ids=VOIDED)
def test_which_undelivered_rows_lines_call_void(void, undelivered, gone, asked):
    found = voided_rows(void, [key(one) for one in undelivered])
    assert (found.gone, found.doubtful) == (gone, asked)
