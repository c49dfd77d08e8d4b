"""Stores rows that could not be imported, with their reason and raw text."""

import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from worker.connectors.base import RejectedRow, Transaction
from worker.importer.decide.mended_records import ArrivedRecord, mended_records
from worker.importer.decide.read.clean_text import id_text, plain_text
from worker.importer.decide.read.context import ReadContext
from worker.importer.decide.read.identity import digest
from worker.importer.decide.read.line import Rejection, kept_transaction, transaction_as_text
from worker.importer.decide.rejections import (
    MoneyAndWords,
    arrived_rejections,
    is_same_record,
    read_rejection,
)
from worker.importer.job import Job
from worker.importer.outcome import StandingRejections
from worker.models.transaction import REJECTION_IS_DISMISSED, REJECTION_IS_OPEN
from worker.redaction import redact

# What stays open is kept as the bank says it last, which is what a replay imports.
_INSERT = text(
    """INSERT INTO bank_import_rejections
        (run_id, connection_id, account_id, identity, external_id, code, message, raw)
    VALUES (:run_id, :connection_id, :account_id, :identity, :external_id, :code, :message, :raw)
    ON CONFLICT ON CONSTRAINT uq_bank_import_rejections_identity
    DO UPDATE SET resolved_at = NULL, resolved_run_id = NULL, dismissed_at = NULL, dismissed_by = NULL,
      dismissed_why = NULL, dismissed_run_id = NULL, code = EXCLUDED.code, message = EXCLUDED.message,
      raw = EXCLUDED.raw
    WHERE bank_import_rejections.resolved_at IS NOT NULL OR CAST(:says_something_else AS boolean)
      OR bank_import_rejections.dismissed_at IS NULL AND
        (bank_import_rejections.code, bank_import_rejections.message, bank_import_rejections.raw)
        IS DISTINCT FROM (EXCLUDED.code, EXCLUDED.message, EXCLUDED.raw)"""
)
_DISMISSED = text(
    f"""SELECT identity, code, raw FROM bank_import_rejections
    WHERE connection_id = :connection_id AND account_id IS NOT DISTINCT FROM CAST(:account_id AS bigint)
      AND {REJECTION_IS_DISMISSED} AND identity = ANY(:identities)"""  # noqa: S608 - a constant
)
_ARRIVED = text(
    """UPDATE bank_import_rejections r SET resolved_at = now(), resolved_run_id = :run_id
    FROM bank_transactions t
    WHERE r.connection_id = :connection_id AND r.resolved_at IS NULL AND r.external_id IS NOT NULL
      AND (r.account_id = :account_id OR r.account_id IS NULL AND r.code = 'account_not_listed')
      AND t.account_id = :account_id AND t.external_id = r.external_id AND t.state <> 'removed'"""
)
# A row that this delivery rejects again is open again below. Beside one that this run was the first to reject, an equal
# row of the run is another purchase.
_NOT_ARRIVED = text(
    """SELECT id, raw, extract(day FROM now() - created_at)::int AS days_open FROM bank_import_rejections
    WHERE connection_id = :connection_id AND account_id = :account_id AND resolved_at IS NULL AND run_id <> :run_id
    ORDER BY dismissed_at IS NOT NULL, id LIMIT 1000"""
)
_CREATED = text(
    """SELECT id, abs(amount) AS amount, concat_ws(' ', counterparty, description) AS words, stated_on AS "on"
    FROM bank_transactions
    WHERE first_run_id = :run_id AND account_id = :account_id AND abs(amount) = ANY(:amounts) ORDER BY id LIMIT 1000"""
)
# Of the bank's own records only those of earlier deliveries stand: files that tell the same days are one each.
_OPEN_RECORDS = text(
    """SELECT id, raw FROM bank_import_rejections
    WHERE connection_id = :connection_id AND account_id = :account_id AND resolved_at IS NULL AND created_at < now()
    ORDER BY dismissed_at IS NOT NULL, id LIMIT 1000"""
)
_ARRIVED_RECORDS = text(
    """SELECT concat_ws(' ', counterparty, description) AS words, stated_on AS "on", raw AS fields
    FROM bank_transactions
    WHERE first_run_id = :run_id AND account_id = :account_id AND created_at = now() AND stated_on IS NOT NULL
      AND jsonb_typeof(raw) = 'object' ORDER BY id"""
)
_RESOLVE = text("UPDATE bank_import_rejections SET resolved_at = now(), resolved_run_id = :run_id WHERE id = ANY(:ids)")
_REPEATED_IDS = text(
    f"""SELECT id, raw FROM bank_import_rejections
    WHERE connection_id = :connection_id AND account_id = :account_id AND code = 'id_repeated' AND {REJECTION_IS_OPEN}
    ORDER BY id LIMIT 1000"""  # noqa: S608 - a constant
)
_STANDING = text(
    f"""SELECT count(*) FILTER (WHERE {REJECTION_IS_OPEN}) AS open,
      count(*) FILTER (WHERE {REJECTION_IS_DISMISSED}) AS dismissed
    FROM bank_import_rejections
    WHERE connection_id = :connection_id AND account_id IS NOT DISTINCT FROM CAST(:account_id AS bigint)"""  # noqa: S608 - constants
)
_MAX_RAW = 100_000


