"""What became of one POST. Pure."""

from dataclasses import dataclass
from enum import StrEnum


class AnswerCode(StrEnum):
    """What became of one POST."""

    ANSWERED = "answered"
    TIMEOUT = "timeout"
    CONNECT_FAILED = "connect_failed"
    BROKEN = "broken_answer"
    NOT_ALLOWED = "destination_not_allowed"
    PROXY_FAILED = "proxy_failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverResponse:
    """How a receiver answered. status: set when `code` is `answered`. head: the start of the body, at most 16 KiB."""

    code: AnswerCode
    duration_ms: int = 0
    status: int | None = None
    head: str | None = None
    retry_after_s: float | None = None
