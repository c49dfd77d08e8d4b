"""Calls to Plaid: credentials as headers (they stay out of body logs), errors by Plaid's own codes."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, SecretStr

from worker.connectors.base import ConnectorContext
from worker.connectors.config import ConnectorConfig
from worker.connectors.errors import ConnectorError, InvalidDataError
from worker.connectors.http import ProviderResponse, Request, asked_wait_s, call
from worker.connectors.plaid.errors import read_error
from worker.connectors.reading import inside, part, text

API_VERSION = "2020-09-14"
COUNTRIES = ("US", "CA", "GB", "IE", "FR", "ES", "NL", "DE")
_HOSTS = {"production": "https://production.plaid.com", "sandbox": "https://sandbox.plaid.com"}


class PlaidApp(ConnectorConfig):
    """One customer of Plaid; it serves every user."""

    client_id: str = Field(description="Client id from Plaid's dashboard.")
    secret: SecretStr = Field(description="Secret of the environment.")
    environment: Literal["production", "sandbox"] = Field(default="production", description="Which Plaid to call.")
    country_codes: tuple[str, ...] = Field(default=COUNTRIES, description="Countries whose banks may be linked.")


class PlaidApi:
    """Plaid's endpoints as far as we use them."""

    def __init__(self, app: PlaidApp, context: ConnectorContext) -> None:
        self._app = app
        self._context = context

    def post(self, path: str, body: Mapping[str, Any], *, account_id: str | None = None) -> Mapping[str, Any]:
        """POST and return the JSON, floats as Decimal.

        Raises: what `errors.read_error` makes of a refusal; ProviderUnavailableError, InvalidDataError.
        """
        request = Request(
            method="POST",
            url=_HOSTS[self._app.environment] + path,
            endpoint=path.strip("/").replace("/", "."),
            account_id=account_id,
            headers={
                "PLAID-CLIENT-ID": self._app.client_id,
                "PLAID-SECRET": self._app.secret.get_secret_value(),
                "Plaid-Version": API_VERSION,
            },
            json=dict(body),
        )
        answer = call(self._context, request, self._explain)
        if not isinstance(answer.body, Mapping):
            raise InvalidDataError(f"{request.endpoint}: the answer is not an object")
        return answer.body

    def exchange(self, public_token: str) -> Mapping[str, Any]:
        """Turn a public token into an access token. Never repeat it: the first answer is the only one."""
        return self.post("/item/public_token/exchange", {"public_token": public_token})

    def create_link_token(
        self,
        user: str,
        *,
        webhook: str | None,
        redirect_uri: str | None,
        access_token: str | None,
        hosted: bool = False,
    ) -> Mapping[str, Any]:
        """Return the token that opens Plaid Link.

        Args:
            webhook: Where Plaid reports on the login.
            redirect_uri: Where a bank's own page sends the user back to.
            access_token: Renew this login in place (update mode), where the user may add accounts that are new at the
                bank.
            hosted: Plaid shows Link on a page of its own, whose address is in the answer (`hosted_link_url`).
        """
        body: dict[str, Any] = {
            "client_name": "FinMind",
            "language": "en",
            "country_codes": list(self._app.country_codes),
            "user": {"client_user_id": user},
        }
        page = {"completion_redirect_uri": redirect_uri} if redirect_uri else {}
        optional = {"webhook": webhook, "access_token": access_token}
        optional["redirect_uri"] = None if hosted else redirect_uri
        body |= {name: value for name, value in optional.items() if value}
        if hosted:
            body["hosted_link"] = page
        if access_token:
            body["update"] = {"account_selection_enabled": True}
        else:
            body |= {"products": ["transactions"], "transactions": {"days_requested": 730}}
        return self.post("/link/token/create", body)

    def institution_name(self, institution_id: str) -> str | None:
        """Return a bank's name, None where Plaid does not know it."""
        body = {"institution_id": institution_id, "country_codes": list(self._app.country_codes)}
        answer = self.post("/institutions/get_by_id", body)
        return text(inside(answer, "institution"), "name")

    def webhook_key(self, key_id: str) -> Mapping[str, Any]:
        """Return the public key with which Plaid signs webhooks, for `webhook.WebhookKeys`."""
        return part(self.post("/webhook_verification_key/get", {"key_id": key_id}), "key", dict)

    def _explain(self, answer: ProviderResponse) -> ConnectorError | None:
        if not isinstance(answer.body, Mapping) or not isinstance(answer.body.get("error_code"), str):
            return None
        return read_error(answer.status, answer.body, asked_wait_s(answer.headers, self._context.now()))
