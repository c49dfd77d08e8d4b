"""A manifest compiled once: readers of its records, edges of its windows, capabilities."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from worker.connectors.base import Balance, Burst, Capabilities, IdClass, Quota
from worker.connectors.manifest.account_rows import AskedAccount, account_reader, balance_reader
from worker.connectors.manifest.fields import (
    Hooks,
    Record,
    Scene,
    TextReader,
    conditions,
    text_reader,
)
from worker.connectors.manifest.hooks import installed_hooks
from worker.connectors.manifest.model import NAMED, Manifest, texts_of
from worker.connectors.manifest.places import paths_of
from worker.connectors.manifest.refusals import Refusal, refusal_reader
from worker.connectors.manifest.requests import AccountsRequest, BalancesRequest, ManifestRequest, TransactionsRequest
from worker.connectors.manifest.rows import ReadTransaction, transaction_reader

OfAccount = Callable[[Record, Scene], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountsPlan:
    """How accounts are read."""

    request: AccountsRequest
    read: Callable[[Record, Scene, datetime], AskedAccount]
    where: OfAccount


@dataclass(frozen=True, slots=True, kw_only=True)
class BalancesPlan:
    """How balances are read. per_account, per_parent: there is a request for each account, or each parent."""

    request: BalancesRequest
    read: Callable[[Record, Scene, str | None, datetime], Balance | None]
    account: TextReader | None
    currency: TextReader | None
    where: OfAccount
    only_for: OfAccount
    per_account: bool
    per_parent: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionsPlan:
    """How transactions are read.

    Attributes:
        read_pending: Reads the rows of `pending_records`; None where there is no such list.
        names_rows: Whether an id names one row, on whichever page it stands: not one that is counted on each page.
        names_from, names_to: Whether the request says where its window begins and ends.
        filters: Whether rows outside the window have to be left out here, because the request does not say its days.
        per_parent: Whether it is asked for each parent.
    """

    request: TransactionsRequest
    read: ReadTransaction
    read_pending: ReadTransaction | None
    id: TextReader | None
    names_rows: bool
    only_for: OfAccount
    names_from: bool
    names_to: bool
    filters: bool
    per_parent: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestPlan:
    """Everything of a manifest that a connector works with.

    Attributes:
        needs_accounts: Whether reading transactions needs what the accounts say.
    """

    manifest: Manifest
    capabilities: Capabilities
    refusal: Refusal
    accounts: tuple[AccountsPlan, ...]
    balances: tuple[BalancesPlan, ...]
    transactions: tuple[TransactionsPlan, ...]
    needs_accounts: bool

    @property
    def has_parts(self) -> bool:
        """Whether a record may hold rows of several accounts."""
        return any(one.request.each for one in self.transactions)


def make_plan(manifest: Manifest, hooks: Hooks | None = None) -> ManifestPlan:
    """Compile a manifest. Raises: ManifestError when it points to a hook that is not installed."""
    known = installed_hooks(manifest.hooks) if hooks is None else hooks
    balances = tuple(_balances(request, known) for request in manifest.balances)
    return ManifestPlan(
        manifest=manifest,
        capabilities=_capabilities(manifest),
        refusal=refusal_reader(manifest.errors),
        accounts=tuple(
            AccountsPlan(request=one, read=account_reader(one, known), where=conditions(one.where))
            for one in manifest.accounts
        ),
        balances=balances,
        transactions=tuple(_transactions(manifest, request, known) for request in manifest.transactions),
        needs_accounts=_needs_accounts(manifest) or any(one.per_account for one in balances),
    )


def named_by(request: ManifestRequest) -> set[str]:
    """Return the values that a request names."""
    return {name for text in texts_of(request) for name in NAMED.findall(text)}


def _names(request: ManifestRequest, what: str) -> bool:
    return any(name.split(".")[0] == what for name in named_by(request))


def _balances(request: BalancesRequest, hooks: Hooks) -> BalancesPlan:
    fields = request.fields
    return BalancesPlan(
        request=request,
        read=balance_reader(fields),
        account=text_reader(fields.account, hooks) if fields.account else None,
        currency=text_reader(fields.currency, hooks) if fields.currency else None,
        where=conditions(request.where),
        only_for=conditions(request.only_for),
        per_account=_names(request, "account"),
        per_parent=_names(request, "parent"),
    )


def _transactions(manifest: Manifest, request: TransactionsRequest, hooks: Hooks) -> TransactionsPlan:
    named = named_by(request)
    declared = request.window
    as_pending = request.model_copy(update={"fields": request.fields.model_copy(update={"state": "pending"})})
    ids = manifest.promises.ids
    return TransactionsPlan(
        request=request,
        read=transaction_reader(request, ids, hooks),
        read_pending=transaction_reader(as_pending, ids, hooks) if request.pending_records is not None else None,
        id=text_reader(request.fields.id, hooks) if request.fields.id else None,
        names_rows=request.fields.id is not None and ids not in (IdClass.POSITIONAL, IdClass.NONE),
        only_for=conditions(request.only_for),
        names_from="from" in named,
        names_to="to" in named,
        per_parent=_names(request, "parent"),
        filters=not {"from", "to"} <= named or declared.zone not in (None, manifest.timezone),
    )


def _needs_accounts(manifest: Manifest) -> bool:
    if manifest.kept or manifest.parents or any(one.fields.opened_on for one in manifest.accounts):
        return True
    for request in manifest.transactions:
        fields = request.fields
        by_currency = fields.amount.unit == "minor" and fields.amount.decimals is None
        if fields.currency is None and (by_currency or fields.original_currency is not None):
            return True
        read = (path for _, value in fields for path in paths_of(value))
        if request.only_for or any(path.startswith("@account.") for path in read):
            return True
    return False


def _capabilities(manifest: Manifest) -> Capabilities:
    declared, limits = manifest.promises, manifest.limits
    booked = any(one.fields.booked for one in manifest.accounts) or any(one.fields.booked for one in manifest.balances)
    return Capabilities(
        id_class=declared.ids,
        history_days=declared.history_days,
        window_days=declared.window_days,
        fetch_scope=declared.scope,
        cursor_scope=manifest.changes.scope if manifest.changes else None,
        pending=any(one.can_be_pending for one in manifest.transactions),
        links_pending=any(one.fields.pending_id is not None for one in manifest.transactions),
        windows_complete=declared.windows_complete,
        balances=booked,
        quotas=tuple(
            Quota(endpoint=one.request, calls=one.calls, window_s=one.window_s, scope=one.scope, reserve=one.reserve)
            for one in limits.allowances
        ),
        burst=Burst(calls=limits.burst.calls, per_s=limits.burst.per_s) if limits.burst else None,
        timezone=manifest.timezone,
    )
