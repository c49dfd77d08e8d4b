"""Starts the servers that `up` needs and the environment does not name, and makes the variables that it lacks."""

import os
import signal
from collections.abc import Collection

from dotenv import dotenv_values

from worker.credentials import ensure_key_file
from worker.local.postgres import EmbeddedPostgres
from worker.local.redis import EmbeddedRedis
from worker.local.services import Service
from worker.local.state import StateDirectory
from worker.local.supervisor import Supervisor
from worker.local.terminal_lines import Terminal
from worker.telemetry.latencies import forget_latencies

DATABASE = "finmind"
_TOKEN_SOURCES = ("JWT_SECRET", "JWT_JWKS_URL", "JWT_JWKS_FILE")
_LOG_INS = ("OPS_BASIC_AUTH", "FLOWER_BASIC_AUTH")
_KEY_SOURCES = ("CREDENTIAL_KEYS", "CREDENTIAL_KEYS_FILE", "CREDENTIAL_KMS_KEYS", "CREDENTIAL_TRANSIT_KEYS")


def start_servers(state: StateDirectory, supervisor: Supervisor, terminal: Terminal) -> dict[str, str]:
    """Start the servers that the environment does not name; return their addresses as environment variables."""
    given = {name.upper() for name, value in (dotenv_values(".env") | dict(os.environ)).items() if value}
    made = {} if "FINMIND_HEALTH_DIR" in given else {"FINMIND_HEALTH_DIR": str(state.health)}
    if "DATABASE_URL" not in given:
        postgres = EmbeddedPostgres(state.postgres)
        supervisor.add(_postgres(state), postgres.process)
        made["DATABASE_URL"] = postgres.ensure_database(DATABASE)
        # A database of our own: this is development.
        made["WEBHOOK_ALLOW_LOOPBACK"] = os.environ.get("WEBHOOK_ALLOW_LOOPBACK", "1")
        made["PROVIDER_PRIVATE_HOSTS"] = os.environ.get("PROVIDER_PRIVATE_HOSTS", "localhost:*,127.0.0.1:*,[::1]:*")
        terminal.say("postgres", f"ready, on a socket; its log is {postgres.log_path}")
    if "REDIS_URL" not in given:
        server = EmbeddedRedis(state.redis)
        supervisor.add(_redis(state, server.port), server.process)
        made["REDIS_URL"] = server.url
        terminal.say("redis", f"ready, on port {server.port} of loopback; its log is {server.log_path}")
    return made | _make_defaults(state, given)


def _make_defaults(state: StateDirectory, given: Collection[str]) -> dict[str, str]:
    """Return further variables that the environment lacks: secrets, which are made once, and folders."""
    made = {} if "CONNECTORS_ENABLED" in given else {"CONNECTORS_ENABLED": "all"}
    if not set(_KEY_SOURCES).intersection(given):
        made["CREDENTIAL_KEYS_FILE"] = str(ensure_key_file(state.key_file))
    if not set(_TOKEN_SOURCES).intersection(given):
        made["JWT_SECRET"] = state.token_secret()
    for name in _LOG_INS:
        if name not in given:
            made[name] = state.operator_login()
    if "METRICS_DIR" not in given:
        forget_latencies(state.metrics)
        made["METRICS_DIR"] = str(state.metrics)
    if "STATEMENT_FOLDER" not in given:
        made["STATEMENT_FOLDER"] = str(state.path / "statements")
    return made


def _postgres(state: StateDirectory) -> Service:
    return Service(
        name="postgres",
        start=lambda: EmbeddedPostgres(state.postgres).process,
        signals=(signal.SIGINT, signal.SIGQUIT),
        patience_s=10,
        last=True,
    )


def _redis(state: StateDirectory, port: int) -> Service:
    return Service(name="redis", start=lambda: EmbeddedRedis(state.redis, port=port).process, patience_s=10, last=True)
