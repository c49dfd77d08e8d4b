from datetime import date, timedelta
from decimal import Decimal

import pytest

from tests.fakes.enablebanking_server import transaction
from tests.fakes.provider_server import NOW, Reply
from worker.connectors.enablebanking import EnableBankingConnector
from worker.connectors.errors import (
    AuthenticationError,
    InvalidDataError,
    ProviderUnavailableError,
    RateLimitError,
    RateLimitScope,
)

TODAY = NOW.date()
FROM, TO = TODAY - timedelta(days=45), TODAY


def read(connector, bank, from_date=FROM, to_date=TO):
    return list(connector.get_transactions(bank.uids[0], from_date, to_date))


def amounts(pages):
    return [str(row.amount) for page in pages for row in page.transactions]


@pytest.mark.parametrize(
    ("amount", "indicator", "expected"),
    [("12.50", "DBIT", "-12.50"), ("12.50", "CRDT", "12.50"), ("-12.50", "DBIT", "-12.50"), ("-3", "CRDT", "3")],
)
def test_the_indicator_decides_the_sign(bank, connector, amount, indicator, expected):
    bank.pages = [[transaction(amount, indicator)]]
    (page,) = read(connector, bank)
    assert page.transactions[0].amount == Decimal(expected)


@pytest.mark.parametrize(
    ("status", "pending", "void"),
    [
        ("BOOK", [False], 0),
        ("PDNG", [True], 0),
        ("HOLD", [True], 0),
        ("RJCT", [], 1),
        ("CNCL", [], 1),
        ("SCHD", [], 0),
        ("OTHR", [], 0),
    ],
)
def test_only_what_moved_money_or_is_about_to_is_kept_and_what_will_not_is_void(bank, connector, status, pending, void):
    bank.pages = [[transaction("1", "DBIT", status=status)]]
    (page,) = read(connector, bank)
    assert [one.pending for one in page.transactions] == pending
    assert (len(page.voided), page.rejected) == (void, ())


def test_the_other_side_is_whoever_is_not_us(bank, connector):
    sides = {"debtor": {"name": "Employer"}, "debtor_account": {"iban": "DE89370400440532013000"}}
    bank.pages = [[transaction("1", "DBIT", **sides), transaction("1", "CRDT", **sides)]]
    (page,) = read(connector, bank)
    assert [one.counterparty for one in page.transactions] == ["Corner Shop", "Employer"]
    assert page.transactions[1].counterparty_account == "DE89370400440532013000"


@pytest.mark.parametrize(
    ("reference", "expected"),
    [("5561990681", "5561990681"), (None, None), ("2026-08-01.0", None), ("20260801-12", None)],
    ids=["a reference", "null on day one", "positional later", "positional without dashes"],
)
def test_a_place_in_a_list_is_no_id(bank, connector, reference, expected):
    bank.pages = [[transaction("1", "DBIT", entry_reference=reference)]]
    (page,) = read(connector, bank)
    assert page.transactions[0].external_id == expected


def test_every_page_is_read_also_after_an_empty_one(bank, connector):
    bank.pages = [[transaction("1", "DBIT")], [], [transaction("2", "DBIT")]]
    pages = read(connector, bank)
    assert [len(page.transactions) for page in pages] == [1, 0, 1]
    assert [asked.query.get("continuation_key") for asked in bank.asked[:3]] == [None, "key-1", "key-2"]


def test_a_continuation_key_that_comes_again_is_an_error_not_a_loop(bank, connector):
    bank.pages = [[transaction("1", "DBIT")], [transaction("2", "DBIT")], []]
    bank.repeat_key = True
    with pytest.raises(InvalidDataError, match="repeated"):
        read(connector, bank)
    assert len(bank.asked) == 2


def test_a_last_key_that_comes_again_with_nothing_new_ends_the_list(bank, connector):
    bank.pages = [[transaction("1", "DBIT", entry_reference="e1")], [transaction("2", "DBIT")]]
    bank.repeat_last_key = True
    assert amounts(read(connector, bank)) == ["-1", "-2"]


def test_a_record_that_the_next_page_repeats_is_one_and_equal_ones_of_a_page_are_two(bank, connector):
    known, nameless = transaction("1", "DBIT", entry_reference="e1"), transaction("2", "DBIT")
    bank.pages = [[known, nameless, nameless], [known, nameless]]
    assert amounts(read(connector, bank)) == ["-1", "-2", "-2", "-2"]


