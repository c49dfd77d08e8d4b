"""Deliveries beside a bare loop of signed POSTs; time to the first attempt; hanging endpoints; kills.

    python -m benchmarks.webhooks [--events 20000] [--rate 100] [--kills 200]

Prints ratios and writes benchmarks/results/webhooks.json. Needs nothing running. The bare loop is the same transport
with bodies of the same size: one after the other, and as many at once as the pump has places. Kills fall at random
moments on a process that delivers; the receivers, not the tables, say what arrived.
"""

import argparse
import asyncio
import json
import logging
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from statistics import quantiles
from typing import IO

import structlog
from sqlalchemy import text

from benchmarks.results import print_and_keep
from benchmarks.servers import servers
from worker.credentials import LocalKeyring
from worker.credentials.envelope import EnvelopeVault
from worker.db.engine import Sessions, open_engine, open_sessions
from worker.schema.apply import apply_schema
from worker.webhooks.claiming import ClaimPolicy
from worker.webhooks.delivery import DeliveryContext, DeliveryPolicy, deliver_due
from worker.webhooks.retry import RetryPolicy
from worker.webhooks.signing import Message, signed_headers
from worker.webhooks.subscriptions import SubscriptionPolicy, Wanted, subscribe
from worker.webhooks.target import EgressPolicy
from worker.webhooks.transport import Transport

ENDPOINTS = 100
VAULT = EnvelopeVault([LocalKeyring({"k1": os.urandom(32)})], primary_key_id="k1")
EGRESS = EgressPolicy(allow_loopback=True)
POLICY = DeliveryPolicy(claim=ClaimPolicy(rate_per_s=1_000_000), claim_for_s=600)
BODY = b'{"id":"evt_%s","type":"expense.created","data":{"description":"%s"}}' % (b"0" * 32, b"x" * 300)
TICK_S = 1.0

_EVENTS = text(
    """
    INSERT INTO webhook_events (user_id, type, api_version, data)
    SELECT 1 + (:first + n) % :endpoints, 'expense.created', '2026-11-01', jsonb_build_object(
      'id', n, 'amount', '12.50', 'currency', 'EUR', 'expense_type', 'EXPENSE', 'description', repeat('x', 160),
      'date', '2026-11-20', 'category_id', NULL, 'run_id', NULL)
    FROM generate_series(1, :count) AS n
    """
)
_WAITS = text(
    """
    SELECT extract(epoch FROM min(a.started_at) - e.occurred_at) AS wait_s, s.url
    FROM webhook_events e JOIN webhook_deliveries d ON d.event_id = e.id JOIN webhook_attempts a ON a.delivery_id = d.id
    JOIN webhook_subscriptions s ON s.id = d.subscription_id GROUP BY e.id, s.url
    """
)


@dataclass
class Receivers:
    """The endpoints, and what they say arrived since they were last asked."""

    ports: list[int]
    asked: IO[str]
    answers: IO[str]

    def arrived(self) -> dict[str, int]:
        self.asked.write("\n")
        self.asked.flush()
        counts: dict[str, int] = json.loads(self.answers.readline())
        return counts


