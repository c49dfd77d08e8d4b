"""The log-in of a bank that is played from samples: what a person would type, tokens, and what is let in."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import httpx2
from pydantic import SecretStr

from worker.connectors.manifest.checking.leaves import Zones, get, put, steps_of, write_time
from worker.connectors.manifest.login import BaseUrls, chosen_address
from worker.connectors.manifest.model import Manifest
from worker.connectors.manifest.signing import SignedRequest, sample_key

ACCESS_TOKEN = "sample-access-token-5b1c"  # noqa: S105 - opens nothing but this bank
SERVER = "https://bank.test"


def sample_config(manifest: Manifest) -> dict[str, str]:
    """Return what a person would type, with secrets that are unlike anything else."""
    typed = {}
    for name, declared in manifest.config.items():
        if manifest.base_url == f"{{{name}}}":
            typed[name] = SERVER
        elif declared.choices:
            typed[name] = declared.default or declared.choices[0]
        else:
            typed[name] = f"check-{name.replace('_', '-')}-7f3a9c41"
    signature = manifest.auth.signature
    if signature is not None:
        typed[signature.secret.strip("{}")] = sample_key(signature)
    return typed


def sample_base_url(manifest: Manifest) -> str:
    """Return where the bank of the samples is."""
    declared = manifest.base_url
    if isinstance(declared, BaseUrls):
        return declared.urls[sample_config(manifest).get(declared.by, "")]
    return SERVER if declared.startswith("{") else declared


class SampleLogin:
    """Gives tokens, and lets in requests with every secret that the manifest sends."""

    def __init__(self, manifest: Manifest, zones: Zones, now: Callable[[], datetime]) -> None:
        self._manifest = manifest
        self._zones = zones
        self._now = now
        self._config = sample_config(manifest)
        self._base_url = sample_base_url(manifest)

    def asks_for_a_token(self, request: httpx2.Request) -> bool:
        """Return whether a request asks for a token."""
        declared: str | BaseUrls | None = getattr(self._manifest.auth, "url", None)
        if declared is None:
            return False
        url = chosen_address(declared, self._config)
        whole = url if "://" in url else f"{self._base_url.rstrip('/')}/{url.lstrip('/')}"
        return str(request.url) == whole

    def token(self, body: Any) -> Any:  # noqa: ANN401 - JSON
        """Return a sample of the answer to that, with a token of this bank."""
        auth: Any = self._manifest.auth
        put(body, steps_of(auth.token), ACCESS_TOKEN)
        if auth.expires_at is not None:
            shown = get(body, steps_of(auth.expires_at.path))
            ends_at = self._now() + timedelta(seconds=auth.lives_s)
            pattern = auth.expires_at.format if "%" in auth.expires_at.format else ""
            put(body, steps_of(auth.expires_at.path), write_time(shown, ends_at, None, self._zones, pattern))
        return body

    @cached_property
    def _signer(self) -> SignedRequest:
        assert self._manifest.auth.signature is not None
        return SignedRequest(self._manifest.auth.signature, lambda: self._config, self._now)

    def _is_signed(self, request: httpx2.Request) -> bool:
        declared = self._manifest.auth.signature
        if declared is None:
            return True
        own = httpx2.Request(request.method, request.url, content=request.content)
        next(self._signer.auth_flow(own))
        return own.headers[declared.header] == request.headers.get(declared.header)

    def lets_in(self, request: httpx2.Request) -> bool:
        """Say whether every secret that the manifest sends came along, and the signature of what was asked."""
        if not self._is_signed(request):
            return False
        auth: Any = self._manifest.auth
        named = {**self._config, "access_token": ACCESS_TOKEN}
        sent = {name.lower(): value for name, value in request.headers.items()}
        match auth.kind:
            case "none":
                return True
            case "bearer":
                return sent.get("authorization") == f"Bearer {_filled(auth.token, named)}"
            case "basic":
                user, password = _filled(auth.user, named), _filled(auth.password, named)
                return sent.get("authorization") == httpx2.BasicAuth(user, password)._auth_header  # noqa: SLF001 - how the client writes it
            case "query":
                return all(request.url.params.get(name) == _filled(text, named) for name, text in auth.params.items())
            case _:
                return all(sent.get(name.lower()) == _filled(text, named) for name, text in auth.headers.items())


def _filled(text: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value.get_secret_value() if isinstance(value, SecretStr) else value)
    return text
