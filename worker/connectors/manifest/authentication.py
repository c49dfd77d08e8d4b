"""Logs in to a provider as a manifest says: keys in headers, or tokens that are made, kept and renewed."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel, SecretStr

from worker.connectors.base import ConnectorContext
from worker.connectors.errors import AuthenticationError, ConnectorError, InvalidDataError
from worker.connectors.http import ProviderResponse, Request, call
from worker.connectors.manifest.fields import Scene, moment_reader, walk
from worker.connectors.manifest.login import (
    Auth,
    BasicAuth,
    BearerAuth,
    ClientCredentialsAuth,
    HeaderAuth,
    QueryAuth,
    RefreshTokenAuth,
    TokenRequestAuth,
    chosen_address,
)
from worker.connectors.manifest.refusals import Refusal
from worker.connectors.manifest.request_filling import Question, Values, fill, fill_known
from worker.connectors.manifest.signing import SignedRequest

MadeToken = ClientCredentialsAuth | RefreshTokenAuth | TokenRequestAuth

ENDPOINT = "token"
"""How requests for tokens are labelled."""

_RENEW_BEFORE = timedelta(minutes=1)
_REFUSED_GRANT = 400
_LONGEST_LIFE_S = 366 * 86_400


class Login:
    """The login of one connection.

    Args:
        auth: what the manifest says.
        config: the connection's config, which keeps tokens that were made.
        context: where requests for tokens go, and renewed configs are kept.
        base_url: address below which a path of `auth.url` lies.
        refusal: reads the provider's own errors.
    """

    def __init__(
        self, auth: Auth, config: BaseModel, context: ConnectorContext, base_url: str, refusal: Refusal
    ) -> None:
        self._auth = auth
        self._context = context
        self._base_url = base_url
        self._refusal = refusal
        self._made_now = False
        self._signed = SignedRequest(auth.signature, self.values, context.now) if auth.signature else None
        self.config = config

    def values(self) -> Values:
        """Return the config's values by name, as requests name them."""
        return values_of(self.config)

    def send(self, question: Question) -> ProviderResponse:
        """Ask with the login. A made token that is refused before its time is made anew, once.

        Raises: ConnectorError as `worker.connectors.http.call` does.
        """
        try:
            return self._try(question)
        except AuthenticationError as error:
            if not self._makes_tokens or self._made_now or error.reason not in ("credentials", "expired"):
                raise
            self._forget()
        return self._try(question)

    def _try(self, question: Question) -> ProviderResponse:
        answer = self._send(self._dressed(question), question)
        self._made_now = False  # the token works, so a later refusal is not that of a new one
        return answer

    @property
    def _makes_tokens(self) -> bool:
        return isinstance(self._auth, MadeToken)

    def _send(self, request: Request, question: Question) -> ProviderResponse:
        def explain(answer: ProviderResponse) -> ConnectorError | None:
            return self._refusal(answer, question.endpoint, self._context.now())

        return call(self._context, request, explain)

    def _dressed(self, question: Question) -> Request:
        headers, params = dict(question.headers or {}), list(question.params)
        basic = None
        match self._auth:
            case BearerAuth():
                headers["Authorization"] = f"Bearer {self._declared(self._auth.token)}"
            case BasicAuth():
                basic = (self._declared(self._auth.user), self._declared(self._auth.password))
            case HeaderAuth():
                headers |= self._all_said(self._auth.headers)
            case QueryAuth():
                params += self._all_said(self._auth.params).items()
            case ClientCredentialsAuth() | RefreshTokenAuth() | TokenRequestAuth():
                self._ensure_token()
                headers |= self._all_said(self._auth.headers)
            case _:
                pass
        return Request(
            method=question.method,
            url=question.url,
            endpoint=question.endpoint,
            account_id=question.account_id,
            params=params,
            headers=headers,
            auth=self._signed if basic is None else basic,
            json=question.json,
            form=question.form,
        )

    def _declared(self, text: str) -> str:
        found = fill(text, self.values())
        if found is None:
            raise AuthenticationError("a part of the login is missing", reason="credentials")
        return found

    def _all_said(self, texts: Mapping[str, str]) -> dict[str, str]:
        return fill_known(texts, self.values())

    def _ensure_token(self) -> None:
        held: Any = self.config
        if held.access_token is not None and held.access_expires_at > self._context.now() + _RENEW_BEFORE:
            return
        self._keep(**self._tokens_in(self._exchange()))
        self._made_now = True

    def link(self) -> BaseModel:
        """Exchange the code that a person returned with; return the config with the tokens instead of the code.

        Raises: ConnectorError; the code is spent then.
        """
        code = self.values().get("code")
        if code is None:
            return self.config
        values = self.values()
        form = {"grant_type": "authorization_code", "code": code}
        form |= {"redirect_uri": values.get("redirect_url") or "", "code_verifier": values.get("code_verifier") or ""}
        assert isinstance(self._auth, RefreshTokenAuth)
        request = self._with_client(form, self._auth.client_id, self._auth.client_secret, self._auth.send)
        answer = call(self._context, request, self._explain_exchange)
        spent = dict.fromkeys(("code", "code_verifier", "redirect_url"))
        self.config = self.config.model_copy(update={**spent, **self._tokens_in(answer)})
        return self.config

    def _tokens_in(self, answer: ProviderResponse) -> dict[str, Any]:
        """Return the fields of the config that an answer to a request for tokens renews. Raises: InvalidDataError."""
        auth = self._auth
        assert isinstance(auth, MadeToken)
        token = walk(answer.body, auth.token.split("."))
        if not isinstance(token, str) or not token:
            raise InvalidDataError(f"{ENDPOINT}: the answer holds no {auth.token}")
        expires_at = _end_of(auth, answer.body, self._context.now())
        return {"access_token": SecretStr(token), "access_expires_at": expires_at, **self._rotated(answer)}

    def _rotated(self, answer: ProviderResponse) -> dict[str, SecretStr]:
        """Return the refresh token that takes the place of the one just used, if there is a new one."""
        if not isinstance(self._auth, RefreshTokenAuth):
            return {}
        renewed = walk(answer.body, ["refresh_token"])
        name = self._auth.refresh_token.strip("{}")
        return {name: SecretStr(renewed)} if isinstance(renewed, str) and renewed else {}

    def _forget(self) -> None:
        self.config = self.config.model_copy(update={"access_token": None, "access_expires_at": None})

    def _keep(self, **update: Any) -> None:  # noqa: ANN401 - fields of the config
        self.config = self.config.model_copy(update=update)
        self._context.save_config(self.config)

    def _exchange(self) -> ProviderResponse:
        auth = self._auth
        match auth:
            case ClientCredentialsAuth():
                form = {"grant_type": "client_credentials", "scope": auth.scope}
                request = self._with_client(form, auth.client_id, auth.client_secret, auth.send)
            case RefreshTokenAuth():
                form = {"grant_type": "refresh_token", "refresh_token": self._declared(auth.refresh_token)}
                request = self._with_client(form, auth.client_id, auth.client_secret, auth.send)
            case TokenRequestAuth():
                request = self._token_request(auth)
            case _:
                raise AssertionError("only these logins make tokens")
        return call(self._context, request, self._explain_exchange)

    def _explain_exchange(self, answer: ProviderResponse) -> ConnectorError | None:
        stated = self._refusal(answer, ENDPOINT, self._context.now())
        if stated is None and answer.status == _REFUSED_GRANT:
            reason = "expired" if isinstance(self._auth, RefreshTokenAuth) else "credentials"
            return AuthenticationError(f"{ENDPOINT}: answered 400", reason=reason)
        return stated

    def _with_client(self, form: dict[str, str], client_id: str, client_secret: str, send: str) -> Request:
        user, password = self._declared(client_id), self._declared(client_secret) if client_secret else ""
        form = {name: value for name, value in form.items() if value}
        if send == "form":
            form |= {"client_id": user} | ({"client_secret": password} if password else {})
        return self._post(form=form, auth=(user, password) if send == "basic" else None)

    def _token_request(self, auth: TokenRequestAuth) -> Request:
        json = None if auth.json_body is None else self._all_said(auth.json_body)
        form = None if auth.form is None else self._all_said(auth.form)
        basic = (self._declared(auth.basic[0]), self._declared(auth.basic[1])) if auth.basic else None
        return self._post(json=json, form=form, auth=basic)

    def _post(self, **rest: Any) -> Request:  # noqa: ANN401 - fields of Request
        assert isinstance(self._auth, MadeToken)
        path = chosen_address(self._auth.url, self.values())
        url = path if "://" in path else f"{self._base_url.rstrip('/')}/{path.lstrip('/')}"
        headers = self._all_said(self._auth.request_headers)
        return Request(method="POST", url=url, endpoint=ENDPOINT, headers=headers, changes_credentials=True, **rest)


def _end_of(auth: MadeToken, body: Any, now: datetime) -> datetime:  # noqa: ANN401 - the provider's own JSON
    """Return when a token ends: at the stated moment, after the stated seconds, or after those of the manifest.

    Raises: InvalidDataError for a moment that is none.
    """
    if auth.expires_at is not None:
        stated = moment_reader(auth.expires_at)(body if isinstance(body, dict) else {}, Scene())
        return stated or now + timedelta(seconds=auth.lives_s)
    stated_s = str(walk(body, auth.lives.split(".")) if auth.lives else "")
    lives_s = int(stated_s) if stated_s.isascii() and stated_s.isdigit() else 0
    return now + timedelta(seconds=min(lives_s or auth.lives_s, _LONGEST_LIFE_S))


def values_of(config: BaseModel) -> Values:
    """Return a config's values by name, secrets in the clear; None for what is not there."""
    return {name: _revealed(value) for name, value in config if name != "access_expires_at"}


def _revealed(value: object) -> str | None:
    if isinstance(value, SecretStr):
        return value.get_secret_value() or None
    return str(value) if value not in (None, "") else None
