"""A bank with a script: a test says what it holds, the engine imports it. Small, and honest about its promises."""

import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar

from pydantic import BaseModel
from sqlalchemy import text

from tests.factories import make_connection
from worker.connections.connection_queries import find
from worker.connections.removal import Removed, forget
from worker.connectors.base import (
    Account,
    AuthStatus,
    Balance,
    BalanceKind,
    BankConnector,
    Capabilities,
    IdClass,
    Page,
    RemovedTransaction,
    Scope,
    SyncState,
    Transaction,
    Window,
)
from worker.db.engine import Sessions
from worker.importer.actions.suggestions import SuggestionView, list_suggestions
from worker.importer.context import ImportContext
from worker.importer.engine import run
from worker.runs.lease import ClaimedRun, claim
from worker.runs.request import request_run
from worker.runs.states import Outcome, RunKind, RunRequest

TODAY = date(2026, 6, 15)
IBAN = "DE02120300000000202051"
MERCHANTS = ("Bus", "Coffee Bar", "Trattoria Luigi", "Bookshop")
WINDOWED = Capabilities(id_class=IdClass.STABLE, pending=True, windows_complete=True, balances=True)
CURSOR = Capabilities(id_class=IdClass.STABLE, pending=True, cursor_scope=Scope.CONNECTION, links_pending=True)


class NoConfig(BaseModel):
    pass


@dataclass
class Bank:
    """What the bank holds today. errors: raised by the n-th call of a method, once each."""

    capabilities: Capabilities = WINDOWED
    accounts: list[Account] = field(default_factory=lambda: [Account(external_id="A", name="Checking", currency="EUR")])
    rows: list[Transaction] = field(default_factory=list)
    removed: list[RemovedTransaction] = field(default_factory=list)
    auth: AuthStatus = field(default_factory=AuthStatus)
    errors: dict[str, list[Exception]] = field(default_factory=dict)
    page_rows: int = 1000
    complete: bool = True
    extra: dict[str, Any] = field(default_factory=dict)
    calls: list[tuple[Any, ...]] = field(default_factory=list)
    today: date = TODAY
    session: str | None = None

    def buy(self, amount: str, description: str = "Coffee", **more: Any) -> Transaction:
        """Book one line today, unless told otherwise."""
        values: dict[str, Any] = {"booking_on": self.today, "currency": "EUR", "account_id": "A"} | more
        if values["booking_on"] is None:
            del values["booking_on"]
        line = Transaction(amount=Decimal(amount), description=description, **values)
        self.rows.append(line)
        return line

    def change(self, old: Transaction, **more: Any) -> Transaction:
        """Replace a line by a changed one."""
        new = replace(old, **more)
        self.rows[self.rows.index(old)] = new
        return new

    def balance(self, amount: str) -> None:
        """State the booked balance of every account."""
        at = datetime(self.today.year, self.today.month, self.today.day, 12, tzinfo=UTC)
        booked = Balance(amount=Decimal(amount), kind=BalanceKind.BOOKED, at=at)
        self.accounts = [replace(account, balance=booked) for account in self.accounts]


class ScriptedConnector(BankConnector):
    """Serves a `Bank`."""

    name: ClassVar[str] = "scripted"
    display_name: ClassVar[str] = "Scripted bank"
    Config: ClassVar[type[BaseModel]] = NoConfig

    def __init__(self, bank: Bank) -> None:
        self.bank = bank

    @property
    def capabilities(self) -> Capabilities:  # type: ignore[override]
        return self.bank.capabilities

    def _fail(self, call: str) -> None:
        planned = self.bank.errors.get(call)
        if planned:
            raise planned.pop(0)

    def get_auth_status(self) -> AuthStatus:
        self._fail("auth")
        return self.bank.auth

    def list_accounts(self) -> Sequence[Account]:
        self._fail("accounts")
        return self.bank.accounts

    def get_transactions(self, account_id: str | None, from_date: date, to_date: date) -> Iterator[Page]:
        self.bank.calls.append((account_id, from_date, to_date))
        self._fail(f"transactions:{account_id}")
        window = Window(from_on=from_date, to_on=to_date)
        rows = [
            row
            for row in self.bank.rows
            if account_id in (None, row.account_id) and (self._day(row) is None or self._day(row) in window)
        ]
        yield from self._pages(rows, window)

    def refresh(self, state: SyncState) -> Iterator[Page]:
        if self.capabilities.cursor_scope is None:
            yield from super().refresh(state)
            return
        self.bank.calls.append((state.account_id, state.cursor))
        self._fail("refresh")
        start = int(state.cursor or 0)
        yield Page(
            transactions=tuple(self.bank.rows[start:]),
            removed=tuple(self.bank.removed),
            next_cursor=str(len(self.bank.rows)),
            covers=state.window if state.cursor is None else None,
            **self.bank.extra,
        )

    def _pages(self, rows: list[Transaction], window: Window) -> Iterator[Page]:
        for start in range(0, max(len(rows), 1), self.bank.page_rows):
            yield Page(
                transactions=tuple(rows[start : start + self.bank.page_rows]),
                removed=tuple(self.bank.removed),
                covers=window,
                complete=self.bank.complete,
                session=self.bank.session,
                **self.bank.extra,
            )
            self._fail("next_page")

    @staticmethod
    def _day(row: Transaction) -> date | None:
        moment = row.booking_at or row.transaction_at
        return row.booking_on or row.transaction_on or row.value_on or (moment.date() if moment else None)

    def normalize_transactions(self, raw: Any) -> Sequence[Transaction]:
        return raw


