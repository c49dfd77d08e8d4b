"""The bank's own balance against the rows: per account, in the bank's days, with the sign the account has."""

import calendar
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from tests.importer.bank import WINDOWED, Harness, ScriptedConnector
from worker.connectors.base import Account, AccountType, Balance, BalanceKind, IdClass, Page, Window
from worker.runs.states import RunKind


def proof(harness):
    [(found,)] = harness.sql("SELECT balance_proof FROM bank_import_run_accounts WHERE run_id = :r", r=harness.run_id)
    return found["result"], found["difference"], found["since_on"]


def state_balance(harness, amount, at):
    balance = Balance(amount=Decimal(amount), kind=BalanceKind.BOOKED, at=at)
    harness.bank.accounts = [replace(account, balance=balance) for account in harness.bank.accounts]


def test_the_day_of_a_balance_is_taken_in_the_banks_zone(sessions, user_id):
    harness = Harness(sessions, user_id, options={"timezone": "America/New_York"})
    harness.bank.buy("-1", external_id="1", booking_on=harness.bank.today.replace(day=14))
    state_balance(harness, 99, datetime(2026, 6, 15, 2, 0, tzinfo=UTC))  # the evening of the 14th
    harness.refresh()
    harness.bank.buy("-5", external_id="2")
    harness.refresh()
    assert proof(harness)[0] == "unproven"
    state_balance(harness, 94, datetime(2026, 6, 15, 12, 0, tzinfo=UTC))
    harness.refresh()
    assert proof(harness)[0] == "proven"


def test_an_account_whose_signs_are_inverted_has_an_inverted_balance(sessions, user_id):
    harness = Harness(sessions, user_id, options={"inverted_accounts": ["A"]})
    harness.bank.buy("30", "Shop", external_id="1")
    harness.bank.balance("30")
    harness.refresh()
    harness.bank.buy("20", "Shop", external_id="2")
    harness.bank.balance("50")
    harness.refresh()
    assert proof(harness) == ("proven", None, None) or proof(harness)[:2] == ("proven", None)
    assert sorted(harness.amounts()) == ["-20.00", "-30.00"]


def test_two_accounts_are_proven_apart(harness):
    harness.bank.accounts.append(Account(external_id="B", name="Savings", currency="EUR"))
    harness.bank.buy("-1", external_id="1")
    harness.bank.buy("-2", external_id="2", account_id="B")
    harness.bank.balance("99")
    harness.refresh()
    harness.bank.buy("-9", external_id="3", account_id="B")
    harness.day_later()
    harness.bank.balance("99")
    harness.refresh()
    rows = harness.sql(
        "SELECT balance_proof ->> 'result', balance_proof ->> 'difference' FROM bank_import_run_accounts"
        " WHERE run_id = :r ORDER BY account_id",
        r=harness.run_id,
    )
    assert rows == [("proven", None), ("mismatch", "9")]


def test_a_gap_that_is_filled_later_is_proven_again(harness):
    harness.bank.buy("-1", external_id="1")
    harness.bank.balance("99")
    harness.refresh()
    harness.day_later()
    harness.bank.balance("90")
    harness.refresh()
    assert proof(harness) == ("mismatch", "-9", "2026-06-15")
    harness.bank.buy("-9", external_id="2")
    harness.refresh()
    assert proof(harness)[0] == "proven"


