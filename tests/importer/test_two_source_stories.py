"""Two sources that tell the same purchases, or the two legs of a transfer."""

import random
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from tests.importer.bank import CURSOR, IBAN, TODAY
from worker.importer.decide.sources.rows import MAX_DAYS_ALIKE
from worker.runs.states import RunKind


def test_the_same_purchase_of_two_banks_is_one_once_the_accounts_are_known_to_be_one(two):
    for harness in two:
        harness.bank.buy("-4.20", "Cafe Central", external_id="1")
        harness.refresh()
    assert two[0].amounts() == ["-4.20", "-4.20"]
    two[1].bank.accounts = [replace(two[1].bank.accounts[0], mask="1111")]
    two[1].refresh()
    two[0].refresh()
    assert two[0].amounts() == ["-4.20"]


def test_legs_that_did_not_know_each_other_are_paired_later(two):
    two[0].bank.buy("-50", "Savings", external_id="1", counterparty_account=IBAN)
    two[1].bank.buy("50", "Savings", external_id="2")
    for harness in two:
        harness.refresh()
    assert sorted(two[0].amounts()) == ["-50.00", "50.00"]
    two[1].bank.accounts = [replace(two[1].bank.accounts[0], anchor=f"iban:{IBAN}")]
    two[1].refresh()
    assert two[0].amounts() == []


@pytest.mark.parametrize("institutions", [("North Bank", "Amex"), (None, None)])
def test_the_same_purchase_with_two_banks_that_state_no_digits_is_two(two, institutions):
    for place, (harness, institution) in enumerate(zip(two, institutions, strict=True)):
        account = replace(harness.bank.accounts[0], name=("Giro", "Visa")[place], institution_name=institution)
        harness.bank.accounts = [account]
        harness.bank.buy("-2.80", "Metro", external_id="1", booking_on=TODAY - timedelta(days=2))
        for number in range(5, 15):
            on = TODAY - timedelta(days=number)
            amount = f"-{number + 20 * place}"
            harness.bank.buy(amount, f"Shop {place} {number}", external_id=f"s{number}", booking_on=on)
    for harness in (*two, *two):
        harness.refresh()
    assert len(two[0].amounts()) == 22


def test_a_twin_whose_other_row_is_gone_is_an_expense_again(two):
    for harness in two:
        harness.bank.accounts = [replace(harness.bank.accounts[0], mask="1111")]
        row = harness.bank.buy("-4.20", "Cafe Central", external_id="1")
        harness.bank.buy("-1", "Tram", external_id="2")
        harness.refresh()
    two[0].bank.rows.remove(next(row for row in two[0].bank.rows if row.external_id == "1"))
    two[0].refresh()
    assert row.external_id == "1"
    two[1].refresh()
    assert sorted(two[0].amounts()) == ["-1.00", "-4.20"]


@pytest.mark.parametrize("more", [{"pending": True}, {"booking_on": TODAY + timedelta(days=2)}])
@pytest.mark.parametrize(
    ("days", "amounts"),
    [
        ((-300, -290), ["-9.00"]),
        ((-60, 60), ["-9.00"]),
        ((-3, 4), ["-9.00"]),
        ((4, 9), ["-9.00"]),
        ((-3, 9), []),
    ],
    ids=["of last year", "of two far months", "that ends too early", "that begins later", "of its days"],
)
def test_a_statement_file_tells_of_pending_rows_of_its_days_alone(two, days, amounts, more):
    """Nor of rows that a feed, which is not read any more, had booked for days to come."""
    feed, file = two
    feed.bank.accounts = [replace(feed.bank.accounts[0], anchor=f"iban:{IBAN}")]
    feed.bank.capabilities = CURSOR
    feed.bank.buy("-9", "Hotel", external_id="1", **more)
    feed.refresh()
    feed.sql("UPDATE bank_connections SET status = 'needs_user' WHERE id = :c", c=feed.connection_id)
    file.sql("UPDATE bank_connections SET connector_name = 'file' WHERE id = :c", c=file.connection_id)
    file.bank.accounts = [replace(feed.bank.accounts[0], external_id="S")]
    for number, offset in enumerate(days):
        on = TODAY + timedelta(days=offset)
        file.bank.buy(f"-{number + 1}", "Baker", external_id=str(number), account_id="S", booking_on=on)
    file.bank.today = TODAY + timedelta(days=70)
    file.refresh()
    assert sorted(file.amounts()) == sorted(["-1.00", "-2.00", *amounts])


def test_a_deleted_pending_row_stays_deleted_when_the_other_connection_posts_it(one_account):
    first, second = one_account
    for harness in one_account:
        harness.bank.rows[0] = replace(harness.bank.rows[0], pending=True)
        harness.refresh()
    first.sql("DELETE FROM expenses WHERE amount = 9")
    first.bank.rows.pop(0)
    first.day_later()
    first.refresh()
    first.day_later(9)
    first.refresh()
    second.bank.today = first.bank.today
    second.refresh()
    second.bank.rows[0] = replace(second.bank.rows[0], pending=False, external_id="posted")
    for harness in (second, first, second):
        harness.refresh()
    assert first.amounts() == ["-1.00"]


