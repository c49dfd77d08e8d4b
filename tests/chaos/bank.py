"""The bank of the chaos suite: what it says is the known truth, and it can be told to misbehave."""

import json
import random
import threading
from collections import deque
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit


class Bank:
    """Serves logins over HTTP. `truth` holds the rows of each person, `slow_s` delays every answer."""

    def __init__(self, seed: int, *, page_rows: int = 20) -> None:
        self.truth: dict[str, list[dict[str, Any]]] = {}
        self._logins: dict[str, tuple[str, list[dict[str, str]]]] = {}
        self.slow_s = 0.0
        self._page_rows = page_rows
        self._random = random.Random(seed)
        self._refusals: deque[tuple[int, dict[str, str]]] = deque()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        bank = self

        class Handler(_Handler):
            served = bank

        self._http = _Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(5)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def add_user(self, user: str, rows: int) -> None:
        """Add a person with two accounts, whose login has the person's name."""
        self.add_login(user, user, [{"id": f"{user}-0"}, {"id": f"{user}-1"}])
        self.happen(user, rows)

    def add_login(self, login: str, person: str, accounts: list[dict[str, str]]) -> None:
        """Let a login show these of a person's accounts; each has an id, and maybe a name, a mask and an IBAN."""
        self.truth.setdefault(person, [])
        self._logins[login] = (person, accounts)

    def book(self, person: str, account: str, amount: str, description: str, **more: str) -> None:
        """Book one row on an account, today or some days ago."""
        with self._lock:
            number = len(self.truth[person])
            day = datetime.now(UTC).date() - timedelta(days=self._random.randrange(20))
            row = {"id": f"{person}-{number}", "account": account, "amount": amount, "description": description}
            self.truth[person].append(row | {"day": day.isoformat()} | more)

    def today(self) -> date:
        """Return the bank's day."""
        return datetime.now(UTC).date()

    def happen(self, user: str, rows: int) -> None:
        """Let so many transactions happen; equal ones on one day are wanted, for they are what doubling looks like."""
        with self._lock:
            for _ in range(rows):
                number = len(self.truth[user])
                day = datetime.now(UTC).date() - timedelta(days=self._random.randrange(20))
                self.truth[user].append(
                    {
                        "id": f"{user}-{number}",
                        "account": f"{user}-{number % 2}",
                        "amount": f"-{self._random.choice(['2.50', '7.00', '19.99', '2.50'])}",
                        "description": self._random.choice(["Coffee", "Bus", "Books"]),
                        "day": day.isoformat(),
                    }
                )

    def refuse(self, status: int, times: int, **headers: str) -> None:
        """Answer the next requests with this status."""
        with self._lock:
            self._refusals.extend([(status, headers)] * times)

    def answer(self, path: str, query: dict[str, list[str]]) -> tuple[int, dict[str, str], bytes]:
        if self.slow_s:
            self._stopping.wait(self.slow_s)
        with self._lock:
            if self._refusals:
                status, headers = self._refusals.popleft()
                return status, headers, b"{}"
            person, accounts = self._logins[query["user"][0]]
            if path == "/accounts":
                return 200, {}, json.dumps({"accounts": accounts}).encode()
            rows = [row for row in self.truth[person] if row["account"] == query["account"][0]]
            start = int(query["page"][0]) * self._page_rows
            end = start + self._page_rows
            body = {"transactions": rows[start:end], "more": end < len(rows)}
            return 200, {}, json.dumps(body).encode()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A client that was killed says nothing about the bank."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    served: Bank

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        status, headers, body = self.served.answer(parts.path, parse_qs(parts.query))
        try:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""
