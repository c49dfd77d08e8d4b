"""A SimpleFIN server on loopback: real HTTP, state, windows, quota and faults. Written from the protocol text.

In a test: `with SimpleFinServer(bank) as server:` and connect with `{"access_url": server.access_url}` or
`{"setup_token": server.new_setup_token()}`. By hand: `python -m tests.fakes.simplefin_server --port 8800`, which
serves a made-up bank that moves on day by day.
"""

import argparse
import base64
import json
import threading
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from datetime import time as clock_time
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

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
    """Everything behind one access URL. troubles: sent along as `errlist`, or as `errors` by protocol 1."""

    accounts: list[BankAccount] = field(default_factory=list)
    protocol: int = 2
    troubles: list[dict[str, Any]] = field(default_factory=list)
    daily_requests: int | None = None
    now: datetime | None = None

    def account(self, account_id: str) -> BankAccount:
        return next(account for account in self.accounts if account.id == account_id)

    def answer(self, query: dict[str, list[str]]) -> dict[str, Any]:
        version = self.protocol if query.get("version") == ["2"] else 1
        start, end, troubles = self._window(query)
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
            "balance": str(account.balance()),
            "balance-date": int((self.now or datetime.now(UTC)).timestamp()),
        }
        if version == 1:
            body["org"] = {"name": account.institution, "domain": "loopback.test", "sfin-url": "https://loopback.test"}
        else:
            body["conn_id"] = account.connection_id
        if query.get("balances-only") == ["1"]:
            return body
        rows = [entry for entry in account.entries if self._asked(entry, "pending" in query, window)]
        return body | {"transactions": [entry.to_json() for entry in rows]}

    def _asked(self, entry: Entry, pending: bool, window: tuple[float, float]) -> bool:  # noqa: FBT001 - a parameter of the protocol
        """`pending=0` acts like `pending=1`, as it was seen to; posted rows are cut to the half-open window."""
        if entry.posted_at is None:
            return pending
        return window[0] <= entry.posted_at.timestamp() < window[1]


@dataclass(kw_only=True)
class Fault:
    """What is answered instead, `times` times. hang: nothing, until the server stops."""

    status: int = 503
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    hang: bool = False
    path: str = "/accounts"
    times: int = 1


class SimpleFinServer:
    """Serves one bank; `requests` holds the query of every request to /accounts, oldest first."""

    user, password = "loopback-user", "loopback-password"

    def __init__(self, bank: Bank | None = None, port: int = 0) -> None:
        self.bank = bank or made_up_bank()
        self.requests: list[dict[str, list[str]]] = []
        self.claims: list[str] = []
        self.faults: deque[Fault] = deque()
        self.stopping = threading.Event()
        self._unclaimed: set[str] = set()
        self._lock = threading.Lock()
        server = self

        class Handler(_Handler):
            simplefin = server

        self._http = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(5)

    @property
    def port(self) -> int:
        return int(self._http.server_address[1])

    @property
    def access_url(self) -> str:
        return f"http://{self.user}:{self.password}@127.0.0.1:{self.port}/simplefin"

    def new_setup_token(self) -> str:
        """Return a token that can be claimed once."""
        with self._lock:
            name = f"token-{len(self.claims) + len(self._unclaimed) + 1}"
            self._unclaimed.add(name)
        return base64.b64encode(f"http://127.0.0.1:{self.port}/simplefin/claim/{name}".encode()).decode()

    def claim(self, name: str) -> bool:
        with self._lock:
            self.claims.append(name)
            known = name in self._unclaimed
            self._unclaimed.discard(name)
            return known

    def fail(self, *faults: Fault) -> None:
        """Answer the next requests with these faults, in this order."""
        self.faults.extend(faults)

    def next_fault(self, path: str) -> Fault | None:
        with self._lock:
            if not self.faults or not path.endswith(self.faults[0].path):
                return None
            fault = self.faults[0]
            fault.times -= 1
            if fault.times <= 0:
                self.faults.popleft()
            return fault

    def authorized(self, header: str | None) -> bool:
        expected = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        return header == f"Basic {expected}"

    def note(self, query: dict[str, list[str]]) -> bool:
        """Count a request; return whether the day still had one left."""
        with self._lock:
            self.requests.append(query)
            return self.bank.daily_requests is None or len(self.requests) <= self.bank.daily_requests


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    simplefin: SimpleFinServer

    def do_POST(self) -> None:
        path = urlsplit(self.path).path
        if self._failed(path):
            return
        if self.simplefin.claim(path.rpartition("/claim/")[2]):
            self._send(200, self.simplefin.access_url.encode(), "text/plain")
        else:
            self._send(403, b"<html><body>Forbidden</body></html>", "text/html")

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if self._failed(parts.path):
            return
        if parts.path.endswith("/info"):
            self._json(200, {"versions": ["1.0", "2.0"][: self.simplefin.bank.protocol]})
        elif not parts.path.endswith("/accounts"):
            self._send(404, b"not found", "text/plain")
        elif not self.simplefin.authorized(self.headers.get("Authorization")):
            self._send(403, b"<html><body>Access denied</body></html>", "text/html")
        else:
            self._accounts(parse_qs(parts.query))

    def _accounts(self, query: dict[str, list[str]]) -> None:
        if self.simplefin.note(query):
            self._json(200, self.simplefin.bank.answer(query))
        else:
            self._send(429, b"Too many requests", "text/plain")

    def _failed(self, path: str) -> bool:
        fault = self.simplefin.next_fault(path)
        if fault is None:
            return False
        if fault.hang:
            self.simplefin.stopping.wait(30)
            self.close_connection = True
        else:
            self._send(fault.status, fault.body, "application/json", fault.headers)
        return True

    def _json(self, status: int, body: object) -> None:
        self._send(status, json.dumps(body).encode(), "application/json")

    def _send(self, status: int, body: bytes, kind: str, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing: test output is for results."""


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


def main() -> None:
    """Serve the made-up bank until interrupted."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--protocol", type=int, choices=(1, 2), default=2)
    arguments = parser.parse_args()
    bank = made_up_bank()
    bank.protocol = arguments.protocol
    with SimpleFinServer(bank, arguments.port) as server:
        print(json.dumps({"access_url": server.access_url, "setup_token": server.new_setup_token()}), flush=True)  # noqa: T201 - a program
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
