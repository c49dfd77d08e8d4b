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
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import parse_qs, urlsplit

from tests.fakes.simplefin_bank import Bank, made_up_bank


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
