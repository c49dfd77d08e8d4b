"""Opening a connection's connector for one run: credentials on record, requests through the shared limits."""

import uuid
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

import httpx2
from sqlalchemy import select

from worker.connections.credentials import ConfigKeeper, StoredConfig, open_taken, take_config
from worker.connectors.base import BankConnector, ConnectorContext
from worker.http import open_client
from worker.models import BankConnection
from worker.options import ConnectionOptions
from worker.runs import quota
from worker.runtime import Runtime, http_limits
from worker.throttle import Call, Gate, LocalBucket, ThrottledTransport, TokenBucket


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectorOpener:
    """Opens connectors for one run and closes their clients with the stack. wait: sleeps, or raises when the run ends.

    interactive: somebody waits for the run, so it may use the reserve of an allowance.
    """

    runtime: Runtime
    interactive: bool
    wait: Callable[[float], None]
    stack: ExitStack = field(default_factory=ExitStack)

    def __call__(self, connection_id: uuid.UUID) -> BankConnector:
        """Decrypt the connection's config, on record, and build its connector.

        Raises: NotFoundError, ConflictError for a removed connection, ConnectorNotFoundError, CredentialError.
        """
        runtime = self.runtime
        stored = take_config(runtime.sessions, connection_id)
        connector_type = runtime.registry.get(stored.connector_name)
        config = open_taken(runtime.sessions, runtime.vault, stored, connector_type.Config)
        context = ConnectorContext(
            http=self.stack.enter_context(self._client(stored, connector_type)),
            now=lambda: datetime.now(UTC),
            save_config=ConfigKeeper(runtime.sessions, runtime.vault, stored),
            timezone=self._timezone(connection_id) or connector_type.capabilities.timezone,
        )
        return connector_type(config, context)

    def _client(self, stored: StoredConfig, connector_type: type[BankConnector]) -> httpx2.Client:
        gate = self._gate(stored, connector_type)
        return open_client(http_limits(self.runtime.settings), wrap=lambda inner: ThrottledTransport(inner, gate))

    def _gate(self, stored: StoredConfig, connector_type: type[BankConnector]) -> Gate:
        burst = connector_type.capabilities.burst
        return Gate(
            wait=self.wait,
            spend=partial(self._spend, stored, connector_type),
            bucket=TokenBucket(self.runtime.redis, stored.connector_name, burst) if burst else None,
            local=LocalBucket(burst) if burst and self.interactive else None,
        )

    def _spend(self, stored: StoredConfig, connector_type: type[BankConnector], call: Call) -> None:
        quotas = connector_type.capabilities.quotas
        if any(allowance.endpoint == call.endpoint for allowance in quotas):
            spender = quota.Spender(
                connector_name=stored.connector_name,
                connection_id=stored.connection_id,
                interactive=self.interactive,
            )
            with self.runtime.sessions() as session:
                quota.spend(session, spender, quotas, call)

    def _timezone(self, connection_id: uuid.UUID) -> str | None:
        with self.runtime.sessions() as session:
            options = session.scalar(select(BankConnection.options).where(BankConnection.id == connection_id))
        return ConnectionOptions.model_validate(options or {}).timezone
