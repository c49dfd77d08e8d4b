"""A row that has the expense of a purchase goes, and another source of the account states the purchase, too."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from tests.importer.bank import TODAY, Harness
from worker.bank_accounts.answers import undo_answer
from worker.bank_accounts.moving import move_account
from worker.bank_accounts.unmatching import RowMatch, detach, unmatch
from worker.connectors.base import Account, TransactionKind
from worker.importer.actions.suggestions import accept, list_suggestions
from worker.runs.states import RunKind

LONG_AGO = TODAY - timedelta(days=100)


@pytest.fixture
def sources(sessions, user_id):
    """Three connections to one account, each with the same two purchases; the first one has the expenses."""
    three = [Harness(sessions, user_id) for _ in range(3)]
    for place, harness in enumerate(three):
        harness.bank.accounts = [Account(external_id="A", name="Giro", anchor="iban:DE1", currency="EUR")]
        harness.bank.buy("-4.20", "Cafe Central", external_id=f"cafe {place}")
        harness.bank.buy("-70", "Petrol", external_id=f"petrol {place}", booking_on=LONG_AGO)
        harness.refresh()
    assert three[0].amounts() == ["-70.00", "-4.20"]
    return three


def edit(harness):
    """Rename the coffee and give it a category; return its id, which stays."""
    harness.sql("INSERT INTO categories (user_id, name) VALUES (:u, 'Food')", u=harness.user_id)
    return harness.sql(
        "UPDATE expenses SET notes = 'Mine', category_id = (SELECT max(id) FROM categories) WHERE amount = 4.20"
        " RETURNING id"
    )[0][0]


def withdraw(harness, number):
    """Let the bank take a row back, for longer than the days of grace."""
    del harness.bank.rows[number]
    for _ in range(2):
        harness.day_later(4)
        harness.refresh()


def part(harness):
    source = harness.sql("SELECT id FROM bank_connection_accounts WHERE connection_id = :c", c=harness.connection_id)
    with harness.sessions() as session:
        detach(session, source[0][0], user_id=harness.user_id)


def move_to(harness):
    account_id = harness.sql("SELECT min(bank_account_id) FROM bank_connection_accounts")[0][0]
    with harness.sessions() as session:
        move_account(session, account_id, harness.connection_id, user_id=harness.user_id)


def twins_of_twins(harness):
    return harness.sql(
        "SELECT t.id, o.id FROM bank_transactions t JOIN bank_transactions o ON o.id = t.twin_id"
        " WHERE t.expense_state = 'twin' AND o.expense_state = 'twin'"
    )


def refresh_all(harnesses):
    for place, harness in enumerate(harnesses):
        harness.bank.buy(f"-0.{place + 1}", f"Tram {place}", external_id=f"tram {len(harness.bank.rows)}")
        harness.refresh()


def purchases(harness):
    return [amount for amount in harness.amounts() if Decimal(amount) < -1]


@pytest.mark.parametrize("lost", [0, 1])
def test_a_withdrawn_row_leaves_one_expense_to_the_other_sources_at_once(sources, lost):
    withdraw(sources[0], lost)
    assert purchases(sources[0]) == ["-70.00", "-4.20"]
    refresh_all(sources[1:])
    assert purchases(sources[0]) == ["-70.00", "-4.20"]


def test_a_row_that_its_user_takes_for_gone_leaves_the_expense_to_another_source_at_once(sources):
    first = sources[0]
    first.bank.capabilities = replace(first.bank.capabilities, windows_complete=False)
    expense_id = edit(first)
    coffee = first.bank.rows.pop(0)
    first.refresh()
    first.day_later(2)  # the answer was empty, which is asked about where the next one is so as well
    first.refresh()
    with first.sessions() as session:
        (question,) = list_suggestions(session, first.user_id)
        accept(session, question.id, user_id=first.user_id)
    mine = [(expense_id, "Mine")]
    kept = "SELECT id, notes FROM expenses WHERE amount = 4.20"
    assert first.sql(kept) == mine
    with first.sessions() as session:
        undo_answer(session, question.id, user_id=first.user_id)
    assert first.sql(kept) == mine
    first.bank.rows.insert(0, coffee)
    for harness in sources:
        harness.refresh()
    assert (first.sql(kept), purchases(first)) == (mine, ["-70.00", "-4.20"])


def test_the_expense_keeps_its_id_and_what_the_person_made_of_it(sources):
    expense_id = edit(sources[0])
    withdraw(sources[0], 0)
    refresh_all(sources[1:])
    found = sources[0].sql("SELECT id, notes, category_id IS NOT NULL FROM expenses WHERE amount = 4.20")
    assert found == [(expense_id, "Mine", True)]


def test_a_row_that_returns_is_a_twin(sources):
    expense_id = edit(sources[0])
    coffee = sources[0].bank.rows[0]
    withdraw(sources[0], 0)
    sources[0].bank.rows.insert(0, coffee)
    sources[0].refresh()
    assert sources[0].sql("SELECT id FROM expenses WHERE amount = 4.20") == [(expense_id,)]


def test_a_purchase_whose_expense_the_person_deleted_stays_deleted(sources):
    sources[0].sql("DELETE FROM expenses WHERE amount = 4.20")
    withdraw(sources[0], 0)
    refresh_all(sources[1:])
    assert purchases(sources[0]) == ["-70.00"]


def test_a_removed_connection_takes_only_what_it_alone_states(sources):
    sources[0].bank.buy("-15", "Cinema", external_id="cinema")
    sources[0].refresh()
    expense_id = edit(sources[0])
    removed = sources[0].remove(with_expenses=True)
    assert (removed.expenses_deleted, purchases(sources[0])) == (1, ["-70.00", "-4.20"])
    assert sources[0].sql("SELECT id FROM expenses WHERE notes = 'Mine'") == [(expense_id,)]
    refresh_all(sources[1:])
    assert purchases(sources[0]) == ["-70.00", "-4.20"]


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 2, 0), (2, 0, 1)])
def test_nothing_is_left_when_every_source_is_removed_with_its_expenses(sources, order):
    for place in order[:2]:
        sources[place].remove(with_expenses=True)
        assert purchases(sources[0]) == ["-70.00", "-4.20"]
    assert sources[order[2]].remove(with_expenses=True).expenses_deleted == 2
    assert purchases(sources[0]) == []


def test_a_bank_that_is_linked_again_meets_what_the_other_sources_kept(sources, sessions, user_id):
    sources[0].remove(with_expenses=True)
    again = Harness(sessions, user_id)
    again.bank.accounts, again.bank.rows = sources[0].bank.accounts, sources[0].bank.rows
    again.refresh()
    refresh_all(sources[1:])
    assert purchases(again) == ["-70.00", "-4.20"]


def test_a_source_that_becomes_an_account_of_its_own_leaves_one_expense_to_the_others(sources):
    part(sources[0])
    for _ in range(2):
        assert purchases(sources[0]) == ["-70.00", "-70.00", "-4.20", "-4.20"]
        refresh_all(sources)


def test_a_reverted_run_takes_only_what_its_source_alone_states(sources):
    run_id = sources[0].run_id
    expense_id = edit(sources[1])
    for _ in range(2):
        sources[0].run(RunKind.REVERT, target_run_id=run_id)
        run_id = sources[0].run_id
        assert purchases(sources[0]) == ["-70.00", "-4.20"]
    refresh_all(sources)
    assert purchases(sources[0]) == ["-70.00", "-4.20"]
    assert sources[0].sql("SELECT id FROM expenses WHERE notes = 'Mine'") == [(expense_id,)]


def test_a_purchase_that_meets_again_after_reverts_is_in_the_history_of_its_rows(sources):
    runs = [source.run_id for source in sources]
    for _ in range(2):
        for place, source in enumerate(sources):
            source.run(RunKind.REVERT, target_run_id=runs[place])
            runs[place] = source.run_id
    assert purchases(sources[0]) == ["-70.00", "-4.20"]
    met = sources[0].sql(
        "SELECT count(*), count(DISTINCT c.run_id) FROM bank_transaction_changes c"
        " JOIN bank_import_runs r ON r.id = c.run_id AND r.kind = 'revert' WHERE c.reason = 'same_account_twin'"
    )
    assert met == [(4, 2)]
    for _ in range(2):
        for place, source in enumerate(sources):
            source.run(RunKind.REVERT, target_run_id=runs[place])
            runs[place] = source.run_id
    refresh_all(sources)
    assert purchases(sources[0]) == ["-70.00", "-4.20"]


@pytest.mark.parametrize("is_removed", [False, True], ids=["it rests", "it is removed"])
@pytest.mark.parametrize("reads_on", [1, 2])
def test_rows_restored_after_the_account_moved_share_the_expense_that_moved(sources, reads_on, is_removed):
    sources[0].run(RunKind.REVERT, target_run_id=sources[0].run_id, reimport=True)
    expense_id = edit(sources[0])
    move_to(sources[2])
    sources[0].run(RunKind.REVERT, target_run_id=sources[0].run_id, reimport=True)
    assert twins_of_twins(sources[0]) == []
    if is_removed:
        assert sources[0].remove(with_expenses=True).expenses_deleted == 0
    for _ in range(2):
        refresh_all([sources[reads_on]])
        assert purchases(sources[0]) == ["-70.00", "-4.20"]
    assert sources[0].sql("SELECT id FROM expenses WHERE notes = 'Mine'") == [(expense_id,)]


@pytest.mark.parametrize("reads_on", [0, 1, 2])
def test_a_twin_whose_counterpart_became_a_twin_shares_the_expense_of_that_purchase(sources, reads_on):
    sources[0].sql(
        "UPDATE bank_transactions t SET twin_id = (SELECT o.id FROM bank_transactions o"
        " WHERE o.amount = t.amount AND o.expense_state = 'twin' ORDER BY o.id LIMIT 1)"
        " WHERE t.id IN (SELECT max(id) FROM bank_transactions GROUP BY amount)"
    )
    assert len(twins_of_twins(sources[0])) == 2
    refresh_all([sources[reads_on]])
    assert purchases(sources[0]) == ["-70.00", "-4.20"]
    assert twins_of_twins(sources[0]) == []


@pytest.mark.parametrize("why", ["its source states it twice", "the person parted them"])
def test_a_twin_of_a_twin_that_is_another_purchase_has_an_expense_of_its_own(sources, why):
    if why == "the person parted them":
        with sources[2].sessions() as session:
            row_id = sources[2].sql("SELECT max(id) FROM bank_transactions WHERE amount = -4.20")[0][0]
            unmatch(session, row_id, user_id=sources[2].user_id, match=RowMatch.TWIN)
    else:
        sources[2].bank.buy("-4.20", "Cafe Central", external_id="cafe again")
        sources[2].refresh()
    assert purchases(sources[0]) == ["-70.00", "-4.20", "-4.20"]
    sources[0].sql("DELETE FROM expenses WHERE id = (SELECT max(id) FROM expenses)")
    sources[0].sql(
        "UPDATE bank_transactions t SET expense_state = 'twin', twin_id = (SELECT o.id FROM bank_transactions o"
        " WHERE o.amount = t.amount AND o.expense_state = 'twin' ORDER BY o.id LIMIT 1)"
        " WHERE t.id = (SELECT max(id) FROM bank_transactions WHERE amount = -4.20)"
    )
    assert len(twins_of_twins(sources[0])) == 1
    refresh_all(sources[2:])
    assert purchases(sources[0]) == ["-70.00", "-4.20", "-4.20"]


def test_a_revert_lets_no_rows_meet_that_it_is_not_about(sources):
    """They are two purchases by what was decided of them, though they look like one by now."""
    runs = [source.run_id for source in sources]
    for source, shop, amount in zip(sources[:2], ("Kiosk", "Zoo"), ("-9", "-8"), strict=True):
        source.bank.buy(amount, shop, external_id=shop)
        source.refresh()
    sources[0].sql(
        "UPDATE bank_transactions SET description = 'Kiosk', base_notes = 'Kiosk', amount = -9, base_amount = 9"
        " WHERE description = 'Zoo'"
    )
    sources[0].sql("UPDATE expenses SET notes = 'Kiosk', amount = 9 WHERE notes = 'Zoo'")
    assert purchases(sources[0]) == ["-70.00", "-9.00", "-9.00", "-4.20"]
    for _ in range(2):
        for place, source in enumerate(sources):
            source.run(RunKind.REVERT, target_run_id=runs[place])
            runs[place] = source.run_id
    assert purchases(sources[0]) == ["-70.00", "-9.00", "-9.00", "-4.20"]


def test_the_leg_of_a_transfer_is_left_to_the_other_source_with_its_peer(sources, sessions, user_id):
    savings = Harness(sessions, user_id)
    savings.bank.accounts = [Account(external_id="S", name="Savings", currency="EUR", anchor="iban:DE2")]
    transfer = {"kind": TransactionKind.TRANSFER}
    savings.bank.buy("50", "From giro", external_id="s", account_id="S", counterparty_account="DE1", **transfer)
    for harness in (savings, *sources):
        if harness is not savings:
            harness.bank.buy("-50", "To savings", external_id="g", counterparty_account="DE2", **transfer)
        harness.refresh()
    assert purchases(savings) == ["-70.00", "-4.20"]
    withdraw(sources[0], 2)
    refresh_all(sources[1:])
    assert purchases(savings) == ["-70.00", "-4.20"]
    assert savings.sql("SELECT count(*) FROM expenses WHERE expense_type = 'INCOME'") == [(0,)]


def test_a_pending_row_of_a_source_that_waits_for_its_user_goes_when_another_source_has_posted_it(sources):
    first, second, _ = sources
    first.bank.buy("-20", "Trattoria Luigi", external_id="p", pending=True)
    first.refresh()
    first.sql("UPDATE bank_connections SET status = 'needs_user' WHERE id = :c", c=first.connection_id)
    second.bank.buy("-23", "Trattoria Luigi", external_id="q")
    for _ in range(4):
        second.refresh()
        second.day_later(4)
    assert sorted(purchases(first)) == ["-23.00", "-4.20", "-70.00"]
