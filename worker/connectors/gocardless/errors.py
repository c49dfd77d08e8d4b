"""What GoCardless's errors mean to us: by `type`, else by its own words, else by status. Pure."""

import math
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import Any

from worker.connectors import berlin
from worker.connectors.base import QuotaReading
from worker.connectors.errors import (
    AccountNotFoundError,
    AuthenticationError,
    ConnectorError,
    ProviderUnavailableError,
    RateLimitError,
    RateLimitScope,
)

_BURST_S = 60
_SECONDS = re.compile(r"try again in (-?\d+) seconds?", re.IGNORECASE)
_BANK_SIDE = frozenset({"ServiceError", "ConnectionError", "UnknownRequestError"})
_QUOTA_HEADERS = "HTTP_X_RATELIMIT_ACCOUNT_SUCCESS_"

NEEDS_USER: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(words, re.IGNORECASE), reason)
    for words, reason in (
        (r"AccessExpiredError|EUA\b.*\bhas expired|access has expired", "expired"),
        (r"AccountAccessForbidden|access to account is forbidden", "action_required"),
        (r"no valid end user agreement", "expired"),
        (r"access scope error|EUA doesn't allow access", "action_required"),
        (r"suspended", "action_required"),
        (r"no active account found with the given credentials|authentication failed", "credentials"),
        (r"payment required|free usage limit", "payment_required"),
    )
)
_ACCOUNT_GONE = re.compile(
    r"AccountInactiveError|account has been deactivated|Account ID .* not found|not a valid Account UUID"
    r"|AccountResourceUnavailable",
    re.IGNORECASE,
)
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


class TokenRejectedError(ConnectorError):
    """GoCardless does not take our access token any more: make a new one; the user's consent is not in question."""

    code = "token_rejected"


def read_error(
    status: int, body: Mapping[str, Any], *, now: datetime, headers: Mapping[str, str] | None = None
) -> ConnectorError:
    """Return what to raise for one of GoCardless's error bodies. now: a spent day without a time ends at midnight."""
    kind = str(body.get("type") or "")
    words = " ".join(str(body.get(field) or "") for field in ("type", "summary", "detail"))
    said = f"GoCardless: HTTP {status} {kind}".rstrip()
    if status == HTTPStatus.UNAUTHORIZED and "token is invalid" in words.casefold():
        return TokenRejectedError(said)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return _rate_limit(said, words, headers or {}, now)
    if _ACCOUNT_GONE.search(words):
        return AccountNotFoundError(said)
    for pattern, reason in NEEDS_USER:
        if pattern.search(words):
            return AuthenticationError(said, reason=reason)
    if kind in _BANK_SIDE:
        return ProviderUnavailableError(said, everyone=False)
    return _by_status(status)(said)


def _by_status(status: int) -> Callable[[str], ConnectorError]:
    match status:
        case HTTPStatus.UNAUTHORIZED:
            return AuthenticationError
        case HTTPStatus.CONFLICT:
            return partial(AuthenticationError, reason="action_required")
        case HTTPStatus.PAYMENT_REQUIRED:
            return partial(AuthenticationError, reason="payment_required")
        case _ if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return ProviderUnavailableError
    return ConnectorError


def _rate_limit(said: str, words: str, headers: Mapping[str, str], now: datetime) -> RateLimitError:
    """Tell a short limit from a spent day; a bank's own refusal names no time."""
    reading = read_quota(headers, "", None)
    in_words = _SECONDS.search(words)
    seconds = max(0, int(in_words[1])) if in_words else reading.resets_in_s if reading else None
    if seconds is None and berlin.allowance_spent(words):
        seconds = math.ceil(berlin.rest_of_day_s(now))
    spent = berlin.allowance_spent(words) or (reading is not None and reading.remaining == 0)
    is_burst = not spent and seconds is not None and seconds <= _BURST_S
    scope = RateLimitScope.BURST if is_burst else RateLimitScope.QUOTA
    return RateLimitError(said, retry_after_s=seconds, scope=scope)


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