@pytest.mark.parametrize("days", [20, 730])
def test_a_bank_that_takes_no_last_day_is_asked_without_one_from_then_on(bank, connector, context, saved, days):
    bank.refuses_date_to, bank.pages = True, [[transaction("1", "DBIT")]]
    pages = read(connector, bank, TODAY - timedelta(days=days))
    assert (amounts(pages), pages[-1].covers.from_on) == (["-1"], TODAY - timedelta(days=days))
    bank.asked.clear()
    read(EnableBankingConnector(saved[-1], context), bank)
    assert [asked.query.get("date_to") for asked in bank.asked if "date_from" in asked.query] == [None]


def test_a_bank_that_wants_the_key_alone_gets_it_alone_from_then_on(bank, connector, context, saved):
    bank.wants_key_alone, bank.pages = True, [[transaction(f"{n}", "DBIT")] for n in (1, 2, 3)]
    assert amounts(read(connector, bank)) == ["-1", "-2", "-3"]
    bank.asked.clear()
    read(EnableBankingConnector(saved[-1], context), bank)
    assert [dict(asked.query) for asked in bank.asked if "continuation_key" in asked.query] == [
        {"continuation_key": "key-1"},
        {"continuation_key": "key-2"},
    ]


def test_a_long_window_that_is_refused_in_its_middle_starts_over_with_the_days_every_bank_gives(bank, connector):
    bank.pages = [[transaction("1", "DBIT")], [transaction("2", "DBIT", booking_date="2026-01-10")]]
    bank.refuses_pages_from = (1, "WRONG_REQUEST_PARAMETERS", 422)
    before = list(bank.pages)

    def pages_of(_uid, query):
        return before if query["date_from"] < "2026-08-01" else before[:1]

    bank.pages_of = pages_of
    pages = read(connector, bank, TODAY - timedelta(days=730))
    assert [page.starts_over for page in pages] == [False, True]
    assert amounts(pages[1:]) == ["-1"]
    assert pages[-1].covers.from_on == TODAY - timedelta(days=89)


def test_an_outage_in_mid_window_is_left_to_the_second_try_before_days_are_given_up(bank, connector):
    bank.pages = [[transaction("1", "DBIT")], [transaction("2", "DBIT")]]
    bank.refuses_pages_from = (1, "ASPSP_ERROR", 400)
    with pytest.raises(ProviderUnavailableError) as caught:
        read(connector, bank, TODAY - timedelta(days=730))
    assert not caught.value.everyone
    bank.refuses_pages_from = None
    assert amounts(read(connector, bank, TODAY - timedelta(days=730))) == ["-1", "-2"]


def test_a_refusal_that_names_the_first_day_is_followed_to_it(bank, connector):
    bank.oldest_days, bank.says_oldest = 365, True
    (page,) = read(connector, bank, TODAY - timedelta(days=730))
    assert page.covers.from_on == TODAY - timedelta(days=365)


def test_one_account_that_is_refused_under_a_good_consent_fails_alone(bank, connector):
    bank.fail(bank.transactions_path(), "ASPSP_PSU_ACTION_REQUIRED", 401)
    (page,) = read(connector, bank)
    assert [(one.account_id, one.error.reason) for one in page.failures] == [(bank.uids[0], "action_required")]
    bank.fail(bank.transactions_path(), "EXPIRED_SESSION", 401)
    bank.status = "EXPIRED"
    with pytest.raises(AuthenticationError):
        read(connector, bank)


def test_a_period_the_bank_refuses_is_shortened_once(bank, connector):
    bank.oldest_days = 89
    (page,) = read(connector, bank, TODAY - timedelta(days=730))
    assert page.covers.from_on == TODAY - timedelta(days=89)
    assert page.warnings
    assert [asked.query["date_from"] for asked in bank.asked[:2]] == ["2024-11-20", "2026-08-23"]


def test_a_period_that_is_refused_again_is_not_tried_a_third_time(bank, connector):
    bank.oldest_days = 10
    with pytest.raises(Exception, match="WRONG_TRANSACTIONS_PERIOD"):
        read(connector, bank, TODAY - timedelta(days=730))
    assert len(bank.asked) == 2


