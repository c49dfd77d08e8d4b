"""Signatures of events that arrive as messages; their key is not known to the broker. Pure."""

import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from typing import Any

from worker.errors import InvalidRequestError

TOLERANCE_S = 300


def sign_event(key: str, event: Mapping[str, Any], *, signed_at: int) -> str:
    """Return the signature of an event: hex HMAC-SHA256 over its canonical JSON.

    Args:
        key: EVENT_SIGNING_KEY.
        event: `user_id`, `type`, `data` and `dedup_key`.
        signed_at: The moment of signing, in Unix seconds.
    """
    fields = [signed_at, *(event[name] for name in ("user_id", "type", "data", "dedup_key"))]
    content = json.dumps(fields, sort_keys=True, separators=(",", ":"))
    return hmac.new(key.encode(), content.encode(), hashlib.sha256).hexdigest()


def check_event(
    key: str,
    event: Mapping[str, Any],
    *,
    signed_at: int | None,
    signature: str | None,
    now_s: float | None = None,
) -> None:
    """Refuse an event that its sender did not sign within the last five minutes.

    A `dedup_key` is required, so that a copy of a message changes nothing. Raises: InvalidRequestError.
    """
    if not event["dedup_key"] or not isinstance(signature, str) or not isinstance(signed_at, int):
        raise InvalidRequestError("an event in a message needs dedup_key, signed_at and signature")
    expected = sign_event(key, event, signed_at=signed_at)
    if not signature.isascii() or not hmac.compare_digest(expected, signature):
        raise InvalidRequestError("the signature does not match")
    if abs((time.time() if now_s is None else now_s) - signed_at) > TOLERANCE_S:
        raise InvalidRequestError("the signature is more than five minutes off")
