"""The envelope around an event's data, and its bytes. Pure."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from worker.errors import InvalidRequestError

_PREFIX = "evt_"


@dataclass(frozen=True, slots=True, kw_only=True)
class EventEnvelope:
    """One event as receivers see it.

    Attributes:
        sequence: Grows in the order in which events were written, with gaps.
    """

    id: uuid.UUID
    type: str
    api_version: str
    occurred_at: datetime
    sequence: int
    data: Mapping[str, Any]

    def content(self) -> dict[str, Any]:
        """Return the JSON object that receivers get."""
        return {
            "id": event_id(self.id),
            "type": self.type,
            "api_version": self.api_version,
            "occurred_at": self.occurred_at.astimezone(UTC).isoformat(),
            "sequence": self.sequence,
            "data": self.data,
        }

    def body(self) -> bytes:
        """Return the bytes to sign and send; they are the same in every attempt."""
        return json.dumps(self.content(), ensure_ascii=False, separators=(",", ":")).encode()


def event_id(value: uuid.UUID) -> str:
    """Return the public form of an event's id, `evt_` and 32 hex digits."""
    return _PREFIX + value.hex


def parse_event_id(value: str) -> uuid.UUID:
    """Read an event's id in its public form or as a UUID. Raises: InvalidRequestError."""
    try:
        return uuid.UUID(value.removeprefix(_PREFIX))
    except ValueError:
        raise InvalidRequestError(f"{value!r} is not an event id") from None
