"""An account moves to another source as one history, and back."""

import threading
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import text

from tests.importer.bank import TODAY, Harness
from worker.bank_accounts.moving import move_account
from worker.connections.connection_queries import find
from worker.connectors.base import Account
from worker.errors import ConflictError, InvalidRequestError, NotFoundError
from worker.runs import run_queries
from worker.runs.follow_up_requests import revert_request
from worker.runs.run_actions import RunAction, choose
from worker.runs.states import RunKind

MERCHANTS = ("Bus", "Coffee Bar", "Trattoria Luigi", "Bookshop")


def fill(harness, days, *, rename="", shift=0):
    for n in days:
        on = TODAY - timedelta(days=n - shift)
        words = f"{rename}{MERCHANTS[n % 4]}"
        harness.bank.buy(f"-{n + 1}.10", words, external_id=f"{rename}{n}", booking_on=on)


@pytest.fixture
def two(sessions, user_id):
    """An old connection of 40 days, and a new one that was imported as an account of its own."""
    both = Harness(sessions, user_id), Harness(sessions, user_id)
    for harness, mask in zip(both, ("1111", "2222"), strict=True):
        harness.bank.accounts = [Account(external_id="A", name=f"Account {mask}", mask=mask, currency="EUR")]
    fill(both[0], range(5, 40))
    both[0].refresh()
    return both


def apart(two, days, **more):
    """Import the new connection as another account, as one that was never asked about."""
    fill(two[1], days, **more)
    rows, two[1].bank.rows = two[1].bank.rows, []
    two[1].refresh()
    two[1].bank.rows = rows
    two[1].sql("UPDATE bank_connection_accounts SET history_from_on = NULL, history_complete = FALSE")
    two[1].refresh()


def account_of(harness):
    return harness.sql(
        "SELECT bank_account_id FROM bank_connection_accounts WHERE connection_id = :c", c=harness.connection_id
    )[0][0]


def move(two, **more):
    with two[0].sessions() as session:
        return move_account(session, account_of(two[0]), two[1].connection_id, user_id=two[0].user_id, **more)


def ledger(harness):
    return harness.sql(
        "SELECT e.id, e.amount, e.notes, e.spent_at, e.category_id FROM expenses e WHERE user_id = :u ORDER BY e.id",
        u=harness.user_id,
    )


def test_what_was_doubled_is_one_and_ids_edits_and_deletions_stay(two):
    apart(two, range(20), rename="SQ ")
    assert len(two[0].amounts()) == 35 + 20
    two[0].sql("UPDATE expenses SET notes = 'Mine' WHERE notes = 'Bookshop' AND amount = 8.10")
    two[0].sql("DELETE FROM expenses WHERE notes = 'Trattoria Luigi' AND amount = 7.10")
    before = ledger(two[0])
    preview = move(two, preview=True)
    assert ledger(two[0]) == before
    assert (preview.met, preview.doubled, preview.only_old, preview.only_new, preview.run_id) == (15, 15, 0, 0, None)
    report = move(two)
    assert (report.met, report.doubled, report.moved) == (preview.met, preview.doubled, preview.moved)
    after = ledger(two[0])
    assert len(after) == 34 + 5
    assert {row for row in before if not row[2].startswith("SQ ")} <= set(after)
    assert [row[2] for row in after if str(row[1]) == "8.10"] == ["Mine"]
    assert "7.10" not in {str(row[1]) for row in after}
    for harness in (two[1], two[0], two[1]):
        harness.refresh()
    assert ledger(two[0]) == after


@pytest.mark.parametrize(("first", "shift", "last"), [(0, 0, 5), (5, -1, 6)], ids=["newer rows", "a day earlier"])
def test_a_preview_says_by_how_much_purchases_differ_from_the_balance_before_and_after(two, first, shift, last):
    apart(two, range(first, 20), shift=shift)
    newer = sum(Decimal(f"{n + 1}.10") for n in range(first, 5))
    for harness, booked in zip(two, (1000 + newer, 1000), strict=True):
        harness.bank.balance(f"{booked:.2f}")
        harness.refresh()
    report = move(two, preview=True)
    doubled = -sum(Decimal(f"{n + 1}.10") for n in range(last, 20))  # up to the last day of the new one
    assert (report.difference_before, report.difference_after) == (doubled, 0)
    assert report.says.endswith(f"differ by {doubled} now, by 0.00 after it")
    move(two)
    back = move(two[::-1], preview=True)
    assert (back.difference_before, back.difference_after) == (0, 0)


def test_the_new_source_leads_from_then_on(two):
    apart(two, range(20))
    report = move(two)
    assert report.cut_over_on == TODAY - timedelta(days=19)
    two[0].remove(with_expenses=False)
    corrected = next(row for row in two[1].bank.rows if row.external_id == "7")
    two[1].bank.rows[two[1].bank.rows.index(corrected)] = replace(corrected, amount=corrected.amount - 1)
    two[1].bank.buy("-99", "Hotel", external_id="new")
    two[1].refresh()
    assert {"-9.10", "-99.00"} <= set(two[0].amounts())
    assert "-8.10" not in two[0].amounts()
    assert len(two[0].amounts()) == 41


def test_a_move_is_undone_as_a_run(two):
    apart(two, range(20), rename="SQ ")
    before = ledger(two[0])
    report = move(two)
    two[1].run(RunKind.REVERT, target_run_id=report.run_id)
    assert ledger(two[0]) == before
    assert account_of(two[0]) != account_of(two[1])
    for harness in two:
        harness.refresh()
    assert ledger(two[0]) == before


