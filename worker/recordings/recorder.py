"""Records one run while it is executed, and stores the scrubbed result when it ended."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx2
from pydantic import BaseModel

from worker import __version__
from worker.connectors.base import BankConnector
from worker.db.engine import Sessions
from worker.recordings.exchange import MOST_BYTES, RecordedExchange, RecordingTransport
from worker.recordings.recording import RecordedRequest, RecordedRun, scrubbed
from worker.recordings.store import is_recorded_in_part, keep_recording, recorded_decisions, scrub_key_of
from worker.recordings.vocabulary import headers_of
from worker.runs.lease import ClaimedRun
from worker.runs.states import Outcome, count_values

_UNCOUNTED = frozenset({"pages"})


@dataclass(slots=True, kw_only=True)
class RunRecorder:
    """Listens to the exchanges of one run.

    Attributes:
        exchanges: What was exchanged so far.
        opened: The connector's class and config, as they were when the run began.
    """

    claimed: ClaimedRun
    started_at: datetime
    exchanges: list[RecordedExchange] = field(default_factory=list)
    opened: tuple[type[BankConnector], BaseModel, str] | None = None

    def open(self, connector: type[BankConnector], config: BaseModel, timezone: str) -> None:
        """Note what the run works with."""
        self.opened = (connector, config, timezone)

    def wrap(self, inner: httpx2.BaseTransport) -> httpx2.BaseTransport:
        """Put the recorder around a transport."""
        headers = headers_of(self.opened[0]) if self.opened else frozenset[str]()
        return RecordingTransport(inner, self.exchanges, headers)

    def keep(self, sessions: Sessions, outcome: Outcome) -> None:
        """Scrub and keep the recording of a run that ended."""
        run_id = self.claimed.lease.run_id
        problem = self._problem()
        with sessions() as session:
            key = scrub_key_of(session, run_id)
            if key is None:
                return
            if is_recorded_in_part(session, run_id):
                problem = (
                    "the run waited and went on, so that one recording does not hold all of it: record another one"
                )
            recording = None if problem else scrubbed(self._run(recorded_decisions(session, run_id), outcome), key)
            keep_recording(session, run_id, recording, problem)

    def give_up(self, sessions: Sessions, error: Exception) -> None:
        """Note that the recording failed, so that nobody waits for it."""
        with sessions() as session:
            keep_recording(
                session, self.claimed.lease.run_id, None, f"the answers could not be scrubbed ({type(error).__name__})"
            )

    def _problem(self) -> str | None:
        if self.claimed.lease.attempt > 1:
            return "the run was interrupted: record another one"
        if self.opened is None or not self.exchanges:
            return "the run exchanged nothing with a provider"
        if sum(len(exchange.content) for exchange in self.exchanges) > MOST_BYTES:
            return "the answers are too large"
        return None

    def _run(self, decisions: list[Mapping[str, Any]], outcome: Outcome) -> RecordedRun:
        assert self.opened is not None
        connector, config, timezone = self.opened
        asked = self.claimed.row
        return RecordedRun(
            connector=connector,
            worker=__version__,
            now=self.started_at,
            timezone=timezone,
            request=RecordedRequest(
                kind=asked["kind"],
                account_external_id=asked["account_external_id"],
                from_on=asked["from_on"],
                to_on=asked["to_on"],
                dry_run=asked["dry_run"],
            ),
            options=asked["options"],
            currency=asked["currency"],
            config=config,
            exchanges=self.exchanges,
            outcome=outcome_record(outcome),
            decisions=decisions,
        )


def outcome_record(outcome: Outcome) -> dict[str, Any]:
    """Return what a recording and a replay compare of an outcome."""
    counts = {name: count for name, count in count_values(outcome.counts).items() if count and name not in _UNCOUNTED}
    return {"status": outcome.status.value, "code": outcome.code, "counts": counts}


def recorder_of(claimed: ClaimedRun, started_at: datetime) -> RunRecorder | None:
    """Return the recorder of a run that is to be recorded; None for all others."""
    return RunRecorder(claimed=claimed, started_at=started_at) if claimed.row.get("is_recorded") else None
