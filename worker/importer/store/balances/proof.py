"""Reads the bank's balance and the account's rows, and compares them with `decide.balances.proof`."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from itertools import accumulate
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from worker.connectors.base import AccountType, DatedBalance
from worker.importer.account_state import is_inverted
from worker.importer.decide.balances.day_ends import DayEnd, check_day_ends
from worker.importer.decide.balances.mismatch import PostedRow, explain, without_rows
from worker.importer.decide.balances.proof import (
    BALANCES,
    DAYS_NOT_COUNTED,
    EQUAL_DAYS,
    EQUAL_ROWS,
    MAX_DAYS_NOT_COUNTED,
    NOT_COUNTED,
    OTHER_AMOUNT_OWED,
    BalanceProof,
    Books,
    is_no_working_day,
    prove,
)
from worker.importer.decide.balances.running import RowWithBalance, day_ends
from worker.importer.job import Job
from worker.importer.store.rejections import standing_rejections
from worker.models import BankConnectionAccount
from worker.money import is_currency, is_money


@dataclass(slots=True)
class StatedBalances:
    """Balances of an account that deliveries stated besides the present one.

    Attributes:
        days: Balances at the ends of past days.
        rows: Rows that state the balance after them.
    """

    days: list[DatedBalance] = field(default_factory=list)
    rows: list[RowWithBalance] = field(default_factory=list)

    def add(self, stated: Iterable[DatedBalance], account_id: str, rows: Iterable[RowWithBalance]) -> None:
        """Add what a delivery stated.

        Args:
            stated: Balances of all its accounts.
            account_id: The bank's id of this one.
            rows: Rows of this account.
        """
        self.days += [one for one in stated if one.account_id == account_id and is_money(one.amount)]
        self.rows += rows

    @property
    def rests_on(self) -> str:
        """What a proof by these balances rests on."""
        return "stated_balances" if self.days else "running_balances"


_CHANGE_WITHOUT_ROWS = (AccountType.INVESTMENT, AccountType.LOAN)
"""The value of securities changes with the market, and a debt by interest that no row states."""


# The account's rows, and what another source of it booked on days that this one did not read: such as a statement file
# that fills a gap. A purchase that this source has as well counts once.
_ROWS = """(SELECT amount, currency, state, coalesce(stated_on, effective_on) AS day FROM bank_transactions
      WHERE account_id = :account_id AND state <> 'removed'
    UNION ALL
    SELECT o.amount, o.currency, o.state, coalesce(o.stated_on, o.effective_on) FROM bank_connection_accounts a
      JOIN bank_connection_accounts n ON n.bank_account_id = a.bank_account_id AND n.id <> a.id
      JOIN bank_transactions o ON o.account_id = n.id AND o.state = 'posted' AND o.expense_state <> 'twin'
        AND a.unread_days @> coalesce(o.stated_on, o.effective_on)
      WHERE a.id = :account_id AND a.unread_days <> '{}' AND NOT EXISTS (SELECT FROM bank_transactions t
        WHERE t.twin_id = o.id AND t.account_id = a.id AND t.state <> 'removed' AND t.expense_state = 'twin')) t"""


def _last_days(name: str, on: str) -> str:
    """Return the columns of what is posted in the last days up to one: in one of them, in two, and so on."""
    # Cheapest filter first: all rows of the account are looked at, and most of them fail it.
    posted = "sum(amount) FILTER (WHERE day > {on} - {days} AND day <= {on} AND day >= :from_on AND state = 'posted')"
    numbers = range(1, MAX_DAYS_NOT_COUNTED + 1)
    columns = (posted.format(on=f"CAST({on} AS date)", days=days) for days in numbers)
    return f"ARRAY[{', '.join(f'coalesce({column}, 0)' for column in columns)}] AS {name}"


def _days_ahead(name: str, on: str) -> str:
    """Return the column of what is posted in the days after one: in the next one, in two, and so on."""
    posted = "coalesce(sum(amount) FILTER (WHERE day > {on} AND day <= {on} + {days} AND state = 'posted'), 0)"
    columns = (posted.format(on=f"CAST({on} AS date)", days=days) for days in range(1, MAX_DAYS_NOT_COUNTED + 1))
    return f"ARRAY[{', '.join(columns)}] AS {name}"


_SUMS = text(
    f"""SELECT coalesce(sum(amount) FILTER (WHERE state = 'posted' AND day BETWEEN :from_on AND :to_on), 0) AS posted,
        {_last_days("last", ":to_on")}, {_last_days("last_before_opening", ":opening_balance_on")},
        {_days_ahead("ahead", ":to_on")}, coalesce(sum(amount) FILTER (WHERE state = 'pending'), 0) AS pending,
        min(day) FILTER (WHERE state = 'posted' AND day BETWEEN :from_on AND :to_on) AS first_on,
        count(*) FILTER (WHERE currency <> :currency AND day BETWEEN :from_on AND :to_on) AS in_other_currencies
    FROM {_ROWS}"""  # noqa: S608 - constants
)
_PROVEN = text(
    f"""SELECT max(fitted_on) FILTER (WHERE result = 'proven') AS last_on,
      coalesce(bool_or(later AND from_on IS NOT NULL AND reason IN ('{BALANCES}', '{EQUAL_ROWS}'))
        OR bool_or(later AND reason = '{EQUAL_DAYS}') AND NOT bool_or(later AND reason IN {NOT_COUNTED}), FALSE)
        AS opening_day_counted,
      coalesce((array_agg(rests_on ORDER BY id DESC) FILTER (
        WHERE rests_on IN ('{OTHER_AMOUNT_OWED}', 'other_balance')))[1] = '{OTHER_AMOUNT_OWED}', FALSE) AS was_owed,
      array_agg(DISTINCT coalesce(difference, 0)) FILTER (WHERE explanation = '{DAYS_NOT_COUNTED}') AS lagged_by
    FROM (SELECT p.id, p.balance_proof ->> 'rests_on' AS rests_on,
        p.balance_proof #>> '{{explanation,code}}' AS explanation,
        (p.balance_proof ->> 'difference')::numeric AS difference,
        p.balance_proof ->> 'result' AS result, p.balance_proof ->> 'reason' AS reason,
        p.balance_proof ->> 'from_on' AS from_on, (p.balance_proof ->> 'balance_on')::date AS fitted_on,
        (p.balance_proof ->> 'balance_on')::date > CAST(:opening_balance_on AS date) AS later
      FROM bank_import_run_accounts p
      JOIN bank_import_runs r ON r.id = p.run_id AND NOT r.dry_run
      WHERE p.account_id = :account_id AND p.balance_proof IS NOT NULL) t"""  # noqa: S608 - constants
)
_POSTED_BY_DAY = text(
    f"""SELECT day AS "on", sum(amount) AS posted FROM {_ROWS}
    WHERE state = 'posted' AND day BETWEEN :from_on AND :to_on GROUP BY 1"""  # noqa: S608 - constants
)
_EQUAL_ROWS = text(
    """SELECT id FROM (
      SELECT id, count(*) OVER (PARTITION BY content_key) AS equals FROM bank_transactions
      WHERE account_id = :account_id AND state = 'posted' AND coalesce(stated_on, effective_on) <= :to_on) t
    WHERE equals > 1 ORDER BY id LIMIT 100"""
)
_SUSPECTS = text(
    """SELECT id, amount, content_key, state FROM bank_transactions
    WHERE account_id = :account_id AND state IN ('posted', 'removed')
      AND coalesce(stated_on, effective_on) BETWEEN :from_on AND :to_on
    ORDER BY id DESC LIMIT 10000"""
)


def prove_balance(session: Session, job: Job, account_id: int, zone: ZoneInfo, stated: StatedBalances) -> BalanceProof:
    """Compare the account's booked balance, and those of past days, with its rows.

    Args:
        zone: Of the bank's days.
        stated: Balances that came with the deliveries.
    """
    account = session.get_one(BankConnectionAccount, account_id)
    by_day = _by_day(account, job, stated)
    if account.opening_amount is None:
        _open_by_statement(account, by_day)
    of_days = _check_day_ends(session, account, by_day, stated.rests_on)
    proof = of_days if of_days is not None and of_days.difference is not None else _prove(session, job, account, zone)
    if of_days is not None and proof.result == "unproven":
        proof = of_days
    if proof.difference is None:
        return proof
    values = {"account_id": account_id, "from_on": account.opening_on, "to_on": proof.balance_on}
    rows = [
        PostedRow(id=row.id, amount=row.amount, alike=bytes(row.content_key), removed=row.state == "removed")
        for row in session.execute(_SUSPECTS, values)
    ]
    explained = replace(proof, explanation=explain(proof.difference, rows) or proof.explanation)
    return without_rows(explained) if account.account_type in _CHANGE_WITHOUT_ROWS else explained


def _prove(session: Session, job: Job, account: BankConnectionAccount, zone: ZoneInfo) -> BalanceProof:
    """Compare the latest booked balance with the rows; without an opening amount it is taken from this balance."""
    booked, balance_on = _booked(account, job, zone)
    # A balance that counts days which were not read yet would make an opening amount that never fits.
    read_to_balance = account.watermark_on is None or balance_on is None or account.watermark_on >= balance_on
    opens = account.opening_amount is None and account.history_complete and read_to_balance
    # It counts rejected rows, which an opening amount would hide: nothing would fit once they arrive.
    opens = opens and not standing_rejections(session, account.connection_id, account.id).open
    since = date.min if account.opening_amount is None else account.opening_on or date.min
    sums = book_sums(session, account, since, balance_on or date.max)
    if sums.in_other_currencies:
        return BalanceProof(result="unproven", reason="other_currencies", balance_on=balance_on)
    # Nothing says yet whether a balance of a weekend counts what is booked for the next working day: one after it does.
    opens = opens and not (is_no_working_day(balance_on, sums.last) and any(sums.ahead))
    if opens and booked is not None and balance_on is not None:
        _open(account, sums, booked, balance_on)
        return BalanceProof(result="unproven", reason="opening_taken", balance_on=balance_on)
    values = {"account_id": account.id, "opening_balance_on": account.opening_balance_on}
    proven = session.execute(_PROVEN, values).one()
    return prove(
        Books(
            booked=booked,
            balance_on=balance_on,
            opening=account.opening_amount,
            opening_on=account.opening_on,
            opening_balance=account.opening_balance,
            opening_balance_on=account.opening_balance_on,
            opening_pending=account.opening_pending,
            posted=sums.posted,
            # An account that was opened before this was kept has what those days hold now.
            last_before_opening=account.opening_last_days or sums.last_before_opening,
            opening_day_counted=proven.opening_day_counted,
            last=sums.last,
            ahead=sums.ahead,
            pending=sums.pending,
            lagged_by=frozenset(proven.lagged_by or ()),
            proven_on=proven.last_on,
            equal_rows=_equal_rows(session, account),
            may_be_owed=account.account_type == AccountType.CREDIT,
            was_owed=proven.was_owed,
        )
    )


def _open(account: BankConnectionAccount, sums: Row[Any], booked: Decimal, balance_on: date) -> None:
    """Take the opening amount from a balance.

    It is that of the first day that was read, for a row that the bank moves by a day still counts.
    """
    first_on = sums.first_on or balance_on
    account.opening_amount = booked - sums.posted
    account.opening_on = min(first_on, account.history_from_on or first_on)
    account.opening_balance, account.opening_balance_on = booked, balance_on
    account.opening_pending, account.opening_last_days = sums.pending, sums.last


def _by_day(account: BankConnectionAccount, job: Job, stated: StatedBalances) -> dict[date, Decimal]:
    """Return the balances of past days with the account's sign, in order of days; those of statements come first."""
    sign = -1 if is_inverted(account, job.options) else 1
    # The bank may have left out a part of the first day of a later delivery.
    by_day = dict(day_ends(stated.rows, with_start=account.opening_amount is None))
    by_day |= {balance.on: balance.amount for balance in stated.days}
    return {on: sign * by_day[on] for on in sorted(by_day)}


