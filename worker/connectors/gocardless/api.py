"""Calls GoCardless's API: makes and renews tokens, and reads allowances from headers."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from pydantic import SecretStr

from worker.connectors.base import ConnectorContext, QuotaReading, Window
from worker.connectors.errors import AuthenticationError, ConnectorError, InvalidDataError
from worker.connectors.gocardless.config import GoCardlessApp
from worker.connectors.gocardless.errors import TokenRejectedError, read_error, read_quota
from worker.connectors.http import ProviderResponse, Request, call
from worker.connectors.reading import inside, objects, part

_HOST = "https://bankaccountdata.gocardless.com/api/v2"
_RENEW_BEFORE = timedelta(minutes=1)
_LONGEST_TOKEN_S = 366 * 86_400


class GoCardlessApi:
    """GoCardless's endpoints as far as we use them.

    Args:
        keep: Called at once with the app and its renewed tokens.
        readings: The allowances that responses stated.
    """

    def __init__(
        self, app: GoCardlessApp, context: ConnectorContext, keep: Callable[[Mapping[str, Any]], None]
    ) -> None:
        self._tokens = app
        self._context = context
        self._keep = keep
        self.readings: list[QuotaReading] = []

    def institutions(self, country: str) -> list[Mapping[str, Any]]:
        """Return the banks of a country (two letters)."""
        params = [("country", country)]
        return objects(self._call("GET", "/institutions/", "institutions", listed=True, params=params).get("items"))

    def institution(self, institution_id: str) -> Mapping[str, Any]:
        """Return a bank with its longest history and the longest validity of a consent."""
        return self._get(f"/institutions/{institution_id}/", "institutions")

    def create_agreement(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Create the terms the user will agree to."""
        return self._call("POST", "/agreements/enduser/", "agreements.create", json=body)

    def agreement(self, agreement_id: str) -> Mapping[str, Any]:
        """Return the terms and when they were accepted."""
        return self._get(f"/agreements/enduser/{agreement_id}/", "agreements")

    def create_requisition(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Create the link that takes the user to the bank."""
        return self._call("POST", "/requisitions/", "requisitions.create", json=body)

    def requisition(self, requisition_id: str) -> Mapping[str, Any]:
        """Return the consent's state and accounts; the bank is not asked."""
        return self._get(f"/requisitions/{requisition_id}/", "requisitions")

    def delete_requisition(self, requisition_id: str) -> None:
        """End the consent."""
        self._call("DELETE", f"/requisitions/{requisition_id}/", "requisitions.delete")

    def metadata(self, account_id: str) -> Mapping[str, Any]:
        """Return what GoCardless itself knows of an account; the bank is not asked."""
        return self._get(f"/accounts/{account_id}/", "accounts", account_id)

    def details(self, account_id: str) -> Mapping[str, Any]:
        """Return what the bank says an account is."""
        return inside(self._get(f"/accounts/{account_id}/details/", "details", account_id), "account")

    def balances(self, account_id: str) -> Mapping[str, Any]:
        """Return an account's balances."""
        return self._get(f"/accounts/{account_id}/balances/", "balances", account_id)

    def transactions(self, account_id: str, window: Window) -> Mapping[str, Any]:
        """Return a whole window; there are no pages."""
        params = [("date_from", window.from_on.isoformat()), ("date_to", window.to_on.isoformat())]
        path = f"/accounts/{account_id}/transactions/"
        return self._call("GET", path, "transactions", account_id=account_id, params=params)

    def _get(self, path: str, endpoint: str, account_id: str | None = None) -> Mapping[str, Any]:
        return self._call("GET", path, endpoint, account_id=account_id)

    def _call(self, method: str, path: str, endpoint: str, **rest: Any) -> Mapping[str, Any]:  # noqa: ANN401 - fields of Request
        """Call with our token; when it is refused before it expires, make a new one, once."""
        try:
            return self._authorized(method, path, endpoint, **rest)
        except TokenRejectedError:
            self._tokens = self._tokens.model_copy(update={"access_token": None})
        try:
            return self._authorized(method, path, endpoint, **rest)
        except TokenRejectedError as error:
            raise AuthenticationError(str(error), reason="credentials") from error

    def _authorized(self, method: str, path: str, endpoint: str, **rest: Any) -> Mapping[str, Any]:  # noqa: ANN401 - same
        return self._exchange(method, path, endpoint, {"Authorization": f"Bearer {self._bearer()}"}, **rest)

    def _exchange(
        self,
        method: str,
        path: str,
        endpoint: str,
        headers: Mapping[str, str],
        *,
        listed: bool = False,
        **rest: Any,  # noqa: ANN401 - same
    ) -> Mapping[str, Any]:
        request = Request(method=method, url=_HOST + path, endpoint=endpoint, headers=headers, **rest)
        answer = call(self._context, request, self._explain)
        body = {"items": answer.body} if listed and isinstance(answer.body, list) else answer.body
        if not isinstance(body, Mapping):
            raise InvalidDataError(f"{endpoint}: the answer is not an object")
        reading = read_quota(answer.headers, endpoint, request.account_id)
        if reading is not None:
            self.readings.append(reading)
        return body

    def _bearer(self) -> str:
        if self._tokens.access_token is None or self._over(self._tokens.access_expires_at):
            self._renew()
        assert self._tokens.access_token is not None
        return self._tokens.access_token.get_secret_value()

    def _renew(self) -> None:
        """Make an access token from the refresh token while that is valid, otherwise from the secret; store it."""
        refresh = self._tokens.refresh_token
        renewed = None
        if refresh is not None and not self._over(self._tokens.refresh_expires_at):
            renewed = self._refreshed(refresh)
        self._store(renewed or self._token("/token/new/", self._secret()))

    def _refreshed(self, refresh: SecretStr) -> Mapping[str, Any] | None:
        try:
            return self._token("/token/refresh/", {"refresh": refresh.get_secret_value()})
        except (TokenRejectedError, AuthenticationError):
            return None

    def _token(self, path: str, body: Mapping[str, str]) -> Mapping[str, Any]:
        return self._exchange("POST", path, path.strip("/").replace("/", "."), {}, json=body)

    def _secret(self) -> Mapping[str, str]:
        return {
            "secret_id": self._tokens.secret_id.get_secret_value(),
            "secret_key": self._tokens.secret_key.get_secret_value(),
        }

    def _store(self, answer: Mapping[str, Any]) -> None:
        now = self._context.now()
        update: dict[str, Any] = {}
        for kind in ("access", "refresh"):
            if kind == "access" or kind in answer:
                update[f"{kind}_token"] = SecretStr(part(answer, kind, str))
                update[f"{kind}_expires_at"] = now + _lifetime(part(answer, f"{kind}_expires", int))
        self._tokens = self._tokens.model_copy(update=update)
        self._keep(update)

    def _over(self, expires_at: datetime | None) -> bool:
        return expires_at is None or expires_at - _RENEW_BEFORE <= self._context.now()

    def _explain(self, answer: ProviderResponse) -> ConnectorError | None:
        """Read GoCardless's own errors; a response of an intermediary is judged by its status."""
        if answer.ok or not isinstance(answer.body, Mapping) or not answer.body:
            return None
        return read_error(answer.status, answer.body, now=self._context.now(), headers=answer.headers)


def _lifetime(seconds: int) -> timedelta:
    """Return how long a token is used at most, whatever is stated."""
    return timedelta(seconds=max(0, min(seconds, _LONGEST_TOKEN_S)))