def test_rows_of_one_side_alone_stay_and_are_named(two):
    two[1].bank.rows = []
    apart(two, [n for n in range(20) if n != 12])
    two[1].bank.buy("-500", "Car", external_id="car", booking_on=TODAY - timedelta(days=8))
    two[1].refresh()
    report = move(two, preview=True)
    assert [row["description"] for row in report.examples["only_old"]] == ["Bus"]
    assert [row["description"] for row in report.examples["only_new"]] == ["Car"]
    move(two)
    assert {"-13.10", "-500.00"} <= set(two[0].amounts())


def test_a_person_who_changed_both_expenses_keeps_both(two):
    apart(two, range(20), rename="SQ ")
    two[0].sql("UPDATE expenses SET notes = 'Mine' || notes WHERE amount = 8.10")
    report = move(two)
    assert report.in_doubt == 1
    assert [str(row[1]) for row in ledger(two[0])].count("8.10") == 2


def test_of_two_expenses_the_changed_one_stays(two):
    apart(two, range(20), rename="SQ ")
    two[0].sql("UPDATE expenses SET notes = 'Mine' WHERE amount = 8.10 AND notes LIKE 'SQ%'")
    before = ledger(two[0])
    report = move(two)
    assert [row[2] for row in ledger(two[0]) if str(row[1]) == "8.10"] == ["Mine"]
    two[1].run(RunKind.REVERT, target_run_id=report.run_id)
    assert ledger(two[0]) == before


def test_twins_that_are_joined_already_hand_their_expenses_over(two):
    two[1].bank.accounts = [replace(two[0].bank.accounts[0])]
    fill(two[1], range(20), rename="SQ ")
    two[1].refresh()
    assert account_of(two[0]) == account_of(two[1])
    before = ledger(two[0])
    report = move(two)
    assert (report.moved, report.doubled) == (15, 0)
    assert ledger(two[0]) == before
    owner = "SELECT count(*) FROM bank_transactions t JOIN bank_connection_accounts a ON a.id = t.account_id"
    owned = two[1].sql(f"{owner} WHERE a.connection_id = :c AND t.expense_id IS NOT NULL", c=two[1].connection_id)
    assert owned == [(20,)]


def test_another_persons_connection_and_one_of_another_currency_are_no_place_to_move_to(two, sessions):
    with sessions() as session, pytest.raises(NotFoundError):
        move_account(session, account_of(two[0]), two[1].connection_id, user_id=two[0].user_id + 1)
    two[1].bank.accounts = [replace(two[1].bank.accounts[0], currency="USD")]
    two[1].bank.buy("-1", "x", currency="USD")
    two[1].refresh()
    with pytest.raises(ConflictError):
        move(two)


def test_doubles_of_the_new_source_that_the_person_deleted_by_hand_take_no_purchase_with_them(two):
    apart(two, range(20), rename="SQ ")
    two[0].sql("DELETE FROM expenses WHERE notes LIKE 'SQ %'")
    before = ledger(two[0])
    assert move(two).gone == 0
    assert ledger(two[0]) == before


def test_an_account_that_nothing_says_is_this_one_is_no_place_to_move_to(two):
    two[1].bank.buy("-1.99", "Else", external_id="e", booking_on=TODAY - timedelta(days=9))
    two[1].refresh()
    with pytest.raises(ConflictError, match="nothing says"):
        move(two)


def test_a_move_is_reverted_after_the_later_one(two):
    apart(two, range(20), rename="SQ ")
    first, _ = move(two), move(two)
    with pytest.raises(InvalidRequestError, match="moved again"):
        two[1].run(RunKind.REVERT, target_run_id=first.run_id)


def test_a_move_that_was_taken_back_is_not_restored(two):
    apart(two, range(20), rename="SQ ")
    report = move(two)
    two[1].run(RunKind.REVERT, target_run_id=report.run_id)
    ids = two[0].sql("SELECT id FROM bank_import_runs WHERE kind IN ('move', 'revert') ORDER BY queued_at")
    assert len(ids) == 2
    for (run_id,) in ids:
        with two[0].sessions() as session, pytest.raises(ConflictError, match="move the account again"):
            revert_request(session, run_id, user_id=two[0].user_id)
    with two[0].sessions() as session:
        runs = [run_queries.run_of(session, run_id) for (run_id,) in ids]
        kinds = run_queries.kinds_taken_back(session, [run["id"] for run in runs])
    assert choose(RunAction.REVERT, runs, open_rejections={}, reverted_kinds=kinds).chosen == []


def test_a_move_beside_a_run_that_ends_waits_for_it_before_it_locks_accounts(two):
    apart(two, range(20))
    assert two[1].refresh().code == "nothing_new"
    moved = []
    thread = threading.Thread(target=lambda: moved.append(move(two)))
    with two[1].sessions() as ending:
        find(ending, two[1].connection_id, lock=True)
        thread.start()
        waits = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        while not two[0].sql(waits):
            assert thread.is_alive(), "the move did not wait for the connection"
        ending.execute(
            text("UPDATE bank_connection_accounts SET last_seen_at = now() WHERE connection_id = :id"),
            {"id": two[1].connection_id},
        )
    thread.join(60)
    assert [report.met for report in moved] == [15]
