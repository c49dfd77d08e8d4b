"""Maps Plaid's errors to connector errors by `error_type` and `error_code`. Pure."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from worker.connectors import error_meanings as means
from worker.connectors.error_meanings import Meaning, by_code
from worker.connectors.errors import AuthenticationError, ConnectorError, RateLimitError

OAUTH_REASONS: Mapping[str, str] = {
    "OAUTH_USER_REVOKED": "revoked",
    "OAUTH_CONSENT_EXPIRED": "expired",
    "OAUTH_INVALID_TOKEN": "expired",
}

ERRORS: Mapping[str, Meaning] = by_code(
    {
        means.LOGIN_EXPIRED: "ITEM_LOGIN_REQUIRED PENDING_EXPIRATION PENDING_DISCONNECT INVALID_PUBLIC_TOKEN "
        "INVALID_LINK_TOKEN",
        means.WRONG_LOGIN: "INVALID_CREDENTIALS INVALID_MFA INVALID_OTP INVALID_PHONE_NUMBER INVALID_SEND_METHOD "
        "INVALID_UPDATED_USERNAME PASSWORD_RESET_REQUIRED",
        means.ACTION_REQUIRED: "ITEM_LOCKED INSUFFICIENT_CREDENTIALS MFA_NOT_SUPPORTED NO_ACCOUNTS "
        "USER_SETUP_REQUIRED USER_INPUT_TIMEOUT ACCESS_NOT_GRANTED ADDITIONAL_CONSENT_REQUIRED "
        "INSTITUTION_NO_LONGER_SUPPORTED UNAUTHORIZED_INSTITUTION ITEM_NOT_SUPPORTED PRODUCTS_NOT_SUPPORTED",
        means.REVOKED: "ITEM_NOT_FOUND ITEM_CONCURRENTLY_DELETED USER_PERMISSION_REVOKED INVALID_ACCESS_TOKEN",
        means.OPERATOR: "INVALID_API_KEYS UNAUTHORIZED_ENVIRONMENT UNAUTHORIZED_ROUTE_ACCESS PRODUCT_NOT_ENABLED "
        "INVALID_PRODUCT INSTITUTION_NOT_ENABLED_IN_ENVIRONMENT",
        means.UNPAID: "CREDITS_EXHAUSTED",
        means.ACCOUNT_GONE: "INVALID_ACCOUNT_ID NO_ACCOUNTS_FOUND USER_ACCOUNT_REVOKED",
        means.BANK_DOWN: "INSTITUTION_DOWN INSTITUTION_NOT_AVAILABLE INSTITUTION_NOT_RESPONDING "
        "INSTITUTION_REGISTRATION_REQUIRED UNSUPPORTED_RESPONSE PRODUCT_NOT_READY",
        means.PROVIDER_DOWN: "INTERNAL_SERVER_ERROR PLANNED_MAINTENANCE",
        means.SHORT_LIMIT: "RATE_LIMIT ACCOUNTS_LIMIT ITEM_GET_LIMIT TRANSACTIONS_LIMIT TRANSACTIONS_SYNC_LIMIT "
        "INSTITUTIONS_GET_BY_ID_LIMIT INSTITUTION_RATE_LIMIT",
        means.SPENT: "ADDITION_LIMIT",
        means.START_OVER: "TRANSACTIONS_SYNC_MUTATION_DURING_PAGINATION",
        means.DEFECT: "INVALID_FIELD INVALID_BODY INVALID_HEADERS INVALID_CONFIGURATION INCOMPATIBLE_API_VERSION "
        "MISSING_FIELDS UNKNOWN_FIELDS NOT_FOUND",
    }
)
"""What Plaid documents for the endpoints we use. `INVALID_FIELD` about a cursor is a cursor that the login forgot."""

NEEDS_USER = frozenset(code for code, meaning in ERRORS.items() if meaning.reason is not None)
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
