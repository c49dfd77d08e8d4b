"""A provider on loopback: real HTTP, a state of its own, and every answer checked against its published description."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx2

from tests.fakes.published import Published
from worker.connectors.base import ConnectorContext

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any


@dataclass(frozen=True)
class Reply:
    """schema: what the published description calls this answer; None = it describes no such answer."""

    body: Any
    schema: str | None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


class FakeProvider:
    """Subclasses answer; this counts, checks and lets a test break one answer.

    `broken` maps an endpoint's path to replies that are used up before the honest ones.
    """

    published: Published

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.drift: list[str] = []
        self.broken: dict[str, list[Reply]] = {}

    def answer(self, asked: Asked) -> Reply:
        raise NotImplementedError

    def reply(self, asked: Asked) -> Reply:
        self.asked.append(asked)
        waiting = self.broken.get(asked.path)
        try:
            reply = waiting.pop(0) if waiting else self.answer(asked)
        except Exception as error:  # noqa: BLE001 - what the fake refuses is shown by the test, not by the connector
            self.drift.append(f"{asked.method} {asked.path}: {error!r}")
            return Reply({}, None, 500)
        if reply.schema is not None:
            self.drift += [f"{asked.method} {asked.path}: {one}" for one in self.published.problems(reply)]
        return reply

    def paths(self) -> list[str]:
        return [asked.path for asked in self.asked]


def _read(text: bytes, content_type: str) -> Any:
    if not text:
        return None
    return dict(parse_qsl(text.decode())) if "form" in content_type else json.loads(text)


@contextmanager
def serving(provider: FakeProvider) -> Iterator[str]:
    """Serve `provider`; yields the base URL, and fails when an answer was not as published."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            text = self.rfile.read(length)
            parts = urlsplit(self.path)
            reply = provider.reply(
                Asked(
                    method=self.command,
                    path=parts.path,
                    query=dict(parse_qsl(parts.query)),
                    headers={name.lower(): value for name, value in self.headers.items()},
                    body=_read(text, self.headers.get("content-type", "")),
                )
            )
            body = json.dumps(reply.body).encode()
            self.send_response(reply.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_DELETE = handle_any  # noqa: N815 - named by http.server

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
    assert not provider.drift, provider.drift


class Detour(httpx2.BaseTransport):
    """Takes what is meant for the provider's real host to another one; the connector notices nothing.

    seen: the answers, for tests that look at headers. prepare: changes a request's headers on its way.
    """

    def __init__(self, base_url: str, *, strip: str = "", prepare: Callable[[httpx2.Request], None] | None = None):
        self._base = base_url.rstrip("/")
        self._strip = strip
        self._prepare = prepare
        self._inner = httpx2.HTTPTransport()
        self.seen: list[tuple[str, httpx2.Response]] = []

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        assert request.url.scheme == "https", "credentials leave this machine only over TLS"
        path = request.url.raw_path.decode().removeprefix(self._strip)
        url = self._base + path
        headers = [(name, value) for name, value in request.headers.raw if name.lower() != b"host"]
        detoured = httpx2.Request(request.method, url, headers=headers, content=request.read())
        if self._prepare:
            self._prepare(detoured)
        response = self._inner.handle_request(detoured)
        response.read()
        self.seen.append((f"{request.method} {path}", response))
        return response

    def close(self) -> None:
        self._inner.close()


@contextmanager
def context_for(
    base_url: str, *, now: datetime = NOW, saved: list[Any] | None = None, detour: Detour | None = None
) -> Iterator[ConnectorContext]:
    """A connector's surroundings whose HTTP client ends at `base_url`. saved: collects renewed configs."""
    kept = saved if saved is not None else []
    with httpx2.Client(transport=detour or Detour(base_url), follow_redirects=False) as http:
        yield ConnectorContext(http=http, now=lambda: now, save_config=kept.append)
