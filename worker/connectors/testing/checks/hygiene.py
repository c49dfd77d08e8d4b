"""Checks that a connector uses no clock, sleep, environment or other client, and reveals no secrets."""

import ast
import inspect
import logging
import os
import socket
import sys
import time
import traceback
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from types import FrameType
from typing import Any
from unittest import mock

import httpx2
from pydantic import SecretBytes, SecretStr

from worker.connectors.base import BankConnector
from worker.connectors.testing.check import check, expect, http
from worker.connectors.testing.scenes import many
from worker.connectors.testing.subject import Subject
from worker.connectors.testing.transport import answers, breaks

_CLOCKS = {"now", "utcnow", "today", "time", "time_ns", "monotonic", "perf_counter"}
_CLOCK_OWNERS = {"datetime", "date", "time", "dt"}


@check()
def it_never_sleeps(subject: Subject) -> None:
    many(subject)
    with mock.patch.object(time, "sleep", side_effect=AssertionError("slept")) as sleep:
        _printed_by_run(subject)
        subject.transport.fault = answers("429", 429, Retry_After="1")
        _printed_by_run(subject)
    expect(not sleep.called, "it sleeps; the importer does the waiting, where a shutdown can interrupt it")


@check()
def it_reads_no_environment(subject: Subject) -> None:
    many(subject)
    seen: list[str] = []
    package = _package(subject.spec.connector)

    environment = type(os.environ)
    original = environment.__getitem__

    def watched(self: os._Environ[str], key: str) -> str:
        if _called_from(package):
            seen.append(key)
        return original(self, key)

    with mock.patch.object(environment, "__getitem__", watched):
        _printed_by_run(subject)
    expect(not seen, f"it reads the environment: {sorted(set(seen))}; put it into the config")


@check()
def it_reads_no_clock(subject: Subject) -> None:
    calls = [call for path in _sources(subject.spec.connector) for call in _clock_calls(path)]
    expect(not calls, f"it reads a clock; ask context.now() instead: {', '.join(calls)}")


@check()
def it_uses_only_the_client_it_is_given(subject: Subject) -> None:
    many(subject)
    with mock.patch.object(socket.socket, "connect", side_effect=ConnectionRefusedError) as connect:
        _printed_by_run(subject)
    expect(not connect.called, "it opens a connection of its own; use context.http, which is bounded and counted")


@check(http)
def every_request_names_its_endpoint(subject: Subject) -> None:
    many(subject)
    _printed_by_run(subject)
    nameless = [request.method for request in subject.transport.requests if not request.extensions.get("endpoint")]
    expect(not nameless, "a request without `endpoint` in its extensions cannot be counted: use worker.connectors.http")


@check()
def secrets_stay_secret(subject: Subject) -> None:
    many(subject)
    with _captured_output() as output:
        for fault in (None, *_TALKATIVE):
            subject.transport.requests.clear()
            subject.transport.fault = fault
            output.write(_printed_by_run(subject))
    text = output.getvalue()
    leaked = [kind for secret in _secrets(subject) for kind in [_where(text, secret)] if kind]
    expect(not leaked, f"a secret of the config shows up in a log, repr or traceback: … {leaked[:1]}")


_TALKATIVE = (
    answers("401", 401, b'{"error": "bad"}'),
    answers("500", 500),
    answers("truncated", 200, b'{"a'),
    answers("odd", 418),
    breaks("nobody", httpx2.ConnectError("refused")),
    breaks("hang", httpx2.ReadTimeout("silence")),
)


def _printed_by_run(subject: Subject) -> str:
    """Make all calls of a run and return the reprs and tracebacks of results and errors."""
    output: list[str] = []
    try:
        with subject.opened() as connector:
            output += [repr(connector), str(connector), repr(connector.config), repr(connector.capabilities)]
            for step in (connector.get_auth_status, connector.list_accounts, lambda: _fetched(subject, connector)):
                try:
                    output.append(repr(step()))
                except Exception as error:  # noqa: BLE001 - what it raises is another check's business
                    output += [repr(error), repr(error.args), *traceback.format_exception(error)]
    except Exception as error:  # noqa: BLE001 - same
        output += traceback.format_exception(error)
    return "\n".join(output)


def _fetched(subject: Subject, connector: BankConnector) -> list[Any]:
    return list(subject.pages(connector, subject.window()))


@contextmanager
def _captured_output() -> Iterator[StringIO]:
    """Collect standard output, standard error and every log record of any level."""
    output = StringIO()
    handler, root = logging.StreamHandler(output), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        with redirect_stdout(output), redirect_stderr(output):
            yield output
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


def _secrets(subject: Subject) -> set[str]:
    """Return the secrets of the config, and the logins inside those that are addresses, plain and as sent."""
    with subject.opened() as connector:
        found = {str(_revealed(value)) for _, value in connector.config if isinstance(value, SecretStr | SecretBytes)}
    logins = [httpx2.URL(secret) for secret in found if secret.startswith(("http://", "https://"))]
    parts = {part for url in logins for part in (url.password, b64encode(url.userinfo).decode())}
    return {secret for secret in found | parts | set(subject.spec.secrets) if secret}


def _revealed(value: SecretStr | SecretBytes) -> str:
    secret = value.get_secret_value()
    return secret.decode(errors="replace") if isinstance(secret, bytes) else secret


def _where(text: str, secret: str) -> str | None:
    at = text.find(secret)
    return None if at < 0 else " ".join(text[max(0, at - 80) : at].split()) + " (secret)"


def _sources(connector: type[BankConnector]) -> list[Path]:
    """Return the files of the connector: its module, or all modules of its package where it has one of its own."""
    own = Path(inspect.getfile(connector))
    return sorted(own.parent.rglob("*.py")) if _package(connector) != connector.__module__ else [own]


def _package(connector: type[BankConnector]) -> str:
    """Return the name of the package that exports the connector, else of its module."""
    parent = connector.__module__.rpartition(".")[0]
    exported = vars(sys.modules[parent]).values() if parent in sys.modules else ()
    return parent if any(value is connector for value in exported) else connector.__module__


def _clock_calls(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _CLOCKS:
            owner = node.func.value
            name = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")
            if name in _CLOCK_OWNERS:
                yield f"{path.name}:{node.lineno} {name}.{node.func.attr}()"


def _called_from(package: str) -> bool:
    """Say whether the nearest caller outside the standard library is the connector."""
    frame: FrameType | None = sys._getframe(2)  # noqa: SLF001 - the only way to ask who is asking
    while frame is not None:
        name = frame.f_globals.get("__name__", "")
        if name == package or name.startswith(f"{package}."):
            return True
        if name not in {"os", "collections.abc"}:
            return False
        frame = frame.f_back
    return False