class Harness:
    """A connection to a scripted bank, and the verbs of a test."""

    def __init__(self, sessions: Sessions, user_id: int, **connection: Any) -> None:
        self.sessions = sessions
        self.user_id = user_id
        self.bank = Bank()
        self.waits: list[float] = []
        self.cleared: list[tuple[int, frozenset[str]]] = []
        self.check = lambda: None
        self.connector: Callable[[], BankConnector] = lambda: ScriptedConnector(self.bank)
        with sessions() as session:
            self.connection_id = make_connection(session, user_id, connector_name="scripted", **connection)

    def context(self) -> ImportContext:
        return ImportContext(
            sessions=self.sessions,
            statements=self.sessions,
            open_connector=lambda _connection_id: self.connector(),
            check=lambda: self.check(),  # noqa: PLW0108 - tests replace it later
            wait=self.waits.append,
            now=lambda: datetime(self.bank.today.year, self.bank.today.month, self.bank.today.day, 12, tzinfo=UTC),
            clear_cache=lambda user_id, months: self.cleared.append((user_id, months)),
        )

    def run(self, kind: RunKind = RunKind.REFRESH, **request: Any) -> Outcome:
        """Ask for a run and do it."""
        return run(self.claim(kind, **request), self.context())

    def claim(self, kind: RunKind = RunKind.REFRESH, **request: Any) -> ClaimedRun:
        """Ask for a run and take it."""
        with self.sessions() as session:
            asked = RunRequest(connection_id=self.connection_id, kind=kind, **request)
            self.run_id: uuid.UUID = request_run(session, asked)
        with self.sessions() as session:
            claimed = claim(session, self.run_id, worker_name="test", lease_s=60)
        assert claimed is not None
        return claimed

    def refresh(self, **request: Any) -> Outcome:
        return self.run(RunKind.REFRESH, **request)

    def day_later(self, days: int = 1) -> None:
        """Let days pass, for the bank and for the rows that wait for days to pass."""
        self.bank.today += timedelta(days=days)
        self.sql(f"UPDATE bank_transactions SET absent_since_at = absent_since_at - interval '{days} days'")

    def sql(self, statement: str, **values: Any) -> list[Any]:
        with self.sessions() as session:
            result = session.execute(text(statement), values)
            return list(result.all()) if result.returns_rows else []

    def type_in(
        self, amount: str, notes: str, on: date | str = TODAY, kind: str = "EXPENSE", currency: str = "EUR"
    ) -> int:
        """Add an expense as FinMind does, and return its id."""
        ((expense_id,),) = self.sql(
            "INSERT INTO expenses (user_id, amount, currency, expense_type, notes, spent_at)"
            " VALUES (:user_id, :amount, :currency, :kind, :notes, :on) RETURNING id",
            user_id=self.user_id, amount=Decimal(amount), currency=currency, kind=kind, notes=notes, on=on,
        )  # fmt: skip
        return int(expense_id)

    def remove(self, *, with_expenses: bool) -> Removed:
        """Remove the connection, and its expenses if they are not to be kept."""
        with self.sessions() as session:
            row = find(session, self.connection_id, lock=True)
            return forget(session, row, with_expenses=with_expenses, revoked=False)

    def questions(self, kind: str | None = None, *, status: str = "open") -> list[SuggestionView]:
        """The user's questions, of one kind or of all."""
        with self.sessions() as session:
            found = list_suggestions(session, self.user_id, status=status)
        return [one for one in found if kind in (None, one.kind)]

    def answer(self, how: Callable[..., Any], kind: str | None = None) -> int:
        """Answer every open question in one way, as `accept` or `decline`; return how many there were."""
        asked = self.questions(kind)
        for question in asked:
            with self.sessions() as session:
                how(session, question.id, user_id=self.user_id)
        return len(asked)

    def expenses(self) -> list[tuple[str, str, str, str]]:
        """All of the user's expenses: day, signed amount, currency, notes; in that order."""
        rows = self.sql(
            "SELECT spent_at, CASE expense_type WHEN 'INCOME' THEN amount ELSE -amount END, currency, notes"
            " FROM expenses WHERE user_id = :u ORDER BY spent_at, 2, notes",
            u=self.user_id,
        )
        return [(day.isoformat(), str(amount), currency, notes) for day, amount, currency, notes in rows]

    def amounts(self) -> list[str]:
        """The signed amounts of all expenses."""
        return [row[1] for row in self.expenses()]
