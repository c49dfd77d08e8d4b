"""Capabilities of a connector and limits of its provider. Import them from `worker.connectors.base`."""

from dataclasses import dataclass
from enum import StrEnum


class IdClass(StrEnum):
    """How far a provider's transaction ids may be trusted.

    Attributes:
        STABLE: One id for one transaction, for ever.
        SESSION: Stable until the user links again.
        POSITIONAL: Derived from the place in a list.
        DELIVERY: A new id in every response.
        NONE: There is no id.
    """

    STABLE = "stable"
    SESSION = "session"
    POSITIONAL = "positional"
    DELIVERY = "delivery"
    NONE = "none"


class Scope(StrEnum):
    """What one answer (or one cursor) of a provider covers."""

    ACCOUNT = "account"
    CONNECTION = "connection"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """An allowance the provider grants: `calls` per rolling `window_s`, counted per `scope` and endpoint.

    Attributes:
        reserve: Calls of it that scheduled runs leave for a person who asks.
    """

    endpoint: str
    calls: int
    window_s: int
    scope: Scope = Scope.CONNECTION
    reserve: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Burst:
    """A short-term limit shared by all workers: at most `calls` per `per_s` seconds for one client of the provider."""

    calls: int
    per_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a connector can do and what its provider promises.

    Attributes:
        history_days: How far back the provider goes; None = no stated limit.
        window_days: Longest window of one request, both edges included; None = any.
        fetch_scope: Whether one call answers for one account or for all of the connection.
        cursor_scope: Whom a cursor belongs to; None = the provider has no cursor, windows are used.
        cursor_resumes: Every page's `next_cursor` can be gone on from, not only that of the last page, so that a long
            delivery may be imported in parts.
        windows_complete: A transaction is gone at the bank that a window lacks which covers all its days: of the
            purchase, the booking and the value.
        whole_days: An answer holds all booked transactions of a day, or none, also where it covers no window.
        links_pending: The provider itself names the pending transaction a posted one replaces, so nothing is guessed.
        timezone: IANA zone in which the bank's days are counted.
    """

    id_class: IdClass
    history_days: int | None = None
    window_days: int | None = None
    fetch_scope: Scope = Scope.ACCOUNT
    cursor_scope: Scope | None = None
    cursor_resumes: bool = False
    pending: bool = False
    windows_complete: bool = False
    whole_days: bool = False
    links_pending: bool = False
    balances: bool = False
    quotas: tuple[Quota, ...] = ()
    burst: Burst | None = None
    timezone: str = "UTC"
