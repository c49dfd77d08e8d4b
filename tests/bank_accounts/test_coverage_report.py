"""The months of an account from its stored sources."""

from dataclasses import replace
from datetime import date, timedelta
from types import SimpleNamespace

import pytest

from tests.importer.bank import TODAY, Harness
from worker.bank_accounts.coverage_report import coverage_of
from worker.connectors.base import Account

IBAN = "iban:DE02120300000000202051"


@pytest.fixture
def two(sessions, user_id):
    both = Harness(sessions, user_id, display_name="Feed"), Harness(sessions, user_id, display_name="Old feed")
    for harness in both:
        harness.bank.accounts = [Account(external_id="A", name="Account", anchor=IBAN, currency="EUR")]
        for week in range(20):
            on = TODAY - timedelta(days=7 * week)
            harness.bank.buy(f"-{week + 1}", f"Shop {week}", external_id=f"{week}", booking_on=on)
    return both


def months_of(harness, today=TODAY, reach_days=None):
    account_id = harness.sql("SELECT min(id) FROM bank_accounts")[0][0]
    connector = SimpleNamespace(capabilities=SimpleNamespace(history_days=reach_days))
    with harness.sessions() as session:
        months = coverage_of(session, account_id, SimpleNamespace(get=lambda _: connector), today=today)
    return {month["month"]: month for month in months}


def test_rows_that_agree_make_covered_months(two):
    for harness in two:
        harness.refresh()
    months = months_of(two[0])
    assert {str(month["state"]) for month in months.values()} == {"covered"}
    assert months["2026-05"]["rows"] == 8
    assert len(months["2026-05"]["sources"]) == 2


def test_a_row_that_one_source_misses_is_a_contradiction(two):
    two[1].bank.rows = [row for row in two[1].bank.rows if row.external_id != "5"]
    for harness in two:
        harness.refresh()
    month = months_of(two[0])[f"{TODAY - timedelta(days=35):%Y-%m}"]
    assert (str(month["state"]), month["says"]) == ("contradicting", ("1 row only in Feed: Account",))


def test_a_balance_that_does_not_follow_is_a_mismatch_of_its_months(two):
    harness = two[0]
    harness.bank.balance("100")
    harness.refresh()
    harness.bank.today += timedelta(days=40)
    harness.bank.balance("77")
    harness.bank.buy("-1", "Tram", external_id="t")
    harness.refresh()
    months = months_of(harness, harness.bank.today)
    assert str(months[f"{harness.bank.today:%Y-%m}"]["state"]) == "mismatch"
    assert str(months["2026-04"]["state"]) == "covered"


def test_days_after_a_feed_stopped_are_missing_and_can_be_asked_for(two):
    two[0].refresh()
    months = months_of(two[0], date(2026, 8, 15))
    assert str(months["2026-07"]["state"]) == "missing"
    assert months["2026-07"]["cure"]["action"] == "refetch"


def test_days_that_nobody_read_are_missing_until_a_statement_has_them(two):
    """The feed was away for longer than its bank's history goes back."""
    feed, file = two
    feed.bank.capabilities = replace(feed.bank.capabilities, history_days=30)
    feed.bank.today = TODAY - timedelta(days=110)
    feed.bank.rows, late = [row for row in feed.bank.rows if row.booking_on <= feed.bank.today], feed.bank.rows
    feed.refresh()
    feed.bank.today, feed.bank.rows = TODAY, late
    feed.refresh()
    months = months_of(feed, reach_days=30)
    states = {month: str(months[month]["state"]) for month in ("2026-03", "2026-04", "2026-05", "2026-06")}
    assert states == {"2026-03": "missing", "2026-04": "missing", "2026-05": "part", "2026-06": "covered"}
    assert (months["2026-04"]["covered_days"], months["2026-04"]["cure"]["action"]) == (0, "upload")
    file.sql("UPDATE bank_connections SET connector_name = 'file' WHERE id = :c", c=file.connection_id)
    file.refresh()
    assert {str(months_of(feed)[month]["state"]) for month in states} == {"covered"}
