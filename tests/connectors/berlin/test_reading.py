from contextlib import suppress
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.connectors.base import AccountType, BalanceKind, TransactionKind
from worker.connectors.berlin import allowance, balances, entries
from worker.connectors.enablebanking import normalize as enablebanking
from worker.connectors.errors import InvalidDataError
from worker.connectors.gocardless import normalize as gocardless
from worker.connectors.plaid import normalize as plaid
from worker.connectors.reading import StatedDay, meaningful, read_day, read_rows

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)

SPENT = [
    "[HUB046] Allowed number of accesses exceeded for consent",
    "Access exceeded",
    "The access has been exceeded",
    "exceeding the consented multiplicity per day",
    "CLO03941 Se ha superado el número máximo de accesos diarios",
    "S'ha superat el nombre màxim d'accessos",
    "Daily request limit set by the Institution has been exceeded.",
    "The limit of requests per day is reached",
    "ACCESS_EXCEEDED",
]


@pytest.mark.parametrize("words", SPENT)
def test_a_spent_allowance_is_known_in_the_banks_own_words(words):
    assert allowance.allowance_spent(words)


@pytest.mark.parametrize(
    "words",
    ["Access has expired or it has been revoked", "Institution service unavailable", "Try again in 5 seconds", ""],
)
def test_other_troubles_are_not_taken_for_a_spent_allowance(words):
    assert not allowance.allowance_spent(words)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("PMNT-CCRD-POSD", TransactionKind.PURCHASE),
        ("PMNT-CCRD-CWDL", TransactionKind.CASH),
        ("PMNT-CCRD-RIMB", TransactionKind.REFUND),
        ("PMNT-MCOP-CHRG", TransactionKind.FEE),
        ("PMNT-RCDT-SALA", TransactionKind.INCOME),
        ("ACMT-MDOP-INTR", TransactionKind.INTEREST),
        ("PMNT-ICDT-BOOK", TransactionKind.TRANSFER),
        ("PMNT-ICDT-ESCT", None),
        ("12-32", None),
        ("", None),
    ],
)
def test_a_kind_is_only_what_the_bank_itself_says(code, kind):
    assert entries.kind_of(code) is kind


@pytest.mark.parametrize(
    ("value", "expected"),
    [("2026-08-01.0", True), ("20260801-12", True), ("2026-08-01", False), ("5561990681", False), (None, False)],
)
def test_places_in_a_list_are_known(value, expected):
    assert entries.is_positional(value) is expected


@pytest.mark.parametrize(
    ("number", "mask"), [("FI21 1234 5600 0007 85", "0785"), ("4111********1111", "1111"), ("123", None), (None, None)]
)
def test_a_mask_is_never_the_whole_number(number, mask):
    assert entries.mask_of(number) == mask


def test_an_anchor_fits_its_column():
    assert entries.anchor("iban", "FI21 1234 5600 0007 85") == "iban:FI2112345600000785"
    assert len(entries.anchor("hash", "h" * 500)) <= entries.MAX_ANCHOR
    assert entries.anchor("iban", "NOTPROVIDED") is None


def _balance(kind, amount="1.00", currency="EUR", **values):
    return balances.ApiBalance(amount=amount, currency=currency, balance_type=kind, **values)


@pytest.mark.parametrize(
    ("kinds", "chosen"),
    [
        (["CLBD", "ITBD", "ITAV"], "ITBD"),
        (["closingBooked", "interimAvailable"], "closingBooked"),
        (["XPCD", "CLAV"], "CLAV"),
        (["OTHR"], None),
        ([], None),
    ],
)
def test_the_balance_that_tells_most_is_chosen(kinds, chosen):
    stated = [_balance(kind, amount=f"{number}.00") for number, kind in enumerate(kinds)]
    picked = balances.pick_balance(stated, "EUR", NOW)
    assert (picked and picked.amount) == (Decimal(kinds.index(chosen)) if chosen else None)


def test_a_balance_in_another_currency_is_not_the_accounts():
    assert balances.pick_balance([_balance("CLBD", currency="USD")], "EUR", NOW) is None


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"changed": "2026-11-19T08:00:00Z"}, datetime(2026, 11, 19, 8, tzinfo=UTC)),
        ({"reference_on": "2026-11-18"}, datetime.combine(date(2026, 11, 18), datetime.max.time(), UTC)),
        ({"reference_on": "2026-12-24"}, NOW),
        ({"changed": "yesterday"}, NOW),
        ({}, NOW),
    ],
)
def test_a_balance_is_of_the_moment_the_bank_states_and_never_of_the_future(values, expected):
    assert balances.pick_balance([_balance("CLBD", **values)], "EUR", NOW).at == expected


def test_account_types():
    assert entries.account_type("CACC") is AccountType.CHECKING
    assert entries.account_type("svgs") is AccountType.SAVINGS
    assert entries.account_type(None) is AccountType.UNKNOWN
    assert balances.pick_balance([_balance("ITAV")], None, NOW).kind is BalanceKind.AVAILABLE


AMOUNTS = st.decimals(min_value=-(10**12), max_value=10**12, places=3, allow_nan=False, allow_infinity=False)


