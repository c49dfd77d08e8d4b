"""Checks which error is raised for every kind of failure at every kind of request."""

from collections.abc import Iterator
from dataclasses import dataclass

import httpx2

from worker.connectors.base import BankConnector, Transaction
from worker.connectors.errors import (
    AuthenticationError,
    ConnectorError,
    InvalidDataError,
    ProviderUnavailableError,
    RateLimitError,
)
from worker.connectors.testing.check import check, expect, http, own_faults
from worker.connectors.testing.scenes import many
from worker.connectors.testing.subject import Subject, rows_of
from worker.connectors.testing.transport import Fault, RunawayError, answers, breaks, drips

_ASKED_S = 40.0
_DATE, _UNTIL = "Tue, 19 May 2026 14:30:00 GMT", "Tue, 19 May 2026 14:30:40 GMT"
_WEB_PAGE = b"<!doctype html><html><body><h1>We will be back soon</h1></body></html>"

_LIMITED = (
    answers("429 with seconds", 429, Retry_After="40"),
    answers("429 with a date", 429, Retry_After=_UNTIL, Date=_DATE),
    answers("429 without a word", 429),
)
_REFUSED = (answers("401", 401), answers("402", 402), answers("403", 403), answers("403 as a web page", 403, _WEB_PAGE))
_DOWN = (
    *(answers(str(status), status) for status in (408, 500, 502, 503, 504)),
    answers("503 as a web page", 503, _WEB_PAGE),
    breaks("nobody listening", httpx2.ConnectError("refused")),
    breaks("a closed connection", httpx2.RemoteProtocolError("closed early")),
)
_SLOW = (breaks("a hang", httpx2.ReadTimeout("silence")), drips("a slow drip"))
_UNREADABLE = (
    answers("truncated JSON", 200, b'{"accounts": [{"id": "1", "transac'),
    answers("a web page instead of JSON", 200, _WEB_PAGE),
    answers("an empty answer", 200, b""),
    answers("null instead of an object", 200, b"null"),
    answers("a number instead of an object", 200, b"7"),
    answers("a list of numbers", 200, b"[1, 2]"),
)


@check(http)
def rate_limits_are_said_with_their_wait(subject: Subject) -> None:
    for fault in _LIMITED:
        for error in _outcomes(subject, fault):
            _expect_kind(error, fault, RateLimitError)
            expected = _ASKED_S if "Retry-After" in fault.answer(_ANY).headers else None
            found = getattr(error, "retry_after_s", None)
            expect(found == expected, f"{fault.name}: retry_after_s should be {expected}, is {found}")


@check(http)
def refusals_ask_for_the_user(subject: Subject) -> None:
    for fault in _REFUSED:
        if fault.answer(_ANY).status_code in subject.spec.own_statuses:
            continue
        for error in _outcomes(subject, fault):
            _expect_kind(error, fault, AuthenticationError)


@check(http)
def outages_are_the_providers(subject: Subject) -> None:
    for fault in _DOWN:
        for error in _outcomes(subject, fault):
            _expect_kind(error, fault, ProviderUnavailableError)


@check(http)
def slowness_is_bounded(subject: Subject) -> None:
    for fault in _SLOW:
        for error in _outcomes(subject, fault):
            _expect_kind(error, fault, ProviderUnavailableError)
    limits = [pair for one in subject.transport.requests for pair in one.extensions.get("timeout", {}).items()]
    unbounded = [name for name, limit in limits if limit is None]
    expect(not unbounded, f"a request switches off the timeouts of its client: {sorted(set(unbounded))}")


@check(http)
def unreadable_answers_are_not_data(subject: Subject) -> None:
    for fault in _UNREADABLE:
        for error in _outcomes(subject, fault):
            _expect_kind(error, fault, InvalidDataError, ProviderUnavailableError)


@check(http)
def redirects_are_not_followed(subject: Subject) -> None:
    fault = answers("a redirect to another host", 302, Location="https://elsewhere.test/collect")
    for error in _outcomes(subject, fault):
        _expect_kind(error, fault, ConnectorError)
    hosts = {request.url.host for request in subject.transport.requests}
    expect("elsewhere.test" not in hosts, "a redirect was followed; it would carry the credentials along")


@check(http, own_faults)
def the_providers_own_errors_are_understood(subject: Subject) -> None:
    for name, (answer, kind) in subject.spec.faults.items():
        fault = Fault(name=name, answer=answer)
        for error in _outcomes(subject, fault, subject.spec.fault_endpoints.get(name)):
            _expect_kind(error, fault, kind)


_ANY = httpx2.Request("GET", "https://bank.test")


def _expect_kind(error: BaseException | None, fault: Fault, *kinds: type[ConnectorError]) -> None:
    wanted = " or ".join(kind.__name__ for kind in kinds)
    expect(error is not None, f"{fault.name}: nothing was raised, as if all were well; should be {wanted}")
    expect(isinstance(error, kinds), f"{fault.name}: raised {type(error).__name__}, should be {wanted}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Whole:
    """A delivery that raised nothing: its rows and warnings."""

    rows: tuple[Transaction, ...] = ()
    warnings: frozenset[str] = frozenset()

    def is_warned_of_in(self, other: "_Whole") -> bool:
        """Whether `other` has the same rows, and a new warning that something else, such as a balance, is missing."""
        return other.rows == self.rows and bool(other.warnings - self.warnings)


def _outcomes(
    subject: Subject, fault: Fault, endpoints: frozenset[str] | None = None
) -> Iterator[BaseException | None]:
    """Meet the fault from the first and from the last request of each kind on; yield what was raised, if anything.

    Args:
        endpoints: Kinds of requests that the fault belongs to; None: all.
    """
    if not subject.ledger.entries():
        many(subject, count=3)
    subject.transport.requests.clear()
    subject.transport.fault = None
    usual = _deliver(subject)
    for number in _turning_points(subject.transport.requests, endpoints):
        subject.transport.requests.clear()
        subject.transport.fault, subject.transport.fail_from = fault, number
        outcome = _deliver(subject)
        if not isinstance(outcome, _Whole):
            yield outcome
        elif not (isinstance(usual, _Whole) and usual.is_warned_of_in(outcome)):
            yield None


def _turning_points(requests: list[httpx2.Request], endpoints: frozenset[str] | None) -> list[int]:
    kinds = [request.extensions.get("endpoint") or request.url.path for request in requests]
    first = {kind: number for number, kind in reversed(list(enumerate(kinds)))}
    last = {kind: number for number, kind in enumerate(kinds)}
    return sorted({at[kind] for at in (first, last) for kind in at if endpoints is None or kind in endpoints})


def _deliver(subject: Subject) -> BaseException | _Whole:
    try:
        with subject.opened() as connector:
            connector.list_accounts()
            return _fetch(subject, connector)
    except (Exception, RunawayError) as error:  # noqa: BLE001 - the check is about any error
        return error


def _fetch(subject: Subject, connector: BankConnector) -> BaseException | _Whole:
    by_cursor = subject.capabilities.cursor_scope is not None
    pages = subject.sync({}).pages if by_cursor else list(subject.pages(connector, subject.window()))
    failure = next((failure.error for page in pages for failure in page.failures), None)
    warnings = frozenset(warning for page in pages for warning in page.warnings)
    return failure or _Whole(rows=tuple(rows_of(pages)), warnings=warnings)
