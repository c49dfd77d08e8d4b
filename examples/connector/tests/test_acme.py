"""Acme's own API, played from the kit's ledger, and the suite that comes of it."""

from datetime import date

import httpx2
from acme_bank import AcmeConnector

from worker.connectors.testing import Entry, Ledger, connector_tests

TOKEN = "acme-token-58c1"


class AcmeServer:
    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return httpx2.Response(401)
        if request.url.path == "/accounts":
            accounts = [{"id": held.id, "name": held.name, "currency": held.currency} for held in self.ledger.accounts]
            return httpx2.Response(200, json={"items": accounts})
        return httpx2.Response(200, json=self.page(dict(request.url.params)))

    def page(self, asked: dict[str, str]) -> dict[str, object]:
        window = date.fromisoformat(asked["from"]), date.fromisoformat(asked["to"])
        posted = [entry for entry in self.ledger.entries(asked["account"], *window) if not entry.pending]
        number, size = int(asked["page"]), self.ledger.page_size
        items = [self.item(entry) for entry in posted[(number - 1) * size : number * size]]
        return {"items": items, "next": str(number + 1) if number * size < len(posted) else None}

    def item(self, entry: Entry) -> dict[str, str]:
        return {
            "id": entry.id,
            "account": entry.account_id,
            "type": "debit" if entry.amount < 0 else "credit",
            "amount": str(abs(entry.amount)),
            "currency": entry.currency,
            "day": str(entry.booked_on),
            "text": entry.description,
        }


TestAcme = connector_tests(AcmeConnector, config={"token": TOKEN}, server=AcmeServer)
