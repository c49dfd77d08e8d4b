"""Calls to Enable Banking: a token of our own signing, unattended (no PSU headers), errors by their own codes."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import jwt

from worker.connectors.base import ConnectorContext, Window
from worker.connectors.enablebanking.config import EnableBankingApp, read_key
from worker.connectors.enablebanking.errors import read_error
from worker.connectors.errors import ConnectorError, InvalidDataError
from worker.connectors.http import ProviderResponse, Request, call, retry_after_s
from worker.connectors.reading import objects

_HOST = "https://api.enablebanking.com"
_TOKEN_LIFE = timedelta(hours=1)
_RENEW_BEFORE = timedelta(minutes=1)


class EnableBankingApi:
    """Enable Banking's endpoints as far as we use them."""

    def __init__(self, app: EnableBankingApp, context: ConnectorContext) -> None:
        self._app = app
        self._context = context
        self._token: tuple[datetime, str] | None = None

    def banks(self, country: str) -> list[Mapping[str, Any]]:
        """Return the banks of a country (two letters) with how long each lets a consent live."""
        answer = self._call("GET", "/aspsps", "aspsps", params=[("country", country), ("service", "AIS")])
        return objects(answer.get("aspsps"))

    def start_authorization(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return where to send the user."""
        return self._call("POST", "/auth", "auth", json=body)

    def open_session(self, code: str) -> Mapping[str, Any]:
        """Turn the code of the redirect into a session. Never repeat it: the first answer is the only one."""
        return self._call("POST", "/sessions", "sessions.open", json={"code": code})

    def session(self, session_id: str) -> Mapping[str, Any]:
        """Return the session's state; the bank is not asked."""
        return self._call("GET", f"/sessions/{session_id}", "sessions")

    def close_session(self, session_id: str) -> None:
        """End the session and the consent."""
        self._call("DELETE", f"/sessions/{session_id}", "sessions.close")

    def details(self, account_id: str) -> Mapping[str, Any]:
        """Return what an account is."""
        return self._call("GET", f"/accounts/{account_id}/details", "details", account_id=account_id)

    def balances(self, account_id: str) -> Mapping[str, Any]:
        """Return an account's balances."""
        return self._call("GET", f"/accounts/{account_id}/balances", "balances", account_id=account_id)

    def transactions(self, account_id: str, window: Window, *, key: str | None, longest: bool) -> Mapping[str, Any]:
        """Return one page of a window. key: continues a list; the bank counts it as the same access.

        longest: let Enable Banking find out how far back the bank goes, instead of having the period refused.
        """
        params = [("date_from", window.from_on.isoformat()), ("date_to", window.to_on.isoformat())]
        if longest:
            params.append(("strategy", "longest"))
        if key is not None:
            params.append(("continuation_key", key))
        path, endpoint = f"/accounts/{account_id}/transactions", "transactions.next" if key else "transactions"
        return self._call("GET", path, endpoint, account_id=account_id, params=params, window=window)

    def _call(
        self,
        method: str,
        path: str,
        endpoint: str,
        *,
        window: Window | None = None,
        **rest: Any,  # noqa: ANN401 - fields of Request
    ) -> Mapping[str, Any]:
        headers = {"Authorization": f"Bearer {self._bearer()}"}
        request = Request(method=method, url=_HOST + path, endpoint=endpoint, headers=headers, **rest)
        answer = call(self._context, request, partial(self._explain, window=window))
        if not isinstance(answer.body, Mapping):
            raise InvalidDataError(f"{endpoint}: the answer is not an object")
        return answer.body

    def _explain(self, answer: ProviderResponse, *, window: Window | None) -> ConnectorError | None:
        if answer.ok or not isinstance(answer.body, Mapping) or not answer.body:
            return None  # not their words: the status decides
        now = self._context.now()
        wait_s = retry_after_s(answer.headers, now)
        return read_error(answer.status, answer.body, now=now, retry_after_s=wait_s, window=window)

    def _bearer(self) -> str:
        """Return a token signed with the application's key; one serves for an hour."""
        now = self._context.now()
        if self._token is None or self._token[0] - _RENEW_BEFORE <= now:
            expires_at = now + _TOKEN_LIFE
            claims = {"iss": "enablebanking.com", "aud": "api.enablebanking.com", "iat": now, "exp": expires_at}
            key = read_key(self._app.private_key)
            token = jwt.encode(claims, key, algorithm="RS256", headers={"kid": self._app.application_id})
            self._token = (expires_at, token)
        return self._token[1]
