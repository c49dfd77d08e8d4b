"""Counts calls against long allowances of providers (such as per day), in Postgres.

A call is counted before it is made, and corrected by what the response states. A window begins with its first call.
Scheduled runs leave a reserve for interactive ones.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

from worker.connectors.base import Quota, QuotaReading, Scope
from worker.connectors.errors import RateLimitError, RateLimitScope
from worker.runs.providers.throttle import Call


class ReserveError(RateLimitError):
    """Only the reserve is left of the allowance, and it is kept for interactive runs."""

    code = "quota_reserved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spender:
    """Whose calls are counted.

    Attributes:
        interactive: Whether a person waits, so that the reserve may be used.
    """

    connector_name: str
    connection_id: uuid.UUID
    interactive: bool


_KEY = """connector_name = :connector_name AND connection_id = :connection_id AND endpoint = :endpoint
    AND account_external_id IS NOT DISTINCT FROM :account_id AND window_s = :window_s AND window_ends_at > now()"""

# Serialises workers that begin the same window, so that the second finds the row of the first.
_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 4))")
_COUNT = text(
    f"""
    UPDATE bank_quota_usage SET calls_used = calls_used + 1, updated_at = now()
    WHERE {_KEY} AND calls_used < calls_limit - :reserve RETURNING calls_used
    """  # noqa: S608 - constants of this module
)
_LEFT = text(
    f"""
    SELECT calls_limit - calls_used AS calls_left, extract(epoch FROM window_ends_at - now())::float AS renewed_in_s
    FROM bank_quota_usage WHERE {_KEY} ORDER BY window_ends_at DESC LIMIT 1
    """  # noqa: S608 - constants of this module
)
_BEGIN = text(
    """
    INSERT INTO bank_quota_usage (connector_name, connection_id, account_external_id, endpoint, window_s,
                                  window_started_at, window_ends_at, calls_limit, calls_used)
    VALUES (:connector_name, :connection_id, :account_id, :endpoint, :window_s,
            now(), now() + make_interval(secs => :window_s), :calls, 1)
    """
)
_CORRECT = text(
    f"""
    UPDATE bank_quota_usage SET
      calls_limit = coalesce(:limit, calls_limit),
      calls_used = coalesce(greatest(0, coalesce(:limit, calls_limit) - :remaining), calls_used),
      window_ends_at = coalesce(greatest(now() + make_interval(secs => :resets_in_s),
                                         window_started_at + interval '1 second'), window_ends_at),
      updated_at = now()
    WHERE {_KEY}
    """  # noqa: S608 - constants of this module
)


def spend(session: Session, spender: Spender, quotas: Sequence[Quota], call: Call) -> None:
    """Count one call against every allowance that covers it; commit before the call is made.

    Raises: RateLimitError (quota) when an allowance is used up, ReserveError when only the reserve is left.
    """
    for quota in quotas:
        if quota.endpoint == call.endpoint:
            _spend_one(session, spender, quota, call)


def _spend_one(session: Session, spender: Spender, quota: Quota, call: Call) -> None:
    key = _key(spender, quota, call.account_id)
    reserve = 0 if spender.interactive else min(quota.reserve, quota.calls - 1)
    session.execute(_ONE_AT_A_TIME, {"name": ":".join(str(part) for part in key.values())})
    if session.execute(_COUNT, key | {"reserve": reserve}).first():
        return
    left = session.execute(_LEFT, key).one_or_none()
    if left is None:
        session.execute(_BEGIN, key | {"calls": quota.calls})
        return
    kind = ReserveError if left.calls_left > 0 else RateLimitError
    raise kind(
        f"{quota.endpoint}: {max(0, left.calls_left)} of {quota.calls} calls left",
        retry_after_s=left.renewed_in_s,
        scope=RateLimitScope.QUOTA,
    )


def correct(session: Session, spender: Spender, quotas: Sequence[Quota], reading: QuotaReading) -> None:
    """Take over what a response states about an allowance, because the provider's count is the right one."""
    for quota in quotas:
        if quota.endpoint == reading.endpoint:
            values = {"limit": reading.limit, "remaining": reading.remaining, "resets_in_s": reading.resets_in_s}
            session.execute(_CORRECT, _key(spender, quota, reading.account_id) | values)


def _key(spender: Spender, quota: Quota, account_id: str | None) -> dict[str, object]:
    return {
        "connector_name": spender.connector_name,
        "connection_id": spender.connection_id,
        "endpoint": quota.endpoint,
        "account_id": account_id if quota.scope == Scope.ACCOUNT else None,
        "window_s": quota.window_s,
    }