def test_a_gap_that_another_source_of_the_account_fills_is_proven_again(sessions, user_id):
    feed, statement = Harness(sessions, user_id), Harness(sessions, user_id)
    account = Account(external_id="A", name="Giro", currency="EUR", anchor="iban:DE1")
    feed.bank.capabilities = replace(WINDOWED, history_days=90)
    feed.bank.accounts = statement.bank.accounts = [account]
    first_on = feed.bank.today
    feed.bank.buy("-1", "Bakery", external_id="1")
    feed.bank.balance("99")
    feed.refresh()
    feed.day_later(120)
    feed.bank.rows.clear()
    known = feed.bank.buy("-5", "Hotel", external_id="2", booking_on=feed.bank.today - timedelta(days=90))
    feed.bank.balance("70")
    feed.refresh()
    assert proof(feed)[:2] == ("mismatch", "-24")
    statement.bank.today = feed.bank.today
    for days, amount in ((1, "-20"), (9, "-4")):
        statement.bank.buy(amount, f"Shop {days}", booking_on=first_on + timedelta(days=days))
    # The purchase that both sources have is dated one day earlier here, where the feed was not read.
    statement.bank.buy("-5", "Hotel", booking_on=known.booking_on - timedelta(days=1))
    statement.refresh()
    assert feed.amounts() == ["-1.00", "-20.00", "-4.00", "-5.00"]
    feed.bank.balance("70")
    assert (feed.refresh().code, proof(feed)[0]) == ("nothing_new", "proven")


def test_rows_taken_back_by_a_revert_still_count_for_the_bank(harness):
    from worker.runs.states import RunKind

    harness.bank.buy("-1", external_id="1")
    harness.bank.balance("99")
    harness.refresh()
    harness.run(RunKind.REVERT, target_run_id=harness.run_id)
    harness.day_later()
    harness.bank.balance("99")
    harness.refresh()
    assert harness.amounts() == []
    assert proof(harness)[0] == "proven"


def test_an_available_balance_proves_nothing(harness):
    available = Balance(amount=Decimal(99), kind=BalanceKind.AVAILABLE, at=datetime(2026, 6, 15, tzinfo=UTC))
    harness.bank.accounts = [replace(account, balance=available) for account in harness.bank.accounts]
    harness.bank.buy("-1", external_id="1")
    harness.refresh()
    assert proof(harness)[0] == "unproven"


def test_rows_that_a_first_load_doubles_are_never_proven_by_the_balance_that_load_was_read_with(harness):
    harness.bank.buy("-1", external_id="1")
    harness.bank.buy("-1", external_id="1b")  # the same purchase, doubled by the connector
    harness.bank.balance("99")
    for _ in range(2):
        harness.refresh()
        assert proof(harness)[0] == "unproven"
    harness.day_later()
    harness.bank.buy("-4", "Lunch", external_id="2")
    harness.bank.balance("95")
    harness.refresh()
    found = whole_proof(harness)
    assert (found["result"], found["reason"], found["from_on"]) == (
        "unproven",
        "equal_rows_in_first_load",
        "2026-06-15",
    )
    assert found["explanation"] == {"code": "row_doubled", "transaction_ids": ids_of(harness, "1", "1b")}
    misses_a_row_of(harness, "93")


def test_where_no_rows_of_the_first_load_are_equal_another_balance_proves_those_after_it(harness):
    harness.bank.buy("-1", external_id="1")
    harness.bank.balance("99")
    harness.refresh()
    harness.day_later()
    for number in "23":
        harness.bank.buy("-2", "Lunch", external_id=number)
    harness.bank.balance("95")
    harness.refresh()
    found = whole_proof(harness)
    assert (found["result"], found["rests_on"], found["from_on"]) == ("proven", "other_balance", "2026-06-15")
    misses_a_row_of(harness, "94")


def misses_a_row_of(harness, balance):
    """A row of the sum of the first day is missing: that day was counted, or no balance had fitted as it stood."""
    harness.day_later()
    harness.bank.balance(balance)
    assert harness.refresh().code == "balance_mismatch"


def test_a_balance_that_lags_is_recognised_though_a_day_of_the_first_days_sum_hid_it(harness):
    """Coffee on the first day and on the next one: the balance of the second day fits, whichever of them it counts."""
    harness.bank.buy("-3", "Coffee", external_id="1")
    harness.bank.balance("100")
    harness.refresh()
    said = []
    for bought, balance in (("-3", "97"), (None, "94"), ("-11", "94"), (None, "83")):
        harness.day_later()
        if bought:
            harness.bank.buy(bought, f"Shop {bought}", external_id=balance)
        harness.bank.balance(balance)
        status = harness.refresh().status
        said.append((status, whole_proof(harness)["reason"]))
    assert said == [
        ("succeeded", "equal_days"),
        ("partial", "does_not_balance"),
        ("partial", "day_not_counted"),
        ("succeeded", "opening_day_not_counted"),
    ]


