"""The composition root: builds the collaborators of a process from its settings, and closes them."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TypeAlias
from urllib.parse import unquote, urlsplit

import redis
from kombu import Connection
from pydantic import BaseModel, SecretStr
from sqlalchemy import Engine

from worker.broker import tls_options
from worker.connections.config_limits import Bounds, confine
from worker.connections.lifecycle import ConnectionService
from worker.connections.linking import LinkService, read_link_apps
from worker.connectors.base import BankConnector, ConnectorContext
from worker.connectors.registry import ConnectorRegistry
from worker.credentials import Vault, open_vault
from worker.credentials.operators import OperatorLogins, read_logins
from worker.credentials.strength import check_distinct, check_signing_secret
from worker.db.engine import Sessions, open_engine, open_sessions
from worker.db.standby import open_readings, standby_url
from worker.db.statements import Statements, open_statements
from worker.errors import ConfigurationError, InvalidRequestError
from worker.finmind_cache import FinMindCache, open_cache
from worker.net.http import ReachableHosts, open_client, parse_private_hosts
from worker.net.redis_address import is_cluster, open_redis
from worker.reminders.smtp import MailServer, parse_mail_server
from worker.runs.lease_renewal import LeaseRenewer
from worker.settings import Settings, check_addresses, load_settings

_Broker: TypeAlias = "redis.Redis | Connection"


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """The collaborators of one process.

    Attributes:
        sessions: Opens a transaction.
        statements: Opens a connection whose every statement is a transaction of its own.
        readings: Opens a transaction for what operators look at, which may be some moments old: on a standby that
            keeps up, where DATABASE_URL names several servers.
        lease_renewer: Extends the leases of the runs in this process.
    """

    settings: Settings
    engine: Engine
    reading_engine: Engine
    sessions: Sessions
    statements: Statements
    readings: Sessions
    vault: Vault
    registry: ConnectorRegistry
    redis: redis.Redis
    cache: FinMindCache
    lease_renewer: LeaseRenewer

    @property
    def broker(self) -> _Broker:
        """What is asked for the lengths of queues."""
        if self.settings.broker_url is None:
            return self.redis
        url = self.settings.messages_url
        return Connection(url, connect_timeout=3, ssl=tls_options(url))

    def close(self) -> None:
        """Close what this process opened."""
        self.lease_renewer.stop()
        self.engine.dispose()
        self.reading_engine.dispose()
        self.redis.close()


def open_runtime(settings: Settings, *, role: str = "worker", connections: int = 2) -> Runtime:
    """Build the runtime of this process; connections are opened at first use.

    Args:
        connections: Connections to Postgres that are kept open.

    Raises: ConfigurationError.
    """
    check_addresses(settings)
    mail_server(settings)
    registry = ConnectorRegistry(manifests=settings.connector_manifests)
    registry.check_manifests()
    url = settings.database_url.get_secret_value()
    engine = open_engine(url, role=role, pool_size=connections)
    standby = standby_url(url)
    reading_engine = engine if standby is None else open_engine(standby, role=f"{role}-reader")
    sessions = open_sessions(engine)
    return Runtime(
        settings=settings,
        engine=engine,
        reading_engine=reading_engine,
        readings=sessions if standby is None else open_readings(reading_engine, sessions),
        sessions=sessions,
        statements=open_statements(engine),
        vault=open_vault(settings),
        registry=registry,
        redis=open_redis(settings.redis_url.get_secret_value(), timeout_s=3),
        cache=open_cache(_revealed(settings.finmind_cache_url)),
        lease_renewer=LeaseRenewer(settings.lease_s),
    )


def _revealed(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()


CONNECTIONS_PER_USER = 50


@contextmanager
def runtime(settings: Settings | None = None, *, role: str = "worker") -> Iterator[Runtime]:
    """Open a runtime for a block of code. Raises: ConfigurationError."""
    opened = open_runtime(settings or load_settings(), role=role)
    try:
        yield opened
    finally:
        opened.close()


def mail_server(settings: Settings) -> MailServer | None:
    """Return the server that reminders are sent through; None without one. Raises: ConfigurationError."""
    url = _revealed(settings.smtp_url)
    return None if url is None else parse_mail_server(url, sender=settings.email_from)


def read_operators(settings: Settings) -> OperatorLogins | None:
    """Return the logins of the operator's page; None when it is off. Raises: ConfigurationError."""
    configured = _revealed(settings.ops_basic_auth)
    return None if configured is None else read_logins(configured)


def check_event_key(settings: Settings) -> None:
    """Refuse a weak key of events, also an empty one: whoever writes to Redis could sign events with it.

    Raises:
        ConfigurationError: naming the setting.
    """
    event_key = _revealed(settings.event_signing_key)
    if event_key is not None:
        check_signing_secret("EVENT_SIGNING_KEY", event_key)