@given(AMOUNTS, st.sampled_from(["CRDT", "DBIT"]))
def test_the_direction_decides_the_sign_and_no_digit_is_lost(amount, direction):
    read = entries.signed_amount(f"{amount:f}", direction)
    assert abs(read) == abs(amount)
    assert read == 0 or (read > 0) == (direction == "CRDT")


@given(AMOUNTS)
def test_a_signed_amount_is_read_as_it_is_written(amount):
    assert entries.signed_amount(f"{amount:f}") == amount


@given(st.text())
def test_any_text_is_an_amount_or_refused(text):
    with suppress(InvalidDataError):
        assert entries.signed_amount(text).is_finite()


@given(st.dates(min_value=date(1970, 1, 1)))
def test_a_day_is_read_as_it_is_written(day):
    assert read_day(day.isoformat(), "day") == StatedDay(day)


@given(st.integers(0, 7 * 10**9), st.integers(-14 * 60, 14 * 60))
def test_a_moment_stays_a_moment_unless_it_is_a_day_written_as_one(second, offset_minutes):
    moment = datetime.fromtimestamp(second, timezone(timedelta(minutes=offset_minutes)))
    stated = read_day(moment.isoformat(), "moment")
    is_day = (moment.hour, moment.minute, moment.second) == (0, 0, 0)
    assert stated == (StatedDay(on=moment.date()) if is_day else StatedDay(at=moment))


@pytest.mark.parametrize("text", ["2026-11-10T00:00:00Z", "2026-11-10T00:00:00.000+01:00", "2026-11-10T00:00:00"])
def test_midnight_is_a_day(text):
    assert read_day(text, "day") == StatedDay(on=date(2026, 11, 10))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def _records(*fields):
    return st.dictionaries(st.sampled_from(fields), JSON, max_size=len(fields)) | JSON


PLAID = _records("transaction_id", "account_id", "amount", "date", "pending", "name", "counterparties", "payment_meta")
SNAKE = _records(
    "transaction_amount", "credit_debit_indicator", "status", "booking_date", "creditor", "remittance_information"
)
CAMEL = _records(
    "transactionAmount", "bookingDate", "creditorName", "creditorAccount", "remittanceInformationUnstructuredArray"
)


@pytest.mark.parametrize(
    ("records", "read"),
    [
        (PLAID, plaid.read_transaction),
        (SNAKE, lambda record: enablebanking.read_transaction(record, "a")),
        (CAMEL, lambda record: gocardless.read_transaction(record, "a", pending=False)),
    ],
    ids=["plaid", "enablebanking", "gocardless"],
)
def test_whatever_a_record_holds_it_is_read_or_kept_with_a_reason(records, read):
    @settings(max_examples=60, deadline=None)
    @given(st.lists(records, max_size=3))
    def check(rows):
        read_ones, refused = read_rows(rows, read, id_field="transaction_id")
        assert len(read_ones) + len(refused) == len(rows)
        assert all(one.amount.is_finite() for one in read_ones)
        assert all(one.message for one in refused)

    check()


WORDS = st.text(min_size=1, max_size=20).filter(meaningful)


@given(AMOUNTS, WORDS, st.dates(min_value=date(1990, 1, 1)), st.sampled_from(["BOOK", "PDNG"]))
def test_both_dialects_say_the_same_of_the_same_entry(amount, words, day, status):
    snake = enablebanking.read_transaction(
        {
            "transaction_amount": {"amount": f"{abs(amount):f}", "currency": "EUR"},
            "credit_debit_indicator": "DBIT" if amount < 0 else "CRDT",
            "status": status,
            "booking_date": day.isoformat(),
            "remittance_information": [words],
            "creditor": {"name": "C"},
            "debtor": {"name": "D"},
        },
        "a",
    )
    camel = gocardless.read_transaction(
        {
            "transactionAmount": {"amount": f"{amount:f}", "currency": "EUR"},
            "bookingDate": day.isoformat(),
            "remittanceInformationUnstructured": words,
            "creditorName": "C",
            "debtorName": "D",
        },
        "a",
        pending=status == "PDNG",
    )
    same = ("amount", "currency", "description", "counterparty", "pending", "booking_on")
    assert [getattr(snake, name) for name in same] == [getattr(camel, name) for name in same]


def test_a_purchase_abroad_keeps_its_original_amount_and_rate():
    original = {"amount": "-30.00", "currency": "USD"}
    snake = transaction_of("1", exchange_rate={"instructed_amount": original, "exchange_rate": "1.0843"})
    camel = gocardless.read_transaction(
        {
            "transactionAmount": {"amount": "-27.67", "currency": "EUR"},
            "bookingDate": "2026-11-10",
            "currencyExchange": [{"instructedAmount": original, "sourceCurrency": "USD", "exchangeRate": "1.0843"}],
        },
        "a",
        pending=False,
    )
    stated = {"original_amount": "-30.00", "original_currency": "USD", "exchange_rate": "1.0843"}
    assert snake.stated_amounts == camel.stated_amounts == stated
    assert transaction_of("1").stated_amounts is None


def transaction_of(amount, **values):
    record = {
        "transaction_amount": {"amount": amount, "currency": "EUR"},
        "credit_debit_indicator": "DBIT",
        "booking_date": "2026-11-10",
    }
    return enablebanking.read_transaction(record | values, "a")
