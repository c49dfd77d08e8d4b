import gzip
import json
import logging
import traceback
from datetime import UTC, datetime
from decimal import Decimal

import httpx2
import pytest

from tests.fakes.raw_server import drips, hangs, raw_server, sends
from worker.connectors.base import ConnectorContext
from worker.connectors.errors import (
    AccountNotFoundError,
    AuthenticationError,
    ConnectorError,
    InvalidDataError,
    ProviderUnavailableError,
    RateLimitError,
)
from worker.connectors.http import ProviderResponse, Request, asked_wait_s, call, call_text, is_secure
from worker.net.http import USER_AGENT, HttpLimits, open_client

NOW = datetime(2026, 3, 15, 12, tzinfo=UTC)
CANARY = "canary-7f3a"
PATIENT = HttpLimits(connect_s=5, read_s=8, total_s=8, max_body_bytes=10_000)
IMPATIENT = HttpLimits(connect_s=5, read_s=0.2, total_s=0.4)


def http_answer(status: int = 200, body: bytes = b"{}", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def ask(url: str, limits: HttpLimits = PATIENT, **request) -> ProviderResponse:
    with open_client(limits) as http:
        context = ConnectorContext(http=http, now=lambda: NOW)
        wanted = Request(method="GET", url=url, endpoint="accounts", auth=("user", CANARY), **request)
        return call(context, wanted)


def answered(handler, explain=None, **request):
    with httpx2.Client(transport=httpx2.MockTransport(handler)) as http:
        context = ConnectorContext(http=http, now=lambda: NOW)
        wanted = {"method": "GET", "url": "https://bank.test/x", "endpoint": "accounts"} | request
        return call(context, Request(**wanted), explain)


def test_numbers_are_decimals_with_every_digit():
    answer = answered(lambda _: httpx2.Response(200, content=b'{"a": 0.10, "b": 12345678901234567890.05}'))
    assert answer.body == {"a": Decimal("0.10"), "b": Decimal("12345678901234567890.05")}
    assert str(answer.body["a"]) == "0.10"


STATUSES = [
    (400, ConnectorError, None),
    (401, AuthenticationError, "credentials"),
    (402, AuthenticationError, "payment_required"),
    (403, AuthenticationError, "revoked"),
    (404, ConnectorError, None),
    (408, ProviderUnavailableError, None),
    (302, ProviderUnavailableError, None),
    (500, ProviderUnavailableError, None),
    (503, ProviderUnavailableError, None),
]


@pytest.mark.parametrize(("status", "raised", "reason"), STATUSES, ids=[str(row[0]) for row in STATUSES])
def test_a_status_becomes_the_error_that_says_what_to_do(status, raised, reason):
    with pytest.raises(ConnectorError, match=f"^accounts: answered {status}$") as caught:
        answered(lambda _: httpx2.Response(status, headers={"Location": "https://evil.test"}, json={}))
    assert type(caught.value) is raised
    assert getattr(caught.value, "reason", None) == reason


def test_a_missing_account_is_not_a_missing_endpoint():
    with pytest.raises(AccountNotFoundError):
        answered(lambda _: httpx2.Response(404), account_id="a1")


WAITS = [
    ("seconds", {"Retry-After": "7"}, 7),
    ("fraction", {"Retry-After": " 1.5 "}, 1.5),
    ("negative", {"Retry-After": "-3"}, 0),
    ("absurd", {"Retry-After": "1e99"}, 7 * 86_400),
    ("nan", {"Retry-After": "nan"}, None),
    ("date-by-our-clock", {"Retry-After": "Sun, 15 Mar 2026 12:01:00 GMT"}, 60),
    (
        "date-by-their-clock",
        {"Retry-After": "Sun, 15 Mar 2026 09:00:30 GMT", "Date": "Sun, 15 Mar 2026 09:00:00 GMT"},
        30,
    ),
    ("past-date", {"Retry-After": "Sun, 15 Mar 2020 12:00:00 GMT"}, 0),
    ("words", {"Retry-After": "later"}, None),
    ("no-calendar-has-it", {"Retry-After": f"Sun, 15 Mar {'9' * 20} 12:00:00 GMT"}, None),
    ("endless", {"Retry-After": "9" * 100}, None),
    ("none", {}, None),
]


@pytest.mark.parametrize(("headers", "wait_s"), [row[1:] for row in WAITS], ids=[row[0] for row in WAITS])
def test_a_rate_limit_carries_what_the_provider_asked_for(headers, wait_s):
    with pytest.raises(RateLimitError) as caught:
        answered(lambda _: httpx2.Response(429, headers=headers))
    assert caught.value.retry_after_s == wait_s
    assert asked_wait_s(httpx2.Headers(headers), NOW) == wait_s


@pytest.mark.parametrize(
    ("content", "raised"),
    [
        pytest.param(b'{"accounts": [', InvalidDataError, id="truncated"),
        pytest.param(b"", ProviderUnavailableError, id="empty"),
        pytest.param(b"Service Unavailable", ProviderUnavailableError, id="plain-text"),
        pytest.param(b"\xef\xbb\xbf<html>", ProviderUnavailableError, id="web-page-with-mark"),
        pytest.param(b'{"a": "\xff"}', InvalidDataError, id="not-utf-8"),
        pytest.param(b"[" * 100_000, InvalidDataError, id="nested-without-end"),
        pytest.param(b"\n<!doctype html><h1>Maintenance", ProviderUnavailableError, id="web-page"),
    ],
)
def test_a_good_status_with_a_bad_body_is_not_data(content, raised):
    with pytest.raises(raised):
        answered(lambda _: httpx2.Response(200, content=content))


def test_a_provider_can_explain_its_own_errors_even_in_a_good_status():
    def explain(answer: ProviderResponse) -> ConnectorError | None:
        return RateLimitError("daily allowance", retry_after_s=9) if answer.body.get("error") == "SLOW" else None

    with pytest.raises(RateLimitError, match="daily allowance"):
        answered(lambda _: httpx2.Response(200, json={"error": "SLOW"}), explain)
    with pytest.raises(AuthenticationError):
        answered(lambda _: httpx2.Response(401, json={"error": "OTHER"}), explain)


def test_text_answers_need_no_json():
    with httpx2.Client(transport=httpx2.MockTransport(lambda _: httpx2.Response(200, text="https://x"))) as http:
        context = ConnectorContext(http=http, now=lambda: NOW)
        wanted = Request(method="POST", url="https://bank.test/claim", endpoint="claim")
        assert call_text(context, wanted).text == "https://x"


def test_a_request_names_its_endpoint_and_account_and_hides_the_login_of_the_url():
    seen: list[httpx2.Request] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return httpx2.Response(200, json={})

    answered(handler, url=f"https://user:{CANARY}@bank.test/x", account_id="a1", params=[("account", "1")])
    assert seen[0].extensions["endpoint"] == "accounts"
    assert seen[0].extensions["account_id"] == "a1"
    assert str(seen[0].url) == "https://bank.test/x?account=1"
    assert "authorization" not in seen[0].headers


@pytest.mark.parametrize(
    ("url", "secure"),
    [
        ("https://bank.test/x", True),
        ("http://127.0.0.1:8080/x", True),
        ("http://[::1]:8080/x", True),
        ("http://localhost/x", True),
        ("http://bank.test/x", False),
        ("http://localhost.bank.test/x", False),
        ("http://127.0.0.1.bank.test/x", False),
        ("ftp://127.0.0.1/x", False),
        ("file:///etc/passwd", False),
        ("bank.test", False),
        ("http://[::1", False),
    ],
)
def test_credentials_travel_over_tls_or_stay_on_this_machine(url, secure):
    assert is_secure(url) is secure


def test_nothing_is_sent_without_tls():
    with pytest.raises(ConnectorError, match="without TLS"):
        answered(lambda _: pytest.fail("it was sent"), url=f"http://u:{CANARY}@bank.test/")


ENDLESS = "HTTP/1.1 200 X\r\nContent-Length: 9999\r\n"
SCRIPTS = {
    "closed-at-once": (lambda _peer, _stop: None, ProviderUnavailableError),
    "closed-early": (sends(f'{ENDLESS}\r\n{{"a":'.encode()), ProviderUnavailableError),
    "not-http": (sends(b"220 smtp ready\r\n"), ProviderUnavailableError),
    "oversize": (sends(http_answer(200, b"1" * 10_001)), InvalidDataError),
    "bomb": (
        sends(http_answer(200, gzip.compress(b"1" * 5_000_000), "Content-Encoding: gzip")),
        InvalidDataError,
    ),
    "wrongly-compressed": (sends(http_answer(200, b"nonsense", "Content-Encoding: gzip")), InvalidDataError),
}


SLOW_SCRIPTS = {
    "hang": (hangs, ProviderUnavailableError),
    "drip-in-the-body": (drips(f"{ENDLESS}\r\n".encode()), ProviderUnavailableError),
    "drip-in-a-header": (drips(f"{ENDLESS}X-Slow: ".encode()), ProviderUnavailableError),
}


@pytest.mark.parametrize(
    ("script", "raised"), [*SCRIPTS.values(), *SLOW_SCRIPTS.values()], ids=[*SCRIPTS, *SLOW_SCRIPTS]
)
def test_a_misbehaving_server_is_left_without_a_trace_of_the_credentials(script, raised, caplog):
    """That it is left at all shows the deadline: the slow scripts go on until the server stops."""
    caplog.set_level(logging.DEBUG)
    limits = IMPATIENT if (script, raised) in SLOW_SCRIPTS.values() else PATIENT
    with raw_server(script) as url, pytest.raises(ConnectorError) as caught:
        ask(f"{url}/?token={CANARY}", limits)
    assert type(caught.value) is raised
    assert caught.value.__context__ is None
    assert CANARY not in "".join(traceback.format_exception(caught.value)) + caplog.text


def test_nobody_listening_is_a_provider_that_is_down():
    with raw_server(hangs) as url:
        pass
    with pytest.raises(ProviderUnavailableError, match="no connection"):
        ask(url)


def test_a_compressed_answer_is_read_and_the_client_introduces_itself():
    requests: list[bytes] = []

    def script(peer, _stop) -> None:
        requests.append(b"seen")
        peer.sendall(http_answer(200, gzip.compress(json.dumps({"a": 1}).encode()), "Content-Encoding: gzip"))

    with raw_server(script) as url:
        assert ask(url).body == {"a": 1}
    with open_client() as http:
        assert http.headers["user-agent"] == USER_AGENT
        assert http.follow_redirects is False
        assert http.trust_env is False


def test_proxies_in_the_environment_are_ignored(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    with raw_server(sends(http_answer())) as url:
        assert ask(url).body == {}


def test_another_transport_can_stand_around_the_bounded_one():
    class Recording(httpx2.BaseTransport):
        def __init__(self, inner):
            self.inner, self.endpoints = inner, []

        def handle_request(self, request):
            self.endpoints.append(request.extensions["endpoint"])
            return self.inner.handle_request(request)

    with raw_server(sends(http_answer())) as url, open_client(PATIENT, wrap=Recording) as http:
        context = ConnectorContext(http=http, now=lambda: NOW)
        call(context, Request(method="GET", url=url, endpoint="accounts"))
        assert http._transport.endpoints == ["accounts"]


def test_reprs_show_neither_address_nor_body():
    request = Request(method="GET", url=f"https://x/{CANARY}", endpoint="accounts", auth=("u", CANARY))
    answer = ProviderResponse(status=200, headers=httpx2.Headers(), content=CANARY.encode())
    assert repr(request) == "Request(GET accounts)"
    assert repr(answer) == "ProviderResponse(status=200)"
