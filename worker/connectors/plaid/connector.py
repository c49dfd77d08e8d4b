"""The connector for Plaid: one cursor per login for refreshes, windows by offset paging for date-range imports."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from functools import partial
from http import HTTPStatus
from typing import Any, ClassVar

from pydantic import BaseModel, Field, SecretStr, model_validator

from worker.connectors.base import (
    Account,
    AuthState,
    AuthStatus,
    BankConnector,
    Burst,
    Capabilities,
    ConnectorContext,
    ConnectorForm,
    IdClass,
    Page,
    RejectedRow,
    Scope,
    SyncState,
    Transaction,
    Window,
)
from worker.connectors.errors import (
    AuthenticationError,
    CursorInvalidError,
    InvalidDataError,
    ProviderUnavailableError,
)
from worker.connectors.plaid.api import PlaidApi, PlaidApp
from worker.connectors.plaid.errors import read_error
from worker.connectors.plaid.normalize import read_account, read_removed, read_transaction
from worker.connectors.plaid.webhook import PlaidWebhooks
from worker.connectors.reading import account_left_out, inside, listed, objects, part, read_moment, read_rows

_PAGE_SIZE = 500
_MAX_HISTORY_DAYS = 730


class PlaidConfig(PlaidApp):
    """What a Plaid connection keeps.

    Attributes:
        public_token: One-time, exchanged for an access token before the first save.
    """

    access_token: SecretStr | None = Field(default=None, description="Of one login (Item).")
    public_token: SecretStr | None = Field(default=None, description="From Plaid Link; exchanged once, then dropped.")
    item_id: str | None = Field(default=None, description="Plaid's id of the login, named in webhooks.")

    @model_validator(mode="after")
    def _has_a_token(self) -> "PlaidConfig":
        if self.access_token is None and self.public_token is None:
            raise ValueError("access_token or public_token is needed")
        return self


class PlaidConnector(BankConnector):
    """Plaid. Transactions carry stable ids and an explicit link from the posted to the pending one."""

    name = "plaid"
    display_name = "Plaid"
    Config = PlaidConfig
    form: ClassVar[ConnectorForm] = ConnectorForm(
        linked_by="browser", logo="plaid", countries=("US", "CA", "GB", "FR", "ES", "NL", "IE", "DE"), person=()
    )
    capabilities: ClassVar[Capabilities] = Capabilities(
        id_class=IdClass.STABLE,
        history_days=_MAX_HISTORY_DAYS,
        fetch_scope=Scope.CONNECTION,
        cursor_scope=Scope.CONNECTION,
        cursor_resumes=True,
        pending=True,
        links_pending=True,
        balances=True,
        burst=Burst(calls=2500, per_s=60),
    )
    webhooks = PlaidWebhooks
    config: PlaidConfig

    def __init__(self, config: PlaidConfig, context: ConnectorContext) -> None:
        super().__init__(config, context)
        self._api = PlaidApi(config, context)
        self._institution: str | None = None

    @classmethod
    def login_ref(cls, config: BaseModel) -> str | None:
        """Return Plaid's id of the login (Item)."""
        assert isinstance(config, PlaidConfig)
        return config.item_id

    def get_auth_status(self) -> AuthStatus:
        """Ask Plaid about the login; this reaches no bank and costs no allowance."""
        try:
            item = part(self._call("/item/get"), "item", dict)
        except AuthenticationError as error:
            return AuthStatus(state=AuthState.NEEDS_USER, reason=error.reason)
        expires_at = read_moment(item.get("consent_expiration_time"))
        trouble = read_error(HTTPStatus.BAD_REQUEST, inside(item, "error")) if item.get("error") else None
        if isinstance(trouble, AuthenticationError):
            return AuthStatus(state=AuthState.NEEDS_USER, reason=trouble.reason, expires_at=expires_at)
        return AuthStatus(expires_at=expires_at)

    def list_accounts(self) -> Sequence[Account]:
        """Return the login's accounts with the balances Plaid holds; nothing is asked of the bank."""
        answer = self._call("/accounts/get")
        self._institution = self._institution_name(inside(answer, "item"))
        return self._accounts(part(answer, "accounts", list))[0]

    def get_transactions(self, account_id: str | None, from_date: date, to_date: date) -> Iterator[Page]:
        """Yield a window, 500 rows a page; the cursor of the login is not moved.

        Raises: CursorInvalidError when Plaid's list changed length between two pages: start again.
        """
        options: dict[str, Any] = {"count": _PAGE_SIZE, "offset": 0}
        if account_id is not None:
            options["account_ids"] = [account_id]
        body = {"start_date": from_date.isoformat(), "end_date": to_date.isoformat(), "options": options}
        expected = None
        while expected is None or options["offset"] < expected:
            answer = self._call("/transactions/get", body, account_id=account_id)
            records, total = listed(answer, "transactions"), part(answer, "total_transactions", int)
            if expected not in (None, total) or (not records and options["offset"] < total):
                raise CursorInvalidError("Plaid's list of transactions changed while it was being paged")
            expected = total
            options["offset"] += len(records)
            yield self._page(records, answer, covers=Window(from_on=from_date, to_on=to_date))

    def refresh(self, state: SyncState) -> Iterator[Page]:
        """Yield what changed since the login's cursor.

        One account alone is read as a window: a cursor for it would be another stream, and moving the login's cursor
        would lose what the other accounts have.
        """
        if state.account_id is not None:
            yield from self.get_transactions(state.account_id, state.window.from_on, state.window.to_on)
            return
        cursor, more = self._known(state.cursor), True
        seen = {cursor}
        while more:
            answer = self._call("/transactions/sync", _sync_body(cursor))
            _require_ready(answer, cursor)
            cursor, more = part(answer, "next_cursor", str), part(answer, "has_more", bool)
            if more and cursor in seen:
                raise InvalidDataError("Plaid repeated a cursor while it said that there is more")
            seen.add(cursor)
            yield self._sync_page(answer, f"{self._login}{cursor}")

    def normalize_transactions(self, raw: Sequence[Mapping[str, Any]]) -> Sequence[Transaction]:
        """Turn Plaid's transactions into ours."""
        return [read_transaction(record) for record in raw]

    def link(self) -> PlaidConfig:
        """Exchange the public token, once; a token that was exchanged already is left alone."""
        if self.config.public_token is None:
            return self.config
        answer = self._api.exchange(self.config.public_token.get_secret_value())
        renewed = {
            "access_token": SecretStr(part(answer, "access_token", str)),
            "item_id": part(answer, "item_id", str),
            "public_token": None,
        }
        self.config = self.config.model_copy(update=renewed)
        return self.config

    def register_webhook(self, url: str) -> bool:
        """Change where Plaid reports on the login; it answers with a webhook to the new address."""
        self._call("/item/webhook/update", {"webhook": url})
        return True

    def revoke(self) -> bool:
        """Remove the login at Plaid, so that its token opens nothing any more."""
        self._call("/item/remove")
        return True

    @property
    def _login(self) -> str:
        """What our cursors begin with: Plaid's cursor of one login means nothing to another."""
        return f"{self.config.item_id or ''}:"

    def _known(self, cursor: str | None) -> str | None:
        """Return Plaid's own cursor, None for one of a login that this connection had before."""
        ours = cursor is not None and cursor.startswith(self._login)
        return cursor.removeprefix(self._login) if cursor and ours else None

    def _call(
        self, path: str, body: Mapping[str, Any] | None = None, *, account_id: str | None = None
    ) -> Mapping[str, Any]:
        if self.config.access_token is None:
            raise AuthenticationError("this login was not exchanged yet", reason="credentials")
        token = {"access_token": self.config.access_token.get_secret_value()}
        return self._api.post(path, token | dict(body or {}), account_id=account_id)

    def _institution_name(self, item: Mapping[str, Any]) -> str | None:
        """Return the bank's name; older answers carry only its id, then Plaid is asked for it."""
        if item.get("institution_name") or not item.get("institution_id"):
            return item.get("institution_name")
        return self._api.institution_name(item["institution_id"])

    def _accounts(self, records: Sequence[Any]) -> tuple[tuple[Account, ...], tuple[str, ...]]:
        """Return the accounts that can be read, and a warning about each of the others; those have no rows either."""
        read = partial(read_account, institution_name=self._institution, now=self.context.now())
        found = [(record, read_rows([record], read, id_field="account_id")[0]) for record in records]
        accounts = tuple(account for _, readable in found for account in readable)
        return accounts, tuple(account_left_out(record) for record, readable in found if not readable)

    def _sync_page(self, answer: Mapping[str, Any], cursor: str) -> Page:
        removed, unread = read_rows(listed(answer, "removed"), read_removed, id_field="transaction_id")
        warnings = ("Plaid is still loading older transactions of this login",)
        is_loading = answer.get("transactions_update_status") in {"NOT_READY", "INITIAL_UPDATE_COMPLETE"}
        return self._page(
            [*listed(answer, "added"), *listed(answer, "modified")],
            answer,
            unread,
            removed=removed,
            next_cursor=cursor,
            warnings=warnings if is_loading else (),
        )

    def _page(
        self,
        records: Sequence[Mapping[str, Any]],
        answer: Mapping[str, Any],
        unread: Sequence[RejectedRow] = (),
        warnings: tuple[str, ...] = (),
        **rest: Any,  # noqa: ANN401 - fields of Page
    ) -> Page:
        transactions, rejected = read_rows(records, read_transaction, id_field="transaction_id")
        accounts, left_out = self._accounts(objects(answer.get("accounts")))
        return Page(
            transactions=transactions,
            rejected=(*rejected, *unread),
            accounts=accounts,
            warnings=(*warnings, *left_out),
            **rest,
        )


def _sync_body(cursor: str | None) -> dict[str, Any]:
    body: dict[str, Any] = {"count": _PAGE_SIZE}
    return body | {"cursor": cursor} if cursor else body | {"options": {"days_requested": _MAX_HISTORY_DAYS}}


def _require_ready(answer: Mapping[str, Any], cursor: str | None) -> None:
    """Refuse the empty answer of a login whose first transactions Plaid is still fetching: it is not "nothing new"."""
    if answer.get("transactions_update_status") == "NOT_READY" and not cursor:
        raise ProviderUnavailableError("Plaid has not read this login's transactions yet", everyone=False)
