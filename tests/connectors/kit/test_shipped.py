"""Connectors that keep their contract: the shipped ones of this folder, and two that exist to try the kit itself."""

import json
from urllib.parse import parse_qs

import httpx2

from tests.connectors.kit.banks import TOKEN, BankServer, CursorConnector, PagedConnector
from worker.connectors.errors import AuthenticationError, RateLimitError
from worker.connectors.mock import MockConnector
from worker.connectors.simplefin import SimpleFinConnector
from worker.connectors.testing import Entry, Ledger, connector_tests

OWN_FAULTS = {
    "a rate limit in a good answer": (lambda _: httpx2.Response(200, json={"error": "DAILY_LIMIT"}), RateLimitError)
}

TestMock = connector_tests(MockConnector, config={"token": "mock-token-5d21", "page_size": 20})
TestPaged = connector_tests(PagedConnector, config={"token": TOKEN}, server=BankServer, faults=OWN_FAULTS)
TestCursor = connector_tests(CursorConnector, config={"token": TOKEN}, server=BankServer, faults=OWN_FAULTS)


class SimpleFinInProcess:
    """A SimpleFIN server told by the ledger, protocol version 2, cutting at 90 days like the Bridge."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        query = parse_qs(str(request.url.query, "ascii"))
        start, end = (int(query.get(name, ["0"])[0]) for name in ("start-date", "end-date"))
        wanted = query.get("account")
        capped = end - start > 90 * 86_400
        accounts = []
        for account in self.ledger.accounts:
            if wanted is None or account.id in wanted:
                body = {
                    "id": account.id,
                    "name": account.name,
                    "conn_id": "CON-1",
                    "currency": account.currency,
                    "balance": str(self.ledger.balance(account.id)),
                    "balance-date": int(self.ledger.now.timestamp()),
                }
                rows = [entry for entry in self.ledger.entries(account.id) if self.asked(entry, query, start, end)]
                accounts.append(body | {"transactions": [self.record(entry) for entry in rows]})
        troubles = [{"code": "gen.api", "msg": "capped"}] if capped else []
        return httpx2.Response(200, content=json.dumps({"accounts": accounts, "errlist": troubles, "connections": []}))

    def asked(self, entry: Entry, query: dict[str, list[str]], start: int, end: int) -> bool:
        if entry.booked_at is None:
            return "pending" in query
        return "balances-only" not in query and start <= entry.booked_at.timestamp() < min(end, start + 90 * 86_400)

    def record(self, entry: Entry) -> dict[str, object]:
        return {
            "id": entry.id,
            "posted": int(entry.booked_at.timestamp()) if entry.booked_at else 0,
            "transacted_at": int(entry.made_at.timestamp()),
            "amount": str(entry.amount),
            "description": entry.description,
            "payee": entry.counterparty,
            "pending": entry.pending,
        }


def _trouble(code: str, message: str) -> httpx2.Response:
    return httpx2.Response(200, json={"accounts": [], "errlist": [{"code": code, "msg": message}], "connections": []})


TestSimpleFin = connector_tests(
    SimpleFinConnector,
    config={"access_url": "https://kit-user-31f0:kit-pass-8ad2@bridge.test/simplefin"},
    server=SimpleFinInProcess,
    faults={
        "a rate limit in a good answer": (lambda _: _trouble("gen.", "Too many requests today"), RateLimitError),
        "a revoked token in a good answer": (lambda _: _trouble("gen.auth", "Revoked"), AuthenticationError),
    },
)
