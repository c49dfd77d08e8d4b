"""A small Teller: a token as user of basic authentication, cards whose purchases are positive, pages by the last id."""

import base64
from typing import Any

from tests.fakes.provider_server import Asked, FakeProvider, Reply

TOKEN = "token_canary_5f"
CHECKING, CARD = "acc_checking", "acc_card"
PAGE = 2


class FakeTeller(FakeProvider):
    """disconnected: the code it answers with since the bank wants its customer."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: dict[str, list[dict[str, Any]]] = {CHECKING: [], CARD: []}
        self.disconnected: str | None = None

    def answer(self, asked: Asked) -> Reply:
        login = base64.b64encode(f"{TOKEN}:".encode()).decode()
        if asked.headers.get("authorization") != f"Basic {login}":
            return Reply({"error": {"code": "unauthorized", "message": "no"}}, None, 401)
        if self.disconnected:
            return Reply({"error": {"code": self.disconnected, "message": "disconnected"}}, None, 404)
        match asked.path.strip("/").split("/"):
            case ["accounts"]:
                found = [account(CHECKING, "depository", "checking"), account(CARD, "credit", "credit_card")]
                return Reply([*found, account("acc_closed", "depository", "checking") | {"status": "closed"}], None)
            case ["accounts", account_id, "balances"]:
                return Reply({"account_id": account_id, "ledger": "75.02", "available": "70.00"}, None)
            case ["accounts", account_id, "transactions"]:
                return self._transactions(account_id, asked)
        raise AssertionError(asked.path)

    def _transactions(self, account_id: str, asked: Asked) -> Reply:
        since, until = asked.query["start_date"], asked.query["end_date"]
        found = [row for row in self.rows[account_id] if since <= row["date"] <= until]
        ids = [row["id"] for row in found]
        at = ids.index(asked.query["from_id"]) + 1 if "from_id" in asked.query else 0
        return Reply(found[at : at + PAGE], None)


def account(account_id: str, kind: str, subtype: str) -> dict[str, Any]:
    base = {"id": account_id, "name": subtype, "type": kind, "subtype": subtype, "currency": "USD", "status": "open"}
    return base | {"last_four": "7857", "institution": {"id": "b", "name": "Test Bank"}}


def row(row_id: str, account_id: str, day: str, amount: str, status: str = "posted") -> dict[str, Any]:
    base = {"id": row_id, "account_id": account_id, "date": day, "amount": amount, "status": status}
    return base | {"description": "CORNER SHOP", "type": "card_payment", "details": {"counterparty": None}}
