"""A small Pluggy: an API key of two hours, items that need their person, cursors as ready-made queries."""

from datetime import datetime, timedelta
from typing import Any

from tests.fakes.provider_server import NOW, Asked, FakeProvider, Reply

CLIENT, SECRET, ITEM = "client-1", "canary-pluggy-secret", "b1fd4f29-0ea1-4a2e-8c1c-64d8d8a0ce1d"
BANK, CARD = "account-bank", "account-card"
PAGE = 2


class FakePluggy(FakeProvider):
    """now: its clock. status: of the item. keys: those made so far with their end."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.status = "UPDATED"
        self.keys: dict[str, datetime] = {}
        self.rows: dict[str, list[dict[str, Any]]] = {BANK: [], CARD: []}

    def answer(self, asked: Asked) -> Reply:
        if asked.path == "/auth":
            if asked.body != {"clientId": CLIENT, "clientSecret": SECRET}:
                return Reply({"code": 401, "codeDescription": "CLIENT_KEYS_UNAUTHORIZED", "message": "no"}, None, 401)
            key = f"key-{len(self.keys) + 1}"
            self.keys[key] = self.now + timedelta(hours=2)
            return Reply({"apiKey": key}, None)
        if self.keys.get(asked.headers.get("x-api-key", ""), self.now) <= self.now:
            return Reply({"code": 403, "message": "Missing or invalid authorization token"}, None, 403)
        match asked.path:
            case "/accounts":
                assert asked.query == {"itemId": ITEM}
                return Reply(
                    {"results": [account(BANK, "BANK", 104.27), account(CARD, "CREDIT", 60.0)], "total": 2}, None
                )
            case "/v2/transactions":
                return self._transactions(asked)
            case path:
                assert path == f"/items/{ITEM}", path
                return Reply({"id": ITEM, "status": self.status}, None)

    def _transactions(self, asked: Asked) -> Reply:
        account_id, since = asked.query["accountId"], asked.query.get("dateFrom", "")
        found = [row for row in self.rows[account_id] if row["date"][:10] >= since]
        at = int(asked.query.get("after", 0))
        more = at + PAGE < len(found)
        following = f"?accountId={account_id}&dateFrom={since}&after={at + PAGE}" if more else None
        return Reply({"results": found[at : at + PAGE], "next": following}, None)


def account(account_id: str, kind: str, balance: float) -> dict[str, Any]:
    subtype = {"BANK": "CHECKING_ACCOUNT", "CREDIT": "CREDIT_CARD"}[kind]
    base = {"id": account_id, "itemId": ITEM, "type": kind, "subtype": subtype, "name": subtype, "number": "0001/9"}
    return base | {"balance": balance, "currencyCode": "BRL", "marketingName": None}


def row(row_id: str, day: str, amount: float, kind: str, **rest: Any) -> dict[str, Any]:
    base = {"id": row_id, "date": f"{day}T00:00:00.000Z", "amount": amount, "type": kind, "status": "POSTED"}
    return base | {"description": "Padaria", "currencyCode": "BRL", "amountInAccountCurrency": None} | rest
