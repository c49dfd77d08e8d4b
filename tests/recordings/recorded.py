"""A connection whose every run is recorded, and the bench on which the recordings are run again."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

import httpx2
from pydantic import BaseModel

from tests.importer.bank import Harness
from worker.connectors.base import BankConnector, ConnectorContext
from worker.connectors.registry import ConnectorRegistry
from worker.importer.context import ImportContext
from worker.importer.engine import run
from worker.recordings.exchange import RecordedExchange, RecordingTransport
from worker.recordings.recorder import outcome_record
from worker.recordings.recording import RecordedRequest, RecordedRun, Recording, read, scrubbed, write
from worker.recordings.replay import ReplayBench, ReplayResult
from worker.recordings.store import recorded_decisions
from worker.runs.states import Outcome, RunKind

KEY = b"k" * 32


class RecordedConnection(Harness):
    """Runs go to a real connector over HTTP. recordings: the files of all runs so far."""

    def __init__(
        self, sessions, user_id, connector: type[BankConnector], transport: Callable[[], httpx2.BaseTransport]
    ):
        super().__init__(sessions, user_id)
        self.connector_type = connector
        self.transport = transport
        self.config: BaseModel
        self.clock: datetime
        self.recordings: list[str] = []
        self._exchanges: list[RecordedExchange] = []

    def context(self) -> ImportContext:
        return replace(super().context(), now=lambda: self.clock)

    @contextmanager
    def _open(self) -> Iterator[BankConnector]:
        transport = RecordingTransport(self.transport(), self._exchanges)
        timezone = self.connector_type.capabilities.timezone

        def keep(config: BaseModel) -> None:
            self.config = config

        with httpx2.Client(transport=transport, follow_redirects=False) as http:
            yield self.connector_type(
                self.config,
                ConnectorContext(http=http, now=lambda: self.clock, save_config=keep, timezone=timezone),
            )

    def run(self, kind: RunKind = RunKind.REFRESH, **request: Any) -> Outcome:
        """Ask for a run, do it and keep its recording."""
        self.sql(
            "UPDATE bank_import_runs SET status = 'cancelled', code = 'cancelled', finished_at = now(),"
            " not_before = NULL WHERE status IN ('queued', 'deferred')"
        )
        claimed, self._exchanges, config = self.claim(kind, **request), [], self.config
        with self._open() as connector:
            self.connector = lambda: connector
            outcome = run(claimed, self.context())
        row = claimed.row
        with self.sessions() as session:
            decisions = recorded_decisions(session, self.run_id)
        wanted = {name: row[name] for name in ("kind", "account_external_id", "from_on", "to_on", "dry_run")}
        as_it_was = RecordedRun(
            connector=self.connector_type,
            worker="test",
            now=self.clock,
            timezone=self.connector_type.capabilities.timezone,
            request=RecordedRequest(**wanted),
            options=row["options"],
            currency=row["currency"],
            config=config,
            exchanges=self._exchanges,
            outcome=outcome_record(outcome),
            decisions=decisions,
        )
        self.recordings.append(write(scrubbed(as_it_was, KEY)))
        return outcome

    def later(self, clock: datetime) -> None:
        """Let time pass until then."""
        gap = clock - self.clock
        self.clock = clock
        self.sql("UPDATE bank_transactions SET absent_since_at = absent_since_at - CAST(:gap AS interval)", gap=gap)

    def replays(self) -> list[ReplayResult]:
        """Run all recordings again, one after the other."""
        bench = ReplayBench(sessions=self.sessions, find_connector=ConnectorRegistry().get)
        return [bench.replay(recording) for recording in map(read, self.recordings)]

    def read(self) -> list[Recording]:
        return [read(text) for text in self.recordings]
