"""Calls Enable Banking's API: signs tokens, sends no PSU headers, and maps its errors."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any

import jwt

from worker.connectors.base import ConnectorContext
from worker.connectors.enablebanking.config import EnableBankingApp, read_key
from worker.connectors.enablebanking.errors import read_error, read_refusal
from worker.connectors.errors import ConnectorError, InvalidDataError
from worker.connectors.http import ProviderResponse, Request, asked_wait_s, call
from worker.connectors.reading import objects

_HOST = "https://api.enablebanking.com"
_TOKEN_LIFE = timedelta(hours=1)
_RENEW_BEFORE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionsQuery:
    """What is asked of an account.

    Attributes:
        states_to: Whether to name the last day.
        longest: Let Enable Banking find out how far back the bank goes, instead of having the period refused.
        key: Continues a list; the bank counts it as the same access.
        key_alone: Send the key without the parameters of the first page.
    """

    account_id: str
    from_on: date
    to_on: date
    states_to: bool = True
    longest: bool = False
    key: str | None = None
    key_alone: bool = False

    def params(self) -> list[tuple[str, str]]:
        """Return the parameters of the request."""
        params = [("date_from", self.from_on.isoformat())]
        params += [("date_to", self.to_on.isoformat())] if self.states_to else []
        params += [("strategy", "longest")] if self.longest else []
        key = [("continuation_key", self.key)] if self.key is not None else []
        return key if self.key_alone else params + key


class EnableBankingApi:
    """Enable Banking's endpoints as far as we use them."""

    def __init__(self, app: EnableBankingApp, context: ConnectorContext) -> None:
        self._app = app
        self._context = context
        self._token: tuple[datetime, str] | None = None

    def banks(self, country: str) -> list[Mapping[str, Any]]:
        """Return the banks of a country (two letters) with the longest validity of a consent at each."""
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

    def transactions(self, query: TransactionsQuery) -> Mapping[str, Any]:
        """Return one page of a window.

        Raises:
            PeriodRefusedError: when the bank does not give days this far back.
            RequestRefusedError: when it does not take the request, for a reason that it does not name.
        """
        path = f"/accounts/{query.account_id}/transactions"
        endpoint = "transactions.next" if query.key else "transactions"
        params = query.params()
        return self._call("GET", path, endpoint, read_refusal, account_id=query.account_id, params=params)

    def _call(
        self,
        method: str,
        path: str,
        endpoint: str,
        read: Callable[..., ConnectorError] = read_error,
        **rest: Any,  # noqa: ANN401 - fields of Request
    ) -> Mapping[str, Any]:
        headers = {"Authorization": f"Bearer {self._bearer()}"}
        request = Request(method=method, url=_HOST + path, endpoint=endpoint, headers=headers, **rest)
        answer = call(self._context, request, partial(self._explain, read))
        if not isinstance(answer.body, Mapping):
            raise InvalidDataError(f"{endpoint}: the answer is not an object")
        return answer.body

    def _explain(self, read: Callable[..., ConnectorError], answer: ProviderResponse) -> ConnectorError | None:
        if answer.ok or not isinstance(answer.body, Mapping) or not answer.body:
            return None
        now = self._context.now()
        wait_s = asked_wait_s(answer.headers, now)
        return read(answer.status, answer.body, now=now, retry_after_s=wait_s)

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
