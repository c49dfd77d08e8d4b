"""Posted rows that the bank tells otherwise: under another id, with other words, on another day."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from tests.importer.bank import WINDOWED
from worker.bank_accounts.answers import undo_answer
from worker.connectors.base import IdClass
from worker.importer.actions.suggestions import accept, decline, list_suggestions

PROMISES = {
    "complete windows": WINDOWED,
    "windows": replace(WINDOWED, windows_complete=False),
    "windows without ids": replace(WINDOWED, windows_complete=False, id_class=IdClass.NONE),
}
SHOPS = ("Baker", "Butcher", "Candles", "Drugstore")


@pytest.fixture(params=PROMISES.values(), ids=PROMISES)
def bank(request, harness):
    harness.bank.capabilities = request.param
    for days_ago, shop in enumerate(SHOPS):
        day = harness.bank.today - timedelta(days=days_ago)
        harness.bank.buy(f"-{days_ago + 1}.30", shop, external_id=shop, booking_on=day)
    harness.refresh()
    return harness.bank


def test_a_migration_of_ids_texts_and_days_keeps_every_row_and_what_the_user_did(harness, bank):
    harness.sql("DELETE FROM expenses WHERE notes = 'Baker'")
    harness.sql("UPDATE expenses SET amount = 50 WHERE notes = 'Butcher'")
    bank.rows = [
        replace(
            row,
            external_id=f"new-{place}",
            description=f"KARTENZAHLUNG {place * 1111}",
            booking_on=row.booking_on - timedelta(days=1),
        )
        for place, row in enumerate(bank.rows)
    ]
    harness.day_later()
    for _ in range(2):
        harness.refresh()
        assert sorted(harness.amounts()) == ["-3.30", "-4.30", "-50.00"]


def test_one_row_with_a_new_id_and_a_longer_text_is_the_row_it_was(harness, bank):
    bank.change(bank.rows[0], external_id="new", description="BAKER 0815 BERLIN DE")
    harness.refresh()
    assert len(harness.amounts()) == len(SHOPS)


def test_one_row_with_a_new_id_and_wholly_other_words_on_another_day_is_another_purchase(harness, bank):
    day = bank.today - timedelta(days=2)
    bank.buy("-1.30", "Museum", external_id="new", booking_on=day)
    harness.refresh()
    assert len(harness.amounts()) == len(SHOPS) + 1


PENDING = {
    "with the other sign": {"amount": Decimal(20)},
    "in another currency": {"amount": Decimal("-21.70"), "currency": "USD"},
}


@pytest.mark.parametrize("pending", PENDING.values(), ids=PENDING)
def test_a_pending_row_that_states_the_money_otherwise_becomes_the_posted_one(harness, pending):
    stated = replace(harness.bank.buy("-20", "Trattoria Luigi", external_id="p", pending=True), **pending)
    harness.bank.rows = [stated]
    harness.refresh()
    harness.bank.rows = []
    harness.bank.buy("-20", "TRATTORIA LUIGI ROMA", external_id="q")
    harness.refresh()
    assert harness.amounts() == ["-20.00"]


def test_a_refund_beside_the_posted_purchase_is_a_row_of_its_own(harness):
    harness.bank.buy("-20", "Trattoria Luigi", external_id="p", pending=True)
    harness.refresh()
    harness.bank.rows = []
    harness.bank.buy("-20", "Trattoria Luigi", external_id="q")
    harness.bank.buy("20", "Trattoria Luigi", external_id="r")
    harness.refresh()
    assert harness.amounts() == ["-20.00", "20.00"]


def test_the_day_of_value_can_be_the_day_of_the_expense(harness):
    harness.sql('UPDATE bank_connections SET options = \'{"date_basis": "value"}\'')
    harness.bank.buy("-120", "Hotel", value_on=harness.bank.today - timedelta(days=19))
    harness.refresh()
    assert [row[0] for row in harness.expenses()] == ["2026-05-27"]


@pytest.mark.parametrize("balance", [None, "50"], ids=["no balance", "balance"])
def test_a_row_whose_expense_was_deleted_is_asked_about_when_it_is_told_with_another_amount(harness, balance):
    """It may be the purchase that the person does not want, or another one, as where the expense is there still."""
    harness.bank.capabilities = PROMISES["windows without ids"]
    for days_ago, shop in enumerate(SHOPS):
        harness.bank.buy("-5", shop, booking_on=harness.bank.today - timedelta(days=days_ago))
    if balance is not None:
        harness.bank.balance(balance)
    harness.refresh()
    kept = ["-5.00"] * 3
    harness.sql("DELETE FROM expenses WHERE notes = 'Butcher'")
    harness.day_later()
    butcher = harness.bank.rows[1]
    told = harness.bank.change(butcher, amount=Decimal(-6))
    if balance is not None:
        harness.bank.balance("49")
    for _ in range(2):
        outcome = harness.refresh()
        assert (outcome.code, sorted(harness.amounts())) == ("rows_withdrawn", [*kept, "-6.00"])
    with harness.sessions() as session:
        (question,) = list_suggestions(session, harness.user_id)
    for answer, amounts in ((accept, kept), (undo_answer, [*kept, "-6.00"]), (decline, [*kept, "-6.00"])):
        with harness.sessions() as session:
            answer(session, question.id, user_id=harness.user_id)
        assert sorted(harness.amounts()) == amounts
        assert harness.refresh().code == ("rows_withdrawn" if answer is undo_answer else "nothing_new")
        assert sorted(harness.amounts()) == amounts
    with harness.sessions() as session:
        undo_answer(session, question.id, user_id=harness.user_id)
    assert harness.refresh().code == "rows_withdrawn"
    harness.bank.change(told, amount=butcher.amount)  # the bank takes it back: the new row is gone, or is asked about
    harness.refresh()
    with harness.sessions() as session:
        assert {one.kind for one in list_suggestions(session, harness.user_id)} <= {"withdrawn"}
