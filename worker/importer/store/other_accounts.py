"""Accounts for delivered rows that belong to no account of the request, so that none is dropped without a trace."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from worker.connectors.base import RejectedRow
from worker.importer.fetch.delivery import Delivery
from worker.importer.fetch.request_plan import FetchRequest
from worker.importer.job import Job
from worker.importer.store.rejections import as_rejection, not_listed, record_rejections

_STANDING = text(
    """SELECT w.external_id, a.status, a.included, EXISTS (
        SELECT 1 FROM bank_connection_accounts f
        WHERE f.connection_id = :connection_id AND w.external_id = ANY(f.former_external_ids)) AS is_former
    FROM unnest(CAST(:external_ids AS text[])) AS w(external_id)
    LEFT JOIN bank_connection_accounts a ON a.connection_id = :connection_id AND a.external_id = w.external_id"""
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherRows:
    """Delivered rows that belong to no imported account of the request.

    Attributes:
        by_account: How many rows each of those accounts has, by the bank's id.
        rejected: Rows that the connector could not read.
    """

    by_account: Mapping[str, int]
    rejected: Sequence[RejectedRow]

    @property
    def fetched(self) -> int:
        """How many of them were read."""
        return sum(self.by_account.values())

    @property
    def delivered(self) -> int:
        """How many they are, read or not."""
        return self.fetched + len(self.rejected)


def other_rows(request: FetchRequest, delivery: Delivery, imported: Collection[str]) -> OtherRows:
    """Return the rows of a delivery that belong to none of the accounts that are imported."""
    rows = delivery.repeated + Counter(delivery.staging.counts())
    return OtherRows(
        by_account={account_id: count for account_id, count in rows.items() if account_id not in imported and count},
        rejected=[row for row in delivery.rejected if (row.account_id or request.account_id) not in imported],
    )


def record_other_rows(session: Session, job: Job, delivery: Delivery, others: OtherRows) -> Counter[str]:
    """Store what became of these rows, and return their number by the standing of their account.

    Rows of an account that the bank does not list are rejected, so that they can be replayed once it does. Rows of an
    account that waits, is left out or failed are only counted.
    """
    standing = _standing_of(session, job, list(others.by_account))
    rejections = [as_rejection(row) for row in others.rejected]
    counted: Counter[str] = Counter()
    for account_id, rows in others.by_account.items():
        if standing[account_id] == "not_listed":
            rejections += map(not_listed, delivery.staging.transactions(account_id))
        counted[standing[account_id]] += rows
    record_rejections(session, job, None, rejections)
    return counted


def _standing_of(session: Session, job: Job, external_ids: Sequence[str]) -> dict[str, str]:
    """Return why rows of these accounts are not imported, by the bank's id: the account's standing in one word."""
    rows = session.execute(_STANDING, {"connection_id": job.connection_id, "external_ids": list(external_ids)})
    return {row.external_id: _standing(row) for row in rows}


def _standing(row: Row[Any]) -> str:
    """Return it in one word. What is said of a former id is said again of the account under its present one."""
    status, included = row.status, row.included
    if status is None:
        return "former_id" if row.is_former else "not_listed"
    if not included:
        return "left_out"
    return "not_imported" if status == "active" else status
