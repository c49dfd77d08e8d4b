"""A coffee of one price every day at one bar, told by two sources of the account that give it other days."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from tests.importer.bank import IBAN, WINDOWED, Harness
from worker.connectors.base import Account, IdClass

FIRST = date(2026, 5, 4)
BEFORE = 14
"""So many days the first source knows alone; then the second one was linked, which knows as many."""

DAYS = 8
"""So many days both are read."""


def next_workday(bought_on):
    return bought_on + timedelta(days={4: 3, 5: 2}.get(bought_on.weekday(), 1))


def next_day(bought_on):
    return bought_on + timedelta(days=1)


READS = {
    "a day later": (next_day, lambda _day: (0, 1)),
    "on workdays": (next_workday, lambda _day: (0, 1)),
    "on workdays, read seldom": (next_workday, lambda day: (0, 1) if day % 4 == 3 else (0,)),
}


@pytest.fixture
def sources(sessions, user_id):
    both = Harness(sessions, user_id), Harness(sessions, user_id)
    for harness in both:
        harness.bank.accounts = [Account(external_id="A", name="Giro", anchor=f"iban:{IBAN}", currency="EUR")]
    both[1].bank.capabilities = replace(WINDOWED, id_class=IdClass.NONE, windows_complete=False)
    return both


@pytest.mark.parametrize(("booked_on", "reads"), READS.values(), ids=READS)
def test_none_is_swallowed_and_none_doubled_where_one_source_books_later(sources, booked_on, reads):
    bought = [FIRST + timedelta(days=day) for day in range(2 * BEFORE)]
    latest = {0: date.min, 1: date.min}
    for day in range(DAYS):
        today = bought[-1] + timedelta(days=1)
        bought.append(today)
        for harness in sources:
            harness.bank.today = today
            harness.bank.rows = []
        for number, on in enumerate(bought):
            sources[0].bank.buy("-3.50", "Bar Centrale", external_id=f"{number}", booking_on=on)
            if number >= BEFORE and booked_on(on) <= today:
                sources[1].bank.buy("-3.50", "BAR CENTRALE 4711", booking_on=booked_on(on))
        for place in (0, 1) if day == 0 else reads(day):
            sources[place].refresh()
            latest[place] = max(on for on in bought if place == 0 or booked_on(on) <= today)
            assert len(sources[0].amounts()) == sum(on <= max(latest.values()) for on in bought)


def test_none_is_swallowed_where_the_source_that_books_later_is_read_first(sources):
    """Other purchases show by how many days it is later."""
    later, sooner = sources
    bought = [FIRST + timedelta(days=day) for day in range(2 * BEFORE)]
    for number, on in enumerate(bought):
        for amount, shop in (("-3.50", "Bar"), (f"-{number + 10}", f"Shop {number}")):
            if next_day(on) <= bought[-1]:
                later.bank.buy(amount, shop, external_id=f"{shop} {number}", booking_on=next_day(on))
            if number >= BEFORE:
                sooner.bank.buy(amount, shop.upper(), booking_on=on)
    for harness in (later, sooner, later, sooner):
        harness.bank.today = bought[-1]
        harness.refresh()
    assert later.amounts().count("-3.50") == len(bought)


@pytest.mark.parametrize("id_class", [IdClass.STABLE, IdClass.NONE])
@pytest.mark.parametrize("before", ["transaction", "booking"])
def test_none_is_swallowed_and_none_doubled_when_another_of_the_banks_days_counts(sources, id_class, before):
    first, second = sources
    bought = [FIRST + timedelta(days=day) for day in range(2 * BEFORE)]
    for harness in sources:
        harness.bank.today = next_day(bought[-1])
        harness.bank.capabilities = replace(WINDOWED, id_class=id_class)
    for number, on in enumerate(bought):
        first.bank.buy("-3.50", "Bar", external_id=f"{number}", transaction_on=on, booking_on=next_day(on))
        if number >= BEFORE:
            second.bank.buy("-3.50", "Bar", external_id=f"x{number}", booking_on=next_day(on))
    for basis in (before, "transaction", "booking", "transaction"):
        first.sql(
            "UPDATE bank_connections SET options = jsonb_build_object('date_basis', CAST(:b AS text)) WHERE id = :id",
            b=basis, id=first.connection_id,
        )  # fmt: skip
        for harness in (first, second, first):
            harness.refresh()
        late = 0 if basis == "transaction" else 1
        assert [date.fromisoformat(day) - timedelta(days=late) for day, *_ in first.expenses()] == bought
