"""A vault, subscriptions, and receivers on loopback that remember what they got."""

import asyncio
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from tests.waiting import PATIENCE_S
from worker.credentials import generate_key, open_vault
from worker.db.engine import Sessions
from worker.settings import Settings
from worker.webhooks.breaker import BreakerPolicy
from worker.webhooks.delivery import DeliveryContext, DeliveryPolicy, DeliveryReport, deliver_due
from worker.webhooks.subscriptions import NewSecret, SubscriptionPolicy, Wanted, subscribe
from worker.webhooks.target import EgressPolicy
from worker.webhooks.transport import Transport

LOOPBACK = EgressPolicy(allow_loopback=True)


@pytest.fixture
def vault():
    keys = Settings(
        database_url="postgresql://unused", redis_url="redis://unused", credential_keys=generate_key(), _env_file=None
    )
    return open_vault(keys)


@dataclass
class Received:
    """One request as it came over the wire; header names in small letters."""

    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """A raw HTTP server; `answer` makes the bytes to send back, or drives the connection itself."""

    port: int = 0
    received: list[Received] = field(default_factory=list)
    answer: Callable[[Received], bytes] = lambda _request: reply(200)
    script: Callable[[asyncio.StreamWriter], object] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            lines = [line.split(": ", 1) for line in head.split("\r\n")[1:] if line]
            headers = {name.lower(): value for name, value in lines}
            body = await reader.readexactly(int(headers["content-length"]))
            self.received.append(Received(headers, body))
            if self.script is not None:
                await self.script(writer)
            else:
                writer.write(self.answer(self.received[-1]))
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


def reply(status: int, *, headers: str = "", body: bytes = b"ok") -> bytes:
    """Return a whole HTTP answer."""
    return f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


@pytest.fixture
def make_receiver() -> Iterator[Callable[..., Receiver]]:
    """Start receivers, all in one thread, and stop them after the test."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    servers = []

    def make(**options) -> Receiver:
        receiver = Receiver(**options)

        async def start() -> asyncio.Server:
            return await asyncio.start_server(receiver.serve, "127.0.0.1", 0)

        server = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
        receiver.port = server.sockets[0].getsockname()[1]
        servers.append(server)
        return receiver

    yield make

    async def stop() -> None:
        for server in servers:
            server.close()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run_coroutine_threadsafe(stop(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


@pytest.fixture
def receiver(make_receiver) -> Receiver:
    """One receiver that answers 200."""
    return make_receiver()


@pytest.fixture
def transport() -> Iterator[Transport]:
    """A transport for loopback whose limits no receiver of these tests is too slow for."""
    made = Transport(LOOPBACK, connect_timeout_s=PATIENCE_S, total_timeout_s=PATIENCE_S)
    yield made
    made.close()


@pytest.fixture
def add_subscription(sessions: Sessions, vault, user_id) -> Callable[..., NewSecret]:
    """Make a subscription of the user."""

    def add(url: str, **wanted) -> NewSecret:
        with sessions() as session:
            owner = wanted.pop("user_id", user_id)
            policy = SubscriptionPolicy(egress=LOOPBACK)
            return subscribe(session, vault, owner, Wanted(url=url, **wanted), policy=policy)

    return add


@pytest.fixture
def deliver(sessions: Sessions, vault, transport) -> Callable[..., DeliveryReport]:
    """Deliver what is due, in this process."""

    def run(*, sender=None, stopping=lambda: False, **policy) -> DeliveryReport:
        parts = DeliveryContext(
            sessions=sessions,
            vault=vault,
            sender=sender or transport,
            policy=DeliveryPolicy(**{"claim_for_s": PATIENCE_S} | policy),
            stopping=stopping,
        )
        return deliver_due(parts)

    return run


EXPENSE = {
    "id": 1,
    "amount": "12.50",
    "currency": "EUR",
    "expense_type": "EXPENSE",
    "description": "Coffee",
    "date": "2026-11-20",
    "category_id": None,
    "run_id": None,
}

NO_BREAKER = BreakerPolicy(threshold=1_000_000)


@pytest.fixture
def publish(sessions: Sessions, user_id) -> Callable[..., None]:
    """Write an `expense.created` event, or another."""
    from worker import outbox

    def write(event_type: str = "expense.created", dedup_key: str | None = None, **data) -> None:
        with sessions() as session:
            outbox.publish(session, data.pop("user_id", user_id), event_type, EXPENSE | data, dedup_key)

    return write


@pytest.fixture
def rows(sessions: Sessions) -> Callable[[str], list]:
    """Run one SELECT and return its rows as tuples."""
    from sqlalchemy import text

    def select(statement: str, **parameters) -> list:
        with sessions() as session:
            return [tuple(row) for row in session.execute(text(statement), parameters)]

    return select


@pytest.fixture
def execute(sessions: Sessions) -> Callable[[str], None]:
    """Run one statement."""
    from sqlalchemy import text

    def run(statement: str, **parameters) -> None:
        with sessions() as session:
            session.execute(text(statement), parameters)

    return run


@pytest.fixture
def other_user_id(sessions: Sessions) -> int:
    """Somebody else."""
    from sqlalchemy import text

    with sessions() as session:
        email = f"{uuid.uuid4().hex}@example.test"
        statement = "INSERT INTO users (email, password_hash) VALUES (:email, 'x') RETURNING id"
        return session.execute(text(statement), {"email": email}).scalar_one()
