"""Maps Plaid's errors to connector errors by `error_type` and `error_code`. Pure."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from worker.connectors.error_table import (
    ACCOUNT_GONE,
    ACTION_REQUIRED,
    BANK_DOWN,
    CURSOR_FORGOTTEN,
    DEFECT,
    LOGIN_EXPIRED,
    OPERATOR,
    PROVIDER_DOWN,
    REVOKED,
    SHORT_LIMIT,
    SPENT,
    START_OVER,
    UNPAID,
    WRONG_LOGIN,
    Meaning,
)
from worker.connectors.errors import AuthenticationError, ConnectorError, RateLimitError

OAUTH_REASONS: Mapping[str, str] = {
    "OAUTH_USER_REVOKED": "revoked",
    "OAUTH_CONSENT_EXPIRED": "expired",
    "OAUTH_INVALID_TOKEN": "expired",
}

ERRORS: Mapping[str, Meaning] = {
    "ITEM_LOGIN_REQUIRED": LOGIN_EXPIRED,
    "PENDING_EXPIRATION": LOGIN_EXPIRED,
    "PENDING_DISCONNECT": LOGIN_EXPIRED,
    "INVALID_PUBLIC_TOKEN": LOGIN_EXPIRED,
    "INVALID_LINK_TOKEN": LOGIN_EXPIRED,
    "INVALID_CREDENTIALS": WRONG_LOGIN,
    "INVALID_MFA": WRONG_LOGIN,
    "INVALID_OTP": WRONG_LOGIN,
    "INVALID_PHONE_NUMBER": WRONG_LOGIN,
    "INVALID_SEND_METHOD": WRONG_LOGIN,
    "INVALID_UPDATED_USERNAME": WRONG_LOGIN,
    "PASSWORD_RESET_REQUIRED": WRONG_LOGIN,
    "ITEM_LOCKED": ACTION_REQUIRED,
    "INSUFFICIENT_CREDENTIALS": ACTION_REQUIRED,
    "MFA_NOT_SUPPORTED": ACTION_REQUIRED,
    "NO_ACCOUNTS": ACTION_REQUIRED,
    "USER_SETUP_REQUIRED": ACTION_REQUIRED,
    "USER_INPUT_TIMEOUT": ACTION_REQUIRED,
    "ACCESS_NOT_GRANTED": ACTION_REQUIRED,
    "ADDITIONAL_CONSENT_REQUIRED": ACTION_REQUIRED,
    "INSTITUTION_NO_LONGER_SUPPORTED": ACTION_REQUIRED,
    "UNAUTHORIZED_INSTITUTION": ACTION_REQUIRED,
    "ITEM_NOT_SUPPORTED": ACTION_REQUIRED,
    "PRODUCTS_NOT_SUPPORTED": ACTION_REQUIRED,
    "ITEM_NOT_FOUND": REVOKED,
    "ITEM_CONCURRENTLY_DELETED": REVOKED,
    "USER_PERMISSION_REVOKED": REVOKED,
    "INVALID_ACCESS_TOKEN": REVOKED,
    "INVALID_API_KEYS": OPERATOR,
    "UNAUTHORIZED_ENVIRONMENT": OPERATOR,
    "UNAUTHORIZED_ROUTE_ACCESS": OPERATOR,
    "PRODUCT_NOT_ENABLED": OPERATOR,
    "INVALID_PRODUCT": OPERATOR,
    "INSTITUTION_NOT_ENABLED_IN_ENVIRONMENT": OPERATOR,
    "CREDITS_EXHAUSTED": UNPAID,
    "INVALID_ACCOUNT_ID": ACCOUNT_GONE,
    "NO_ACCOUNTS_FOUND": ACCOUNT_GONE,
    "USER_ACCOUNT_REVOKED": ACCOUNT_GONE,
    "INSTITUTION_DOWN": BANK_DOWN,
    "INSTITUTION_NOT_AVAILABLE": BANK_DOWN,
    "INSTITUTION_NOT_RESPONDING": BANK_DOWN,
    "INSTITUTION_REGISTRATION_REQUIRED": BANK_DOWN,
    "UNSUPPORTED_RESPONSE": BANK_DOWN,
    "PRODUCT_NOT_READY": BANK_DOWN,
    "INTERNAL_SERVER_ERROR": PROVIDER_DOWN,
    "PLANNED_MAINTENANCE": PROVIDER_DOWN,
    "RATE_LIMIT": SHORT_LIMIT,
    "ACCOUNTS_LIMIT": SHORT_LIMIT,
    "ITEM_GET_LIMIT": SHORT_LIMIT,
    "TRANSACTIONS_LIMIT": SHORT_LIMIT,
    "TRANSACTIONS_SYNC_LIMIT": SHORT_LIMIT,
    "INSTITUTIONS_GET_BY_ID_LIMIT": SHORT_LIMIT,
    "INSTITUTION_RATE_LIMIT": SHORT_LIMIT,
    "ADDITION_LIMIT": SPENT,
    "TRANSACTIONS_SYNC_MUTATION_DURING_PAGINATION": START_OVER,
    "INVALID_FIELD": DEFECT,
    "INVALID_BODY": DEFECT,
    "INVALID_HEADERS": DEFECT,
    "INVALID_CONFIGURATION": DEFECT,
    "INCOMPATIBLE_API_VERSION": DEFECT,
    "MISSING_FIELDS": DEFECT,
    "UNKNOWN_FIELDS": DEFECT,
    "NOT_FOUND": DEFECT,
}
"""What Plaid documents for the endpoints we use. `INVALID_FIELD` about a cursor is a cursor that the login forgot."""

NEEDS_USER = frozenset(code for code, meaning in ERRORS.items() if meaning.asks_the_user)
_BY_TYPE: Mapping[str, Meaning] = {
    "RATE_LIMIT_EXCEEDED": SHORT_LIMIT,
    "INSTITUTION_ERROR": BANK_DOWN,
    "API_ERROR": PROVIDER_DOWN,
}


def read_error(status: int, body: Mapping[str, Any], retry_after_s: float | None = None) -> ConnectorError:
    """Return what to raise for one of Plaid's error bodies.

    Messages repeat Plaid's codes and request id, never its free text, which may quote what was sent.
    """
    error_type, code = str(body.get("error_type") or ""), str(body.get("error_code") or "")
    message = f"Plaid: {error_type or 'HTTP ' + str(status)} {code} (request {body.get('request_id') or 'unknown'})"
    if code == "INVALID_FIELD" and "cursor" in str(body.get("error_message")).casefold():
        return CURSOR_FORGOTTEN.error(message)
    error = (ERRORS.get(code) or _BY_TYPE.get(error_type) or _by_status(status)).error(message)
    if isinstance(error, AuthenticationError):
        error.reason = reason_of(code, body.get("error_code_reason"))
    if isinstance(error, RateLimitError):
        error.retry_after_s = retry_after_s
    return error


def reason_of(code: str, oauth_reason: object = None) -> str:
    """Return why the user is needed; Plaid gives a finer reason for OAuth banks only."""
    meaning = ERRORS.get(code)
    usual = meaning.reason if meaning else None
    return OAUTH_REASONS.get(str(oauth_reason), usual or "action_required")


def _by_status(status: int) -> Meaning:
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return SHORT_LIMIT
    return PROVIDER_DOWN if status >= HTTPStatus.INTERNAL_SERVER_ERROR else DEFECT
