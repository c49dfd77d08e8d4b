"""One account's share of a delivery, with what importing it needs."""

from dataclasses import dataclass

from worker.connectors.base import Capabilities
from worker.importer.account_state import AccountState
from worker.importer.decide.decisions import RowRules
from worker.importer.decide.line import Rejection
from worker.importer.decide.read_context import ReadContext
from worker.importer.fetch.delivery import Delivery
from worker.importer.fetch.requests import FetchRequest
from worker.importer.job import Job
from worker.importer.store.rejections import as_rejection
from worker.importer.store.write import WriteTarget


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountShare:
    """One account's share of a delivery: what the delivery says of this account.

    Attributes:
        account: The account, in its state at the start of the run.
        request: What was asked for.
        capabilities: The connector's.
        read_context: What is known of the account before its rows are read.
        delivery: The whole delivery, which may be for other accounts too.
    """

    job: Job
    account: AccountState
    request: FetchRequest
    capabilities: Capabilities
    read_context: ReadContext
    delivery: Delivery

    @property
    def records(self) -> int:
        """How many of the delivered records are the account's, read or not."""
        rows = self.delivery.staging.rows(self.account.external_id) + self.delivery.repeated[self.account.external_id]
        return rows + len(self.rejected)

    @property
    def is_whole(self) -> bool:
        """Whether the delivery holds all that was asked for of the account."""
        delivery = self.delivery
        return delivery.complete and not delivery.continues and self.account.external_id not in delivery.failures

    @property
    def is_list_of_changes(self) -> bool:
        """Whether the delivery says what changed since a cursor, so that one row may be in it in several states."""
        return self.request.by_cursor and not self.request.replays and self.request.cursor is not None

    @property
    def holds_whole_days(self) -> bool:
        """Whether the delivery holds each of its days as a whole; rows that are replayed come alone."""
        return self.capabilities.whole_days and not self.request.replays

    @property
    def rules(self) -> RowRules:
        """What decisions about its rows depend on, of the connection's options and of what its provider promises."""
        options = self.job.options
        return RowRules(
            pending_hidden=options.import_pending == "hide",
            pending_grace_days=options.pending_grace_days,
            # An empty delivery proves nothing about posted rows: providers give one when they fail.
            windows_complete=self.capabilities.windows_complete
            and self.delivery.staging.rows(self.account.external_id) > 0,
            guess_pending=not self.capabilities.links_pending,
            reimport=options.reimport,
            # A user who prefers another currency now says nothing of rows that are there already.
            currency_assumed=None if self.account.currency is None else self.account.currency_assumed,
        )

    @property
    def target(self) -> WriteTarget:
        """Where its rows are written."""
        return WriteTarget(account_id=self.account.id, user_id=self.job.user_id, run_id=self.job.lease.run_id)

    @property
    def rejected(self) -> list[Rejection]:
        """The rows of this account that the connector could not read; a delivery for one account need not name it."""
        own = {self.account.external_id, self.account.external_id if self.request.account_id is None else None}
        return [as_rejection(row) for row in self.delivery.rejected if row.account_id in own]
