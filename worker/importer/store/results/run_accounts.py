"""Writes the run's row of every account: counts, result and balance proof."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import and_, bindparam, case, func, select, text, update
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.orm import Session

from worker.connectors.base import Window
from worker.db.user_lock import lock_user
from worker.errors import WorkerError
from worker.importer.decide.balances.proof import BalanceProof
from worker.importer.job import Job
from worker.importer.outcome import AccountResult
from worker.importer.store.balances.proof import StatedBalances, prove_balance
from worker.importer.store.results.judgement import JUDGED, judge
from worker.importer.store.results.problems import save_problem
from worker.models import BankConnectionAccount, BankImportRun, BankImportRunAccount
from worker.runs.states import COUNTED, Counts, count_values
from worker.telemetry.logs import get_logger

log = get_logger(__name__)


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
IN_PROGRESS = "in_progress"
"""The code of an account that is not imported to its end."""

_RESULT = ("status", "code", "message")
_NOTHING_READ: dict[str, Any] = {"from_on": None, "to_on": None, "cursor_after": None}


def _add_to_row(replaced: tuple[str, ...] = ()) -> Insert:
    """Return the statement that adds counts and days to the row of an account; `replaced` columns are set anew.

    It is made once: making it takes longer than executing it.
    """
    table = BankImportRunAccount.metadata.tables[BankImportRunAccount.__tablename__]
    written = ("run_id", "account_id", "from_on", "to_on", "cursor_after", *_RESULT, *COUNTED, *replaced)
    statement = insert(table).values({name: bindparam(name) for name in dict.fromkeys(written)})
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


_ADD, _CLOSE, _CLOSE_PROVEN = _add_to_row(), _add_to_row(_RESULT), _add_to_row((*_RESULT, "balance_proof"))


def add_delivery(
    session: Session, job: Job, result: AccountResult, *, window: Window | None, cursor: str | None
) -> None:
    """Add a delivery to the run's row of an account, with what a later attempt need not read again.

    Args:
        result: Its counts, and how the account ends by it; `IN_PROGRESS` while it goes on.
        window: Days that were read completely.
        cursor: What to go on from, when the delivery was cut after one of its pages.
    """
    days = {"from_on": window.from_on if window else None, "to_on": window.to_on if window else None}
    _add(session, job, result, days | {"cursor_after": cursor})


def _add(session: Session, job: Job, result: AccountResult, read: dict[str, Any]) -> None:
    """Add a result to the row of its account; one in progress leaves how the account ended by an earlier one."""
    values = count_values(result.counts) | read | {"run_id": job.lease.run_id, "account_id": result.account_id}
    values |= {"status": result.status, "code": result.code, "message": result.message}
    statement = _ADD if result.code == IN_PROGRESS else _CLOSE_PROVEN if "balance_proof" in read else _CLOSE
    session.execute(statement, values)
    if not job.dry_run:  # the run's own row must stay unlocked in a dry run, so that its lease can be renewed
        session.execute(_SUM_UP, {"run_id": job.lease.run_id})
    if result.code != IN_PROGRESS:
        save_problem(session, result)


def add_removed(session: Session, job: Job, account_id: int, rows: int) -> None:
    """Count rows that went by what the bank's balance says, beside those of the deliveries."""
    removed = AccountResult(account_id=account_id, status="partial", code=IN_PROGRESS, counts=Counts(removed=rows))
    _add(session, job, removed, _NOTHING_READ)


def _close_account(session: Session, job: Job, result: AccountResult, proof: BalanceProof | None = None) -> None:
    """Record how the account ended; the counts of its deliveries stay as they are."""
    proven = {} if proof is None else {"balance_proof": proof.as_json()}
    _add(session, job, replace(result, counts=Counts()), _NOTHING_READ | proven)


def fail_account(session: Session, job: Job, account_id: int, error: WorkerError, *, status: str = "failed") -> None:
    """Record that one account failed, wholly or in part; what was written of it stays."""
    result = AccountResult(account_id=account_id, status=status, code=error.code, message=str(error)[:1000])
    _close_account(session, job, result)


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
    if ended.code == IN_PROGRESS:
        ended = replace(ended, status="succeeded", code="ok")
    account = session.get_one(BankConnectionAccount, account_id)
    proof = prove_balance(session, job, account_id, zone, stated)
    ended = judge(session, ended, account, proof, job.lease.run_id, told_again=told_again)
    _close_account(session, job, ended, proof)
    log.info("account.finished", account_id=account_id, code=ended.code, proof=proof.result)
    return proof


def start_accounts(
    session: Session, job: Job, account_ids: Sequence[int], not_imported: Mapping[int, WorkerError]
) -> None:
    """Start an attempt: say how many accounts there are to deal with, and close those that cannot be imported.

    Args:
        not_imported: Why others that the user wants are not imported, by their ids.
    """
    if job.resumed:
        reopen(session, job, account_ids)
    if not job.dry_run:  # the run's own row must stay unlocked in a dry run
        total = len(account_ids) + len(not_imported)
        session.execute(update(BankImportRun).where(BankImportRun.id == job.lease.run_id).values(accounts_total=total))
    for account_id, error in not_imported.items():
        fail_account(session, job, account_id, error, status="partial")


def reopen(session: Session, job: Job, account_ids: Sequence[int]) -> None:
    """Let go on what an earlier attempt left unfinished of these accounts."""
    session.execute(
        update(BankImportRunAccount)
        .where(
            BankImportRunAccount.run_id == job.lease.run_id,
            BankImportRunAccount.account_id.in_(account_ids),
            BankImportRunAccount.status != "succeeded",
        )
        .values(status="partial", code=IN_PROGRESS)
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


def final_results(session: Session, job: Job, *, wait: Callable[[float], None]) -> list[AccountResult]:
    """Return how every account of a run ends, in the transaction that closes the run.

    What an account was closed with may be settled since: an account that was imported after it, in this run or in that
    of another connection, may have the other leg or the booking that its question was about.

    Args:
        wait: Sleeps for so many seconds while another transaction decides about the user's rows, or raises.
    """
    results = account_results(session, job)
    judged = {result.account_id: result for result in results if result.code in JUDGED}
    if not judged:
        return results
    lock_user(session, job.user_id, wait=wait)
    mine = select(BankImportRunAccount).where(BankImportRunAccount.run_id == job.lease.run_id)
    for row in session.scalars(mine.where(BankImportRunAccount.account_id.in_(judged))).all():
        account = session.get_one(BankConnectionAccount, row.account_id)
        agrees = replace(judged[row.account_id], status="succeeded", code="ok", message=None)
        assert row.balance_proof is not None  # what was judged was proven before
        proof = BalanceProof.from_json(row.balance_proof)
        _close_account(session, job, judge(session, agrees, account, proof, job.lease.run_id))
    session.expire_all()
    return account_results(session, job)
