"""The verbs of the SimpleFIN tests."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from tests.fakes.simplefin_bank import Entry

NOW = datetime(2026, 3, 15, 17, tzinfo=UTC)
TODAY = date(2026, 3, 15)
NEW_YORK = ZoneInfo("America/New_York")


def entry(name: str, posted_at: datetime | None = NOW, amount: str = "-1.00", **fields) -> Entry:
    return Entry(id=name, amount=amount, posted_at=posted_at, **fields)


def at(day: date, hour: int, minute: int = 0, second: int = 0) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, second, tzinfo=NEW_YORK).astimezone(UTC)


def pages(connector, from_on=TODAY - timedelta(days=30), to_on=TODAY, account_id=None):
    return list(connector.get_transactions(account_id, from_on, to_on))


def ids(found) -> list[str]:
    return [row.external_id for page in found for row in page.transactions]
