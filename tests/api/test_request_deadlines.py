"""Clients that send a header or a body without end are told so and let go, beside others that are served."""

import http.client
import socket
from contextlib import ExitStack

import pytest
from fastapi import FastAPI, Request

from tests.api.serving import serving
from worker.api.request_deadlines import PromptRequestProtocol


class Hasty(PromptRequestProtocol):
    header_s, body_s, bytes_per_s = 0.3, 0.3, 1_000_000


@pytest.fixture(scope="module")
def port():
    app = FastAPI()

    @app.post("/")
    async def length(request: Request) -> int:
        return len(await request.body())

    @app.post("/unread")
    async def unread() -> str:
        return "served"

    with serving(app, Hasty) as port:
        yield port


def opened(port, sent=b""):
    peer = socket.create_connection(("127.0.0.1", port), timeout=60)
    peer.sendall(sent)
    return peer


def everything(peer):
    parts = []
    while part := peer.recv(65_536):
        parts.append(part)
    return b"".join(parts)


POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n"


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"POST / HTTP/1.1\r\nHo",
        POST,
        POST + b"123",
        POST.replace(b"Content-Length: 10", b"Transfer-Encoding: chunked"),
    ],
    ids=["silent", "half a header", "no body", "half a body", "no chunk"],
)
def test_a_request_that_does_not_arrive_is_answered_408(port, sent):
    with opened(port, sent) as peer:
        assert everything(peer).startswith(b"HTTP/1.1 408 ")


def test_a_second_request_on_a_connection_has_its_own_time(port):
    with opened(port, POST + b"1234567890") as peer:
        assert peer.recv(65_536).startswith(b"HTTP/1.1 200 ")
        peer.sendall(POST[:20])
        assert b"HTTP/1.1 408 " in everything(peer)


def test_a_body_that_nobody_reads_has_its_time_too(port):
    with opened(port, POST.replace(b" / ", b" /unread ")) as peer:
        assert b"served" in everything(peer)


def test_others_are_served_while_slow_clients_wait_and_a_large_body_has_the_time_it_needs(port):
    with ExitStack() as stack:
        slow = [stack.enter_context(opened(port, POST[:20])) for _ in range(50)]
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        client.request("POST", "/", body=b"x" * 8_000_000)
        assert client.getresponse().read() == b"8000000"
        client.close()
        assert all(everything(peer).startswith(b"HTTP/1.1 408 ") for peer in slow)
