"""Base class of connectors with a consent for a list of accounts, which are read one by one."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from pydantic import BaseModel, Field

from worker.connectors.base import (
    Account,
    AccountFailure,
    AuthState,
    AuthStatus,
    BankConnector,
    Capabilities,
    ConnectorContext,
    IdClass,
    Page,
    Window,
)
from worker.connectors.berlin.allowance import QUOTAS, TIMEZONE
from worker.connectors.berlin.balances import ApiBalance, pick_balance
from worker.connectors.berlin.entries import account_type
from worker.connectors.config import ConnectorConfig
from worker.connectors.errors import AuthenticationError, ConnectorError, InvalidDataError
from worker.connectors.reading import part

_REASONS_OF_ONE_ACCOUNT = frozenset({"expired", "revoked", "action_required"})

EUROPE = (
    *("AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GB", "GR", "HR", "HU", "IE", "IS", "IT", "LI"),
    *("LT", "LU", "LV", "MT", "NL", "NO", "PL", "PT", "RO", "SE", "SI", "SK"),
)
"""Countries whose banks are reached by consent."""


class ConsentAccount(BaseModel):
    """What the provider said about an account the first time; asking again would cost the day's allowance."""

    name: str = "Account"
    currency: str | None = None
    cash_account_type: str | None = None
    mask: str | None = None

    @property
    def external_id(self) -> str:
        """The provider's id of the account under this consent."""
        raise NotImplementedError

    @property
    def identity(self) -> str | None:
        """What names the account under every consent, as `Account.anchor` has it."""
        raise NotImplementedError


class ConsentConfig(ConnectorConfig):
    """What this base keeps between runs."""

    accounts: tuple[ConsentAccount, ...] = Field(default=(), description="The accounts of the consent.")


