"""A small TrueLayer: a code is exchanged once, with its verifier; refresh tokens rotate; some banks have no cards."""

import hashlib
from base64 import urlsafe_b64encode
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.fakes.provider_server import Asked, FakeProvider, Reply

CLIENT, SECRET = "finmind-8f31", "truelayer-secret-canary"
ACCOUNT, CARD = "f1234560abf9f57287637624def390871", "f7b093437032c216d4350b7d442b9c5ccc0e9f19"
APP = {"client_id": CLIENT, "client_secret": SECRET}


class FakeTrueLayer(FakeProvider):
    """codes: those that were not exchanged. refresh: the only refresh token that works. rows: of each path."""

    def __init__(self) -> None:
        super().__init__()
        self.codes = ["code-1", "code-2"]
        self.challenge = ""
        self.redirect_url = ""
        self.made = 0
        self.has_cards = True
        self.rows: dict[str, list[dict[str, Any]]] = {}

    @property
    def access(self) -> str:
        return f"access-canary-{self.made}"

    @property
    def refresh(self) -> str:
        return f"refresh-canary-{self.made}"

    def visit(self, url: str) -> None:
        """Open the page as a person's browser does, and agree."""
        parts = urlsplit(url)
        assert (parts.scheme, parts.hostname) == ("https", "auth.truelayer.com")
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        assert (asked["response_type"], asked["client_id"], asked["code_challenge_method"]) == ("code", CLIENT, "S256")
        assert "offline_access" in asked["scope"].split()
        self.challenge, self.redirect_url = asked["code_challenge"], asked["redirect_uri"]

    def answer(self, asked: Asked) -> Reply:
        if asked.path == "/connect/token":
            return self._token(asked.body)
        if asked.headers.get("authorization") != f"Bearer {self.access}":
            return Reply({"error": "invalid_token", "error_details": {}}, None, 401)
        kind = asked.path.split("/")[3]
        if kind == "cards" and not self.has_cards:
            return Reply({"error": "endpoint_not_supported", "error_details": {}}, None, 501)
        return Reply({"results": self._listed(asked.path), "status": "Succeeded"}, None)

    def _token(self, form: dict[str, str]) -> Reply:
        assert (form["client_id"], form["client_secret"]) == (CLIENT, SECRET)
        if form["grant_type"] == "authorization_code":
            digest = hashlib.sha256(form["code_verifier"].encode()).digest()
            assert urlsafe_b64encode(digest).rstrip(b"=").decode() == self.challenge
            assert form["redirect_uri"] == self.redirect_url
            if form["code"] not in self.codes:
                return Reply({"error": "invalid_grant"}, None, 400)
            self.codes.remove(form["code"])
        elif form["refresh_token"] != self.refresh:
            return Reply({"error": "invalid_grant"}, None, 400)
        self.made += 1
        return Reply({"access_token": self.access, "expires_in": 3600, "refresh_token": self.refresh}, None)

    def _listed(self, path: str) -> list[dict[str, Any]]:
        if path == "/data/v1/me":
            return [{"client_id": CLIENT, "consent_status": "Authorised"}]
        bank = {"currency": "GBP", "provider": {"display_name": "West Bank", "provider_id": "ob-west"}}
        if path == "/data/v1/accounts":
            number = {"iban": "GB82WEST12345698765432", "number": "98765432"}
            about = {"account_id": ACCOUNT, "account_type": "TRANSACTION", "display_name": "Club Current"}
            return [bank | about | {"account_number": number}]
        if path == "/data/v1/cards":
            about = {"account_id": CARD, "card_type": "CREDIT", "display_name": "Club Card"}
            return [bank | about | {"partial_card_number": "0044"}]
        if path.endswith("/balance"):
            return [{"currency": "GBP", "current": 20, "update_timestamp": "2026-11-20T11:00:00Z"}]
        return self.rows.get(path.removeprefix("/data/v1"), [])


def row(row_id: str, at: str, amount: float, way: str, text: str = "CORNER SHOP") -> dict[str, Any]:
    ids = {"transaction_id": f"unstable-{row_id}", "normalised_provider_transaction_id": row_id}
    money = {"amount": amount, "currency": "GBP", "transaction_type": way, "transaction_category": "PURCHASE"}
    return ids | money | {"timestamp": at, "description": text, "merchant_name": "Corner Shop", "meta": {}}
