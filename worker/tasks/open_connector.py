"""Opens the connector of a connection for one run: decrypts its credentials (audited) and throttles its requests."""

import uuid
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx2
from pydantic import BaseModel

from worker.connections.credentials import ConfigKeeper, StoredConfig, open_taken, take_config
from worker.connections.linking import read_link_apps
from worker.connections.webhook_registration import register_webhook
from worker.connectors.base import BankConnector, ConnectorContext, Quota, QuotaReading
from worker.net.http import HttpLimits, open_client
from worker.net.request_timing import MeasuredTransport
from worker.recordings.recorder import RunRecorder
from worker.runs.attempt_log import AttemptLog
from worker.runs.providers import quota_usage
from worker.runs.providers.throttle import Call, Gate, LocalBucket, ThrottledTransport, TokenBucket
from worker.runtime import Runtime, provider_reach


@dataclass(slots=True, kw_only=True)
class ConnectorOpener:
    """Opens connectors for one run and closes their clients with the stack.

    Attributes:
        wait: Sleeps, or raises when the run has to end.
        refuse_heavy_body: Called for a large response; raises where a worker for heavy runs is to read it.
        check: Called while a bank is waited for; raises when the run has to end.
        log: Is told of every request.
        recorder: Keeps the exchanges of a run that is recorded.
        interactive: Whether a person waits for the run, so that it may use the reserve of an allowance.
    """

    runtime: Runtime
    interactive: bool
    wait: Callable[[float], None]
    stack: ExitStack
    refuse_heavy_body: Callable[[], None]
    check: Callable[[], None]
    log: AttemptLog = field(default_factory=AttemptLog)
    recorder: RunRecorder | None = None
    _spender: quota_usage.Spender | None = None
    _quotas: tuple[Quota, ...] = ()

    def __call__(self, connection_id: uuid.UUID) -> BankConnector:
        """Read and decrypt the connection's config, write an audit row, and build the connector.

        Raises: NotFoundError, ConflictError for a removed connection; ConnectorNotFoundError, CredentialError.
        """
        runtime = self.runtime
        stored = take_config(runtime.statements, connection_id)
        connector_type = runtime.registry.get(stored.connector_name)
        config = open_taken(runtime.sessions, runtime.vault, stored, connector_type.Config)
        self._quotas = connector_type.capabilities.quotas
        self._spender = quota_usage.Spender(
            connector_name=stored.connector_name, connection_id=stored.connection_id, interactive=self.interactive
        )
        timezone = stored.timezone or connector_type.capabilities.timezone
        if self.recorder is not None:
            self.recorder.open(connector_type, config, timezone)
        context = ConnectorContext(
            http=self.stack.enter_context(self._client(stored, connector_type, config)),
            now=lambda: datetime.now(UTC),
            save_config=ConfigKeeper(runtime.sessions, runtime.vault, stored),
            timezone=timezone,
            wait=self.wait,
        )
        connector = connector_type(config, context)
        if connector_type.webhooks is not None:
            register_webhook(runtime.sessions, stored, connector, read_link_apps(runtime.settings.link_apps).public_url)
        return connector

    def note_quota(self, readings: Sequence[QuotaReading]) -> None:
        """Correct the counted allowances by what responses stated."""
        if self._spender is not None and readings and self._quotas:
            with self.runtime.sessions() as session:
                for reading in readings:
                    quota_usage.correct(session, self._spender, self._quotas, reading)

    def _client(self, stored: StoredConfig, connector_type: type[BankConnector], config: BaseModel) -> httpx2.Client:
        burst = connector_type.capabilities.burst
        gate = Gate(
            wait=self.wait,
            spend=self._spend,
            bucket=TokenBucket(self.runtime.redis, stored.connector_name, burst) if burst else None,
            local=LocalBucket(burst) if burst and self.interactive else None,
        )

        def wrap(inner: httpx2.BaseTransport) -> httpx2.BaseTransport:
            throttled = ThrottledTransport(MeasuredTransport(inner, stored.connector_name, self.log.note), gate)
            return throttled if self.recorder is None else self.recorder.wrap(throttled)

        return open_client(
            HttpLimits(refuse_if_heavy=self.refuse_heavy_body, check=self.check),
            wrap=wrap,
            reach=provider_reach(self.runtime.settings),
            certificate=connector_type.client_certificate(config),
        )

    def _spend(self, call: Call) -> None:
        if self._spender is not None and any(allowance.endpoint == call.endpoint for allowance in self._quotas):
            with self.runtime.sessions() as session:
                quota_usage.spend(session, self._spender, self._quotas, call)
