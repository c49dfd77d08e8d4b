"""Banks that are removed, linked again, or linked a second time."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from tests.importer.bank import CURSOR, IBAN, MERCHANTS, TODAY, Harness
from worker.connectors.base import Account, TransactionKind


def linked_again(sessions, user_id, first):
    second = Harness(sessions, user_id)
    second.bank.accounts = first.bank.accounts
    second.bank.rows = [replace(row, external_id=f"new-{row.external_id}") for row in first.bank.rows]
    return second


def test_rows_of_a_link_that_stands_keep_their_expenses_when_another_is_removed_with_its_own(two):
    for harness in two:
        harness.bank.accounts = [replace(harness.bank.accounts[0], anchor=f"iban:{IBAN}", mask=None)]
        harness.bank.buy("-4.20", "Cafe Central", external_id="1")
        harness.refresh()
    two[0].remove(with_expenses=True)
    assert two[0].amounts() == ["-4.20"]
    two[1].bank.buy("-1", "Tram", external_id="2")
    two[1].refresh()
    assert sorted(two[0].amounts()) == ["-1.00", "-4.20"]


def test_a_bank_that_is_linked_again_brings_back_nothing_deleted_and_doubles_nothing_edited(sessions, user_id, two):
    first = two[0]
    for number, words in enumerate(("Deleted", "Other amount", "Other day", "Other note")):
        first.bank.buy(f"-{number + 1}", words, external_id=str(number))
    first.refresh()
    first.remove(with_expenses=False)
    first.sql("DELETE FROM expenses WHERE notes = 'Deleted'")
    first.sql("UPDATE expenses SET amount = 22 WHERE notes = 'Other amount'")
    first.sql("UPDATE expenses SET spent_at = spent_at - 20 WHERE notes = 'Other day'")
    first.sql("UPDATE expenses SET notes = 'Mine' WHERE notes = 'Other note'")
    second = linked_again(sessions, user_id, first)
    for _ in range(2):
        second.refresh()
    assert sorted(second.amounts()) == ["-22.00", "-3.00", "-4.00"]


def test_what_is_typed_after_a_bank_was_linked_again_is_the_purchase_of_the_former_link(sessions, user_id, two):
    first = two[0]
    first.bank.buy("-4.20", "Cafe Central", external_id="1")
    first.refresh()
    first.remove(with_expenses=False)
    second = linked_again(sessions, user_id, first)
    second.refresh()
    second.type_in("4.20", "Cafe Central")
    for _ in range(2):
        second.refresh()
    assert second.amounts() == ["-4.20"]


def test_expenses_that_went_with_their_bank_come_back_with_it(sessions, user_id, two):
    first = two[0]
    first.bank.buy("-4", "Cafe Central", external_id="1")
    first.refresh()
    first.remove(with_expenses=True)
    assert first.amounts() == []
    second = linked_again(sessions, user_id, first)
    second.refresh()
    assert second.amounts() == ["-4.00"]


@pytest.mark.parametrize("masks", [("1111", "9999"), (None, None)], ids=["a replaced card", "nothing but rows"])
@pytest.mark.parametrize("removed", [True, False], ids=["linked again", "a second connection"])
def test_an_account_of_another_connection_is_known_by_its_rows(two, masks, removed):
    first, second = two
    for harness, mask in zip(two, masks, strict=True):
        harness.bank.accounts = [replace(harness.bank.accounts[0], mask=mask)]
        for number, words in enumerate(MERCHANTS):
            on = TODAY - timedelta(days=number)
            harness.bank.buy(f"-{number + 1}", words, external_id=f"{mask}{number}", booking_on=on)
    first.refresh()
    if removed:
        first.remove(with_expenses=False)
    first.sql("DELETE FROM expenses WHERE notes = 'Bus'")
    first.sql("UPDATE expenses SET spent_at = spent_at - 20 WHERE notes = 'Bookshop'")
    for _ in range(2):
        second.refresh()
    assert sorted(second.amounts()) == ["-2.00", "-3.00", "-4.00"]


@pytest.mark.parametrize("more", [{"pending": True}, {"booking_on": TODAY + timedelta(days=2)}])
def test_pending_rows_of_a_removed_connection_go_once_its_bank_was_read_again_without_them(
    sessions, user_id, two, more
):
    """So do rows that it had booked for days to come."""
    first = two[0]
    first.bank.buy("-4", "Cafe Central", external_id="1")
    first.bank.buy("-9", "Hotel", external_id="2", **more)
    first.bank.capabilities = CURSOR
    first.refresh()
    first.remove(with_expenses=False)
    second = linked_again(sessions, user_id, first)
    second.bank.rows.pop()
    second.refresh()
    assert sorted(second.amounts()) == ["-4.00", "-9.00"]
    second.day_later(10)
    second.bank.buy("-1", "Bus", external_id="3")
    second.refresh()
    assert sorted(second.amounts()) == ["-1.00", "-4.00"]


def test_rows_of_the_other_connection_have_the_expenses_when_one_is_removed_with_its_own(one_account):
    first, second = one_account
    for harness in (*one_account, second, second):
        harness.refresh()
    first.sql("DELETE FROM expenses WHERE amount = 9")  # one by one, so that it stays deleted
    first.remove(with_expenses=True)
    for _ in range(2):
        assert second.amounts() == ["-1.00"]
        second.refresh()


def test_a_bank_that_was_removed_with_its_expenses_is_known_again_beside_another_source(sessions, two):
    """Each purchase is in both of them, and the removed one counts no second time."""
    first, _second = two
    for harness in two:
        harness.bank.accounts = [Account(external_id="A", name="Giro", currency="EUR", mask="1111")]
        for number in range(5, 15):
            on = TODAY - timedelta(days=number)
            harness.bank.buy(f"-{number}", f"Shop {number}", external_id=f"s{number}", booking_on=on)
        harness.refresh()
    first.remove(with_expenses=True)
    again = Harness(sessions, first.user_id)
    again.bank = first.bank
    assert (again.refresh().status, len(again.amounts())) == ("succeeded", 10)
    assert again.sql("SELECT kind FROM bank_match_suggestions WHERE status = 'open'") == []


def giro_or_pot(sessions, user_id, name):
    harness = Harness(sessions, user_id)
    mask = {"giro": "1111", "pot": "4321"}[name]
    harness.bank.accounts = [Account(external_id="A", name=name, currency="EUR", anchor=f"iban:{mask}", mask=mask)]
    if name == "giro":
        more = {"kind": TransactionKind.TRANSFER, "stated_amounts": {"gross": "-100.00", "fee": "0.50"}}
        harness.bank.buy("-100.50", "To the pot", external_id="g1", **more)
        harness.bank.buy("-200", "To the pot ..4321", external_id="g2", kind=TransactionKind.TRANSFER)
    else:
        harness.bank.buy("100", "Received", external_id="p1")
        harness.bank.buy("200", "Received", external_id="p2")
    return harness


def test_a_leg_of_a_bank_that_is_removed_with_its_expenses_hides_nothing_and_leaves_no_cost(sessions, user_id):
    links = {name: giro_or_pot(sessions, user_id, name) for name in ("giro", "pot")}
    for harness in links.values():
        harness.refresh()
    for removed, left, shown_once_read in (
        ({"giro": True}, [], ["100.00", "200.00"]),
        ({"pot": True}, ["-0.50"], ["-200.00", "-100.50"]),
        ({"pot": True, "giro": True}, [], []),
        ({"pot": False, "giro": True}, [], []),
    ):
        assert links["giro"].amounts() == ["-0.50"]
        for name, with_expenses in removed.items():
            links[name].remove(with_expenses=with_expenses)
        assert links["giro"].amounts() == left
        for name in links.keys() - removed:
            links[name].refresh()
        assert links["giro"].amounts() == shown_once_read
        links |= {name: giro_or_pot(sessions, user_id, name) for name in removed}
        if removed.get("pot"):
            # The bank tells an amount wrong at first: both rows are of one amount then.
            arrived = links["pot"].bank.rows[0]
            wrong = links["pot"].bank.change(arrived, amount=Decimal(200))
            links["pot"].refresh()
            links["pot"].bank.change(wrong, amount=arrived.amount)
        else:
            links["pot"].refresh()
            assert links["pot"].amounts() == ["100.00", "200.00"]
        for harness in (links["giro"], links["pot"], links["giro"]):
            harness.refresh()
    assert (links["giro"].amounts(), links["giro"].questions()) == (["-0.50"], [])
