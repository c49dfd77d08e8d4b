"""What bounds the taking of a posted row for a pending one: amounts, currencies, words and the bank's own links."""

from dataclasses import replace
from decimal import Decimal

import pytest

from tests.importer.bank import CURSOR, WINDOWED
from worker.connectors.base import RemovedTransaction
from worker.importer.decide.pending import near_pairs
from worker.importer.store.pending.booked_beside import load_rows_beside
from worker.runs.run_queries import run_of
from worker.runs.states import RunStatus

LINKED = replace(WINDOWED, links_pending=True)
DELETE = "DELETE FROM expenses WHERE amount = 20"
EDIT = "UPDATE expenses SET amount = 7.77 WHERE amount = 20"


@pytest.mark.parametrize("done", [DELETE, EDIT])
@pytest.mark.parametrize("amount", ["-900", "-18.40"])
def test_what_was_done_to_a_purchase_abroad_is_done_to_no_other_one_of_the_merchant(harness, done, amount):
    pending = harness.bank.buy("-20", "Hotel Adlon", external_id="p", pending=True, currency="USD")
    harness.bank.buy("-1", "Bus", external_id="b")
    harness.refresh()
    harness.sql(done)
    harness.bank.rows.remove(pending)
    harness.bank.buy(amount, "Hotel Adlon", external_id="q")
    harness.refresh()
    assert str(Decimal(amount).quantize(Decimal("0.01"))) in harness.amounts()


@pytest.mark.parametrize(("done", "amounts"), [(DELETE, ["-1.00"]), (EDIT, ["-7.77", "-1.00"])])
def test_it_is_where_the_bank_states_the_amount_that_was_paid_abroad(harness, done, amounts):
    pending = harness.bank.buy("-20", "Hotel Adlon", external_id="p", pending=True, currency="USD")
    harness.bank.buy("-1", "Bus", external_id="b")
    harness.refresh()
    harness.sql(done)
    harness.bank.rows.remove(pending)
    original = {"original_amount": "20.00", "original_currency": "USD"}
    harness.bank.buy("-18.40", "Hotel Adlon", external_id="q", stated_amounts=original)
    for days in (0, 8):
        harness.day_later(days)
        assert harness.refresh().status == RunStatus.SUCCEEDED
        assert harness.amounts() == amounts


@pytest.mark.parametrize("amount", ["-900.00", "-22.00"])
def test_an_amount_that_the_person_changed_is_kept_for_a_tip_and_not_for_another_purchase(harness, amount):
    pending = harness.bank.buy("-20", "Hotel Adlon", external_id="p", pending=True)
    harness.bank.buy("-1", "Bus", external_id="b")
    harness.refresh()
    harness.sql(EDIT)
    harness.bank.rows.remove(pending)
    harness.bank.buy(amount, "Hotel Adlon", external_id="q")
    harness.refresh()
    assert ("-7.77" if amount == "-22.00" else amount) in harness.amounts()


@pytest.mark.parametrize("pending_text", ["CARD PAYMENT", "CARD PAYMENT AT Lidl"])
@pytest.mark.parametrize("amount", ["-20", "-22"])
def test_a_text_that_names_no_merchant_makes_a_deleted_row_no_purchase_of_another_text(harness, pending_text, amount):
    for number, shop in enumerate(("Ikea", "Shell", "Rewe", "Netto", "Kino"), start=1):
        harness.bank.buy(f"-{number}", f"CARD PAYMENT AT {shop}", external_id=str(number))
    pending = harness.bank.buy("-20", pending_text, external_id="p", pending=True)
    harness.refresh()
    harness.sql(DELETE)
    harness.day_later()
    harness.bank.rows.remove(pending)
    harness.bank.buy(
        amount, "CARD PAYMENT AT Zara" if pending_text == "CARD PAYMENT" else "CARD PAYMENT", external_id="z"
    )
    harness.refresh()
    assert f"{amount}.00" in harness.amounts()


def test_a_deleted_row_whose_text_names_no_merchant_stays_deleted_under_the_same_text(harness):
    for number, shop in enumerate(("Ikea", "Shell", "Rewe", "Netto", "Kino"), start=1):
        harness.bank.buy(f"-{number}", f"CARD PAYMENT AT {shop}", external_id=str(number))
    pending = harness.bank.buy("-20", "CARD PAYMENT", external_id="p", pending=True)
    harness.refresh()
    harness.sql(DELETE)
    harness.bank.rows.remove(pending)
    harness.bank.buy("-20", "CARD PAYMENT", external_id="z")
    harness.refresh()
    assert "-20.00" not in harness.amounts()


