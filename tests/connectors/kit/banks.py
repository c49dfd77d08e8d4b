"""Two small providers of our own, with good connectors: one pages through windows, one has a cursor."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar

import httpx2
from pydantic import Field, SecretStr

from worker.connectors.base import (
    Account,
    AuthState,
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
from worker.connectors.config import ConnectorConfig
from worker.connectors.errors import (
    AuthenticationError,
    ConnectorError,
    CursorInvalidError,
    InvalidDataError,
    RateLimitError,
    RateLimitScope,
)
from worker.connectors.http import ProviderResponse, Request, call
from worker.connectors.testing import Entry, Ledger

TOKEN = "kit-token-9c41"
ROOT = "https://bank.test"
LONGEST_WINDOW_DAYS = 90


class TokenConfig(ConnectorConfig):
    token: SecretStr = Field(description="Access token.")


class _Bank(BankConnector):
    """What both have in common: accounts, the login, and how a record reads."""

    Config: ClassVar[type[TokenConfig]] = TokenConfig
    config: TokenConfig

    def get_auth_status(self) -> AuthStatus:
        try:
            self.ask("accounts")
        except AuthenticationError as error:
            return AuthStatus(state=AuthState.NEEDS_USER, reason=error.reason)
        return AuthStatus()

    def list_accounts(self) -> Sequence[Account]:
        return [self.account(raw) for raw in self.items(self.ask("accounts"), "accounts")]

    def account(self, raw: dict[str, Any]) -> Account:
        balance = Balance(amount=Decimal(raw["balance"]), kind=BalanceKind.BOOKED, at=self.context.now())
        return Account(external_id=raw["id"], name=raw["name"], currency=raw["currency"], balance=balance)

    def normalize_transactions(self, raw: Any) -> Sequence[Transaction]:
        try:
            return [self.transaction(number, record) for number, record in enumerate(raw)]
        except (KeyError, ValueError, TypeError, ArithmeticError) as error:
            raise InvalidDataError(f"a record cannot be read ({type(error).__name__})") from None

    def transaction(self, number: int, record: dict[str, Any]) -> Transaction:
        booked = record["booked_at"]
        return Transaction(
            account_id=record["account"],
            amount=self.amount(record),
            description=record["text"],
            currency=record["currency"],
            external_id=self.external_id(number, record),
            pending=booked is None,
            booking_at=booked and datetime.fromisoformat(booked),
            transaction_at=datetime.fromisoformat(record["made_at"]),
            pending_external_id=record["replaces"],
            raw=record,
        )

    def amount(self, record: dict[str, Any]) -> Decimal:
        return Decimal(record["amount"])

    def external_id(self, number: int, record: dict[str, Any]) -> str | None:  # noqa: ARG002 - for a bad one
        return record["id"] or None

    def ask(self, endpoint: str, **parameters: str) -> Any:
        wanted = Request(
            method="GET",
            url=f"{ROOT}/{endpoint}",
            endpoint=endpoint,
            account_id=parameters.get("account"),
            params=list(parameters.items()),
            headers={"Authorization": f"Bearer {self.config.token.get_secret_value()}"},
        )
        return call(self.context, wanted, self.explain).body

    def explain(self, answer: ProviderResponse) -> ConnectorError | None:
        body = answer.body if isinstance(answer.body, dict) else {}
        match body.get("error"):
            case "CHANGED":
                return CursorInvalidError("the data changed between pages")
            case "DAILY_LIMIT":
                return RateLimitError("the day's requests are spent", scope=RateLimitScope.QUOTA)
            case _:
                return None

    def items(self, body: Any, name: str) -> list[Any]:
        if not isinstance(body, dict) or not isinstance(body.get(name), list):
            raise InvalidDataError(f"the answer holds no {name}")
        return list(body[name])


class PagedConnector(_Bank):
    """A provider with windows and page tokens."""

    name: ClassVar[str] = "paged"
    display_name: ClassVar[str] = "Paged bank"
    capabilities: ClassVar[Capabilities] = Capabilities(
        id_class=IdClass.STABLE, window_days=LONGEST_WINDOW_DAYS, pending=True, windows_complete=True, balances=True
    )

    def get_transactions(self, account_id: str | None, from_date: date, to_date: date) -> Iterator[Page]:
        for window in self.windows(from_date, to_date):
            yield from self.window(str(account_id), window)

    def windows(self, from_on: date, to_on: date) -> Iterator[Window]:
        while from_on <= to_on:
            until_on = min(from_on + timedelta(days=LONGEST_WINDOW_DAYS - 1), to_on)
            yield Window(from_on=from_on, to_on=until_on)
            from_on = until_on + timedelta(days=1)

    def window(self, account_id: str, window: Window) -> Iterator[Page]:
        token, seen = "", set()
        while token not in seen:
            seen.add(token)
            body = self.ask("transactions", account=account_id, page=token, **self.edges(window))
            records = self.items(body, "transactions")
            yield Page(transactions=tuple(self.normalize_transactions(records)), covers=self.covered(window))
            token = body.get("next") or ""
            if not token:
                return
        raise InvalidDataError("the provider repeats a page")

    def edges(self, window: Window) -> dict[str, str]:
        return {"from": window.from_on.isoformat(), "to": window.to_on.isoformat()}

    def covered(self, window: Window) -> Window:
        return window


class CursorConnector(_Bank):
    """A provider with one cursor for the whole connection."""

    name: ClassVar[str] = "cursor"
    display_name: ClassVar[str] = "Cursor bank"
    capabilities: ClassVar[Capabilities] = Capabilities(
        id_class=IdClass.STABLE, fetch_scope=Scope.CONNECTION, cursor_scope=Scope.CONNECTION, pending=True
    )

    def account(self, raw: dict[str, Any]) -> Account:
        return Account(external_id=raw["id"], name=raw["name"], currency=raw["currency"])

    def get_transactions(self, account_id: str | None, from_date: date, to_date: date) -> Iterator[Page]:  # noqa: ARG002
        records = self.items(self.ask("transactions", **{"from": str(from_date), "to": str(to_date)}), "transactions")
        yield Page(transactions=tuple(self.normalize_transactions(records)))

    def refresh(self, state: SyncState) -> Iterator[Page]:
        cursor = self.start(state)
        more = True
        while more:
            body = self.ask("changes", cursor=cursor)
            yield self.changes(body)
            cursor, more = body["cursor"], body["more"]

    def start(self, state: SyncState) -> str:
        return state.cursor or ""

    def changes(self, body: Any) -> Page:
        records = self.items(body, "added") + self.items(body, "modified")
        return Page(
            transactions=tuple(self.normalize_transactions(records)),
            removed=tuple(RemovedTransaction(external_id=found) for found in self.items(body, "removed")),
            next_cursor=body["cursor"],
        )


def record_of(entry: Entry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "account": entry.account_id,
        "amount": str(entry.amount),
        "currency": entry.currency,
        "text": entry.description,
        "booked_at": entry.booked_at and entry.booked_at.isoformat(),
        "made_at": entry.made_at.isoformat(),
        "replaces": entry.replaces,
    }


class BankServer:
    """Plays both providers. A cursor is `<start>.<seen>`: a change after the first page makes the next one fail."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return httpx2.Response(401, json={})
        query = dict(request.url.params)
        match request.url.path:
            case "/accounts":
                return httpx2.Response(200, json={"accounts": [self.account(found) for found in self.ledger.accounts]})
            case "/transactions":
                return httpx2.Response(200, json=self.transactions(query))
            case _:
                return self.changes(query.get("cursor", ""))

    def account(self, found: Any) -> dict[str, str]:
        balance = str(self.ledger.balance(found.id))
        return {"id": found.id, "name": found.name, "currency": found.currency, "balance": balance}

    def transactions(self, query: dict[str, str]) -> dict[str, Any]:
        from_on, to_on = date.fromisoformat(query["from"]), date.fromisoformat(query["to"])
        from_on = max(from_on, to_on - timedelta(days=LONGEST_WINDOW_DAYS - 1))  # longer windows are cut in silence
        entries = self.ledger.entries(query.get("account"), from_on, to_on)
        if "page" not in query:
            return {"transactions": [record_of(entry) for entry in entries]}
        start, size = int(query["page"] or 0), self.ledger.page_size
        more = {"next": str(start + size)} if start + size < len(entries) else {}
        return {"transactions": [record_of(entry) for entry in entries[start : start + size]], **more}

    def changes(self, cursor: str) -> httpx2.Response:
        seen, _, of = cursor.partition("/")
        start, newest = int(seen or 0), len(self.ledger.history)
        if of and int(of) != newest:
            return httpx2.Response(400, json={"error": "CHANGED"})
        until = min(start + self.ledger.page_size, newest)
        page = self.ledger.changes(start)[: until - start]
        found: dict[str, list[Any]] = {"added": [], "modified": [], "removed": []}
        for change in page:
            found[change.kind].append(change.entry.id if change.kind == "removed" else record_of(change.entry))
        more = until < newest
        return httpx2.Response(200, json=found | {"cursor": f"{until}/{newest}" if more else str(until), "more": more})