def _open_by_statement(account: BankConnectionAccount, by_day: Mapping[date, Decimal]) -> None:
    """Take the opening amount from the earliest balance whose following days were all read."""
    read_from_on = account.history_from_on
    for on, amount in by_day.items():
        if read_from_on is not None and read_from_on <= on + timedelta(days=1):
            account.opening_amount, account.opening_on = amount, on + timedelta(days=1)
            account.opening_balance, account.opening_balance_on = amount, on
            return


def _check_day_ends(
    session: Session, account: BankConnectionAccount, by_day: Mapping[date, Decimal], rests_on: str
) -> BalanceProof | None:
    if not by_day or account.opening_amount is None or account.opening_on is None:
        return None
    values = {"account_id": account.id, "from_on": account.opening_on, "to_on": max(by_day)}
    posted_on = {row.on: row.posted for row in session.execute(_POSTED_BY_DAY, values)}
    days = sorted(posted_on)
    sums = [Decimal(0), *accumulate(posted_on[on] for on in days)]
    ends = [DayEnd(on=on, booked=amount, posted=sums[bisect_right(days, on)]) for on, amount in by_day.items()]
    return check_day_ends(ends, opening=account.opening_amount, opening_on=account.opening_on, rests_on=rests_on)


def _booked(account: BankConnectionAccount, job: Job, zone: ZoneInfo) -> tuple[Decimal | None, date | None]:
    """Return the booked balance with the account's sign, and its day."""
    # Rows of an account without a currency of its own cannot be added up.
    one_currency = account.currency is None or is_currency(account.currency)
    booked = account.balance_amount if account.balance_kind == "booked" and one_currency else None
    if booked is not None and is_inverted(account, job.options):
        booked = -booked
    return booked, account.balance_at.astimezone(zone).date() if account.balance_at else None


def _equal_rows(session: Session, account: BankConnectionAccount) -> tuple[int, ...]:
    """Return equal rows that the opening amount was computed from; none where a statement gave it."""
    opened_on = account.opening_balance_on
    if opened_on is None or account.opening_on is None or opened_on < account.opening_on:
        return ()
    return tuple(session.execute(_EQUAL_ROWS, {"account_id": account.id, "to_on": opened_on}).scalars())


def book_sums(session: Session, account: BankConnectionAccount, from_on: date, to_on: date) -> Row[Any]:
    """Return the sums of an account's rows between two days: posted, of the last days up to the second, pending."""
    values = {"account_id": account.id, "currency": account.currency, "from_on": from_on, "to_on": to_on}
    return session.execute(_SUMS, values | {"opening_balance_on": account.opening_balance_on}).one()
