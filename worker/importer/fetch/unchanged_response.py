"""A bank that says again what it said before: known by a digest, recorded in one statement, nothing decided anew.

On one day, with the same settings, the same accounts and the same answer, every decision would be the last one's: to
do nothing. So a refresh that found nothing leaves the digest of all it heard, and the next that hears the same repeats
its record. Whatever else comes along makes it a run like any other, which first forgets the digest
(docs/decisions/0005-the-same-answer.md).
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from datetime import datetime, tzinfo
from typing import Any, TypeVar

from sqlalchemy import ARRAY, BigInteger, Date, DateTime, RowMapping, Text, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from worker import __version__
from worker.connectors.base import Account, Transaction, Window
from worker.connectors.errors import ConnectorError
from worker.db.prepared import prepared
from worker.fault_injection import point
from worker.importer.account_state import AccountState
from worker.importer.context import ImportContext, ImportPolicy
from worker.importer.fetch.delivery import Delivery
from worker.importer.fetch.packing import imprint
from worker.importer.fetch.prefetch import PrefetchedDeliveries
from worker.importer.fetch.requests import FetchRequest
from worker.importer.job import Job
from worker.outbox import LISTENS
from worker.runs.ending import apply_consequences, end_values, ending
from worker.runs.states import COUNTED, Counts, EndedRun, Outcome, RunKind, RunStatus

T = TypeVar("T", Counts, EndedRun)

MAX_ROWS = 20_000
"""A longer answer is not worth its digest: reading it dominates."""


def _may_echo(job: Job) -> bool:
    """Say whether a run may be an echo at all: a whole refresh, from its beginning."""
    asked = (job.account_external_id, job.from_on, job.to_on)
    return job.kind == RunKind.REFRESH and not job.dry_run and asked == (None, None, None) and not job.resumed


class ResponseDigest:
    """What a bank says in one run, on its way to a digest. Nothing heard is nothing to remember."""

    def __init__(self, job: Job, policy: ImportPolicy) -> None:
        self._hash = hashlib.blake2b(digest_size=32)
        self._plain = _may_echo(job)
        self._complete = False
        self._zone: tzinfo | None = None
        self._say(__version__, job.options, job.currency, policy)

    def accounts(self, now: datetime, listed: Iterable[Account], states: Sequence[AccountState]) -> None:
        """Hear which accounts there are, what they hold, and which of them are imported. now: in the bank's zone."""
        self._zone = now.tzinfo
        self._say(now.date())
        self._say(*(_day_only(account, self._zone) for account in listed))
        # How far each was read moves once a day, with `today`, and what it held is heard from the bank.
        self._say(*(replace(state, watermark_on=None, cursor=None, booked=None) for state in states))
        self._complete = all(state.history_complete for state in states)

    def delivery(self, stream: FetchRequest, delivery: Delivery) -> None:
        """Hear one delivery; one with a defect or an explicit removal is looked at every time."""
        held = delivery.staging.in_memory()
        odd = delivery.removed or delivery.rejected or delivery.failures or delivery.warnings
        if not self._plain or odd or not delivery.complete or held is None or _rows(held.values()) > MAX_ROWS:
            self.spoil()
            return
        self._say(stream.account_id, delivery.next_cursor, delivery.session, delivery.covers is None)
        self._say(*(_day_only(account, self._zone) for account in delivery.accounts.values()))
        for account_id, transactions in held.items():
            self._say(account_id, imprint(transactions))

    def of_all(self, streams: Sequence[FetchRequest], asking: PrefetchedDeliveries) -> bytes | None:
        """Ask for all deliveries ahead, as long as nothing speaks against an echo, and return the digest."""
        for stream in streams:
            if self.digest() is None:
                return None
            try:
                self.delivery(stream, asking.ahead(stream))
            except ConnectorError:
                return None
        return self.digest()

    def spoil(self) -> None:
        """Say that there is something which must be looked at every time."""
        self._plain = False

    def digest(self) -> bytes | None:
        """Return what stands for all that was heard; None when it must not be remembered."""
        return self._hash.digest() if self._plain and self._complete else None

    def _say(self, *things: object) -> None:
        self._hash.update(repr(things).encode("utf-8", "backslashreplace"))


def _day_only(account: Account, zone: tzinfo | None) -> Account:
    """Leave out at what time of the bank's day a balance was read: all that differs between two equal answers.

    The day counts: a balance is proven by the rows up to it.
    """
    if account.balance is None:
        return account
    midnight = account.balance.at.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    return replace(account, balance=replace(account.balance, at=midnight))


def _rows(held: Iterable[Sequence[Transaction]]) -> int:
    return sum(map(len, held))


_REMEMBER = text(
    "UPDATE bank_connections SET answer_digest = :digest, answer_run_id = :run_id WHERE id = :connection_id"
)
_FORGET = text("UPDATE bank_connections SET answer_digest = NULL, answer_run_id = NULL WHERE id = :connection_id")

_TOTALS = {name: f"total.{name}" for name in COUNTED} | dict.fromkeys(
    ("accounts_total", "accounts_done"), "total.accounts"
)

