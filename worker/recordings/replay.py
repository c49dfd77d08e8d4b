"""Replays recordings one after the other on a database of their own, and compares the decisions."""

import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import httpx2
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from sqlalchemy import text

from worker.connections.users import add_user
from worker.connectors.base import BankConnector, ConnectorContext
from worker.db.engine import Sessions
from worker.errors import InvalidRequestError
from worker.importer import engine
from worker.importer.context import ImportContext
from worker.models import BankConnection
from worker.recordings.exchange import ReplayTransport
from worker.recordings.recorder import outcome_record
from worker.recordings.recording import RecordedDecision, Recording, plain
from worker.recordings.scrub import PRIVATE_KEY
from worker.recordings.store import recorded_decisions
from worker.runs.lease import claim
from worker.runs.request import request_run
from worker.runs.states import RunKind, RunRequest

_LEASE_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayResult:
    """What a replay decided, and where it differs from the recording.

    Attributes:
        missing: Requests that the recording has no answer for.
        unused: Recorded answers that nobody asked for.
    """

    recording: Recording
    outcome: dict[str, Any]
    decisions: Sequence[RecordedDecision]
    missing: Sequence[str] = ()
    unused: int = 0

    @property
    def differences(self) -> list[str]:
        """One sentence for each difference; none: the replay decided the same."""
        found = [f"the recording has no answer for {request}" for request in self.missing]
        if self.unused:
            found.append(f"{self.unused} recorded answers were not asked for")
        if self.outcome != dict(self.recording.outcome):
            found.append(f"the run ended {self.outcome}, recorded was {dict(self.recording.outcome)}")
        recorded, decided = list(self.recording.decisions), list(self.decisions)
        for decision in list(recorded):
            if decision in decided:
                recorded.remove(decision)
                decided.remove(decision)
        found += [f"recorded, not decided now: {_line(decision)}" for decision in recorded]
        return found + [f"decided now, not recorded: {_line(decision)}" for decision in decided]


@dataclass(slots=True, kw_only=True)
class ReplayBench:
    """A user and a connection in a database, on which recordings of one connection are run one after the other.

    Attributes:
        find_connector: The class of a name.
    """

    sessions: Sessions
    find_connector: Callable[[str], type[BankConnector]]
    _connection_id: uuid.UUID | None = None
    _last: Recording | None = field(default=None)

    def replay(self, recording: Recording) -> ReplayResult:
        """Run a recording on what the ones before it left. Raises: ConnectorNotFoundError, InvalidRequestError."""
        if self._last is not None and self._last.connector != recording.connector:
            raise InvalidRequestError("recordings that are run one after the other belong to one connection")
        connection_id = self._prepare(recording)
        run_id = self._ask(connection_id, recording)
        transport = ReplayTransport(recording.exchanges)
        with self.sessions() as session:
            claimed = claim(session, run_id, worker_name="replay", lease_s=_LEASE_S)
        assert claimed is not None
        with _connector(self.find_connector(recording.connector), recording, transport) as connector:
            outcome = engine.run(claimed, self._context(connector, recording))
        with self.sessions() as session:
            rows = recorded_decisions(session, run_id)
        self._last = recording
        return ReplayResult(
            recording=recording,
            outcome=outcome_record(outcome),
            decisions=sorted(_decision(row) for row in rows),
            missing=transport.missing,
            unused=transport.unused,
        )

    def _prepare(self, recording: Recording) -> uuid.UUID:
        """Write the user and the connection, or let the time between two recordings pass for them."""
        if self._connection_id is not None and self._last is not None:
            with self.sessions() as session:
                session.execute(_PASS, {"gap": recording.now - self._last.now})
                session.execute(_END_WAITING, {"connection_id": self._connection_id})
                session.get_one(BankConnection, self._connection_id).options = dict(recording.options)
            return self._connection_id
        self._connection_id = uuid.uuid4()
        with self.sessions() as session:
            user_id = add_user(session, f"replay-{self._connection_id}@finmind.invalid", recording.currency)
            session.add(
                BankConnection(
                    id=self._connection_id,
                    user_id=user_id,
                    connector_name=recording.connector,
                    display_name="replay",
                    config_encrypted=b"none",
                    config_key_id="none",
                    refresh_interval=None,
                    options=dict(recording.options),
                )
            )
        return self._connection_id

    def _ask(self, connection_id: uuid.UUID, recording: Recording) -> uuid.UUID:
        request = recording.request
        with self.sessions() as session:
            return request_run(
                session,
                RunRequest(
                    connection_id=connection_id,
                    kind=RunKind(request.kind),
                    account_external_id=request.account_external_id,
                    from_on=request.from_on,
                    to_on=request.to_on,
                    dry_run=request.dry_run,
                ),
            )

    def _context(self, connector: BankConnector, recording: Recording) -> ImportContext:
        return ImportContext(
            sessions=self.sessions,
            statements=self.sessions,
            open_connector=lambda _connection_id: connector,
            check=lambda: None,
            wait=lambda _seconds: None,
            now=lambda: recording.now,
            clear_cache=lambda _user_id, _months: None,
        )


# What waits for days to pass is measured by the clock of the database.
# A recorded run that was deferred does not answer for the next one.
_END_WAITING = text(
    "UPDATE bank_import_runs SET status = 'cancelled', code = 'cancelled', finished_at = now(), not_before = NULL"
    " WHERE connection_id = :connection_id AND status IN ('queued', 'deferred')"
)
_PASS = text("UPDATE bank_transactions SET absent_since_at = absent_since_at - CAST(:gap AS interval)")


@contextmanager
def _connector(
    connector_type: type[BankConnector], recording: Recording, transport: ReplayTransport
) -> Iterator[BankConnector]:
    try:
        config = connector_type.Config.model_validate(_with_keys(recording.config), by_name=True, by_alias=False)
    except ValueError as error:
        raise InvalidRequestError(
            f"the recorded config does not fit `{connector_type.name}`: {type(error).__name__}"
        ) from None
    with httpx2.Client(transport=transport, follow_redirects=False) as http:
        yield connector_type(
            config,
            ConnectorContext(
                http=http, now=lambda: recording.now, timezone=recording.timezone, wait=lambda _seconds: None
            ),
        )


def _with_keys(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Return a config in which new keys take the place of those that a recording must not hold."""
    match value:
        case str():
            return value.replace(PRIVATE_KEY, _new_key()) if PRIVATE_KEY in value else value
        case dict():
            return {name: _with_keys(part) for name, part in value.items()}
        case list():
            return [_with_keys(part) for part in value]
        case _:
            return value


@cache
def _new_key() -> str:
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def _decision(row: Any) -> RecordedDecision:  # noqa: ANN401 - a row of `recorded_decisions`
    return RecordedDecision(
        account=row["account_external_id"] or "",
        on=row["effective_on"].isoformat() if row["effective_on"] else "",
        amount=plain(row["amount"]) if row["amount"] is not None else "",
        currency=row["currency"] or "",
        decision=row["decision"],
        reason=row["reason"],
    )


def _line(decision: RecordedDecision) -> str:
    return " ".join(filter(None, (decision.on, decision.amount, decision.currency, decision.decision, decision.reason)))