@pytest.mark.parametrize("told", ["before", "with the booking"])
@pytest.mark.parametrize("goes_on", [True, False])
def test_a_link_by_a_former_id_finds_the_pending_row_under_its_present_one(harness, told, goes_on):
    harness.bank.capabilities = LINKED
    pending = harness.bank.buy("-20", "Trattoria", external_id="p1", pending=True)
    harness.refresh()
    harness.sql("UPDATE expenses SET notes = 'Birthday'")
    pending = harness.bank.change(pending, external_id="p2")
    if told == "before":
        harness.refresh()
    harness.bank.buy("-23", "OTHER WORDS", external_id="q", pending_external_id="p1")
    if not goes_on and told == "before":
        harness.bank.rows.remove(pending)
    for days in (0, 1, 8):
        harness.day_later(days)
        assert harness.refresh().status == RunStatus.SUCCEEDED
        assert [row[1::2] for row in harness.expenses()] == [("-23.00", "Birthday")]
        if not goes_on and pending in harness.bank.rows:
            harness.bank.rows.remove(pending)


@pytest.mark.parametrize("told", ["before", "with the booking"])
def test_a_list_of_changes_may_link_a_pending_row_by_the_id_it_removed(harness, told):
    harness.bank.capabilities = CURSOR
    harness.bank.buy("-20", "Trattoria", external_id="p1", pending=True)
    harness.refresh()
    harness.bank.removed = [RemovedTransaction(account_id="A", external_id="p1")]
    harness.bank.buy("-20", "Trattoria", external_id="p2", pending=True)
    if told == "before":
        harness.refresh()
        harness.bank.removed = []
    harness.bank.buy("-23", "OTHER WORDS", external_id="q", pending_external_id="p1")
    harness.refresh()
    harness.bank.removed = [RemovedTransaction(account_id="A", external_id="p2")]
    for _ in range(2):
        assert harness.refresh().status == RunStatus.SUCCEEDED
        assert harness.amounts() == ["-23.00"]


@pytest.mark.parametrize("capabilities", [WINDOWED, CURSOR], ids=["windows", "changes"])
@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (None, ("-12.00", "ATM")), ("amount = 5", ("-5.00", "ATM")), ("amount = 12", ("-12.00", "ATM")),
        ("notes = 'Cash'", ("-12.00", "Cash")),
    ],
)  # fmt: skip
def test_a_fee_that_comes_with_the_booking_under_the_same_id_follows_but_for_what_the_person_changed(
    harness, capabilities, edit, expected
):
    harness.bank.capabilities = capabilities
    pending = harness.bank.buy("-10", "ATM", external_id="1", pending=True)
    harness.refresh()
    harness.sql(f"UPDATE expenses SET {edit}" if edit else "SELECT 1")
    harness.day_later()
    if capabilities is WINDOWED:
        harness.bank.rows.remove(pending)
    harness.bank.rows.append(replace(pending, amount=Decimal(-12), pending=False))
    for _ in range(2):
        assert harness.refresh().status == RunStatus.SUCCEEDED
        assert [row[1::2] for row in harness.expenses()] == [expected]
    ((kept,),) = harness.sql("SELECT detail -> 'kept' FROM bank_transaction_changes")
    assert kept == (["amount"] if edit == "amount = 5" else [])


def test_a_run_says_how_many_rows_were_not_compared_with_all_that_they_may_replace(harness, monkeypatch):
    monkeypatch.setattr(near_pairs, "MAX_COMPARED_PAIRS", 1)
    harness.bank.rows = [
        harness.bank.buy(f"-{n}", f"Shop {n}", external_id=f"p{n}", pending=n < 3) for n in range(1, 4)
    ]
    harness.refresh()
    harness.bank.rows = [harness.bank.buy(f"-{90 + n}", f"Hotel {n}", external_id=f"q{n}") for n in range(2)]
    harness.refresh()
    with harness.sessions() as session:
        assert run_of(session, harness.run_id)["report"]["rows_not_compared"] == {"replaced": 2}


def test_pending_rows_are_compared_with_bookings_of_other_amounts_only_once_they_are_told_for_long(harness):
    for number in range(1, 5):
        harness.bank.buy(f"-{number}.00", external_id=f"posted-{number}")
        harness.bank.buy(f"-{number + 3}.00", external_id=f"pending-{number}", pending=True)
    harness.refresh()
    pending = [row.id for row in harness.sql("SELECT id FROM bank_transactions WHERE state = 'pending'")]
    ((account_id,),) = harness.sql("SELECT id FROM bank_connection_accounts")
    with harness.sessions() as session:
        pairs = [len(load_rows_beside(session, account_id, (), long).pairs) for long in ((), pending[:1], pending)]
    assert pairs == [1, 4, 16], "300 beside 5,700 posted ones were 1.7 million pairs, and half a gigabyte"
