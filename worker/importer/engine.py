"""One run, from its row to its outcome: start, fetch, plan, apply, finish.

    job_of ─▶ connector ─▶ accounts ─▶ per stream: fetch (network) ─▶ per account: plan + write (one transaction)
             ─▶ balance proof ─▶ outcome

It opens the transactions and decides nothing about rows (`plan`), days (`window`) or endings (`results`).
"""

from collections.abc import Sequence
from contextlib import closing
from typing import Any, TypeAlias

from sqlalchemy.orm import Session

from worker.connectors.base import Account, AuthState, BankConnector
from worker.connectors.errors import AccountNotFoundError, AuthenticationError, ConnectorError
from worker.errors import KeyProviderUnavailableError, WorkerError
from worker.importer.account_state import AccountState, load_accounts
from worker.importer.actions.dry_run import dry_run_transaction
from worker.importer.actions.replay import read_rejected_rows, resolve
from worker.importer.actions.revert import revert
from worker.importer.collector import resting_collector
from worker.importer.context import ImportContext
from worker.importer.fetch.delivery import Delivery, with_retries
from worker.importer.fetch.prefetch import PrefetchedDeliveries
from worker.importer.fetch.requests import FetchRequest, days_lost, plan_requests, request_for_single_rows
from worker.importer.fetch.unchanged_response import ResponseDigest, forget, remember, repeat
from worker.importer.job import Job, job_of, zone_of
from worker.importer.outcome import AccountResult, outcome_of, stops_connection
from worker.importer.store.account_import import AccountDelivery, as_rejection, read_context_for
from worker.importer.store.accounts import sync_accounts, update_balance
from worker.importer.store.apply import apply_delivery, fail_account
from worker.importer.store.progress import account_results, end_account, reopen
from worker.importer.store.rejections import record_rejections
from worker.models import BankConnection
from worker.runs.ending import close
from worker.runs.lease import ClaimedRun, fence
from worker.runs.states import Outcome, RunKind
from worker.telemetry.logs import get_logger

log = get_logger(__name__)

Failed: TypeAlias = dict[int, WorkerError]


def run(claimed: ClaimedRun, context: ImportContext) -> Outcome:
    """Do what the run asks for, close its row and return how it ended; everything a bank can do wrong is in that.

    Raises: StopRequestedError, LostLeaseError, CancelRequestedError; what was committed stays and is built upon.
    """
    job = job_of(claimed)
    if job.kind == RunKind.REVERT:
        return revert(job, context)
    run_ = _Run(job, context)
    try:
        run_.connector = context.open_connector(job.connection_id)
        with closing(PrefetchedDeliveries(run_.connector, context)) as run_.asking:
            if job.kind == RunKind.REPLAY:
                run_.replay()
            else:
                run_.import_all()
    except (ConnectorError, KeyProviderUnavailableError) as error:
        run_.stopped_by = error
        log.warning("run.stopped", code=error.code)
    return run_.echo or run_.close()


