"""Writes the run's row of every account: counts, result and balance proof."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import and_, bindparam, case, func, select, text, update
from sqlalchemy.dialects.postgresql import JSONB, Insert, insert
from sqlalchemy.orm import Session

from worker.connectors.base import Window
from worker.errors import WorkerError
from worker.importer.decide.balance_proof import BalanceProof
from worker.importer.job import Job
from worker.importer.outcome import AccountResult
from worker.importer.store.balances import StatedBalances, prove_balance
from worker.importer.store.judgement import judge
from worker.importer.store.ledger_state import save_problem
from worker.models import BankConnectionAccount, BankImportRun, BankImportRunAccount
from worker.runs.states import COUNTED, Counts, count_values
from worker.telemetry.logs import get_logger

log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadSoFar:
    """What a later attempt need not read again of an account.

    Attributes:
        window: Days that were read completely.
        cursor: What to go on from, when the delivery was cut after one of its pages.
    """

    window: Window | None = None
    cursor: str | None = None


# The counts are kept per account; the run's are their sums, for those who watch it.
_SUM_UP = text(
    f"""UPDATE bank_import_runs r SET accounts_done = s.accounts_done,
      read_from_on = least(r.read_from_on, s.from_on), read_to_on = greatest(r.read_to_on, s.to_on),
      {", ".join(f"{n} = s.{n}" for n in COUNTED)}
    FROM (SELECT count(*) FILTER (WHERE code <> 'in_progress') AS accounts_done,
            min(from_on) AS from_on, max(to_on) AS to_on, {", ".join(f"sum({n})::int AS {n}" for n in COUNTED)}
          FROM bank_import_run_accounts WHERE run_id = :run_id) s
    WHERE r.id = :run_id"""  # noqa: S608 - constant names
)
# What lies between the watermark and a later window was not read; what a window covers was.
_NOTE_UNREAD = text(
    """UPDATE bank_connection_accounts SET unread_days = unread_days
      + CASE WHEN NOT :by_cursor AND watermark_on + 1 < CAST(:from_on AS date)
          THEN datemultirange(daterange(watermark_on + 1, :from_on)) ELSE '{}' END
      - datemultirange(daterange(:from_on, CAST(:to_on AS date), '[]'))
    WHERE id = :account_id AND (unread_days <> '{}' OR watermark_on + 1 < CAST(:from_on AS date))"""
)
_IN_PROGRESS = {"status": "partial", "code": "in_progress"}
_RESULT = ("status", "code", "message")
_SAVE_PROOF = text(
    "UPDATE bank_import_run_accounts SET balance_proof = :proof WHERE run_id = :run_id AND account_id = :account_id"
).bindparams(bindparam("proof", type_=JSONB))


def _add_to_row(replaced: tuple[str, ...] = ()) -> Insert:
    """Return the statement that adds counts and days to the row of an account; `replaced` columns are set anew.

    It is made once: making it takes longer than executing it.
    """
    table = BankImportRunAccount.metadata.tables[BankImportRunAccount.__tablename__]
    written = ("run_id", "account_id", "from_on", "to_on", "cursor_after", *_RESULT, *COUNTED)
    statement = insert(table).values({name: bindparam(name) for name in written})
    old, new = table.c, statement.excluded
    # Days apart from those that were read are read again: one range cannot leave out the days between.
    joins = and_(new.from_on <= old.to_on + 1, new.to_on >= old.from_on - 1)
    return statement.on_conflict_do_update(
        constraint="uq_bank_import_run_accounts",
        set_={
            **{name: new[name] for name in replaced},
            **{name: old[name] + new[name] for name in COUNTED},
            "from_on": case(
                (joins, func.least(old.from_on, new.from_on)), else_=func.coalesce(old.from_on, new.from_on)
            ),
            "to_on": case((joins, func.greatest(old.to_on, new.to_on)), else_=func.coalesce(old.to_on, new.to_on)),
            "cursor_after": func.coalesce(new.cursor_after, old.cursor_after),
            "finished_at": func.now(),
        },
    )


_ADD_DELIVERY, _CLOSE = _add_to_row(), _add_to_row(_RESULT)


def add_counts(session: Session, job: Job, account_id: int, counts: Counts, read: ReadSoFar) -> None:
    """Add the counts of a delivery to the run's row of this account."""
    window = read.window
    values = _IN_PROGRESS | {
        "message": None,
        "from_on": window.from_on if window else None,
        "to_on": window.to_on if window else None,
        "cursor_after": read.cursor,
    }
    _write_row(session, job, account_id, _ADD_DELIVERY, values | count_values(counts))


