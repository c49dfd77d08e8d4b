"""Opens shipped manifests against fakes that are real HTTP servers."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import httpx2

from tests.fakes.provider_server import NOW, Detour, FakeProvider, serving
from worker.connectors.base import BankConnector, ConnectorContext, Page, Transaction
from worker.connectors.config import parse_config
from worker.connectors.registry import ConnectorRegistry

REGISTRY = ConnectorRegistry()
FIRST, LAST = date(2026, 11, 1), date(2026, 11, 20)


@contextmanager
def opened(
    fake: FakeProvider, name: str, config: dict[str, Any], *, now: datetime = NOW, saved: list[Any] | None = None
) -> Iterator[BankConnector]:
    """Open a connector as a run does; its zone is that of the manifest."""
    connector = REGISTRY.get(name)
    kept = saved if saved is not None else []
    with serving(fake) as url, httpx2.Client(transport=Detour(url), follow_redirects=False) as http:
        context = ConnectorContext(
            http=http,
            now=lambda: getattr(fake, "now", now),
            save_config=kept.append,
            timezone=connector.capabilities.timezone,
        )
        yield connector(parse_config(connector, config), context)


def read(connector: BankConnector, account_id: str | None, first: date = FIRST, last: date = LAST) -> list[Page]:
    return list(connector.get_transactions(account_id, first, last))


def rows(connector: BankConnector, account_id: str | None, first: date = FIRST, last: date = LAST) -> list[Transaction]:
    return [row for page in read(connector, account_id, first, last) for row in page.transactions]


def told(connector: BankConnector, row: Transaction) -> tuple[str | None, str, str, bool]:
    """Return id, day at the bank, amount and whether it is pending."""
    zone = ZoneInfo(connector.capabilities.timezone)
    moment = row.booking_at or row.transaction_at
    day = row.booking_on or row.transaction_on or (moment.astimezone(zone).date() if moment else None)
    return row.external_id, str(day), format(row.amount, "f"), row.pending
