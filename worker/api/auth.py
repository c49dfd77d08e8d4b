"""Who is asking: the user id comes from a verified token of FinMind and from nowhere else."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jwt
from jwt import PyJWK, PyJWKClient, PyJWKSet

from worker.errors import ConfigurationError
from worker.settings import Settings

_LEEWAY_S = 10
_LARGEST_ID = 2**31 - 1


class UnauthenticatedError(Exception):
    """There is no valid token. The reason stays here: a caller learns only that it was refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPolicy:
    """Which tokens are accepted. At least one of `secret` and `find_key` is set.

    secret: of HS256, shared with FinMind. find_key: the public key for an EdDSA token; raises jwt.PyJWTError.
    audience, issuer: demanded of EdDSA tokens when set; flask-jwt-extended states neither by default.
    """

    secret: str | None = None
    find_key: Callable[[str], PyJWK] | None = None
    audience: str | None = None
    issuer: str | None = None


def token_policy(settings: Settings) -> TokenPolicy:
    """Return what the settings say. Raises: ConfigurationError when no token could ever be accepted."""
    if not (settings.jwt_secret or settings.jwt_jwks_url or settings.jwt_jwks_file):
        raise ConfigurationError("JWT_SECRET is not set: the API could let nobody in; JWT_JWKS_URL would also do")
    return TokenPolicy(
        secret=settings.jwt_secret.get_secret_value() if settings.jwt_secret else None,
        find_key=_key_finder(settings),
        audience=settings.jwt_audience,
        issuer=settings.jwt_issuer,
    )


def read_user_id(token: str, policy: TokenPolicy) -> int:
    """Return the user a token speaks for. Raises: UnauthenticatedError."""
    try:
        claims = _verified(token, policy)
    except jwt.PyJWTError as error:
        raise UnauthenticatedError(type(error).__name__) from None
    if claims.get("type", "access") != "access":
        raise UnauthenticatedError("a refresh token opens nothing")
    subject = str(claims["sub"])
    if not (subject.isascii() and subject.isdigit() and 0 < int(subject) <= _LARGEST_ID):
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
        if not settings.jwt_jwks_url.startswith(("https://", "http://127.0.0.1", "http://localhost")):
            raise ConfigurationError("JWT_JWKS_URL must be an https address")
        return PyJWKClient(settings.jwt_jwks_url, cache_keys=True, timeout=5).get_signing_key_from_jwt
    return None


def _by_id(keys: PyJWKSet, token: str) -> PyJWK:
    wanted = jwt.get_unverified_header(token).get("kid")
    for key in keys.keys:
        if wanted is None or key.key_id == wanted:
            return key
    raise jwt.InvalidKeyError
