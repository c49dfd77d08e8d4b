"""Amended, removed, returning rows, and what the user did meanwhile: three-way, field by field."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest

from tests.importer.bank import CURSOR, TODAY, WINDOWED, Harness, ScriptedConnector
from worker.connectors.base import IdClass, Page, RemovedTransaction
from worker.runs.states import RunStatus


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


@pytest.mark.parametrize("gone", ["zero", "hidden", "hidden until it is booked"])
def test_what_the_user_did_holds_when_an_expense_that_went_for_a_while_is_back(harness, gone):
    hide = "UPDATE bank_connections SET options = jsonb_build_object('import_pending', '{}')"
    row = harness.bank.buy("-12", "Baker", external_id="1", pending=gone != "zero")
    harness.refresh()
    harness.sql("INSERT INTO categories (user_id, name) VALUES (:u, 'Food')", u=harness.user_id)
    harness.sql("UPDATE expenses SET notes = 'Mine', category_id = (SELECT id FROM categories)")
    if gone == "zero":
        row = harness.bank.change(row, amount=Decimal(0))
    else:
        harness.sql(hide.format("hide"))
    harness.refresh()
    assert harness.expenses() == []
    if gone == "hidden":
        harness.sql(hide.format("show"))
    booked = {"pending": False, "external_id": "2"} if gone == "hidden until it is booked" else {}
    harness.bank.change(row, amount=Decimal(-10), **booked)
    harness.refresh()
    assert [row[1:] for row in harness.expenses()] == [("-10.00", "EUR", "Mine")]
    assert harness.sql("SELECT count(*) FROM expenses WHERE category_id IS NOT NULL") == [(1,)]


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


@pytest.mark.parametrize(
    "why", ["windows are not complete", "the answer was cut", "the answer is empty", "it was bought before the window"]
)
def test_mere_absence_proves_nothing_when(sessions, user_id, why):
    harness = Harness(sessions, user_id, options={"date_basis": "booking"})
    if why == "windows are not complete":
        harness.bank.capabilities = replace(WINDOWED, windows_complete=False)
    harness.bank.buy("-1", external_id="1")
    bought_on = TODAY - timedelta(days=60 if why == "it was bought before the window" else 0)
    gone = harness.bank.buy("-9", external_id="2", transaction_on=bought_on)
    harness.refresh()
    harness.bank.rows.remove(gone)
    if why == "the answer was cut":
        harness.bank.complete = False
    if why == "the answer is empty":
        harness.bank.rows.clear()
    assert harness.refresh().counts.removed == 0
    assert len(harness.amounts()) == 2


def test_an_empty_answer_is_asked_about_only_when_there_is_another_a_day_later(harness):
    harness.bank.buy("-1", external_id="1")
    harness.refresh()
    told, harness.bank.rows = harness.bank.rows, []
    for days, asked in ((0, 0), (2, 1)):
        harness.day_later(days)
        assert harness.refresh().code == "rows_withdrawn"
        assert harness.sql("SELECT count(*) FROM bank_match_suggestions WHERE status = 'open'") == [(asked,)]
    harness.bank.rows = told
    assert harness.refresh().status == RunStatus.SUCCEEDED
    assert harness.sql("SELECT count(*) FROM bank_match_suggestions WHERE status = 'open'") == [(0,)]


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
    harness.type_in("9", "Baker")
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


def test_that_a_former_id_is_gone_says_nothing_of_the_row_under_its_present_one(harness):
    harness.bank.capabilities = replace(CURSOR, links_pending=False)
    harness.bank.buy("-9", "Baker", external_id="pending", pending=True)
    harness.refresh()
    harness.bank.buy("-9", "Baker", external_id="posted")
    harness.refresh()
    harness.bank.removed = [RemovedTransaction(external_id="pending")]
    assert harness.refresh().counts.removed == 0
    assert harness.amounts() == ["-9.00"]


@pytest.mark.parametrize(
    ("pages", "amounts"),
    [
        ([("stated",), ("removed",)], []),
        ([("removed",), ("stated",)], ["-9.00"]),
        ([("stated", "removed")], []),
        ([("stated",), ("removed",), ("stated",)], ["-9.00"]),
    ],
    ids=["removed later", "stated later", "on one page", "back again"],
)
@pytest.mark.parametrize("is_known", [True, False], ids=["a known row", "a new row"])
def test_the_last_page_that_names_a_row_says_whether_it_is_there(harness, is_known, pages, amounts):
    harness.bank.capabilities = CURSOR
    row = harness.bank.buy("-9", "Baker", external_id="1")
    if is_known:
        harness.refresh()
    told = [
        Page(
            transactions=(row,) if "stated" in page else (),
            removed=(RemovedTransaction(external_id="1"),) if "removed" in page else (),
            next_cursor="9",
        )
        for page in pages
    ]

    class Pages(ScriptedConnector):
        def refresh(self, _state):
            yield from told

    harness.connector = lambda: Pages(harness.bank)
    assert harness.refresh().status == "succeeded"
    assert harness.amounts() == amounts


EDITED = "amount = 4.50, spent_at = '2026-06-01', notes = 'Mine'"


@pytest.mark.parametrize(
    "bank", [{"amount": Decimal(-8)}, {"booking_on": date(2026, 6, 14)}, {"description": "Baker & Co"}]
)
def test_amount_day_and_note_that_the_user_edited_together_stay_whatever_the_bank_changes(harness, bank):
    row = harness.bank.buy("-9", "Baker", external_id="1")
    harness.refresh()
    harness.sql(f"UPDATE expenses SET {EDITED}")
    harness.bank.change(row, **bank)
    for _ in range(2):
        harness.refresh()
    assert harness.expenses() == [("2026-06-01", "-4.50", "EUR", "Mine")]


def test_they_stay_when_a_row_changes_its_id_and_when_a_pending_one_is_posted(harness):
    harness.bank.capabilities = replace(WINDOWED, id_class=IdClass.STABLE)
    row = harness.bank.buy("-9", "Baker", external_id="1", pending=True)
    harness.refresh()
    harness.sql(f"UPDATE expenses SET {EDITED}")
    harness.bank.change(row, external_id="2", pending=False)
    harness.refresh()
    harness.bank.change(harness.bank.rows[0], external_id="3")
    harness.refresh()
    assert harness.expenses() == [("2026-06-01", "-4.50", "EUR", "Mine")]


@pytest.mark.parametrize("link", ["a second connection", "removed and linked again"])
def test_they_stay_after_the_account_is_linked_anew(harness, sessions, user_id, link):
    account = replace(harness.bank.accounts[0], anchor="iban:DE1")
    harness.bank.accounts = [account]
    harness.bank.buy("-9", "Baker", external_id="1")
    harness.refresh()
    harness.sql(f"UPDATE expenses SET {EDITED}")
    if link == "removed and linked again":
        harness.sql(
            "UPDATE bank_connections SET status = 'disconnected', config_encrypted = NULL, config_key_id = NULL"
        )
    again = Harness(sessions, user_id)
    again.bank.accounts = [replace(account, external_id="Z")]
    again.bank.buy("-9", "Baker", external_id="other", account_id="Z")
    for _ in range(2):
        again.refresh()
    assert again.expenses() == [("2026-06-01", "-4.50", "EUR", "Mine")]


def test_a_booking_of_next_month_is_an_expense_of_its_value_day_where_the_connection_says_so(sessions, user_id):
    harness = Harness(sessions, user_id, options={"date_basis": "value"})
    row = harness.bank.buy("-9", external_id="1", booking_on=date(2026, 6, 2), value_on=date(2026, 5, 29))
    harness.refresh()
    assert [e[0] for e in harness.expenses()] == ["2026-05-29"]
    harness.bank.change(row, value_on=None)
    harness.refresh()
    assert [e[0] for e in harness.expenses()] == ["2026-06-02"], "where the bank states none, the usual day"