@pytest.mark.parametrize("deleted", [True, False])
@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["the source with the expense first", "its twin first"])
def test_a_twin_that_posts_with_another_amount_is_a_twin_still(one_account, deleted, order):
    for harness in one_account:
        harness.bank.rows[0] = replace(harness.bank.rows[0], pending=True)
        harness.refresh()
    if deleted:
        one_account[0].sql("DELETE FROM expenses WHERE amount = 9")
    for harness in (one_account[place] for place in order):
        harness.bank.rows[0] = replace(harness.bank.rows[0], pending=False, amount=Decimal("-9.90"))
        harness.refresh()
        assert len(harness.amounts()) == (1 if deleted else 2)
    assert sorted(one_account[0].amounts()) == (["-1.00"] if deleted else ["-1.00", "-9.90"])


def test_what_one_source_booked_counts_while_the_other_one_has_it_pending(one_account):
    first, second = one_account
    for harness in one_account:
        harness.bank.rows[0] = replace(harness.bank.rows[0], pending=True)
        harness.refresh()
    for harness in (second, first):
        harness.bank.rows[0] = replace(harness.bank.rows[0], pending=False, amount=Decimal("-9.90"))
        harness.refresh()
        assert sorted(first.amounts()) == ["-1.00", "-9.90"]


@pytest.mark.parametrize(
    ("edited", "end"),
    [(True, "withdrawn"), (False, "withdrawn"), (True, "removed"), (False, "removed"), (False, "reverted")],
)
def test_a_twin_that_takes_an_expense_over_states_what_of_it_the_person_left_alone(one_account, edited, end):
    first, second = one_account
    for harness in one_account:
        harness.bank.rows[0] = replace(harness.bank.rows[0], pending=True)
        harness.refresh()
    if edited:
        first.sql("UPDATE expenses SET notes = 'Breakfast' WHERE amount = 9")
    second.bank.rows[0] = replace(second.bank.rows[0], pending=False, amount=Decimal("-9.90"))
    second.refresh()
    if end == "withdrawn":
        first.bank.rows.pop(0)
        for days in (1, 9):
            first.day_later(days)
            first.refresh()
    elif end == "removed":
        first.remove(with_expenses=True)
    else:
        first.run(RunKind.REVERT, target_run_id=first.run_id)
    told = [(amount, notes) for _, amount, _, notes in first.expenses()]
    assert sorted(told) == [("-1.00", "Bus"), ("-9.90", "Breakfast" if edited else "Baker")]


@pytest.mark.parametrize(("days", "rows"), [(0, 1), (3, 1), (MAX_DAYS_ALIKE, 1), (MAX_DAYS_ALIKE + 1, 2)])
def test_a_row_that_changes_meets_rows_of_other_sources_as_far_away_as_a_new_one(one_account, days, rows):
    first, second = one_account
    on = TODAY - timedelta(days=9)
    pending = first.bank.change(first.bank.rows[0], pending=True, booking_on=on)
    second.bank.change(second.bank.rows[0], amount=Decimal("-9.90"), booking_on=on + timedelta(days=days))
    for harness in one_account:
        harness.refresh()
    assert sorted(first.amounts()) == ["-1.00", "-9.00", "-9.90"]
    first.bank.change(pending, pending=False, amount=Decimal("-9.90"))
    for harness in one_account:
        harness.refresh()
    assert first.amounts().count("-9.90") == rows


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_runs_of_two_sources_without_news_change_nothing(one_account, seed):
    """Two fares a day, booked up to a day later by the second source."""
    later = random.Random(seed)
    for harness, account_id in zip(one_account, "AX", strict=True):
        for ago in range(1, 25):
            for fare in "12":
                late = timedelta(days=later.randrange(2) if account_id == "X" else 0)
                harness.bank.buy(
                    "-2.80", "Bus Ride", external_id=f"{account_id}{ago}-{fare}", account_id=account_id,
                    booking_on=TODAY - timedelta(days=ago) + late,
                )  # fmt: skip
            harness.bank.buy(
                f"-{ago}.33", f"Shop {ago}", external_id=f"{account_id}u{ago}", account_id=account_id,
                booking_on=TODAY - timedelta(days=ago),
            )  # fmt: skip
    for harness in one_account:
        harness.refresh()
    settled = one_account[0].expenses()
    for harness in (*one_account, *one_account):
        harness.sql("UPDATE bank_connections SET answer_digest = NULL, answer_run_id = NULL")
        harness.refresh()
    assert one_account[0].expenses() == settled