@contextmanager
def receivers(hanging: int = 0) -> Iterator[Receivers]:
    command = [sys.executable, "-m", "benchmarks.receivers", str(ENDPOINTS), str(hanging)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield Receivers(json.loads(process.stdout.readline()), process.stdin, process.stdout)
        process.stdin.close()


def prepare(sessions: Sessions, ports: list[int]) -> list[str]:
    """Start anew with one user and one subscription per endpoint; return the secrets."""
    with sessions() as session:
        session.execute(text("TRUNCATE users RESTART IDENTITY CASCADE"))
        session.execute(
            text("INSERT INTO users (email, password_hash) SELECT n, 'x' FROM generate_series(1, 100) AS n")
        )
        policy = SubscriptionPolicy(egress=EGRESS)
        made = [
            subscribe(session, VAULT, user_id, Wanted(url=f"http://127.0.0.1:{port}/"), policy=policy)
            for user_id, port in enumerate(ports, 1)
        ]
    return [subscription.secret for subscription in made]


def write_events(sessions: Sessions, count: int, first: int = 0) -> None:
    """Write events for one user after the other, from user `first` on."""
    with sessions() as session:
        session.execute(_EVENTS, {"count": count, "endpoints": ENDPOINTS, "first": first})


def parts(sessions: Sessions, transport: Transport, policy: DeliveryPolicy = POLICY) -> DeliveryContext:
    return DeliveryContext(sessions=sessions, vault=VAULT, sender=transport, policy=policy)


def bare_loop(transport: Transport, ports: list[int], secrets: list[str], count: int, *, at_once: int) -> float:
    """Sign and send `count` bodies and return how many a second."""

    async def send(number: int, places: asyncio.Semaphore) -> None:
        async with places:
            message = Message(event_id="evt_" + "0" * 32, event_type="expense.created", attempt=1, body=BODY)
            headers = signed_headers(message, [secrets[number % ENDPOINTS]], int(time.time()))
            answer = await transport.post(f"http://127.0.0.1:{ports[number % ENDPOINTS]}/", headers, BODY)
            assert answer.status == 204, answer

    async def all_of_them() -> None:
        places = asyncio.Semaphore(at_once)
        if at_once == 1:
            for number in range(count):
                await send(number, places)
        else:
            await asyncio.gather(*(send(number, places) for number in range(count)))

    started_s = time.perf_counter()
    asyncio.run(all_of_them())
    return count / (time.perf_counter() - started_s)


def throughput(sessions: Sessions, count: int) -> dict[str, float]:
    """Deliver a backlog to 100 endpoints, between two bare loops, so that a busy machine weighs on all alike."""
    with receivers() as endpoints:
        transport = Transport(EGRESS)
        secrets = prepare(sessions, endpoints.ports)
        floors = {
            at_once: bare_loop(transport, endpoints.ports, secrets, count // 4, at_once=at_once) for at_once in (1, 256)
        }
        write_events(sessions, count)
        endpoints.arrived()
        started_s = time.perf_counter()
        report = deliver_due(parts(sessions, transport))
        rate = count / (time.perf_counter() - started_s)
        arrived = endpoints.arrived()
        for at_once, before in floors.items():
            again = bare_loop(transport, endpoints.ports, secrets, count // 4, at_once=at_once)
            floors[at_once] = (before + again) / 2
        transport.close()
    assert report.delivered == arrived["ids"] == arrived["total"] == count
    return {
        "events_per_s": rate,
        "bare_loop_per_s": floors[1],
        "bare_loop_256_at_once_per_s": floors[256],
        "ratio_to_bare_loop": rate / floors[1],
        "ratio_to_bare_loop_256_at_once": rate / floors[256],
    }


def first_attempts(sessions: Sessions, *, rate: int, seconds: int, hanging: int) -> dict[str, float]:
    """Write events steadily while a pump ticks every second; return the waits of healthy endpoints (s)."""
    stop = threading.Event()
    with receivers(hanging) as endpoints:
        prepare(sessions, endpoints.ports)
        transport = Transport(EGRESS, total_timeout_s=15)

        def tick() -> None:
            while not stop.wait(TICK_S):
                deliver_due(replace(parts(sessions, transport), stopping=stop.is_set))

        pumps = [threading.Thread(target=tick) for _ in range(2)]
        for pump in pumps:
            pump.start()
        for number in range(seconds * 10):
            write_events(sessions, rate // 10, first=number * (rate // 10))
            time.sleep(0.1)
        time.sleep(3 * TICK_S)
        stop.set()
        for pump in pumps:
            pump.join()
        transport.close()
        hung = {f"http://127.0.0.1:{port}/" for port in endpoints.ports[:hanging]}
    with sessions() as session:
        waits = sorted(float(row.wait_s) for row in session.execute(_WAITS) if row.url not in hung)
    cuts = quantiles(waits, n=100)
    return {"p50_s": cuts[49], "p99_s": cuts[98], "attempts": len(waits)}


def kills(url: str, sessions: Sessions, count: int) -> dict[str, float]:
    """Kill a delivering process at random moments and count what the endpoints got in the end."""
    policy = replace(POLICY, claim=ClaimPolicy(rate_per_s=1_000_000, lease_s=1), retry=RetryPolicy(delays_s=(1, 1, 1)))
    events = 0
    with receivers() as endpoints:
        prepare(sessions, endpoints.ports)
        for _ in range(count):
            write_events(sessions, 100)
            events += 100
            child = os.fork()
            if child == 0:
                deliver_alone(url, policy)
            time.sleep(random.uniform(0.02, 0.8))
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        time.sleep(1.5)  # the last leases run out
        transport = Transport(EGRESS)
        deliver_due(parts(sessions, transport, policy))
        transport.close()
        arrived = endpoints.arrived()
    return {
        "kills": count,
        "events": events,
        "lost": events - arrived["ids"],
        "doubled": arrived["total"] - arrived["ids"],
    }


def deliver_alone(url: str, policy: DeliveryPolicy) -> None:
    """Deliver for ever, in a process made to be killed."""
    engine = open_engine(url, role="bench-child")
    transport = Transport(EGRESS)
    while True:
        deliver_due(parts(open_sessions(engine), transport, policy))


def measure(url: str, options: argparse.Namespace) -> dict[str, object]:
    engine = open_engine(url, role="bench", pool_size=6)
    apply_schema(engine)
    sessions = open_sessions(engine)
    results: dict[str, object] = {"throughput": throughput(sessions, options.events)}
    alone = first_attempts(sessions, rate=options.rate, seconds=options.seconds, hanging=0)
    beside = first_attempts(sessions, rate=options.rate, seconds=options.seconds, hanging=ENDPOINTS // 10)
    results["first_attempt"] = {
        "all_healthy": alone,
        "ten_percent_hang": beside,
        "ratio": beside["p99_s"] / alone["p99_s"],
    }
    results["kills"] = kills(url, sessions, options.kills)
    engine.dispose()
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--rate", type=int, default=100, help="events a second while waits are measured")
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--kills", type=int, default=200)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with servers() as local:
        results = measure(local.postgres.url, parser.parse_args())
    print_and_keep("webhooks", results)


if __name__ == "__main__":
    main()
