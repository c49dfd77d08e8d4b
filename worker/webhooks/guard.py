"""Network backends that connect to public addresses only (protection against SSRF).

A host name is resolved once. The connection is refused unless every address is public, and goes to one of the checked
addresses: there is no second look-up that DNS rebinding could change. The name is still used for SNI and the
certificate. The caller bounds the whole exchange with a deadline; only connecting has a limit of its own here.
"""

import asyncio
import ssl
from collections.abc import Iterable, Sequence
from typing import Any

from httpcore2 import (
    SOCKET_OPTION,
    AsyncNetworkBackend,
    AsyncNetworkStream,
    ConnectError,
    ProxyError,
    ReadError,
    WriteError,
)

from worker.net.addresses import is_literal, vetted
from worker.webhooks.look_ups import Resolve
from worker.webhooks.target import EgressPolicy, is_local_name


class GuardedBackend(AsyncNetworkBackend):
    """Opens connections to public addresses only."""

    def __init__(self, policy: EgressPolicy, resolve: Resolve) -> None:
        self._policy = policy
        self._resolve = resolve

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the library's interface
        local_address: str | None = None,
        socket_options: Iterable[SOCKET_OPTION] | None = None,
    ) -> AsyncNetworkStream:
        """Connect to the vetted address of `host`.

        Raises: RefusedTargetError, ConnectError, TimeoutError, LookUpWaitsError.
        """
        del local_address, socket_options
        async with asyncio.timeout(timeout):
            return await _open_stream(await self._vetted_address(host, port), port)

    async def _vetted_address(self, host: str, port: int) -> str:
        addresses = [host] if is_literal(host) else await self._addresses(host, port)
        local = self._policy.allow_loopback and is_local_name(host)
        excepted = is_local_name if local else _none
        return vetted(addresses, denied=self._policy.denied, excepted=excepted)[0]

    async def _addresses(self, host: str, port: int) -> Sequence[str]:
        try:
            addresses = await self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise ConnectError("the host name does not resolve") from error
        if not addresses:
            raise ConnectError("the host name does not resolve")
        return addresses


def _none(_address: str) -> bool:
    return False


class DirectBackend(AsyncNetworkBackend):
    """Opens unchecked connections to the operator's egress proxy, which does the checking."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the library's interface
        local_address: str | None = None,
        socket_options: Iterable[SOCKET_OPTION] | None = None,
    ) -> AsyncNetworkStream:
        """Connect to the proxy. Raises: ProxyError, TimeoutError."""
        del local_address, socket_options
        try:
            async with asyncio.timeout(timeout):
                return await _open_stream(host, port)
        except ConnectError as error:
            raise ProxyError("the egress proxy does not answer") from error


async def _open_stream(address: str, port: int) -> AsyncNetworkStream:
    try:
        reader, writer = await asyncio.open_connection(address, port)
    except OSError as error:
        raise ConnectError("the connection was not accepted") from error
    return _Stream(reader, writer)


class _Stream(AsyncNetworkStream):
    """Adapts an asyncio stream to the HTTP library's interface."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - as above
        del timeout  # reads and writes are bounded by the caller's one deadline
        try:
            return await self._reader.read(max_bytes)
        except OSError as error:
            raise ReadError("the connection broke") from error

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 - as above
        del timeout
        try:
            self._writer.write(buffer)
            await self._writer.drain()
        except OSError as error:
            raise WriteError("the connection broke") from error

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - as above
    ) -> AsyncNetworkStream:
        try:
            async with asyncio.timeout(timeout):
                await self._writer.start_tls(ssl_context, server_hostname=server_hostname)
        except OSError as error:  # ssl.SSLError and certificate errors are OSErrors
            await self.aclose()
            raise ConnectError("TLS failed") from error
        return self

    async def aclose(self) -> None:
        # Abort instead of close: a peer that reads nothing must not keep the socket open.
        self._writer.transport.abort()

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401 - as above
        return self._writer.get_extra_info("ssl_object") if info == "ssl_object" else None
