"""A small Trading 212: key and secret, cash movements by pages whose paths come ready-made."""

import base64
from typing import Any

from tests.fakes.provider_server import Asked, FakeProvider, Reply

KEY, SECRET = "t212-key", "canary-t212-secret"
PAGE = 2


class FakeTrading212(FakeProvider):
    def __init__(self) -> None:
        super().__init__()
        self.items: list[dict[str, Any]] = []

    def answer(self, asked: Asked) -> Reply:
        login = base64.b64encode(f"{KEY}:{SECRET}".encode()).decode()
        if asked.headers.get("authorization") != f"Basic {login}":
            return Reply({}, None, 401)
        if asked.path == "/api/v0/equity/account/summary":
            cash = {"availableToTrade": 104.27, "inPies": 0, "reservedForOrders": 0}
            return Reply({"id": 7, "currency": "GBP", "totalValue": 1204.27, "cash": cash}, None)
        assert asked.path == "/api/v0/equity/history/transactions", asked.path
        at = int(asked.query.get("cursor", 0))
        more = at + PAGE < len(self.items)
        following = f"{asked.path}?limit=50&cursor={at + PAGE}" if more else None
        return Reply({"items": self.items[at : at + PAGE], "nextPagePath": following}, None)


def item(reference: str, kind: str, amount: float, at: str) -> dict[str, Any]:
    return {"reference": reference, "type": kind, "amount": amount, "currency": "GBP", "dateTime": at}
