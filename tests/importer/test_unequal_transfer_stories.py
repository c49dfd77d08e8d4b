"""Transfers whose legs are not of one amount: of two currencies, or with a fee, which stays an expense."""

from dataclasses import replace
from decimal import Decimal

import pytest

from tests.importer.bank import Harness
from worker.bank_accounts.answers import undo_answer
from worker.bank_accounts.unmatching import unmatch
from worker.connectors.base import Account, TransactionKind
from worker.importer.actions.suggestions import accept, decline, list_suggestions
from worker.runs.states import RunKind

GIRO = Account(external_id="G", name="Giro", currency="EUR", anchor="iban:DE1", mask="1111")
POT = Account(external_id="P", name="Pot", currency="EUR", anchor="iban:DE2", mask="4321")
DOLLARS = replace(POT, currency="USD")
TRANSFER = TransactionKind.TRANSFER
UNPAIRED = """SELECT t.id FROM bank_transactions t LEFT JOIN bank_transactions o ON o.id = t.transfer_peer_id
    WHERE t.expense_state = 'transfer' AND o.transfer_peer_id IS DISTINCT FROM t.id"""
ABROAD = {"original_amount": "-108.20", "original_currency": "USD", "exchange_rate": "1.0820"}
CHARGED = {"gross": "-100.00", "fee": "0.50"}


@pytest.fixture
def banks(sessions, user_id):
    return Harness(sessions, user_id), Harness(sessions, user_id)


def fill(banks, out, into, **more):
    """Let the first bank book what leaves, and the second what arrives."""
    giro, pot = banks
    giro.bank.accounts, pot.bank.accounts = [GIRO], [DOLLARS if into.get("currency") == "USD" else POT]
    giro.bank.buy(**({"amount": "-100", "description": "To the pot", "external_id": "g"} | out | more), account_id="G")
    pot.bank.buy(**({"description": "Received", "external_id": "p"} | into), account_id="P")


def refresh(*banks):
    for harness in banks:
        harness.refresh()


def expenses(harness):
    return [(amount, currency) for _, amount, currency, _ in harness.expenses()]


