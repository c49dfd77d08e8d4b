"""Executes one run from its claim to its outcome: start, fetch, plan, apply, finish.

    job_of ─▶ connector ─▶ accounts ─▶ per request: fetch (network) ─▶ per account: plan + write (one transaction)
             ─▶ balance proof ─▶ outcome

The engine opens the transactions. What is decided about rows is in `decide`, about days in `fetch.window`, about how a
run ends in `outcome`.
"""

import gc
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.orm import Session

from worker.connectors.base import Account, AuthState, BankConnector
from worker.connectors.errors import AccountNotFoundError, AuthenticationError, ConnectorError, InvalidDataError
from worker.db.engine import with_contention_retries
from worker.db.user_lock import lock_user
from worker.errors import KeyProviderUnavailableError, WorkerError
from worker.importer.account_state import AccountState, load_accounts
from worker.importer.actions.dry_run import dry_run_transaction
from worker.importer.actions.replay import read_rejected_rows, resolve
from worker.importer.actions.revert import revert
from worker.importer.context import ImportContext
from worker.importer.fetch.delivery import Delivery, with_retries
from worker.importer.fetch.prefetch import PrefetchedDeliveries
from worker.importer.fetch.requests import FetchRequest, days_lost, plan_requests, request_for_single_rows
from worker.importer.fetch.response_digest import ResponseDigest
from worker.importer.job import Job, job_of, read_context_for, zone_of
from worker.importer.outcome import AccountResult, SignsFlippedError, SimilarAccountError, outcome_of, stops_connection
from worker.importer.store.account_import import AccountDelivery, AccountTally, import_account
from worker.importer.store.accounts import save_connection_cursor, sync_accounts, update_balance
from worker.importer.store.ledger_state import (
    problem_of_connection,
    save_connection_problem,
    standing_of,
    unsupported_accounts,
)
from worker.importer.store.progress import account_results, end_account, fail_account, reopen
from worker.importer.store.rejections import as_rejection, not_listed, record_rejections
from worker.importer.store.replaced_account import ask_if_replaced
from worker.importer.store.second_look import look_again
from worker.importer.store.unchanged_response import copy_previous_run, forget, remember
from worker.models import BankConnection
from worker.runs.ending import close
from worker.runs.lease import ClaimedRun
from worker.runs.states import Counts, Outcome, RunKind
from worker.telemetry.logs import get_logger

log = get_logger(__name__)

NOT_LISTED = AccountNotFoundError("the bank does not list it any more: link it again, or leave it out")
UNREADABLE = InvalidDataError("its currency is none of ISO 4217: leave it out, or ask for the connector to be mended")


def run(claimed: ClaimedRun, context: ImportContext) -> Outcome:
    """Execute the run, close its row and return its outcome, also when the bank fails.

    What was committed before an error stays, and the next attempt continues from it.

    Raises:
        StopRequestedError, LostLeaseError, CancelRequestedError: from `check` of the context.
    """
    job = job_of(claimed)
    if job.kind == RunKind.REVERT:
        return revert(job, context)
    findings = RunFindings()
    with findings.noting_what_stops():
        connector = context.open_connector(job.connection_id)
        with closing(PrefetchedDeliveries(connector, context)) as deliveries:
            run_ = _Run(job, context, connector, deliveries, findings)
            if job.kind == RunKind.REPLAY:
                run_.replay()
            elif job.dry_run:
                return run_.dry_run()
            elif (unchanged := run_.import_all()) is not None:
                return unchanged
    with context.sessions() as session:
        return _close(session, job, context, findings, account_results(session, job))


@dataclass(slots=True)
class RunFindings:
    """Findings about the run as a whole, not about one account.

    Attributes:
        stopped_by: The error that ended it before all accounts were read.
        rows_not_imported: Delivered rows of accounts that this run does not import, by the account's standing.
        elsewhere: Counts of those rows, and of records that belong to no account.
        digest: The digest of its response, while the response can be recognised again.
    """

    stopped_by: WorkerError | None = None
    warnings: set[str] = field(default_factory=set)
    rows_not_imported: Counter[str] = field(default_factory=Counter)
    elsewhere: Counts = field(default_factory=Counts)
    digest: ResponseDigest | None = None

    @contextmanager
    def noting_what_stops(self) -> Iterator[None]:
        """End a block at an error of the bank or of the key provider, and keep the error."""
        try:
            yield
        except (ConnectorError, KeyProviderUnavailableError) as error:
            self.stopped_by = error
            log.warning("run.stopped", code=error.code)


