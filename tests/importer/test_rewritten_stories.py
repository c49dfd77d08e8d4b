"""Posted rows that the bank tells otherwise: under another id, with other words, on another day."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from tests.importer.bank import WINDOWED
from worker.connectors.base import IdClass

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
