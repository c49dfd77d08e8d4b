"""Opening a connection's connector for one run: credentials on record, requests through the shared limits."""

import uuid
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx2

from worker.connections.credentials import ConfigKeeper, StoredConfig, open_taken, take_config
from worker.connectors.base import BankConnector, ConnectorContext, Quota, QuotaReading
from worker.net.http import MeasuredTransport, open_client
from worker.runs import provider_quota
from worker.runs.provider_throttle import Call, Gate, LocalBucket, ThrottledTransport, TokenBucket
from worker.runtime import Runtime, provider_reach


@dataclass(slots=True, kw_only=True)
class ConnectorOpener:
    """Opens connectors for one run and closes their clients with the stack. wait: sleeps, or raises when the run ends.

    interactive: somebody waits for the run, so it may use the reserve of an allowance.
    """

    runtime: Runtime
    interactive: bool
    wait: Callable[[float], None]
    stack: ExitStack
    _spender: provider_quota.Spender | None = None
    _quotas: tuple[Quota, ...] = ()

    def __call__(self, connection_id: uuid.UUID) -> BankConnector:
        """Read the connection's config, on record, decrypt it and build the connector.

        Raises: NotFoundError, ConflictError for a removed connection; ConnectorNotFoundError, CredentialError.
        """
        runtime = self.runtime
        stored = take_config(runtime.statements, connection_id)
        connector_type = runtime.registry.get(stored.connector_name)
        config = open_taken(runtime.sessions, runtime.vault, stored, connector_type.Config)
        self._quotas = connector_type.capabilities.quotas
        self._spender = provider_quota.Spender(
            connector_name=stored.connector_name, connection_id=stored.connection_id, interactive=self.interactive
        )
        context = ConnectorContext(
            http=self.stack.enter_context(self._client(stored, connector_type)),
            now=lambda: datetime.now(UTC),
            save_config=ConfigKeeper(runtime.sessions, runtime.vault, stored),
            timezone=stored.timezone or connector_type.capabilities.timezone,
            wait=self.wait,
        )
        return connector_type(config, context)

    def note_quota(self, readings: Sequence[QuotaReading]) -> None:
        """Correct the ledger by what responses said."""
        if self._spender is not None and readings and self._quotas:
            with self.runtime.sessions() as session:
                for reading in readings:
                    provider_quota.correct(session, self._spender, self._quotas, reading)

    def _client(self, stored: StoredConfig, connector_type: type[BankConnector]) -> httpx2.Client:
        burst = connector_type.capabilities.burst
        gate = Gate(
            wait=self.wait,
            spend=self._spend,
            bucket=TokenBucket(self.runtime.redis, stored.connector_name, burst) if burst else None,
            local=LocalBucket(burst) if burst and self.interactive else None,
        )

        def wrap(inner: httpx2.BaseTransport) -> httpx2.BaseTransport:
            return ThrottledTransport(MeasuredTransport(inner, stored.connector_name), gate)

        return open_client(wrap=wrap, reach=provider_reach(self.runtime.settings))

    def _spend(self, call: Call) -> None:
        if self._spender is not None and any(allowance.endpoint == call.endpoint for allowance in self._quotas):
            with self.runtime.sessions() as session:
                provider_quota.spend(session, self._spender, self._quotas, call)
