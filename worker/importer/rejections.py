"""Rows that could not be imported: kept with their reason and their raw text, so that nothing is dropped silently."""

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.orm import Session

from worker.importer.job import Job
from worker.importer.lines import Rejection
from worker.redaction import redact

_INSERT = text(
    """INSERT INTO bank_import_rejections
        (run_id, connection_id, account_id, identity, external_id, code, message, raw)
    VALUES (:run_id, :connection_id, :account_id, :identity, :external_id, :code, :message, :raw)
    ON CONFLICT ON CONSTRAINT uq_bank_import_rejections_identity DO NOTHING"""
)
_MAX_RAW = 100_000


def record_rejections(session: Session, job: Job, account_id: int | None, rejections: Sequence[Rejection]) -> int:
    """Store rejections and return how many were not on record before. A dry run only counts."""
    if job.dry_run or not rejections:
        return len(rejections)
    before = _count(session, job)
    session.execute(
        _INSERT,
        [
            {
                "run_id": job.lease.run_id,
                "connection_id": job.connection_id,
                "account_id": account_id,
                "identity": rejection.identity,
                "external_id": rejection.external_id,
                "code": rejection.code,
                "message": redact(rejection.message)[:1000],
                "raw": redact(rejection.raw).replace("\0", "")[:_MAX_RAW],
            }
            for rejection in rejections
        ],
    )
    return _count(session, job) - before


def _count(session: Session, job: Job) -> int:
    statement = text("SELECT count(*) FROM bank_import_rejections WHERE connection_id = :id")
    return int(session.execute(statement, {"id": job.connection_id}).scalar_one())
