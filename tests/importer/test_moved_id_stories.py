"""Ids that change places or come again: what the person did to a purchase stays with the purchase."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.importer.bank import CURSOR, WINDOWED, Harness
from worker.connectors.base import RemovedTransaction, TransactionKind
from worker.importer.store import slice_import

USUAL = replace(WINDOWED, windows_complete=False)
CHANGES = replace(CURSOR, links_pending=False)


@pytest.mark.parametrize("capabilities", [USUAL, CHANGES], ids=["windows", "list of changes"])
@pytest.mark.parametrize(
    ("done", "left"),
    [
        ("DELETE FROM expenses WHERE amount = 10", ["-20.00"]),
        ("UPDATE expenses SET amount = 5, notes = 'my books' WHERE amount = 10", ["-20.00", "-5.00"]),
    ],
    ids=["deleted", "halved"],
)
def test_ids_that_change_places_take_nothing_with_them(harness, capabilities, done, left):
    harness.bank.capabilities = capabilities
    books, wine = harness.bank.buy("-10", "Books", external_id="a"), harness.bank.buy("-20", "Wine", external_id="b")
    harness.refresh()
    harness.sql(done)
    changed = [replace(wine, external_id="a"), replace(books, external_id="b")]
    harness.bank.rows = [*harness.bank.rows, *changed] if capabilities is CHANGES else changed
    for _ in range(2):
        harness.refresh()
    assert sorted(harness.amounts()) == left
    assert harness.sql("SELECT external_id, description FROM bank_transactions ORDER BY 1") == [
        ("a", "Wine"), ("b", "Books"),
    ]  # fmt: skip


BATCHES = {
    "one row": [("2500", "")],
    "rows of other words": [("2500", ""), ("-4", "Standing order")],
    "rows of equal words": [("-10", "MobilePay"), ("-20", "MobilePay"), ("-30", "MobilePay")],
}


@pytest.mark.parametrize("capabilities", [USUAL, WINDOWED], ids=["usual", "complete windows"])
@pytest.mark.parametrize("batch", BATCHES.values(), ids=BATCHES)
def test_rows_that_are_numbered_anew_behind_another_one_keep_what_the_person_did(harness, batch, capabilities):
    harness.bank.capabilities = capabilities
    rows = [harness.bank.buy(*said, external_id=f"0310-{n}") for n, said in enumerate(batch)]
    harness.refresh()
    harness.sql("UPDATE expenses SET notes = 'Mine' WHERE amount IN (20, 2500)")
    harness.sql("DELETE FROM expenses WHERE amount = 30")
    before = harness.expenses()
    harness.bank.rows = []
    harness.bank.buy("-15", "MobilePay", external_id="0310-0")
    harness.bank.rows += [replace(row, external_id=f"0310-{n + 1}") for n, row in enumerate(rows)]
    for _ in range(2):
        harness.refresh()
        assert sorted(e for e in harness.expenses() if e[1] != "-15.00") == sorted(before)
        assert "-15.00" in harness.amounts()


@pytest.mark.parametrize("days", [62, 365])
def test_a_number_that_is_counted_anew_does_not_take_the_rent_of_another_month_away(harness, days):
    harness.bank.capabilities = USUAL
    harness.bank.buy("-800", "Rent", external_id="1")
    harness.bank.buy("-2", "Bus", external_id="b")
    harness.refresh()
    harness.bank.today += timedelta(days=days - 10)
    harness.bank.buy("-3", "Tram", external_id="t")
    harness.refresh()
    harness.bank.today += timedelta(days=10)
    harness.bank.buy("-800", "Rent", external_id="1")
    for _ in range(2):
        harness.refresh()
    assert sorted(harness.amounts()) == ["-2.00", "-3.00", "-800.00", "-800.00"]


def test_a_pending_row_told_again_after_its_posting_is_that_posting(harness):
    harness.bank.capabilities = CURSOR
    pending = harness.bank.buy("-70", "Shop", external_id="p", pending=True)
    harness.refresh()
    harness.bank.buy("-70", "Shop", external_id="q", pending_external_id="p")
    harness.refresh()
    harness.bank.rows.append(pending)
    harness.refresh()
    assert harness.amounts() == ["-70.00"]
    harness.bank.removed = [RemovedTransaction(external_id="p")]
    assert harness.refresh().counts.removed == 0
    assert harness.amounts() == ["-70.00"]


@pytest.mark.parametrize(
    ("amount", "words", "left"),
    [("-40", "GYM BERLIN", []), ("-40", "Trattoria", ["-40.00"]), ("-41", "GYM BERLIN", ["-41.00"])],
    ids=["longer words", "other words", "another amount"],
)
def test_what_was_deleted_and_withdrawn_stays_deleted_when_it_returns_under_a_new_id(harness, amount, words, left):
    harness.bank.buy("-1", "Bus", external_id="bus")
    gym = harness.bank.buy("-40", "Gym", external_id="a")
    harness.refresh()
    harness.sql("DELETE FROM expenses WHERE amount = 40")
    harness.bank.rows.remove(gym)
    harness.refresh()
    harness.bank.buy(amount, words, external_id="z")
    harness.refresh()
    assert sorted(harness.amounts()) == ["-1.00", *left]


@pytest.mark.parametrize("change", ["UPDATE expenses SET amount = 9, notes = 'Dinner'", "DELETE FROM expenses"])
def test_a_typed_expense_that_changes_before_it_is_linked_is_decided_about_again(
    sessions, user_id, monkeypatch, change
):
    """The change comes between the decision and its writing, as another process may."""
    harness = Harness(sessions, user_id)
    harness.type_in("7", "Kiosk")
    harness.bank.buy("-7", "Kiosk", external_id="1")
    write, changes = slice_import.write_plan, [change]

    def changed_before(*args):
        if changes:
            harness.sql(changes.pop())
        return write(*args)

    monkeypatch.setattr(slice_import, "write_plan", changed_before)
    outcome = harness.refresh()
    assert outcome.counts.created == 1
    assert sorted(harness.amounts()) == (["-7.00", "-9.00"] if "UPDATE" in change else ["-7.00"])


def test_the_rest_of_a_purchase_that_the_person_split_is_no_other_purchase(harness):
    harness.bank.buy("-100", "Amazon", external_id="a")
    harness.refresh()
    harness.sql("UPDATE expenses SET amount = 60")
    harness.type_in("40", "Amazon toys")
    harness.bank.buy("-40", "Amazon", external_id="z")
    for _ in range(2):
        harness.refresh()
    assert sorted(harness.amounts()) == ["-40.00", "-40.00", "-60.00"]
    assert harness.sql("SELECT kind, status FROM bank_match_suggestions") == [("expense", "open")]


def test_transfers_that_were_shown_are_hidden_once_that_is_asked_for(sessions, user_id):
    harness = Harness(sessions, user_id, options={"transfers": "show_both"})
    harness.bank.accounts = [*harness.bank.accounts, replace(harness.bank.accounts[0], external_id="B", name="Savings")]
    for number, mine in enumerate(["", "mine"]):
        harness.bank.buy(
            f"-{number + 1}00", f"To Savings {mine}", external_id=f"o{number}", kind=TransactionKind.TRANSFER
        )
        harness.bank.buy(
            f"{number + 1}00", "From Checking", external_id=f"i{number}", account_id="B", kind=TransactionKind.TRANSFER
        )
    harness.refresh()
    assert len(harness.amounts()) == 4
    harness.sql("UPDATE expenses SET notes = 'gift' WHERE notes LIKE '%mine'")
    harness.sql("UPDATE bank_connections SET options = '{}'")
    for _ in range(2):
        harness.refresh()
    assert sorted(harness.amounts()) == ["-200.00", "200.00"], "what the user made their own stays"


@pytest.mark.parametrize("ids", ["1", None], ids=["with ids", "without ids"])
def test_the_past_keeps_its_currency_when_the_account_gets_another_one(harness, ids):
    kuna = harness.bank.accounts[0] = replace(harness.bank.accounts[0], currency="HRK")
    harness.bank.buy("-75.35", "Konzum", external_id=ids, currency=None)
    harness.refresh()
    harness.day_later()
    harness.bank.accounts = [replace(kuna, currency="EUR")]
    harness.bank.buy("-1", "Tisak", external_id=ids and "2", currency=None)
    for _ in range(2):
        harness.refresh()
    assert [(amount, currency) for _, amount, currency, _ in harness.expenses()] == [
        ("-75.35", "HRK"),
        ("-1.00", "EUR"),
    ]
