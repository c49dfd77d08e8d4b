"""How long honest people wait while three hostile users let banks hang, flood the API and send large files.

    python -m benchmarks.tenants --honest 50 --seconds 30

Starts an embedded Postgres and Redis, one worker for people who wait, one for heavy runs, one for the rest, beat and
the API. Prints JSON and keeps it in benchmarks/results/tenants.json.
"""

import argparse
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import httpx2
import jwt
from sqlalchemy import text

from benchmarks.results import print_and_keep
from benchmarks.servers import servers
from worker.connections.credentials import new_config_values
from worker.connectors.mock import MockConfig
from worker.connectors.mock.config import MockMode
from worker.connectors.simplefin import SimpleFinConfig
from worker.credentials import open_vault
from worker.db.engine import Sessions, open_engine, open_sessions
from worker.local.redis import free_port
from worker.local.services import commands
from worker.models import BankConnection
from worker.settings import load_settings

SECRET = "a-secret-of-the-benchmark-that-is-long-enough"
HOSTILE = 3


def link(sessions: Sessions, user_id: int, connector_name: str, config: MockConfig | SimpleFinConfig) -> uuid.UUID:
    vault, row_id = open_vault(load_settings()), uuid.uuid4()
    values = new_config_values(vault, config, connection_id=row_id, user_id=user_id)
    with sessions() as session:
        session.add(
            BankConnection(id=row_id, user_id=user_id, connector_name=connector_name, display_name="x", **values)
        )
    return row_id


def people(sessions: Sessions, number: int) -> list[int]:
    insert = text("INSERT INTO users (email, password_hash) VALUES (:email, 'x') RETURNING id")
    with sessions() as session:
        return [session.scalar(insert, {"email": f"{uuid.uuid4().hex}@example.test"}) or 0 for _ in range(number)]


def client_of(user_id: int, port: int) -> httpx2.Client:
    now = datetime.now(UTC)
    claims = {"sub": str(user_id), "iat": now, "exp": now + timedelta(hours=1), "type": "access"}
    headers = {"Authorization": f"Bearer {jwt.encode(claims, SECRET, algorithm='HS256')}"}
    return httpx2.Client(base_url=f"http://127.0.0.1:{port}/bank-connections", headers=headers, timeout=60)


def until_over(over: threading.Event, act: Callable[[], object]) -> threading.Thread:
    def repeat() -> None:
        while not over.is_set():
            with suppress(httpx2.HTTPError):
                act()

    thread = threading.Thread(target=repeat, daemon=True)
    thread.start()
    return thread


def attack(sessions: Sessions, port: int, bank: str, over: threading.Event) -> list[threading.Thread]:
    """Let three users do their worst; return the threads that do it."""
    statement = b"Date,Description,Amount\n" + b"2026-01-31,Rent for the flat,-5.00\n" * 400_000
    threads = []
    for user_id in people(sessions, HOSTILE):
        connections = [
            link(sessions, user_id, *(("mock", MockConfig(mode=MockMode.SLOW, delay_s=60)) if number % 2
                                      else ("simplefin", SimpleFinConfig(access_url=bank))))
            for number in range(50)
        ]  # fmt: skip
        client = client_of(user_id, port)
        for connection_id in connections:
            client.post(f"/connections/{connection_id}/refresh")
        threads.append(until_over(over, lambda client=client: client.get("/connections")))
        threads.append(
            until_over(over, lambda client=client: client.post("/files", files={"file": ("a.csv", statement)}))
        )
        threads.append(
            until_over(over, lambda client=client, one=connections[0]: client.post(f"/connections/{one}/refresh"))
        )
    return threads


def measure(options: argparse.Namespace, sessions: Sessions, port: int, bank: str) -> dict[str, object]:
    honest = [(user_id, link(sessions, user_id, "mock", MockConfig(history_days=30, accounts=1)))
              for user_id in people(sessions, options.honest)]  # fmt: skip
    clients = [client_of(user_id, port) for user_id, _ in honest]
    over = threading.Event()
    threads = attack(sessions, port, bank, over)
    time.sleep(5)
    answered, runs, pause_s = [], [], options.seconds / len(honest)
    for client, (_, connection_id) in zip(clients, honest, strict=True):
        began_s = time.perf_counter()
        answer = client.post(f"/connections/{connection_id}/refresh")
        answered.append(time.perf_counter() - began_s)
        runs.append(answer.json()["id"])
        time.sleep(pause_s)
    time.sleep(5)
    over.set()
    for thread in threads:
        thread.join(60)
    with sessions() as session:
        waited = session.scalars(
            text(
                "SELECT extract(epoch FROM coalesce(started_at, now()) - queued_at)::float FROM bank_import_runs"
                " WHERE id = ANY(CAST(:ids AS uuid[]))"
            ),
            {"ids": runs},
        ).all()
        ended = session.scalar(
            text("SELECT count(*) FROM bank_import_runs WHERE id = ANY(CAST(:ids AS uuid[])) AND status = 'succeeded'"),
            {"ids": runs},
        )
        held = session.scalars(
            text("SELECT count(*) FROM bank_import_runs WHERE status = 'running' GROUP BY user_id")
        ).all()
    return {
        "honest": len(honest),
        "hostile": HOSTILE,
        "start_p50_s": round(_at(waited, 0.5), 3),
        "start_p99_s": round(_at(waited, 0.99), 3),
        "answer_p50_s": round(_at(answered, 0.5), 3),
        "answer_p99_s": round(_at(answered, 0.99), 3),
        "succeeded": ended,
        "places_held_by_one_hostile_user": max(held, default=0),
    }


def _at(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--honest", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=30.0)
    options = parser.parse_args()
    with (
        servers(JWT_SECRET=SECRET, PROVIDER_PRIVATE_HOSTS="127.0.0.1:*") as local,
        socket.create_server(("127.0.0.1", 0), backlog=500) as silent,
    ):
        os.environ["STATEMENT_FOLDER"] = str(local.home / "statements")
        port = free_port()
        for line in commands(flower_port=None, api_port=port):
            if line.name != "scheduled":
                local.start(line.command, f"{line.name}.log", **line.environment)
        _wait_for(port)
        bank = f"http://user:password@127.0.0.1:{silent.getsockname()[1]}/simplefin"
        result = measure(options, open_sessions(open_engine(local.postgres.url, role="bench")), port, bank)
    print_and_keep("tenants", result)


def _wait_for(port: int) -> None:
    for _ in range(240):
        with suppress(httpx2.HTTPError):
            if httpx2.get(f"http://127.0.0.1:{port}/health").status_code == 200:
                break
        time.sleep(0.5)
    time.sleep(8)  # the workers need a moment longer


if __name__ == "__main__":
    main()
