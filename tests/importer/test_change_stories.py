"""Amended, removed, returning rows, and what the user did meanwhile: three-way, field by field."""

from dataclasses import replace
from datetime import date

import pytest

from tests.importer.bank import CURSOR, WINDOWED
from worker.connectors.base import IdClass, RemovedTransaction


@pytest.mark.parametrize(
    ("edit", "bank", "expected"),
    [
        ("", {"description": "Baker & Co"}, ("2026-06-15", "-9.00", "EUR", "Baker & Co")),
        ("notes = 'Bread'", {"description": "Baker & Co"}, ("2026-06-15", "-9.00", "EUR", "Bread")),
        ("notes = 'Bread'", {"amount": -8}, ("2026-06-15", "-8.00", "EUR", "Bread")),
        ("amount = 4.50", {"amount": -8}, ("2026-06-15", "-4.50", "EUR", "Baker")),
        ("amount = 4.50", {"booking_on": date(2026, 6, 14)}, ("2026-06-14", "-4.50", "EUR", "Baker")),
        ("spent_at = '2026-06-01'", {"booking_on": date(2026, 6, 14)}, ("2026-06-01", "-9.00", "EUR", "Baker")),
        ("", {"amount": 9}, ("2026-06-15", "9.00", "EUR", "Baker")),
    ],
    ids=[
        "text follows", "user's text stays", "amount follows beside the user's text", "user's amount stays",
        "date follows beside the user's amount", "user's date stays", "a purchase turned into a refund",
    ],
)  # fmt: skip
def test_bank_changes_reach_the_fields_the_user_left_alone(harness, edit, bank, expected):
    row = harness.bank.buy("-9", "Baker", external_id="1")
    harness.refresh()
    if edit:
        harness.sql(f"UPDATE expenses SET {edit}")
    if "amount" in bank:
        bank = bank | {"amount": row.amount * 0 + bank["amount"]}
    harness.bank.change(row, **bank)
    assert harness.refresh().counts.updated == 1
    assert harness.expenses() == [expected]


def test_a_conflict_is_on_record(harness):
    row = harness.bank.buy("-9", "Baker", external_id="1")
    harness.refresh()
    harness.sql("UPDATE expenses SET notes = 'Bread'")
    harness.bank.change(row, description="Baker & Co")
    harness.refresh()
    [(decision, reason, detail)] = harness.sql("SELECT decision, reason, detail FROM bank_transaction_changes")
    assert (decision, reason, detail["kept"]) == ("updated", "amended", ["notes"])


def test_an_expense_the_user_deleted_stays_deleted(harness):
    row = harness.bank.buy("-9", external_id="1")
    harness.refresh()
    harness.sql("DELETE FROM expenses")
    harness.bank.change(row, description="Changed")
    harness.refresh()
    harness.bank.rows = [replace(harness.bank.rows[0], external_id="renumbered")]
    harness.refresh()
    assert harness.amounts() == []


def test_an_explicit_removal_takes_the_expense_along_and_a_return_brings_it_back(harness):
    harness.bank.capabilities = CURSOR
    harness.bank.buy("-9", "Baker", external_id="1")
    harness.refresh()
    harness.sql("UPDATE expenses SET notes = 'Bread'")
    harness.bank.removed = [RemovedTransaction(external_id="1")]
    assert harness.refresh().counts.removed == 1
    assert harness.amounts() == []
    harness.bank.removed = []
    harness.bank.buy("-9", "Baker", external_id="1")
    harness.refresh()
    assert [e[3] for e in harness.expenses()] == ["Bread"], "as the user left it"


def test_a_row_missing_from_a_complete_window_is_gone(harness):
    harness.bank.buy("-1", external_id="1")
    gone = harness.bank.buy("-9", external_id="2")
    harness.refresh()
    harness.bank.rows.remove(gone)
    assert harness.refresh().counts.removed == 1
    assert harness.amounts() == ["-1.00"]
    harness.bank.rows.append(gone)
    harness.refresh()
    assert sorted(harness.amounts()) == ["-1.00", "-9.00"]


@pytest.mark.parametrize("why", ["windows are not complete", "the answer was cut", "the answer is empty"])
def test_mere_absence_proves_nothing_when(harness, why):
    if why == "windows are not complete":
        harness.bank.capabilities = replace(WINDOWED, windows_complete=False)
    harness.bank.buy("-1", external_id="1")
    gone = harness.bank.buy("-9", external_id="2")
    harness.refresh()
    harness.bank.rows.remove(gone)
    if why == "the answer was cut":
        harness.bank.complete = False
    if why == "the answer is empty":
        harness.bank.rows.clear()
    assert harness.refresh().counts.removed == 0
    assert len(harness.amounts()) == 2


