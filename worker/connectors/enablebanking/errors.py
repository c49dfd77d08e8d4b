"""What Enable Banking's errors mean to us, by the `error` of the body; one HTTP status stands for many. Pure."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from http import HTTPStatus
from typing import Any

from worker.connectors import berlin
from worker.connectors.base import Window
from worker.connectors.errors import (
    AccountNotFoundError,
    AuthenticationError,
    ConnectorError,
    ProviderUnavailableError,
    RateLimitError,
    RateLimitScope,
)

SAFE_PERIOD = timedelta(days=89)
"""What every bank gives without a fresh login: PSD2 grants 90 days, the day itself included."""

NEEDS_USER: Mapping[str, str] = {
    "EXPIRED_SESSION": "expired",
    "SESSION_DOES_NOT_EXIST": "expired",
    "WRONG_SESSION_STATUS": "expired",
    "EXPIRED_AUTHORIZATION_CODE": "expired",
    "WRONG_AUTHORIZATION_CODE": "expired",
    "ALREADY_AUTHORIZED": "expired",
    "CLOSED_SESSION": "revoked",
    "REVOKED_SESSION": "revoked",
    "ASPSP_PSU_ACTION_REQUIRED": "action_required",
    "AUTHORIZATION_NOT_PROVIDED": "credentials",
    "UNAUTHORIZED_ACCESS": "credentials",
    "UNAUTHORIZED_IP": "credentials",
    "ACCESS_DENIED": "credentials",
    "WRONG_CREDENTIALS_PROVIDED": "credentials",
    "NO_ACCOUNTS_ADDED": "action_required",
}
SESSION_STATES: Mapping[str, str] = {
    "EXPIRED": "expired",
    "CLOSED": "revoked",
    "REVOKED": "revoked",
    "CANCELLED": "revoked",
    "INVALID": "expired",
    "PENDING_AUTHORIZATION": "action_required",
    "RETURNED_FROM_BANK": "action_required",
}
_BANK_DOWN = frozenset({"ASPSP_ERROR", "ASPSP_TIMEOUT"})
_REFUSALS = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN, HTTPStatus.UNPROCESSABLE_ENTITY})


class PeriodRefusedError(ConnectorError):
    """The bank does not give transactions this far back; a shorter period may be tried once."""

    code = "period_refused"


def read_error(
    status: int,
    body: Mapping[str, Any],
    *,
    now: datetime,
    retry_after_s: float | None = None,
    window: Window | None = None,
) -> ConnectorError:
    """Return what to raise for one of Enable Banking's error bodies.

    window: the days that were asked for. Banks refuse a period in several ways, some without naming it, so a plain
    refusal of a period longer than `SAFE_PERIOD` counts as one. now: a spent day ends at midnight.
    """
    code = str(body.get("error") or "")
    said = f"Enable Banking: HTTP {status} {code}".rstrip()
    if code in NEEDS_USER or (status == HTTPStatus.UNAUTHORIZED and not code):
        return AuthenticationError(said, reason=NEEDS_USER.get(code, "credentials"))
    if _is_spent(status, code, body):
        wait_s = berlin.rest_of_day_s(now) if retry_after_s is None else retry_after_s
        return RateLimitError(said, retry_after_s=wait_s, scope=RateLimitScope.QUOTA)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return RateLimitError(said, retry_after_s=retry_after_s)
    return _meaning(status, code, window)(said)


def _meaning(status: int, code: str, window: Window | None) -> Callable[[str], ConnectorError]:
    if code in _BY_CODE:
        return _BY_CODE[code]
    if _is_long_refusal(status, window):
        return PeriodRefusedError
    if code in _BANK_DOWN or status == HTTPStatus.REQUEST_TIMEOUT:
        return partial(ProviderUnavailableError, everyone=False)
    return ProviderUnavailableError if status >= HTTPStatus.INTERNAL_SERVER_ERROR else ConnectorError


def _is_spent(status: int, code: str, body: Mapping[str, Any]) -> bool:
    """Say whether the bank's allowance of the day is used up; many banks report it as a plain error."""
    words = (str(body.get("message") or ""), str(body.get("detail") or ""))
    return code == "ASPSP_RATE_LIMIT_EXCEEDED" or (status >= HTTPStatus.BAD_REQUEST and berlin.allowance_spent(*words))


def _is_long_refusal(status: int, window: Window | None) -> bool:
    return window is not None and status in _REFUSALS and window.to_on - window.from_on > SAFE_PERIOD


_BY_CODE: Mapping[str, Callable[[str], ConnectorError]] = {
    "ACCOUNT_DOES_NOT_EXIST": AccountNotFoundError,
    "INVALID_ACCOUNT_ID": AccountNotFoundError,
    "ASPSP_ACCOUNT_NOT_ACCESSIBLE": AccountNotFoundError,
    "WRONG_CONTINUATION_KEY": partial(ProviderUnavailableError, everyone=False),
    "WRONG_TRANSACTIONS_PERIOD": PeriodRefusedError,
    "WRONG_DATE_INTERVAL": PeriodRefusedError,
}