@pytest.mark.parametrize(("error", "status"), [("ASPSP_ERROR", 400), (None, 400), ("WRONG_REQUEST_PARAMETERS", 422)])
def test_a_refusal_that_does_not_name_the_period_is_known_by_the_window(bank, connector, error, status):
    bank.fail(bank.transactions_path(), error, status)
    (page,) = read(connector, bank, TODAY - timedelta(days=400))
    assert page.covers.from_on == TODAY - timedelta(days=89)


@pytest.mark.parametrize(
    ("days", "to_on", "expected"),
    [(45, TODAY, None), (400, TODAY, "longest"), (400, TODAY - timedelta(days=30), None)],
    ids=["a refresh", "a first load", "a window in the past"],
)
def test_only_a_first_load_lets_the_service_find_the_longest_period(bank, connector, days, to_on, expected):
    read(connector, bank, to_on - timedelta(days=days), to_on)
    assert bank.asked[0].query.get("strategy") == expected


def test_a_spent_allowance_defers_and_is_not_asked_again(bank, connector):
    bank.allowance = 0
    with pytest.raises(RateLimitError) as caught:
        read(connector, bank)
    assert (caught.value.scope, caught.value.retry_after_s) == (RateLimitScope.QUOTA, 11 * 3600)  # midnight in Berlin
    assert len(bank.asked) == 1


def test_the_balance_of_now_comes_with_the_last_page(bank, connector):
    bank.pages = [[transaction("1", "DBIT")], [transaction("2", "DBIT")]]
    first, last = read(connector, bank)
    assert first.accounts == ()
    assert (last.accounts[0].balance.amount, last.accounts[0].balance.kind) == (Decimal("93.50"), "booked")


def test_a_refused_balance_does_not_spoil_the_transactions(bank, connector):
    bank.pages = [[transaction("1", "DBIT")]]
    bank.fail(f"/accounts/{bank.uids[0]}/balances", "ASPSP_ERROR", 500)
    (page,) = read(connector, bank)
    assert len(page.transactions) == 1
    assert page.accounts == ()
    assert "no balance" in page.warnings[0]


def test_a_row_that_cannot_be_read_is_kept_and_costs_no_other(bank, connector):
    bank.published = bank.published.__class__("absent.yml")
    bank.pages = [[transaction("1", "DBIT"), transaction("a lot", "DBIT", entry_reference="r2")]]
    (page,) = read(connector, bank)
    assert len(page.transactions) == 1
    assert (page.rejected[0].external_id, page.rejected[0].message) == ("r2", "amount is not a decimal number")


def test_a_status_nobody_knows_is_kept_with_its_reason(bank, connector):
    bank.published = bank.published.__class__("absent.yml")
    bank.pages = [[transaction("1", "DBIT", status="NEW1")]]
    (page,) = read(connector, bank)
    assert (page.transactions, page.rejected[0].message) == ((), "status is none we know")


def test_pages_after_the_first_are_not_counted_as_accesses(connector):
    counted = {quota.endpoint for quota in connector.capabilities.quotas}
    assert counted == {"transactions", "balances", "details"}


def test_days_are_the_banks_own(bank, connector):
    bank.pages = [[transaction("1", "DBIT", transaction_date="2026-11-08")]]
    (page,) = read(connector, bank)
    one = page.transactions[0]
    assert (one.booking_on, one.value_on, one.transaction_on) == (
        date(2026, 11, 10),
        date(2026, 11, 11),
        date(2026, 11, 8),
    )


@pytest.mark.parametrize(("amount", "read_as"), [("-12.50", ["-12.50"]), ("+3", ["3"]), ("12.50", [])])
def test_without_an_indicator_only_a_sign_says_the_direction(bank, connector, amount, read_as):
    bank.published = bank.published.__class__("absent.yml")
    bank.pages = [[transaction(amount, "DBIT", credit_debit_indicator=None)]]
    (page,) = read(connector, bank)
    assert (amounts([page]), len(page.rejected)) == (read_as, 1 - len(read_as))


def test_a_list_that_is_null_is_empty(bank, connector, monkeypatch):
    bank.published = bank.published.__class__("absent.yml")
    monkeypatch.setattr(bank, "_transactions", lambda *_: Reply({"transactions": None, "continuation_key": None}, None))
    assert amounts(read(connector, bank)) == []
