"""A small Up: HELD rows that settle under their id, pages by link, signed webhooks."""

import hashlib
import hmac
import json
from datetime import datetime
from typing import Any

from tests.fakes.provider_server import Asked, FakeProvider, Reply
from tests.fakes.published import Published

TOKEN, SECRET = "up:yeah:token-4b1f", "canary-up-webhook"
ACCOUNT = "8fcc6015-b1d9-4b37-bd2c-8d8d2d6f53e1"
WEBHOOK = "f4a8b0c2-0001-4a4e-8a52-0d7a3a1c2b01"
API = "/api/v1"


class FakeUp(FakeProvider):
    """rows: newest first, as Up lists them. page_size: what it puts on a page, whatever is asked."""

    published = Published("up-v1.json")

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[dict[str, Any]] = []
        self.page_size = 2

    def hold(self, row_id: str, cents: int, created_at: str) -> None:
        self.rows.insert(0, transaction(row_id, cents, created_at))

    def settle(self, row_id: str, cents: int, settled_at: str) -> None:
        """Settle under the same id, perhaps at another amount."""
        row = next(row for row in self.rows if row["id"] == row_id)
        row["attributes"] |= {"status": "SETTLED", "settledAt": settled_at, "amount": money(cents)}

    def answer(self, asked: Asked) -> Reply:
        if asked.headers.get("authorization") != f"Bearer {TOKEN}":
            error = {"status": "401", "title": "Not Authorized", "detail": "no valid credential was found"}
            return Reply({"errors": [error]}, "ErrorResponse", 401)
        match asked.path.removeprefix(API):
            case "/util/ping":
                return Reply({"meta": {"id": "p", "statusEmoji": "⚡️"}}, "PingResponse")
            case "/accounts":
                return Reply({"data": [account()], "links": {"prev": None, "next": None}}, "ListAccountsResponse")
            case path:
                assert path == f"/accounts/{ACCOUNT}/transactions"
                return self._transactions(asked)

    def _transactions(self, asked: Asked) -> Reply:
        since, until = (datetime.fromisoformat(asked.query[f"filter[{edge}]"]) for edge in ("since", "until"))
        found = [row for row in self.rows if since <= datetime.fromisoformat(row["attributes"]["createdAt"]) <= until]
        start = int(asked.query.get("page[after]", 0))
        more = start + self.page_size < len(found)
        link = f"https://api.up.com.au{asked.path}?filter[since]={asked.query['filter[since]']}"
        link += f"&filter[until]={asked.query['filter[until]']}&page[after]={start + self.page_size}"
        links = {"prev": None, "next": link if more else None}
        return Reply({"data": found[start : start + self.page_size], "links": links}, None)


def money(cents: int) -> dict[str, Any]:
    return {"currencyCode": "AUD", "value": f"{cents / 100:.2f}", "valueInBaseUnits": cents}


def account() -> dict[str, Any]:
    attributes = {"displayName": "Spending", "accountType": "TRANSACTIONAL", "ownershipType": "INDIVIDUAL"}
    return {
        "type": "accounts",
        "id": ACCOUNT,
        "attributes": attributes | {"balance": money(10_000), "createdAt": "2026-01-01T10:00:00+11:00"},
        "relationships": {"transactions": {"links": {"related": f"https://api.up.com.au{API}/accounts/{ACCOUNT}"}}},
    }


def transaction(row_id: str, cents: int, created_at: str) -> dict[str, Any]:
    nothing = ("rawText", "message", "holdInfo", "roundUp", "cashback", "foreignAmount", "settledAt", "note")
    attributes = dict.fromkeys((*nothing, "cardPurchaseMethod", "transactionType", "performingCustomer"))
    attributes |= {"status": "HELD", "description": "Corner Shop", "isCategorizable": True, "amount": money(cents)}
    return {"type": "transactions", "id": row_id, "attributes": attributes | {"createdAt": created_at}}


def webhook(event: str) -> tuple[bytes, dict[str, str]]:
    """Return a webhook's body and headers as Up sends them."""
    relationships = {"webhook": {"data": {"type": "webhooks", "id": WEBHOOK}}}
    data = {"type": "webhook-events", "id": "e", "attributes": {"eventType": event}, "relationships": relationships}
    body = json.dumps({"data": data}).encode()
    signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    return body, {"X-Up-Authenticity-Signature": signature}
