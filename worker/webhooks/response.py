"""The result of one webhook POST. Pure."""

from dataclasses import dataclass
from enum import StrEnum


class ResponseCode(StrEnum):
    """How one POST ended."""

    ANSWERED = "answered"
    TIMEOUT = "timeout"
    CONNECT_FAILED = "connect_failed"
    BROKEN = "broken_answer"
    NOT_ALLOWED = "destination_not_allowed"
    PROXY_FAILED = "proxy_failed"
    NOT_LOOKED_UP = "not_looked_up"


OURS = frozenset({ResponseCode.PROXY_FAILED, ResponseCode.NOT_LOOKED_UP})
"""What says nothing about the receiver: the fault is on this side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverResponse:
    """The response of a receiver, or why there is none.

    Attributes:
        code: How the POST ended.
        status: HTTP status, set when `code` is `answered`.
        head: Start of the response body, at most 16 KiB.
        retry_after_s: The wait that the receiver asked for.
    """

    code: ResponseCode
    duration_ms: int = 0
    status: int | None = None
    head: str | None = None
    retry_after_s: float | None = None