class _Run:
    """The state of one run while it goes on: what was heard, what failed, what was warned of."""

    connector: BankConnector
    asking: PrefetchedDeliveries

    def __init__(self, job: Job, context: ImportContext) -> None:
        self.job = job
        self.context = context
        self.answer = ResponseDigest(job, context.policy)
        self.stopped_by: WorkerError | None = None
        self.warnings: set[str] = set()
        self.rehearsed: list[AccountResult] | None = None
        self.echo: Outcome | None = None

    def import_all(self) -> None:
        self._check_auth()
        listed = with_retries(self.connector.list_accounts, self.context)
        if self.job.dry_run:
            self._rehearse(listed)
        elif not self._is_echo(listed):
            self._import_listed(listed)

    def _rehearse(self, listed: Sequence[Account]) -> None:
        """Fetch everything, import it in a transaction that is taken back, and keep what it decided as the report."""
        with self.context.sessions() as session, session.begin_nested() as peek:
            known = {account.id for account in load_accounts(session, self.job.connection_id, None)}
            streams = self._streams(self._sync(session, listed))
            peek.rollback()
        self.asking.all_ahead(streams)
        real = self.context
        with dry_run_transaction(real, self.job, known) as (self.context, session):
            try:
                self._import_listed(listed)
            except (ConnectorError, KeyProviderUnavailableError) as error:
                self.stopped_by = error
            self.rehearsed = account_results(session, self.job)
        self.context = real

    def _import_listed(self, listed: Sequence[Account]) -> None:
        accounts = self._accounts(listed)
        self.answer = self._hearing(listed, accounts)
        streams = self._streams(accounts)
        failed: Failed = {}
        last = {account.id: place for place, stream in enumerate(streams) for account in stream.accounts}
        for place, stream in enumerate(streams):
            if not all(account.id in failed for account in stream.accounts):
                self._import_stream(stream, failed)
            for account in stream.accounts:
                if account.id not in failed and last[account.id] == place:
                    self._close(account)
        # An earlier attempt read all of these and died before it could say so.
        for account in accounts:
            if account.id in self.job.walked and account.id not in self.job.done | last.keys():
                self._close(account)

    def _streams(self, accounts: list[AccountState]) -> list[FetchRequest]:
        streams = plan_requests(self.job, accounts, self.connector.capabilities, self.context)
        if days_lost(self.job, streams, self.connector.capabilities, self.context):
            self.warnings.add("days_out_of_reach")
        return streams

    def _is_echo(self, listed: Sequence[Account]) -> bool:
        """Ask for everything, and if the bank says what it said before, record just that; else what it said is kept."""
        if self.job.answer_digest is None:
            return False
        streams = plan_requests(self.job, self.job.accounts, self.connector.capabilities, self.context)
        answer = self._hearing(listed, self.job.accounts)
        if answer.of_all(streams, self.asking) == self.job.answer_digest:
            self.echo = repeat(self.job, self.context, streams, listed)
        if self.echo is None:
            with self.context.sessions() as session:
                fence(session, self.job.lease)
                forget(session, self.job)
        return self.echo is not None

    def _hearing(self, listed: Sequence[Account], accounts: list[AccountState]) -> ResponseDigest:
        answer = ResponseDigest(self.job, self.context.policy)
        now = self.context.now().astimezone(zone_of(self.job, self.connector.capabilities))
        answer.accounts(now, listed, accounts)
        return answer

    def replay(self) -> None:
        """Try the rejected rows of another run again; a row that is refused again stays rejected."""
        with self.context.sessions() as session:
            replayed = read_rejected_rows(session, self.job, self.connector)
            accounts = load_accounts(session, self.job.connection_id, None)
        delivery = Delivery()
        delivery.staging.add(replayed.transactions)
        wanted = [account for account in accounts if delivery.staging.rows(account.external_id)]
        stream = request_for_single_rows(wanted, self.context.now().date())
        with self.context.sessions() as session:
            fence(session, self.job.lease)
            forget(session, self.job)
            resolve(session, self.job, replayed.rejection_ids)
        self._apply(stream, delivery, {})
        for account in wanted:
            self._close(account)

    def close(self) -> Outcome:
        report: dict[str, Any] = {"warnings": sorted(self.warnings)} if self.warnings else {}
        with self.context.sessions() as session:
            results = self.rehearsed or [] if self.job.dry_run else account_results(session, self.job)
            outcome = outcome_of(results, self.stopped_by, self.context.now(), report)
            close(session, self.job.lease, outcome)
            if outcome.code == "nothing_new" and not self.warnings and (digest := self.answer.digest()):
                remember(session, self.job, digest)
        return outcome

    def _check_auth(self) -> None:
        status = with_retries(self.connector.get_auth_status, self.context)
        if status.state != AuthState.OK:
            raise AuthenticationError(
                f"the bank asks the user to act ({status.reason})", reason=status.reason or "expired"
            )
        if status.expires_at not in (None, self.job.consent_expires_at) and not self.job.dry_run:
            with self.context.sessions() as session:
                fence(session, self.job.lease)
                session.get_one(BankConnection, self.job.connection_id).consent_expires_at = status.expires_at

    def _accounts(self, listed: Sequence[Account]) -> list[AccountState]:
        with self.context.sessions() as session:
            self.context.fence(session, self.job.lease)
            accounts = self._sync(session, listed)
        if not accounts and self.job.account_external_id is not None:
            raise AccountNotFoundError("the connection has no such account to import")
        return accounts

    def _sync(self, session: Session, listed: Sequence[Account]) -> list[AccountState]:
        ask = self.job.options.new_accounts == "ask"
        missing = sync_accounts(session, self.job.connection_id, self.job.user_id, listed, ask=ask)
        accounts = load_accounts(session, self.job.connection_id, self.job.account_external_id)
        reopen(session, self.job, [account.id for account in accounts])
        gone = AccountNotFoundError("the bank does not list it any more")
        for account_id in missing:
            fail_account(session, self.job, account_id, gone)
        return accounts

    def _import_stream(self, stream: FetchRequest, failed: Failed) -> None:
        """Read and write one stream; an error that is one account's own does not stop the others."""
        with resting_collector():
            self._fetch_and_apply(stream, failed)

    def _fetch_and_apply(self, stream: FetchRequest, failed: Failed) -> None:
        try:
            delivery = self.asking.take(stream)
        except ConnectorError as error:
            if stops_connection(error) or stream.account_id is None:
                raise
            self._fail(stream.accounts, error, failed)
            return
        try:
            self.answer.delivery(stream, delivery)
            self._apply(stream, delivery, failed)
        finally:
            delivery.staging.close()

    def _apply(self, stream: FetchRequest, delivery: Delivery, failed: Failed) -> None:
        self.warnings.update(delivery.warnings)
        self._reject_strays(stream, delivery)
        whole = True
        for account in stream.accounts:
            if account.id in failed:
                whole = False
                continue
            self._apply_to_account(stream, account, delivery)
            error = delivery.failures.get(account.external_id)
            if error is not None:
                whole = False
                rows = delivery.staging.rows(account.external_id)
                self._fail([account], error, failed, status="partial" if rows else "failed")
        shared = stream.by_cursor and stream.account_id is None and stream.moves
        if shared and whole and delivery.complete:
            self._save_cursor(delivery)

    def _reject_strays(self, stream: FetchRequest, delivery: Delivery) -> None:
        """Keep rows that name no account of a delivery for all accounts: they are the connection's own."""
        strays = [as_rejection(row) for row in delivery.rejected if row.account_id is None]
        if strays and stream.account_id is None:
            with self.context.sessions() as session:
                self.context.fence(session, self.job.lease)
                if record_rejections(session, self.job, None, strays):
                    self.warnings.add("rows_rejected")

    def _apply_to_account(self, stream: FetchRequest, account: AccountState, delivery: Delivery) -> None:
        capabilities = self.connector.capabilities
        step = AccountDelivery(
            job=self.job,
            account=account,
            stream=stream,
            capabilities=capabilities,
            read_context=read_context_for(self.job, account, capabilities, self.context, delivery.session),
            delivery=delivery,
        )
        with self.context.sessions() as session:
            self.context.fence(session, self.job.lease)
            listed = delivery.accounts.get(account.external_id)
            if listed is not None:
                update_balance(session, account.id, listed)
            applied = apply_delivery(session, step, self.context)
        self.warnings |= applied.warnings
        if applied.months:
            self.context.advanced()
            self.context.clear_cache(self.job.user_id, frozenset(applied.months))

    def _save_cursor(self, delivery: Delivery) -> None:
        with self.context.sessions() as session:
            self.context.fence(session, self.job.lease)
            session.get_one(BankConnection, self.job.connection_id).cursor = delivery.next_cursor

    def _fail(
        self, accounts: list[AccountState], error: WorkerError, failed: Failed, *, status: str = "failed"
    ) -> None:
        for account in accounts:
            failed[account.id] = error
            log.warning("account.failed", account_id=account.id, code=error.code)
            with self.context.sessions() as session:
                self.context.fence(session, self.job.lease)
                fail_account(session, self.job, account.id, error, status=status)

    def _close(self, account: AccountState) -> None:
        with self.context.sessions() as session:
            self.context.fence(session, self.job.lease)
            proof = end_account(session, self.job, account.id, zone_of(self.job, self.connector.capabilities))
        self.context.advanced()
        if proof.reason == "opening_taken":
            self.answer.spoil()
