"""Executes one run from its claim to its outcome: start, fetch, plan, apply, finish.

    job_of ─▶ connector ─▶ accounts ─▶ per request: fetch (network) ─▶ per account: plan + write (one transaction)
             ─▶ balance proof ─▶ outcome

`request_imports` fetches and imports the deliveries, in transactions of one account. Decisions about rows are in
`decide`, about days in `fetch.window`, about how a run ends in `outcome`.
"""

from collections.abc import Sequence
from contextlib import closing
from functools import partial

from worker.connectors.base import Account, AuthState
from worker.connectors.errors import AccountNotFoundError, AuthenticationError
from worker.db.user_lock import lock_user
from worker.importer.account_state import AccountState, load_accounts
from worker.importer.actions.dry_run import dry_run_transaction
from worker.importer.actions.replay import read_rejected_rows
from worker.importer.actions.revert import revert
from worker.importer.context import ImportContext
from worker.importer.decide.read.placeholder_days import without_placeholder_days
from worker.importer.fetch.delivery import Delivery, with_retries
from worker.importer.fetch.prefetch import PrefetchedDeliveries
from worker.importer.fetch.request_plan import (
    FetchRequest,
    days_lost,
    plan_requests,
    request_for_single_rows,
)
from worker.importer.fetch.unchanged_response import ResponseDigest
from worker.importer.gc_pause import gc_paused
from worker.importer.job import job_of, zone_of
from worker.importer.request_imports import RequestImports
from worker.importer.run_closing import RunFindings, close_run
from worker.importer.store.accounts.listed import accounts_to_import, save_consent
from worker.importer.store.rejections import resolve
from worker.importer.store.results.run_accounts import account_results
from worker.importer.store.unchanged_response import copy_previous_run, forget
from worker.runs.lease import ClaimedRun
from worker.runs.states import Outcome, RunKind


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
    with findings.keeping_stopping_error():
        connector = context.open_connector(job.connection_id)
        with closing(PrefetchedDeliveries(connector, context)) as deliveries:
            import_run = _ImportRun(RequestImports(job, context, connector, deliveries, findings))
            if job.kind == RunKind.REPLAY:
                import_run.replay()
            elif job.dry_run:
                return import_run.dry_run()
            elif (unchanged := import_run.import_all()) is not None:
                return unchanged
    with context.sessions() as session:
        return close_run(session, job, context, findings, account_results(session, job))


