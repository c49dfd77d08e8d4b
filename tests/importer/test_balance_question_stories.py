"""Balances that differ for days: the person is asked which side is right."""

from dataclasses import replace
from decimal import Decimal

import pytest

from tests.importer.test_proof_stories import proof
from worker.bank_accounts.answers import undo_answer
from worker.connectors.base import AccountType, DatedBalance
from worker.importer.actions.suggestions import accept
from worker.runs.states import RunStatus


def test_a_first_balance_that_was_wrong_is_a_question_after_three_days_and_its_answer_can_be_undone(harness):
    def days(count, *, accepted):
        for _ in range(count):
            harness.day_later()
            harness.bank.buy("-1", f"Tram {harness.bank.today}", external_id=str(harness.bank.today))
            harness.bank.balance(str(100 - len(harness.bank.rows)))
            outcome = harness.refresh()
            assert (outcome.code == "balance_mismatch") is not accepted
            assert (outcome.status is RunStatus.SUCCEEDED) is accepted

    harness.bank.buy("-1", "Tram", external_id="first")
    harness.bank.balance("50")
    harness.refresh()
    expenses = harness.expenses()
    days(2, accepted=False)
    assert harness.questions("balance") == []
    days(1, accepted=False)
    [question] = harness.questions("balance")
    assert (question.other["difference"], question.other["balance"]) == ("49", "96")
    for times in range(2):
        with harness.sessions() as session:
            accept(session, question.id, user_id=harness.user_id)
        told = harness.sql(
            "SELECT c.problem_code, count(*) FROM bank_connections c"
            " JOIN bank_import_runs r ON r.connection_id = c.id AND r.kind = 'answer' GROUP BY 1"
        )
        assert [tuple(row) for row in told] == [(None, times + 1)]
        days(1, accepted=True)
        assert proof(harness)[0] == "proven"
        with harness.sessions() as session:
            undo_answer(session, question.id, user_id=harness.user_id)
        days(1, accepted=False)
    with harness.sessions() as session:
        accept(session, question.id, user_id=harness.user_id)
    harness.bank.balance("7")
    assert harness.refresh().code == "balance_mismatch"
    assert harness.expenses()[: len(expenses)] == expenses


def test_the_balance_of_a_card_that_states_what_is_owed_is_asked_about_as_the_bank_says_it(harness):
    harness.bank.accounts = [replace(one, account_type=AccountType.CREDIT) for one in harness.bank.accounts]
    for number, (amount, owed) in enumerate((("-50", "50"), ("-30", "80"), ("-10", "95"), ("-1", "96"), ("-2", "98"))):
        harness.bank.buy(amount, f"Shop {number}", external_id=str(number))
        harness.bank.balance(owed)
        harness.refresh()
        harness.day_later()
    assert [question.other["balance"] for question in harness.questions("balance")] == ["98"]
    assert harness.answer(accept, "balance") == 1
    harness.bank.buy("-4", "Shop", external_id="x")
    harness.bank.balance("102")
    harness.refresh()
    assert proof(harness)[0] == "proven"
    # Its bank gives balances a sign: once the person has said that it is right, the card is owed no longer.
    for number in range(6):
        harness.day_later()
        harness.bank.buy("-1", f"Kiosk {number}", external_id=f"k{number}")
        harness.bank.balance(str(-103 - number))
        if number == 4:
            assert harness.answer(accept, "balance") == 1
        harness.refresh()
    assert proof(harness)[0] == "proven"
    harness.bank.balance("-113")
    harness.refresh()
    assert proof(harness)[:2] == ("mismatch", "-5")


@pytest.mark.parametrize("days_stated", [1, 5])
def test_balances_of_several_days_are_asked_about_after_as_many_days_as_one_is(harness, days_stated):
    ends, total, asked_after = {}, Decimal(100), []
    for number in range(8):
        harness.bank.buy("-1", f"Tram {number}", external_id=f"t{number}")
        total -= 6 if number == 2 else 1  # a fee of 5 that the bank tells in no row
        ends[harness.bank.today] = total
        stated = sorted(ends)[-days_stated:]
        harness.bank.extra = {"balances": [DatedBalance(account_id="A", on=on, amount=ends[on]) for on in stated]}
        if number == 7:
            assert harness.answer(accept, "balance") == 1
        harness.refresh()
        asked_after += [number] if harness.questions("balance") else []
        harness.day_later()
    assert asked_after[0] == 4
    assert proof(harness)[0] == "proven"
