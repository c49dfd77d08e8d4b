"""Transfers between a person's banks, where an account is seen twice, a run is reverted, or a question went stale."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from tests.importer.bank import CURSOR, WINDOWED, Harness
from worker.bank_accounts.answers import undo_answer
from worker.bank_accounts.unmatching import unmatch
from worker.cli.watching import summary
from worker.connectors.base import Account, TransactionKind
from worker.importer.actions.suggestions import accept, decline, list_suggestions
from worker.runs.run_queries import run_of
from worker.runs.states import RunKind, RunStatus

GIRO = Account(external_id="G", name="Giro", currency="EUR", anchor="iban:DE1")
SAVINGS = Account(external_id="S", name="Savings", currency="EUR", anchor="iban:DE2")
UNPAIRED = """SELECT t.id FROM bank_transactions t LEFT JOIN bank_transactions o ON o.id = t.transfer_peer_id
    WHERE t.expense_state = 'transfer' AND o.transfer_peer_id IS DISTINCT FROM t.id"""
TRANSFER = TransactionKind.TRANSFER


@pytest.fixture
def banks(sessions, user_id):
    """Two connections that show the same giro account, and one that shows the savings account."""
    first, second, savings = (Harness(sessions, user_id) for _ in range(3))
    for giro in (first, second):
        giro.bank.accounts = [GIRO]
        giro.bank.buy("-50", "To savings", external_id="g", account_id="G", counterparty_account="DE2", kind=TRANSFER)
    savings.bank.accounts = [SAVINGS]
    savings.bank.buy("50", "From giro", external_id="s", account_id="S", counterparty_account="DE1", kind=TRANSFER)
    return first, second, savings


def revert(harness, **more):
    harness.run(RunKind.REVERT, target_run_id=harness.run_id, **more)


ORDERS = ((0, 1, 2), (0, 2, 1), (2, 0, 1), (1, 2, 0))


@pytest.mark.parametrize("order", ORDERS)
def test_a_leg_that_two_connections_show_is_paired_once(banks, order):
    for place in order:
        banks[place].refresh()
    assert banks[0].amounts() == []
    assert banks[0].sql("SELECT expense_state, count(*) FROM bank_transactions GROUP BY 1 ORDER BY 1") == [
        ("transfer", 2),
        ("twin", 1),
    ]


@pytest.mark.parametrize(("told_else", "status", "left"), [(["7.00"], "succeeded", ["-50.00"]), ([], "partial", [])])
def test_a_leg_that_is_told_no_more_parts_the_two_unless_nothing_is_told_and_another_id_joins_them_again(
    banks, told_else, status, left
):
    giro, _, savings = banks
    for amount in told_else:
        savings.bank.buy(amount, "Interest", external_id="i", account_id="S")
    giro.refresh(), savings.refresh()
    leg = savings.bank.rows.pop(0)
    assert (savings.refresh().status, sorted(giro.amounts())) == (status, [*left, *told_else])
    savings.bank.rows.append(replace(leg, external_id="another"))
    assert (savings.refresh().status, giro.amounts()) == ("succeeded", told_else)
    assert giro.sql(UNPAIRED) == []


@pytest.mark.parametrize("late", [0, 1])
def test_a_leg_is_no_expense_of_a_source_that_turns_out_to_be_its_account_later(banks, late):
    banks[late].bank.accounts = [replace(GIRO, anchor=None)]
    for place in (1 - late, 2, late):
        banks[place].refresh()
    assert banks[0].amounts() == ["-50.00"]
    banks[late].bank.accounts = [GIRO]
    banks[late].refresh()
    assert (banks[0].amounts(), banks[0].sql(UNPAIRED)) == ([], [])
    ((twin_id, user_id),) = banks[0].sql("SELECT id, user_id FROM bank_transactions WHERE expense_state = 'twin'")
    with banks[0].sessions() as session:
        parted = unmatch(session, twin_id, user_id=user_id)
    assert banks[0].amounts() == ["-50.00"]
    with banks[0].sessions() as session:
        undo_answer(session, parted.suggestion_id, user_id=user_id)
    assert (banks[0].amounts(), banks[0].sql(UNPAIRED)) == ([], [])


@pytest.mark.parametrize("reverted", [0, 1, 2])
@pytest.mark.parametrize("order", ORDERS)
def test_after_a_revert_that_is_read_again_every_leg_has_its_peer(banks, order, reverted):
    for place in order:
        banks[place].refresh()
    revert(banks[reverted], reimport=True)
    for _ in range(2):
        for place in order:
            banks[place].refresh()
    assert (banks[0].amounts(), banks[0].sql(UNPAIRED)) == ([], [])


@pytest.mark.parametrize("sources", [1, 2])
def test_a_leg_stays_one_when_a_run_is_taken_back_that_only_told_it_in_other_words(banks, sources):
    first, second, savings = banks
    for harness in (first, savings, second)[: sources + 1]:
        harness.refresh()
    first.bank.change(first.bank.rows[0], description="To savings, booked", external_id="booked")
    first.refresh()
    revert(first)
    assert (first.amounts(), first.sql(UNPAIRED)) == ([], [])
    first.refresh()
    assert (first.amounts(), first.sql(UNPAIRED)) == ([], [])


REVERTED_BETWEEN = {
    "before the other source came": "read 1, revert 1, read 0, read 2",
    "and that again, while the other source came": "read 0, read 2, revert 2, read 1, restore 2",
    "and restored twice, though the other source has it": ("read 1, read 0, revert 1, restore 1, read 1, restore 1"),
    "on both sides, and read again": "read 1, read 0, read 2, revert 1, revert 2, read 1",
}


@pytest.mark.parametrize("steps", REVERTED_BETWEEN.values(), ids=REVERTED_BETWEEN)
def test_an_import_that_was_taken_back_leaves_no_leg_beside_that_of_the_other_source(banks, steps):
    undone = {}
    for step in [*steps.split(", "), *(f"read {place}" for place in (0, 1, 2))]:
        verb, place = step.split()
        harness = banks[int(place)]
        if verb == "read":
            harness.refresh()
        else:
            target = harness.run_id if verb == "revert" else undone[place]
            harness.run(RunKind.REVERT, target_run_id=target, reimport=True)
            undone[place] = harness.run_id
    assert (banks[0].amounts(), banks[0].sql(UNPAIRED)) == ([], [])


def test_the_other_leg_of_one_that_the_bank_neither_delivers_nor_counts_is_an_expense_again(banks):
    giro, _, savings = banks
    giro.bank.capabilities = replace(WINDOWED, windows_complete=False)
    giro.bank.buy("-10", "Shoes", external_id="shoes", account_id="G")
    giro.bank.balance("-60")
    giro.refresh()
    savings.refresh()
    assert giro.amounts() == ["-10.00"]
    giro.day_later()
    del giro.bank.rows[0]
    giro.bank.balance("-10")
    assert giro.refresh().status == RunStatus.SUCCEEDED
    assert (giro.amounts(), giro.sql(UNPAIRED)) == (["-10.00", "50.00"], [])


def test_the_other_leg_of_a_reverted_one_is_an_expense_again(banks):
    giro, _, savings = banks
    savings.refresh()
    giro.refresh()
    revert(giro)
    for harness in (savings, giro):
        assert (harness.amounts(), harness.sql(UNPAIRED)) == (["50.00"], [])
        harness.refresh()
    revert(giro)
    assert giro.amounts() == ["50.00"]


def test_a_question_that_a_revert_withdrew_is_asked_again(banks):
    giro, _, savings = banks
    giro.refresh()
    giro.sql("UPDATE expenses SET notes = 'Rainy days'")
    savings.refresh()
    revert(savings, reimport=True)
    savings.refresh()
    giro.answer(accept)
    assert giro.amounts() == []


def test_a_row_that_returns_while_another_connection_has_it_is_its_twin(banks):
    first, second, _ = banks
    first.refresh()
    revert(first, reimport=True)
    second.refresh()
    first.refresh()
    assert first.amounts() == ["-50.00"]
    assert first.sql("SELECT expense_state FROM bank_transactions ORDER BY 1") == [("own",), ("twin",)]


def test_a_leg_whose_other_row_went_with_its_bank_is_an_expense_again(banks):
    giro, _, savings = banks
    giro.refresh()
    savings.refresh()
    assert giro.amounts() == []
    giro.sql("DELETE FROM bank_connections WHERE id = :c", c=savings.connection_id)
    giro.refresh()
    giro.day_later()
    giro.refresh()
    assert giro.amounts() == ["-50.00"]


@pytest.mark.parametrize("days", [5, 7])
def test_legs_that_name_each_other_are_one_transfer_also_over_holidays(banks, days):
    giro, _, savings = banks
    (arrived,) = savings.bank.rows
    savings.bank.change(arrived, booking_on=arrived.booking_on - timedelta(days=days))
    for harness in (giro, savings):
        harness.refresh()
    assert giro.amounts() == []


def test_a_transfer_is_shown_on_both_sides_or_on_neither(banks):
    giro, _, savings = banks
    said = "UPDATE bank_connections SET options = jsonb_build_object('transfers', :said) WHERE id = :c"
    shown = []
    for harness, option in ((giro, "hide"), (giro, "show_both"), (savings, "show_both"), (giro, "hide")):
        giro.sql(said, said=option, c=harness.connection_id)
        for each in (giro, savings, giro):
            each.refresh()
            shown.append(sorted(giro.amounts()))
    both = ["-50.00", "50.00"]
    assert shown == [["-50.00"], [], [], [], [], [], [], both, both, [], [], []]
    # What the person changed while both are shown, they decide about once they are hidden again.
    for answer, left in ((accept, []), (decline, both)):
        for option in ("show_both", "hide"):
            giro.sql(said, said=option, c=giro.connection_id)
            giro.refresh()
            giro.sql("UPDATE expenses SET notes = 'Mine' WHERE expense_type = 'EXPENSE'")
            assert [expense[3] for expense in giro.expenses()] == ["Mine", "From giro"]
        with giro.sessions() as session:
            (question,) = list_suggestions(session, giro.user_id)
            answer(session, question.id, user_id=giro.user_id)
        for each in (giro, savings):
            each.refresh()
        assert (sorted(giro.amounts()), giro.sql(UNPAIRED)) == (left, [])
    with giro.sessions() as session:
        assert list_suggestions(session, giro.user_id) == []


def test_as_many_equal_payments_as_arrive_are_transfers_whichever_is_told_first(sessions, user_id):
    giro, cards = (Harness(sessions, user_id) for _ in range(2))
    giro.bank.accounts = [GIRO]
    cards.bank.accounts = [replace(SAVINGS, external_id=name, name=name, anchor=None) for name in ("Visa", "Amex")]
    for name in ("Visa", "Amex"):
        giro.bank.buy("-500", f"Payment {name}", external_id=name, account_id="G", kind=TRANSFER)
    cards.bank.buy("500", "Thank you", external_id="v", account_id="Visa", kind=TRANSFER)
    for harness in (giro, cards):
        assert harness.refresh().status is RunStatus.SUCCEEDED
    with sessions() as session:  # which of the two arrived nothing tells, until the other one does
        assert [question.kind for question in list_suggestions(session, user_id)] == ["transfer"]
    cards.bank.buy("500", "Thank you", external_id="a", account_id="Amex", kind=TRANSFER)
    cards.refresh()
    assert (giro.amounts(), giro.sql(UNPAIRED)) == ([], [])
    with sessions() as session:
        assert list_suggestions(session, user_id) == []


BROKEN = {
    "the bank takes the other leg back": (1, {"external_id": "i", "amount": Decimal(7)}, ["-20.00", "7.00"]),
    "it changes the other leg": (1, {"amount": Decimal(51)}, ["-20.00", "51.00"]),
    "it changes this leg": (0, {"amount": Decimal(-52)}, ["-20.00", "50.00"]),
    "it states another currency": (1, {"currency": "USD"}, ["-20.00", "50.00"]),
}


@pytest.mark.parametrize(("place", "change", "left"), BROKEN.values(), ids=BROKEN)
def test_what_a_person_wrote_on_a_leg_is_there_again_once_the_bank_breaks_the_transfer(banks, place, change, left):
    giro, _, savings = banks
    giro.refresh()
    giro.sql("INSERT INTO categories (id, user_id, name) VALUES (9, :u, 'Rainy days')", u=giro.user_id)
    giro.sql("UPDATE expenses SET amount = 20, notes = 'Mine', category_id = 9")
    savings.refresh()
    giro.answer(accept)
    assert giro.amounts() == []
    bank = (giro, savings)[place].bank
    told = bank.rows[0]
    bank.rows[:] = [replace(told, **change)]
    for harness in (giro, savings):
        harness.refresh()
    assert sorted(giro.amounts()) == left
    assert giro.sql("SELECT notes, category_id FROM expenses WHERE amount = 20") == [("Mine", 9)]
    bank.rows[:] = [told]
    for harness in (giro, savings):
        harness.refresh()
    giro.answer(accept)
    assert (giro.amounts(), giro.sql(UNPAIRED)) == ([], [])


def test_an_expense_that_a_person_typed_for_a_leg_goes_with_it_and_comes_back_with_it(banks):
    giro, _, savings = banks
    giro.type_in("50", "To savings", giro.bank.today)
    for harness in (giro, savings):
        harness.refresh()
    (typed,) = giro.sql("SELECT id FROM expenses WHERE expense_type = 'EXPENSE'")
    giro.answer(accept)
    assert giro.amounts() == []
    savings.bank.change(savings.bank.rows[0], amount=Decimal(51))
    savings.refresh()
    assert sorted(giro.amounts()) == ["-50.00", "51.00"]
    left = giro.sql("SELECT expense_id, expense_state FROM bank_transactions WHERE amount = -50")
    assert left == [(typed.id, "linked")]


def test_a_run_counts_legs_of_transfers_beside_what_it_created(sessions, user_id):
    harness = Harness(sessions, user_id)
    harness.bank.accounts = [GIRO, SAVINGS]
    harness.bank.buy("-50", "To savings", external_id="g", account_id="G", kind=TRANSFER)
    harness.bank.buy("50", "From giro", external_id="s", account_id="S", kind=TRANSFER)
    harness.bank.buy("-3", "Coffee", external_id="c", account_id="G")
    harness.refresh()
    with sessions() as session:
        run = run_of(session, harness.run_id)
    assert (run["created"], run["transfer_legs"], harness.amounts()) == (3, 2, ["-3.00"])
    assert summary(run).endswith("3 created, 2 legs of transfers")


@pytest.mark.parametrize("answered", [True, False], ids=["answered", "after the days of grace"])
def test_a_leg_that_is_booked_beside_its_pending_row_takes_its_place_in_the_transfer(banks, answered):
    giro, _, savings = banks
    giro.bank.capabilities = CURSOR
    giro.bank.change(giro.bank.rows[0], external_id="p", pending=True)
    for harness in (giro, savings):
        harness.refresh()
    giro.bank.buy("-50", "To savings 4711", external_id="q", account_id="G", counterparty_account="DE2", kind=TRANSFER)
    assert (giro.refresh().code, giro.amounts()) == ("still_pending", ["-50.00"])
    if answered:
        with giro.sessions() as session:
            [question] = list_suggestions(session, giro.user_id)
            accept(session, question.id, user_id=giro.user_id)
        assert (giro.amounts(), giro.sql(UNPAIRED)) == ([], [])
    giro.day_later(8)
    for _ in range(2):
        assert giro.refresh().status is RunStatus.SUCCEEDED
        assert (giro.amounts(), giro.sql(UNPAIRED)) == ([], [])