def _write_row(session: Session, job: Job, account_id: int, statement: Insert, values: dict[str, Any]) -> None:
    session.execute(statement, values | {"run_id": job.lease.run_id, "account_id": account_id})
    if not job.dry_run:  # the run's own row must stay unlocked in a dry run, so that its lease can be renewed
        session.execute(_SUM_UP, {"run_id": job.lease.run_id})


def note_unread_days(session: Session, account_id: int, window: Window, *, by_cursor: bool) -> None:
    """Store the days between the watermark and a window that was read, and remove those that the window covers.

    Args:
        by_cursor: The bank delivers changes since the last time, so that no day is left out.
    """
    values = {"account_id": account_id, "from_on": window.from_on, "to_on": window.to_on, "by_cursor": by_cursor}
    session.execute(_NOTE_UNREAD, values)


def close_account(session: Session, job: Job, result: AccountResult) -> None:
    """Record how the account ended; the counts of its deliveries stay as they are."""
    assert result.account_id is not None
    values = {"status": result.status, "code": result.code, "message": result.message}
    nothing_read = {"from_on": None, "to_on": None, "cursor_after": None}
    _write_row(session, job, result.account_id, _CLOSE, values | nothing_read | count_values(Counts()))
    save_problem(session, result)


def fail_account(session: Session, job: Job, account_id: int, error: WorkerError, *, status: str = "failed") -> None:
    """Record that one account failed, wholly or in part; what was written of it stays."""
    result = AccountResult(account_id=account_id, status=status, code=error.code, message=str(error)[:1000])
    close_account(session, job, result)


def prove_and_close_account(
    session: Session, job: Job, account_id: int, zone: ZoneInfo, stated: StatedBalances, *, told_again: int = 0
) -> BalanceProof:
    """Close an account whose deliveries were all applied, as its counts say, and compare its balance with its rows.

    Args:
        zone: Of the bank's days.
        stated: Balances that came with the deliveries.
        told_again: Rows of this run that may be known ones or more equal purchases.
    """
    result = next(iter(account_results(session, job, account_id)), None)
    ended = result or AccountResult(account_id=account_id, status="succeeded", code="nothing_new")
    if ended.code == "in_progress":
        ended = replace(ended, status="succeeded", code="ok")
    account = session.get_one(BankConnectionAccount, account_id)
    proof = prove_balance(session, job, account_id, zone, stated)
    ended = judge(session, ended, account, proof, job.lease.run_id, told_again=told_again)
    close_account(session, job, ended)
    session.execute(_SAVE_PROOF, {"proof": proof.as_json(), "run_id": job.lease.run_id, "account_id": account_id})
    log.info("account.finished", account_id=account_id, code=ended.code, proof=proof.result)
    return proof


def set_total(session: Session, job: Job, accounts: int) -> None:
    """Say how many accounts the run has to deal with; a dry run leaves its row unlocked."""
    if not job.dry_run:
        session.get_one(BankImportRun, job.lease.run_id).accounts_total = accounts


def reopen(session: Session, job: Job, account_ids: Sequence[int]) -> None:
    """Start an attempt: what an earlier one left unfinished of these accounts goes on."""
    session.execute(
        update(BankImportRunAccount)
        .where(
            BankImportRunAccount.run_id == job.lease.run_id,
            BankImportRunAccount.account_id.in_(account_ids),
            BankImportRunAccount.status != "succeeded",
        )
        .values(_IN_PROGRESS)
    )


def account_results(session: Session, job: Job, account_id: int | None = None) -> list[AccountResult]:
    """Return how every account of this run (or the one stated) ended, over all its attempts."""
    mine = select(BankImportRunAccount).where(BankImportRunAccount.run_id == job.lease.run_id)
    if account_id is not None:
        mine = mine.where(BankImportRunAccount.account_id == account_id)
    rows = session.scalars(mine.order_by(BankImportRunAccount.account_id))
    return [
        AccountResult(
            account_id=row.account_id,
            status=row.status,
            code=row.code,
            message=row.message,
            counts=Counts(**{name: getattr(row, name) for name in COUNTED}),
        )
        for row in rows
    ]