# Counts and proofs of the run that found the same are this run's own, for every one of them follows from the answer.
_REPEAT = prepared(
    f"""
    WITH lazily AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true)),
    heard AS (
      SELECT * FROM unnest(CAST(:account_ids AS bigint[]), CAST(:from_on AS date[]), CAST(:to_on AS date[]))
        h(account_id, from_on, to_on)
    ), proven AS (
      SELECT h.*, p.status, p.code, p.pages, p.fetched, p.unchanged, p.balance_proof
      FROM lazily, heard h JOIN bank_import_run_accounts p ON p.account_id = h.account_id AND p.run_id = :answer_run_id
    ), ours AS (
      SELECT id AS run_id FROM bank_import_runs r
      WHERE id = :run_id AND lease_token = :token AND cancel_requested_at IS NULL
        AND (SELECT count(*) FROM proven) = cardinality(:account_ids)
        AND NOT (:unheard AND {LISTENS.format(user_id="r.user_id")})
      FOR UPDATE
    ), told AS (
      INSERT INTO bank_import_run_accounts
        (run_id, account_id, from_on, to_on, status, code, pages, fetched, unchanged, balance_proof)
      SELECT run_id, account_id, from_on, to_on, status, code, pages, fetched, unchanged, balance_proof
      FROM proven, ours
      RETURNING *
    ), seen AS (
      UPDATE bank_connection_accounts a SET last_seen_at = now(), balance_at = coalesce(l.balance_at, a.balance_at)
      FROM ours, unnest(CAST(:external_ids AS text[]), CAST(:balances_at AS timestamptz[])) l(external_id, balance_at)
      WHERE a.connection_id = :connection_id AND a.external_id = l.external_id
    ), total AS (
      SELECT count(*) AS accounts, {", ".join(f"coalesce(sum({name}), 0)::integer AS {name}" for name in COUNTED)}
      FROM told
    ),
    {ending(source="ours, total", totals=_TOTALS)}
    SELECT ended.*, total.* FROM ended, total
    """  # noqa: S608 - constants
).bindparams(
    bindparam("report", type_=JSONB),
    bindparam("account_ids", type_=ARRAY(BigInteger)),
    bindparam("from_on", type_=ARRAY(Date)),
    bindparam("to_on", type_=ARRAY(Date)),
    bindparam("external_ids", type_=ARRAY(Text)),
    bindparam("balances_at", type_=ARRAY(DateTime(timezone=True))),
)


def _windows(streams: Sequence[FetchRequest]) -> dict[int, Window]:
    """Return what was asked for, per account: its windows follow each other without holes."""
    asked: dict[int, Window] = {}
    for stream in streams:
        for account in stream.accounts:
            seen = asked.get(account.id, stream.window)
            from_on, to_on = min(seen.from_on, stream.window.from_on), max(seen.to_on, stream.window.to_on)
            asked[account.id] = Window(from_on=from_on, to_on=to_on)
    return asked


def remember(session: Session, job: Job, digest: bytes) -> None:
    """Keep the digest of an answer that had nothing new."""
    values = {"connection_id": job.connection_id, "run_id": job.lease.run_id, "digest": digest}
    session.execute(_REMEMBER, values)


def forget(session: Session, job: Job) -> None:
    """Forget the digest, before something is done that the run it stands for did not know of."""
    session.execute(_FORGET, {"connection_id": job.connection_id})


def repeat(
    job: Job, context: ImportContext, streams: Sequence[FetchRequest], listed: Iterable[Account]
) -> Outcome | None:
    """Record the run as a repetition of the one that heard the same, behind its fence, and end it.

    None when that one's record is gone, or the run is no longer ours: nothing was written then.
    """
    outcome = Outcome(status=RunStatus.SUCCEEDED, code="nothing_new")
    values = _values(job, streams, listed) | end_values(job.lease, outcome)
    point("before_close")
    with context.statements() as session:  # an end that nobody hears of takes one statement
        row = session.execute(_REPEAT, values | {"unheard": True}).mappings().one_or_none()
    if row is None:
        with context.sessions() as session:
            row = session.execute(_REPEAT, values | {"unheard": False}).mappings().one_or_none()
            if row is not None:
                apply_consequences(session, _taken(EndedRun, row), replace(outcome, counts=_taken(Counts, row)))
    return None if row is None else replace(outcome, counts=_taken(Counts, row))


def _taken(kind: type[T], row: RowMapping) -> T:
    return kind(**{field.name: row[field.name] for field in fields(kind)})


def _values(job: Job, streams: Sequence[FetchRequest], listed: Iterable[Account]) -> dict[str, Any]:
    windows = _windows(streams)
    balances = {account.external_id: account.balance.at if account.balance else None for account in listed}
    return {
        "answer_run_id": job.answer_run_id,
        "connection_id": job.connection_id,
        "account_ids": list(windows),
        "from_on": [window.from_on for window in windows.values()],
        "to_on": [window.to_on for window in windows.values()],
        "external_ids": list(balances),
        "balances_at": list(balances.values()),
    }
