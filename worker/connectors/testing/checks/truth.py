"""Checks that deliveries match the ledger: amounts, signs, decimals, days, balances."""

from collections.abc import Sequence
from decimal import Decimal

from worker.connectors.testing.check import balances, check, expect, missing, truth
from worker.connectors.testing.scenes import usual
from worker.connectors.testing.subject import Subject


@check(truth)
def amounts_keep_their_sign_and_decimals(subject: Subject) -> None:
    for account in range(len(subject.ledger.accounts)):
        for number, minor in enumerate((-1_234, 567_800, -5, -10)):
            subject.ledger.book(minor, subject.day(12 + number), account=account)
    currencies = subject.currencies()
    booked = {entry.id: entry for entry in subject.ledger.entries() if entry.id}
    rows = subject.rows()
    strays = [
        row
        for row in rows
        if row.external_id in booked
        and booked[row.external_id].currency in currencies.values()
        and currencies.get(row.account_id) not in (None, booked[row.external_id].currency)
    ]
    expect(
        not strays,
        f"{len(strays)} rows came for another account than their own, one of them {strays and strays[0].external_id}:"
        " ask for the rows of one account, or hand on which account each row belongs to",
    )
    found = [(row.currency or currencies.get(row.account_id), row.amount) for row in rows]
    expected = [(entry.currency, entry.amount) for entry in subject.ledger.entries()]
    lost, invented = missing(expected, found), missing(found, expected)
    expect(
        not lost and not invented,
        f"money that leaves the account is negative, in major units with the currency's decimals:"
        f" expected {_format_amounts(lost)}, got {_format_amounts(invented)}",
    )


@check(truth)
def days_are_those_of_the_bank(subject: Subject) -> None:
    for hour, ago in ((0, 20), (6, 17), (12, 14), (23, 11)):
        moment = subject.ledger.midnight(subject.day(0)).time().replace(hour=hour, minute=30)
        subject.ledger.book(-700 - hour, subject.day(ago), at=moment)
    found = [subject.day_of(row) for row in subject.rows()]
    expected = [entry.booked_on for entry in subject.ledger.entries()]
    expect(
        not missing(expected, found),
        "a day is the bank's own, and a moment is handed on as a moment:"
        f" expected {_days(expected)}, got {_days(found)}",
    )


@check(truth)
def equal_rows_on_one_day_are_all_delivered(subject: Subject) -> None:
    for _ in range(2):
        subject.ledger.book(-350, subject.day(14), text="Coffee")
    found = len(subject.rows())
    expect(found == 2, f"two equal coffees on one day are two purchases; {found} delivered")  # noqa: PLR2004


@check(truth, balances)
def balances_are_those_of_the_bank(subject: Subject) -> None:
    usual(subject)
    found = {account.currency: account.balance for account in subject.accounts()}
    if not any(found.values()):
        found |= {account.currency: account.balance for page in subject.read() for account in page.accounts}
    for account in subject.ledger.accounts:
        balance, expected = found.get(account.currency), subject.ledger.balance(account.id)
        expect(balance is not None, f"no balance for the account in {account.currency}, though they are declared")
        expect(
            balance is not None and balance.amount == expected,
            f"balance in {account.currency}: expected {expected}, got {balance and balance.amount}",
        )


def _format_amounts(amounts: list[tuple[str | None, Decimal]]) -> str:
    return ", ".join(f"{amount} {currency}" for currency, amount in amounts) or "nothing else"


def _days(days: Sequence[object]) -> str:
    return ", ".join(sorted(map(str, days)))
