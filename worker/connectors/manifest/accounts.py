"""The accounts of a connection: read once for each run, with their balances and what later requests name of them."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from worker.connectors.base import Account, Balance, Page
from worker.connectors.errors import AccountNotFoundError, AuthenticationError, ConnectorError, RateLimitError
from worker.connectors.manifest.account_rows import AskedAccount
from worker.connectors.manifest.fields import Record, Scene, as_text, conditions, walk
from worker.connectors.manifest.model import ID, LIST
from worker.connectors.manifest.plan import BalancesPlan
from worker.connectors.manifest.request_filling import Values
from worker.connectors.manifest.session import ProviderSession


class AccountList:
    """The accounts of one connection, asked for at the first need."""

    def __init__(self, session: ProviderSession) -> None:
        self._session = session
        self._plan = session.plan
        self._asked: dict[str, AskedAccount] | None = None
        self._parents: list[dict[str, str | None]] | None = None
        self._is_ahead = False

    def read_ahead(self) -> None:
        """Ask for the accounts now, so that the next `read` need not: some providers allow one call a minute."""
        self.read()
        self._is_ahead = True

    def read(self) -> list[Account]:
        """Ask for the accounts, with the balances that come with them or for all of them at once."""
        if self._is_ahead and self._asked is not None:
            self._is_ahead = False
            return [one.account for one in self._asked.values()]
        self._parents = None
        self._asked = {one.account.external_id: one for one in self._read()}
        for plan in self._plan.balances:
            if not plan.per_account:
                self._take_balances(plan)
        return [one.account for one in self._asked.values()]

    def get(self, account_id: str) -> AskedAccount:
        """Return an account. Raises: AccountNotFoundError, ConnectorError."""
        found = self._all().get(account_id)
        if found is None:
            raise AccountNotFoundError("the provider does not list this account any more")
        return found

    def scene(self, account: AskedAccount | None, account_id: str | None) -> Scene:
        """Return what surrounds the records of an account, or of all of them."""
        config = self._session.public_values()
        if account is not None:
            return Scene(account=account.kept, account_id=account_id, currency=account.account.currency, config=config)
        currencies = {}
        if self._plan.needs_accounts and account_id is None:
            currencies = {name: one.account.currency for name, one in self._all().items()}
        return Scene(account_id=account_id, currencies=currencies, config=config)

    def known(self, account_id: str | None) -> AskedAccount | None:
        """Return an account that was read already, without asking."""
        return (self._asked or {}).get(account_id or "")

    def balance_page(self, account: AskedAccount) -> Page | None:
        """Return a page with the account's balance, where it is asked for on its own.

        That it cannot be had is a warning, for the rows are good. Raises: AuthenticationError, RateLimitError.
        """
        scene = self.scene(account, account.account.external_id)
        plan = next((one for one in self._plan.balances if one.per_account and one.only_for({}, scene)), None)
        if plan is None:
            return None
        try:
            balance = self._own_balance(plan, account, scene)
        except (AuthenticationError, RateLimitError):
            raise
        except ConnectorError as error:
            return Page(warnings=(f"an account without its balance: {error}",))
        return Page(accounts=(replace(account.account, balance=balance),), quota=self._session.take_readings())

    def _all(self) -> Mapping[str, AskedAccount]:
        if self._asked is None:
            self.read()
        return self._asked or {}

    def _read(self) -> Iterator[AskedAccount]:
        now = self._session.now()
        for values in self.parents():
            for plan in self._plan.accounts:
                for records, answer in self._session.lists(plan.request, values):
                    scene = Scene(account=values, answer=answer, config=self._session.public_values())
                    for record in records:
                        if plan.where(record, scene):
                            found = plan.read(record, scene, now)
                            yield replace(found, kept=kept_of(found, plan.request.name) | values)

    def parents(self) -> list[dict[str, str | None]]:
        """Return what is kept of every parent, asked for once; of one without anything where there are none."""
        request = self._plan.manifest.parents
        if request is None:
            return [{}]
        if self._parents is None:
            fits = conditions(request.where)
            self._parents = [
                {f"parent.{name}": _text(record, path) for name, path in request.keep.items()}
                for records, answer in self._session.lists(request, {})
                for record in records
                if fits(record, Scene(answer=answer))
            ]
        return self._parents

    def _take_balances(self, plan: BalancesPlan) -> None:
        for values in self.parents() if plan.per_parent else [{}]:
            self._take_balances_of(plan, values)

    def _take_balances_of(self, plan: BalancesPlan, values: Values) -> None:
        assert self._asked is not None
        for records, answer in self._session.lists(plan.request, values):
            scene = Scene(answer=answer, config=self._session.public_values())
            for record in records:
                account_id = plan.account(record, scene) if plan.account else None
                found = self._asked.get(account_id or "") or (self._only_one() if plan.account is None else None)
                if found is not None and plan.where(record, scene):
                    balance = self._balance(plan, record, scene, found) or found.account.balance
                    changed = replace(found, account=replace(found.account, balance=balance))
                    self._asked[found.account.external_id] = changed

    def _only_one(self) -> AskedAccount | None:
        """Return the connection's account where it has just one: an answer about it need not name it."""
        every = list((self._asked or {}).values())
        return every[0] if len(every) == 1 else None

    def _own_balance(self, plan: BalancesPlan, account: AskedAccount, scene: Scene) -> Balance | None:
        values = values_about(account)
        for records, answer in self._session.lists(plan.request, values, account.account.external_id):
            inner = replace(scene, answer=answer)
            for record in records:
                if plan.where(record, inner):
                    return self._balance(plan, record, inner, account)
        return None

    def _balance(self, plan: BalancesPlan, record: Record, scene: Scene, account: AskedAccount) -> Balance | None:
        stated = plan.currency(record, scene) if plan.currency else None
        currency = stated.upper() if stated else account.account.currency
        return plan.read(record, scene, currency, self._session.now())


def kept_of(account: AskedAccount, name: str) -> dict[str, Any]:
    """Return what is kept of an account that stands in the list of this name."""
    return {ID: account.account.external_id, **account.kept, LIST: name}


def values_about(account: AskedAccount | None) -> Values:
    """Return what requests about an account may name."""
    if account is None:
        return {}
    named = {name if name.startswith("parent.") else f"account.{name}": value for name, value in account.kept.items()}
    texts = {name: None if value is None else as_text(value, name) for name, value in named.items()}
    return texts | {"account": account.account.external_id}


def _text(record: Any, path: str) -> str | None:  # noqa: ANN401 - the provider's own JSON
    found = walk(record, path.split("."))
    return None if found is None else as_text(found, path)
