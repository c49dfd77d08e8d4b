"""One purchase that two sources of an account tell with different amounts: never two expenses behind a silence."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from tests.importer.bank import TODAY, WINDOWED, Harness
from worker.connectors.base import Account
from worker.importer.actions.suggestions import accept, decline
from worker.runs.states import RunKind, RunStatus


@pytest.fixture
def sources(sessions, user_id):
    both = Harness(sessions, user_id), Harness(sessions, user_id)
    for harness in both:
        harness.bank.accounts = [Account(external_id="A", name="Giro", anchor="iban:DE02120300000000202051")]
        harness.bank.capabilities = replace(WINDOWED, windows_complete=False)
        harness.bank.buy("-50", "Grocer", external_id="g", booking_on=TODAY - timedelta(days=9))
    return both


def refresh(sources, days=0):
    """Read both sources after some days."""
    for harness in sources:
        harness.bank.today += timedelta(days=days)
    return [harness.refresh() for harness in sources]


TELLS = "the other source tells"


@pytest.mark.parametrize(
    ("pending", "then"), [(True, TELLS), (False, TELLS), (True, "one"), (False, "two"), (True, "nothing")]
)
def test_it_is_a_question_until_the_bank_or_the_person_says(sources, pending, then):
    first, second = sources
    told = first.bank.buy("-20", "Trattoria Luigi", external_id="a", pending=pending)
    second.bank.buy("-23", "TRATTORIA LUIGI 4711", external_id="b")
    refresh(sources)
    (question,) = first.questions()
    assert (question.reason, sorted(first.amounts())) == ("other_amount", ["-20.00", "-23.00", "-50.00"])
    if then == TELLS:
        first.bank.change(told, amount=Decimal(-23), pending=False)
    elif then != "nothing":
        with first.sessions() as session:
            (accept if then == "one" else decline)(session, question.id, user_id=first.user_id)
    for days in (1, 3):
        assert [outcome.status for outcome in refresh(sources, days)] == [RunStatus.SUCCEEDED] * 2
        assert len(first.amounts()) == (2 if then in (TELLS, "one") else 3)
        assert len(first.questions()) == (then == "nothing")
    if then == TELLS:
        (settled,) = first.questions(status="obsolete")
        runs = first.sql("SELECT id FROM bank_import_runs WHERE connection_id = :id", id=first.connection_id)
        assert settled.other["settled_by"] in {str(run) for (run,) in runs}
        assert first.sql("SELECT count(decided_at) FROM bank_match_suggestions") == [(1,)]


def test_a_booking_that_comes_late_is_a_question(sources):
    first, second = sources
    first.bank.buy("-20", "Trattoria Luigi", external_id="a", booking_on=TODAY - timedelta(days=8))
    second.bank.buy("-20", "TRATTORIA LUIGI 4711", external_id="b")
    refresh(sources)
    (question,) = first.questions()
    assert (question.reason, len(first.amounts())) == ("maybe_twin", 3)
    with first.sessions() as session:
        accept(session, question.id, user_id=first.user_id)
    refresh(sources, 1)
    assert (first.questions(), sorted(first.amounts())) == ([], ["-20.00", "-50.00"])


@pytest.mark.parametrize("is_first", [True, False], ids=["typed first", "imported first"])
def test_an_expense_typed_days_away_is_a_question(sources, is_first):
    first, _ = sources
    if not is_first:
        first.bank.buy("-20", "TRATTORIA LUIGI 4711", external_id="a")
        first.refresh()
    first.type_in("20", "Trattoria Luigi", TODAY - timedelta(days=4))
    if is_first:
        first.bank.buy("-20", "TRATTORIA LUIGI 4711", external_id="a")
    first.refresh()
    assert [one.reason for one in first.questions()] == ["similar_expense"]


@pytest.mark.parametrize(("lag", "step"), [(1, 1), (3, 0)])
def test_purchases_at_one_merchant_that_one_source_books_later_raise_no_question(sources, lag, step):
    first, second = sources
    start = first.bank.today
    for number in range(8):
        bought_on = start + timedelta(days=number)
        first.bank.buy(f"-3.{50 + step * number}", "Bar Centrale", external_id=f"{number}", booking_on=bought_on)
        if number >= lag:
            booked = {"external_id": f"b{number}", "booking_on": bought_on}
            second.bank.buy(f"-3.{50 + step * (number - lag)}", "BAR CENTRALE 4711", **booked)
        refresh(sources, days=number and 1)
        assert first.questions() == []
        assert len(first.amounts()) == number + 2


def test_a_question_goes_with_the_run_that_told_the_row(sources):
    first, second = sources
    refresh(sources)
    first.bank.buy("-20", "Trattoria Luigi", external_id="a")
    second.bank.buy("-23", "TRATTORIA LUIGI 4711", external_id="b")
    refresh(sources)
    assert len(first.questions()) == 1
    first.run(RunKind.REVERT, target_run_id=first.run_id)
    first.refresh()
    assert (first.questions(), sorted(first.amounts())) == ([], ["-23.00", "-50.00"])
