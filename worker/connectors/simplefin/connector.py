"""Asks a SimpleFIN server: the one-time claim, balances, and windows of transactions for all accounts at once."""

import json
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

import httpx2
from pydantic import BaseModel

from worker.connectors.base import (
    Account,
    AuthState,
    AuthStatus,
    BankConnector,
    Capabilities,
    ConnectorContext,
    ConnectorForm,
    IdClass,
    Page,
    Quota,
    RejectedRow,
    Scope,
    Transaction,
    Window,
)
from worker.connectors.errors import (
    AccountNotFoundError,
    AuthenticationError,
    ConnectorError,
    InvalidDataError,
    RateLimitError,
    RateLimitScope,
)
from worker.connectors.http import ProviderResponse, Request, asked_wait_s, call, call_text
from worker.connectors.reading import RepeatedRecords
from worker.connectors.simplefin.account_set import AccountSet, read_account_set, read_transactions
from worker.connectors.simplefin.config import SimpleFinConfig, is_access_url

_WINDOW_DAYS = 89
"""The server cuts at 90 days counted in seconds; a window over the end of summer time has an hour more."""

_PENDING_DAYS = 30
"""Windows that end earlier are requested without pending rows, which every window with pending rows would contain."""

_FORBIDDEN, _TOO_MANY_REQUESTS = 403, 429


