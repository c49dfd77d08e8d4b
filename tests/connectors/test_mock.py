import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.connectors.base import AuthState, ConnectorContext, TransactionKind, Window
from worker.connectors.config import parse_config
from worker.connectors.errors import (
    AccountNotFoundError,
    AuthenticationError,
    ConnectorError,
    InvalidDataError,
    ProviderUnavailableError,
    RateLimitError,
    RateLimitScope,
)
from worker.connectors.mock import MockConfig, MockConnector, MockMode
from worker.errors import InvalidRequestError

TODAY = date(2026, 3, 15)
OPENED_ON = date(2025, 1, 1)


def bank(*, today: date = TODAY, timezone: str = "UTC", **config) -> MockConnector:
    moment = datetime(today.year, today.month, today.day, 12, tzinfo=UTC)
    with httpx2.Client() as http:
        context = ConnectorContext(http=http, now=lambda: moment, timezone=timezone)
    return MockConnector(MockConfig(**({"opened_on": OPENED_ON} | config)), context)


def rows(connector, from_on=OPENED_ON, to_on=TODAY, account="mock-1"):
    return [row for page in connector.get_transactions(account, from_on, to_on) for row in page.transactions]


@settings(deadline=None, max_examples=50)
@given(start=st.integers(0, 400), length=st.integers(0, 90), cut=st.integers(0, 90), size=st.integers(1, 60))
def test_moving_or_cutting_the_window_never_changes_a_row(start, length, cut, size):
    from_on = OPENED_ON + timedelta(days=start)
    to_on, middle = from_on + timedelta(days=length), from_on + timedelta(days=min(cut, length))
    whole = rows(bank(history_days=600), from_on, to_on)
    parts = rows(bank(history_days=600, page_size=size), from_on, middle)
    if middle < to_on:
        parts += rows(bank(history_days=600), middle + timedelta(days=1), to_on)
    assert {row.external_id: row for row in parts} == {row.external_id: row for row in whole}
    assert len(parts) == len(whole)


def test_another_seed_is_another_bank_and_the_same_seed_the_same():
    assert rows(bank()) == rows(bank())
    assert rows(bank()) != rows(bank(seed="other"))


def test_ids_are_unique_per_account():
    everything = rows(bank())
    assert len({row.external_id for row in everything}) == len(everything) > 300


@pytest.mark.parametrize("account", ["mock-1", "mock-2"])
@pytest.mark.parametrize("mode", [MockMode.DEFAULT, MockMode.LARGE, MockMode.EMPTY])
def test_the_balance_is_the_opening_plus_everything_posted(mode, account):
    connector = bank(mode=mode, history_days=1_000, rows=20_000)
    posted = sum((row.amount for row in rows(connector, account=account) if not row.pending), Decimal(0))
    balances = {account.external_id: account.balance for account in connector.list_accounts()}
    assert balances[account].amount == Decimal(1000) + posted


def test_the_usual_kinds_all_happen():
    everything = rows(bank()) + rows(bank(), account="mock-2")
    assert {row.kind for row in everything} >= {
        TransactionKind.PURCHASE,
        TransactionKind.REFUND,
        TransactionKind.INCOME,
        TransactionKind.TRANSFER,
        TransactionKind.INTEREST,
        TransactionKind.FEE,
        None,
    }


def test_some_days_have_two_equal_coffees_with_ids_of_their_own():
    coffees = [row for row in rows(bank()) if row.counterparty == "Bean There"]
    days = {row.booking_on for row in coffees}
    assert len(coffees) == 2 * len(days) > 10


def test_both_legs_of_a_transfer_are_there():
    out = [row for row in rows(bank()) if row.kind is TransactionKind.TRANSFER]
    into = [row for row in rows(bank(), account="mock-2") if row.kind is TransactionKind.TRANSFER]
    assert [(row.booking_on, -row.amount) for row in out] == [(row.booking_on, row.amount) for row in into]


def test_a_held_payment_posts_later_under_a_new_id_that_names_the_old_one():
    days = [TODAY + timedelta(days=offset) for offset in range(60)]
    pending = [row for day in days for row in rows(bank(today=day), day, day) if row.pending]
    later = rows(bank(today=days[-1] + timedelta(days=5)), days[0], days[-1] + timedelta(days=5))
    posted = {row.pending_external_id: row for row in later if row.pending_external_id}
    assert len(pending) > 10
    assert all(row.booking_on is None and row.transaction_on is not None for row in pending)
    assert {row.external_id for row in pending} <= set(posted)
    assert any(posted[row.external_id].amount != row.amount for row in pending)
    assert all(posted[row.external_id].transaction_on == row.transaction_on for row in pending)


def test_links_from_posted_to_pending_can_be_left_out():
    assert not any(row.pending_external_id for row in rows(bank(pending_links=False)))


def test_the_bank_counts_days_in_the_zone_of_the_connection():
    pages = bank(timezone="Pacific/Kiritimati").get_transactions("mock-1", TODAY, TODAY + timedelta(days=9))
    assert next(pages).covers == Window(from_on=TODAY, to_on=TODAY + timedelta(days=1))


