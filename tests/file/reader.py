"""Statement files read the way the importer reads them, for tests."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path

import httpx2

from worker.connectors.base import Account, ConnectorContext, Page, SyncState, Transaction, Window
from worker.connectors.file import FileConfig, FileConnector

ALL_DAYS = Window(from_on=date(1990, 1, 1), to_on=date(2040, 12, 31))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    accounts: list[Account]
    pages: list[Page]

    @property
    def rows(self) -> list[Transaction]:
        return [row for page in self.pages for row in page.transactions]

    @property
    def amounts(self) -> list[Decimal]:
        return [row.amount for row in self.rows]

    @property
    def rejected(self) -> list[str]:
        return [row.message for page in self.pages for row in page.rejected]

    @property
    def warnings(self) -> list[str]:
        return [warning for page in self.pages for warning in page.warnings]


def connector(path: Path, **stated: object) -> FileConnector:
    config = FileConfig.model_validate({"path": path, **stated})
    context = ConnectorContext(http=_http(), now=lambda: datetime.now(UTC), timezone="Europe/Berlin")
    return FileConnector(config, context)


@cache
def _http() -> httpx2.Client:
    """Files need no network; a connector is given a client all the same."""
    return httpx2.Client(verify=False)


def read(path: Path, **stated: object) -> Reading:
    """Import everything behind a path."""
    bank = connector(path, **stated)
    accounts = list(bank.list_accounts())
    pages = [page for account in accounts for page in bank.refresh(since(account, None))]
    return Reading(accounts=accounts, pages=pages)


def since(account: Account, cursor: str | None) -> SyncState:
    return SyncState(account_id=account.external_id, cursor=cursor, window=ALL_DAYS)