CERTAIN = {
    "the sum abroad is stated": (
        0, {"kind": TRANSFER, "stated_amounts": ABROAD}, {"amount": "108.20", "currency": "USD"}, [],
    ),
    "the fee is stated": (
        1, {"amount": "-100.50", "kind": TRANSFER, "stated_amounts": CHARGED}, {"amount": "100"}, [("-0.50", "EUR")],
    ),
    "both are": (
        0, {"amount": "-100.50", "description": "To ..4321", "stated_amounts": ABROAD | CHARGED},
        {"amount": "108.20", "currency": "USD"}, [("-0.50", "EUR")],
    ),
    "both banks charge": (
        0, {"amount": "-100.50", "kind": TRANSFER, "stated_amounts": ABROAD | CHARGED},
        {"amount": "107.20", "currency": "USD", "stated_amounts": {"gross": "108.20", "fee": "1.00"}},
        [("-1.00", "USD"), ("-0.50", "EUR")],
    ),
}  # fmt: skip
ASKED = {
    "a fee": (
        0, {"amount": "-100.50", "description": "To ..4321"}, {"amount": "100"}, "less_a_fee", [("-0.50", "EUR")],
    ),
    "two currencies": (
        1, {"counterparty_account": "DE2"}, {"amount": "108.20", "currency": "USD"}, "exchanged", [],
    ),
    "less than the sum abroad": (
        0, {"description": "To ..4321", "stated_amounts": ABROAD}, {"amount": "107.20", "currency": "USD"},
        "exchanged", [("-1.00", "USD")],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("first", "out", "into", "left"), CERTAIN.values(), ids=CERTAIN)
def test_what_the_banks_state_makes_a_transfer_and_what_it_cost_stays_an_expense(banks, first, out, into, left):
    fill(banks, out, into)
    giro, pot = banks
    refresh(banks[first], banks[1 - first])
    assert (expenses(giro), giro.sql(UNPAIRED)) == (left, [])
    # The bank says more of a leg: what the transfer cost stays, once.
    for harness in banks:
        (told,) = harness.bank.rows
        harness.bank.change(told, description=f"{told.description}, monthly")
    refresh(giro, pot)
    assert (expenses(giro), giro.sql(UNPAIRED)) == (left, [])
    assert all(notes.endswith("monthly") for *_, notes in giro.expenses())
    # Shown on both sides, and hidden again.
    for option, shown in (("show_both", sorted([whole(giro), whole(pot)])), ("hide", left)):
        giro.sql("UPDATE bank_connections SET options = jsonb_build_object('transfers', :said)", said=option)
        refresh(giro, pot)
        assert sorted(expenses(giro)) == sorted(shown)
    ((out_id,),) = giro.sql("SELECT id FROM bank_transactions WHERE amount < 0")
    with giro.sessions() as session:
        parted = unmatch(session, out_id, user_id=giro.user_id)
    assert sorted(expenses(giro)) == sorted([whole(giro), whole(pot)])
    with giro.sessions() as session:
        undo_answer(session, parted.suggestion_id, user_id=giro.user_id)
    assert (expenses(giro), giro.sql(UNPAIRED)) == (left, [])


def whole(harness):
    (told,) = harness.bank.rows
    return f"{told.amount:.2f}", told.currency


@pytest.mark.parametrize(("first", "out", "into", "reason", "left"), ASKED.values(), ids=ASKED)
def test_what_they_do_not_state_is_a_question_that_can_be_answered_and_taken_back(
    banks, first, out, into, reason, left
):
    fill(banks, out, into)
    giro, pot = banks
    refresh(banks[first], banks[1 - first])
    both = sorted([whole(giro), whole(pot)])
    for answer in (decline, accept):
        refresh(giro, pot)
        assert sorted(expenses(giro)) == both
        with giro.sessions() as session:
            (question,) = list_suggestions(session, giro.user_id)
            assert (question.kind, question.reason) == ("transfer", reason)
            told = [(f"{cost['amount']:.2f}", cost["currency"]) for cost in question.other["costs"]]
            assert told == [(amount.removeprefix("-"), currency) for amount, currency in left]
            answer(session, question.id, user_id=giro.user_id)
        assert sorted(expenses(giro)) == (both if answer is decline else left)
        refresh(giro, pot)
        assert (sorted(expenses(giro)), giro.sql(UNPAIRED)) == (both if answer is decline else left, [])
        with giro.sessions() as session:
            undo_answer(session, question.id, user_id=giro.user_id)


ENDED = {
    "the bank changes what left": (0, {"amount": Decimal(-70)}),
    "the bank changes what arrived": (1, {"amount": Decimal(77)}),
    "the bank takes back what left": (0, None),
    "the bank takes back what arrived": (1, None),
}


@pytest.mark.parametrize("asked", [True, False], ids=["accepted", "certain"])
@pytest.mark.parametrize(("place", "change"), ENDED.values(), ids=ENDED)
def test_what_a_transfer_cost_is_no_expense_once_the_bank_breaks_it(banks, place, change, asked):
    stated = {} if asked else {"stated_amounts": CHARGED, "kind": TRANSFER}
    fill(banks, {"amount": "-100.50", "description": "To ..4321", **stated}, {"amount": "100"})
    giro, pot = banks
    refresh(giro)
    giro.sql("UPDATE expenses SET notes = 'Mine'" if asked else "SELECT 1")
    refresh(pot)
    answer_all(giro)
    assert expenses(giro) == [("-0.50", "EUR")]
    bank = banks[place].bank
    (told,) = bank.rows
    bank.rows[:] = [] if change is None else [replace(told, stated_amounts=None, **change)]
    bank.buy("-1", "Coffee", external_id="c", account_id=told.account_id)
    refresh(giro, pot)
    left = {giro: [("-100.50", "EUR")], pot: [("100.00", "EUR")]}
    left[banks[place]] = [] if change is None else [(f"{change['amount']:.2f}", "EUR")]
    assert sorted(expenses(giro)) == sorted([*left[giro], *left[pot], ("-1.00", "EUR")])
    assert [note for *_, note in giro.expenses()].count("Mine") == (asked and (place == 1 or change is not None))
    bank.rows[:] = [told, bank.rows[-1]]
    refresh(giro, pot)
    answer_all(giro)
    assert (sorted(expenses(giro)), giro.sql(UNPAIRED)) == ([("-0.50", "EUR"), ("-1.00", "EUR")], [])


def answer_all(harness):
    with harness.sessions() as session:
        for question in list_suggestions(session, harness.user_id):
            accept(session, question.id, user_id=harness.user_id)


@pytest.mark.parametrize("place", [0, 1])
def test_a_run_that_is_reverted_takes_what_its_transfer_cost_with_it(banks, place):
    fill(banks, {"amount": "-100.50", "kind": TRANSFER, "stated_amounts": CHARGED}, {"amount": "100"})
    giro, pot = banks
    refresh(giro, pot)
    reverted, other = banks[place], banks[1 - place]
    ((run_id,),) = giro.sql(
        "SELECT first_run_id FROM bank_transactions WHERE external_id = :id", id="gp"[place],
    )  # fmt: skip
    reverted.run(RunKind.REVERT, target_run_id=run_id, reimport=True)
    assert expenses(giro) == [whole(other)]
    refresh(reverted)
    assert (expenses(giro), giro.sql(UNPAIRED)) == ([("-0.50", "EUR")], [])


def test_what_a_transfer_cost_goes_with_its_leg_to_the_other_source_and_with_a_bank_that_is_removed(
    banks, sessions, user_id
):
    fill(banks, {"amount": "-100.50", "kind": TRANSFER, "stated_amounts": CHARGED}, {"amount": "100"})
    giro, pot = banks
    again = Harness(sessions, user_id)
    again.bank.accounts, again.bank.rows = giro.bank.accounts, list(giro.bank.rows)
    refresh(giro, pot, again)
    assert expenses(giro) == [("-0.50", "EUR")]
    giro.bank.rows.clear()
    giro.bank.buy("-1", "Coffee", external_id="c", account_id="G")
    refresh(giro, again)
    assert sorted(expenses(giro)) == [("-0.50", "EUR"), ("-1.00", "EUR")]
    giro.sql("DELETE FROM bank_connections WHERE id = :c", c=pot.connection_id)
    again.day_later()
    refresh(again)
    assert sorted(expenses(giro)) == [("-1.00", "EUR"), ("-100.50", "EUR")]


def test_the_cost_of_a_transfer_that_a_person_deleted_stays_deleted_and_hides_nothing_else(banks):
    fill(banks, {"amount": "-100.50", "kind": TRANSFER, "stated_amounts": CHARGED}, {"amount": "100"})
    giro, pot = banks
    refresh(giro, pot)
    giro.sql("DELETE FROM expenses")
    refresh(giro, pot)
    assert expenses(giro) == []
    pot.bank.change(pot.bank.rows[0], amount=Decimal(50))
    refresh(pot)
    assert sorted(expenses(giro)) == [("-100.50", "EUR"), ("50.00", "EUR")]


def told_otherwise_and_again(banks):
    pot = banks[1]
    pot.bank.change(pot.bank.rows[0], amount=Decimal(50))
    refresh(pot)
    yield
    pot.bank.change(pot.bank.rows[0], amount=Decimal(100))
    refresh(pot)
    yield


def taken_back_and_told_again(banks):
    giro = banks[0]
    (told,) = giro.bank.rows
    giro.bank.rows[:] = []
    giro.bank.buy("-1", "Coffee", external_id="c", account_id="G")
    refresh(giro)
    yield
    giro.bank.rows[:] = [told]
    refresh(giro)
    yield


def shown_and_hidden(banks):
    for option in ("show_both", "hide"):
        banks[0].sql("UPDATE bank_connections SET options = jsonb_build_object('transfers', :said)", said=option)
        refresh(*banks)
        yield


def parted_and_joined_by_the_person(banks):
    giro = banks[0]
    ((out_id,),) = giro.sql("SELECT id FROM bank_transactions WHERE amount < -1")
    with giro.sessions() as session:
        parted = unmatch(session, out_id, user_id=giro.user_id)
    yield
    with giro.sessions() as session:
        undo_answer(session, parted.suggestion_id, user_id=giro.user_id)
    yield


def taken_back_by_a_revert(banks):
    giro = banks[0]
    ((run_id,),) = giro.sql("SELECT first_run_id FROM bank_transactions WHERE amount < -1")
    giro.run(RunKind.REVERT, target_run_id=run_id, reimport=True)
    yield
    refresh(giro)
    yield


MINE = """SELECT e.amount::text, e.notes, e.spent_at::text, c.name FROM expenses e
    LEFT JOIN categories c ON c.id = e.category_id WHERE e.amount < 1"""


def test_what_a_person_made_of_a_cost_is_there_again_once_the_transfer_is(banks):
    fill(banks, {"amount": "-100.50", "kind": TRANSFER, "stated_amounts": CHARGED}, {"amount": "100"})
    giro, pot = banks
    refresh(giro, pot)
    giro.sql("INSERT INTO categories (user_id, name) VALUES (:u, 'Fees')", u=giro.user_id)
    giro.sql(
        "UPDATE expenses SET amount = 0.45, notes = 'Mine', spent_at = '2026-06-01',"
        " category_id = (SELECT id FROM categories)"
    )
    for parting in (
        told_otherwise_and_again, taken_back_and_told_again, shown_and_hidden, parted_and_joined_by_the_person,
    ):  # fmt: skip
        steps = parting(banks)
        next(steps)
        assert giro.sql(MINE) == [], parting
        next(steps)
        assert (giro.sql(MINE), giro.sql(UNPAIRED)) == ([("0.45", "Mine", "2026-06-01", "Fees")], []), parting
    # The person changed it: a revert leaves both legs alone, and says so.
    ((run_id,),) = giro.sql("SELECT first_run_id FROM bank_transactions WHERE external_id = 'p'")
    outcome = pot.run(RunKind.REVERT, target_run_id=run_id)
    assert (outcome.status, outcome.code) == ("partial", "edited_since")
    assert (len(giro.sql(MINE)), giro.sql(UNPAIRED)) == (1, [])
    # What the bank says of it follows in what they did not change, and stays away once they deleted it.
    giro.sql("DELETE FROM expenses WHERE notes = 'Mine'")  # what they deleted stays away
    for parting in (told_otherwise_and_again, shown_and_hidden, taken_back_by_a_revert):
        for _ in parting(banks):
            pass
        assert (giro.sql(MINE), giro.sql(UNPAIRED)) == ([], []), parting


@pytest.mark.parametrize("parting", [shown_and_hidden, parted_and_joined_by_the_person])
def test_a_cost_that_an_older_version_wrote_stays_as_the_person_left_it(banks, parting):
    fill(banks, {"amount": "-100.50", "kind": TRANSFER, "stated_amounts": CHARGED}, {"amount": "100"})
    giro, pot = banks
    refresh(giro, pot)
    giro.sql("UPDATE bank_transactions SET base_cost = NULL")
    giro.sql("UPDATE expenses SET amount = 0.45, notes = 'Mine', spent_at = '2026-06-01'")
    mine = [("0.45", "Mine", "2026-06-01", None)]
    for _ in parting(banks):
        pass
    assert (giro.sql(MINE), giro.sql(UNPAIRED)) == (mine, [])
    giro.sql("UPDATE bank_transactions SET base_cost = NULL")
    for text in ("To my pot", "To my pot again"):
        giro.bank.change(giro.bank.rows[0], description=text)
        refresh(giro)
        assert (giro.sql(MINE), giro.sql(UNPAIRED)) == (mine, [])


def test_a_cost_that_a_person_deleted_under_an_older_version_stays_deleted(banks):
    fill(banks, {"amount": "-100.50", "kind": TRANSFER, "stated_amounts": CHARGED}, {"amount": "100"})
    giro, pot = banks
    refresh(giro, pot)
    giro.sql("UPDATE bank_transactions SET base_cost = NULL")
    giro.sql("DELETE FROM expenses")
    for text in ("To my pot", "To my pot again"):
        giro.bank.change(giro.bank.rows[0], description=text)
        refresh(giro)
        assert (expenses(giro), giro.sql(UNPAIRED)) == ([], [])


def test_what_an_older_version_wrote_of_the_second_bank_stays_one_expense_as_the_person_left_it(banks):
    kept = {"amount": "107.20", "currency": "USD", "stated_amounts": {"gross": "108.20", "fee": "1.00"}}
    fill(banks, {"kind": TRANSFER, "stated_amounts": ABROAD}, kept)
    giro, pot = banks
    refresh(giro, pot)
    assert expenses(giro) == [("-1.00", "USD")]
    # It was one of the leg that left, whatever its currency.
    giro.sql("UPDATE bank_transactions SET base_cost = NULL, expense_id = NULL")
    giro.sql("UPDATE bank_transactions SET expense_id = (SELECT id FROM expenses) WHERE amount < 0")
    giro.sql("UPDATE expenses SET amount = 0.45, notes = 'Mine', spent_at = '2026-06-01'")
    giro.bank.change(giro.bank.rows[0], description="To my pot")
    refresh(giro)
    assert (giro.sql(MINE), len(expenses(giro))) == ([("0.45", "Mine", "2026-06-01", None)], 1)


LATER = {
    "certainly": ({"amount": "108.20", "description": "To ..1111"}, "obsolete", ["107.50"]),
    "perhaps": ({"amount": "108.00", "description": "Transfer in"}, "declined", ["-100.00", "107.50", "108.00"]),
}


@pytest.mark.parametrize(("into", "status", "left"), LATER.values(), ids=LATER)
def test_a_row_that_waits_for_an_answer_still_finds_its_other_leg(banks, into, status, left):
    fill(
        banks, {"description": "Transfer", "stated_amounts": ABROAD},
        {"amount": "107.50", "description": "Transfer received", "currency": "USD"},
    )  # fmt: skip
    giro, pot = banks
    refresh(giro, pot)
    pot.bank.buy(**into, external_id="later", currency="USD", account_id="P")
    refresh(pot)
    with giro.sessions() as session:
        for question in list_suggestions(session, giro.user_id):
            decline(session, question.id, user_id=giro.user_id)
    pot.bank.buy("-1", "Coffee", external_id="c", currency="USD", account_id="P")
    refresh(pot)
    assert sorted(amount for amount, _ in expenses(giro)) == sorted([*left, "-1.00"])
    asked = giro.sql("SELECT status FROM bank_match_suggestions ORDER BY id")
    assert [one for (one,) in asked] == [status, *(["open"] if status == "declined" else [])]
