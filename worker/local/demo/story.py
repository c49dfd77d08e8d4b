"""The steps of the demo: connect banks, import, refresh, meet limits and an expired login, and import again."""

import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import text

from worker.client import WorkerClient
from worker.connections import connection_queries, lifecycle
from worker.connections.lifecycle import NewConnection
from worker.connections.users import add_user
from worker.errors import WorkerError
from worker.local.demo import facts
from worker.local.demo.facts import Totals
from worker.local.demo.telling import Advance, Teller
from worker.runs.run_queries import run_of
from worker.runs.states import CLOSED
from worker.runtime import Runtime, open_connection_service

SECRET = "the-banks-secret-token"  # noqa: S105 - made up, to look for it in the database
REFUSALS = 2
UNSEEN_DAYS = 5
_PATIENCE_S = 45


class StoryError(WorkerError):
    """A run of the demo did not end in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A claim of the demo, and whether it holds in the database."""

    words: str
    holds: bool


@dataclass(slots=True, kw_only=True)
class Story:
    """The steps of the demo on one stack.

    Attributes:
        scratch: Folder where the busy bank counts calls.
    """

    runtime: Runtime
    client: WorkerClient
    teller: Teller
    scratch: Path
    banks: dict[str, uuid.UUID] = field(default_factory=dict)

    def tell(self) -> Iterator[Claim]:
        """Run all steps; each yields its claims."""
        yield from self._connect()
        yield from self._first_import()
        yield from self._refresh_by_the_clock()
        yield from self._busy_bank()
        yield from self._expired_login()
        yield from self._everything_again()

    def _connect(self) -> Iterator[Claim]:
        with self.teller.step("connect three banks"):
            user_id = self._user()
            self.banks["everyday"] = self._add(user_id, "Mock bank", {})
            calls = {"mode": "rate_limited", "limited_calls": REFUSALS, "state_path": str(self._calls)}
            self.banks["busy"] = self._add(user_id, "Busy bank", {"seed": "busy", "accounts": 1, **calls})
            self.banks["expired"] = self._add(user_id, "Expired bank", {"seed": "old", "mode": "auth_expired"})
        with self.runtime.sessions() as session:
            yield Claim(words="credentials are encrypted in the database", holds=facts.is_sealed(session, SECRET))

    def _first_import(self) -> Iterator[Claim]:
        seen_until = datetime.now(UTC).date() - timedelta(days=UNSEEN_DAYS)
        with self.teller.step("first import, through the broker") as advance:
            with self.runtime.sessions() as session:
                run_id = self.client.request_import(session, self.banks["everyday"], to_date=seen_until)
            run = self._wait(run_id, advance)
        now = self._totals()
        yield Claim(
            words=f"a first import brought {run['created']} transactions as {now.expenses} expenses",
            holds=run["status"] == "succeeded" and run["created"] == now.transactions > 0 and now.expenses > 0,
        )

    def _refresh_by_the_clock(self) -> Iterator[Claim]:
        before = self._totals()
        with self.teller.step("refresh, started by beat") as advance:
            run_id = self._make_due(self.banks["everyday"], advance)
            run = self._wait(run_id, advance)
        gained = self._totals().transactions - before.transactions
        with self.runtime.sessions() as session:
            earliest = facts.earliest_new(session, run_id)
        oldest_allowed = datetime.now(UTC).date() - timedelta(days=UNSEEN_DAYS)
        yield Claim(
            words=f"a refresh that beat started found only what is new: {run['created']} of {run['fetched']} rows",
            holds=run["status"] == "succeeded"
            and run["trigger"] == "schedule"
            and 0 < run["created"] == gained < run["fetched"]
            and earliest is not None
            and earliest >= oldest_allowed,
        )

    def _busy_bank(self) -> Iterator[Claim]:
        with self.teller.step("a bank that rate-limits") as advance:
            run = self._wait(self._ask(self.banks["busy"]), advance)
        calls = self._calls.with_suffix(".limited").stat().st_size
        yield Claim(
            words=f"a bank that refused {REFUSALS} calls was asked again within the same run, and it succeeded",
            holds=run["status"] == "succeeded" and run["attempt"] == 1 and calls > REFUSALS and run["created"] > 0,
        )

    def _expired_login(self) -> Iterator[Claim]:
        with self.teller.step("a bank whose login expired") as advance:
            run = self._wait(self._ask(self.banks["expired"]), advance)
        with self.runtime.sessions() as session:
            status = connection_queries.find(session, self.banks["expired"]).status
        yield Claim(
            words="a bank whose login expired was not asked again: its connection needs its user",
            holds=run["status"] == "failed" and run["attempt"] == 1 and status == "needs_user",
        )

    def _everything_again(self) -> Iterator[Claim]:
        before = self._totals()
        with self.teller.step("everything a second time") as advance:
            runs = [self._wait(self._ask(bank), advance) for bank in self.banks.values()]
        with self.runtime.sessions() as session:
            twins = facts.doubled(session)
        yield Claim(
            words=f"a second run of everything added nothing: {before.expenses} expenses, none doubled",
            holds=self._totals() == before and twins == 0 and sum(run["created"] for run in runs) == 0,
        )

    @property
    def _calls(self) -> Path:
        return self.scratch / "busy-bank"

    def _user(self) -> int:
        with self.runtime.sessions() as session:
            user_id = add_user(session, "ada@example.test", "EUR")
        assert user_id is not None, "the demo's database is its own"
        return user_id

    def _add(self, user_id: int, name: str, config: Mapping[str, Any]) -> uuid.UUID:
        wanted = NewConnection(user_id=user_id, connector_name="mock", name=name, config={"token": SECRET, **config})
        return lifecycle.add(open_connection_service(self.runtime), wanted)

    def _ask(self, connection_id: uuid.UUID) -> uuid.UUID:
        with self.runtime.sessions() as session:
            return self.client.request_import(session, connection_id)

    def _make_due(self, connection_id: uuid.UUID, advance: Advance) -> uuid.UUID:
        """Make the connection due, and wait for the run that the dispatcher creates."""
        due = text("UPDATE bank_connections SET next_refresh_at = now() WHERE id = :id")
        made = text("SELECT id FROM bank_import_runs WHERE connection_id = :id AND trigger = 'schedule'")
        with self.runtime.sessions() as session:
            session.execute(due, {"id": connection_id})
        deadline_s = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline_s:
            advance(0, 0, "waiting for beat")
            with self.runtime.sessions() as session:
                run_id = session.scalar(made, {"id": connection_id})
            if run_id is not None:
                return uuid.UUID(str(run_id))
            time.sleep(0.1)
        raise StoryError("beat did not start a refresh that was due")

    def _wait(self, run_id: uuid.UUID, advance: Advance) -> dict[str, Any]:
        deadline_s = time.monotonic() + _PATIENCE_S
        while True:
            with self.runtime.sessions() as session:
                run = run_of(session, run_id)
            advance(run["accounts_done"], run["accounts_total"], f"{run['fetched']} rows, {run['created']} new")
            if run["status"] in CLOSED:
                return run
            if time.monotonic() > deadline_s:
                raise StoryError(f"run {run_id} is still {run['status']} after {_PATIENCE_S} s")
            time.sleep(0.1)

    def _totals(self) -> Totals:
        with self.runtime.sessions() as session:
            return facts.totals(session)
