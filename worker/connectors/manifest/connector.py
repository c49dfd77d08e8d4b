"""The connector of any manifest: asks what the manifest says and reads the answers with its compiled readers."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, ClassVar

from pydantic import BaseModel

from worker.connectors.base import (
    Account,
    AuthState,
    AuthStatus,
    BankConnector,
    ClientCertificate,
    ConnectorContext,
    ConnectorForm,
    Page,
    RejectedRow,
    Scope,
    SyncState,
    Transaction,
    Window,
)
from worker.connectors.errors import AuthenticationError, InvalidDataError
from worker.connectors.manifest.account_rows import AskedAccount
from worker.connectors.manifest.accounts import AccountList, values_about
from worker.connectors.manifest.authentication import values_of
from worker.connectors.manifest.changes import read_changes
from worker.connectors.manifest.config import config_class
from worker.connectors.manifest.fields import Scene
from worker.connectors.manifest.model import Manifest
from worker.connectors.manifest.plan import ManifestPlan, TransactionsPlan, make_plan
from worker.connectors.manifest.request_filling import Values, fill, pieces
from worker.connectors.manifest.session import ProviderSession, base_url_of
from worker.connectors.manifest.webhooks import make_webhooks
from worker.connectors.manifest.window_pages import WindowPages


class ManifestConnector(BankConnector):
    """A connector whose provider is described by a manifest; `make_connector` makes the class of one."""

    plan: ClassVar[ManifestPlan]

    def __init__(self, config: BaseModel, context: ConnectorContext) -> None:
        super().__init__(config, context)
        self._session = ProviderSession(self.plan, config, context)
        self._accounts = AccountList(self._session)

    @classmethod
    def outage_scope(cls, config: BaseModel) -> str:
        """Return the server that a config names for itself; empty: the provider's own."""
        declared = cls.plan.manifest.base_url
        return base_url_of(cls.plan.manifest, config) if isinstance(declared, str) and declared.startswith("{") else ""

    @classmethod
    def client_certificate(cls, config: BaseModel) -> ClientCertificate | None:
        """Return the certificate for mTLS, where the manifest names one and the config has it."""
        auth, values = cls.plan.manifest.auth, values_of(config)
        chain, key = (fill(text, values) if text else None for text in (auth.certificate, auth.certificate_key))
        return ClientCertificate(certificate=chain, private_key=key) if chain and key else None

    @classmethod
    def login_ref(cls, config: BaseModel) -> str | None:
        """Return what webhooks name the login by, where the manifest says which field holds it."""
        webhook = cls.plan.manifest.webhook
        return values_of(config).get(webhook.connection_field) if webhook else None

    def get_auth_status(self) -> AuthStatus:
        """Ask a question that needs the login: a cheap one if there is one, else for the accounts, which are kept."""
        request = self.plan.manifest.status
        try:
            if request is None:
                self._accounts.read_ahead()
            else:
                self._session.send(self._session.question(request, {}))
        except AuthenticationError as error:
            return AuthStatus(state=AuthState.NEEDS_USER, reason=error.reason)
        return AuthStatus()

    def link(self) -> BaseModel:
        """Exchange the code of a login in the browser, where there is one; return the config to keep."""
        return self._session.link()

    def list_accounts(self) -> Sequence[Account]:
        """Return the accounts, with the balances that come with them or for all of them at once."""
        return self._accounts.read()

    def get_transactions(self, account_id: str | None, from_date: date, to_date: date) -> Iterator[Page]:
        """Yield a window, cut into what one request may ask for, page by page; the account's own balance last."""
        account = self._accounts.get(account_id) if account_id and self.plan.needs_accounts else None
        scene = self._accounts.scene(account, account_id)
        whole = Window(from_on=from_date, to_on=to_date)
        if account is not None and account.opened_on is not None and account.opened_on > from_date:
            before_on = min(to_date, account.opened_on - timedelta(days=1))
            yield Page(covers=Window(from_on=from_date, to_on=before_on))
            whole = replace(whole, from_on=before_on + timedelta(days=1))
        plans = [plan for plan in self.plan.transactions if account is None or plan.only_for({}, scene)]
        for number, piece in enumerate(pieces(whole, self.plan.capabilities.window_days)):
            for plan in plans:
                has_days = plan.names_from or plan.names_to
                if has_days or number == 0:
                    yield from self._read(plan, scene, piece if has_days else whole, account_id, account)
        balance = self._accounts.balance_page(account) if account else None
        if balance is not None:
            yield balance

    def _read(
        self, plan: TransactionsPlan, scene: Scene, window: Window, account_id: str | None, account: AskedAccount | None
    ) -> Iterator[Page]:
        """Read a window through one request: of an account, or of all of them, for each parent where it names one."""
        if account is not None or not plan.per_parent:
            every: list[Values] = [values_about(account) or {"account": account_id}]
        else:
            every = list(self._accounts.parents())
        for values in every:
            around = scene if account is not None else replace(scene, account=values)
            reader = WindowPages(session=self._session, plan=plan, scene=around, window=window)
            for page in reader.pages(account_id, values):
                yield self._of_account(page, account_id)

    def refresh(self, state: SyncState) -> Iterator[Page]:
        """Yield what changed since the cursor, where the provider has one that belongs to whom is asked about."""
        changes = self.plan.manifest.changes
        of_connection = state.account_id is None
        if changes is None or of_connection != (changes.scope is Scope.CONNECTION):
            return self.get_transactions(state.account_id, state.window.from_on, state.window.to_on)
        account = self._accounts.get(state.account_id) if state.account_id and self.plan.needs_accounts else None
        scene = self._accounts.scene(account, state.account_id)
        values = values_about(account) or {"account": state.account_id}
        return read_changes(self._session, self._plan_of(changes.like), scene, values, state)

    def normalize_transactions(self, raw: Any) -> Sequence[Transaction]:  # noqa: ANN401 - the provider's own JSON
        """Turn records into transactions: a list of them, or `{"of": request, "account_id", "records": […]}`."""
        given: Mapping[str, Any] = raw if isinstance(raw, Mapping) else {"records": raw}
        plan = self._plan_of(given.get("of") or self.plan.transactions[0].request.name)
        account_id = given.get("account_id")
        scene = self._accounts.scene(self._accounts.known(account_id), account_id)
        found = (plan.read(record, scene) for record in given.get("records") or ())
        return [row for row in found if row is not None]

    def read_rejected(self, row: RejectedRow) -> Sequence[Transaction]:
        """Read a row that was rejected before, by the first of the requests that can."""
        trouble = "there is no request"
        if row.account_id and self.plan.needs_accounts:
            self._accounts.get(row.account_id)
        for plan in self.plan.transactions:
            account_id = json.dumps(row.account_id)
            given = f'{{"of": "{plan.request.name}", "account_id": {account_id}, "records": [{row.raw}]}}'
            try:
                return self.normalize_transactions(json.loads(given, parse_float=Decimal))
            except (InvalidDataError, ValueError) as error:
                trouble = str(error)
        raise InvalidDataError(trouble)

    def revoke(self) -> bool:
        """End the authorisation, where the manifest says how."""
        request = self.plan.manifest.revoke
        if request is not None:
            self._session.send(self._session.question(request, {}))
        return request is not None

    def _plan_of(self, name: str) -> TransactionsPlan:
        for plan in self.plan.transactions:
            if plan.request.name == name:
                return plan
        raise InvalidDataError(f"there is no request {name!r}")

    def _of_account(self, page: Page, account_id: str | None) -> Page:
        """Leave out rows of other accounts, where one answer holds those of several and one account was asked for."""
        if account_id is None or (self.plan.capabilities.fetch_scope is Scope.ACCOUNT and not self.plan.has_parts):
            return page
        return replace(page, transactions=tuple(row for row in page.transactions if row.account_id == account_id))


def make_connector(manifest: Manifest) -> type[ManifestConnector]:
    """Return the connector class of a manifest. Raises: ManifestError when it needs a hook that is not installed."""
    plan = make_plan(manifest)
    title = "".join(part.capitalize() for part in manifest.name.split("_"))
    members = {
        "name": manifest.name,
        "display_name": manifest.title,
        "Config": config_class(manifest),
        "capabilities": plan.capabilities,
        "plan": plan,
        "webhooks": make_webhooks(manifest.webhook) if manifest.webhook else None,
        "form": ConnectorForm(
            linked_by=manifest.linked_by, countries=manifest.countries, logo=manifest.logo, summary=manifest.summary
        ),
        "__module__": __name__,
        "__doc__": manifest.summary or manifest.title,
    }
    return type(f"{title}Connector", (ManifestConnector,), members)
