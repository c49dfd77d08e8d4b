"""Maps GoCardless's errors to connector errors by `type`, otherwise by text, otherwise by status. Pure."""

import math
import re
from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any

from worker.connectors import error_meanings as means
from worker.connectors.base import QuotaReading
from worker.connectors.berlin.allowance import allowance_spent, rest_of_day_s
from worker.connectors.error_meanings import Meaning
from worker.connectors.errors import (
    AuthenticationError,
    ConnectorError,
    ProviderUnavailableError,
    RateLimitError,
    RateLimitScope,
)

_BURST_S = 60
_SECONDS = re.compile(r"try again in (-?\d+) seconds?", re.IGNORECASE)
_QUOTA_HEADERS = "HTTP_X_RATELIMIT_ACCOUNT_SUCCESS_"

ERRORS: Mapping[str, Meaning] = {
    "AccountInactiveError|account has been deactivated": means.ACCOUNT_GONE,
    "Account ID .* not found|not a valid Account UUID": means.ACCOUNT_GONE,
    "AccountResourceUnavailable": means.ACCOUNT_GONE,
    "AccessExpiredError|access has expired": means.LOGIN_EXPIRED,
    "EUA.* has expired|no valid end user agreement": means.LOGIN_EXPIRED,
    "AccountAccessForbidden|access to account is forbidden": means.ACTION_REQUIRED,
    "access scope error|EUA doesn't allow access": means.ACTION_REQUIRED,
    "suspended": means.ACTION_REQUIRED,
    "no active account found with the given credentials|authentication failed": means.OPERATOR,
    "payment required|free usage limit": means.UNPAID,
    "being processed|is processing": means.BANK_DOWN,
    "ServiceError|ConnectionError|UnknownRequestError": means.BANK_DOWN,
    "IP address access denied|incorrect date range": means.DEFECT,
}
"""What GoCardless documents, by a pattern of its type, summary or detail; the first that is found counts."""

_PATTERNS = tuple((re.compile(words, re.IGNORECASE), meaning) for words, meaning in ERRORS.items())
REQUISITION_STATES: Mapping[str, str] = {
    "CR": "action_required",
    "ID": "action_required",
    "GC": "action_required",
    "UA": "action_required",
    "SA": "action_required",
    "GA": "action_required",
    "RJ": "revoked",
    "ER": "action_required",
    "SU": "action_required",
    "EX": "expired",
}
"""Every status but LN (linked), with why the user is needed."""


ACCOUNT_STATES: Mapping[str, Meaning] = {
    "ERROR": means.ACTION_REQUIRED,
    "SUSPENDED": means.ACTION_REQUIRED,
    "EXPIRED": means.LOGIN_EXPIRED,
}
"""Every status of an account that only its user can mend; in the others GoCardless is still at work on it."""

FAILURES_BEFORE_SUSPENSION = 8
"""GoCardless suspends the access to an account after ten failures in a row."""


class TokenRejectedError(ConnectorError):
    """GoCardless no longer accepts our access token: make a new one. The user's consent is still valid."""

    code = "token_rejected"


def read_error(
    status: int, body: Mapping[str, Any], *, now: datetime, headers: Mapping[str, str] | None = None
) -> ConnectorError:
    """Return what to raise for one of GoCardless's error bodies.

    Args:
        now: A spent day without a time ends at midnight.
    """
    words = " ".join(str(body.get(field) or "") for field in ("type", "summary", "detail"))
    message = f"GoCardless: HTTP {status} {body.get('type') or ''}".rstrip()
    if status == HTTPStatus.UNAUTHORIZED and "token is invalid" in words.casefold():
        return TokenRejectedError(message)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return _rate_limit(message, words, headers or {}, now)
    found = (meaning for pattern, meaning in _PATTERNS if pattern.search(words))
    return (next(found, None) or _by_status(status, str(body.get("status")))).error(message)


def counts_to_suspension(error: ConnectorError) -> bool:
    """Say whether GoCardless counts a failed read against the account: those in which the bank was asked in vain."""
    if isinstance(error, ProviderUnavailableError):
        return not error.everyone and "HTTP 409" not in str(error)
    return isinstance(error, AuthenticationError) and error.reason in {"expired", "action_required"}


def _by_status(status: int, account_status: str) -> Meaning:
    match status:
        case HTTPStatus.UNAUTHORIZED:
            return means.LOGIN_EXPIRED
        case HTTPStatus.PAYMENT_REQUIRED:
            return means.UNPAID
        case HTTPStatus.CONFLICT:
            return ACCOUNT_STATES.get(account_status, means.BANK_DOWN)
        case _:
            return means.PROVIDER_DOWN if status >= HTTPStatus.INTERNAL_SERVER_ERROR else means.DEFECT


def _rate_limit(message: str, words: str, headers: Mapping[str, str], now: datetime) -> RateLimitError:
    """Tell a short limit from a spent day; a bank's own refusal names no time."""
    reading = read_quota(headers, "", None)
    in_words = _SECONDS.search(words)
    seconds = max(0, int(in_words[1])) if in_words else reading.resets_in_s if reading else None
    if seconds is None and allowance_spent(words):
        seconds = math.ceil(rest_of_day_s(now))
    spent = allowance_spent(words) or (reading is not None and reading.remaining == 0)
    is_burst = not spent and seconds is not None and seconds <= _BURST_S
    scope = RateLimitScope.BURST if is_burst else RateLimitScope.QUOTA
    return RateLimitError(message, retry_after_s=seconds, scope=scope)


def read_quota(headers: Mapping[str, str], endpoint: str, account_id: str | None) -> QuotaReading | None:
    """Return what the headers say about the account's allowance of the day.

    The names really have underscores; a reset in the past has been seen and counts as now.
    """
    values = {name: _number(headers.get(_QUOTA_HEADERS + name)) for name in ("LIMIT", "REMAINING", "RESET")}
    if all(value is None for value in values.values()):
        return None
    reset = values["RESET"]
    return QuotaReading(
        endpoint=endpoint,
        account_id=account_id,
        limit=values["LIMIT"],
        remaining=values["REMAINING"],
        resets_in_s=None if reset is None else max(0, reset),
    )


def _number(text: str | None) -> int | None:
    try:
        return int(text) if text is not None else None
    except ValueError:
        return None
