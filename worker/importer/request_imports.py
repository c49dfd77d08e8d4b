"""Imports what the requests of a run deliver, account by account, each in a transaction of its own."""

from collections import defaultdict
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from typing import TypeVar

from sqlalchemy.orm import Session

from worker.connectors.base import BankConnector
from worker.connectors.errors import ConnectorError
from worker.db.engine import with_contention_retries
from worker.db.user_lock import lock_user
from worker.errors import WorkerError
from worker.importer.account_state import AccountState, load_accounts, with_present_account
from worker.importer.context import ImportContext
from worker.importer.decide.balances.proof import BalanceProof
from worker.importer.fetch.delivery import Delivery, DeliveryTooLongError
from worker.importer.fetch.prefetch import PrefetchedDeliveries
from worker.importer.fetch.request_plan import FetchRequest, parts_of
from worker.importer.gc_pause import gc_paused
from worker.importer.job import Job, zone_of
from worker.importer.outcome import (
    AccountTally,
    RowsToldAgainError,
    SignsFlippedError,
    SimilarAccountError,
    UnknownRowsError,
    stops_connection,
)
from worker.importer.run_closing import RunFindings, ToldOfAccount
from worker.importer.store.account_share import AccountShare, share_of
from worker.importer.store.accounts.exchanged_ids import account_of_unknown_rows
from worker.importer.store.accounts.listed import save_connection_cursor, update_balance
from worker.importer.store.accounts.recognised_later import ask_whether_one_account
from worker.importer.store.accounts.replaced import account_or_old_one
from worker.importer.store.balances.proof import StatedBalances
from worker.importer.store.balances.uncounted import remove_uncounted
from worker.importer.store.other_accounts import other_rows, record_other_rows
from worker.importer.store.results.run_accounts import add_removed, fail_account, prove_and_close_account
from worker.importer.store.rows.reach import note_short_answer
from worker.importer.store.second_look import look_again
from worker.importer.store.share_import import import_share, leaves_doubt
from worker.runs.states import Counts
from worker.telemetry.logs import get_logger

log = get_logger(__name__)

T = TypeVar("T")


