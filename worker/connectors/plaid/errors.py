"""Maps Plaid's errors to connector errors by `error_type` and `error_code`. Pure."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from worker.connectors import error_table as means
from worker.connectors.error_table import Meaning
from worker.connectors.errors import AuthenticationError, ConnectorError, RateLimitError

OAUTH_REASONS: Mapping[str, str] = {
    "OAUTH_USER_REVOKED": "revoked",
    "OAUTH_CONSENT_EXPIRED": "expired",
    "OAUTH_INVALID_TOKEN": "expired",
}

ERRORS: Mapping[str, Meaning] = {
    "ITEM_LOGIN_REQUIRED": means.LOGIN_EXPIRED,
    "PENDING_EXPIRATION": means.LOGIN_EXPIRED,
    "PENDING_DISCONNECT": means.LOGIN_EXPIRED,
    "INVALID_PUBLIC_TOKEN": means.LOGIN_EXPIRED,
    "INVALID_LINK_TOKEN": means.LOGIN_EXPIRED,
    "INVALID_CREDENTIALS": means.WRONG_LOGIN,
    "INVALID_MFA": means.WRONG_LOGIN,
    "INVALID_OTP": means.WRONG_LOGIN,
    "INVALID_PHONE_NUMBER": means.WRONG_LOGIN,
    "INVALID_SEND_METHOD": means.WRONG_LOGIN,
    "INVALID_UPDATED_USERNAME": means.WRONG_LOGIN,
    "PASSWORD_RESET_REQUIRED": means.WRONG_LOGIN,
    "ITEM_LOCKED": means.ACTION_REQUIRED,
    "INSUFFICIENT_CREDENTIALS": means.ACTION_REQUIRED,
    "MFA_NOT_SUPPORTED": means.ACTION_REQUIRED,
    "NO_ACCOUNTS": means.ACTION_REQUIRED,
    "USER_SETUP_REQUIRED": means.ACTION_REQUIRED,
    "USER_INPUT_TIMEOUT": means.ACTION_REQUIRED,
    "ACCESS_NOT_GRANTED": means.ACTION_REQUIRED,
    "ADDITIONAL_CONSENT_REQUIRED": means.ACTION_REQUIRED,
    "INSTITUTION_NO_LONGER_SUPPORTED": means.ACTION_REQUIRED,
    "UNAUTHORIZED_INSTITUTION": means.ACTION_REQUIRED,
    "ITEM_NOT_SUPPORTED": means.ACTION_REQUIRED,
    "PRODUCTS_NOT_SUPPORTED": means.ACTION_REQUIRED,
    "ITEM_NOT_FOUND": means.REVOKED,
    "ITEM_CONCURRENTLY_DELETED": means.REVOKED,
    "USER_PERMISSION_REVOKED": means.REVOKED,
    "INVALID_ACCESS_TOKEN": means.REVOKED,
    "INVALID_API_KEYS": means.OPERATOR,
    "UNAUTHORIZED_ENVIRONMENT": means.OPERATOR,
    "UNAUTHORIZED_ROUTE_ACCESS": means.OPERATOR,
    "PRODUCT_NOT_ENABLED": means.OPERATOR,
    "INVALID_PRODUCT": means.OPERATOR,
    "INSTITUTION_NOT_ENABLED_IN_ENVIRONMENT": means.OPERATOR,
    "CREDITS_EXHAUSTED": means.UNPAID,
    "INVALID_ACCOUNT_ID": means.ACCOUNT_GONE,
    "NO_ACCOUNTS_FOUND": means.ACCOUNT_GONE,
    "USER_ACCOUNT_REVOKED": means.ACCOUNT_GONE,
    "INSTITUTION_DOWN": means.BANK_DOWN,
    "INSTITUTION_NOT_AVAILABLE": means.BANK_DOWN,
    "INSTITUTION_NOT_RESPONDING": means.BANK_DOWN,
    "INSTITUTION_REGISTRATION_REQUIRED": means.BANK_DOWN,
    "UNSUPPORTED_RESPONSE": means.BANK_DOWN,
    "PRODUCT_NOT_READY": means.BANK_DOWN,
    "INTERNAL_SERVER_ERROR": means.PROVIDER_DOWN,
    "PLANNED_MAINTENANCE": means.PROVIDER_DOWN,
    "RATE_LIMIT": means.SHORT_LIMIT,
    "ACCOUNTS_LIMIT": means.SHORT_LIMIT,
    "ITEM_GET_LIMIT": means.SHORT_LIMIT,
    "TRANSACTIONS_LIMIT": means.SHORT_LIMIT,
    "TRANSACTIONS_SYNC_LIMIT": means.SHORT_LIMIT,
    "INSTITUTIONS_GET_BY_ID_LIMIT": means.SHORT_LIMIT,
    "INSTITUTION_RATE_LIMIT": means.SHORT_LIMIT,
    "ADDITION_LIMIT": means.SPENT,
    "TRANSACTIONS_SYNC_MUTATION_DURING_PAGINATION": means.START_OVER,
    "INVALID_FIELD": means.DEFECT,
    "INVALID_BODY": means.DEFECT,
    "INVALID_HEADERS": means.DEFECT,
    "INVALID_CONFIGURATION": means.DEFECT,
    "INCOMPATIBLE_API_VERSION": means.DEFECT,
    "MISSING_FIELDS": means.DEFECT,
    "UNKNOWN_FIELDS": means.DEFECT,
    "NOT_FOUND": means.DEFECT,
}
"""What Plaid documents for the endpoints we use. `INVALID_FIELD` about a cursor is a cursor that the login forgot."""

NEEDS_USER = frozenset(code for code, meaning in ERRORS.items() if meaning.asks_the_user)
_BY_TYPE: Mapping[str, Meaning] = {
    "RATE_LIMIT_EXCEEDED": means.SHORT_LIMIT,
    "INSTITUTION_ERROR": means.BANK_DOWN,
    "API_ERROR": means.PROVIDER_DOWN,
}


def read_error(status: int, body: Mapping[str, Any], retry_after_s: float | None = None) -> ConnectorError:
    """Return what to raise for one of Plaid's error bodies.

    Messages repeat Plaid's codes and request id, never its free text, which may quote what was sent.
    """
    error_type, code = str(body.get("error_type") or ""), str(body.get("error_code") or "")
    message = f"Plaid: {error_type or 'HTTP ' + str(status)} {code} (request {body.get('request_id') or 'unknown'})"
    if code == "INVALID_FIELD" and "cursor" in str(body.get("error_message")).casefold():
        return means.CURSOR_FORGOTTEN.error(message)
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
        return means.SHORT_LIMIT
    return means.PROVIDER_DOWN if status >= HTTPStatus.INTERNAL_SERVER_ERROR else means.DEFECT