def as_rejection(row: RejectedRow) -> Rejection:
    """Return what a connector could not read as what the importer keeps."""
    return Rejection(code=row.code, message=row.message, raw=row.raw, external_id=row.external_id)


def not_listed(transaction: Transaction) -> Rejection:
    """Return a transaction of an account that the bank does not list, as what is kept of it."""
    return Rejection(
        code="account_not_listed",
        message=f"the bank lists no account {transaction.account_id[:100]!r}",
        raw=transaction_as_text(transaction),
        external_id=transaction.external_id,
    )


def record_rejections(
    session: Session,
    job: Job,
    account_id: int | None,
    rejections: Sequence[Rejection],
    read_by: ReadContext | None = None,
) -> int:
    """Store rejections and return how many are new; rejections of rows that were imported since are resolved.

    Args:
        read_by: By what the account's rows are read; None where no row of the run may stand for a rejected one without
            its id.
    """
    arrived = {"run_id": job.lease.run_id, "connection_id": job.connection_id, "account_id": account_id}
    session.execute(_ARRIVED, arrived)
    if read_by is not None:
        _resolve_mended(session, arrived, read_by)
        _resolve_mended_records(session, arrived)
    if not rejections:
        return 0
    before = standing_rejections(session, job.connection_id, account_id).open
    # The last one of several records of one id counts, so that what a person left out is compared with itself.
    latest = dict(zip(_identities(rejections), rejections, strict=True))
    rows: list[dict[str, Any]] = [
        {
            **arrived,
            "identity": identity,
            "external_id": id_text(rejection.external_id),
            "code": rejection.code,
            "message": plain_text(redact(rejection.message))[:1000],
            "raw": plain_text(redact(rejection.raw))[:_MAX_RAW],
        }
        for identity, rejection in latest.items()
    ]
    known = session.execute(_DISMISSED, {**arrived, "identities": [row["identity"] for row in rows]})
    dismissed = {bytes(row.identity): row for row in known}
    for row in rows:
        before_row = dismissed.get(row["identity"])
        row["says_something_else"] = before_row is not None and not (
            before_row.code == row["code"] and is_same_record(before_row.raw, row["raw"])
        )
    session.execute(_INSERT, rows)
    return standing_rejections(session, job.connection_id, account_id).open - before


def _resolve_mended(session: Session, which: Mapping[str, Any], read_by: ReadContext) -> None:
    """Resolve rejections whose rows arrived in this run without the id by which they would be known."""
    stored = session.execute(_NOT_ARRIVED, which).all()
    rejected_on = [(row, read_by.today - timedelta(days=row.days_open)) for row in stored]
    read = (read_rejection(row.id, row.raw, on, read_by) for row, on in rejected_on)
    rejected = [one for one in read if one is not None]
    if not rejected:
        return
    found = session.execute(_CREATED, {**which, "amounts": [one.amount for one in rejected]})
    mended = arrived_rejections(rejected, [MoneyAndWords(**row._asdict()) for row in found])
    if mended:
        resolve(session, which["run_id"], mended)


def _resolve_mended_records(session: Session, which: Mapping[str, Any]) -> None:
    """Resolve rejected records that only the bank's form says, and that arrived in this delivery with a field mended.

    What the delivery rejects again is open again afterwards.
    """
    stored = session.execute(_OPEN_RECORDS, which).all()
    rejected = {row.id: row.raw for row in stored if kept_transaction(row.raw) is None}
    if not rejected:
        return
    arrived = session.execute(_ARRIVED_RECORDS, which, execution_options={"yield_per": 1000})
    mended = mended_records(rejected, (ArrivedRecord(**row._asdict()) for row in arrived))
    if mended:
        resolve(session, which["run_id"], mended)


def resolve(session: Session, run_id: uuid.UUID, rejection_ids: Sequence[int]) -> None:
    """Note that these rows are no longer rejected, by what this run brought."""
    session.execute(_RESOLVE, {"run_id": run_id, "ids": list(rejection_ids)})


def resolve_repeated_ids(session: Session, which: Mapping[str, Any], fits_after_on: date, balance_on: date) -> None:
    """Resolve rows that were told several times under one id, where the bank's balance fits without more of them.

    Args:
        which: The run, the connection and the account.
        fits_after_on: Rows after this day are what the balance says.
        balance_on: The day of the balance, which counts no rows that are booked for later ones.
    """
    read = [read_rejection(row.id, row.raw) for row in session.execute(_REPEATED_IDS, which)]
    repeats = [one.id for one in read if one is not None and one.on and fits_after_on < one.on <= balance_on]
    if repeats:
        resolve(session, which["run_id"], repeats)


def _identities(rejections: Sequence[Rejection]) -> list[bytes]:
    """Return the identities of rejections; equal rows without an id are told apart by counting."""
    counted: Counter[bytes] = Counter()
    identities = []
    for rejection in rejections:
        identity = rejection.identity
        occurrence = 0 if rejection.external_id else counted[identity]
        counted[identity] += 1
        identities.append(digest("rejection", identity.hex(), str(occurrence)) if occurrence else identity)
    return identities


def standing_rejections(session: Session, connection_id: uuid.UUID, account_id: int | None) -> StandingRejections:
    """Return how many rejected rows of an account stand; of the connection itself without an account."""
    values = {"connection_id": connection_id, "account_id": account_id}
    return StandingRejections(*session.execute(_STANDING, values).one())