def test_a_window_outside_the_history_covers_nothing():
    (page,) = bank().get_transactions("mock-1", date(2020, 1, 1), date(2020, 2, 1))
    assert page.covers is None
    assert page.transactions == ()


def test_a_yen_account_has_no_decimals():
    assert all(row.amount == row.amount.to_integral() for row in rows(bank(currency="JPY")))


def test_records_can_be_kept_as_json():
    assert [json.loads(json.dumps(row.raw)) for row in rows(bank())] == [row.raw for row in rows(bank())]


def test_large_has_exactly_the_asked_rows_in_its_history():
    connector = bank(mode=MockMode.LARGE, rows=10_007, page_size=1_000)
    pages = list(connector.get_transactions("mock-1", date(2000, 1, 1), TODAY))
    assert sum(len(page.transactions) for page in pages) == 10_007
    assert len(pages) == 11
    assert len({row.external_id for page in pages for row in page.transactions}) == 10_007


def test_empty_still_has_accounts_and_says_what_it_covers():
    connector = bank(mode=MockMode.EMPTY)
    assert len(connector.list_accounts()) == 2
    (page,) = connector.get_transactions("mock-1", TODAY - timedelta(days=30), TODAY)
    assert page.covers == Window(from_on=TODAY - timedelta(days=30), to_on=TODAY)


def test_an_expired_login_is_a_status_and_refuses_data():
    connector = bank(mode=MockMode.AUTH_EXPIRED)
    assert connector.get_auth_status().state is AuthState.NEEDS_USER
    with pytest.raises(AuthenticationError):
        connector.list_accounts()
    with pytest.raises(AuthenticationError):
        rows(connector)


def test_the_first_calls_are_rate_limited_and_then_it_works():
    connector = bank(mode=MockMode.RATE_LIMITED, limited_calls=2, retry_after_s=7, limit_scope="quota")
    for _ in range(2):
        with pytest.raises(RateLimitError) as caught:
            rows(connector)
        assert (caught.value.retry_after_s, caught.value.scope) == (7, RateLimitScope.QUOTA)
    assert rows(connector) == rows(bank())


def test_refused_calls_are_counted_across_processes_where_a_file_is_given(tmp_path):
    config = {"mode": MockMode.RATE_LIMITED, "limited_calls": 2, "state_path": tmp_path / "calls"}
    for _ in range(2):
        with pytest.raises(RateLimitError):
            bank(**config).list_accounts()
    assert len(bank(**config).list_accounts()) == 2


def test_a_flaky_bank_breaks_off_after_a_page_and_delivers_the_same_next_time():
    connector = bank(mode=MockMode.FLAKY, page_size=50)
    first: list = []
    with pytest.raises(ProviderUnavailableError) as caught:
        first.extend(page for page in connector.get_transactions("mock-1", OPENED_ON, TODAY))
    assert caught.value.everyone is False
    assert rows(connector) == rows(bank())


@pytest.mark.parametrize(
    ("fault", "raised"),
    [
        ("connector_error", ConnectorError),
        ("provider_down", ProviderUnavailableError),
        ("bad_data", InvalidDataError),
        ("account_not_found", AccountNotFoundError),
    ],
)
def test_an_error_is_of_the_asked_kind_and_only_in_the_asked_account(fault, raised):
    connector = bank(mode=MockMode.ERROR, fault=fault, fault_account="mock-2")
    with pytest.raises(raised) as caught:
        rows(connector, account="mock-2")
    assert type(caught.value) is raised
    assert rows(connector, account="mock-1") == rows(bank())


def test_an_unknown_account_is_said_so():
    with pytest.raises(AccountNotFoundError, match="mock-9"):
        rows(bank(), account="mock-9")


def test_a_slow_bank_waits_before_each_page_where_a_cancelled_run_can_be_stopped():
    waits: list[float] = []
    slow = bank(mode=MockMode.SLOW, delay_s=3, page_size=200)
    slow.context = replace(slow.context, wait=waits.append)
    assert rows(slow) == rows(bank())
    assert waits
    assert set(waits) == {3}


def test_a_record_that_cannot_be_read_is_bad_data():
    with pytest.raises(InvalidDataError):
        bank().normalize_transactions([{"id": "1"}])


@pytest.mark.parametrize(
    "beyond",
    [
        {"rows": 10**12},
        {"history_days": 10**15},
        {"delay_s": 10**9},
        {"opening_balance": "1e400"},
        {"opening_balance": "NaN"},
        {"opened_on": "0001-01-01"},
        {"page_size": 10**9},
        {"accounts": 10**6},
        {"retry_after_s": 10**9},
    ],
)
def test_what_the_bank_can_be_told_is_bounded(beyond):
    with pytest.raises(InvalidRequestError, match=next(iter(beyond))):
        parse_config(MockConnector, beyond)


def test_the_names_of_finminds_proposal_are_accepted_and_kept_under_the_own_ones():
    old = parse_config(MockConnector, {"account_count": 3, "transaction_days": 30})
    assert old == MockConfig(accounts=3, history_days=30)
    assert not {"account_count", "transaction_days"} & set(MockConfig.model_json_schema()["properties"])
    with pytest.raises(InvalidRequestError, match="account_count"):
        parse_config(MockConnector, {"accounts": 3, "account_count": 3})
