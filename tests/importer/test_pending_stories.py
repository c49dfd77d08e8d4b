"""From pending to posted: never two expenses for one purchase."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.importer.bank import CURSOR, TODAY, WINDOWED
from worker.connectors.base import IdClass, RemovedTransaction
from worker.runs.states import RunStatus


@pytest.mark.parametrize(
    ("posted", "amount"),
    [
        ({"external_id": "p"}, "-20"),
        ({"external_id": "q"}, "-20"),
        ({"external_id": "q", "days": 5}, "-20"),
        ({"external_id": "q", "description": "TRATTORIA DA LUIGI ROMA IT"}, "-20"),
        ({"external_id": "q", "description": "CARD 4711 POS 23"}, "-20"),
        ({"external_id": "q"}, "-23.50"),
        ({"external_id": "q"}, "-12.70"),
        ({"external_id": "q", "days": 3, "description": "Trattoria Luigi SRL"}, "-24"),
        ({"external_id": None}, "-20"),
    ],
    ids=[
        "same id", "new id", "five days later", "longer description", "rewritten description", "a tip",
        "less than was held", "tip, days and words", "no id",
    ],
)  # fmt: skip
def test_a_posted_row_takes_over_its_pending_row(harness, posted, amount):
    pending = harness.bank.buy("-20", "Trattoria Luigi", external_id="p", pending=True)
    harness.refresh()
    harness.sql("INSERT INTO categories (user_id, name) VALUES (:u, 'Food')", u=harness.user_id)
    harness.sql("UPDATE expenses SET category_id = (SELECT id FROM categories)")
    days = posted.pop("days", 0)
    harness.day_later(max(days, 1))
    harness.bank.rows.remove(pending)
    day = harness.bank.today if days else pending.booking_on
    harness.bank.buy(amount, **({"description": "Trattoria Luigi", "booking_on": day} | posted))
    harness.refresh()
    assert [float(a) for a in harness.amounts()] == [float(amount)]
    assert harness.sql("SELECT state FROM bank_transactions") == [("posted",)]
    assert harness.sql("SELECT category_id IS NOT NULL FROM expenses") == [(True,)], "with what the user did to it"


@pytest.mark.parametrize("amount", ["-20", "-22"])
def test_a_deleted_pending_row_that_vanishes_hides_no_purchase_elsewhere_because_of_words_all_rows_have(
    harness, amount
):
    for number, shop in enumerate(("Ikea", "Shell", "Rewe", "Netto", "Kino"), start=1):
        harness.bank.buy(f"-{number}", f"CARD PAYMENT AT {shop}", external_id=str(number))
    pending = harness.bank.buy("-20", "CARD PAYMENT AT Lidl", external_id="p", pending=True)
    harness.refresh()
    harness.sql("DELETE FROM expenses WHERE amount = 20")
    harness.day_later()
    harness.bank.rows.remove(pending)
    harness.bank.buy(amount, "CARD PAYMENT AT Zara", external_id="z")
    harness.refresh()
    assert f"{amount}.00" in harness.amounts()


def test_a_fuel_pre_authorisation_becomes_what_was_filled(harness):
    pending = harness.bank.buy("-1", "Shell 0815", external_id="p", pending=True)
    harness.refresh()
    harness.bank.rows.remove(pending)
    harness.bank.buy("-63.20", "SHELL 0815 BERLIN", external_id="q")
    harness.refresh()
    assert harness.amounts() == ["-63.20"]


def test_a_pending_row_may_post_in_two_parts(harness):
    pending = harness.bank.buy("-50", "Webshop", external_id="p", pending=True)
    harness.refresh()
    harness.bank.rows.remove(pending)
    harness.bank.buy("-30", "Webshop", external_id="a")
    harness.bank.buy("-20", "Webshop", external_id="b")
    harness.refresh()
    assert sorted(harness.amounts()) == ["-20.00", "-30.00"]


def test_a_posted_row_beside_its_still_pending_twin_is_another_purchase(harness):
    harness.bank.buy("-3.50", external_id="p", pending=True)
    harness.refresh()
    harness.bank.buy("-3.50", external_id="q")
    harness.refresh()
    assert harness.amounts() == ["-3.50", "-3.50"]


def test_a_pending_row_that_vanishes_goes_after_a_week_of_complete_deliveries(harness):
    pending = harness.bank.buy("-20", external_id="p", pending=True)
    harness.refresh()
    harness.bank.rows.remove(pending)
    harness.refresh()
    harness.day_later(6)
    harness.refresh()
    assert harness.amounts() == ["-20.00"]
    harness.day_later(1)
    harness.refresh()
    assert harness.amounts() == []
    assert harness.sql("SELECT state FROM bank_transactions") == [("removed",)], "its tombstone stays"


def test_a_pending_row_that_hides_for_some_days_is_not_doubled(harness):
    pending = harness.bank.buy("-20", external_id="p", pending=True)
    harness.refresh()
    harness.bank.rows.remove(pending)
    harness.refresh()
    harness.day_later(3)
    harness.bank.buy("-20", external_id="q")
    harness.refresh()
    assert harness.amounts() == ["-20.00"]


def test_a_row_still_pending_after_thirty_days_stays_one_expense(harness):
    harness.bank.buy("-20", external_id="p", pending=True)
    for _ in range(4):
        harness.refresh()
        harness.day_later(10)
    assert harness.amounts() == ["-20.00"]


def test_a_pending_row_without_a_date_keeps_the_day_it_was_first_seen(harness):
    harness.bank.buy("-20", external_id="p", pending=True, booking_on=None)
    harness.refresh()
    harness.day_later(2)
    harness.refresh()
    assert [e[0] for e in harness.expenses()] == ["2026-06-15"]


def test_pending_rows_can_be_hidden_until_they_post(sessions, user_id):
    from tests.importer.bank import Harness

    harness = Harness(sessions, user_id, options={"import_pending": "hide"})
    pending = harness.bank.buy("-20", external_id="p", pending=True)
    harness.refresh()
    assert harness.amounts() == []
    harness.bank.change(pending, pending=False)
    harness.refresh()
    assert harness.amounts() == ["-20.00"]


def test_a_partial_answer_with_the_posted_row_does_not_double_the_purchase(harness):
    pending = harness.bank.buy("-20", "Trattoria", external_id="p", pending=True)
    harness.refresh()
    harness.bank.rows.remove(pending)
    harness.bank.buy("-20", "Trattoria", external_id="q")
    harness.bank.complete = False
    assert harness.refresh().code == "truncated"
    assert harness.amounts() == ["-20.00"]


@pytest.mark.parametrize("order", ["together", "removed first", "linked only"])
def test_a_providers_own_link_carries_the_expense_over(harness, order):
    harness.bank.capabilities = CURSOR
    harness.bank.buy("-20", "Trattoria", external_id="p", pending=True)
    harness.refresh()
    harness.sql("UPDATE expenses SET notes = 'Birthday'")
    gone = RemovedTransaction(account_id="A", external_id="p")
    if order != "linked only":
        harness.bank.removed = [gone]
    if order == "removed first":
        harness.refresh()
        assert harness.amounts() == []
        harness.bank.removed = []
    harness.bank.buy("-26", "TRATTORIA 123", external_id="q", pending_external_id="p", booking_on=harness.bank.today)
    harness.refresh()
    assert harness.expenses() == [("2026-06-15", "-26.00", "EUR", "Birthday")]


def test_a_provider_that_links_is_not_second_guessed(harness):
    harness.bank.capabilities = CURSOR
    harness.bank.buy("-3.50", external_id="p", pending=True)
    harness.refresh()
    harness.bank.buy("-3.50", external_id="q")
    harness.refresh()
    assert harness.amounts() == ["-3.50", "-3.50"]


def test_a_deleted_pending_expense_stays_deleted_when_it_posts_under_a_new_id(harness):
    pending = harness.bank.buy("-20", "Trattoria", external_id="p", pending=True)
    harness.refresh()
    harness.sql("DELETE FROM expenses")
    harness.bank.rows.remove(pending)
    harness.bank.buy("-22", "Trattoria", external_id="q", booking_on=harness.bank.today + timedelta(days=0))
    harness.refresh()
    harness.refresh()
    assert harness.amounts() == []


@pytest.mark.parametrize("id_class", list(IdClass))
def test_a_tip_in_an_answer_that_is_cut_after_linking_again_is_one_expense_at_every_moment(harness, id_class):
    harness.bank.capabilities = replace(WINDOWED, id_class=id_class)
    pending = harness.bank.buy("-20", "Trattoria Luigi", external_id="p", pending=True)
    harness.refresh()
    harness.bank.session = "two"
    harness.bank.rows.remove(pending)
    harness.bank.buy("-23", "TRATTORIA LUIGI ROMA", external_id="q")
    for complete in (False, True):
        harness.bank.complete = complete
        harness.refresh()
        assert harness.amounts() == ["-23.00"]


@pytest.mark.parametrize("id_class", list(IdClass))
def test_a_pending_row_that_was_only_cut_off_comes_again(harness, id_class):
    harness.bank.capabilities = replace(WINDOWED, id_class=id_class)
    pending = harness.bank.buy("-20", "Trattoria Luigi", external_id="p", pending=True)
    harness.refresh()
    harness.bank.rows.remove(pending)
    harness.bank.buy("-23", "Trattoria Luigi", external_id="q")
    harness.bank.complete = False
    harness.refresh()
    harness.bank.rows.append(pending)
    for complete in (True, False, True):
        harness.bank.complete = complete
        harness.refresh()
        assert sorted(harness.amounts()) == ["-20.00", "-23.00"]


def test_a_pending_row_called_off_does_not_live_on_in_its_booked_twin(harness):
    harness.bank.capabilities = replace(WINDOWED, id_class=IdClass.NONE, windows_complete=False)
    pending = harness.bank.buy("-3.50", pending=True)
    harness.refresh()
    harness.bank.buy("-3.50")
    harness.refresh()
    assert len(harness.amounts()) == 2
    harness.bank.rows.remove(pending)
    harness.refresh()
    harness.day_later(8)
    harness.refresh()
    assert harness.amounts() == ["-3.50"]


def test_a_link_counts_while_the_pending_row_is_still_delivered(harness):
    harness.bank.capabilities = replace(WINDOWED, links_pending=True)
    pending = harness.bank.buy("-20", "Trattoria", external_id="p", pending=True)
    harness.refresh()
    harness.bank.buy("-23", "TRATTORIA 12", external_id="q", pending_external_id="p")
    for _ in range(2):
        harness.refresh()
        assert harness.amounts() == ["-23.00"]
    posted = harness.bank.rows.pop()
    harness.refresh()
    harness.bank.rows = [pending, posted]
    harness.refresh()
    harness.bank.rows.remove(pending)
    harness.refresh()
    assert harness.amounts() == ["-23.00"]


def test_an_undated_pending_row_that_changes_keeps_the_day_it_was_first_seen(harness):
    row = harness.bank.buy("-20", external_id="p", pending=True, booking_on=None)
    harness.refresh()
    harness.day_later(2)
    harness.bank.change(row, amount=row.amount - 3)
    harness.refresh()
    assert harness.expenses() == [("2026-06-15", "-23.00", "EUR", "Coffee")]


@pytest.mark.parametrize("id_class", [IdClass.STABLE, IdClass.NONE])
def test_twins_of_which_one_posts_with_a_tip_under_another_id_are_two(harness, id_class):
    harness.bank.capabilities = replace(WINDOWED, id_class=id_class)
    one = harness.bank.buy("-20", "Trattoria", external_id="p1", pending=True)
    harness.bank.buy("-20", "Trattoria", external_id="p2", pending=True)
    harness.refresh()
    harness.bank.rows.remove(one)
    harness.bank.buy("-23", "TRATTORIA ROMA", external_id="q1")
    harness.refresh()
    assert sorted(harness.amounts()) == ["-20.00", "-23.00"]


def test_a_pending_row_that_posts_in_two_parts_in_a_cut_answer_ends_as_two(harness):
    pending = harness.bank.buy("-50", "Webshop", external_id="p", pending=True)
    harness.refresh()
    harness.bank.rows.remove(pending)
    harness.bank.buy("-30", "Webshop", external_id="a")
    harness.bank.buy("-20", "Webshop", external_id="b")
    for complete in (False, True):
        harness.bank.complete = complete
        harness.refresh()
    harness.day_later(8)
    harness.refresh()
    assert sorted(harness.amounts()) == ["-20.00", "-30.00"]


def test_an_amount_the_user_changed_is_not_carried_to_a_purchase_of_other_words(harness):
    pending = harness.bank.buy("-20", "Hotel Adlon", external_id="p", pending=True)
    harness.refresh()
    harness.sql("UPDATE expenses SET amount = 7.77")
    harness.bank.rows.remove(pending)
    harness.bank.buy("-20", "Garden Centre", external_id="q")
    harness.refresh()
    harness.day_later(8)
    harness.refresh()
    assert harness.amounts() == ["-20.00"]


def test_a_pending_row_that_vanished_in_an_outage_goes_after_the_grace(harness):
    harness.bank.buy("-1", external_id="1")
    pending = harness.bank.buy("-20", "Hotel", external_id="p", pending=True)
    harness.refresh()
    harness.bank.rows.remove(pending)
    harness.day_later(60)
    harness.refresh()
    assert len(harness.amounts()) == 2
    harness.day_later(8)
    harness.refresh()
    assert harness.amounts() == ["-1.00"], "though its day is not asked about any more"


def test_a_booked_row_that_is_rewritten_does_not_take_the_pending_row_that_posts_with_a_tip(harness):
    harness.bank.capabilities = replace(WINDOWED, id_class=IdClass.NONE, windows_complete=False)
    booked = harness.bank.buy("-63.20", "Trattoria Luigi")
    pending = harness.bank.buy("-63.20", "Trattoria Luigi", pending=True)
    harness.refresh()
    harness.bank.change(booked, description="Trattoria Luigi 4711 BERLIN DE")
    harness.bank.change(pending, amount=pending.amount - 9, pending=False)
    harness.refresh()
    assert sorted(harness.amounts()) == ["-63.20", "-72.20"]


def test_a_pending_row_that_a_list_of_changes_neither_links_nor_removes_goes_after_the_days_of_grace(harness):
    harness.bank.capabilities = CURSOR
    harness.bank.buy("-4.20", "CAFE CENTRAL", external_id="p", pending=True)
    harness.bank.buy("-9", "Hotel", external_id="h", pending=True)
    harness.refresh()
    harness.day_later()
    harness.bank.buy("-4.20", "Cafe Central Berlin", external_id="q")
    harness.refresh()
    assert sorted(harness.amounts()) == ["-4.20", "-4.20", "-9.00"]
    harness.day_later(8)
    for _ in range(2):
        harness.refresh()
        assert sorted(harness.amounts()) == ["-4.20", "-9.00"]


def test_of_two_pending_rows_that_one_posted_row_may_be_none_goes(harness):
    harness.bank.capabilities = CURSOR
    for number in "12":
        harness.bank.buy("-4.20", "Cafe Central", external_id=number, pending=True)
    harness.refresh()
    harness.day_later()
    harness.bank.buy("-4.20", "Cafe Central", external_id="q")
    harness.day_later(9)
    harness.refresh()
    assert len(harness.amounts()) == 3


@pytest.mark.parametrize(("before", "after"), [("show", "hide"), ("hide", "show")])
def test_pending_rows_that_are_there_are_shown_or_hidden_when_the_option_changes(harness, before, after):
    set_option = "UPDATE bank_connections SET options = jsonb_build_object('import_pending', '{}')"
    harness.sql(set_option.format(before))
    harness.bank.buy("-12", "Taxi", external_id="1", pending=True)
    harness.bank.buy("-1", "Bus", external_id="2")
    for option, amounts in ((before, 2 if before == "show" else 1), (after, 2 if after == "show" else 1)):
        harness.sql(set_option.format(option))
        for _ in range(2):
            harness.refresh()
        assert len(harness.amounts()) == amounts


@pytest.mark.parametrize("done", ["DELETE FROM expenses WHERE amount = 100", "UPDATE expenses SET amount = 40"])
def test_a_refund_does_not_inherit_what_was_done_to_a_pending_purchase_that_went(harness, done):
    harness.bank.buy("-99", "Shop", external_id="1", booking_on=TODAY - timedelta(days=9))
    pending = harness.bank.buy("-100", "Shop", external_id="p", pending=True)
    harness.refresh()
    harness.sql(done)
    harness.bank.rows.remove(pending)
    harness.bank.buy("100", "Shop", external_id="2")
    harness.refresh()
    assert "100.00" in harness.amounts()


@pytest.mark.parametrize("complete", [True, False])
def test_a_refund_that_links_to_its_purchase_leaves_it_where_it_is(harness, complete):
    harness.bank.capabilities = replace(WINDOWED, links_pending=True, windows_complete=complete)
    harness.bank.buy("-20", "Shop", external_id="1")
    harness.refresh()
    harness.bank.buy("20", "Shop", external_id="2", pending_external_id="1")
    for _ in range(2):
        assert harness.refresh().status == RunStatus.SUCCEEDED
    assert sorted(harness.amounts()) == ["-20.00", "20.00"]
