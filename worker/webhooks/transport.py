"""Sends one webhook POST: to public addresses only, bounded in time and size, without redirects.

Failures are returned as a response, not raised.
"""

import asyncio
import ssl
import time
from collections.abc import AsyncIterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

from httpcore2 import (
    URL,
    AsyncConnectionPool,
    AsyncHTTPConnection,
    ConnectError,
    NetworkError,
    ProtocolError,
    Proxy,
    ProxyError,
    Request,
    Response,
    default_ssl_context,
)

from worker import __version__
from worker.net.addresses import RefusedTargetError
from worker.net.retry_after import retry_after_s
from worker.webhooks.guard import DirectBackend, GuardedBackend
from worker.webhooks.look_ups import LookUpWaitsError, Resolve, system_resolver
from worker.webhooks.response import ReceiverResponse, ResponseCode
from worker.webhooks.target import EgressPolicy, WebhookTarget, parse_target

MAX_RESPONSE_BYTES = 16 * 1024
_LOOK_UPS = 128
"""Names that are asked for at once: a thread each, made when it is needed."""

USER_AGENT = f"FinMind-Webhooks/{__version__}"


# Statuses of a CONNECT proxy that refuses or cannot reach the destination; any other is the proxy's own failure.
_PROXY_REFUSALS = {
    "403": ResponseCode.NOT_ALLOWED,
    "407": ResponseCode.NOT_ALLOWED,
    "502": ResponseCode.CONNECT_FAILED,
    "504": ResponseCode.CONNECT_FAILED,
}

# Why there was no connection.
_UNREACHED: Mapping[type[Exception], ResponseCode] = {
    RefusedTargetError: ResponseCode.NOT_ALLOWED,
    LookUpWaitsError: ResponseCode.NOT_LOOKED_UP,
    ConnectError: ResponseCode.CONNECT_FAILED,
}


class Transport:
    """Sends signed requests, each over a connection of its own, so that subscribers share none.

    Args:
        connect_timeout_s: Bound of look-up, TCP and TLS together.
        total_timeout_s: Bound of the whole exchange.
    """

    def __init__(
        self,
        policy: EgressPolicy,
        *,
        connect_timeout_s: float = 5,
        total_timeout_s: float = 15,
        resolve: Resolve | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._policy = policy
        self._connect_timeout_s = connect_timeout_s
        self._total_timeout_s = total_timeout_s
        self._resolvers = ThreadPoolExecutor(_LOOK_UPS, thread_name_prefix="webhook-resolver")
        self._backend = GuardedBackend(policy, resolve or system_resolver(self._resolvers))
        self._proxy = Proxy(policy.proxy_url) if policy.proxy_url else None
        self._tls = tls or default_ssl_context()

    def close(self) -> None:
        """Stop the resolver's threads without waiting for a look-up that hangs."""
        self._resolvers.shutdown(wait=False, cancel_futures=True)

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> ReceiverResponse:
        """Send `body` unchanged and return the response or the failure; only cancellation is raised."""
        started_s = time.monotonic()
        answer = await self._answer(url, headers, body)
        return replace(answer, duration_ms=round((time.monotonic() - started_s) * 1000))

    async def _answer(self, url: str, headers: Mapping[str, str], body: bytes) -> ReceiverResponse:
        heads: list[ReceiverResponse] = []
        try:
            async with asyncio.timeout(self._total_timeout_s):
                return await self._exchange(url, headers, body, heads)
        except TimeoutError:
            # A status that arrived in time counts, even when the body does not end.
            return heads[0] if heads else ReceiverResponse(code=ResponseCode.TIMEOUT)
        except ProxyError as error:
            return ReceiverResponse(code=_PROXY_REFUSALS.get(str(error)[:3], ResponseCode.PROXY_FAILED))
        except tuple(_UNREACHED) as error:
            return ReceiverResponse(code=_UNREACHED[type(error)])
        except (NetworkError, ProtocolError):
            return heads[0] if heads else ReceiverResponse(code=ResponseCode.BROKEN)

    async def _exchange(
        self, url: str, headers: Mapping[str, str], body: bytes, heads: list[ReceiverResponse]
    ) -> ReceiverResponse:
        target = parse_target(url, self._policy)
        connection = self._connection(target)
        try:
            response = await connection.handle_async_request(self._request(target, headers, body))
            heads.append(_head_of(response))
            return replace(heads[0], head=await _read_head(response))
        finally:
            await connection.aclose()

    def _connection(self, target: WebhookTarget) -> AsyncHTTPConnection | AsyncConnectionPool:
        if self._proxy is not None:
            return AsyncConnectionPool(ssl_context=self._tls, proxy=self._proxy, network_backend=DirectBackend())
        return AsyncHTTPConnection(_url(target).origin, ssl_context=self._tls, network_backend=self._backend)

    def _request(self, target: WebhookTarget, headers: Mapping[str, str], body: bytes) -> Request:
        fixed = {
            "Host": target.authority,
            "User-Agent": USER_AGENT,
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            "Accept-Encoding": "identity",
            "Connection": "close",
        }
        timeouts = {"connect": self._connect_timeout_s}
        pairs = [(name.encode(), value.encode()) for name, value in (fixed | dict(headers)).items()]
        return Request("POST", _url(target), headers=pairs, content=body, extensions={"timeout": timeouts})


def _url(target: WebhookTarget) -> URL:
    host, path = target.host.encode(), target.path.encode()
    return URL(scheme=target.scheme.encode(), host=host, port=target.port, target=path)


def _head_of(response: Response) -> ReceiverResponse:
    """Return status and Retry-After of a response whose body is not read yet."""
    retry_after = next((value for name, value in response.headers if name.lower() == b"retry-after"), b"")
    return ReceiverResponse(
        code=ResponseCode.ANSWERED,
        status=response.status,
        retry_after_s=retry_after_s(retry_after.decode("latin-1"), datetime.now(UTC)),
    )


async def _read_head(response: Response) -> str:
    """Return at most 16 KiB of the body, not decompressed and without NUL, which Postgres cannot store."""
    raw = bytearray()
    assert isinstance(response.stream, AsyncIterable)
    async for chunk in response.stream:
        raw += chunk
        if len(raw) >= MAX_RESPONSE_BYTES:
            break
    return bytes(raw[:MAX_RESPONSE_BYTES]).decode("utf-8", "replace").replace("\x00", "\ufffd")