class RequestImports:
    """The imports of one run: what its requests delivered, and which accounts failed.

    Attributes:
        failed: Accounts of which nothing more is imported, by id.
        balances: Balances that deliveries stated besides the present ones, by account.
        told: What was told of each account, by its id.
    """

    def __init__(
        self,
        job: Job,
        context: ImportContext,
        connector: BankConnector,
        deliveries: PrefetchedDeliveries,
        findings: RunFindings,
    ) -> None:
        self.job = job
        self.context = context
        self.connector = connector
        self.deliveries = deliveries
        self.findings = findings
        self.failed: set[int] = set()
        self.balances: defaultdict[int, StatedBalances] = defaultdict(StatedBalances)
        self.told: defaultdict[int, ToldOfAccount] = defaultdict(ToldOfAccount)
        self._imported_as: dict[tuple[int, str], AccountState] = {}  # what an account turned out to be
        self._exchanged: set[int] = set()  # that changed places in this run: a second time is a question

    def accounts_of(self, request: FetchRequest) -> list[AccountState]:
        """Return the accounts of a request; one that was imported as an older account is that one from then on.

        One that is asked for by itself has the id by which it is asked for.
        """
        accounts = [self._present(account) for account in request.accounts]
        if request.account_id is None:
            return accounts
        return [replace(account, external_id=request.account_id) for account in accounts]

    def import_request(self, request: FetchRequest) -> None:
        """Fetch and import what a request asks for, in parts where the bank takes too long to deliver it at once.

        An error of one account does not stop the others. Raises: ConnectorError when it concerns all accounts.
        """
        left = [request]
        while left and any(account.id not in self.failed for account in self.accounts_of(request)):
            asked = replace(left[0], accounts=self.accounts_of(left[0]))
            with gc_paused():
                try:
                    delivery = self.deliveries.take(asked)
                except (DeliveryTooLongError, ConnectorError) as error:
                    left[:1] = self._asked_after(error, asked)
                    continue
                with closing(delivery.staging):
                    left[:1] = self._import_delivery(asked, delivery)

    def _import_delivery(self, request: FetchRequest, delivery: Delivery) -> list[FetchRequest]:
        """Import what was delivered, each account in a transaction; return the request that goes on, if it was cut."""
        if self.findings.digest is not None:
            self.findings.digest.add_delivery(request, delivery)
        self.findings.warnings.update(delivery.warnings)
        imported = self._account_for_other_rows(request, delivery)
        for listed in request.accounts:
            account = self._present(listed)  # two accounts may have changed places since
            if account.id not in self.failed:
                imported += self.import_account(request, account, delivery)
        imported_ids = [account.id for account in self.accounts_of(request)]
        all_imported = delivery.complete and self.failed.isdisjoint(imported_ids)
        # Every record belongs to an account, imported or left out; if some do not, the run ends as `unaccounted`.
        self.findings.elsewhere += Counts(delivered=delivery.records - imported)
        if request.by_cursor and request.account_id is None and all_imported:
            # The cursor of all accounts passes rows of those that are not imported now.
            self.commit(lambda session: save_connection_cursor(session, self.job, imported_ids, delivery.next_cursor))
        return request.following(delivery) if all_imported else []

    def _asked_after(self, error: DeliveryTooLongError | ConnectorError, request: FetchRequest) -> list[FetchRequest]:
        """Return what is asked for instead of a request that was not answered: its parts, or nothing of the account."""
        if isinstance(error, DeliveryTooLongError):
            return self._cut(request, error)
        if stops_connection(error) or request.account_id is None:
            raise error
        self._fail(request.accounts[0], error)
        return []

    def _cut(self, request: FetchRequest, error: DeliveryTooLongError) -> list[FetchRequest]:
        """Return the parts of a request that takes too long; a later attempt asks for such parts at once."""
        parts = parts_of(request, error.days)
        first = parts[0].window
        self.context.note_part_days((first.to_on - first.from_on).days + 1)
        self.context.note_progress()
        if self.findings.digest is not None:
            self.findings.digest.disable()
        log.info("delivery.cut", parts=len(parts), days_read=error.days)
        return parts

    def import_account(
        self,
        request: FetchRequest,
        account: AccountState,
        delivery: Delivery,
        *,
        before: Callable[[Session], None] = lambda _session: None,
    ) -> int:
        """Import one account's share of a delivery: data, counts, watermark and cursor in one transaction.

        Args:
            before: Done first in that transaction, unless the account waits for an answer.

        Returns how many of the delivered records were the account's.
        """
        share = self._share(request, account, delivery)
        try:
            written = self._write(share, before)
        except SignsFlippedError as error:
            return self._leave_out(share, error)
        if written is None:
            return self._leave_out(share, SimilarAccountError())
        share, tally = written
        self._imported_as[account.id, account.external_id] = share.account
        self.findings.add(tally)
        self.told[share.account.id].add(tally)
        rows = tally.rows_with_balance if delivery.complete else ()
        self.balances[share.account.id].add(delivery.balances, share.account.external_id, rows)
        # A part that says that there is more and changed nothing is none: a bank may say so for ever.
        if tally.months or (delivery.complete and not delivery.continues and not request.replays):
            self.context.note_progress()
        if tally.months:
            self.context.clear_cache(self.job.user_id, frozenset(tally.months))
        if leaves_doubt(share, tally):
            self._fail(share.account, RowsToldAgainError(), status="partial")
        if (failure := delivery.failures.get(share.account.external_id)) is not None:
            self._fail(share.account, failure, status="partial" if share.rows else "failed")
        return tally.counts.delivered

    def _write(
        self, share: AccountShare, before: Callable[[Session], None]
    ) -> tuple[AccountShare, AccountTally] | None:
        """Import a share; one without a known row as the account that it is of. None when the account waits."""
        try:
            return self.commit(lambda session: self._recognise_and_write(session, share, before))
        except UnknownRowsError:
            told = self.commit(lambda session: self._account_of_unknown_rows(session, share))
        if told is None:
            return None
        of_told = replace(self._share(share.request, told, share.delivery), is_decided=True)
        return self.commit(lambda session: self._recognise_and_write(session, of_told, before))

    def _account_of_unknown_rows(self, session: Session, share: AccountShare) -> AccountState | None:
        """Return the account whose rows a share has; where two changed places, each is asked for by its new id."""
        told = account_of_unknown_rows(session, share, may_exchange=share.account.id not in self._exchanged)
        if told is not None and told.id != share.account.id:
            self._exchanged |= {share.account.id, told.id}
            found = [one for one in load_accounts(session, self.job.connection_id, None) if one.id == share.account.id]
            self._imported_as |= {(told.id, one.external_id): one for one in found}
        return told

    def _present(self, account: AccountState) -> AccountState:
        """Return the account that one turned out to be when it was imported, and so on until one is itself."""
        present = self._imported_as.get((account.id, account.external_id), account)
        return account if present is account else self._present(present)

    def _share(self, request: FetchRequest, account: AccountState, delivery: Delivery) -> AccountShare:
        share = share_of(self.job, account, request, self.connector.capabilities, delivery, self.context.now())
        return replace(share, told_from_on=self.told[account.id].told_from_on)

    def _leave_out(self, share: AccountShare, error: WorkerError) -> int:
        """Import nothing of an account until a user has answered; return how many delivered records are its own."""
        self._fail(share.account, error, status="partial")
        self.findings.rows_not_imported[error.code] += share.records
        self.findings.elsewhere += Counts(fetched=share.records, delivered=share.records, accounted=share.records)
        return share.records

    def _recognise_and_write(
        self, session: Session, share: AccountShare, before: Callable[[Session], None]
    ) -> tuple[AccountShare, AccountTally] | None:
        """Import a share as the account that it evidently is of; return both, or None when the account waits.

        Both are one transaction, so that another import of the user sees an account with its rows or not at all.
        """
        account, _held = with_present_account(session, share.account)
        share = replace(share, account=account)
        if not share.account.history_complete or share.account.bank_account_id is None:
            known = account_or_old_one(session, share)
            if known is None:
                return None
            share = replace(self._share(share.request, known, share.delivery), is_decided=share.is_decided)
        if (listed := share.delivery.accounts.get(share.account.external_id)) is not None:
            update_balance(session, share.account.id, listed)
        before(session)
        tally = import_share(session, share, self.context)
        ask_whether_one_account(session, share.account.id, self.job.lease.run_id, added=tally.counts.created)
        return share, tally

    def _account_for_other_rows(self, request: FetchRequest, delivery: Delivery) -> int:
        """Record rows that belong to no imported account of the request; return how many they are."""
        imported = {account.external_id for account in request.accounts if account.id not in self.failed}
        others = other_rows(request, delivery, imported)
        if others.delivered:
            self.findings.rows_not_imported += self.commit(
                lambda session: record_other_rows(session, self.job, delivery, others)
            )
            self.findings.elsewhere += Counts(
                fetched=others.fetched, delivered=others.delivered, accounted=others.delivered
            )
        return others.delivered

    def _fail(self, account: AccountState, error: WorkerError, *, status: str = "failed") -> None:
        self.failed.add(account.id)
        log.warning("account.failed", account_id=account.id, code=error.code)
        self.commit(lambda session: fail_account(session, self.job, account.id, error, status=status))

    def end_account(self, account: AccountState) -> None:
        """Close an account whose deliveries were all imported: match its rows again, and prove its balance."""
        zone = zone_of(self.job, self.connector.capabilities)
        today = self.context.now().astimezone(zone).date()
        by_cursor = self.connector.capabilities.cursor_scope is not None
        balances, told = self.balances[account.id], self.told[account.id]

        def look_again_and_close(session: Session) -> tuple[set[str], int, BalanceProof]:
            present, _held = with_present_account(session, account)
            removed, months = remove_uncounted(session, self.job, present, zone, balances)
            if removed:
                add_removed(session, self.job, account.id, removed)
            looked_at, not_compared = look_again(session, self.job, present, today, by_cursor=by_cursor)
            if told.newly_absent and told.told_from_on is not None:
                note_short_answer(session, account.id, told.told_from_on, today)
            proof = prove_and_close_account(session, self.job, account.id, zone, balances, told_again=told.told_again)
            return months | looked_at, not_compared, proof

        months, not_compared, proof = self.commit(look_again_and_close)
        self.findings.rows_not_compared["other_source"] += not_compared
        self.context.note_progress()
        if months:
            self.context.clear_cache(self.job.user_id, frozenset(months))
        if proof.reason == "opening_taken" and self.findings.digest is not None:
            self.findings.digest.disable()

    def commit(self, work: Callable[[Session], T]) -> T:
        """Do work in a transaction of this run, alone among those that decide about the user's rows.

        It is done again where another transaction was in its way.
        """

        def once() -> T:
            with self.context.sessions() as session:
                lock_user(session, self.job.user_id, wait=self.context.wait)
                self.context.fence(session, self.job.lease)
                return work(session)

        return with_contention_retries(once)
