"""Loopback endpoints in a process of their own: each answers 204, or hangs, and remembers what arrived.

    python -m benchmarks.receivers COUNT HANGING

Prints its ports as JSON; each line on stdin is answered with `{total, ids}`: how many requests and
how many distinct events came since the line before.
"""

import asyncio
import json
import sys

_ANSWER = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"
_ID = b"X-Webhook-Id: "


class Endpoint(asyncio.Protocol):
    """One connection: one request, one answer."""

    def __init__(self, seen: list[bytes], *, hangs: bool) -> None:
        self._seen, self._hangs, self._received = seen, hangs, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, complete, body = self._received.partition(b"\r\n\r\n")
        if not complete or not body.endswith(b"}}"):
            return
        if not self._hangs:
            self._seen.append(head.partition(_ID)[2][:36])
            assert isinstance(self._transport, asyncio.WriteTransport)
            self._transport.write(_ANSWER)
            self._transport.close()


async def serve(count: int, hanging: int) -> None:
    loop, seen, ports = asyncio.get_running_loop(), list[bytes](), []
    for number in range(count):
        hangs = number < hanging
        server = await loop.create_server(lambda h=hangs: Endpoint(seen, hangs=h), "127.0.0.1", 0, backlog=512)
        ports.append(server.sockets[0].getsockname()[1])
    print(json.dumps(ports), flush=True)
    while await loop.run_in_executor(None, sys.stdin.readline):
        print(json.dumps({"total": len(seen), "ids": len(set(seen))}), flush=True)
        seen.clear()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2])))
