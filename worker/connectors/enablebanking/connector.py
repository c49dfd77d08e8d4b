"""The connector for Enable Banking: windows per account, continuation keys, a small daily allowance per bank."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
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
from worker.connectors.enablebanking.api import EnableBankingApi
from worker.connectors.enablebanking.config import EnableBankingAccount, EnableBankingConfig
from worker.connectors.enablebanking.errors import SAFE_PERIOD, SESSION_STATES, PeriodRefusedError
from worker.connectors.enablebanking.normalize import ledger_records, linked_account, read_balances, read_transaction
from worker.connectors.errors import AuthenticationError, ConnectorError, InvalidDataError
from worker.connectors.reading import inside, objects, part, read_rows, text

_DAY_S = 86_400
_PER_DAY = 4


class EnableBankingConnector(BankConnector):
    """Enable Banking. Its banks' references are null one day and positional the next: only content identifies."""

    name = "enablebanking"
    display_name = "Enable Banking"
    Config = EnableBankingConfig
    capabilities: ClassVar[Capabilities] = Capabilities(
        id_class=IdClass.POSITIONAL,
        history_days=730,
        pending=True,
        balances=True,
        quotas=tuple(
            Quota(endpoint=endpoint, calls=_PER_DAY, window_s=_DAY_S, scope=Scope.ACCOUNT)
            for endpoint in ("transactions", "balances", "details")
        ),
        timezone=berlin.TIMEZONE,
    )
    config: EnableBankingConfig

    def __init__(self, config: EnableBankingConfig, context: ConnectorContext) -> None:
        super().__init__(config, context)
        self._api = EnableBankingApi(config, context)
        self._untold: list[str] = []

    def get_auth_status(self) -> AuthStatus:
        """Ask Enable Banking about the session; this does not reach the bank."""
        try:
            session = self._api.session(self._session_id())
        except AuthenticationError as error:
            return AuthStatus(state=AuthState.NEEDS_USER, reason=error.reason)
        expires_at = berlin.read_day(text(inside(session, "access"), "valid_until"), "valid_until").at
        reason = SESSION_STATES.get(part(session, "status", str))
        return AuthStatus(
            state=AuthState.OK if reason is None else AuthState.NEEDS_USER, reason=reason, expires_at=expires_at
        )

    def list_accounts(self) -> Sequence[Account]:
        """Return the consent's accounts; the bank is asked only about those that are not known from linking."""
        session = self._api.session(self._session_id())
        reason = SESSION_STATES.get(part(session, "status", str))
        if reason is not None:
            raise AuthenticationError(f"Enable Banking: the session is {session['status']}", reason=reason)
        uids = part(session, "accounts", list)
        self._learn(uids)
        known = {account.uid: account for account in self.config.accounts}
        hashes = {one.get("uid"): text(one, "identification_hash") for one in objects(session.get("accounts_data"))}
        nameless = {uid: EnableBankingAccount(uid=uid, identification_hash=hashes.get(uid)) for uid in uids}
        return [self._account(account) for account in (nameless | known).values() if account.uid in nameless]

    def get_transactions(self, account_id: str | None, from_date: date, to_date: date) -> Iterator[Page]:
        """Yield one account's window, its balance with the last page.

        A window the bank finds too long is asked for once more, shortened to 89 days; `covers` then says so.

        Raises: InvalidDataError when a continuation key comes back a second time.
        """
        if account_id is None:
            raise InvalidDataError("Enable Banking answers for one account at a time")
        window = Window(from_on=from_date, to_on=to_date)
        try:
            yield from self._pages(account_id, window)
        except PeriodRefusedError:
            shorter = Window(from_on=max(from_date, to_date - SAFE_PERIOD), to_on=to_date)
            if shorter == window:
                raise
            warning = f"the bank gives nothing before {shorter.from_on.isoformat()}"
            yield from self._pages(account_id, shorter, warnings=(warning,))

    def normalize_transactions(self, raw: Sequence[Mapping[str, Any]]) -> Sequence[Transaction]:
        """Turn records (each with our `account_id` beside it) into transactions."""
        return [read_transaction(record, record.get("account_id", "")) for record in ledger_records(raw)]

    def link(self) -> EnableBankingConfig:
        """Exchange the code of the redirect for a session, once."""
        if self.config.code is None:
            return self.config
        answer = self._api.open_session(self.config.code.get_secret_value())
        self.config = self.config.model_copy(
            update={
                "session_id": part(answer, "session_id", str),
                "code": None,
                "bank": text(inside(answer, "aspsp"), "name"),
                "valid_until": berlin.read_day(text(inside(answer, "access"), "valid_until"), "valid_until").at,
                "accounts": tuple(
                    linked_account(account) for account in objects(answer.get("accounts")) if account.get("uid")
                ),
            }
        )
        return self.config

    def revoke(self) -> bool:
        """End the session, and with it the consent at the bank."""
        self._api.close_session(self._session_id())
        return True

    def _pages(self, account_id: str, window: Window, warnings: tuple[str, ...] = ()) -> Iterator[Page]:
        """Yield a window page by page; a page may be empty and still have a successor."""
        key: str | None = None
        seen: set[str] = set()
        longest = window.to_on - window.from_on > SAFE_PERIOD and window.to_on >= self.context.now().date()
        while True:
            answer = self._api.transactions(account_id, window, key=key, longest=longest)
            key = text(answer, "continuation_key")
            page = self._page(account_id, part(answer, "transactions", list))
            page = self._tell(replace(page, covers=window, warnings=warnings))
            if key is None:
                yield self._with_balance(page, account_id)
                return
            if key in seen:
                raise InvalidDataError("Enable Banking repeated a continuation key")
            seen.add(key)
            yield page

    def _page(self, account_id: str, records: Sequence[Mapping[str, Any]]) -> Page:
        read = partial(read_transaction, account_id=account_id)
        transactions, rejected = read_rows(
            ledger_records(records), read, account_id=account_id, id_field="entry_reference"
        )
        return Page(transactions=transactions, rejected=rejected)

    def _tell(self, page: Page) -> Page:
        """Add what went wrong where there was no page to say it on."""
        told = replace(page, warnings=(*page.warnings, *self._untold))
        self._untold.clear()
        return told

    def _with_balance(self, page: Page, account_id: str) -> Page:
        """Add the balance; a bank that refuses it does not spoil the transactions."""
        account = next(
            (one for one in self.config.accounts if one.uid == account_id), EnableBankingAccount(uid=account_id)
        )
        try:
            balances = read_balances(self._api.balances(account_id))
        except AuthenticationError:
            raise
        except ConnectorError as error:
            return replace(page, warnings=(*page.warnings, f"no balance: {error}"))
        balance = berlin.pick_balance(balances, account.currency, self.context.now(), ZoneInfo(self.context.timezone))
        return replace(page, accounts=(replace(self._account(account), balance=balance),)) if balance else page

    def _learn(self, uids: Sequence[str]) -> None:
        """Ask the bank about accounts that linking did not describe, once, and keep the answer."""
        known = {account.uid for account in self.config.accounts}
        learned = tuple(account for uid in uids if uid not in known and (account := self._describe(uid)))
        if learned:
            self.config = self.config.model_copy(update={"accounts": (*self.config.accounts, *learned)})
            self.context.save_config(self.config)

    def _describe(self, uid: str) -> EnableBankingAccount | None:
        """Return what the bank says an account is; without an answer it is still an account, without a name."""
        try:
            return linked_account({**self._api.details(uid), "uid": uid})
        except AuthenticationError:
            raise
        except ConnectorError as error:
            self._untold.append(f"an account without its name: {error}")
            return None

    def _account(self, account: EnableBankingAccount) -> Account:
        return Account(
            external_id=account.uid,
            name=account.name,
            account_type=berlin.account_type(account.cash_account_type),
            currency=account.currency,
            mask=account.mask,
            anchor=berlin.anchor("hash", account.identification_hash),
            institution_name=self.config.bank,
            id_class=IdClass.STABLE if self.config.trust_references else None,
        )

    def _session_id(self) -> str:
        if self.config.session_id is None:
            raise AuthenticationError("the code was not exchanged for a session yet", reason="credentials")
        return self.config.session_id