class ConsentConnector(BankConnector):
    """Reads the state of a consent, learns its accounts once, and adds balances to what was read.

    Attributes:
        consent_states: Every state in which a consent does not work, with why the user is needed.
        bank_field: Field of the config with the name of the bank.
        trust_field: The one in which the operator declares that the bank's transaction ids never change.
    """

    consent_states: ClassVar[Mapping[str, str]]
    bank_field: ClassVar[str]
    trust_field: ClassVar[str]
    config: Any

    @staticmethod
    def capabilities_of(id_class: IdClass) -> Capabilities:
        """Return what a PSD2 bank can do."""
        return Capabilities(
            id_class=id_class, history_days=730, pending=True, balances=True, quotas=QUOTAS, timezone=TIMEZONE
        )

    def __init__(self, config: ConsentConfig, context: ConnectorContext) -> None:
        super().__init__(config, context)
        self._accounts = {account.external_id: account for account in config.accounts}
        self._warnings: list[str] = []

    def get_auth_status(self) -> AuthStatus:
        """Ask the provider about the consent; this does not reach the bank."""
        try:
            consent = self._consent()
            expires_at = self._expires_at(consent)
        except AuthenticationError as error:
            return AuthStatus(state=AuthState.NEEDS_USER, reason=error.reason)
        reason = self._why_broken(consent)
        state = AuthState.OK if reason is None else AuthState.NEEDS_USER
        return AuthStatus(state=state, reason=reason, expires_at=expires_at)

    def list_accounts(self) -> Sequence[Account]:
        """Return the consent's accounts; the bank is asked about each only once."""
        consent = self._consent()
        reason = self._why_broken(consent)
        if reason is not None:
            raise AuthenticationError(f"{self.display_name}: the consent is {consent['status']}", reason=reason)
        listed = {account.external_id: account for account in self._listed(consent)}
        self._learn([account_id for account_id in listed if account_id not in self._accounts])
        self._accounts = listed | self._accounts
        return [self._account(self._accounts[account_id]) for account_id in listed]

    def get_transactions(self, account_id: str | None, from_date: date, to_date: date) -> Iterator[Page]:
        """Yield one account's window, its balance with the last page.

        An account to which the bank refuses access while the consent as a whole is in order has failed alone.
        """
        if account_id is None:
            raise InvalidDataError(f"{self.display_name} answers for one account at a time")
        try:
            yield from self._read(account_id, Window(from_on=from_date, to_on=to_date))
        except AuthenticationError as error:
            if error.reason not in _REASONS_OF_ONE_ACCOUNT or self._why_broken(self._consent()) is not None:
                raise
            yield Page(failures=(AccountFailure(account_id=account_id, error=error),), starts_over=True)

    @abstractmethod
    def _read(self, account_id: str, window: Window) -> Iterator[Page]:
        """Yield the pages of one account's window."""

    @abstractmethod
    def _consent(self) -> Mapping[str, Any]:
        """Return what the provider says of the consent, with its `status`. Raises: AuthenticationError."""

    @abstractmethod
    def _expires_at(self, consent: Mapping[str, Any]) -> datetime | None:
        """Return when the consent ends (UTC)."""

    @abstractmethod
    def _listed(self, consent: Mapping[str, Any]) -> Sequence[ConsentAccount]:
        """Return the accounts of the consent, as far as the provider knows them without asking the bank."""

    @abstractmethod
    def _nameless(self, account_id: str) -> ConsentAccount:
        """Return an account of which nothing is known but its id."""

    @abstractmethod
    def _describe(self, account_id: str) -> ConsentAccount:
        """Ask the bank what an account is."""

    @abstractmethod
    def _read_balances(self, account_id: str) -> list[ApiBalance]:
        """Ask the bank for an account's balances."""

    def _why_broken(self, consent: Mapping[str, Any]) -> str | None:
        return self.consent_states.get(part(consent, "status", str))

    def _learn(self, account_ids: Sequence[str]) -> None:
        """Ask the bank about accounts and keep the answers; without an answer it is an account without a name."""
        learned = []
        for account_id in account_ids:
            try:
                learned.append(self._describe(account_id))
            except ConnectorError as error:
                self._stop_if_broken(error)
                self._warnings.append(f"an account without its name: {error}")
        if learned:
            self._accounts |= {account.external_id: account for account in learned}
            self._keep({"accounts": (*self.config.accounts, *learned)})

    def _with_balance(self, page: Page, account_id: str) -> Page:
        """Add the balance to a page; when the bank refuses it, the page keeps its transactions."""
        try:
            balances = self._read_balances(account_id)
        except ConnectorError as error:
            self._stop_if_broken(error)
            return replace(page, warnings=(*page.warnings, f"no balance: {error}"))
        account = self._accounts.get(account_id) or self._nameless(account_id)
        balance = pick_balance(balances, account.currency, self.context.now(), ZoneInfo(self.context.timezone))
        if balance is None:
            return page
        return replace(page, accounts=(replace(self._account(account), balance=balance),))

    def _stop_if_broken(self, error: ConnectorError) -> None:
        """Raise an error about the login if the consent does not work as a whole.

        A consent may grant transactions and refuse balances or details; the rows are imported all the same.
        """
        if isinstance(error, AuthenticationError) and self._why_broken(self._consent()) is not None:
            raise error

    def _with_warnings(self, page: Page) -> Page:
        """Add to a page what went wrong where there was no page to say it on."""
        warned = replace(page, warnings=(*page.warnings, *self._warnings))
        self._warnings.clear()
        return warned

    def _account(self, account: ConsentAccount) -> Account:
        return Account(
            external_id=account.external_id,
            name=account.name,
            account_type=account_type(account.cash_account_type),
            currency=account.currency,
            mask=account.mask,
            anchor=account.identity,
            institution_name=getattr(self.config, self.bank_field),
            id_class=IdClass.STABLE if getattr(self.config, self.trust_field) else None,
        )

    def _keep(self, update: Mapping[str, Any]) -> None:
        """Keep renewed parts of the config at once."""
        self.config = self.config.model_copy(update=update)
        self.context.save_config(self.config)
