"""A small Lunch Flow: everything of an account at once, ids that are new with every answer, pending rows without."""

import itertools
from typing import Any

from tests.fakes.provider_server import Asked, FakeProvider, Reply

KEY = "lf-key-31d0"


class FakeLunchFlow(FakeProvider):
    """balance: None = the source does not tell it, and Lunch Flow answers 500."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[dict[str, Any]] = []
        self.balance: float | None = 104.27
        self._minted = itertools.count(1)

    def answer(self, asked: Asked) -> Reply:
        if asked.headers.get("x-api-key") != KEY:
            return Reply({"error": "Invalid API key"}, None, 401)
        match asked.path.removeprefix("/api/v1").strip("/").split("/"):
            case ["accounts"]:
                account = {"id": 17, "name": "Girokonto", "institution_name": "Testbank", "currency": "EUR"}
                return Reply({"accounts": [account], "total": 1}, None)
            case ["accounts", "17", "balance"]:
                answer = {"balance": {"amount": self.balance, "currency": "EUR"}}
                return Reply({"error": "unavailable"}, None, 500) if self.balance is None else Reply(answer, None)
            case path:
                assert path == ["accounts", "17", "transactions"], path
                rows = [row | {"id": None if row["isPending"] else f"m{next(self._minted)}"} for row in self.rows]
                return Reply({"transactions": rows, "total": len(rows)}, None)


def row(day: str, amount: float, *, pending: bool = False) -> dict[str, Any]:
    base = {"accountId": 17, "amount": amount, "currency": "EUR", "date": day, "merchant": "Corner Shop"}
    return base | {"description": "CARD CORNER SHOP", "isPending": pending}
