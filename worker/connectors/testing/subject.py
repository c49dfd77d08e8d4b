"""The connector under test with its ledger and fake server, and how its deliveries are read."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx2

from worker.connectors.base import Account, BankConnector, ConnectorContext, Page, Scope, SyncState, Transaction, Window
from worker.connectors.config import parse_config
from worker.connectors.errors import ConnectorError
from worker.connectors.testing.ledger import Ledger, LedgerAccount
from worker.connectors.testing.transport import KitTransport, RunawayError, Server

NOW = datetime(2026, 5, 19, 14, 30, tzinfo=UTC)
"""The moment every check happens at; in the kit's zone it is already the next day."""

ZONE = "Pacific/Auckland"
_MOST_PAGES = 1_000

ConfigSource = Mapping[str, Any] | Callable[[Ledger, Path], Mapping[str, Any]]
OwnFault = tuple[Server, type[ConnectorError]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """The arguments of `connector_tests`.

    Attributes:
        known_by_currency: An account's id is its currency, as that of a wallet is.
        fault_endpoints: Of a fault that belongs to some requests only, their labels.
        own_statuses: Statuses that say of an account, and not of the login, what `faults` shows.
    """

    connector: type[BankConnector]
    config: ConfigSource
    server: Callable[[Ledger], Server] | None = None
    currencies: tuple[str, ...] = ("EUR", "JPY", "KWD")
    zone: str = ZONE
    known_by_currency: bool = False
    secrets: tuple[str, ...] = ()
    faults: Mapping[str, OwnFault] = field(default_factory=dict)
    fault_endpoints: Mapping[str, frozenset[str]] = field(default_factory=dict)
    own_statuses: frozenset[int] = frozenset()
    skip: Mapping[str, str] = field(default_factory=dict)

    @property
    def knows_truth(self) -> bool:
        """Whether the ledger reaches the connector, by a server or through its config."""
        return self.server is not None or callable(self.config)


def _nobody(_request: httpx2.Request) -> httpx2.Response:
    raise httpx2.ConnectError("this connector was given no server")


class Subject:
    """One connector in one check; every check gets a fresh one."""

    def __init__(self, spec: Spec, directory: Path) -> None:
        self.spec = spec
        self.capabilities = spec.connector.capabilities
        self.directory = directory
        accounts = tuple(
            LedgerAccount(
                id=currency if spec.known_by_currency else f"account-{currency.lower()}",
                name=f"Account in {currency}",
                currency=currency,
            )
            for currency in spec.currencies
        )
        self.ledger = Ledger(zone=ZoneInfo(spec.zone), now=NOW, accounts=accounts)
        self.transport = KitTransport(server=spec.server(self.ledger) if spec.server else _nobody)
        self.saved: list[Any] = []

    @property
    def today(self) -> date:
        """The day it is at the bank."""
        return self.ledger.today

    def day(self, ago: int) -> date:
        """Return the day `ago` days before today."""
        return self.today - timedelta(days=ago)

    def window(self, days: int = 60) -> Window:
        """Return the `days` days up to today, or fewer where one request may not ask for so many."""
        asked = min(days, self.capabilities.window_days or days)
        return Window(from_on=self.day(asked - 1), to_on=self.today)

    @contextmanager
    def opened(self) -> Iterator[BankConnector]:
        """Open a new instance, as every run does."""
        given = self.spec.config
        values = given(self.ledger, self.directory) if callable(given) else given
        with httpx2.Client(transport=self.transport, timeout=5, follow_redirects=False, trust_env=False) as http:
            context = ConnectorContext(
                http=http, now=lambda: self.ledger.now, save_config=self.saved.append, timezone=self.spec.zone
            )
            yield self.spec.connector(parse_config(self.spec.connector, values), context)

    def accounts(self) -> list[Account]:
        """Ask a new instance for its accounts."""
        with self.opened() as connector:
            return list(connector.list_accounts())

    def read(self, window: Window | None = None) -> list[Page]:
        """Deliver a window, as a first import does: all accounts, every page."""
        with self.opened() as connector:
            return list(self.pages(connector, window or self.window()))

    def pages(self, connector: BankConnector, window: Window) -> Iterator[Page]:
        """Yield every page of every account for a window."""
        for account_id in self._streams(connector, self.capabilities.fetch_scope):
            yield from bounded(connector.get_transactions(account_id, window.from_on, window.to_on))

    def sync(self, cursors: Mapping[str | None, str | None]) -> "Sync":
        """Refresh by cursor, one stream per account or one for all, as `capabilities.cursor_scope` says."""
        result = Sync()
        with self.opened() as connector:
            for account_id in self._streams(connector, self.capabilities.cursor_scope):
                state = SyncState(account_id=account_id, cursor=cursors.get(account_id), window=self.window())
                pages = list(bounded(connector.refresh(state)))
                result.pages += pages
                result.cursors[account_id] = pages[-1].next_cursor if pages else None
        return result

    def rows(self, window: Window | None = None) -> list[Transaction]:
        """Deliver a window and return its transactions."""
        return rows_of(self.read(window))

    def day_of(self, row: Transaction) -> date | None:
        """Return the day the importer will file a row under: of booking, or while pending of the purchase."""
        return row.day(self.ledger.zone)

    def currencies(self) -> dict[str, str | None]:
        """Return the currency of every account by its id."""
        return {account.external_id: account.currency for account in self.accounts()}

    def _streams(self, connector: BankConnector, scope: Scope | None) -> list[str | None]:
        if scope is Scope.CONNECTION:
            return [None]
        return [account.external_id for account in connector.list_accounts()]


@dataclass(slots=True, kw_only=True)
class Sync:
    """What a refresh by cursor delivered.

    Attributes:
        cursors: The one to store, by stream.
    """

    pages: list[Page] = field(default_factory=list)
    cursors: dict[str | None, str | None] = field(default_factory=dict)

    @property
    def rows(self) -> list[Transaction]:
        """All transactions, in order."""
        return rows_of(self.pages)

    @property
    def removed(self) -> set[str]:
        """Ids the provider took back."""
        return {removed.external_id for page in self.pages for removed in page.removed}


def rows_of(pages: list[Page]) -> list[Transaction]:
    """Return the transactions of all pages that count: those before one that starts over do not."""
    start = max((number for number, page in enumerate(pages) if page.starts_over), default=0)
    return [row for page in pages[start:] for row in page.transactions]


def bounded(pages: Iterator[Page]) -> Iterator[Page]:
    """Pass pages on, and stop a delivery that never ends."""
    yield from islice(pages, _MOST_PAGES)
    if next(pages, None) is not None:
        raise RunawayError(f"more than {_MOST_PAGES} pages in one delivery")