def _close(
    session: Session, job: Job, context: ImportContext, findings: RunFindings, results: Sequence[AccountResult]
) -> Outcome:
    """Close the run's row, and keep the digest of a response with nothing new."""
    report: dict[str, Any] = {"warnings": sorted(findings.warnings)} if findings.warnings else {}
    if findings.rows_not_imported:
        report["rows_not_imported"] = dict(findings.rows_not_imported)
    problem = problem_of_connection(session, job)
    outcome = outcome_of(
        results, findings.stopped_by, context.now(), report, elsewhere=findings.elsewhere, problem=problem
    )
    if not job.dry_run:
        save_connection_problem(session, job, problem)
    close(session, job.lease, outcome)
    digest = findings.digest.value() if findings.digest else None
    if digest is not None and outcome.code == "nothing_new" and not report:
        remember(session, job, digest)
    return outcome


class _Run:
    """One import, refresh or replay while it goes on."""

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

    def import_all(self) -> Outcome | None:
        """Import every account; return the outcome when the response is unchanged and the run is closed already."""
        self._check_auth()
        listed = with_retries(self.connector.list_accounts, self.context)
        unchanged = self._try_unchanged(listed)
        if unchanged is None:
            self.import_listed(listed)
        return unchanged

    def dry_run(self) -> Outcome:
        """Fetch everything, import it in a transaction that is rolled back, and report what it decided."""
        self._check_auth()
        listed = with_retries(self.connector.list_accounts, self.context)
        with self.context.sessions() as session, session.begin_nested() as preview:
            lock_user(session, self.job.user_id, wait=self.context.wait)
            known = {account.id for account in load_accounts(session, self.job.connection_id, None)}
            requests = self._plan_requests(self._sync(session, listed))
            preview.rollback()
        self.deliveries.prefetch_all(requests)
        with dry_run_transaction(self.context, self.job, known) as (trial_context, session):
            trial = _Run(self.job, trial_context, self.connector, self.deliveries, self.findings)
            with self.findings.noting_what_stops():
                trial.import_listed(listed)
            results = account_results(session, self.job)
        with self.context.sessions() as session:
            return _close(session, self.job, self.context, self.findings, results)

    def replay(self) -> None:
        """Try the rejected rows of another run again; a row that is refused again stays rejected."""
        with self.context.sessions() as session:
            replayed = read_rejected_rows(session, self.job, self.connector)
            accounts = load_accounts(session, self.job.connection_id, None)
        delivery = Delivery()
        delivery.staging.add(replayed.transactions)
        wanted = [account for account in accounts if delivery.staging.rows(account.external_id)]
        request = request_for_single_rows(wanted, self.context.now().date())
        with self._transaction() as session:
            forget(session, self.job)
            resolve(session, self.job, replayed.rejection_ids)
        for account in wanted:
            self._import_account(request, account, delivery)
            self._end_account(account)

    def import_listed(self, listed: Sequence[Account]) -> None:
        """Import the accounts that the bank lists, request by request."""
        accounts = self._sync_accounts(listed)
        self.findings.digest = self._digest_of(listed, accounts)
        requests = self._plan_requests(accounts)
        last_request = {account.id: number for number, request in enumerate(requests) for account in request.accounts}
        for number, request in enumerate(requests):
            if any(account.id not in self.failed for account in request.accounts):
                with _gc_paused():
                    self._import_request(request)
            for account in request.accounts:
                if account.id not in self.failed and last_request[account.id] == number:
                    self._end_account(account)
        for account in accounts:
            # An earlier attempt read all windows of the account, and stopped before it was closed.
            if account.id in self.job.read_back_to and account.id not in self.job.done | last_request.keys():
                self._end_account(account)

    def _import_request(self, request: FetchRequest) -> None:
        """Fetch one delivery, and import it account by account, each in a transaction of its own.

        An error of one account does not stop the others. Raises: ConnectorError when it concerns all of them.
        """
        try:
            delivery = self.deliveries.take(request)
        except ConnectorError as error:
            if stops_connection(error) or request.account_id is None:
                raise
            self._fail(request.accounts[0], error)
            return
        with closing(delivery.staging):
            self.context.weigh(sum(map(delivery.staging.rows, delivery.staging.account_ids())))
            if self.findings.digest is not None:
                self.findings.digest.add_delivery(request, delivery)
            self.findings.warnings.update(delivery.warnings)
            imported = self._account_for_other_rows(request, delivery)
            for account in request.accounts:
                if account.id in self.failed:
                    continue
                imported += self._import_account(request, account, delivery)
                if (error_of_account := delivery.failures.get(account.external_id)) is not None:
                    rows = delivery.staging.rows(account.external_id)
                    self._fail(account, error_of_account, status="partial" if rows else "failed")
            all_imported = delivery.complete and not any(account.id in self.failed for account in request.accounts)
            self.findings.elsewhere += Counts(delivered=delivery.records - imported)
            if request.by_cursor and request.account_id is None and all_imported:
                self._save_cursor(request, delivery)

    def _import_account(self, request: FetchRequest, account: AccountState, delivery: Delivery) -> int:
        """Import one account's part of a delivery: data, counts, watermark and cursor in one transaction.

        Returns how many of the delivered records were the account's.
        """
        capabilities = self.connector.capabilities
        part = AccountDelivery(
            job=self.job,
            account=account,
            request=request,
            capabilities=capabilities,
            read_context=read_context_for(self.job, account, capabilities, self.context.now(), delivery.session),
            delivery=delivery,
        )
        if account.history_from_on is None and with_contention_retries(lambda: self._asks_about(part)):
            return self._leave_out(part, SimilarAccountError())
        try:
            tally = with_contention_retries(lambda: self._write_account(part))
        except SignsFlippedError as error:
            return self._leave_out(part, error)
        self.findings.warnings |= tally.warnings
        if tally.months:
            self.context.advanced()
            self.context.clear_cache(self.job.user_id, frozenset(tally.months))
        return tally.counts.delivered

    def _leave_out(self, part: AccountDelivery, error: WorkerError) -> int:
        """Import nothing of an account until a person has answered; return how many delivered records are its own."""
        self._fail(part.account, error)
        self.findings.rows_not_imported[error.code] += part.records
        self.findings.elsewhere += Counts(fetched=part.records, delivered=part.records, accounted=part.records)
        return part.records

    def _asks_about(self, part: AccountDelivery) -> bool:
        with self._transaction() as session:
            return ask_if_replaced(session, part)

    def _write_account(self, part: AccountDelivery) -> AccountTally:
        with self._transaction() as session:
            if (listed := part.delivery.accounts.get(part.account.external_id)) is not None:
                update_balance(session, part.account.id, listed)
            return import_account(session, part, self.context)

    def _try_unchanged(self, listed: Sequence[Account]) -> Outcome | None:
        """Fetch everything; if the response equals the previous one, record just that and return how the run ended.

        Otherwise what was fetched is kept for `import_listed`.
        """
        if self.job.answer_digest is None:
            return None
        requests = plan_requests(self.job, self.job.accounts, self.connector.capabilities, self.context)
        digest = self._digest_of(listed, self.job.accounts)
        if self.deliveries.prefetch_into(digest, requests) == self.job.answer_digest:
            outcome = copy_previous_run(self.job, self.context, requests, listed)
            if outcome is not None:
                return outcome
        with self._transaction() as session:
            forget(session, self.job)
        return None

    def _digest_of(self, listed: Sequence[Account], accounts: list[AccountState]) -> ResponseDigest:
        """Begin the digest of a response with its accounts."""
        digest = ResponseDigest(self.job, self.context.policy)
        now = self.context.now().astimezone(zone_of(self.job, self.connector.capabilities))
        digest.add_accounts(now, listed, accounts)
        return digest

    def _plan_requests(self, accounts: list[AccountState]) -> list[FetchRequest]:
        requests = plan_requests(self.job, accounts, self.connector.capabilities, self.context)
        if days_lost(self.job, requests, self.connector.capabilities, self.context):
            self.findings.warnings.add("days_out_of_reach")
        return requests

    @contextmanager
    def _transaction(self) -> Iterator[Session]:
        """Open a transaction of this run, alone among those that decide about the user's rows."""
        with self.context.sessions() as session:
            lock_user(session, self.job.user_id, wait=self.context.wait)
            self.context.fence(session, self.job.lease)
            yield session

    def _check_auth(self) -> None:
        status = with_retries(self.connector.get_auth_status, self.context)
        if status.state != AuthState.OK:
            raise AuthenticationError(
                f"the bank asks the user to act ({status.reason})", reason=status.reason or "expired"
            )
        if status.expires_at not in (None, self.job.consent_expires_at) and not self.job.dry_run:
            with self._transaction() as session:
                session.get_one(BankConnection, self.job.connection_id).consent_expires_at = status.expires_at

    def _sync_accounts(self, listed: Sequence[Account]) -> list[AccountState]:
        with self._transaction() as session:
            accounts = self._sync(session, listed)
        if not accounts and self.job.account_external_id is not None:
            raise AccountNotFoundError("the connection has no such account to import")
        return accounts

    def _sync(self, session: Session, listed: Sequence[Account]) -> list[AccountState]:
        """Write which accounts the bank lists, and return those to import."""
        ask = self.job.options.new_accounts == "ask"
        missing = sync_accounts(session, self.job.connection_id, self.job.user_id, listed, ask=ask)
        accounts = load_accounts(session, self.job.connection_id, self.job.account_external_id)
        reopen(session, self.job, [account.id for account in accounts])
        for account_id in missing:
            fail_account(session, self.job, account_id, NOT_LISTED)
        for account_id in unsupported_accounts(session, self.job):
            fail_account(session, self.job, account_id, UNREADABLE, status="partial")
        return accounts

    def _account_for_other_rows(self, request: FetchRequest, delivery: Delivery) -> int:
        """Say what became of rows that belong to no account of the request; return how many they are.

        Rows of an account that the bank does not list are rejected, so that they can be replayed once it does. Rows of
        an account that waits, is left out or failed are counted by that reason.
        """
        ours = {account.external_id for account in request.accounts if account.id not in self.failed}
        staged, repeated = delivery.staging, delivery.repeated
        others = {account_id: staged.rows(account_id) + repeated[account_id] for account_id in staged.account_ids()}
        others = {account_id: rows for account_id, rows in others.items() if account_id not in ours and rows}
        nameless = None if request.account_id is None else request.account_id
        unreadable = [row for row in delivery.rejected if (row.account_id or nameless) not in ours]
        if not others and not unreadable:
            return 0
        with self._transaction() as session:
            standing = standing_of(session, self.job, list(others))
            rejections = [as_rejection(row) for row in unreadable]
            for account_id, rows in others.items():
                if standing[account_id] == "not_listed":
                    rejections += map(not_listed, delivery.staging.transactions(account_id))
                self.findings.rows_not_imported[standing[account_id]] += rows
            record_rejections(session, self.job, None, rejections)
        count = sum(others.values()) + len(unreadable)
        self.findings.elsewhere += Counts(fetched=sum(others.values()), delivered=count, accounted=count)
        return count

    def _save_cursor(self, request: FetchRequest, delivery: Delivery) -> None:
        """Move the cursor of all accounts, which passes rows of those that are not imported now."""
        with self._transaction() as session:
            save_connection_cursor(
                session, self.job, [account.id for account in request.accounts], delivery.next_cursor
            )

    def _fail(self, account: AccountState, error: WorkerError, *, status: str = "failed") -> None:
        self.failed.add(account.id)
        log.warning("account.failed", account_id=account.id, code=error.code)
        with self._transaction() as session:
            fail_account(session, self.job, account.id, error, status=status)

    def _end_account(self, account: AccountState) -> None:
        zone = zone_of(self.job, self.connector.capabilities)
        with self._transaction() as session:
            months = look_again(session, self.job, account, self.context.now().astimezone(zone).date())
            proof = end_account(session, self.job, account.id, zone)
        self.context.advanced()
        if months:
            self.context.clear_cache(self.job.user_id, frozenset(months))
        if proof.reason == "opening_taken" and self.findings.digest is not None:
            self.findings.digest.disable()


@contextmanager
def _gc_paused() -> Iterator[None]:
    """Switch cycle collection off for a block.

    A delivery is many thousand small objects without cycles; searching them took a quarter of an import's CPU time.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
