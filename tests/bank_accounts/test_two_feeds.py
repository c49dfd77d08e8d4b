"""Two feeds of one account that are read day by day: of equal purchases, each is one expense."""

from datetime import timedelta

import pytest

from tests.importer.bank import TODAY, Harness
from worker.connectors.base import Account
from worker.importer.actions.suggestions import accept, list_suggestions
from worker.importer.store import second_look

FARES = 2
DAYS = 6
MONDAY = TODAY - timedelta(days=DAYS + 1)


@pytest.fixture
def feeds(sessions, user_id):
    """Two connections to one account; the second one books a day later."""
    both = Harness(sessions, user_id), Harness(sessions, user_id)
    for place, harness in enumerate(both):
        harness.bank.accounts = [Account(external_id="A", name="Giro", anchor="iban:DE1", currency="EUR")]
        harness.bank.buy("-900", "Rent", external_id="rent", booking_on=MONDAY - timedelta(days=20 - place))
    return both


def fares(harness):
    return harness.amounts().count("-2.80")


def ride(harness, day, booked):
    for n in range(FARES):
        on = MONDAY + timedelta(days=booked)
        harness.bank.buy("-2.80", "Bus", external_id=f"{day}.{n}", booking_on=on)


def live(feeds, days, *, later_first=()):
    """Read both feeds every day; the second one tells a fare on the day after, and so it does on the last day.

    Args:
        later_first: Days on which the second feed is read before the first one.
    """
    for day in days:
        if day < DAYS:
            ride(feeds[0], day, day)
        if day:
            ride(feeds[1], day - 1, day)
        for harness in reversed(feeds) if day in later_first else feeds:
            harness.bank.today = MONDAY + timedelta(days=day)
            harness.refresh()


@pytest.mark.parametrize("later_first", [(), (2, 3, 5)], ids=["the same feed first", "now one first, now the other"])
def test_fares_that_one_feed_books_a_day_later_are_expenses_once(feeds, later_first):
    live(feeds, range(DAYS + 1), later_first=later_first)
    assert fares(feeds[0]) == FARES * DAYS
    feeds[1].bank.buy("-2.80", "Bus", external_id="alone", booking_on=MONDAY + timedelta(days=DAYS))
    feeds[1].refresh()
    assert fares(feeds[0]) == FARES * DAYS + 1


def test_what_the_person_wrote_stays_when_rows_meet_anew(feeds, monkeypatch):
    with monkeypatch.context() as before:
        before.setattr(second_look, "let_equal_rows_meet", lambda *_: set())
        live(feeds, range(DAYS + 1))
    assert fares(feeds[0]) == FARES * DAYS + FARES
    feeds[0].sql("UPDATE expenses SET notes = 'Tram' WHERE spent_at = :on", on=MONDAY + timedelta(days=DAYS))
    feeds[0].sql("UPDATE expenses SET notes = 'To work' WHERE spent_at = :on", on=MONDAY + timedelta(days=2))
    written = "SELECT id, notes FROM expenses WHERE notes IN ('Tram', 'To work') ORDER BY id"
    before_ids = feeds[0].sql(written)
    feeds[1].bank.buy("-1", "Kiosk", external_id="k", booking_on=MONDAY + timedelta(days=DAYS))
    feeds[1].refresh()
    assert feeds[0].sql(written) == before_ids
    assert fares(feeds[0]) == FARES * DAYS


def test_rows_that_the_person_parted_stay_apart_when_rows_meet_anew(feeds, monkeypatch):
    with monkeypatch.context() as before:
        before.setattr(second_look, "let_equal_rows_meet", lambda *_: set())
        live(feeds, range(DAYS + 1))
    doubled = FARES * DAYS + FARES
    feeds[0].sql(
        "INSERT INTO bank_match_suggestions (user_id, kind, transaction_id, other_transaction_id, reason, status)"
        " SELECT t.user_id, 'twin', least(t.id, o.id), greatest(t.id, o.id), 'unmatched', 'declined'"
        " FROM bank_transactions t JOIN bank_transactions o ON o.account_id > t.account_id AND o.amount = t.amount"
        " WHERE t.amount = -2.80 AND t.effective_on = :on AND o.effective_on = :later",
        on=MONDAY + timedelta(days=2), later=MONDAY + timedelta(days=3),
    )  # fmt: skip
    feeds[1].bank.buy("-1", "Kiosk", external_id="k", booking_on=MONDAY + timedelta(days=DAYS))
    feeds[1].refresh()
    assert fares(feeds[0]) == doubled


TWO, THREE, DAYS_LATER = 2, 3, 4


@pytest.mark.parametrize("more_first", [True, False])
@pytest.mark.parametrize(("words", "later"), [("Coffee", 0), ("CARD 8812", 3), ("CARD 8812", DAYS_LATER)])
def test_of_two_and_three_equal_rows_three_are_expenses_or_somebody_is_asked(feeds, sessions, words, later, more_first):
    first, second = feeds if more_first else reversed(feeds)
    for n in range(THREE):
        first.bank.buy("-3.50", "Coffee", external_id=f"a{n}", booking_on=MONDAY)
    for n in range(TWO):
        second.bank.buy("-3.50", words, external_id=f"b{n}", booking_on=MONDAY + timedelta(days=later))
    for harness in feeds:
        harness.bank.today = MONDAY + timedelta(days=DAYS + 5)
        harness.bank.buy("-1", "Kiosk", external_id="k")
        harness.refresh()
    with sessions() as session:
        questions = list_suggestions(session, first.user_id)
        assert len(questions) == (TWO if later == DAYS_LATER else 0)
        assert first.amounts().count("-3.50") == THREE + len(questions)
        for question in questions:
            accept(session, question.id, user_id=first.user_id)
    assert first.amounts().count("-3.50") == THREE