class SimpleFinConnector(BankConnector):
    """A SimpleFIN server. One request answers for all accounts, so one failing bank is a failure of its accounts only.

    The zone is New York's: most servers stamp a day with noon UTC, which is the same day there, and true moments of
    an evening in America are not.
    """

    name: ClassVar[str] = "simplefin"
    display_name: ClassVar[str] = "SimpleFIN"
    Config: ClassVar[type[SimpleFinConfig]] = SimpleFinConfig
    form: ClassVar[ConnectorForm] = ConnectorForm(logo="simplefin", countries=("US", "CA"), person=("setup_token",))
    capabilities: ClassVar[Capabilities] = Capabilities(
        id_class=IdClass.STABLE,
        window_days=_WINDOW_DAYS,
        fetch_scope=Scope.CONNECTION,
        pending=True,
        balances=True,
        quotas=(Quota(endpoint="accounts", calls=24, window_s=86_400, reserve=4),),
        timezone="America/New_York",
    )
    config: SimpleFinConfig

    def __init__(self, config: SimpleFinConfig, context: ConnectorContext) -> None:
        super().__init__(config, context)
        self._balances: AccountSet | None = None

    @classmethod
    def outage_scope(cls, config: BaseModel) -> str:
        """Return the host: the Bridge is one SimpleFIN server of many, and anybody may run one."""
        assert isinstance(config, SimpleFinConfig)
        access = config.access()
        return httpx2.URL(access.root).host if access else ""

    def link(self) -> SimpleFinConfig:
        """Exchange the setup token for the access URL.

        Raises: AuthenticationError when the token was used before, possibly by somebody else.
        """
        if self.config.setup_token is None:
            return self.config
        request = Request(method="POST", url=self.config.claim_url(), endpoint="claim", changes_credentials=True)
        access_url = call_text(self.context, request, _explain_claim).text.strip()
        if not is_access_url(access_url):
            raise InvalidDataError("claim: the answer is no access URL; the token is spent, a new one is needed")
        return SimpleFinConfig.model_validate({"access_url": access_url})

    def get_auth_status(self) -> AuthStatus:
        """Request the balances, the cheapest call; the response also serves `list_accounts`."""
        try:
            self._read_balances()
        except AuthenticationError as error:
            return AuthStatus(state=AuthState.NEEDS_USER, reason=error.reason)
        return AuthStatus()

    def list_accounts(self) -> Sequence[Account]:
        """Return all accounts of all institutions behind the token."""
        return self._read_balances().accounts

    def get_transactions(self, account_id: str | None, from_date: date, to_date: date) -> Iterator[Page]:
        """Yield one page per window of 89 days, oldest first; pending transactions come with the last one."""
        whole = Window(from_on=from_date, to_on=to_date)
        repeated: dict[str, RepeatedRecords] = {}
        for window in _windows(whole):
            pending = window.to_on == to_date and to_date >= self._today() - timedelta(days=_PENDING_DAYS)
            found = read_account_set(self._ask(self._parameters(account_id, window, pending=pending)).body, repeated)
            if account_id is not None and account_id not in {account.external_id for account in found.accounts}:
                raise found.failures.get(account_id) or AccountNotFoundError("the server does not know this account")
            yield Page(
                transactions=tuple(found.transactions),
                rejected=tuple(found.rejected),
                failures=found.failed(),
                accounts=tuple(found.accounts),
                warnings=tuple(found.warnings),
                covers=whole,
                complete=found.complete,
            )

    def normalize_transactions(self, raw: Any) -> Sequence[Transaction]:  # noqa: ANN401 - the server's own JSON
        """Turn the transactions of raw accounts, as in `accounts` of an Account Set, into ours."""
        return read_transactions(raw)

    def read_rejected(self, row: RejectedRow) -> Sequence[Transaction]:
        """Read a transaction that was rejected before; it is in the currency of its account."""
        if row.account_id is None:
            raise InvalidDataError("the account of the row is not known")
        record = json.loads(row.raw, parse_float=Decimal)
        return read_transactions([{"id": row.account_id, "transactions": [record]}])

    def _read_balances(self) -> AccountSet:
        if self._balances is None:
            self._balances = read_account_set(self._ask([("balances-only", "1")]).body)
        return self._balances

    def _parameters(self, account_id: str | None, window: Window, *, pending: bool) -> list[tuple[str, str]]:
        """Return a window as a half-open interval. `pending=0` is never sent, because it acts like `pending=1`."""
        parameters = [
            ("start-date", str(self._midnight(window.from_on))),
            ("end-date", str(self._midnight(window.to_on + timedelta(days=1)))),
        ]
        if pending:
            parameters.append(("pending", "1"))
        if account_id is not None:
            parameters.append(("account", account_id))
        return parameters

    def _today(self) -> date:
        return self.context.now().astimezone(ZoneInfo(self.context.timezone)).date()

    def _midnight(self, day: date) -> int:
        return int(datetime.combine(day, time(), ZoneInfo(self.context.timezone)).timestamp())

    def _ask(self, parameters: list[tuple[str, str]]) -> ProviderResponse:
        access = self.config.access()
        if access is None:
            raise AuthenticationError("the setup token was never exchanged", reason="action_required")
        request = Request(
            method="GET",
            url=f"{access.root}/accounts",
            endpoint="accounts",
            params=[("version", "2"), *parameters],
            auth=access.login,
        )
        return call(self.context, request, self._explain)

    def _explain(self, answer: ProviderResponse) -> ConnectorError | None:
        """Treat a 429 as a spent daily quota, also where it states seconds: the server counts requests per day."""
        if answer.status != _TOO_MANY_REQUESTS:
            return None
        wait_s = asked_wait_s(answer.headers, self.context.now())
        return RateLimitError("accounts: answered 429", retry_after_s=wait_s, scope=RateLimitScope.QUOTA)


def _explain_claim(answer: ProviderResponse) -> ConnectorError | None:
    if answer.status != _FORBIDDEN:
        return None
    return AuthenticationError(
        "claim: the setup token is wrong or was used before; if not by you, disable it at the server at once",
        reason="credentials",
    )


def _windows(whole: Window) -> Iterator[Window]:
    from_on = whole.from_on
    while from_on <= whole.to_on:
        to_on = min(from_on + timedelta(days=_WINDOW_DAYS - 1), whole.to_on)
        yield Window(from_on=from_on, to_on=to_on)
        from_on = to_on + timedelta(days=1)