@pytest.mark.parametrize("stamped", ["today", "yesterday"])
def test_a_balance_of_yesterday_fits_rows_that_are_dated_by_the_day_of_the_purchase(harness, stamped):
    """The bank books a purchase on the next working day, dates it back, and states what the evening before ended with.

    A row that it counts and never tells is found nevertheless.
    """
    start = harness.bank.today
    weekend = {4: 3, 5: 2}
    booked = {number: start + timedelta(days=number + weekend.get(number % 7, 1)) for number in range(-6, 30)}
    never_told, statuses = 20, []
    for day in range(24):
        today = start + timedelta(days=day)
        harness.bank.today = today
        told = [number for number, on in booked.items() if on <= today and number != never_told]
        harness.bank.rows.clear()
        for number in told:
            harness.bank.buy(
                f"-{number + 10}.{number + 31}", f"Shop {number}", external_id=str(number), booking_on=None,
                transaction_on=start + timedelta(days=number),
            )  # fmt: skip
        counted = sum(number + 10 + Decimal(number + 31) / 100 for number, on in booked.items() if on < today)
        harness.bank.balance(str(1000 - counted))
        if stamped == "yesterday":
            harness.bank.accounts = [
                replace(one, balance=replace(one.balance, at=one.balance.at - timedelta(days=1)))
                for one in harness.bank.accounts
            ]
        outcome = harness.refresh()
        statuses.append((outcome.status, whole_proof(harness)["result"]))
    # What the last days add up to may be a coincidence once, and is none when it changes with the rows.
    assert [status for status, _ in statuses[:21]] == ["succeeded", "partial", *["succeeded"] * 19], statuses
    assert {result for _, result in statuses[-2:]} == {"mismatch"}, statuses


def test_a_card_that_is_owed_may_be_overpaid(harness):
    """Its balance is what is owed: it is recognised by a purchase, and the payment of too much fits as well."""
    harness.bank.accounts = [replace(one, account_type=AccountType.CREDIT) for one in harness.bank.accounts]
    said = []
    for amount, owed in (("-50", "50"), ("-30", "80"), ("100", "-20"), ("-5", "-10")):
        harness.bank.buy(amount, f"Shop {amount}", external_id=amount)
        harness.bank.balance(owed)
        harness.refresh()
        said.append(proof(harness)[:2])
        harness.day_later()
    assert said == [("unproven", None), ("proven", None), ("proven", None), ("mismatch", "-5")]


class TellsComingDays(ScriptedConnector):
    """Tells with every answer up to today what is booked for the days after it."""

    def get_transactions(self, account_id, from_date, to_date):
        rows = tuple(row for row in self.bank.rows if row.account_id == account_id and row.booking_on >= from_date)
        yield Page(transactions=rows, covers=Window(from_on=from_date, to_on=to_date))


@pytest.mark.parametrize("first_day", [4, 5])
def test_a_balance_of_a_weekend_may_count_what_is_booked_for_monday(harness, first_day):
    """The purchases of Friday evening to Sunday are booked on Monday and told at once, and the balance counts them."""
    harness.connector = lambda: TellsComingDays(harness.bank)
    monday, balance, said = harness.bank.today, 1000, []
    assert monday.weekday() == calendar.MONDAY
    for day in range(4, 14):
        harness.bank.today = monday + timedelta(days=day)
        booked_on = max(harness.bank.today, monday + timedelta(days=7)) if day < 7 else harness.bank.today
        if day in (4, 5, 6, 8):
            harness.bank.buy(f"-{day}", f"Shop {day}", external_id=str(day), booking_on=booked_on)
            balance -= day
        if day in (12, 13):
            harness.bank.buy(f"-{day}", f"Shop {day}", external_id=str(day), booking_on=monday + timedelta(days=14))
            balance -= day + (day == 13)  # a row is missing
        harness.bank.balance(str(balance))
        if day >= first_day and day != 9:
            said.append((harness.refresh().status, whole_proof(harness)["reason"]))
    monday_on = [("succeeded", "opening_taken"), *[("succeeded", "balances")] * 3]
    assert said == [
        *[("succeeded", "no_opening")] * (7 - first_day),
        *monday_on,
        ("succeeded", "coming_days_counted"),
        ("partial", "does_not_balance"),
    ]


