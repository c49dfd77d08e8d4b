"""One POST against hostile receivers and hostile names: refused, bounded, never redirected."""

import asyncio
import gzip
import socket
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.certificates import write_certificate
from tests.waiting import PATIENCE_S
from tests.webhooks.conftest import LOOPBACK, reply
from worker.net.addresses import RefusedTargetError
from worker.webhooks.guard import GuardedBackend
from worker.webhooks.look_ups import LookUpWaitsError, system_resolver
from worker.webhooks.response import OURS, ReceiverResponse, ResponseCode
from worker.webhooks.target import EgressPolicy
from worker.webhooks.transport import MAX_RESPONSE_BYTES, Transport

BODY = b'{"x": 1}'


def post(transport: Transport, url: str) -> ReceiverResponse:
    return asyncio.run(transport.post(url, {"X-Webhook-Id": "evt_1"}, BODY))


def test_the_bytes_given_are_the_bytes_sent(receiver, transport):
    answer = post(transport, f"{receiver.url}?a=b%20c")
    assert (answer.code, answer.status, answer.head) == (ResponseCode.ANSWERED, 200, "ok")
    (request,) = receiver.received
    assert request.body == BODY
    assert request.headers["x-webhook-id"] == "evt_1"
    assert request.headers["accept-encoding"] == "identity"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["user-agent"].startswith("FinMind-Webhooks/")


def test_redirects_are_not_followed(receiver, make_receiver, transport):
    other = make_receiver()
    for location in (other.url, "http://169.254.169.254/latest/meta-data/"):
        receiver.answer = lambda _request, location=location: reply(302, headers=f"Location: {location}\r\n")
        assert post(transport, receiver.url).status == 302
    assert other.received == []


def test_proxies_of_the_environment_are_ignored(receiver, transport, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert post(transport, receiver.url).status == 200


async def drip(writer: asyncio.StreamWriter, start: bytes, piece: bytes) -> None:
    writer.write(start)
    while True:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0.05)


