"""Executes one run from its claim to its outcome: start, fetch, plan, apply, finish.

    job_of ─▶ connector ─▶ accounts ─▶ per request: fetch (network) ─▶ per account: plan + write (one transaction)
             ─▶ balance proof ─▶ outcome

`request_imports` fetches and imports the deliveries, in transactions of one account. Decisions about rows are in
`decide`, about days in `fetch.window`, about how a run ends in `outcome`.
"""

from collections.abc import Sequence
from contextlib import closing
from functools import partial
from itertools import groupby

from sqlalchemy.orm import Session

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
from worker.importer.store.results.run_accounts import final_results
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
            imports = RequestImports(job, context, connector, deliveries, findings)
            if job.kind == RunKind.REPLAY:
                _replay(imports)
            elif job.dry_run:
                return _dry_run(imports)
            else:
                listed = _list_accounts(imports)
                if (unchanged := _try_unchanged(imports, listed)) is not None:
                    return unchanged
                _import_listed(imports, listed)
    with context.sessions() as session:
        results = final_results(session, job, wait=context.wait)
        return close_run(session, job, context, findings, results)


def _dry_run(imports: RequestImports) -> Outcome:
    """Fetch everything, import it in a transaction that is rolled back, and report what it decided."""
    listed = _list_accounts(imports)
    with imports.context.sessions() as session, session.begin_nested() as savepoint:
        lock_user(session, imports.job.user_id, wait=imports.context.wait)
        known = {account.id for account in load_accounts(session, imports.job.connection_id, None)}
        requests = _plan_requests(imports, accounts_to_import(session, imports.job, listed), listed)
        savepoint.rollback()
    imports.deliveries.prefetch_all(requests)
    with dry_run_transaction(imports.context, imports.job, known) as (dry_run_context, session):
        rolled_back = RequestImports(
            imports.job, dry_run_context, imports.connector, imports.deliveries, imports.findings
        )
        with imports.findings.keeping_stopping_error():
            _import_listed(rolled_back, listed)
        results = final_results(session, imports.job, wait=imports.context.wait)
    with imports.context.sessions() as session:
        return close_run(session, imports.job, imports.context, imports.findings, results)


def _replay(imports: RequestImports) -> None:
    """Try the rejected rows of another run again; a row that is refused again stays rejected."""
    with imports.context.sessions() as session:
        replayed = read_rejected_rows(session, imports.job, imports.connector)
        accounts = load_accounts(session, imports.job.connection_id, None)
    delivery = Delivery()
    delivery.staging.add(without_placeholder_days(replayed.transactions))
    wanted = [account for account in accounts if delivery.staging.rows(account.external_id)]
    request = request_for_single_rows(wanted, imports.context.now().date())

    def resolve_what_has_no_row(session: Session) -> None:
        forget(session, imports.job)
        resolve(session, imports.job.lease.run_id, replayed.without_rows())

    imports.commit(resolve_what_has_no_row)
    imported: list[str] = []
    for account in wanted:
        # Together with the rows, or they would be mended and lost where the account waits or the worker dies.
        ids = replayed.completed_by(account.external_id, imported)
        mended = partial(resolve, run_id=imports.job.lease.run_id, rejection_ids=ids)
        imports.import_account(request, account, delivery, before=mended)
        if account.id not in imports.failed:
            imported.append(account.external_id)
    for account in imports.accounts_of(request):
        if account.id not in imports.failed:
            imports.end_account(account)


def _import_listed(imports: RequestImports, listed: Sequence[Account]) -> None:
    """Import the accounts that the bank lists, request by request."""
    accounts = _sync_accounts(imports, listed)
    imports.findings.digest = _digest_of(imports, listed, accounts)
    requests = _plan_requests(imports, accounts, listed)
    requested = {account.id for request in requests for account in request.accounts}
    # The requests of an account follow each other.
    for _, requests_of_same in groupby(requests, key=lambda request: [account.id for account in request.accounts]):
        asked = list(requests_of_same)
        for request in asked:
            imports.import_request(request)
        for account in imports.accounts_of(asked[-1]):
            if account.id not in imports.failed:
                imports.end_account(account)
    for account in accounts:
        # An earlier attempt read all windows of the account, and stopped before it was closed.
        if account.id in imports.job.read and account.id not in imports.job.done | requested:
            imports.end_account(account)


def _try_unchanged(imports: RequestImports, listed: Sequence[Account]) -> Outcome | None:
    """Fetch everything; if the response equals the previous one, record just that and return how the run ended.

    Otherwise what was fetched is kept for `_import_listed`.
    """
    if imports.job.answer_digest is None:
        return None
    ids = {account.external_id for account in listed}
    requests = plan_requests(imports.job, imports.job.accounts, imports.connector.capabilities, imports.context, ids)
    digest = _digest_of(imports, listed, imports.job.accounts)
    asked = {account.external_id for request in requests for account in request.accounts}
    # Nothing is asked about an account that the bank lists no longer: its rows would be imported nowhere.
    same_list = asked <= ids
    # An attempt before this one may have used up its time in what it fetched ahead, and kept nothing.
    is_first = imports.job.lease.attempt <= 1
    if is_first and same_list and imports.deliveries.prefetch_into(digest, requests) == imports.job.answer_digest:
        return copy_previous_run(imports.job, imports.context, requests, listed)
    return None


def _digest_of(imports: RequestImports, listed: Sequence[Account], accounts: list[AccountState]) -> ResponseDigest:
    """Begin the digest of a response with its accounts."""
    digest = ResponseDigest(imports.job)
    now = imports.context.now().astimezone(zone_of(imports.job, imports.connector.capabilities))
    digest.add_accounts(now, listed, accounts)
    return digest


def _plan_requests(
    imports: RequestImports, accounts: list[AccountState], listed: Sequence[Account]
) -> list[FetchRequest]:
    ids = {account.external_id for account in listed}
    requests = plan_requests(imports.job, accounts, imports.connector.capabilities, imports.context, ids)
    if days_lost(imports.job, requests, imports.connector.capabilities, imports.context):
        imports.findings.warnings.add("days_out_of_reach")
    return requests


def _list_accounts(imports: RequestImports) -> Sequence[Account]:
    """Return what the bank lists. Raises: AuthenticationError when the user has to act first."""
    status = with_retries(imports.connector.get_auth_status, imports.context)
    if status.state != AuthState.OK:
        raise AuthenticationError(f"the bank asks the user to act ({status.reason})", reason=status.reason or "expired")
    if status.expires_at not in (None, imports.job.consent_expires_at) and not imports.job.dry_run:
        imports.commit(lambda session: save_consent(session, imports.job, status.expires_at))
    with gc_paused():  # a statement file is read here from beginning to end
        return with_retries(imports.connector.list_accounts, imports.context)


def _sync_accounts(imports: RequestImports, listed: Sequence[Account]) -> list[AccountState]:
    def sync(session: Session) -> list[AccountState]:
        forget(session, imports.job)
        return accounts_to_import(session, imports.job, listed)

    accounts = imports.commit(sync)
    if not accounts and imports.job.account_external_id is not None:
        raise AccountNotFoundError("the connection has no such account to import")
    return accounts