def test_a_rewritten_description_without_ids_is_one_row(harness):
    harness.bank.capabilities = replace(WINDOWED, id_class=IdClass.NONE)
    row = harness.bank.buy("-9", "CARD 123 BAKER")
    harness.refresh()
    harness.bank.change(row, description="Baker & Co, Berlin")
    harness.refresh()
    assert [e[3] for e in harness.expenses()] == ["Baker & Co, Berlin"]


def test_a_daily_coffee_is_not_the_coffee_of_yesterday(harness):
    harness.bank.capabilities = replace(WINDOWED, windows_complete=False)
    monday = harness.bank.buy("-3.50", external_id="1")
    harness.refresh()
    harness.day_later()
    harness.bank.rows.remove(monday)
    harness.bank.buy("-3.50", external_id="2")
    harness.refresh()
    assert harness.amounts() == ["-3.50", "-3.50"]


def test_changing_how_days_are_read_looks_at_every_row_again(harness):
    harness.bank.buy("-9", external_id="1", transaction_on=date(2026, 6, 12))
    harness.refresh()
    assert [e[0] for e in harness.expenses()] == ["2026-06-12"]
    harness.sql('UPDATE bank_connections SET options = \'{"date_basis": "booking"}\'')
    harness.refresh()
    assert [e[0] for e in harness.expenses()] == ["2026-06-15"]


def test_a_removal_means_the_row_that_has_the_id_now(harness):
    harness.bank.capabilities = replace(WINDOWED, id_class=IdClass.SESSION, windows_complete=False)
    harness.bank.session = "one"
    baker = harness.bank.buy("-1", "Baker", external_id="1")
    butcher = harness.bank.buy("-2", "Butcher", external_id="2")
    harness.refresh()
    harness.bank.session = "two"
    harness.bank.rows = [replace(baker, external_id="2"), replace(butcher, external_id="1")]
    harness.refresh()
    harness.bank.rows.pop()
    harness.bank.removed = [RemovedTransaction(account_id="A", external_id="1")]
    harness.refresh()
    assert [e[3] for e in harness.expenses()] == ["Baker"]


def test_a_row_that_was_removed_and_returns_under_a_new_id_stays_deleted_and_edited(harness):
    harness.bank.capabilities = CURSOR
    harness.bank.buy("-9", "Baker", external_id="1")
    harness.bank.buy("-8", "Butcher", external_id="2")
    harness.refresh()
    harness.sql("DELETE FROM expenses WHERE amount = 9")
    harness.sql("UPDATE expenses SET notes = 'Meat'")
    harness.bank.removed = [RemovedTransaction(external_id="1"), RemovedTransaction(external_id="2")]
    harness.refresh()
    assert harness.amounts() == []
    harness.bank.removed = []
    harness.bank.buy("-9", "Baker", external_id="11")
    harness.bank.buy("-8", "Butcher", external_id="12")
    harness.refresh()
    assert harness.expenses() == [("2026-06-15", "-8.00", "EUR", "Meat")]


def test_a_removal_lets_go_of_an_expense_the_user_typed_in(harness):
    harness.bank.capabilities = CURSOR
    harness.sql("INSERT INTO expenses (user_id, amount, currency, notes, spent_at)"
                " VALUES (:u, 9, 'EUR', 'Baker', '2026-06-15')", u=harness.user_id)  # fmt: skip
    harness.bank.buy("-9", "BAKER", external_id="1")
    assert harness.refresh().counts.linked == 1
    harness.bank.removed = [RemovedTransaction(external_id="1")]
    harness.refresh()
    assert harness.amounts() == ["-9.00"]
    harness.bank.removed = []
    harness.bank.buy("-9", "BAKER", external_id="1")
    harness.refresh()
    assert harness.amounts() == ["-9.00"], "it is the same purchase when the row returns"


def test_a_removed_row_without_a_known_id_changes_nothing(harness):
    harness.bank.capabilities = CURSOR
    harness.bank.buy("-9", external_id="1")
    harness.bank.removed = [RemovedTransaction(external_id="never seen")]
    harness.refresh()
    assert harness.amounts() == ["-9.00"]


def test_a_removed_row_that_was_taken_for_another_one_returns_beside_it(harness):
    harness.bank.capabilities = CURSOR
    harness.bank.buy("-9", "Baker", external_id="1")
    harness.refresh()
    harness.bank.removed = [RemovedTransaction(external_id="1")]
    harness.bank.buy("-9", "Butcher", external_id="2")
    harness.refresh()
    assert [e[3] for e in harness.expenses()] == ["Butcher"]
    harness.bank.removed = []
    harness.bank.buy("-9", "Baker", external_id="1")
    harness.refresh()
    assert sorted(e[3] for e in harness.expenses()) == ["Baker", "Butcher"], "a list of changes names no row twice"