def test_a_row_of_the_first_load_that_the_bank_withdraws_is_not_excused_by_a_balance_that_rests_on_it(harness):
    harness.bank.capabilities = replace(WINDOWED, windows_complete=False)
    harness.bank.buy("-1", "Bus", external_id="1")
    doubled = harness.bank.buy("-4", "Lunch", external_id="2")
    harness.bank.balance("99")
    harness.refresh()
    harness.day_later(4)
    harness.bank.rows.remove(doubled)
    harness.bank.buy("-9", "Shoes", external_id="3")
    harness.bank.balance("90")
    assert harness.refresh().code == "rows_withdrawn"


# What the bank has instead of two bookings of 10 and 15, and what its balance is then.
INSTEAD = {
    "one booking": (["-25"], "65"),
    "three": (["-5", "-8", "-12"], "65"),
    "one with another amount": (["-10", "-17"], "63"),
    "one less": (["-15"], "75"),
}


@pytest.mark.parametrize(("instead", "balance"), INSTEAD.values(), ids=INSTEAD)
def test_rows_that_the_bank_neither_delivers_nor_counts_are_gone_until_it_delivers_them_again(
    harness, instead, balance
):
    harness.bank.capabilities = replace(WINDOWED, id_class=IdClass.NONE, windows_complete=False)
    harness.bank.buy("-10", "Shoes", booking_on=harness.bank.today - timedelta(days=9))
    harness.bank.balance("90")
    harness.refresh()
    harness.day_later(3)
    gone = [harness.bank.buy("-10", "Taxi"), harness.bank.buy("-15", "Taxi")]
    harness.bank.balance("65")
    harness.refresh()
    harness.sql("UPDATE expenses SET notes = 'to the station' WHERE amount = 10 AND notes = 'Taxi'")
    edited = harness.expenses()
    rows = harness.bank.rows
    harness.bank.rows = [row for row in rows if row not in gone]
    for amount in instead:
        harness.bank.buy(amount, "Taxi")
    harness.bank.balance(balance)
    harness.day_later()
    run = harness.refresh()
    assert (run.status, run.code, proof(harness)[0]) == ("succeeded", "ok", "proven")
    assert run.counts.created - run.counts.removed == len(instead) - len(gone), "what went is counted"
    assert sorted(map(Decimal, harness.amounts())) == sorted(map(Decimal, [*instead, "-10"]))
    harness.bank.rows = rows
    harness.bank.balance("65")
    harness.day_later()
    assert (harness.refresh().status, harness.expenses()) == ("succeeded", edited)


def test_an_empty_answer_is_no_evidence_beside_a_balance_of_nothing(harness):
    harness.bank.capabilities = replace(WINDOWED, windows_complete=False)
    harness.bank.buy("50", "Salary")
    harness.bank.balance("50")
    harness.refresh()
    harness.day_later()
    harness.bank.rows = []
    harness.bank.balance("0")
    assert (harness.refresh().code, harness.amounts()) == ("balance_mismatch", ["50.00"])


def test_an_absent_row_of_a_day_after_the_balance_explains_no_difference(harness):
    harness.bank.capabilities = replace(WINDOWED, windows_complete=False)
    harness.bank.buy("-10", "Shoes", booking_on=harness.bank.today - timedelta(days=9))
    harness.bank.balance("90")
    harness.refresh()
    harness.bank.balance("100")
    harness.day_later()
    taxi = harness.bank.buy("-10", "Taxi")
    harness.refresh()
    harness.bank.rows.remove(taxi)
    assert (harness.refresh().code, harness.amounts()) == ("balance_mismatch", ["-10.00", "-10.00"])


