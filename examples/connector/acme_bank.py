"""Acme Bank: an API with a token, date windows and pages, days instead of moments, and amounts without a sign."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from pydantic import Field, SecretStr

from worker.connectors import base
from worker.connectors.config import ConnectorConfig
from worker.connectors.errors import AuthenticationError, InvalidDataError
from worker.connectors.http import Request, call


class AcmeConfig(ConnectorConfig):
    token: SecretStr = Field(description="Access token from Acme's settings page.")


class AcmeConnector(base.BankConnector):
    config: AcmeConfig
    name = "acme"
    display_name = "Acme Bank"
    Config = AcmeConfig
    capabilities = base.Capabilities(id_class=base.IdClass.STABLE, windows_complete=True, timezone="Europe/Berlin")

    def get_auth_status(self) -> base.AuthStatus:
        try:
            self._ask("accounts")
        except AuthenticationError as error:
            return base.AuthStatus(state=base.AuthState.NEEDS_USER, reason=error.reason)
        return base.AuthStatus()

    def list_accounts(self) -> Sequence[base.Account]:
        found = self._items(self._ask("accounts"))
        return [base.Account(external_id=raw["id"], name=raw["name"], currency=raw["currency"]) for raw in found]

    def get_transactions(self, account_id: str | None, from_date: date, to_date: date) -> Iterator[base.Page]:
        covers, page, seen = base.Window(from_on=from_date, to_on=to_date), "1", set()
        while page not in seen:
            seen.add(page)
            window = {"from": from_date.isoformat(), "to": to_date.isoformat()}
            body = self._ask("transactions", account=str(account_id), page=page, **window)
            yield base.Page(transactions=tuple(self.normalize_transactions(self._items(body))), covers=covers)
            if not body.get("next"):
                return
            page = body["next"]
        raise InvalidDataError("Acme repeats a page")

    def normalize_transactions(self, raw: Iterable[dict[str, Any]]) -> Sequence[base.Transaction]:
        try:
            return [self._transaction(record) for record in raw]
        except (KeyError, TypeError, ValueError, InvalidOperation):
            raise InvalidDataError("Acme sent a transaction that cannot be read") from None

    def _transaction(self, record: dict[str, Any]) -> base.Transaction:
        amount = Decimal(record["amount"])
        return base.Transaction(
            account_id=record["account"],
            external_id=record["id"] or None,
            amount=-amount if record["type"] == "debit" else amount,
            currency=record["currency"],
            booking_on=date.fromisoformat(record["day"]),
            description=record["text"],
            raw=record,
        )

    def _ask(self, endpoint: str, **parameters: str) -> Any:
        return call(
            self.context,
            Request(
                method="GET",
                url=f"https://api.acme.test/{endpoint}",
                endpoint=endpoint,
                account_id=parameters.get("account"),
                params=list(parameters.items()),
                headers={"Authorization": f"Bearer {self.config.token.get_secret_value()}"},
            ),
        ).body

    def _items(self, body: Any) -> list[dict[str, Any]]:
        if not isinstance(body, dict) or not isinstance(body.get("items"), list):
            raise InvalidDataError("Acme's answer holds no items")
        return list(body["items"])