def check_broker(settings: Settings) -> None:
    """Refuse a Redis Cluster, which would only fail later, message by message. Raises: ConfigurationError."""
    with open_redis(settings.redis_url.get_secret_value(), timeout_s=1) as client:
        if is_cluster(client):
            raise ConfigurationError(
                "REDIS_URL leads to a Redis Cluster, which refuses the commands over several queues that workers send:"
                " take one Redis, Sentinels, or RabbitMQ in BROKER_URL with a Redis of its own"
            )


def check_signing_secrets(settings: Settings) -> None:
    """Refuse weak signing secrets, and a JWT_SECRET that has a second use. Raises: ConfigurationError."""
    check_event_key(settings)
    event_key = _revealed(settings.event_signing_key)
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
    others |= {f"CREDENTIAL_KEYS, key {position}": entry for position, entry in enumerate(keys, start=1)}
    pages = {"OPS_BASIC_AUTH": settings.ops_basic_auth, "FLOWER_BASIC_AUTH": settings.flower_basic_auth}
    for name, logins in pages.items():
        for position, entry in enumerate((_revealed(logins) or "").split(), start=1):
            others[f"{name}, log-in {position}"] = entry.partition(":")[2]
    check_distinct("JWT_SECRET", secret, others)


def provider_reach(settings: Settings) -> ReachableHosts:
    """Return the hosts that clients of providers may connect to; users and providers choose some of the addresses."""
    try:
        return parse_private_hosts(settings.provider_private_hosts, any_loopback_port=settings.webhook_allow_loopback)
    except InvalidRequestError as error:
        raise ConfigurationError(f"PROVIDER_PRIVATE_HOSTS: {error}") from None


def open_user_connection_service(runtime: Runtime) -> ConnectionService:
    """Return the connection service of users, who point at their own files and public hosts and are many."""
    settings = runtime.settings
    bounds = Bounds(statement_folder=settings.statement_folder, reach=provider_reach(settings))
    offered = partial(runtime.registry.get_offered, settings.connectors_enabled)
    return replace(
        open_connection_service(runtime),
        find_connector=offered,
        confine=partial(confine, bounds),
        most_connections=CONNECTIONS_PER_USER,
    )


def open_connection_service(runtime: Runtime) -> ConnectionService:
    """Return the connection service of an operator, which allows any config."""
    return ConnectionService(
        sessions=runtime.sessions,
        vault=runtime.vault,
        find_connector=runtime.registry.get,
        open_connector=partial(_open_unsaved, runtime),
        operator_values=read_link_apps(runtime.settings.link_apps).operator_values,
    )


def open_link_service(
    runtime: Runtime, connection_service: ConnectionService | None = None, *, public_url: str | None = None
) -> LinkService:
    """Return the service of linking flows.

    Args:
        connection_service: By default the operator's, which allows any config.
        public_url: Where providers report changes.
    """
    return LinkService(
        connection_service=connection_service or open_connection_service(runtime),
        open_context=partial(_open_context, runtime),
        public_url=public_url,
    )


@contextmanager
def _open_context(runtime: Runtime) -> Iterator[ConnectorContext]:
    with open_client(reach=provider_reach(runtime.settings)) as http:
        yield ConnectorContext(http=http, now=lambda: datetime.now(UTC))


@contextmanager
def _open_unsaved(runtime: Runtime, connector_type: type[BankConnector], config: BaseModel) -> Iterator[BankConnector]:
    certificate = connector_type.client_certificate(config)
    with open_client(reach=provider_reach(runtime.settings), certificate=certificate) as http:
        zone = connector_type.capabilities.timezone
        yield connector_type(config, ConnectorContext(http=http, now=lambda: datetime.now(UTC), timezone=zone))


_lock = threading.Lock()
_opened: dict[int, Runtime] = {}
_connections = 2


def process_runtime() -> Runtime:
    """Return the runtime of this process, opened at first use; a forked child gets one of its own."""
    with _lock:
        if os.getpid() not in _opened:
            _opened.clear()
            _opened[os.getpid()] = open_runtime(load_settings(), connections=_connections)
        return _opened[os.getpid()]


def size_process_runtime(connections: int) -> None:
    """Set how many connections to Postgres the runtime of this process keeps; call it before the first use."""
    global _connections  # noqa: PLW0603 - one per process
    _connections = connections


def forget_process_runtime() -> None:
    """Drop the runtime that a fork copied, without closing its sockets, which belong to the parent."""
    for inherited in _opened.values():
        inherited.engine.dispose(close=False)
        inherited.reading_engine.dispose(close=False)
    _opened.clear()


def close_process_runtime() -> None:
    """Close the runtime of this process, if it has one."""
    own = _opened.pop(os.getpid(), None)
    if own is not None:
        own.close()
