"""Finds the accounts of a table: by a column, by an IBAN above the header, or one for the whole file."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from worker.connectors.base import Account, IdClass, Transaction
from worker.connectors.file.statement.account_numbers import account_anchor, account_key, account_mask, find_iban
from worker.connectors.file.statement.amounts import Mark, readable_amount, written_currency
from worker.connectors.file.statement.currencies import NO_CURRENCY, currency_sign, may_mean, parse_currency
from worker.connectors.file.statement.errors import StatementError
from worker.connectors.file.statement.events import Closed, Event, Note, Opened, StatedBalance, day_of
from worker.connectors.file.table.csv_records import Record
from worker.connectors.file.table.decisions import Decisions
from worker.connectors.file.table.headings import heading_currencies
from worker.connectors.file.table.layout import Layout
from worker.connectors.file.table.lines_outside_rows import BalanceEnd
from worker.connectors.file.table.row_amount import cell, filled_amount, is_money_in

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
    """Rows with a balance of an account's first and last day in the file, at most fifty each, and sums of rows.

    Attributes:
        total: From the first row with a balance to the last one.
        before: Of rows above them, which have none.
        behind: Of rows below them.
    """

    first: list[_BalancedRow] = field(default_factory=list)
    last: list[_BalancedRow] = field(default_factory=list)
    total: Decimal = Decimal(0)
    before: Decimal = Decimal(0)
    behind: Decimal = Decimal(0)

    def skip(self, amount: Decimal) -> None:
        """Take note of the next row, which has no balance."""
        if self.first:
            self.behind += amount
        else:
            self.before += amount

    def see(self, row: _BalancedRow) -> None:
        """Take note of the next row."""
        self.total += self.behind + row.amount
        self.behind = Decimal(0)
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

    def __init__(self, layout: Layout, decisions: Decisions, currency: str | None = None) -> None:
        """Args: currency: code of rows whose own is missing or not understood."""
        profile = layout.profile
        self._layout, self._profile, self._chain = layout, profile, decisions.chain
        owed = self._chain.flipped if self._chain is not None else decisions.signs.positive_is == "out"
        self._balance_sign = -1 if owed else 1  # of a card that states what is owed
        self._all_state_currency = decisions.states_currency
        self._currency_beside = decisions.currency_beside
        self._column = layout.column(profile.account)
        self._balance_at = layout.column(profile.balance)
        self._currency_at = layout.column(profile.currency_column)
        self._currency_in_at = layout.column(profile.currency_in_column)
        self._money_at = layout.places(profile.amount, profile.debit, profile.credit, profile.amount_in)
        self._unclear: set[str] = set()
        said_by_file = next(iter(heading_currencies(layout.profile)), None) or layout.above.currency
        # what a person states of this file counts before what a layout usually means
        self._fixed_currency = said_by_file or currency or profile.currency
        self._stated_currency = currency
        named = heading_currencies(profile) if layout.guessed else frozenset[str]()
        self._named_currency = next(iter(named)) if len(named) == 1 else None
        self._known: dict[tuple[str, str], Account] = {}
        self._new: list[Account] = []
        self._ends: dict[str, _Ends] = {}
        self._days: dict[str, tuple[date, date]] = {}

    def currency(self, record: Record) -> str | None:
        """Return the currency of a row, as the row, the profile or the header states it, else the person.

        Raises: ValueError when the row's currency is not understood and nobody stated one.
        """
        if self._profile.amounts:
            return filled_amount(self._layout, record)[1].upper()
        other = self._profile.currency_in_column is not None and is_money_in(self._layout, record)
        written = cell(record, self._currency_in_at if other else self._currency_at)
        if written and self._named_currency and not may_mean(written, self._named_currency):
            raise ValueError(
                f"the column of amounts is named in {self._named_currency}, and the row states '{written[:10]}': state"
                f" --ignore for the column of the currency"
            )
        fixed = self._fixed_currency or self._stated_currency
        if not written and fixed is None and self._all_state_currency:
            raise ValueError("states no currency, and other rows do: state --currency")
        try:
            code = parse_currency(written) if written else fixed
        except ValueError:
            if self._stated_currency is None:
                raise
            code = self._stated_currency
        return self._agreed(code, record)

    def _agreed(self, code: str | None, record: Record) -> str | None:
        """Compare a currency with the one written beside the amount, which counts where nothing else is stated.

        Raises: ValueError when they are not the same.
        """
        signs = (written_currency(cell(record, at)) for at in self._money_at) if self._currency_beside else ()
        beside = next(filter(None, signs), "")
        if not beside:
            return code or currency_sign(written_currency(cell(record, self._balance_at)))
        if code is not None:
            if not may_mean(beside, code):
                raise ValueError(f"the amount is in '{beside[:10]}', and the currency is stated as {code}")
            return code
        found = currency_sign(beside)
        if found is None:
            self._unclear.add(beside)
        return found

    def of(self, record: Record, currency: str | None) -> Account:
        """Return the account of a row in a currency.

        Raises: StatementError when the column holds something else than accounts.
        """
        text = cell(record, self._column) or self._layout.above.account or ""
        key = text, currency or ""
        account = self._known.get(key)
        if account is None:
            account = self._account(text, currency)
            self._known[key] = account
            if account.external_id not in self._ends:
                self._ends[account.external_id] = _Ends()
                self._new.append(account)
            if len(self._known) > _MAX_ACCOUNTS:
                raise StatementError("the account column names more than 500 accounts", line=record.line)
        return account

    def knows(self, record: Record) -> bool:
        """Return whether a row is of an account that has other rows. Raises: ValueError as for its currency."""
        text = cell(record, self._column) or self._layout.above.account or ""
        return (text, self.currency(record) or "") in self._known

    def _account(self, text: str, currency: str | None) -> Account:
        profile = self._profile
        iban = find_iban(text.upper()) or (self._layout.above.iban if not text else None)
        anchor = account_anchor(iban) if iban else None
        if anchor is None and _NUMBER.search(text) and "*" not in text and "x" not in text.lower():
            anchor = account_anchor(text, profile.institution or "")
        mask = account_mask(iban or text) if iban or _NUMBER.search(text) or "*" in text else None
        layout = "|".join((profile.name, *self._layout.header)) if self._layout.guessed else profile.name
        # a table that states the currency of each row has an account for each of them
        several = text or self._currency_at is not None
        place = f"file:{layout}:{text.casefold()}:{currency or ''}" if several else f"file:{layout}"
        label = mask or text or (currency if self._currency_at is not None else None)
        return Account(
            external_id=account_key(anchor or place, currency),
            name=" ".join(part for part in (profile.institution, label) if part) or profile.title or profile.name,
            anchor=anchor,
            mask=mask,
            account_type=profile.account_type,
            currency=currency,
            institution_name=profile.institution,
            id_class=IdClass.STABLE if profile.id is not None else IdClass.NONE,
        )

    def newly_opened(self, line: int) -> Iterator[Event]:
        """Yield the opening events of accounts seen for the first time."""
        yield from (Opened(account=account, line=line) for account in self._new)
        self._new.clear()

    def balance(self, record: Record, mark: Mark) -> Decimal | None:
        """Return the balance behind a row; None where there is none that can be read."""
        return readable_amount(cell(record, self._balance_at), mark)

    def signed(self, balance: Decimal | None) -> Decimal | None:
        """Return a balance with the account's sign; None where the column has not proved itself."""
        if balance is None or self._chain is None:
            return None
        return self._balance_sign * balance

    def note(self, transaction: Transaction, balance: Decimal | None) -> None:
        """Remember the balance of a row, for the two ends of the statement."""
        day = day_of(transaction)
        if day is None or transaction.pending:
            return
        first, last = self._days.get(transaction.account_id, (day, day))
        self._days[transaction.account_id] = min(first, day), max(last, day)
        ends = self._ends[transaction.account_id]
        if balance is not None:
            ends.see(_BalancedRow(transaction.amount, balance, day))
        else:
            ends.skip(transaction.amount)

    def close(self, stated: Mapping[BalanceEnd, Decimal] | None = None) -> Iterator[Event]:
        """Yield the closing event of every account; balances of the column only where it has proved itself.

        Accounts of rows that follow are opened anew.

        Args:
            stated: Balances that lines of the table state, which count where it is about one account.
        """
        for beside in sorted(self._unclear):
            message = f"amounts in '{beside}' are read in the currency of the account or the user: state --currency"
            yield Note(message=message)
        self._unclear.clear()
        if any(account.currency is None for account in self._known.values()):
            yield Note(message=NO_CURRENCY)
        for key, ends in self._ends.items():
            opening, closing = self._column_balances(ends)
            days = self._days.get(key)
            if stated and days is not None and len(self._ends) == 1:
                opening = self._stated(stated.get("opening"), days[0]) or opening
                closing = self._stated(stated.get("closing"), days[1]) or closing
            yield Closed(account=key, opening=opening, closing=closing)
        self._known.clear()
        self._ends.clear()
        self._days.clear()

    def _column_balances(self, ends: _Ends) -> tuple[StatedBalance | None, StatedBalance | None]:
        """Return the balances before the first and behind the last row, as the column of balances has them."""
        if self._chain is None or not ends.first:
            return None, None
        sign = self._balance_sign
        oldest, newest = ends.pair(newest_first=self._chain.newest_first, sign=sign)
        earlier, later = (ends.behind, ends.before) if self._chain.newest_first else (ends.before, ends.behind)
        opening = StatedBalance(amount=sign * oldest.balance - oldest.amount - earlier, on=oldest.on)
        return opening, StatedBalance(amount=sign * newest.balance + later, on=newest.on)

    def _stated(self, amount: Decimal | None, on: date) -> StatedBalance | None:
        return StatedBalance(amount=self._balance_sign * amount, on=on) if amount is not None else None
