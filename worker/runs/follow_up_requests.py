"""Commands about an existing run: cancel, retry, revert, and replay of rejected rows.

`user_id` is whose run it must be; None is for an operator.
"""

import uuid
from dataclasses import replace

from sqlalchemy import func
from sqlalchemy.orm import Session

from worker.errors import ConflictError
from worker.models import BankImportRun
from worker.runs.run_actions import Refusal, RevertFacts, refuse_replay, refuse_retry, refuse_revert
from worker.runs.run_queries import find, kinds_taken_back, reverted_by
from worker.runs.states import CLOSED, WAITING, RunKind, RunRequest, RunStatus, RunTrigger


def cancel(session: Session, run_id: uuid.UUID, *, user_id: int | None = None) -> str:
    """Cancel a run: at once when it waits, at its next check when it runs. What is committed stays.

    Returns its status now. Raises: NotFoundError, ConflictError when it has ended.
    """
    run = find(session, run_id, user_id=user_id, lock=True)
    if run.status in CLOSED:
        raise ConflictError(f"run {run_id} has ended: {run.status} ({run.code})")
    if run.status in WAITING:
        run.status = RunStatus.CANCELLED
        run.code = "cancelled"
        run.finished_at = func.now()
        run.not_before = None
    elif run.cancel_requested_at is None:
        run.cancel_requested_at = func.now()
    session.flush()
    return run.status


def retry_request(session: Session, run_id: uuid.UUID, *, user_id: int | None = None) -> RunRequest:
    """Return the request to run the same again. Raises: NotFoundError, ConflictError when it succeeded or goes on."""
    run = find(session, run_id, user_id=user_id)
    _raise(run_id, refuse_retry(run.status, run.kind))
    return RunRequest(
        connection_id=run.connection_id,
        kind=RunKind(run.kind),
        trigger=RunTrigger.RETRY,
        account_external_id=run.account_external_id,
        from_on=run.from_on,
        to_on=run.to_on,
        dry_run=run.dry_run,
        reimport=run.reimport,
        target_run_id=run.target_run_id,
    )


def revert_request(
    session: Session, run_id: uuid.UUID, *, user_id: int | None = None, reimport: bool = False
) -> RunRequest:
    """Return the request that reverts a run (or a revert).

    Args:
        reimport: Whether its rows may return with the next refresh.

    Raises: NotFoundError, ConflictError when it cannot be taken back.
    """
    run = find(session, run_id, user_id=user_id)
    facts = RevertFacts(
        status=run.status,
        kind=run.kind,
        dry_run=run.dry_run,
        reverted_by_run_id=reverted_by(session, [run]).get(run.id),
        reverted_kind=kinds_taken_back(session, [run.id]).get(run.id),
    )
    _raise(run_id, refuse_revert(facts))
    return replace(_request_about(run, RunKind.REVERT), reimport=reimport)


def replay_request(session: Session, run_id: uuid.UUID, *, user_id: int | None = None) -> RunRequest:
    """Return the request that replays the rejected rows of a run. Raises: NotFoundError, ConflictError."""
    run = find(session, run_id, user_id=user_id)
    _raise(run_id, refuse_replay(run.status, dry_run=run.dry_run))
    return _request_about(run, RunKind.REPLAY)


def _raise(run_id: uuid.UUID, refusal: Refusal | None) -> None:
    if refusal is not None:
        raise ConflictError(f"run {run_id} {refusal.sentence}")


def _request_about(run: BankImportRun, kind: RunKind) -> RunRequest:
    return RunRequest(connection_id=run.connection_id, kind=kind, target_run_id=run.id)