class _ImportRun:
    """One import, refresh or replay while it goes on."""

    def __init__(self, imports: RequestImports) -> None:
        self.imports = imports
        self.job, self.context, self.connector = imports.job, imports.context, imports.connector
        self.deliveries, self.findings = imports.deliveries, imports.findings

    def import_all(self) -> Outcome | None:
        """Import every account; return the outcome when the response is unchanged and the run is closed already."""
        listed = self._list_accounts()
        unchanged = self._try_unchanged(listed)
        if unchanged is None:
            self.import_listed(listed)
        return unchanged

    def dry_run(self) -> Outcome:
        """Fetch everything, import it in a transaction that is rolled back, and report what it decided."""
        listed = self._list_accounts()
        with self.context.sessions() as session, session.begin_nested() as savepoint:
            lock_user(session, self.job.user_id, wait=self.context.wait)
            known = {account.id for account in load_accounts(session, self.job.connection_id, None)}
            requests = self._plan_requests(accounts_to_import(session, self.job, listed), listed)
            savepoint.rollback()
        self.deliveries.prefetch_all(requests)
        with dry_run_transaction(self.context, self.job, known) as (dry_run_context, session):
            rolled_back = _ImportRun(
                RequestImports(self.job, dry_run_context, self.connector, self.deliveries, self.findings)
            )
            with self.findings.keeping_stopping_error():
                rolled_back.import_listed(listed)
            results = account_results(session, self.job)
        with self.context.sessions() as session:
            return close_run(session, self.job, self.context, self.findings, results)

    def replay(self) -> None:
        """Try the rejected rows of another run again; a row that is refused again stays rejected."""
        with self.context.sessions() as session:
            replayed = read_rejected_rows(session, self.job, self.connector)
            accounts = load_accounts(session, self.job.connection_id, None)
        delivery = Delivery()
        delivery.staging.add(without_placeholder_days(replayed.transactions))
        wanted = [account for account in accounts if delivery.staging.rows(account.external_id)]
        request = request_for_single_rows(wanted, self.context.now().date())
        self.imports.commit(lambda session: forget(session, self.job))
        self.imports.commit(lambda session: resolve(session, self.job.lease.run_id, replayed.without_rows()))
        imported: list[str] = []
        for account in wanted:
            # Together with the rows, or they would be mended and lost where the account waits or the worker dies.
            ids = replayed.completed_by(account.external_id, imported)
            mended = partial(resolve, run_id=self.job.lease.run_id, rejection_ids=ids)
            self.imports.import_account(request, account, delivery, before=mended)
            if account.id not in self.imports.failed:
                imported.append(account.external_id)
        for account in self.imports.accounts_of(request):
            if account.id not in self.imports.failed:
                self.imports.end_account(account)

    def import_listed(self, listed: Sequence[Account]) -> None:
        """Import the accounts that the bank lists, request by request."""
        accounts = self._sync_accounts(listed)
        self.findings.digest = self._digest_of(listed, accounts)
        requests = self._plan_requests(accounts, listed)
        requested = {account.id for request in requests for account in request.accounts}
        for number, request in enumerate(requests, start=1):
            self.imports.import_request(request)
            later = {account.id for other in requests[number:] for account in self.imports.accounts_of(other)}
            for account in self.imports.accounts_of(request):
                if account.id not in self.imports.failed | later:
                    self.imports.end_account(account)
        for account in accounts:
            # An earlier attempt read all windows of the account, and stopped before it was closed.
            if account.id in self.job.read and account.id not in self.job.done | requested:
                self.imports.end_account(account)

    def _try_unchanged(self, listed: Sequence[Account]) -> Outcome | None:
        """Fetch everything; if the response equals the previous one, record just that and return how the run ended.

        Otherwise what was fetched is kept for `import_listed`.
        """
        if self.job.answer_digest is None:
            return None
        ids = {account.external_id for account in listed}
        requests = plan_requests(self.job, self.job.accounts, self.connector.capabilities, self.context, ids)
        digest = self._digest_of(listed, self.job.accounts)
        asked = {account.external_id for request in requests for account in request.accounts}
        # Nothing is asked about an account that the bank lists no longer: its rows would be imported nowhere.
        same_list = asked <= ids
        if same_list and self.deliveries.prefetch_into(digest, requests) == self.job.answer_digest:
            outcome = copy_previous_run(self.job, self.context, requests, listed)
            if outcome is not None:
                return outcome
        self.imports.commit(lambda session: forget(session, self.job))
        return None

    def _digest_of(self, listed: Sequence[Account], accounts: list[AccountState]) -> ResponseDigest:
        """Begin the digest of a response with its accounts."""
        digest = ResponseDigest(self.job)
        now = self.context.now().astimezone(zone_of(self.job, self.connector.capabilities))
        digest.add_accounts(now, listed, accounts)
        return digest

    def _plan_requests(self, accounts: list[AccountState], listed: Sequence[Account]) -> list[FetchRequest]:
        ids = {account.external_id for account in listed}
        requests = plan_requests(self.job, accounts, self.connector.capabilities, self.context, ids)
        if days_lost(self.job, requests, self.connector.capabilities, self.context):
            self.findings.warnings.add("days_out_of_reach")
        return requests

    def _list_accounts(self) -> Sequence[Account]:
        """Return what the bank lists. Raises: AuthenticationError when the user has to act first."""
        status = with_retries(self.connector.get_auth_status, self.context)
        if status.state != AuthState.OK:
            raise AuthenticationError(
                f"the bank asks the user to act ({status.reason})", reason=status.reason or "expired"
            )
        if status.expires_at not in (None, self.job.consent_expires_at) and not self.job.dry_run:
            self.imports.commit(lambda session: save_consent(session, self.job, status.expires_at))
        with gc_paused():  # a statement file is read here from beginning to end
            return with_retries(self.connector.list_accounts, self.context)

    def _sync_accounts(self, listed: Sequence[Account]) -> list[AccountState]:
        accounts = self.imports.commit(lambda session: accounts_to_import(session, self.job, listed))
        if not accounts and self.job.account_external_id is not None:
            raise AccountNotFoundError("the connection has no such account to import")
        return accounts
