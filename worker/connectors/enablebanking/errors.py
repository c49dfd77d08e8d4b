"""Maps Enable Banking's errors to connector errors by the `error` of the body; one HTTP status covers many. Pure."""

import re
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from http import HTTPStatus
from typing import Any

from worker.connectors import error_meanings as means
from worker.connectors.berlin.allowance import allowance_spent, rest_of_day_s
from worker.connectors.error_meanings import Meaning, by_code
from worker.connectors.errors import ConnectorError, ProviderUnavailableError, RateLimitError, RateLimitScope

SAFE_PERIOD = timedelta(days=89)
"""What every bank gives without a fresh login: PSD2 grants 90 days, the day itself included."""


class PeriodRefusedError(ConnectorError):
    """The bank does not give transactions this far back.

    Attributes:
        from_on: The first day that the bank gives, where it says so.
    """

    code = "period_refused"

    def __init__(self, message: str, *, from_on: date | None = None) -> None:
        super().__init__(message)
        self.from_on = from_on


PERIOD_REFUSED = Meaning(error=PeriodRefusedError, run="asks for fewer days, and warns of the others", user="nothing")

ERRORS: Mapping[str, Meaning] = by_code(
    {
        means.LOGIN_EXPIRED: "EXPIRED_SESSION SESSION_DOES_NOT_EXIST WRONG_SESSION_STATUS EXPIRED_AUTHORIZATION_CODE "
        "WRONG_AUTHORIZATION_CODE ALREADY_AUTHORIZED",
        means.REVOKED: "CLOSED_SESSION REVOKED_SESSION",
        means.ACTION_REQUIRED: "ASPSP_PSU_ACTION_REQUIRED NO_ACCOUNTS_ADDED",
        means.WRONG_LOGIN: "WRONG_CREDENTIALS_PROVIDED",
        means.OPERATOR: "AUTHORIZATION_NOT_PROVIDED UNAUTHORIZED_ACCESS UNAUTHORIZED_IP ACCESS_DENIED INVALID_HOST "
        "REDIRECT_URI_NOT_ALLOWED WEBHOOK_URI_NOT_ALLOWED",
        means.ACCOUNT_GONE: "ACCOUNT_DOES_NOT_EXIST INVALID_ACCOUNT_ID ASPSP_ACCOUNT_NOT_ACCESSIBLE",
        means.BANK_DOWN: "ASPSP_ERROR ASPSP_TIMEOUT WRONG_CONTINUATION_KEY",
        means.SPENT: "ASPSP_RATE_LIMIT_EXCEEDED",
        PERIOD_REFUSED: "WRONG_TRANSACTIONS_PERIOD WRONG_DATE_INTERVAL DATE_FROM_IN_FUTURE",
        means.DEFECT: "DATE_TO_WITHOUT_DATE_FROM WRONG_REQUEST_PARAMETERS WRONG_ASPSP_PROVIDED "
        "PSU_HEADER_NOT_PROVIDED PSU_HEADER_INVALID TRANSACTION_DOES_NOT_EXIST",
    }
)
"""What Enable Banking documents, but for payments."""

SESSION_STATES: Mapping[str, str] = {
    "EXPIRED": "expired",
    "CLOSED": "revoked",
    "REVOKED": "revoked",
    "CANCELLED": "revoked",
    "INVALID": "expired",
    "PENDING_AUTHORIZATION": "action_required",
    "RETURNED_FROM_BANK": "action_required",
}
_STATED_FIRST_DAY = re.compile(r"date_?from\W{1,10}(\d{4}-\d{2}-\d{2})", re.IGNORECASE)
_REFUSALS = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN, HTTPStatus.UNPROCESSABLE_ENTITY})


class RequestRefusedError(ConnectorError):
    """The bank does not take a request for transactions; asked in another way it may.

    Attributes:
        meaning: What to raise when there is no other way.
    """

    def __init__(self, meaning: ConnectorError) -> None:
        super().__init__(str(meaning))
        self.meaning = meaning


def read_error(
    status: int, body: Mapping[str, Any], *, now: datetime, retry_after_s: float | None = None
) -> ConnectorError:
    """Return what to raise for one of Enable Banking's error bodies.

    Args:
        now: A spent day ends at midnight.
    """
    code = str(body.get("error") or "")
    message = f"Enable Banking: HTTP {status} {code}".rstrip()
    meaning = means.SPENT if _is_spent(status, body) else ERRORS.get(code) or _by_status(status, code)
    if meaning is means.SPENT:
        wait_s = rest_of_day_s(now) if retry_after_s is None else retry_after_s
        return RateLimitError(message, retry_after_s=wait_s, scope=RateLimitScope.QUOTA)
    if meaning is means.SHORT_LIMIT:
        return RateLimitError(message, retry_after_s=retry_after_s)
    return (
        PeriodRefusedError(message, from_on=_first_day(body)) if meaning is PERIOD_REFUSED else meaning.error(message)
    )


def _by_status(status: int, code: str) -> Meaning:
    match status:
        case HTTPStatus.UNAUTHORIZED if not code:
            return means.OPERATOR
        case HTTPStatus.TOO_MANY_REQUESTS:
            return means.SHORT_LIMIT
        case HTTPStatus.REQUEST_TIMEOUT:
            return means.BANK_DOWN
        case _:
            return means.PROVIDER_DOWN if status >= HTTPStatus.INTERNAL_SERVER_ERROR else means.DEFECT


def read_refusal(status: int, body: Mapping[str, Any], **surroundings: Any) -> ConnectorError:  # noqa: ANN401 - of read_error
    """Return what to raise where transactions were asked for: a plain refusal is worth another way of asking."""
    meaning = read_error(status, body, **surroundings)
    is_plain = type(meaning) is ConnectorError or isinstance(meaning, ProviderUnavailableError)
    return RequestRefusedError(meaning) if is_plain and status in _REFUSALS else meaning


def _is_spent(status: int, body: Mapping[str, Any]) -> bool:
    """Say whether the bank's allowance of the day is used up; many banks report it as a plain error."""
    words = (str(body.get("message") or ""), str(body.get("detail") or ""))
    return status >= HTTPStatus.BAD_REQUEST and allowance_spent(*words)


def _first_day(body: Mapping[str, Any]) -> date | None:
    """Return the first day that a refused period may have, where the detail of the error states it."""
    found = _STATED_FIRST_DAY.search(str(body.get("detail") or ""))
    try:
        return date.fromisoformat(found[1]) if found else None
    except ValueError:
        return None
