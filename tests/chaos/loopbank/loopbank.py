"""A bank on loopback for the chaos suite: pages over HTTP, stable ids, balances, and a burst limit shared in Redis."""

from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from worker.connectors.base import (
    Account,
    AccountType,
    AuthStatus,
    BankConnector,
    Burst,
    Capabilities,
    IdClass,
    Page,
    Transaction,
    TransactionKind,
    Window,
)
from worker.connectors.config import ConnectorConfig
from worker.connectors.http import Request, call


class LoopConfig(ConnectorConfig):
    url: str
    user: str


class LoopConnector(BankConnector):
    name = "loopbank"
    display_name = "Bank of the chaos suite"
    Config = LoopConfig
    capabilities = Capabilities(id_class=IdClass.STABLE, burst=Burst(calls=400, per_s=1.0), windows_complete=False)
    config: LoopConfig

    def get_auth_status(self) -> AuthStatus:
        return AuthStatus()

    def list_accounts(self) -> Sequence[Account]:
        body = self._get("accounts")
        return [
            Account(
                external_id=row["id"],
                name=row.get("name", row["id"]),
                account_type=AccountType.CHECKING,
                currency="EUR",
                mask=row.get("mask"),
                anchor=f"iban:{row['iban']}" if "iban" in row else None,
            )
            for row in body["accounts"]
        ]

    def get_transactions(self, account_id: str | None, from_date: date, to_date: date) -> Iterator[Page]:
        page = 0
        while True:
            body = self._get("transactions", account_id, page)
            page += 1
            yield Page(
                transactions=tuple(self.normalize_transactions(body["transactions"])),
                covers=Window(from_on=from_date, to_on=to_date),
            )
            if not body["more"]:
                return

    def normalize_transactions(self, raw: Any) -> Sequence[Transaction]:
        return [
            Transaction(
                account_id=row["account"],
                external_id=row["id"],
                amount=Decimal(row["amount"]),
                currency="EUR",
                description=row["description"],
                booking_on=date.fromisoformat(row["day"]),
                counterparty_account=row.get("peer_iban"),
                kind=TransactionKind.TRANSFER if "peer_iban" in row else None,
                raw=row,
            )
            for row in raw
        ]

    def _get(self, endpoint: str, account_id: str | None = None, page: int = 0) -> Any:
        params = [("user", self.config.user), ("account", account_id or ""), ("page", str(page))]
        request = Request(
            method="GET", url=f"{self.config.url}/{endpoint}", endpoint=endpoint, account_id=account_id, params=params
        )
        return call(self.context, request).body
