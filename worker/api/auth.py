"""Authenticates users: the user id is taken only from a verified token of FinMind."""

import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import jwt
from jwt import PyJWK, PyJWKClient, PyJWKSet

from worker.credentials.strength import check_signing_secret
from worker.errors import ConfigurationError
from worker.settings import Settings

_LEEWAY_S = 10
_PATIENCE_S = 5
_KEYS_FRESH_S = 300
_KEYS_READ_EVERY_S = 10
_LARGEST_ID = 2**31 - 1
_SUBJECT = re.compile(r"0{0,9}[1-9][0-9]{0,9}")
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class UnauthenticatedError(Exception):
    """There is no valid token. The reason is logged; the response only says that the token was refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPolicy:
    """Which tokens are accepted. At least one of `secret` and `find_key` is set.

    Attributes:
        secret: The key of HS256, shared with FinMind.
        find_key: Finds the public key of an EdDSA token; raises jwt.PyJWTError.
        audience: Required `aud` of EdDSA tokens, if any; flask-jwt-extended states none by default.
        issuer: Required `iss` of EdDSA tokens, if any.
    """

    secret: str | None = None
    find_key: Callable[[str], PyJWK] | None = None
    audience: str | None = None
    issuer: str | None = None


class RemoteKeys:
    """Public keys at an address, read again when they are old or a token names another one.

    One thread reads at a time and no other one waits for it, and reads are some seconds apart: whoever sends tokens
    with invented key ids to a slow server of keys stops nobody else.

    Args:
        url: The address of the key set.
        now: A monotonic clock (s).
    """

    def __init__(self, url: str, now: Callable[[], float] = time.monotonic) -> None:
        self._client = PyJWKClient(url, cache_jwk_set=False, timeout=_PATIENCE_S)
        self._now = now
        self._keys: PyJWKSet | None = None
        self._read_at_s = float("-inf")
        self._reading = threading.Lock()

    def of(self, token: str) -> PyJWK:
        """Return the key of a token. Raises: jwt.PyJWTError when there is none of this id, or none could be read."""
        if self._now() - self._read_at_s > _KEYS_FRESH_S:
            self._read_again()
        try:
            return self._known(token)
        except jwt.InvalidKeyError:
            if not self._read_again():
                raise
            return self._known(token)

    def _known(self, token: str) -> PyJWK:
        if self._keys is None:
            raise jwt.InvalidKeyError
        return _by_id(self._keys, token)

    def _read_again(self) -> bool:
        if not self._reading.acquire(blocking=False):
            return False
        try:
            if self._now() - self._read_at_s < _KEYS_READ_EVERY_S:
                return False
            self._read_at_s = self._now()
            self._keys = PyJWKSet.from_dict(self._client.fetch_data())
        except (jwt.PyJWTError, ValueError):
            return False  # those that are known go on to be used
        finally:
            self._reading.release()
        return True


def token_policy(settings: Settings) -> TokenPolicy:
    """Return which tokens the settings accept. Raises: ConfigurationError when that is none, or the secret is weak."""
    if not (settings.jwt_secret or settings.jwt_jwks_url or settings.jwt_jwks_file):
        raise ConfigurationError("JWT_SECRET is not set: the API could let nobody in; JWT_JWKS_URL would also do")
    if settings.jwt_secret:
        check_signing_secret("JWT_SECRET", settings.jwt_secret.get_secret_value())
    return TokenPolicy(
        secret=settings.jwt_secret.get_secret_value() if settings.jwt_secret else None,
        find_key=_key_finder(settings),
        audience=settings.jwt_audience,
        issuer=settings.jwt_issuer,
    )


def read_user_id(token: str, policy: TokenPolicy) -> int:
    """Return the id of the user to whom a token was issued. Raises: UnauthenticatedError."""
    try:
        claims = _verified(token, policy)
    except jwt.PyJWTError as error:
        raise UnauthenticatedError(type(error).__name__) from None
    if claims.get("type", "access") != "access":
        raise UnauthenticatedError("a refresh token opens nothing")
    subject = str(claims["sub"])
    if not _SUBJECT.fullmatch(subject) or int(subject) > _LARGEST_ID:
        raise UnauthenticatedError("the subject is not a user id")
    return int(subject)


def _verified(token: str, policy: TokenPolicy) -> dict[str, Any]:
    required = {"require": ["exp", "sub"], "verify_sub": False}  # FinMind's older tokens carry the id as a number
    algorithm = jwt.get_unverified_header(token).get("alg")
    if algorithm == "HS256" and policy.secret is not None:
        options = {**required, "verify_aud": False}
        return jwt.decode(token, policy.secret, algorithms=["HS256"], options=options, leeway=_LEEWAY_S)  # type: ignore[arg-type]
    if algorithm == "EdDSA" and policy.find_key is not None:
        demanded = [*required["require"], *(["aud"] if policy.audience else []), *(["iss"] if policy.issuer else [])]  # type: ignore[misc]
        return jwt.decode(
            token,
            policy.find_key(token),
            algorithms=["EdDSA"],
            audience=policy.audience,
            issuer=policy.issuer,
            options={**required, "require": demanded, "verify_aud": policy.audience is not None},  # type: ignore[arg-type]
            leeway=_LEEWAY_S,
        )
    raise jwt.InvalidAlgorithmError


def _key_finder(settings: Settings) -> Callable[[str], PyJWK] | None:
    if settings.jwt_jwks_file is not None:
        try:
            keys = PyJWKSet.from_dict(json.loads(settings.jwt_jwks_file.read_text(encoding="utf-8")))
        except (OSError, ValueError, jwt.PyJWTError) as error:
            raise ConfigurationError(f"JWT_JWKS_FILE cannot be read: {type(error).__name__}") from None
        return lambda token: _by_id(keys, token)
    if settings.jwt_jwks_url is not None:
        _check_address(settings.jwt_jwks_url)
        return RemoteKeys(settings.jwt_jwks_url).of
    return None


def _check_address(url: str) -> None:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ConfigurationError("JWT_JWKS_URL is not an address") from None
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError("JWT_JWKS_URL must not contain a user name or password")
    if not host or not (parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK)):
        raise ConfigurationError("JWT_JWKS_URL must be an https address")


def _by_id(keys: PyJWKSet, token: str) -> PyJWK:
    wanted = jwt.get_unverified_header(token).get("kid")
    for key in keys.keys:
        if wanted is None or key.key_id == wanted:
            return key
    raise jwt.InvalidKeyError
