"""A small monobank: one statement a minute, 31 days and an hour a call, 500 rows an answer, holds that settle."""

from datetime import datetime, timedelta
from typing import Any

from tests.fakes.provider_server import NOW, Asked, FakeProvider, Reply

TOKEN = "mono-token-9e21"
ACCOUNT = "kKGVoZuHWzqVoZuH"
LONGEST_S, MOST_ROWS = 31 * 86_400 + 3_600, 500


class FakeMonobank(FakeProvider):
    """now: its clock, which the test moves. rows: of the one account, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.rows: list[dict[str, Any]] = []
        self._called_at: dict[str, datetime] = {}

    def answer(self, asked: Asked) -> Reply:
        if asked.headers.get("x-token") != TOKEN:
            return Reply({"errorDescription": "Unknown 'X-Token'"}, None, 403)
        kind = asked.path.split("/")[2]
        last = self._called_at.get(kind)
        if last is not None and self.now - last < timedelta(minutes=1):
            return Reply({"errorDescription": "Too many requests"}, None, 429)
        self._called_at[kind] = self.now
        if kind == "client-info":
            account = {"id": ACCOUNT, "currencyCode": 980, "balance": 150_00, "creditLimit": 100_00, "type": "black"}
            return Reply({"clientId": "c", "accounts": [account | {"maskedPan": ["5375********1234"]}]}, None)
        _, _, _, account_id, since, until = asked.path.split("/")
        if account_id != ACCOUNT:
            return Reply({"errorDescription": "invalid account"}, None, 400)
        if int(until) - int(since) > LONGEST_S:
            return Reply({"errorDescription": "Period must be no more than 31 days"}, None, 400)
        found = [row for row in self.rows if int(since) <= row["time"] <= int(until)]
        return Reply(sorted(found, key=lambda row: -row["time"])[:MOST_ROWS], None)


def row(row_id: str, at: datetime, kopiykas: int, *, hold: bool = False, **rest: Any) -> dict[str, Any]:
    base = {"id": row_id, "time": int(at.timestamp()), "description": "Corner Shop", "hold": hold, "amount": kopiykas}
    return base | {"operationAmount": kopiykas, "currencyCode": 980, "balance": 0} | rest
