"""Which account is which: what a person said of one, and what the world lists that no rule allows."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from tests.importer.bank import IBAN, MERCHANTS, TODAY, WINDOWED, Harness
from worker.connectors.base import Account, Balance, BalanceKind, Scope
from worker.importer.actions.suggestions import accept, decline, list_suggestions
from worker.importer.store.accounts import bank_accounts, replaced
from worker.runs.states import RunStatus


def accounts(harness):
    return harness.sql("SELECT external_id, currency, status, anchor FROM bank_connection_accounts ORDER BY id")


@pytest.mark.parametrize("options", [{"inverted_accounts": ["A"]}, {}], ids=["by the option", "by the account"])
def test_inverted_signs_are_the_accounts_also_under_its_next_id(sessions, user_id, options):
    harness = Harness(sessions, user_id, options=options)
    harness.bank.accounts = [Account(external_id="A", name="Card", mask="1234", currency="EUR")]
    harness.bank.buy("45", "Groceries", external_id="1", booking_on=TODAY - timedelta(days=1))
    harness.refresh()
    if not options:
        harness.sql("UPDATE bank_connection_accounts SET inverted = TRUE")
        harness.refresh()
    harness.bank.accounts = [replace(harness.bank.accounts[0], external_id="Z")]
    harness.bank.rows = [replace(row, account_id="Z", external_id="9") for row in harness.bank.rows]
    harness.refresh()
    assert harness.amounts() == ["-45.00"]


def test_one_iban_holds_an_account_per_currency(harness):
    harness.bank.accounts = [
        Account(external_id="A", name="Wallet", anchor=IBAN, currency="EUR"),
        Account(external_id="B", name="Wallet", anchor=IBAN, currency="USD"),
    ]
    harness.bank.buy("-5", external_id="1")
    harness.bank.buy("-7", external_id="2", account_id="B", currency="USD")
    for _ in range(2):
        assert harness.refresh().status == RunStatus.SUCCEEDED
    assert sorted(harness.amounts()) == ["-5.00", "-7.00"]


def test_two_accounts_of_one_anchor_end_in_a_question(harness, sessions, user_id):
    harness.bank.accounts = [
        Account(external_id="A", name="First", anchor="hash", currency="EUR"),
        Account(external_id="B", name="Second", anchor="hash", currency="EUR"),
    ]
    harness.bank.buy("-5", external_id="1")
    harness.bank.buy("-7", external_id="2", account_id="B")
    harness.refresh()
    assert [account[2] for account in accounts(harness)] == ["active", "waiting"]
    with sessions() as session:
        (question,) = list_suggestions(session, user_id)
        decline(session, question.id, user_id=user_id)
    for _ in range(2):
        assert harness.refresh().status == RunStatus.SUCCEEDED
    assert sorted(harness.amounts()) == ["-5.00", "-7.00"]


def test_an_account_without_a_currency_of_its_own_imports_the_rows_that_state_one(harness):
    harness.bank.accounts = [Account(external_id="A", name="Wallet", currency="XXX")]
    harness.bank.buy("-5", external_id="1")
    harness.bank.buy("-7", external_id="2", currency="USD")
    harness.bank.buy("-9", external_id="3", currency=None)
    harness.bank.balance("3")
    assert harness.refresh().code == "rows_rejected"
    assert sorted(harness.amounts()) == ["-5.00", "-7.00"]


def test_a_mask_that_two_cards_share_does_not_decide_which_card_has_a_row(sessions, user_id):
    both = Harness(sessions, user_id), Harness(sessions, user_id)
    for harness in both:
        harness.bank.accounts = [
            Account(external_id="A", name="Blue", mask="1234", currency="EUR"),
            Account(external_id="B", name="Gold", mask="1234", currency="EUR"),
        ]
    both[0].bank.buy("-5", "Tram", external_id="1")
    both[1].bank.buy("-5", "Rent of a bicycle", external_id="2", account_id="B")
    for harness in both:
        harness.refresh()
    with sessions() as session:
        for question in list_suggestions(session, user_id):  # nothing but names and digits says which card is which
            accept(session, question.id, user_id=user_id)
    both[1].refresh()
    assert both[0].amounts() == ["-5.00", "-5.00"]


@pytest.mark.parametrize("comes_back", [False, True])
def test_a_pending_row_of_an_account_that_is_listed_no_longer_goes_after_the_days_of_grace(harness, comes_back):
    other = Account(external_id="B", name="Card", mask="1234", currency="EUR")
    harness.bank.accounts.append(other)
    harness.bank.buy("-9", "Baker", external_id="1", account_id="B", pending=True)
    harness.refresh()
    harness.bank.accounts.remove(other)
    harness.refresh()
    assert harness.amounts() == ["-9.00"]
    if comes_back:
        harness.day_later(3)
        harness.bank.accounts.append(other)
        harness.refresh()
    harness.day_later(8)
    harness.refresh()
    assert harness.amounts() == (["-9.00"] if comes_back else [])


def test_an_account_that_is_listed_twice_is_one(harness):
    harness.bank.accounts *= 2
    harness.bank.buy("-9", external_id="1")
    assert harness.refresh().status == RunStatus.SUCCEEDED
    assert harness.amounts() == ["-9.00"]


@pytest.mark.parametrize("posts", [False, True])
def test_what_was_deleted_stays_deleted_when_the_source_that_had_it_withdraws_it(sessions, user_id, posts):
    one, other = Harness(sessions, user_id), Harness(sessions, user_id)
    for harness in (one, other):
        harness.bank.accounts = [Account(external_id="A", name="Giro", currency="EUR", anchor="iban:DE1")]
        for number, amount in enumerate(("-9", "-1")):
            harness.bank.buy(amount, f"Shop {number}", external_id=str(number), pending=posts)
        harness.refresh()
    one.sql("DELETE FROM expenses WHERE amount = 9")
    one.bank.rows.pop(0)
    other.bank.rows = [replace(row, pending=False) for row in other.bank.rows]
    for _ in range(2):
        one.day_later(8)
        for harness in (one, other):
            harness.refresh()
    assert one.amounts() == ["-1.00"]


HISTORY_ROWS = 11
OTHER_IBAN = "DE75512108001245126199"


def buy_history(harness):
    for number in range(1, HISTORY_ROWS + 1):
        on = TODAY - timedelta(days=number)
        harness.bank.buy(f"-{number}.37", f"Shop {number}", external_id=f"{number}", booking_on=on)


@pytest.mark.parametrize("ids", ["same", "new"])
@pytest.mark.parametrize("answer", [accept, decline])
def test_a_card_listed_beside_the_one_that_it_replaces_is_asked_about_before_its_rows_double(harness, ids, answer):
    old = Account(external_id="A", name="Visa 1111", mask="1111", currency="EUR")
    harness.bank.accounts = [old]
    buy_history(harness)
    rows = list(harness.bank.rows)
    harness.refresh()
    harness.bank.accounts.append(Account(external_id="N", name="Visa 2222", mask="2222", currency="EUR"))
    prefix = "" if ids == "same" else "n"
    harness.bank.rows += [replace(row, account_id="N", external_id=f"{prefix}{row.external_id}") for row in rows]
    outcome = harness.refresh()
    assert (outcome.status, outcome.code) == (RunStatus.PARTIAL, "similar_account")
    assert len(harness.amounts()) == HISTORY_ROWS
    assert harness.answer(answer) == 1
    harness.refresh()
    assert harness.refresh().status == RunStatus.SUCCEEDED
    assert len(harness.amounts()) == HISTORY_ROWS * (1 if answer is accept else 2)
    harness.bank.accounts.remove(old)
    harness.bank.rows = [row for row in harness.bank.rows if row.account_id == "N"]
    harness.bank.buy("-1", "Bus", external_id="bus", account_id="N")
    harness.refresh()
    assert len(harness.amounts()) == HISTORY_ROWS * (1 if answer is accept else 2) + 1


def list_twice(harness, **of_the_second):
    """List an account and its history under two ids from the beginning."""
    buy_history(harness)
    first = Account(external_id="A", name="Giro", currency="EUR", balance=booked("100"))
    harness.bank.accounts = [first, replace(first, external_id="N", **of_the_second)]
    harness.bank.rows += [replace(row, account_id="N", external_id=f"n{row.external_id}") for row in harness.bank.rows]


def booked(amount):
    return Balance(amount=Decimal(amount), kind=BalanceKind.BOOKED, at=datetime(2026, 6, 15, 8, tzinfo=UTC))


@pytest.mark.parametrize("answer", [accept, decline])
@pytest.mark.parametrize(
    ("second", "window_days", "quiet_days"),
    [({}, None, 0), ({"balance": None, "name": "Girokonto"}, None, 0), ({"currency": None}, 300, 0), ({}, 200, 250)],
    ids=["alike", "named otherwise", "in parts, and one without a currency", "in parts, of which the first has no row"],
)
def test_one_account_that_is_listed_under_two_ids_from_the_beginning_is_asked_about(
    harness, second, window_days, quiet_days, answer
):
    harness.bank.capabilities = replace(harness.bank.capabilities, window_days=window_days)
    list_twice(harness, **second)
    harness.bank.rows += [
        replace(row, external_id=f"old {row.external_id}", booking_on=row.booking_on - timedelta(days=350))
        for row in harness.bank.rows
    ]
    harness.bank.today += timedelta(days=quiet_days)
    outcome = harness.refresh()
    assert (outcome.status, outcome.code) == (RunStatus.PARTIAL, "similar_account")
    assert len(harness.amounts()) == HISTORY_ROWS * 2
    assert harness.answer(answer) == 1
    for _ in range(2):
        outcome = harness.refresh()
    assert outcome.status == RunStatus.SUCCEEDED
    assert len(harness.amounts()) == HISTORY_ROWS * (2 if answer is accept else 4)


@pytest.mark.parametrize("rows", [2, 4])
def test_one_account_of_few_rows_that_is_listed_under_two_ids_is_asked_about(harness, rows):
    list_twice(harness)
    harness.bank.rows = [*harness.bank.rows[:rows], *harness.bank.rows[HISTORY_ROWS:][:rows]]
    assert (harness.refresh().code, len(harness.amounts())) == ("similar_account", rows)


@pytest.mark.parametrize("difference", ["balance", "currency", "number", "a few rows", "texts"])
def test_two_accounts_that_are_listed_at_once_and_differ_are_two(harness, difference):
    list_twice(harness)
    first, second = harness.bank.accounts
    others = [row for row in harness.bank.rows if row.account_id == "N"]
    if difference == "balance":
        harness.bank.accounts = [first, replace(second, balance=booked("70"))]
    elif difference == "currency":
        harness.bank.accounts = [first, replace(second, currency="USD")]
    elif difference == "number":
        harness.bank.accounts = [replace(first, mask="1111"), replace(second, mask="2222")]
    elif difference == "a few rows":
        for number, row in enumerate(others[:2]):
            harness.bank.change(row, amount=Decimal(-900 - number))
    else:
        harness.bank.rows = [*harness.bank.rows[:7], *(reworded(row) for row in others[:7])]
    assert harness.refresh().status == RunStatus.SUCCEEDED
    assert len(harness.amounts()) == len(harness.bank.rows)


def test_two_accounts_that_have_many_days_and_amounts_in_common_are_asked_about_whatever_their_words(harness):
    list_twice(harness)
    harness.bank.rows = [*harness.bank.rows[:8], *(reworded(row) for row in harness.bank.rows[HISTORY_ROWS:][:8])]
    assert (harness.refresh().code, len(harness.amounts())) == ("similar_account", 8)


def reworded(row):
    return replace(row, description=f"Standing order {row.external_id}")


@pytest.mark.parametrize("external_id", ["Z", "A"], ids=["another id", "the same id"])
def test_an_account_with_another_number_and_the_rows_of_one_that_went_is_asked_about(harness, external_id):
    harness.bank.accounts = [Account(external_id="A", name="Giro", anchor=f"iban:{IBAN}", currency="EUR")]
    buy_history(harness)
    harness.refresh()
    renumbered = Account(external_id=external_id, name="Giro", anchor=f"iban:{OTHER_IBAN}", currency="EUR")
    harness.bank.accounts = [renumbered]
    harness.bank.rows = [replace(row, account_id=external_id) for row in harness.bank.rows]
    for _ in range(2):
        assert harness.refresh().status != RunStatus.SUCCEEDED
    assert len(harness.amounts()) == HISTORY_ROWS
    assert harness.answer(accept) == 1
    harness.bank.buy("-1", "Bus", external_id="bus", account_id=external_id)
    assert harness.refresh().status == RunStatus.SUCCEEDED
    assert len(harness.amounts()) == HISTORY_ROWS + 1


def test_rows_of_one_id_in_two_currencies_have_to_state_theirs(harness):
    giro = Account(external_id="A", name="Wallet", currency="EUR")
    harness.bank.accounts = [giro, replace(giro, currency="USD")]
    harness.bank.buy("-5", external_id="1")
    harness.bank.buy("-7", external_id="2", currency="USD")
    harness.bank.buy("-9", external_id="3", currency=None)
    assert harness.refresh().code == "rows_rejected"
    assert [(amount, currency) for _, amount, currency, _ in harness.expenses()] == [("-7.00", "USD"), ("-5.00", "EUR")]


def test_a_source_that_ended_long_ago_is_compared_by_its_own_days(sessions, user_id, monkeypatch):
    """Of a longer history only so many rows are compared, and its newest ones are all of later days."""
    for module in (bank_accounts, replaced):
        monkeypatch.setattr(module, "MAX_COMPARED_ROWS", 25)
    archive, feed = Harness(sessions, user_id), Harness(sessions, user_id)
    days = [*range(400, 380, -1), *range(40, 0, -1)]
    for number, ago in enumerate(days):
        sold = {"description": f"Shop {number}", "booking_on": TODAY - timedelta(days=ago)}
        if number < 20:
            archive.bank.buy(f"-{number + 5}.37", external_id=f"a{number}", **sold)
        if number >= 2:
            feed.bank.buy(f"-{number + 5}.37", external_id=f"f{number}", **sold)
    archive.refresh()
    feed.refresh()
    asked = archive.sql("SELECT kind FROM bank_match_suggestions WHERE status = 'open'")
    assert len(archive.amounts()) == len(days) or asked == [("account",)]


def test_a_second_source_with_the_other_sign_waits_for_an_answer(sessions, user_id):
    one, other = Harness(sessions, user_id), Harness(sessions, user_id)
    for harness, sign in ((one, "-"), (other, "")):
        harness.bank.accounts = [Account(external_id="A", name="Giro", anchor=f"iban:{IBAN}", currency="EUR")]
        for n in range(1, 8):
            harness.bank.buy(f"{sign}{n}.40", f"Shop {n}", external_id=str(n), booking_on=TODAY - timedelta(days=n))
        harness.refresh()
    assert len(one.amounts()) == 7
    assert other.sql("SELECT status, code FROM bank_import_runs WHERE id = :id", id=other.run_id) == [
        ("partial", "signs_flipped")
    ]
    other.sql("UPDATE bank_connection_accounts SET inverted = true WHERE connection_id = :c", c=other.connection_id)
    other.refresh()
    assert (len(one.amounts()), other.sql("SELECT count(*) FROM bank_transactions")) == (7, [(14,)])


CHECKING = Account(external_id="A", name="Checking", mask="1111", currency="EUR")
SAVINGS = Account(external_id="B", name="Savings", mask="2222", currency="EUR")
BARE = (
    Account(external_id="A", name="Account", currency="EUR"),
    Account(external_id="B", name="Account", currency="EUR"),
)
WITH_NUMBERS = replace(CHECKING, anchor="iban:1"), replace(SAVINGS, anchor="iban:2")


def exchange(harness, *, listed=True, rows=True):
    """Let the bank give each of two accounts the id of the other one."""
    other = {"A": "B", "B": "A"}
    if listed:
        harness.bank.accounts = [replace(one, external_id=other[one.external_id]) for one in harness.bank.accounts]
    if rows:
        harness.bank.rows = [replace(row, account_id=other[row.account_id]) for row in harness.bank.rows]


def two_accounts(harness, accounts, numbers=(5, 4)):
    harness.bank.accounts = list(accounts)
    for account, rows in zip("AB", numbers, strict=True):
        for number in range(rows):
            harness.bank.buy(
                f"-{number + 3}.{ord(account) - 60}",
                MERCHANTS[number % len(MERCHANTS)],
                external_id=f"{account}{number}",
                account_id=account,
                booking_on=TODAY - timedelta(days=9 - number),
            )
    assert harness.refresh().status == RunStatus.SUCCEEDED


def rows_by_account(harness):
    return harness.sql("SELECT account_id, array_agg(external_id ORDER BY external_id) FROM bank_transactions"
                       " WHERE state <> 'removed' GROUP BY 1 ORDER BY 1")  # fmt: skip


EXCHANGES = {
    "ids, as names and last digits say": ((CHECKING, SAVINGS), {}),
    "ids, as the account numbers say": (WITH_NUMBERS, {}),
    "ids, as the rows alone say": (BARE, {}),
    "names and last digits alone": ((CHECKING, SAVINGS), {"rows": False}),
    "rows, under the names of before": ((CHECKING, SAVINGS), {"listed": False}),
}


@pytest.mark.parametrize("scope", list(Scope))
@pytest.mark.parametrize(("accounts", "what"), EXCHANGES.values(), ids=EXCHANGES)
def test_accounts_that_exchange_their_ids_double_and_lose_nothing(harness, accounts, what, scope):
    harness.bank.capabilities = replace(WINDOWED, fetch_scope=scope)
    two_accounts(harness, accounts)
    before, rows = harness.expenses(), rows_by_account(harness)
    exchange(harness, **what)
    for _ in range(2):
        outcome = harness.refresh()
        assert (outcome.status, outcome.counts.created, harness.expenses()) == (RunStatus.SUCCEEDED, 0, before)
        assert rows_by_account(harness) == rows
    harness.bank.buy("-77.10", "Shoes", external_id="A9", account_id=harness.bank.rows[0].account_id)
    assert harness.refresh().status == RunStatus.SUCCEEDED
    assert "A9" in rows_by_account(harness)[0][1]


@pytest.mark.parametrize("answer", [accept, decline])
@pytest.mark.parametrize("numbers", [(2, 1), (2, 2)])
def test_accounts_of_few_rows_that_may_have_exchanged_their_ids_are_asked_about(harness, numbers, answer):
    two_accounts(harness, BARE, numbers)
    before = harness.expenses()
    exchange(harness)
    for _ in range(2):
        outcome = harness.refresh()
        assert (outcome.status, outcome.code, harness.expenses()) == (RunStatus.PARTIAL, "similar_account", before)
    assert harness.answer(answer) == 1
    for _ in range(2):
        assert harness.refresh().status == RunStatus.SUCCEEDED
    if answer is accept:
        assert harness.expenses() == before