def test_a_drip_of_headers_ends_at_the_deadline(make_receiver):
    receiver = make_receiver(script=lambda writer: drip(writer, b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n"))
    transport = Transport(LOOPBACK, total_timeout_s=0.5)
    assert post(transport, receiver.url).code is ResponseCode.TIMEOUT
    transport.close()


def test_a_drip_of_the_body_ends_at_the_deadline_and_its_status_counts(make_receiver):
    head = b"HTTP/1.1 500 No\r\nContent-Length: 9999\r\n\r\n"
    receiver = make_receiver(script=lambda writer: drip(writer, head, b"."))
    transport = Transport(LOOPBACK, total_timeout_s=2)
    assert post(transport, receiver.url).status == 500
    transport.close()


def test_silence_ends_at_the_deadline(make_receiver):
    receiver = make_receiver(script=lambda _writer: asyncio.sleep(30))
    transport = Transport(LOOPBACK, total_timeout_s=0.3)
    answer = post(transport, receiver.url)
    assert answer.code is ResponseCode.TIMEOUT
    assert answer.duration_ms < 5000
    transport.close()


def test_a_look_up_that_hangs_ends_at_the_connect_timeout():
    async def resolve(_host, _port):
        await asyncio.sleep(30)

    transport = Transport(EgressPolicy(), connect_timeout_s=0.2, total_timeout_s=20, resolve=resolve)
    assert post(transport, "https://example.com/").code is ResponseCode.TIMEOUT
    transport.close()


def test_a_name_that_hangs_is_asked_for_once_and_who_found_no_thread_is_not_blamed(monkeypatch):
    asked, begun, answered = [], threading.Event(), threading.Event()

    def ask(name, _port, **_kind):
        asked.append(name)
        begun.set()
        answered.wait(PATIENCE_S)
        return [(None, None, None, None, ("203.0.113.7", 443))]

    monkeypatch.setattr(socket, "getaddrinfo", ask)

    async def look_up(executor) -> list[object]:
        resolve = system_resolver(executor)
        first = asyncio.create_task(resolve("silent.example", 443))
        assert await asyncio.to_thread(begun.wait, PATIENCE_S)
        second, other = (asyncio.create_task(resolve(name, 443)) for name in ("silent.example", "other.example"))
        await asyncio.sleep(0)
        for given_up in (second, other):
            given_up.cancel()
        ended = await asyncio.gather(second, other, return_exceptions=True)
        answered.set()
        return [await first, *map(type, ended)]

    with ThreadPoolExecutor(1) as executor:
        assert asyncio.run(look_up(executor)) == [["203.0.113.7"], asyncio.CancelledError, LookUpWaitsError]
    assert asked == ["silent.example."]


def test_no_thread_for_a_look_up_is_our_own_fault():
    async def resolve(_host, _port):
        raise LookUpWaitsError

    transport = Transport(EgressPolicy(), resolve=resolve)
    assert post(transport, "https://example.com/").code in OURS
    transport.close()


def test_a_gzip_bomb_is_neither_decoded_nor_read_to_its_end(receiver, transport):
    bomb = gzip.compress(bytes(64 * 1024 * 1024))
    receiver.answer = lambda _request: reply(200, headers="Content-Encoding: gzip\r\n", body=bomb)
    answer = post(transport, receiver.url)
    assert answer.status == 200
    assert len(answer.head) <= MAX_RESPONSE_BYTES
    assert "\x00" not in answer.head


def test_headers_without_end_are_refused(make_receiver, transport):
    async def flood(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        for _ in range(200):
            writer.write(b"X-Fill: " + b"a" * 60_000 + b"\r\n")
            await writer.drain()

    assert post(transport, make_receiver(script=flood).url).code is ResponseCode.BROKEN


def test_a_wait_beyond_the_calendar_is_none_and_the_answer_counts(receiver, transport):
    header = f"Retry-After: Mon, 01 Jan {'9' * 20} 00:00:00 GMT\r\n"
    receiver.answer = lambda _request: reply(200, headers=header)
    answer = post(transport, receiver.url)
    assert (answer.code, answer.status, answer.retry_after_s) == (ResponseCode.ANSWERED, 200, None)


@pytest.mark.parametrize("garbage", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b"\x00" * 100])
def test_what_is_not_http_is_a_broken_answer(make_receiver, transport, garbage):
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(garbage)
        await writer.drain()

    assert post(transport, make_receiver(script=answer).url).code is ResponseCode.BROKEN


def test_nobody_listening_is_a_failed_connection(transport):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/"
        assert post(transport, url).code is ResponseCode.CONNECT_FAILED


# --- the guard -------------------------------------------------------------------------------------------------------


PRODUCTION = EgressPolicy()


def vetted(addresses: list[str], policy: EgressPolicy = PRODUCTION) -> str:
    async def resolve(_host, _port):
        return addresses

    return asyncio.run(GuardedBackend(policy, resolve)._vetted_address("example.com", 443))


def test_a_public_answer_is_connected_to_ipv4_first():
    assert vetted(["2606:4700:4700::1111", "8.8.8.8"]) == "8.8.8.8"


@pytest.mark.parametrize(
    "addresses",
    [["127.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["2606:4700:4700::1111", "::1"], ["8.8.8.8", "169.254.169.254"]],
    ids=["private", "mixed", "mixed v6", "mixed metadata"],
)
@pytest.mark.parametrize("policy", [EgressPolicy(), LOOPBACK], ids=["production", "development"])
def test_one_answer_that_is_not_public_refuses_the_name(addresses, policy):
    with pytest.raises(RefusedTargetError):
        vetted(addresses, policy)


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f.1", "0177.0.0.1", "0", "localhost", "127.0.0.1", "::1"])
def test_every_spelling_of_this_machine_is_refused_at_connect(host):
    async def connect() -> None:
        async def resolve(name, port):
            return [entry[4][0] for entry in socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)]

        await GuardedBackend(EgressPolicy(), resolve).connect_tcp(host, 443)

    with pytest.raises(RefusedTargetError):
        asyncio.run(connect())


def test_rebinding_finds_nothing_to_rebind_because_there_is_one_look_up():
    answers = iter([["8.8.8.8"], ["127.0.0.1"]])
    asked = []

    async def resolve(host, _port):
        asked.append(host)
        return next(answers)

    class Recording(GuardedBackend):
        async def connect_tcp(self, host, port, **_options):
            raise ConnectionError(await self._vetted_address(host, port))

    async def connect() -> None:
        await Recording(EgressPolicy(), resolve).connect_tcp("example.com", 443)

    with pytest.raises(ConnectionError, match=r"8\.8\.8\.8"):
        asyncio.run(connect())
    assert asked == ["example.com"]
    with pytest.raises(RefusedTargetError):
        asyncio.run(connect())


def test_a_refused_name_says_nothing_about_where_it_leads():
    async def resolve(_host, _port):
        return ["10.1.2.3"]

    guarded = Transport(EgressPolicy(), resolve=resolve)
    answer = post(guarded, "https://example.com/")
    assert answer == ReceiverResponse(code=ResponseCode.NOT_ALLOWED, duration_ms=answer.duration_ms)
    guarded.close()


# --- TLS -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """A certificate for hooks.example.com, and the contexts of server and client."""
    path = write_certificate(tmp_path_factory.mktemp("tls") / "both.pem", "hooks.example.com")
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(path)
    return server, ssl.create_default_context(cafile=path)


class ToLoopback(GuardedBackend):
    """Vets the name as ever, then connects to a port of this machine in its stead."""

    port = 0

    async def _vetted_address(self, host: str, port: int) -> str:
        await super()._vetted_address(host, port)
        return "127.0.0.1"


@pytest.mark.parametrize(
    ("host", "code"), [("hooks.example.com", ResponseCode.ANSWERED), ("other.example.com", ResponseCode.CONNECT_FAILED)]
)
def test_the_certificate_is_checked_against_the_name(authority, host, code):
    server_tls, client_tls = authority

    async def resolve(_host, _port):
        return ["8.8.8.8"]

    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(len(BODY))
        writer.write(reply(200))
        await writer.drain()
        writer.close()

    async def exchange() -> ReceiverResponse:
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=server_tls)
        port = server.sockets[0].getsockname()[1]
        policy = EgressPolicy(ports=frozenset({port}))
        transport = Transport(policy, resolve=resolve, tls=client_tls)
        transport._backend = ToLoopback(policy, resolve)
        async with server:
            answer = await transport.post(f"https://{host}:{port}/", {}, BODY)
        transport.close()
        return answer

    assert asyncio.run(exchange()).code is code


# --- the egress proxy ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"HTTP/1.1 407 Denied\r\n\r\n", ResponseCode.NOT_ALLOWED),
        (b"HTTP/1.1 502 Unreachable\r\n\r\n", ResponseCode.CONNECT_FAILED),
        (b"HTTP/1.1 500 Broken\r\n\r\n", ResponseCode.PROXY_FAILED),
    ],
    ids=["denied", "unreachable", "broken"],
)
def test_the_egress_proxy_is_asked_and_its_faults_are_told_apart(line, code):
    asked = []

    async def proxy(reader, writer):
        asked.append((await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[0])
        writer.write(line)
        await writer.drain()
        writer.close()

    async def exchange() -> ReceiverResponse:
        server = await asyncio.start_server(proxy, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        transport = Transport(EgressPolicy(proxy_url=url))
        async with server:
            answer = await transport.post("https://hooks.example.com/", {}, BODY)
        transport.close()
        return answer

    assert asyncio.run(exchange()).code is code
    assert asked == [b"CONNECT hooks.example.com:443 HTTP/1.1"]


def test_a_proxy_that_is_down_is_the_operators_fault():
    transport = Transport(EgressPolicy(proxy_url="http://127.0.0.1:1"))
    assert post(transport, "https://hooks.example.com/").code is ResponseCode.PROXY_FAILED
    transport.close()
