"""The bank's own balance against the rows: per account, in the bank's days, with the sign the account has."""

import calendar
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from tests.importer.bank import WINDOWED, Harness, ScriptedConnector
from worker.bank_accounts.answers import undo_answer
from worker.connectors.base import Account, AccountType, Balance, BalanceKind, DatedBalance, IdClass, Page, Window
from worker.importer.actions.suggestions import accept, list_suggestions
from worker.runs.states import RunKind, RunStatus


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


def running(harness, *steps):
    """Book rows of May, each with the balance that the bank states after it."""
    for number, (day, amount, balance) in enumerate(steps):
        harness.bank.buy(
            amount, f"Shop {number}", external_id=str(number), booking_on=harness.bank.today.replace(month=5, day=day),
            stated_amounts={"balance_after": balance},
        )  # fmt: skip


def test_balances_that_rows_state_prove_a_first_load(harness):
    running(harness, (3, "-5", "95"), (3, "-7", "88"), (9, "10", "98"))
    assert harness.refresh().status == "succeeded"
    found = whole_proof(harness)
    assert (found["result"], found["rests_on"], found["from_on"]) == ("proven", "running_balances", "2026-05-02")
    harness.day_later()
    running(harness, (12, "-8", "90"))
    harness.refresh()
    assert whole_proof(harness)["balance_on"] == "2026-05-12"


def test_rows_that_a_first_load_doubles_differ_from_the_balances_that_rows_state(harness):
    running(harness, (3, "-5", "95"), (3, "-7", "88"), (9, "10", "98"))
    harness.bank.rows.append(replace(harness.bank.rows[1], external_id="7b"))
    outcome = harness.refresh()
    found = whole_proof(harness)
    assert (outcome.code, found["difference"], found["rests_on"]) == ("balance_mismatch", "7", "running_balances")
    assert sorted(found["explanation"]["transaction_ids"]) == ids_of(harness, "1", "7b")


def test_balances_of_rows_that_do_not_follow_from_each_other_prove_nothing(harness):
    running(harness, (3, "-5", "95"), (4, "-7", "12"), (9, "10", "50"))
    assert harness.refresh().status == "succeeded"
    assert whole_proof(harness)["result"] == "unproven"


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
    assert (harness.refresh().status, proof(harness)[0]) == ("succeeded", "proven")
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


def stating(harness, *balances, account_id="A"):
    stated = (DatedBalance(account_id=account_id, on=on, amount=Decimal(amount)) for on, amount in balances)
    harness.bank.extra = {"balances": tuple(stated)}


def whole_proof(harness):
    [(found,)] = harness.sql("SELECT balance_proof FROM bank_import_run_accounts WHERE run_id = :r", r=harness.run_id)
    return found


def test_a_statement_proves_the_rows_of_a_first_load(harness):
    today = harness.bank.today
    for day in (3, 12, 20):
        harness.bank.buy(f"-{day}", external_id=str(day), booking_on=today.replace(month=5, day=day))
    stating(harness, (today.replace(month=4, day=30), "100"), (today.replace(month=5, day=31), "65"))
    assert harness.refresh().status == "succeeded"
    found = whole_proof(harness)
    assert (found["result"], found["rests_on"], found["from_on"]) == ("proven", "stated_balances", "2026-04-30")
    assert found["balance_on"] == "2026-05-31"


def test_rows_that_a_first_load_doubles_differ_from_its_statement(harness):
    today = harness.bank.today
    for number in "12":
        harness.bank.buy("-4", "Lunch", external_id=number, booking_on=today.replace(month=5, day=12))
    stating(harness, (today.replace(month=4, day=30), "100"), (today.replace(month=5, day=31), "96"))
    outcome = harness.refresh()
    found = whole_proof(harness)
    assert (outcome.code, found["result"], found["difference"]) == ("balance_mismatch", "mismatch", "4")
    assert found["explanation"]["code"] == "row_doubled"


def test_the_days_between_two_balances_are_where_a_row_is_missing(harness):
    today = harness.bank.today
    ends = (("30", 4, "100"), ("10", 5, "100"), ("20", 5, "90"), ("31", 5, "90"))
    stating(harness, *((today.replace(month=month, day=int(day)), amount) for day, month, amount in ends))
    assert harness.refresh().code == "balance_mismatch"
    found = whole_proof(harness)
    assert (found["since_on"], found["balance_on"], found["difference"]) == ("2026-05-10", "2026-05-20", "-10")


