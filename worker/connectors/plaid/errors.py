"""What Plaid's errors mean to us, by `error_type` and `error_code`; the HTTP status says less than they do. Pure."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from worker.connectors.errors import (
    AccountNotFoundError,
    AuthenticationError,
    ConnectorError,
    CursorInvalidError,
    ProviderUnavailableError,
    RateLimitError,
    RateLimitScope,
)

OAUTH_REASONS: Mapping[str, str] = {
    "OAUTH_USER_REVOKED": "revoked",
    "OAUTH_CONSENT_EXPIRED": "expired",
    "OAUTH_INVALID_TOKEN": "expired",
}

NEEDS_USER: Mapping[str, str] = {
    "ITEM_LOGIN_REQUIRED": "expired",
    "PENDING_EXPIRATION": "expired",
    "PENDING_DISCONNECT": "expired",
    "INVALID_CREDENTIALS": "credentials",
    "INVALID_MFA": "credentials",
    "INVALID_OTP": "credentials",
    "INVALID_PHONE_NUMBER": "credentials",
    "INVALID_UPDATED_USERNAME": "credentials",
    "PASSWORD_RESET_REQUIRED": "credentials",
    "ITEM_LOCKED": "action_required",
    "INSUFFICIENT_CREDENTIALS": "action_required",
    "MFA_NOT_SUPPORTED": "action_required",
    "NO_ACCOUNTS": "action_required",
    "USER_SETUP_REQUIRED": "action_required",
    "USER_INPUT_TIMEOUT": "action_required",
    "ACCESS_NOT_GRANTED": "action_required",
    "ADDITIONAL_CONSENT_REQUIRED": "action_required",
    "INSTITUTION_NO_LONGER_SUPPORTED": "action_required",
    "UNAUTHORIZED_INSTITUTION": "action_required",
    "ITEM_NOT_SUPPORTED": "action_required",
    "ITEM_NOT_FOUND": "revoked",
    "ITEM_CONCURRENTLY_DELETED": "revoked",
    "USER_PERMISSION_REVOKED": "revoked",
    "INVALID_ACCESS_TOKEN": "revoked",
    "INVALID_PUBLIC_TOKEN": "expired",
    "INVALID_API_KEYS": "credentials",
    "UNAUTHORIZED_ENVIRONMENT": "credentials",
    "UNAUTHORIZED_ROUTE_ACCESS": "credentials",
}
"""Codes only a person can mend, with the reason as `AuthenticationError` names it."""

_BANK_DOWN = frozenset({"PRODUCT_NOT_READY", "INSTITUTION_REGISTRATION_REQUIRED"})
_MUTATION = "TRANSACTIONS_SYNC_MUTATION_DURING_PAGINATION"
_LIFETIME_LIMITS = frozenset({"ADDITION_LIMIT"})


def read_error(status: int, body: Mapping[str, Any], retry_after_s: float | None = None) -> ConnectorError:
    """Return what to raise for one of Plaid's error bodies.

    Messages repeat Plaid's codes and request id, never its free text, which may quote what was sent.
    """
    error_type, code = str(body.get("error_type") or ""), str(body.get("error_code") or "")
    said = f"Plaid: {error_type or 'HTTP ' + str(status)} {code} (request {body.get('request_id') or 'unknown'})"
    if code in NEEDS_USER:
        return AuthenticationError(said, reason=reason_of(code, body.get("error_code_reason")))
    if error_type == "RATE_LIMIT_EXCEEDED" or status == HTTPStatus.TOO_MANY_REQUESTS:
        scope = RateLimitScope.QUOTA if code in _LIFETIME_LIMITS else RateLimitScope.BURST
        return RateLimitError(said, retry_after_s=retry_after_s, scope=scope)
    if code in _EXACT:
        return _EXACT[code](said)
    if error_type == "INSTITUTION_ERROR" or code in _BANK_DOWN:
        return ProviderUnavailableError(said, everyone=False)
    if error_type == "API_ERROR" or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return ProviderUnavailableError(said, everyone=True)
    return ConnectorError(said)


def reason_of(code: str, oauth_reason: object = None) -> str:
    """Return why the user is needed; Plaid gives a finer reason for OAuth banks only."""
    return OAUTH_REASONS.get(str(oauth_reason), NEEDS_USER.get(code, "action_required"))


_EXACT: Mapping[str, Callable[[str], ConnectorError]] = {
    _MUTATION: CursorInvalidError,
    "INVALID_ACCOUNT_ID": AccountNotFoundError,
    "NO_ACCOUNTS_FOUND": AccountNotFoundError,
}
