"""Makes HTTP calls to providers and turns each response into data or a `ConnectorError`, for all connectors.

How long a call may take is in `worker.net.http`, `HttpLimits`.

No message, repr or traceback of what is raised here holds a URL, a header or a body: endpoints are named by a label,
and errors of the HTTP library are dropped, not chained, because they carry the request with its credentials.
"""

import codecs
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from typing import Any

import httpx2

from worker.connectors.base import ConnectorContext
from worker.connectors.errors import (
    AccountNotFoundError,
    AuthenticationError,
    ConnectorError,
    InvalidDataError,
    ProviderUnavailableError,
    RateLimitError,
)
from worker.connectors.json_answers import read_json
from worker.net.response_bodies import BodyTooLargeError
from worker.net.retry_after import retry_after_s

_LOGIN_REASONS = {401: "credentials", 402: "payment_required", 403: "revoked"}
_TRANSIENT = {408, 423, 425}
_GONE = {404, 410}
_FORBIDDEN = 403
_OF_A_FIREWALL = re.compile(rb"\s*error code: ?\d+", re.IGNORECASE)
"""How the body begins with which Cloudflare's firewall refuses a request. A web page may be the provider's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderResponse:
    """What the provider answered.

    Attributes:
        body: The JSON with its numbers as Decimals.
        readable: Whether there was any.
    """

    status: int
    headers: httpx2.Headers
    content: bytes
    body: Any = None
    readable: bool = False

    def __repr__(self) -> str:
        return f"ProviderResponse(status={self.status})"

    @property
    def text(self) -> str:
        """The body as text, for the few answers that are not JSON."""
        return self.content.decode("utf-8", errors="replace")

    @property
    def ok(self) -> bool:
        """Whether the status promises data."""
        return 200 <= self.status < 300  # noqa: PLR2004 - RFC 9110, section 15.3


Explain = Callable[[ProviderResponse], ConnectorError | None]
"""What a provider's own error body means; None leaves it to the status."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One call to a provider.

    Attributes:
        endpoint: Short label that names the call in messages, quotas and limits, such as `transactions`.
        auth: User and password for basic authentication, or what signs the request.
        json: Body as JSON; form: body as a form.
    """

    method: str
    url: str | httpx2.URL
    endpoint: str
    account_id: str | None = None
    params: Sequence[tuple[str, str]] = ()
    headers: Mapping[str, str] | None = None
    auth: tuple[str, str] | httpx2.Auth | None = None
    json: Any = None
    form: Mapping[str, str] | None = None
    changes_credentials: bool = False

    def __repr__(self) -> str:
        return f"Request({self.method} {self.endpoint})"


def call(context: ConnectorContext, request: Request, explain: Explain | None = None) -> ProviderResponse:
    """Make one request and return an answer whose status and JSON are good.

    Raises: RateLimitError, AuthenticationError, ProviderUnavailableError, AccountNotFoundError, InvalidDataError, and
    ConnectorError for anything that only a change of code can mend; `explain` may turn any answer into its own error.
    """
    answer = call_text(context, request, explain)
    if not answer.readable:
        if answer.content.removeprefix(codecs.BOM_UTF8).lstrip()[:1] in {b"{", b"["}:
            raise InvalidDataError(f"{request.endpoint}: answered with something that is not JSON")
        raise ProviderUnavailableError(f"{request.endpoint}: answered with a web page or nothing")
    return answer


def call_text(context: ConnectorContext, request: Request, explain: Explain | None = None) -> ProviderResponse:
    """Make one request whose answer need not be JSON. Raises: as `call`, except for the shape of the body."""
    if not is_secure(request.url):
        raise ConnectorError(f"{request.endpoint}: refused to send credentials without TLS")
    answer = _exchange(context.http, request)
    if isinstance(answer, ConnectorError):
        raise answer
    error = explain(answer) if explain else None
    error = error or error_of_status(answer, request.endpoint, context.now(), request.account_id)
    if error is not None:
        raise error
    return answer


def is_secure(url: str | httpx2.URL) -> bool:
    """Say whether credentials may travel to `url`: over TLS, or without leaving this machine."""
    try:
        parsed = httpx2.URL(url)
    except httpx2.InvalidURL:
        return False
    return bool(parsed.host) and (parsed.scheme == "https" or (parsed.scheme == "http" and _is_loopback(parsed.host)))


def asked_wait_s(headers: httpx2.Headers, now: datetime) -> float | None:
    """Return how long a provider asks to be left alone (s); None when it says nothing."""
    return retry_after_s(headers.get("retry-after", ""), now, sent=headers.get("date", ""))


def _exchange(http: httpx2.Client, request: Request) -> ProviderResponse | ConnectorError:
    """Send and read; failures come back as values, so that nothing of the library's error stays attached."""
    try:
        response = http.request(
            request.method,
            _without_login(request.url),
            params=tuple(request.params),
            headers=request.headers,
            auth=request.auth,
            json=request.json,
            data=request.form,
            follow_redirects=False,
            extensions={
                "endpoint": request.endpoint,
                "account_id": request.account_id,
                "uninterrupted": request.changes_credentials,
            },
        )
    except httpx2.TimeoutException:
        return ProviderUnavailableError(f"{request.endpoint}: no whole answer in time")
    except (BodyTooLargeError, httpx2.DecodingError):
        return InvalidDataError(f"{request.endpoint}: the answer is too large or wrongly compressed")
    except (httpx2.UnsupportedProtocol, httpx2.LocalProtocolError, httpx2.InvalidURL):
        return ConnectorError(f"{request.endpoint}: the request itself is malformed")
    except httpx2.TransportError as error:
        return ProviderUnavailableError(f"{request.endpoint}: no connection ({type(error).__name__})")
    return _read(response)


def _read(response: httpx2.Response) -> ProviderResponse:
    try:
        body, readable = read_json(response.content), True
    except (ValueError, RecursionError):
        body, readable = None, False
    return ProviderResponse(
        status=response.status_code,
        headers=response.headers,
        content=response.content,
        body=body,
        readable=readable,
    )


def error_of_status(
    answer: ProviderResponse, endpoint: str, now: datetime, account_id: str | None
) -> ConnectorError | None:
    """Return the error that the status of an answer alone means, None for a good one."""
    message = f"{endpoint}: answered {answer.status}"
    match answer.status:
        case status if answer.ok:
            return None
        case 429:
            return RateLimitError(message, retry_after_s=asked_wait_s(answer.headers, now))
        case status if status in _LOGIN_REASONS and not (status == _FORBIDDEN and _OF_A_FIREWALL.match(answer.content)):
            return AuthenticationError(message, reason=_LOGIN_REASONS[status])
        case status if status in {*_TRANSIENT, _FORBIDDEN} or status < 400 or status >= 500:  # noqa: PLR2004 - also a redirect
            return ProviderUnavailableError(message)
        case status if status in _GONE and account_id is not None:
            return AccountNotFoundError(message)
        case _:
            return ConnectorError(message)


def _without_login(url: str | httpx2.URL) -> httpx2.URL:
    """Drop `user:password@`: it belongs into `auth`, which no log ever shows."""
    return httpx2.URL(url).copy_with(username=None, password=None)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
