"""Accounts of a table: named by a column, by an IBAN above the header, or one account for the whole file."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from worker.connectors.base import Transaction
from worker.connectors.file.statement.account_numbers import account_anchor, account_key, account_mask, find_iban
from worker.connectors.file.statement.amounts import Mark, parse_amount
from worker.connectors.file.statement.currencies import currency_sign, parse_currency
from worker.connectors.file.statement.events import (
    Closed,
    Event,
    Opened,
    StatedBalance,
    StatementAccount,
    StatementError,
    day_of,
)
from worker.connectors.file.table.csv_records import Record
from worker.connectors.file.table.layout import Layout
from worker.connectors.file.table.row_amount import cell, filled_amount, is_money_in
from worker.connectors.file.table.running_balance import RowOrder

_MAX_ACCOUNTS = 500
_MAX_ROWS_OF_A_DAY = 50
_NUMBER = re.compile(r"[\d\s./-]{6,}")


@dataclass(frozen=True, slots=True)
class _BalancedRow:
    """A row that carries a balance."""

    amount: Decimal
    balance: Decimal
    on: date


@dataclass(slots=True)
class _Ends:
    """Rows with a balance of an account's first and last day in the file, at most fifty each, and the sum of all."""

    first: list[_BalancedRow] = field(default_factory=list)
    last: list[_BalancedRow] = field(default_factory=list)
    total: Decimal = Decimal(0)

    def see(self, row: _BalancedRow) -> None:
        """Take note of the next row."""
        self.total += row.amount
        if not self.first or (row.on == self.first[0].on and len(self.first) < _MAX_ROWS_OF_A_DAY):
            self.first.append(row)
        if self.last and row.on != self.last[0].on:
            self.last.clear()
        if len(self.last) == _MAX_ROWS_OF_A_DAY:
            self.last.pop(0)
        self.last.append(row)

    def pair(self, *, newest_first: bool, sign: int) -> tuple[_BalancedRow, _BalancedRow]:
        """Return the oldest and the newest row.

        Banks print the rows of one day in any order; where some order of the first and last day adds up, it is meant.
        """
        oldest, newest = (self.last, self.first) if newest_first else (self.first, self.last)
        fitting = (
            (old, new)
            for old in oldest
            for new in newest
            if sign * new.balance - (sign * old.balance - old.amount) == self.total
        )
        at_ends = (oldest[-1], newest[0]) if newest_first else (oldest[0], newest[-1])
        plain = sign * at_ends[1].balance - (sign * at_ends[0].balance - at_ends[0].amount) == self.total
        return at_ends if plain else next(fitting, at_ends)


class Accounts:
    """Finds each row's account and keeps what its balance column says at both ends of the file."""

    def __init__(self, layout: Layout, chain: RowOrder | None, currency: str | None = None) -> None:
        """Args: currency: code of rows whose own is missing or not understood."""
        profile = layout.profile
        self._layout, self._profile, self._chain = layout, profile, chain
        self._column = layout.column(profile.account)
        self._balance_at = layout.column(profile.balance)
        self._currency_at = layout.column(profile.currency_column)
        self._currency_in_at = layout.column(profile.currency_in_column)
        self._fixed_currency = profile.currency or _currency_in_header(layout)
        self._stated_currency = currency
        self._known: dict[tuple[str, str], StatementAccount] = {}
        self._new: list[StatementAccount] = []
        self._ends: dict[str, _Ends] = {}

    def currency(self, record: Record) -> str | None:
        """Return the currency of a row, as the row, the profile or the header states it, else the person.

        Raises: ValueError when the row's currency is not understood and nobody stated one.
        """
        if self._profile.amounts:
            return filled_amount(self._layout, record)[1].upper()
        other = self._profile.currency_in_column is not None and is_money_in(self._layout, record)
        written = cell(record, self._currency_in_at if other else self._currency_at)
        if not written:
            return self._fixed_currency or self._stated_currency
        try:
            return parse_currency(written)
        except ValueError:
            if self._stated_currency is None:
                raise
            return self._stated_currency

    def of(self, record: Record) -> StatementAccount:
        """Return the account of a row. Raises: StatementError when the column holds something else than accounts."""
        text = cell(record, self._column)
        key = (text, (self.currency(record) or "") if not _NUMBER.search(text) else "")
        account = self._known.get(key)
        if account is None:
            account = self._account(text, self.currency(record))
            self._known[key] = account
            if account.key not in self._ends:
                self._ends[account.key] = _Ends()
                self._new.append(account)
            if len(self._known) > _MAX_ACCOUNTS:
                raise StatementError("the account column names more than 500 accounts", line=record.line)
        return account

    def _account(self, text: str, currency: str | None) -> StatementAccount:
        profile = self._profile
        iban = find_iban(text.upper()) or (self._layout.iban if not text else None)
        anchor = account_anchor(iban) if iban else None
        if anchor is None and _NUMBER.search(text) and "*" not in text and "x" not in text.lower():
            anchor = account_anchor(text, profile.institution or "")
        mask = account_mask(iban or text) if iban or _NUMBER.search(text) or "*" in text else None
        layout = "|".join((profile.name, *self._layout.header)) if self._layout.guessed else profile.name
        place = f"file:{layout}:{text.casefold()}:{currency or ''}" if text else f"file:{layout}"
        label = mask or text
        return StatementAccount(
            key=account_key(anchor or place),
            name=" ".join(part for part in (profile.institution, label) if part) or profile.title or profile.name,
            anchor=anchor,
            mask=mask,
            account_type=profile.account_type,
            currency=currency,
            institution_name=profile.institution,
            has_ids=profile.id is not None,
        )

    def newly_opened(self, line: int) -> Iterator[Event]:
        """Yield the opening events of accounts seen for the first time."""
        yield from (Opened(account=account, line=line) for account in self._new)
        self._new.clear()

    def balance(self, record: Record, mark: Mark) -> Decimal | None:
        """Return the balance behind a row; None where there is none that can be read."""
        text = cell(record, self._balance_at)
        try:
            return parse_amount(text, mark) if text else None
        except ValueError:
            return None

    def note(self, transaction: Transaction, balance: Decimal | None) -> None:
        """Remember the balance of a row, for the two ends of the statement."""
        day = day_of(transaction)
        if balance is not None and day is not None and not transaction.pending:
            self._ends[transaction.account_id].see(_BalancedRow(transaction.amount, balance, day))

    def close(self) -> Iterator[Event]:
        """Yield the closing event of every account; balances only where the column has proved itself."""
        for key, ends in self._ends.items():
            if self._chain is None or not ends.first:
                yield Closed(account=key)
                continue
            sign = -1 if self._chain.flipped else 1
            oldest, newest = ends.pair(newest_first=self._chain.newest_first, sign=sign)
            yield Closed(
                account=key,
                opening=StatedBalance(amount=sign * oldest.balance - oldest.amount, on=oldest.on),
                closing=StatedBalance(amount=sign * newest.balance, on=newest.on),
            )


def _currency_in_header(layout: Layout) -> str | None:
    """Return the currency an amount column's name carries, as in `Amount (EUR)` or `Betrag (€)`."""
    for name in (layout.profile.amount, layout.profile.debit, layout.profile.credit):
        found = re.search(r"(?:^|[(\[ ])([A-Za-z]{2,3}\$?|[^\w\s()\[\]]{1,2})[)\] ]?$", name or "")
        if found and (code := currency_sign(found[1])) is not None:
            return code
    return None
