"""A small Mercury: offset pages of a list that grows at its head, rows that fail, are reversed, or settle."""

from collections.abc import Callable
from typing import Any

from tests.fakes.provider_server import Asked, FakeProvider, Reply

TOKEN = "mercury-token-c0"
ACCOUNT = "d0e567d8-76a7-11e9-a22d-0b33e9de0755"
PAGE = 2


class FakeMercury(FakeProvider):
    """rows: newest first. between: called before every page, such as a purchase that arrives meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[dict[str, Any]] = []
        self.between: Callable[[], None] = lambda: None

    def answer(self, asked: Asked) -> Reply:
        if asked.headers.get("authorization") != f"Bearer {TOKEN}":
            return Reply({"errors": {"message": "unauthorized"}}, None, 401)
        if asked.path == "/api/v1/accounts":
            base = {"id": ACCOUNT, "name": "Checking", "kind": "checking", "status": "active", "currentBalance": 5.25}
            return Reply({"accounts": [base | {"accountNumber": "202012340755"}]}, None)
        assert asked.path == f"/api/v1/account/{ACCOUNT}/transactions", asked.path
        at = int(asked.query.get("offset", 0))
        page = {"total": len(self.rows), "transactions": self.rows[at : at + PAGE]}
        self.between()
        return Reply(page, None)


def row(row_id: str, at: str, amount: float, status: str = "sent") -> dict[str, Any]:
    posted_at = at if status == "sent" else None
    base = {"id": row_id, "createdAt": at, "postedAt": posted_at, "amount": amount, "status": status}
    return base | {"bankDescription": "CORNER SHOP", "counterpartyName": "Corner Shop", "kind": "debitCardTransaction"}
