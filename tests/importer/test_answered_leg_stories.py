"""What a user changed or typed for a leg of a transfer that they accepted is there again when the pair breaks."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from tests.importer.test_transfer_stories import banks, revert  # noqa: F401 - a fixture
from worker.errors import ConflictError
from worker.importer.actions.suggestions import accept


def type_transfer(giro, recurring_id=None):
    giro.sql(
        "INSERT INTO expenses (user_id, amount, currency, expense_type, notes, spent_at, source_recurring_id)"
        " VALUES (:user_id, 50, 'EUR', 'EXPENSE', 'To savings', :on, :recurring_id)",
        user_id=giro.user_id,
        on=giro.bank.today,
        recurring_id=recurring_id,
    )


def say_otherwise(harness, amount):
    """Let the bank tell another row instead."""
    told = harness.bank.rows[0]
    harness.bank.rows[:] = [replace(told, external_id="other", amount=Decimal(amount), counterparty_account=None)]


@pytest.fixture
def edited(banks):  # noqa: F811 - a fixture
    """An accepted transfer of which the user had changed one leg."""
    giro, second, savings = banks
    giro.refresh()
    giro.sql("UPDATE expenses SET amount = 20, notes = 'Mine'")
    savings.refresh()
    giro.answer(accept)
    assert giro.amounts() == []
    return giro, second, savings


@pytest.fixture
def typed(banks):  # noqa: F811 - a fixture
    """A transfer that is asked about, one leg of which is linked with an expense that the user typed."""
    giro, _, savings = banks
    type_transfer(giro)
    giro.refresh()
    savings.refresh()
    assert giro.sql("SELECT expense_state FROM bank_transactions WHERE amount = -50") == [("linked",)]
    return giro, savings


def test_a_leg_that_returns_is_as_the_user_left_it(edited):
    giro, _, savings = edited
    told = giro.bank.rows[0]
    say_otherwise(giro, -7)
    giro.refresh()
    savings.refresh()
    say_otherwise(savings, 3)
    savings.refresh()
    giro.bank.rows[:] = [told]
    giro.refresh()
    assert ("-20.00", "Mine") in [(amount, notes) for _, amount, _, notes, *_ in giro.expenses()]


def test_edits_are_found_where_the_row_of_another_source_became_the_leg(edited):
    giro, second, savings = edited
    second.refresh()
    say_otherwise(giro, -7)
    giro.refresh()
    savings.bank.change(savings.bank.rows[0], amount=Decimal(51))
    savings.refresh()
    assert "-20.00" in giro.amounts()


def test_a_leg_that_becomes_zero_has_no_expense(edited):
    giro, _, savings = edited
    giro.bank.change(giro.bank.rows[0], amount=Decimal(0))
    giro.refresh()
    savings.refresh()
    assert giro.amounts() == ["50.00"]


@pytest.mark.parametrize(
    ("goes", "left"),
    [
        (lambda giro: (say_otherwise(giro, -7), giro.refresh()), ["-50.00", "-7.00", "50.00"]),
        (revert, ["-50.00"]),
    ],
    ids=["the bank takes the leg back", "the run of the leg is reverted"],
)
def test_what_the_user_typed_is_there_again_when_its_leg_goes(typed, goes: Callable, left):
    giro, savings = typed
    giro.answer(accept)
    assert giro.amounts() == []
    goes(giro)
    savings.refresh()
    assert set(left) <= set(giro.amounts())


def test_a_leg_that_changes_its_currency_between_question_and_answer_is_no_transfer(typed):
    giro, savings = typed
    savings.bank.change(savings.bank.rows[0], currency="USD")
    savings.refresh()
    assert giro.sql("SELECT count(*) FROM bank_match_suggestions WHERE kind = 'transfer' AND status = 'open'") == [(0,)]
    assert sorted(giro.amounts()) == ["-50.00", "50.00"]


def test_a_transfer_whose_currencies_differ_is_not_accepted(typed):
    giro, _ = typed
    giro.sql("UPDATE bank_transactions SET currency = 'USD' WHERE amount = 50")
    with pytest.raises(ConflictError, match="changed"):
        giro.answer(accept)


def test_a_leg_is_written_again_whose_recurring_expense_is_gone(banks):  # noqa: F811 - a fixture
    giro, _, savings = banks
    ((recurring_id,),) = giro.sql(
        "INSERT INTO recurring_expenses (user_id, amount, currency, expense_type, notes, cadence, start_date)"
        " VALUES (:user_id, 50, 'EUR', 'EXPENSE', 'To savings', 'MONTHLY', :on) RETURNING id",
        user_id=giro.user_id,
        on=giro.bank.today,
    )
    type_transfer(giro, recurring_id)
    giro.refresh()
    savings.refresh()
    giro.answer(accept)
    giro.sql("DELETE FROM recurring_expenses")
    savings.bank.change(savings.bank.rows[0], amount=Decimal(51))
    savings.refresh()
    assert sorted(giro.amounts()) == ["-50.00", "51.00"]
