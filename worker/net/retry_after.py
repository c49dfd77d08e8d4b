"""Reads how long a server asks to be left alone, which strangers write: nothing in it raises. Pure."""

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_LONGEST_S = 7 * 86_400.0
_LONGEST_TEXT = 64


def retry_after_s(value: str, now: datetime, *, sent: str = "") -> float | None:
    """Return the seconds that a `Retry-After` asks for, as number or HTTP date, within 0 to 7 days; None for neither.

    Args:
        value: The header.
        now: The moment, which a date is compared with.
        sent: The response's `Date` header, the server's own clock, which goes before `now`.
    """
    try:
        asked_s = float(value) if len(value) <= _LONGEST_TEXT else math.nan
    except ValueError:
        until_at, sent_at = _http_date(value), _http_date(sent)
        if until_at is None:
            return None
        asked_s = (until_at - (sent_at or now)).total_seconds()
    return None if math.isnan(asked_s) else min(max(asked_s, 0.0), _LONGEST_S)


def _http_date(value: str) -> datetime | None:
    try:
        parsed = parsedate_to_datetime(value)
    except (TypeError, ValueError, OverflowError):  # also a date beyond the calendar
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