def test_the_value_of_securities_is_no_mismatch_though_no_row_explains_it(harness):
    harness.bank.accounts = [replace(harness.bank.accounts[0], account_type=AccountType.INVESTMENT)]
    harness.bank.buy("7", "Dividend")
    harness.bank.balance("5000")
    harness.refresh()
    harness.day_later()
    harness.bank.balance("5123")
    assert (harness.refresh().status, proof(harness)[0]) == ("succeeded", "unproven")


def ids_of(harness, *external_ids):
    found = harness.sql(
        "SELECT id FROM bank_transactions WHERE external_id = ANY(:ids) ORDER BY id", ids=list(external_ids)
    )
    return [row.id for row in found]


def test_a_balance_that_counts_pending_rows_is_recognised(harness):
    harness.bank.buy("-9", "Lunch", external_id="1")
    shoes = harness.bank.buy("-20", "Shoes", external_id="p", pending=True)
    harness.bank.balance("71")
    harness.refresh()
    harness.day_later()
    harness.bank.change(shoes, external_id="2", pending=False)
    harness.bank.balance("71")
    assert harness.refresh().status == "succeeded"
    assert proof(harness)[0] == "proven"


def test_a_mismatch_names_the_row_that_is_there_twice(harness):
    harness.bank.buy("-1", external_id="1")
    harness.bank.balance("99")
    harness.refresh()
    harness.day_later()
    for number in "23":
        harness.bank.buy("-4", "Lunch", external_id=number)
    harness.bank.balance("95")
    outcome = harness.refresh()
    assert outcome.code == "balance_mismatch"
    assert "there twice" in outcome.message


def test_a_first_import_that_ends_before_the_balances_day_takes_no_opening_amount_from_it(sessions, user_id):
    harness = Harness(sessions, user_id)
    today = harness.bank.today
    harness.bank.buy("-1", external_id="1", booking_on=today.replace(day=1))
    harness.bank.buy("-9", external_id="2")
    harness.bank.balance("90")
    outcome = harness.run(RunKind.IMPORT, to_on=today.replace(day=10))
    assert (outcome.status, proof(harness)[0]) == ("succeeded", "unproven")
    outcome = harness.refresh()
    assert (outcome.status, outcome.counts.created) == ("succeeded", 1)
    harness.day_later()
    harness.bank.buy("-5", external_id="3")
    harness.bank.balance("85")
    harness.refresh()
    assert proof(harness)[0] == "proven"


def whole_proof(harness):
    [(found,)] = harness.sql("SELECT balance_proof FROM bank_import_run_accounts WHERE run_id = :r", r=harness.run_id)
    return found


def test_a_mismatch_stays_when_the_bank_states_an_available_balance_alone(harness):
    harness.bank.buy("-1", external_id="1")
    harness.bank.balance("100")
    harness.refresh()
    harness.day_later()
    harness.bank.balance("50")
    assert harness.refresh().code == "balance_mismatch"
    available = Balance(amount=Decimal(50), kind=BalanceKind.AVAILABLE, at=datetime(2026, 6, 16, tzinfo=UTC))
    harness.bank.accounts = [replace(account, balance=available) for account in harness.bank.accounts]
    assert harness.refresh().code == "balance_mismatch"


def test_rows_in_another_currency_cannot_be_added_up(harness):
    harness.bank.buy("-1", external_id="1")
    harness.bank.balance("99")
    harness.refresh()
    harness.day_later()
    harness.bank.buy("-5", external_id="2", currency="USD")
    harness.bank.balance("94.40")
    assert harness.refresh().status == "succeeded"
    found = whole_proof(harness)
    assert (found["result"], found["reason"]) == ("unproven", "other_currencies")
