"""Imports rejected rows again, for example after a connector was fixed."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import text
from sqlalchemy.orm import Session

from worker.connectors.base import BankConnector, RejectedRow, Transaction
from worker.connectors.errors import InvalidDataError
from worker.importer.decide.read.line import kept_transaction
from worker.importer.job import Job
from worker.models.transaction import REJECTION_IS_OPEN

_OPEN = text(
    f"""SELECT r.id, r.external_id, r.code, r.message, r.raw, a.external_id AS account
    FROM bank_import_rejections r LEFT JOIN bank_connection_accounts a ON a.id = r.account_id
    WHERE r.connection_id = :connection_id AND {REJECTION_IS_OPEN}
      AND (CAST(:run_id AS uuid) IS NULL OR r.run_id = :run_id)
    ORDER BY r.id"""  # noqa: S608 - constants
)
_UNREADABLE = (
    InvalidDataError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError
)  # fmt: skip
"""What a connector may raise of a text that is none of its records: that row stays open, and the others go on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What can be read now.

    Attributes:
        transactions: Each under the id that its account has now.
        accounts: Of each rejection that could be read, the ids of the accounts that its transactions belong to.
    """

    transactions: list[Transaction]
    accounts: dict[int, frozenset[str]]

    def without_rows(self) -> list[int]:
        """Return the rejections of which nothing is left to import."""
        return [id_ for id_, found in self.accounts.items() if not found]

    def completed_by(self, account_id: str, before: Collection[str]) -> list[int]:
        """Return the rejections of which all is imported with this account, if that of the others was before."""
        done = {account_id, *before}
        return [id_ for id_, found in self.accounts.items() if account_id in found and found <= done]


def read_rejected_rows(session: Session, job: Job, connector: BankConnector) -> Replayed:
    """Read the open rejections of the target run again."""
    rows = session.execute(_OPEN, {"connection_id": job.connection_id, "run_id": job.target_run_id}).all()
    transactions: list[Transaction] = []
    accounts: dict[int, frozenset[str]] = {}
    for row in rows:
        rejected = RejectedRow(
            code=row.code, message=row.message, raw=row.raw, account_id=row.account, external_id=row.external_id
        )
        try:
            found = list(_read(rejected, connector))
        except _UNREADABLE:
            continue
        if row.account is not None:  # which may have another id now than when the row was rejected
            found = [replace(one, account_id=row.account) for one in found]
        transactions += found
        accounts[row.id] = frozenset(one.account_id for one in found)
    return Replayed(transactions=transactions, accounts=accounts)


def _read(row: RejectedRow, connector: BankConnector) -> Sequence[Transaction]:
    """Return the transactions of a rejected row, which is a transaction as text, or the provider's own, of any form."""
    kept = kept_transaction(row.raw)
    return connector.read_rejected(row) if kept is None else [kept]
