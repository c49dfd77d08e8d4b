"""A small Akahu: two tokens, windows whose start is exclusive, a list of pending rows of its own without ids."""

from datetime import datetime
from typing import Any

from tests.fakes.provider_server import Asked, FakeProvider, Reply

APP, USER = "app_token_1f0c", "user_token_77aa"
ACCOUNT = "acc_1111111111111111111111111"
PAGE = 2


class FakeAkahu(FakeProvider):
    def __init__(self) -> None:
        super().__init__()
        self.settled: list[dict[str, Any]] = []
        self.pending: list[dict[str, Any]] = []
        self.revoked = False

    def answer(self, asked: Asked) -> Reply:
        known = asked.headers.get("authorization") == f"Bearer {USER}" and asked.headers.get("x-akahu-id") == APP
        if not known or self.revoked:
            return Reply({"success": False, "message": "Unauthorized"}, None, 401)
        match asked.path.removeprefix("/v1"):
            case "/me":
                return Reply({"success": True, "item": {"_id": "user_1"}}, None)
            case "/accounts":
                return Reply({"success": True, "items": [account()]}, None)
            case "/transactions/pending":
                return Reply({"success": True, "items": self.pending}, None)
            case path:
                assert path == "/transactions", path
                return self._settled(asked)

    def _settled(self, asked: Asked) -> Reply:
        start, end = (datetime.fromisoformat(asked.query[edge]) for edge in ("start", "end"))
        found = [row for row in self.settled if start < datetime.fromisoformat(row["date"]) <= end]
        at = int(asked.query.get("cursor", 0))
        following = str(at + PAGE) if at + PAGE < len(found) else None
        return Reply({"success": True, "items": found[at : at + PAGE], "cursor": {"next": following}}, None)


def account() -> dict[str, Any]:
    balance = {"currency": "NZD", "current": -125.5, "available": 874.5}
    base = {"_id": ACCOUNT, "name": "Card", "status": "ACTIVE", "type": "CREDITCARD", "balance": balance}
    return base | {"connection": {"name": "Test Bank"}}


def settled(row_id: str, date: str, amount: float, **rest: Any) -> dict[str, Any]:
    return {"_id": row_id, **pending(date, amount)} | rest


def pending(date: str, amount: float) -> dict[str, Any]:
    return {"_account": ACCOUNT, "date": date, "description": "CORNER SHOP", "amount": amount, "type": "EFTPOS"}
