"""Compares what a manifest's connector reads in its samples with what a person stated that they mean."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from worker.connectors.base import Account, AccountType, Transaction, TransactionKind
from worker.connectors.json_answers import read_json
from worker.connectors.manifest.account_rows import AskedAccount
from worker.connectors.manifest.accounts import kept_of
from worker.connectors.manifest.changes import page_of_changes
from worker.connectors.manifest.checking.findings import ManifestFinding, note, of_sample
from worker.connectors.manifest.checking.samples import Samples
from worker.connectors.manifest.connector import ManifestConnector
from worker.connectors.manifest.fields import Scene, walk
from worker.connectors.manifest.model import Manifest
from worker.connectors.manifest.plan import AccountsPlan, BalancesPlan, TransactionsPlan
from worker.connectors.manifest.rules import Sample
from worker.connectors.manifest.values import StatedAccount, StatedRow

Record = Any
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Meanings:
    """The samples of a manifest, read by its connector. Messages name the sample and the row."""

    def __init__(self, manifest: Manifest, connector: type[ManifestConnector]) -> None:
        self._manifest = manifest
        self._plan = connector.plan
        self._samples = Samples(manifest)
        self._zone = ZoneInfo(manifest.timezone)
        self._moments: list[datetime] = []

    def differences(self) -> Iterator[ManifestFinding]:
        """Yield where a sample is read otherwise than it is stated."""
        for number, sample in enumerate(self._manifest.samples):
            if sample.means is None:
                yield from self._of(number, sample)
        if self._moments and not any(self._is_near_midnight(at) for at in self._moments):
            message = "no row of a sample is of another day in UTC, so that a wrong timezone goes unnoticed"
            yield note(("timezone",), message)

    def _is_near_midnight(self, at: datetime) -> bool:
        return at.astimezone(self._zone).date() != at.astimezone(UTC).date()

    def _of(self, number: int, sample: Sample) -> Iterator[ManifestFinding]:
        for transactions in self._plan.transactions:
            if transactions.request.name == sample.of:
                yield from self._of_rows(number, sample, transactions)
        for accounts in self._plan.accounts:
            if accounts.request.name == sample.of:
                yield from self._of_accounts(number, sample, self._account_reader(accounts))
        for balances in self._plan.balances:
            if balances.request.name == sample.of:
                yield from self._of_accounts(number, sample, self._balance_reader(balances))
        if self._manifest.changes is not None and sample.of == self._manifest.changes.name:
            yield from self._of_changes(number, sample)

    def _scene(self) -> Scene:
        """Return what surrounds the records of the samples: the values that are kept of their first account."""
        return Scene(account_id="account", currency=self._samples.currency, account=self._kept)

    @property
    def _kept(self) -> Mapping[str, Any]:
        parents = self._manifest.parents
        found: dict[str, Any] = {}
        if parents is not None and self._samples.good(parents.name):
            record: Record = next(iter(self._samples.read(self._samples.good(parents.name)[0])), {})
            found = {f"parent.{name}": walk(record, path.split(".")) for name, path in parents.keep.items()}
        for plan in self._plan.accounts:
            for sample in self._samples.good(plan.request.name):
                for record in self._samples.read(sample)[:1]:
                    try:
                        return kept_of(plan.read(record, Scene(account=found), NOW), plan.request.name) | found
                    except Exception:  # noqa: BLE001 - said of the account itself
                        return found
        return found

    def _of_rows(self, number: int, sample: Sample, plan: TransactionsPlan) -> Iterator[ManifestFinding]:
        scene = replace(self._scene(), answer=read_json(sample.answer.encode()))
        for at, (record, stated) in enumerate(zip(self._samples.read(sample), sample.rows, strict=False)):
            second = plan.read_pending is not None and self._samples.is_of_pending_list(sample, at)
            read = plan.read_pending if second and plan.read_pending else plan.read
            try:
                row = read(record, scene)
            except Exception as error:  # noqa: BLE001 - whatever goes wrong is the difference
                yield of_sample(number, f"cannot be read: {_reason(error)}", "rows", at)
            else:
                moment = (row.booking_at or (None if row.booking_on else row.transaction_at)) if row else None
                if moment is not None and self._zone.key != "UTC":
                    self._moments.append(moment)
                for message in _compare(row, stated, self._zone):
                    yield of_sample(number, message, "rows", at)

    def _of_accounts(
        self, number: int, sample: Sample, read: Callable[[Record, StatedAccount], AskedAccount]
    ) -> Iterator[ManifestFinding]:
        anchors: dict[tuple[str | None, str | None], int] = {}
        for at, (record, stated) in enumerate(zip(self._samples.read(sample), sample.accounts, strict=False)):
            if stated.ignored:
                continue
            try:
                account = read(record, stated).account
            except Exception as error:  # noqa: BLE001 - whatever goes wrong is the difference
                yield of_sample(number, f"cannot be read: {_reason(error)}", "accounts", at)
            else:
                for message in (*_compare_account(account, stated), *_shared_anchor(account, anchors)):
                    yield of_sample(number, message, "accounts", at)
                anchors.setdefault((account.anchor, account.currency), at)

    def _account_reader(self, plan: AccountsPlan) -> Callable[[Record, StatedAccount], AskedAccount]:
        return lambda record, _stated: plan.read(record, self._scene(), NOW)

    def _balance_reader(self, plan: BalancesPlan) -> Callable[[Record, StatedAccount], AskedAccount]:
        def read(record: Record, stated: StatedAccount) -> AskedAccount:
            scene = self._scene()
            currency = (plan.currency(record, scene) if plan.currency else None) or stated.currency
            balance = plan.read(record, scene, currency, NOW)
            account_id = plan.account(record, scene) if plan.account else stated.id
            account = Account(
                external_id=account_id or "",
                name=stated.name or "",
                account_type=AccountType(stated.type or "unknown"),
                currency=currency,
                anchor=f"stated:{stated.anchor}" if stated.anchor else None,
                balance=balance,
            )
            return AskedAccount(account=account, kept={})

        return read

    def _of_changes(self, number: int, sample: Sample) -> Iterator[ManifestFinding]:
        request = self._manifest.changes
        assert request is not None
        plan = next(one for one in self._plan.transactions if one.request.name == request.like)
        try:
            page = page_of_changes(request, plan, self._scene(), read_json(sample.answer.encode()))
        except Exception as error:  # noqa: BLE001 - whatever goes wrong is the difference
            yield of_sample(number, f"cannot be read: {_reason(error)}")
            return
        for rejected in page.rejected:
            yield of_sample(number, f"a row cannot be read: {rejected.message}", "rows")
        wanted = [(at, row) for at, row in enumerate(sample.rows) if not (row.gone or row.ignored)]
        if len(wanted) != len(page.transactions):
            yield of_sample(number, f"{len(page.transactions)} rows are read, stated are {len(wanted)}", "rows")
        for (at, stated), row in zip(wanted, page.transactions, strict=False):
            for message in _compare(row, stated, self._zone):
                yield of_sample(number, message, "rows", at)
        gone, stated_gone = [one.external_id for one in page.removed], [row.id for row in sample.rows if row.gone]
        if sorted(gone) != sorted(one or "" for one in stated_gone):
            message = f"gone are {_listed(gone)}, stated as gone are {_listed(stated_gone)}"
            yield of_sample(number, message, "rows")


def _compare(row: Transaction | None, stated: StatedRow, zone: ZoneInfo) -> Iterator[str]:
    if row is None or stated.ignored:
        if (row is None) != stated.ignored:
            yield "is left out" if row is None else "is read, but stated as ignored"
        return
    found = {
        "id": row.external_id,
        "amount": row.amount,
        "currency": row.currency,
        "on": row.day(zone),
        "text": row.description,
        "counterparty": row.counterparty,
        "kind": row.kind,
        "value_on": row.value_on,
        "original_amount": _stated_amount(row, "original_amount"),
        "balance_after": _stated_amount(row, "balance_after"),
        "pending_id": row.pending_external_id,
        "pending": row.pending,
    }
    yield from _different(found, stated)


def _stated_amount(row: Transaction, name: str) -> Decimal | None:
    text = (row.stated_amounts or {}).get(name)
    return None if text is None else Decimal(text)


def _compare_account(account: Account, stated: StatedAccount) -> Iterator[str]:
    found: dict[str, object] = {
        "id": account.external_id,
        "name": account.name,
        "currency": account.currency,
        "type": account.account_type,
        "anchor": (account.anchor or "").partition(":")[2] or None,
    }
    if account.balance is not None:  # else it is asked for on its own
        found["balance"] = account.balance.amount
    yield from _different(found, stated)


def _shared_anchor(account: Account, anchors: Mapping[tuple[str | None, str | None], int]) -> Iterator[str]:
    """Yield that an anchor is not of one account alone; one IBAN may have an account in each of several currencies.

    anchors: anchors and currencies of the accounts before it in the sample, with their places.
    """
    if account.anchor is None:
        return
    text = account.anchor.partition(":")[2]
    before = anchors.get((account.anchor, account.currency))
    if before is not None:
        yield f"anchor is {text}, as that of account {before + 1}: both would be the same account"
    elif text in (account.currency, account.account_type):
        yield f"anchor is {text}, which other accounts have, too: all of them would be the same account"


def _different(found: Mapping[str, object], stated: object) -> Iterator[str]:
    for name, value in found.items():
        wanted = getattr(stated, name)
        if wanted is not None and wanted != value:
            yield f"{name} is {_shown(value)}, stated is {_shown(wanted)}"


def _reason(error: Exception) -> str:
    if isinstance(error, ValueError) and "TransactionKind" in str(error):
        return f"kind is none of {', '.join(TransactionKind)}: use choices"
    return str(error) or type(error).__name__


def _shown(value: object) -> str:
    return format(value, "f") if isinstance(value, Decimal) else "nothing" if value is None else str(value)


def _listed(ids: list[Any]) -> str:
    return ", ".join(map(str, ids)) or "none"
