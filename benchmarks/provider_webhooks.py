"""From a provider's webhook to an expense in the database, beside a bare message from its sending to its start.

    python -m benchmarks.provider_webhooks [--webhooks 100]

A Plaid on this machine signs a webhook for one login after another, each with one new purchase. Measured are the answer
of the door, and the time from that answer until the expense can be read; the workers and the API are those of `up`.
"""

import argparse
import base64
import hashlib
import json
import os
import statistics
import sys
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

import httpx2
import jwt
import redis
from celery import Celery
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import SecretStr
from sqlalchemy import text

from benchmarks.results import print_and_keep
from benchmarks.servers import servers
from worker.connections.credentials import new_config_values
from worker.connectors.plaid import PlaidConfig
from worker.credentials import open_vault
from worker.db.engine import Sessions, open_engine, open_sessions
from worker.models import BankConnection
from worker.settings import load_settings

PORT = 8497
MARK = "worker.tasks.benchmark.mark"
_KEY = ec.generate_private_key(ec.SECP256R1())
_ROWS: dict[str, list[dict[str, Any]]] = defaultdict(list)


def _number(value: int) -> str:
    return base64.urlsafe_b64encode(value.to_bytes(32, "big")).rstrip(b"=").decode()


def _answer(path: str, body: dict[str, Any]) -> dict[str, Any]:
    login = str(body.get("access_token"))
    account = {"account_id": f"a-{login}", "name": "Checking", "mask": "0000", "type": "depository",
               "subtype": "checking", "balances": {"current": None, "iso_currency_code": "USD"}}  # fmt: skip
    match path:
        case "/webhook_verification_key/get":
            public = _KEY.public_key().public_numbers()
            return {"key": {"alg": "ES256", "crv": "P-256", "kid": "k", "kty": "EC", "use": "sig",
                            "x": _number(public.x), "y": _number(public.y), "expired_at": None}}  # fmt: skip
        case "/accounts/get":
            return {"accounts": [account], "item": {"institution_name": "Bank"}}
        case "/transactions/sync":
            start = int(body.get("cursor") or 0)
            return {"added": _ROWS[login][start:], "modified": [], "removed": [], "accounts": [account],
                    "next_cursor": str(len(_ROWS[login])), "has_more": False,
                    "transactions_update_status": "HISTORICAL_UPDATE_COMPLETE"}  # fmt: skip
        case _:
            return {"item": {"item_id": login, "error": None}}


