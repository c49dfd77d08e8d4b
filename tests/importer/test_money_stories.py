"""Money and days that do not fit the usual mould: a stated rule, or a rejection with a reason. Never a silent loss."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from unittest.mock import Mock

import pytest

from tests.importer.bank import CURSOR, TODAY, WINDOWED, Harness
from worker.connectors.base import Account, DatedBalance, IdClass, RejectedRow, RemovedTransaction, Scope
from worker.errors import LostLeaseError
from worker.importer.engine import run
from worker.runs.states import RunKind, RunStatus


@pytest.mark.parametrize(
    ("amount", "currency", "expected"),
    [
        ("-1500", "JPY", ("-1500.00", "JPY")),
        ("-1.235", "KWD", ("-1.24", "KWD")),
        ("-0.005", "EUR", ("-0.01", "EUR")),
        ("-9999999999.99", "EUR", ("-9999999999.99", "EUR")),
        ("-12.5", "eur", ("-12.50", "EUR")),
        ("-1", None, ("-1.00", "EUR")),
    ],
    ids=["no decimals", "three decimals", "half a cent", "the largest", "lower case", "none: the account's"],
)
def test_amounts_and_currencies(harness, amount, currency, expected):
    harness.bank.buy(amount, currency=currency, external_id="1")
    harness.refresh()
    [(_, held, held_currency, _)] = harness.expenses()
    assert (held, held_currency) == expected


def test_without_an_account_currency_the_users_is_taken(harness):
    harness.bank.accounts = [Account(external_id="A", name="Cash")]
    harness.sql("UPDATE users SET preferred_currency = 'INR'")
    harness.bank.buy("-1", currency=None, external_id="1")
    harness.refresh()
    assert harness.expenses()[0][2] == "INR"


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ({"amount": "-10000000000"}, "amount_too_large"),
        ({"amount": "1e30"}, "amount_too_large"),
        ({"amount": "NaN"}, "amount_invalid"),
        ({"currency": "BTC"}, "currency_unknown"),
        ({"currency": "https://bank.test/points"}, "currency_unknown"),
        ({"booking_on": None}, "date_missing"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_does_not_fit_is_rejected_with_its_reason_and_the_rest_goes_on(harness, row, code):
    harness.bank.buy(**({"amount": "-1", "external_id": "bad"} | row))
    harness.bank.buy("-2", external_id="good")
    outcome = harness.refresh()
    assert (outcome.status, outcome.code, outcome.counts.rejected) == ("partial", "rows_rejected", 1)
    assert harness.amounts() == ["-2.00"]
    [(found, raw)] = harness.sql("SELECT code, raw FROM bank_import_rejections")
    assert found == code
    assert "bad" in raw
    again = harness.refresh()
    assert (again.code, again.counts.rejected) == ("rows_rejected", 0), "one rejection, open until it is mended"


@pytest.mark.parametrize("scope", [Scope.ACCOUNT, Scope.CONNECTION])
def test_a_rejected_row_that_names_no_account_is_kept(harness, scope):
    harness.bank.capabilities = replace(harness.bank.capabilities, fetch_scope=scope)
    harness.bank.extra = {"rejected": (RejectedRow(code="bad_row", message="line 7", raw="x;y"),)}
    harness.bank.buy("-1", external_id="1")
    harness.refresh()
    accounts = harness.sql("SELECT account_id IS NULL FROM bank_import_rejections")
    assert accounts == [(scope is Scope.CONNECTION,)]


def test_an_account_in_points_is_left_out_with_a_reason(harness):
    harness.bank.accounts.append(Account(external_id="P", name="Points", currency="https://bank.test/points"))
    harness.bank.buy("-1", external_id="1")
    harness.refresh()
    rows = harness.sql("SELECT external_id, status, status_code FROM bank_connection_accounts ORDER BY id")
    assert rows == [("A", "active", None), ("P", "unsupported", "currency_unknown")]


@pytest.mark.parametrize(
    ("description", "expected"),
    [
        ("a\x00b\x07c", "a b c"),
        ("Fish &amp; Chips", "Fish & Chips"),
        ("مطعم \u202b القاهرة 🍜", "مطعم القاهرة 🍜"),
        ("x" * 100_000, "x" * 500),
        ("=HYPERLINK(1)", "=HYPERLINK(1)"),
        ('tab\tand\nnewline \\ backslash, "quotes"', 'tab and newline \\ backslash, "quotes"'),
        ("", None),
    ],
    ids=["control characters", "HTML", "right to left and emoji", "very long", "formula", "COPY's own", "empty"],
)  # fmt: skip
def test_texts(harness, description, expected):
    harness.bank.buy("-1", description, external_id="1")
    harness.refresh()
    assert harness.expenses()[0][3] == expected
    assert harness.refresh().counts.unchanged == 1


ODD_RECORDS = {
    "half a character": {"note": "\ud83d"},
    "NUL": {"note": "a\x00b", "n\x00": 1},
    "what looks like an escaped NUL": {"note": "a\\u0000b"},
    "no number": {"rate": float("nan"), "limit": float("inf")},
    "bytes": {"note": b"\xff\x00"},
    "more than JSON": {"day": TODAY, "amount": Decimal("1.50"), "set": {1}, 7: "seven"},
    "NUL deep inside": {"a": [{"b": ("x\x00",)}]},
}


@pytest.mark.parametrize("odd", ODD_RECORDS)
def test_a_record_that_no_json_column_takes_is_mended_and_imported(harness, odd):
    harness.bank.buy("-1", external_id="1", raw=ODD_RECORDS[odd])
    harness.bank.buy("-2", external_id="2")
    assert harness.refresh().counts.created == 2
    assert harness.sql("SELECT raw IS NOT NULL FROM bank_transactions WHERE external_id = '1'") == [(True,)]


@pytest.mark.parametrize("odd_id", ["x" * 300, "a\x00b", "\ud83d-1", "tab\there"], ids=["long", "NUL", "half", "tab"])
def test_an_id_that_no_column_takes_is_still_an_identity(harness, odd_id):
    row = harness.bank.buy("-1", external_id=odd_id)
    harness.bank.buy("-1", external_id=odd_id + "'")
    assert harness.refresh().counts.created == 2
    harness.bank.removed = [RemovedTransaction(external_id=odd_id)]
    harness.bank.rows.remove(row)
    assert harness.refresh().counts.removed == 1
    assert harness.amounts() == ["-1.00"]


def test_a_link_between_odd_ids_is_followed(harness):
    hold = harness.bank.buy("-5", "Hold", external_id="h" * 300, pending=True)
    harness.refresh()
    harness.bank.rows.remove(hold)
    harness.bank.buy("-6", "Dinner with tip", external_id="p" * 300, pending_external_id="h" * 300)
    harness.refresh()
    assert harness.amounts() == ["-6.00"]


def test_an_account_whose_texts_fit_no_column_is_imported(harness):
    odd = {"name": "N\x00" * 300, "mask": "DE02120300000000202051", "institution_name": "B" * 300}
    odd["anchor"] = "iban:" + "9" * 200
    harness.bank.accounts = [Account(external_id="A", currency="EUR", **odd)]
    harness.bank.buy("-1", external_id="1")
    assert [harness.refresh().status for _ in range(2)] == [RunStatus.SUCCEEDED] * 2
    assert harness.sql("SELECT mask, length(anchor) FROM bank_connection_accounts") == [("0000202051", 100)]


def test_a_rejected_row_of_odd_text_is_kept(harness):
    odd = RejectedRow(
        code="bad_row", message="\x00\ud83d", raw="\ud83d\x00;", external_id="x\x00" * 200, account_id="A"
    )
    harness.bank.extra = {"rejected": (odd,)}
    harness.bank.buy("NaN", "\ud83d\x00", external_id="2")
    assert harness.refresh().counts.rejected == 2
    assert harness.sql("SELECT count(*) FROM bank_import_rejections") == [(2,)]


@pytest.mark.parametrize(
    ("zone", "moment", "expected"),
    [
        ("Europe/London", datetime(2026, 6, 14, 23, 30, tzinfo=UTC), "2026-06-15"),
        ("UTC", datetime(2026, 6, 14, 23, 30, tzinfo=UTC), "2026-06-14"),
        ("America/New_York", datetime(2026, 3, 8, 4, 59, tzinfo=UTC), "2026-03-07"),
        ("America/New_York", datetime(2026, 3, 9, 3, 59, tzinfo=UTC), "2026-03-08"),
        ("Asia/Kolkata", datetime(2026, 6, 14, 18, 30, tzinfo=UTC), "2026-06-15"),
    ],
    ids=["summer time", "UTC", "before the clock change", "after it", "half hours"],
)
def test_the_day_is_taken_in_the_banks_zone(sessions, user_id, zone, moment, expected):
    harness = Harness(sessions, user_id, options={"timezone": zone})
    harness.bank.buy("-1", external_id="1", booking_on=None, booking_at=moment)
    harness.run(RunKind.IMPORT)
    assert harness.expenses()[0][0] == expected


def test_a_day_that_stands_for_none_leaves_the_others_and_stops_no_account(harness):
    harness.bank.capabilities = CURSOR
    harness.bank.buy("-1", external_id="1", value_on=date(9999, 12, 31))
    harness.bank.buy("-2", external_id="2", booking_on=date(1, 1, 1), value_on=TODAY)
    harness.bank.buy("-3", external_id="3", booking_on=date(9999, 12, 31), pending=True)
    harness.bank.buy("-4", external_id="4", booking_on=date(9999, 12, 31))
    assert harness.refresh().code == "rows_rejected"
    assert harness.sql("SELECT code, external_id FROM bank_import_rejections") == [("date_missing", "4")]
    today = TODAY.isoformat()
    assert [row[:2] for row in harness.expenses()] == [(today, "-3.00"), (today, "-2.00"), (today, "-1.00")]


def test_value_dates_weeks_ahead_do_not_move_the_day_nor_the_watermark(harness):
    harness.bank.buy("-1", external_id="1", value_on=date(2026, 7, 30))
    harness.refresh()
    assert harness.expenses()[0][0] == "2026-06-15"
    assert harness.sql("SELECT watermark_on FROM bank_connection_accounts") == [(date(2026, 6, 15),)]


def test_a_rejected_row_can_be_replayed(harness):
    harness.bank.extra = {
        "rejected": (
            RejectedRow(code="bad_data", message="no amount", raw='[{"amount": "x"}]', account_id="A", external_id="r"),
        )
    }
    harness.bank.buy("-1", external_id="1")
    harness.refresh()
    failed = harness.run_id
    assert harness.sql("SELECT code, resolved_at FROM bank_import_rejections") == [("bad_data", None)]
    harness.sql(
        "UPDATE bank_import_rejections SET raw = :raw",
        raw='{"account_id": "A", "amount": "-7", "description": "Late", "booking_on": "2026-06-10",'
        ' "currency": "EUR", "external_id": "r", "pending": false}',
    )
    outcome = harness.run(RunKind.REPLAY, target_run_id=failed)
    assert outcome.counts.created == 1
    assert sorted(harness.amounts()) == ["-1.00", "-7.00"]
    assert harness.sql("SELECT resolved_at IS NOT NULL FROM bank_import_rejections") == [(True,)]
    assert harness.run(RunKind.REPLAY, target_run_id=failed).code == "nothing_new"


def test_rows_rejected_for_their_currency_arrive_once_the_cause_is_gone(harness):
    row = harness.bank.buy("-7", "Kiosk", external_id="r", currency="??")
    harness.refresh()
    failed = harness.run_id
    assert harness.run(RunKind.REPLAY, target_run_id=failed).counts.created == 0, "the cause is still there"
    assert harness.sql("SELECT resolved_at FROM bank_import_rejections") == [(None,)]
    harness.bank.change(row, currency="EUR")
    harness.refresh()
    assert harness.amounts() == ["-7.00"]
    assert harness.sql("SELECT resolved_at IS NOT NULL FROM bank_import_rejections") == [(True,)]
    assert harness.run(RunKind.REPLAY, target_run_id=failed).code == "nothing_new"
    assert harness.amounts() == ["-7.00"]


def test_a_rejected_row_is_replayed_into_its_account_under_the_id_that_the_account_has_now(harness):
    harness.bank.accounts = [replace(harness.bank.accounts[0], anchor="iban:DE02120300000000202051")]
    row = harness.bank.buy("-7", "Kiosk", external_id="r", currency="??")
    harness.refresh()
    failed = harness.run_id
    harness.bank.accounts = [replace(harness.bank.accounts[0], external_id="Z")]
    harness.bank.rows.remove(row)
    harness.refresh()
    harness.sql("UPDATE bank_import_rejections SET raw = replace(raw, '??', 'EUR')")
    assert harness.run(RunKind.REPLAY, target_run_id=failed).counts.created == 1
    assert harness.amounts() == ["-7.00"]


KIOSK = RejectedRow(
    code="bad_data",
    message="no day",
    raw='{"account_id": "A", "amount": "-7", "description": "Kiosk", "booking_on": "2026-06-15",'
    ' "currency": "EUR", "external_id": "r", "pending": false}',
    account_id="A",
)


def test_a_replayed_row_that_arrived_meanwhile_is_not_doubled(harness):
    harness.bank.extra = {"rejected": (KIOSK,)}
    harness.refresh()
    failed = harness.run_id
    harness.bank.extra = {}
    harness.bank.buy("-7", "Kiosk", external_id="r")
    harness.refresh()
    harness.run(RunKind.REPLAY, target_run_id=failed)
    assert harness.amounts() == ["-7.00"]


def test_a_replay_of_one_run_mends_no_equal_row_of_another(harness):
    harness.bank.extra = {"rejected": (KIOSK,)}
    harness.refresh()
    first = harness.run_id
    harness.bank.extra = {"rejected": (replace(KIOSK, raw=KIOSK.raw.replace('"r"', '"s"')),)}
    harness.refresh()
    second = harness.run_id
    harness.bank.extra = {}
    harness.run(RunKind.REPLAY, target_run_id=first)
    assert harness.amounts() == ["-7.00"]
    assert harness.sql("SELECT count(*) FROM bank_import_rejections WHERE resolved_at IS NULL") == [(1,)]
    harness.run(RunKind.REPLAY, target_run_id=second)
    assert harness.amounts() == ["-7.00", "-7.00"]


def test_a_replay_that_dies_before_it_imported_leaves_the_rows_to_its_next_attempt(harness):
    harness.bank.extra = {"rejected": (KIOSK,)}
    harness.refresh()
    claimed = harness.claim(RunKind.REPLAY, target_run_id=harness.run_id)
    harness.check = Mock(side_effect=LostLeaseError("gone"))
    with pytest.raises(LostLeaseError):
        run(claimed, harness.context())
    assert harness.sql("SELECT resolved_at FROM bank_import_rejections") == [(None,)]
    harness.check = lambda: None
    run(claimed, harness.context())
    assert harness.amounts() == ["-7.00"]


def test_what_the_bank_states_of_the_money_besides_is_kept_with_the_row(harness):
    abroad = {"original_amount": "-30.00", "original_currency": "USD", "exchange_rate": "1.0843"}
    harness.bank.buy("-27.67", "Hotel", stated_amounts=abroad)
    harness.bank.buy("-5.00")
    harness.refresh()
    assert harness.sql("SELECT stated_amounts FROM bank_transactions ORDER BY amount") == [(abroad,), (None,)]


@pytest.mark.parametrize("id_class", [IdClass.STABLE, IdClass.NONE])
def test_a_provider_that_turns_every_sign_is_a_question_and_changes_nothing(harness, id_class):
    harness.bank.capabilities = replace(WINDOWED, id_class=id_class)
    harness.bank.buy("-1", "Bus", external_id="1")
    harness.bank.buy("20", "Salary", external_id="2")
    harness.refresh()
    before = harness.expenses()
    harness.bank.rows = [replace(row, amount=-row.amount) for row in harness.bank.rows]
    harness.bank.buy("-7", "Lunch", external_id="3")
    outcome = harness.refresh()
    assert (outcome.status, outcome.code) == ("partial", "signs_flipped")
    assert harness.expenses() == before
    harness.sql("UPDATE bank_connection_accounts SET inverted = true")
    outcome = harness.refresh()
    assert outcome.counts.created == 1
    assert [row for row in harness.expenses() if row[3] != "Lunch"] == before


def test_a_provider_that_turns_the_signs_back_goes_on(harness):
    harness.bank.buy("-1", "Bus", external_id="1")
    harness.bank.buy("20", "Salary", external_id="2")
    harness.refresh()
    right = harness.bank.rows
    harness.bank.rows = [replace(row, amount=-row.amount) for row in right]
    harness.refresh()
    harness.bank.rows = right
    assert harness.refresh().status == "succeeded"
    assert harness.amounts() == ["-1.00", "20.00"]


def test_an_amount_that_rounds_to_nothing_has_no_expense(harness):
    harness.bank.buy("-0.004", "Fee", external_id="1")
    assert harness.refresh().status == "succeeded"
    assert harness.amounts() == []


@pytest.mark.parametrize("inverted", [False, True])
def test_numbers_that_no_account_can_have_are_rejections_and_stop_nothing(sessions, user_id, inverted):
    """Of rows, of the balances after them, of past days and of the account itself."""
    harness = Harness(sessions, user_id, options={"inverted_accounts": ["A"]} if inverted else {})
    odd = ["1E+1000000", "-1E+999999", "1E-1000000", "sNaN", "Infinity", "9" * 40, f"0.{'1' * 20_000}"]
    harness.bank.buy("-1", external_id="first", stated_amounts={"balance_after": "NaN"})
    for number, amount in enumerate(odd):
        harness.bank.buy(amount, external_id=str(number), stated_amounts={"balance_after": amount})
    harness.bank.buy("-2", external_id="last", stated_amounts={"balance_after": "no number"})
    harness.bank.extra = {
        "balances": tuple(DatedBalance(account_id="A", on=TODAY, amount=Decimal(amount)) for amount in odd)
    }
    for amount in odd:
        harness.bank.balance(amount)
        outcome = harness.refresh()
        assert (outcome.status, outcome.code) == (RunStatus.PARTIAL, "rows_rejected")
        assert outcome.counts.delivered == outcome.counts.accounted == len(odd) + 2
    assert sorted(abs(Decimal(amount)) for amount in harness.amounts()) == [1, 2]
    assert harness.sql("SELECT count(*) FROM bank_import_rejections WHERE resolved_at IS NULL") == [(len(odd),)]
    harness.run(RunKind.REPLAY, target_run_id=harness.sql("SELECT run_id FROM bank_import_rejections LIMIT 1")[0][0])
    assert len(harness.amounts()) == 2
