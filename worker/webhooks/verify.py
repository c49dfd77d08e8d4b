"""Verifies webhook signatures, for receivers. Uses the standard library only, so that the file can be copied."""

import hashlib
import hmac
import re
import time
from collections.abc import Iterable

TOLERANCE_S = 300
MAX_HEADER_CHARS = 4096
MAX_SIGNATURES = 10

_TIMESTAMP = re.compile(r"[0-9]{1,12}")
_SIGNATURE = re.compile(r"[0-9a-f]{64}")


class SignatureError(ValueError):
    """The request is not from us, was changed, or is too old or too far in the future: answer 401."""


def verify(body: bytes, header: str | None, secrets: str | Iterable[str], *, now_s: float | None = None) -> int:
    """Check that `body` was signed with one of `secrets`, at most five minutes before or after now.

    Args:
        body: The raw bytes of the request, before any parsing.
        header: The value of `X-Webhook-Signature`.
        secrets: The subscription's secret, or several while it is rotated.
        now_s: The moment to compare with, in Unix seconds; by default now.

    Returns:
        The moment of signing, in Unix seconds.

    Raises:
        SignatureError: The request is not to be trusted; also when there is no secret or one is empty, because anybody
            can sign with an empty key.
    """
    keys = [secrets] if isinstance(secrets, str) else list(secrets)
    if not keys or not all(keys):
        raise SignatureError("no webhook secret is configured")
    timestamp, signatures = _parse(header)
    content = timestamp.encode() + b"." + body
    expected = [hmac.new(key.encode(), content, hashlib.sha256).hexdigest() for key in keys]
    # Every pair is compared, so that the time taken does not reveal which one matched.
    matches = [hmac.compare_digest(ours, theirs) for ours in expected for theirs in signatures]
    if not any(matches):
        raise SignatureError("no signature matches")
    if abs((time.time() if now_s is None else now_s) - int(timestamp)) > TOLERANCE_S:
        raise SignatureError("the timestamp is more than five minutes off")
    return int(timestamp)


def _parse(header: str | None) -> tuple[str, list[str]]:
    if not header or len(header) > MAX_HEADER_CHARS:
        raise SignatureError("the signature header is missing or too long")
    pairs = [part.strip().partition("=") for part in header.split(",")]
    timestamps = [value for name, _, value in pairs if name == "t"]
    signatures = [value for name, _, value in pairs if name == "v1"]
    if len(timestamps) != 1 or not _TIMESTAMP.fullmatch(timestamps[0]):
        raise SignatureError("the header needs exactly one t=<unix seconds>")
    if not 1 <= len(signatures) <= MAX_SIGNATURES or not all(map(_SIGNATURE.fullmatch, signatures)):
        raise SignatureError("the header needs one to ten v1=<64 hex digits>")
    return timestamps[0], signatures