class _Plaid(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        body = json.dumps(_answer(self.path, json.loads(self.rfile.read(length) or b"{}"))).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def connect(sessions: Sessions, count: int) -> list[str]:
    """Write logins of as many users, which are polled by nobody."""
    vault, logins = open_vault(load_settings()), []
    with sessions() as session:
        for number in range(count):
            connection_id, login = uuid.uuid4(), f"item-{number}"
            user_id = session.execute(
                text("INSERT INTO users (email, password_hash) VALUES (:email, 'x') RETURNING id"),
                {"email": f"{number}@bench.test"},
            ).scalar_one()
            config = PlaidConfig(
                client_id="c", secret=SecretStr("s" * 12), access_token=SecretStr(login), item_id=login
            )
            sealed = new_config_values(vault, config, connection_id=connection_id, user_id=user_id)
            session.add(
                BankConnection(
                    id=connection_id, user_id=user_id, connector_name="plaid", display_name="Plaid", login_ref=login,
                    refresh_interval=None, last_good_at=datetime.now(UTC), **sealed,
                )
            )  # fmt: skip
            logins.append(login)
    return logins


def wait_for_door(timeout_s: float = 120) -> None:
    """Wait until the API answers, and the workers had time to start beside it."""
    until_s = time.monotonic() + timeout_s
    while time.monotonic() < until_s:
        with suppress(httpx2.TransportError):
            httpx2.get(f"http://127.0.0.1:{PORT}/health", timeout=5)
            time.sleep(10)
            return
        time.sleep(0.5)
    raise SystemExit("the API did not start")


def send(http: httpx2.Client, login: str) -> float:
    """Send a signed webhook; return how long the door took to answer (s)."""
    body = json.dumps(
        {"webhook_type": "TRANSACTIONS", "webhook_code": "SYNC_UPDATES_AVAILABLE", "item_id": login}
    ).encode()
    claims = {"iat": time.time(), "request_body_sha256": hashlib.sha256(body).hexdigest()}
    signature = jwt.encode(claims, _KEY, algorithm="ES256", headers={"kid": "k"})
    started_s = time.perf_counter()
    answer = http.post("/bank-connections/provider-webhooks/plaid", content=body,
                       headers={"Plaid-Verification": signature})  # fmt: skip
    answer.raise_for_status()
    return time.perf_counter() - started_s


def visible(sessions: Sessions, name: str, timeout_s: float = 60) -> float:
    """Return the moment at which an expense can be read."""
    until_s = time.monotonic() + timeout_s
    while time.monotonic() < until_s:
        with sessions() as session:
            if session.scalar(text("SELECT count(*) FROM expenses WHERE notes LIKE :name"), {"name": f"%{name}%"}):
                return time.time()
        time.sleep(0.01)
    raise SystemExit(f"{name} did not arrive within {timeout_s:.0f} s")


def measure(sessions: Sessions, logins: Sequence[str]) -> dict[str, object]:
    """Send webhooks one after the other, and a bare message beside each."""
    bench, broker = Celery("bench", broker=os.environ["REDIS_URL"]), redis.Redis.from_url(os.environ["REDIS_URL"])
    door, arrived, floor = [], [], []
    with httpx2.Client(base_url=f"http://127.0.0.1:{PORT}", timeout=20) as http:
        for number, login in enumerate(logins):
            name = f"Purchase{number}x"
            _ROWS[login].append({"transaction_id": f"t-{number}", "account_id": f"a-{login}", "amount": 5.25,
                                 "iso_currency_code": "USD", "date": f"{datetime.now(UTC):%Y-%m-%d}", "name": name,
                                 "pending": False})  # fmt: skip
            took_s, sent_at = send(http, login), time.time()
            shown_at = visible(sessions, name)
            key, asked_at = uuid.uuid4().hex, time.time()
            bench.send_task(MARK, args=[key], queue="interactive")
            while (began := broker.get(f"mark:{key}")) is None:
                time.sleep(0.002)
            if number >= len(logins) // 10:  # the first ones warm up
                door.append(took_s)
                arrived.append(shown_at - sent_at)
                floor.append(float(cast(bytes, began)) - asked_at)
    return {name: _of(values) for name, values in (("door", door), ("visible", arrived), ("bare_message", floor))}


def _of(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    return {
        "p50_ms": round(1000 * statistics.median(ordered), 1),
        "p99_ms": round(1000 * ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))], 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--webhooks", type=int, default=100)
    options = parser.parse_args()
    plaid = ThreadingHTTPServer(("127.0.0.1", 0), _Plaid)
    threading.Thread(target=plaid.serve_forever, daemon=True).start()
    variables = {
        "BENCH_PLAID": f"http://127.0.0.1:{plaid.server_port}",
        "JWT_SECRET": base64.b64encode(os.urandom(48)).decode(),
        "LINK_APPS": json.dumps({"plaid": {"client_id": "c", "secret": "s" * 12}}),
        "PROVIDER_PRIVATE_HOSTS": f"127.0.0.1:{plaid.server_port}",
    }
    with servers(durable=True, **variables) as local:
        sessions = open_sessions(open_engine(local.postgres.url, role="bench"))
        logins = connect(sessions, options.webhooks)
        celery = [sys.executable, "-m", "celery", "-A", "benchmarks.local_plaid"]
        flags = ["--without-gossip", "--without-mingle"]
        api = "import uvicorn, benchmarks.local_plaid; from worker.api.app import app_from_environment as app;"
        commands = (
            [*celery, "worker", "-P", "threads", "-c", "20", "-Q", "interactive,celery", "-n", "i@%h", *flags],
            [*celery, "worker", "-c", "2", "-Q", "webhooks,maintenance", "-n", "m@%h", *flags],
            [*celery, "beat", "--schedule", f"{local.home}/beat"],
            [sys.executable, "-c", f"{api} uvicorn.run(app(), port={PORT}, log_level='warning')"],
        )
        for number, command in enumerate(commands):
            local.start(command, f"{number}.log")
        wait_for_door()
        figures = measure(sessions, logins)
    print_and_keep("provider_webhooks", figures)


if __name__ == "__main__":
    main()
