"""One account's share of a delivery, with what importing it needs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from worker.connectors.base import Capabilities
from worker.importer.account_state import AccountState
from worker.importer.decide.absent_rows import Coverage, windows_are_complete
from worker.importer.decide.decisions import RowRules
from worker.importer.decide.reach import surely_told_from_on
from worker.importer.decide.read.context import ReadContext
from worker.importer.decide.read.line import FingerprintedTransaction, Line, Rejection, read_line
from worker.importer.decide.slice_rows import SliceRows, StoredKeys, read_slice
from worker.importer.fetch.delivery import Delivery
from worker.importer.fetch.request_plan import FetchRequest
from worker.importer.fetch.slices import Slice
from worker.importer.job import Job, read_context_for
from worker.importer.store.rejections import as_rejection
from worker.importer.store.write_target import WriteTarget


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountShare:
    """One account's share of a delivery: what the delivery says of this account.

    Attributes:
        job: The run.
        account: The account, in its state at the start of the run.
        request: What was asked for.
        capabilities: The connector's.
        read_context: What is known of the account before its rows are read.
        delivery: The whole delivery, which may be for other accounts too.
        rejected: The rows of this account that the connector could not read.
        rows: How many transactions of it were read.
        records: How many of the delivered records are the account's, read or not.
        times_on_page: How often one page told an id of it, where it did so several times.
        is_whole: The delivery holds all that was asked for of the account.
        rules: What decisions about its rows depend on.
        target: Where its rows are written.
        told_from_on: The day of the oldest posted row that the run was told of it before; None without any.
        is_decided: It was decided that the rows are the account's, though none of them is known.
    """

    job: Job
    account: AccountState
    request: FetchRequest
    capabilities: Capabilities
    read_context: ReadContext
    delivery: Delivery
    rejected: Sequence[Rejection]
    rows: int
    records: int
    times_on_page: Mapping[str, int]
    is_whole: bool
    rules: RowRules
    target: WriteTarget
    told_from_on: date | None = None
    is_decided: bool = False

    def read(self, transactions: Sequence[FingerprintedTransaction], stored: StoredKeys) -> SliceRows:
        """Read rows of the share, by what is stored that they may be."""
        return read_slice(transactions, stored, self.read_context, self.rules, self.times_on_page)

    def read_voided(self, slice_: Slice) -> list[Line]:
        """Read the rows of a slice that are void as they were before; what cannot be read is left out."""
        read = (read_line(item, self.read_context) for item in slice_.voided)
        return [line for line in read if isinstance(line, Line)]

    @property
    def only_changes(self) -> bool:
        """Whether the delivery has every change since the cursor: a row that it does not mention is as it was."""
        return self.request.by_cursor and not self.request.replays and self.delivery.complete

    def coverage(self, slice_: Slice) -> Coverage:
        """Return for which days a slice of the share proves absence, by how far back the bank's answers reach."""
        today = self.read_context.today
        return Coverage(
            window=slice_.covers,
            days_cut_off=slice_.days_cut_off,
            up_to_now=slice_.is_up_to(today),
            asked_from_on=self.request.asked_from_on,
            told_from_on=slice_.told_from_on or date.max,
            reaches_from_on=self.account.reach.first_on(today),
            surely_from_on=surely_told_from_on(today),
        )


def share_of(
    job: Job,
    account: AccountState,
    request: FetchRequest,
    capabilities: Capabilities,
    delivery: Delivery,
    now: datetime,
) -> AccountShare:
    """Return what a delivery says of an account, with all that importing it depends on."""
    failed = account.external_id in delivery.failures
    rows = delivery.staging.rows(account.external_id)
    # A delivery for one account need not name it.
    own = {account.external_id, account.external_id if request.account_id is None else None}
    rejected = [as_rejection(row) for row in delivery.rejected if row.account_id in own]
    return AccountShare(
        job=job,
        account=account,
        request=request,
        capabilities=capabilities,
        read_context=read_context_for(job, account, capabilities, now, delivery.provider_session),
        delivery=delivery,
        rejected=rejected,
        rows=rows,
        records=rows + delivery.repeated[account.external_id] + len(rejected),
        times_on_page={
            id_: times
            for (account_id, id_), times in delivery.times_on_page.items()
            if account_id == account.external_id
        },
        is_whole=delivery.complete and not delivery.continues and not failed,
        rules=_rules(job, account, request, capabilities, rows),
        target=WriteTarget(account_id=account.id, user_id=job.user_id, run_id=job.lease.run_id),
    )


def _rules(job: Job, account: AccountState, request: FetchRequest, capabilities: Capabilities, rows: int) -> RowRules:
    return RowRules(
        pending_hidden=job.options.import_pending == "hide",
        pending_grace_days=job.options.pending_grace_days,
        windows_complete=windows_are_complete(rows, promised=capabilities.windows_complete),
        links_pending=capabilities.links_pending,
        list_of_changes=request.by_cursor and not request.replays and request.cursor is not None,
        whole_days=capabilities.whole_days and not request.replays,  # rows that are replayed come alone
        report_all=job.dry_run,
        reimport=job.options.reimport,
        # A user who prefers another currency now says nothing of rows that are there already.
        currency_assumed=None if account.currency is None else account.currency_assumed,
    )
