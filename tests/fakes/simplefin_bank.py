"""The bank behind the SimpleFIN server: accounts, transactions, and answers in both versions of the protocol."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from datetime import time as clock_time
from decimal import Decimal
from typing import Any

from worker.connectors.base import Window
from worker.connectors.mock import MockConfig
from worker.connectors.mock.bank import MockBank

DAY_S = 86_400
CAPPED = "Requested date range exceeds limit of 90 days and was capped"


@dataclass(kw_only=True)
class Entry:
    """One transaction. posted_at None: pending."""

    id: str
    amount: str
    posted_at: datetime | None
    transacted_at: datetime | None = None
    description: str = "Card payment"
    payee: str | None = None

    def to_json(self) -> dict[str, Any]:
        record: dict[str, Any] = {
            "id": self.id,
            "posted": int(self.posted_at.timestamp()) if self.posted_at else 0,
            "amount": self.amount,
            "description": self.description,
        }
        if self.payee:
            record |= {"payee": self.payee, "memo": self.payee.upper()}
        if self.transacted_at:
            record["transacted_at"] = int(self.transacted_at.timestamp())
        return record if self.posted_at else record | {"pending": True}


@dataclass(kw_only=True)
class BankAccount:
    """One account; its balance is the opening balance plus everything posted."""

    id: str
    name: str
    entries: list[Entry] = field(default_factory=list)
    currency: str = "USD"
    opening: str = "0.00"
    connection_id: str = "CON-1"
    institution: str = "Bank of Loopback"

    def balance(self) -> Decimal:
        return Decimal(self.opening) + sum(Decimal(entry.amount) for entry in self.entries if entry.posted_at)


@dataclass(kw_only=True)
class Bank:
    """Everything behind one access URL; what a server does otherwise than the protocol is switched on by name.

    troubles: sent along as `errlist`, or as `errors` by protocol 1. daily_requests: how many a day has.
    says_pending: what stands under `pending` of a row that is; None leaves it out.
    posted_of_pending: what stands under `posted` of such a row; None leaves it out.
    blank_ids: rows come without ids that say anything.
    numbers_as_text: moments are text.
    needs_login: connections whose bank wants a login; their accounts come without rows.
    balance_counts_pending: balances contain what is still pending.
    securities: accounts that list holdings.
    """

    accounts: list[BankAccount] = field(default_factory=list)
    protocol: int = 2
    troubles: list[dict[str, Any]] = field(default_factory=list)
    daily_requests: int | None = None
    now: datetime | None = None
    says_pending: Any = True
    posted_of_pending: int | None = 0
    blank_ids: bool = False
    numbers_as_text: bool = False
    needs_login: set[str] = field(default_factory=set)
    balance_counts_pending: bool = False
    securities: set[str] = field(default_factory=set)

    def account(self, account_id: str) -> BankAccount:
        return next(account for account in self.accounts if account.id == account_id)

    def answer(self, query: dict[str, list[str]]) -> dict[str, Any]:
        version = self.protocol if query.get("version") == ["2"] else 1
        start, end, troubles = self._window(query)
        troubles = [
            *troubles,
            *({"code": "con.auth", "conn_id": one, "msg": "Log in again"} for one in sorted(self.needs_login)),
        ]
        wanted = query.get("account")
        accounts = [account for account in self.accounts if wanted is None or account.id in wanted]
        body: dict[str, Any] = {
            "accounts": [self._account(account, query, version, (start, end)) for account in accounts]
        }
        if version == 1:
            return body | {"errors": [trouble["msg"] for trouble in troubles]}
        connections = {account.connection_id: account.institution for account in self.accounts}
        listed = [{"conn_id": key, "name": name, "org_name": name} for key, name in connections.items()]
        return body | {"errlist": troubles, "connections": listed}

    def _window(self, query: dict[str, list[str]]) -> tuple[float, float, list[dict[str, Any]]]:
        """Cut like the Bridge does: 90 days from the start, counted in seconds, and only a line says so."""
        now = (self.now or datetime.now(UTC)).timestamp()
        start = float(query.get("start-date", [str(now - 30 * DAY_S)])[0])
        end = float(query.get("end-date", [str(now + DAY_S)])[0])
        if end - start > 90 * DAY_S:
            return start, start + 90 * DAY_S, [*self.troubles, {"code": "gen.api", "msg": CAPPED}]
        return start, end, self.troubles

    def _account(
        self, account: BankAccount, query: dict[str, list[str]], version: int, window: tuple[float, float]
    ) -> Any:
        body: dict[str, Any] = {
            "id": account.id,
            "name": account.name,
            "currency": account.currency,
            "balance": str(self._balance(account)),
            "balance-date": int((self.now or datetime.now(UTC)).timestamp()),
        }
        if version == 1:
            body["org"] = {"name": account.institution, "domain": "loopback.test", "sfin-url": "https://loopback.test"}
        else:
            body["conn_id"] = account.connection_id
        if account.id in self.securities:
            body["holdings"] = [{"id": "H-1", "symbol": "ACME", "shares": "3", "market_value": "30.00"}]
        if query.get("balances-only") == ["1"]:
            return body
        if account.connection_id in self.needs_login:
            return body | {"transactions": []}
        rows = [entry for entry in account.entries if self._asked(entry, "pending" in query, window)]
        return body | {"transactions": [self._row(entry) for entry in rows]}

    def _balance(self, account: BankAccount) -> Decimal:
        pending = sum(Decimal(entry.amount) for entry in account.entries if not entry.posted_at)
        return account.balance() + (pending if self.balance_counts_pending else 0)

    def _row(self, entry: Entry) -> dict[str, Any]:
        record = entry.to_json()
        if entry.posted_at is None:
            record |= {"pending": self.says_pending, "posted": self.posted_of_pending}
            record = {name: value for name, value in record.items() if value is not None}
        if self.blank_ids:
            record["id"] = ""
        if self.numbers_as_text:
            record |= {name: str(record[name]) for name in ("posted", "transacted_at") if name in record}
        return record

    def _asked(self, entry: Entry, pending: bool, window: tuple[float, float]) -> bool:  # noqa: FBT001 - a parameter of the protocol
        """`pending=0` acts like `pending=1`, as it was seen to; posted rows are cut to the half-open window."""
        if entry.posted_at is None:
            return pending
        return window[0] <= entry.posted_at.timestamp() < window[1]


def made_up_bank(today: date | None = None, seed: str = "simplefin") -> Bank:
    """Return two accounts; the same for everybody who asks on the same day, and a day older the next day."""
    until_on = today or datetime.now(UTC).date()
    mock = MockBank(MockConfig(seed=seed, currency="USD"), until_on)
    accounts = [
        BankAccount(id=f"ACT-{index + 1}", name=name, opening="1000.00", entries=list(_entries(mock, index)))
        for index, name in enumerate(("Checking (1234)", "Savings (5678)"))
    ]
    return Bank(accounts=accounts)


def _entries(mock: MockBank, index: int) -> Iterable[Entry]:
    for record in mock.records(index, Window(from_on=mock.config.opened_on, to_on=mock.today)):
        yield Entry(
            id=record["id"],
            amount=record["amount"],
            posted_at=_noon(record.get("booked")),
            transacted_at=_noon(record["made"]),
            description=record["text"],
            payee=record["payee"],
        )


def _noon(day: str | None) -> datetime | None:
    return datetime.combine(date.fromisoformat(day), clock_time(12), UTC) if day else None
