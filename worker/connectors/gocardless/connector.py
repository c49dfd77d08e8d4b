"""The connector for GoCardless Bank Account Data: whole windows per account, four calls a day for each kind of data."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from worker.connectors import berlin
from worker.connectors.base import (
    Account,
    AuthState,
    AuthStatus,
    BankConnector,
    Capabilities,
    ConnectorContext,
    IdClass,
    Page,
    Quota,
    Scope,
    Transaction,
    Window,
)
from worker.connectors.errors import AuthenticationError, ConnectorError, InvalidDataError
from worker.connectors.gocardless.api import GoCardlessApi
from worker.connectors.gocardless.config import GoCardlessAccount, GoCardlessConfig
from worker.connectors.gocardless.errors import REQUISITION_STATES
from worker.connectors.gocardless.normalize import linked_account, read_balances, read_transaction
from worker.connectors.reading import part, read_rows, text

_DAY_S = 86_400
_PER_DAY = 4


class GoCardlessConnector(BankConnector):
    """GoCardless Bank Account Data. Ids are the banks' own and optional: only content identifies."""

    name = "gocardless"
    display_name = "GoCardless Bank Account Data"
    Config = GoCardlessConfig
    capabilities: ClassVar[Capabilities] = Capabilities(
        id_class=IdClass.DELIVERY,
        history_days=730,
        pending=True,
        balances=True,
        quotas=tuple(
            Quota(endpoint=endpoint, calls=_PER_DAY, window_s=_DAY_S, scope=Scope.ACCOUNT)
            for endpoint in ("transactions", "balances", "details")
        ),
        timezone=berlin.TIMEZONE,
    )
    config: GoCardlessConfig

    def __init__(self, config: GoCardlessConfig, context: ConnectorContext) -> None:
        super().__init__(config, context)
        self._api = GoCardlessApi(config, context, self._keep)
        self._untold: list[str] = []

    def get_auth_status(self) -> AuthStatus:
        """Ask about the requisition and its agreement; this does not reach the bank."""
        try:
            requisition = self._api.requisition(self.config.requisition_id)
            expires_at = self._consent_end(text(requisition, "agreement"))
        except AuthenticationError as error:
            return AuthStatus(state=AuthState.NEEDS_USER, reason=error.reason)
        reason = _reason(requisition)
        state = AuthState.OK if reason is None else AuthState.NEEDS_USER
        return AuthStatus(state=state, reason=reason, expires_at=expires_at)

    def list_accounts(self) -> Sequence[Account]:
        """Return the requisition's accounts; the bank is asked about each only once."""
        requisition = self._api.requisition(self.config.requisition_id)
        reason = _reason(requisition)
        if reason is not None:
            raise AuthenticationError(f"GoCardless: the requisition is {requisition.get('status')}", reason=reason)
        ids = tuple(dict.fromkeys(part(requisition, "accounts", list)))
        self._learn(ids, text(requisition, "institution_id"))
        known = {account.id: account for account in self.config.accounts}
        return [self._account(known.get(account_id) or GoCardlessAccount(id=account_id)) for account_id in ids]

    def get_transactions(self, account_id: str | None, from_date: date, to_date: date) -> Iterator[Page]:
        """Yield one account's window as one page, with its balance; days before the agreed history are left out."""
        if account_id is None:
            raise InvalidDataError("GoCardless answers for one account at a time")
        oldest = self.context.now().date() - timedelta(days=self.config.history_days)
        window = Window(from_on=min(max(from_date, oldest), to_date), to_on=to_date)
        self._api.readings.clear()
        lists = part(self._api.transactions(account_id, window), "transactions", dict)
        page = self._page(account_id, lists)
        if window.from_on != from_date:
            self._untold.append(f"the agreement grants nothing before {window.from_on.isoformat()}")
        page = replace(page, warnings=tuple(self._untold))
        self._untold.clear()
        yield replace(self._with_balance(page, account_id), covers=window, quota=tuple(self._api.readings))

    def normalize_transactions(self, raw: Mapping[str, Any]) -> Sequence[Transaction]:
        """Turn `{"account_id", "booked", "pending"}` into transactions."""
        return [
            read_transaction(record, raw.get("account_id", ""), pending=pending)
            for name, pending in (("booked", False), ("pending", True))
            for record in raw.get(name) or ()
        ]

    def revoke(self) -> bool:
        """Delete the requisition, and with it the consent at the bank."""
        self._api.delete_requisition(self.config.requisition_id)
        return True

    def _page(self, account_id: str, lists: Mapping[str, Any]) -> Page:
        """Read both lists; an answer without a pending list says nothing about pending rows."""
        read = partial(read_transaction, account_id=account_id)
        named = {"account_id": account_id, "id_field": "transactionId"}
        booked, refused = read_rows(part(lists, "booked", list), partial(read, pending=False), **named)
        pending, refused_pending = read_rows(lists.get("pending") or (), partial(read, pending=True), **named)
        return Page(transactions=(*booked, *pending), rejected=(*refused, *refused_pending))

    def _with_balance(self, page: Page, account_id: str) -> Page:
        """Add the balance; a bank that refuses it does not spoil the transactions."""
        account = next((one for one in self.config.accounts if one.id == account_id), GoCardlessAccount(id=account_id))
        try:
            balances = read_balances(self._api.balances(account_id))
        except AuthenticationError:
            raise
        except ConnectorError as error:
            return replace(page, warnings=(*page.warnings, f"no balance: {error}"))
        balance = berlin.pick_balance(balances, account.currency, self.context.now(), ZoneInfo(self.context.timezone))
        return replace(page, accounts=(replace(self._account(account), balance=balance),)) if balance else page

    def _learn(self, ids: Sequence[str], institution_id: str | None) -> None:
        """Ask the bank about accounts we have not met, once, and keep the answers."""
        known = {account.id for account in self.config.accounts}
        learned = tuple(account for one in ids if one not in known and (account := self._describe(one)))
        if learned:
            name = self.config.institution or self._institution_name(institution_id)
            self._keep({"accounts": (*self.config.accounts, *learned), "institution": name})

    def _describe(self, account_id: str) -> GoCardlessAccount | None:
        """Return what an account is; without an answer it is still an account, without a name."""
        try:
            return linked_account(account_id, self._api.metadata(account_id), self._api.details(account_id))
        except AuthenticationError:
            raise
        except ConnectorError as error:
            self._untold.append(f"an account without its name: {error}")
            return None

    def _institution_name(self, institution_id: str | None) -> str | None:
        try:
            return text(self._api.institution(institution_id), "name") if institution_id else None
        except AuthenticationError:
            raise
        except ConnectorError as error:
            self._untold.append(f"a bank without its name: {error}")
            return None

    def _consent_end(self, agreement_id: str | None) -> datetime | None:
        """Return when the consent ends: so many days after the user accepted the agreement."""
        agreement = self._api.agreement(agreement_id) if agreement_id else {}
        accepted = berlin.read_day(text(agreement, "accepted"), "accepted").at
        return accepted + timedelta(days=part(agreement, "access_valid_for_days", int)) if accepted else None

    def _account(self, account: GoCardlessAccount) -> Account:
        return Account(
            external_id=account.id,
            name=account.name,
            account_type=berlin.account_type(account.cash_account_type),
            currency=account.currency,
            mask=account.mask,
            anchor=account.anchor,
            institution_name=self.config.institution,
            id_class=IdClass.STABLE if self.config.trust_ids else None,
        )

    def _keep(self, update: Mapping[str, Any]) -> None:
        self.config = self.config.model_copy(update=update)
        self.context.save_config(self.config)


def _reason(requisition: Mapping[str, Any]) -> str | None:
    return REQUISITION_STATES.get(str(requisition.get("status")))
