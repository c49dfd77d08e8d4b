"""The composition root: builds every collaborator of a process once, from the settings, and closes them again."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from urllib.parse import unquote, urlsplit

import redis
from pydantic import BaseModel, SecretStr
from sqlalchemy import Engine

from worker.connections.confinement import Bounds, confine
from worker.connections.lifecycle import ConnectionService
from worker.connections.linking import LinkService
from worker.connectors.base import BankConnector, ConnectorContext
from worker.connectors.registry import ConnectorRegistry
from worker.credentials import Vault, open_vault
from worker.credentials.operators import OperatorLogins, read_logins
from worker.credentials.strength import check_distinct, check_signing_secret
from worker.db.engine import Sessions, open_engine, open_sessions, open_statements
from worker.finmind_cache import FinMindCache, open_cache
from worker.net.http import ReachableHosts, open_client
from worker.runs.lease_renewal import LeaseRenewer
from worker.settings import Settings, check_addresses, load_settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """Everything a process of the worker works with.

    sessions: opens a transaction. statements: opens a session whose every statement is a transaction of its own.
    lease_renewer: keeps the leases of the runs under way in this process.
    """

    settings: Settings
    engine: Engine
    sessions: Sessions
    statements: Sessions
    vault: Vault
    registry: ConnectorRegistry
    redis: redis.Redis
    cache: FinMindCache
    lease_renewer: LeaseRenewer

    def close(self) -> None:
        """Close what this process opened."""
        self.lease_renewer.stop()
        self.engine.dispose()
        self.redis.close()


def open_runtime(settings: Settings, *, role: str = "worker", connections: int = 2) -> Runtime:
    """Build the runtime of this process; nothing is connected before it is used.

    connections: to Postgres, that are kept open. Raises: ConfigurationError.
    """
    check_addresses(settings)
    url = settings.database_url.get_secret_value()
    engine = open_engine(url, role=role, pool_size=connections)
    return Runtime(
        settings=settings,
        engine=engine,
        sessions=open_sessions(engine),
        statements=open_statements(engine),
        vault=open_vault(settings),
        registry=ConnectorRegistry(),
        redis=redis.Redis.from_url(settings.redis_url.get_secret_value(), socket_timeout=3, socket_connect_timeout=3),
        cache=open_cache(_revealed(settings.finmind_cache_url)),
        lease_renewer=LeaseRenewer(settings.lease_s),
    )


def _revealed(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()


@contextmanager
def runtime(settings: Settings | None = None, *, role: str = "worker") -> Iterator[Runtime]:
    """Open a runtime for a block of code. Raises: ConfigurationError."""
    opened = open_runtime(settings or load_settings(), role=role)
    try:
        yield opened
    finally:
        opened.close()


def read_operators(settings: Settings) -> OperatorLogins | None:
    """Return the log-ins of the operator's page; None when it is off. Raises: ConfigurationError."""
    configured = _revealed(settings.ops_basic_auth)
    return None if configured is None else read_logins(configured)


def check_signing_secrets(settings: Settings) -> None:
    """Refuse signing secrets that are weak, and a JWT_SECRET with a second use. Raises: ConfigurationError."""
    if event_key := _revealed(settings.event_signing_key):
        check_signing_secret("EVENT_SIGNING_KEY", event_key)
    secret = _revealed(settings.jwt_secret)
    if secret is None:
        return
    check_signing_secret("JWT_SECRET", secret)
    keys = (_revealed(settings.credential_keys) or "").replace(",", " ").split()
    others = {"EVENT_SIGNING_KEY": event_key or ""} | {
        f"CREDENTIAL_KEYS ({entry.partition(':')[0]})": entry.partition(":")[2] for entry in keys
    }
    for name, url in (("DATABASE_URL", settings.database_url), ("REDIS_URL", settings.redis_url)):
        with suppress(ValueError):
            others[name] = unquote(urlsplit(url.get_secret_value()).password or "")
    for entry in (_revealed(settings.ops_basic_auth) or "").split():
        others["OPS_BASIC_AUTH"] = entry.partition(":")[2]
    check_distinct("JWT_SECRET", secret, others)


def provider_reach(settings: Settings) -> ReachableHosts:
    """Return where clients of providers may go: a person may have chosen the address, or the provider itself."""
    named = (host.strip().strip("[]").lower() for host in settings.provider_private_hosts.split(","))
    return ReachableHosts(private_hosts=frozenset(host for host in named if host))


def open_user_connection_service(runtime: Runtime) -> ConnectionService:
    """Return a connection service for configs that come from users, who may point only at what is theirs or public."""
    settings = runtime.settings
    bounds = Bounds(statement_folder=settings.statement_folder, reach=provider_reach(settings))
    offered = partial(runtime.registry.get_offered, settings.connectors_enabled)
    return replace(open_connection_service(runtime), find_connector=offered, confine=partial(confine, bounds))


def open_connection_service(runtime: Runtime) -> ConnectionService:
    """Return what the use cases on connections work with."""
    return ConnectionService(
        sessions=runtime.sessions,
        vault=runtime.vault,
        find_connector=runtime.registry.get,
        open_connector=partial(_open_unsaved, runtime),
    )


def open_link_service(runtime: Runtime, connection_service: ConnectionService | None = None) -> LinkService:
    """Return the service of linking flows. connection_service: by default the operator's, which confines nothing."""
    return LinkService(
        connection_service=connection_service or open_connection_service(runtime),
        open_context=partial(_open_context, runtime),
    )


@contextmanager
def _open_context(runtime: Runtime) -> Iterator[ConnectorContext]:
    with open_client(reach=provider_reach(runtime.settings)) as http:
        yield ConnectorContext(http=http, now=lambda: datetime.now(UTC))


@contextmanager
def _open_unsaved(runtime: Runtime, connector_type: type[BankConnector], config: BaseModel) -> Iterator[BankConnector]:
    with open_client(reach=provider_reach(runtime.settings)) as http:
        zone = connector_type.capabilities.timezone
        yield connector_type(config, ConnectorContext(http=http, now=lambda: datetime.now(UTC), timezone=zone))


_lock = threading.Lock()
_opened: dict[int, Runtime] = {}
_connections = 2


def process_runtime() -> Runtime:
    """Return the runtime of this very process, opened at first use: never one that came through a fork."""
    with _lock:
        if os.getpid() not in _opened:
            _opened.clear()
            _opened[os.getpid()] = open_runtime(load_settings(), connections=_connections)
        return _opened[os.getpid()]


def size_process_runtime(connections: int) -> None:
    """Keep so many connections to Postgres in the runtime of this process, which is not opened yet."""
    global _connections  # noqa: PLW0603 - one per process
    _connections = connections


def forget_process_runtime() -> None:
    """Drop what a fork copied without touching its sockets, which belong to the parent."""
    for inherited in _opened.values():
        inherited.engine.dispose(close=False)
    _opened.clear()


def close_process_runtime() -> None:
    """Close the runtime of this process, if it has one."""
    own = _opened.pop(os.getpid(), None)
    if own is not None:
        own.close()