def test_the_opening_amount_of_a_statement_is_what_the_latest_balance_is_proven_with(harness):
    today = harness.bank.today
    harness.bank.buy("-5", external_id="1", booking_on=today.replace(month=5, day=12))
    harness.bank.buy("-6", external_id="2")
    stating(harness, (today.replace(month=4, day=30), "100"))
    harness.bank.balance("89")
    harness.refresh()
    assert proof(harness)[0] == "proven"
    harness.bank.balance("80")
    harness.day_later()
    assert harness.refresh().code == "balance_mismatch"


def test_balances_of_an_inverted_account_are_turned_with_its_rows(sessions, user_id):
    harness = Harness(sessions, user_id, options={"inverted_accounts": ["A"]})
    today = harness.bank.today
    harness.bank.buy("30", "Shop", external_id="1", booking_on=today.replace(month=5, day=12))
    stating(harness, (today.replace(month=4, day=30), "0"), (today.replace(month=5, day=31), "30"))
    harness.refresh()
    assert proof(harness)[0] == "proven"


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


def test_a_first_balance_that_was_wrong_is_a_question_after_three_days_and_its_answer_can_be_undone(harness):
    def days(count, *, accepted):
        for _ in range(count):
            harness.day_later()
            harness.bank.buy("-1", f"Tram {harness.bank.today}", external_id=str(harness.bank.today))
            harness.bank.balance(str(100 - len(harness.bank.rows)))
            outcome = harness.refresh()
            assert (outcome.code == "balance_mismatch") is not accepted
            assert (outcome.status is RunStatus.SUCCEEDED) is accepted

    def questions():
        with harness.sessions() as session:
            return [one for one in list_suggestions(session, harness.user_id) if one.kind == "balance"]

    harness.bank.buy("-1", "Tram", external_id="first")
    harness.bank.balance("50")
    harness.refresh()
    expenses = harness.expenses()
    days(2, accepted=False)
    assert questions() == []
    days(1, accepted=False)
    [question] = questions()
    assert (question.other["difference"], question.other["balance"]) == ("49", "96")
    for times in range(2):
        with harness.sessions() as session:
            accept(session, question.id, user_id=harness.user_id)
        told = harness.sql(
            "SELECT c.problem_code, count(*) FROM bank_connections c"
            " JOIN bank_import_runs r ON r.connection_id = c.id AND r.kind = 'answer' GROUP BY 1"
        )
        assert [tuple(row) for row in told] == [(None, times + 1)]
        days(1, accepted=True)
        assert proof(harness)[0] == "proven"
        with harness.sessions() as session:
            undo_answer(session, question.id, user_id=harness.user_id)
        days(1, accepted=False)
    with harness.sessions() as session:
        accept(session, question.id, user_id=harness.user_id)
    harness.bank.balance("7")
    assert harness.refresh().code == "balance_mismatch"
    assert harness.expenses()[: len(expenses)] == expenses


def balance_questions(harness):
    with harness.sessions() as session:
        return [question for question in list_suggestions(session, harness.user_id) if question.kind == "balance"]


def take_the_balance_for_right(harness):
    (question,) = balance_questions(harness)
    with harness.sessions() as session:
        accept(session, question.id, user_id=harness.user_id)


def test_the_balance_of_a_card_that_states_what_is_owed_is_asked_about_as_the_bank_says_it(harness):
    harness.bank.accounts = [replace(one, account_type=AccountType.CREDIT) for one in harness.bank.accounts]
    for number, (amount, owed) in enumerate((("-50", "50"), ("-30", "80"), ("-10", "95"), ("-1", "96"), ("-2", "98"))):
        harness.bank.buy(amount, f"Shop {number}", external_id=str(number))
        harness.bank.balance(owed)
        harness.refresh()
        harness.day_later()
    assert [question.other["balance"] for question in balance_questions(harness)] == ["98"]
    take_the_balance_for_right(harness)
    harness.bank.buy("-4", "Shop", external_id="x")
    harness.bank.balance("102")
    harness.refresh()
    assert proof(harness)[0] == "proven"


@pytest.mark.parametrize("days_stated", [1, 5])
def test_balances_of_several_days_are_asked_about_after_as_many_days_as_one_is(harness, days_stated):
    ends, total, asked_after = {}, Decimal(100), []
    for number in range(8):
        harness.bank.buy("-1", f"Tram {number}", external_id=f"t{number}")
        total -= 6 if number == 2 else 1  # a fee of 5 that the bank tells in no row
        ends[harness.bank.today] = total
        stated = sorted(ends)[-days_stated:]
        harness.bank.extra = {"balances": [DatedBalance(account_id="A", on=on, amount=ends[on]) for on in stated]}
        if number == 7:
            take_the_balance_for_right(harness)
        harness.refresh()
        asked_after += [number] if balance_questions(harness) else []
        harness.day_later()
    assert asked_after[0] == 4
    assert proof(harness)[0] == "proven"
