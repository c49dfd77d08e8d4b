"""Signs webhook requests in two formats with one secret. Pure.

`X-Webhook-Signature` is keyed with the UTF-8 bytes of the whole secret (Stripe's rule, so Stripe's verifier works);
the Standard Webhooks headers are keyed with the bytes behind `whsec_`. Both sign exactly the bytes that are sent.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

SECRET_PREFIX = "whsec_"  # noqa: S105 - the public prefix, not a secret
SECRET_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What one attempt sends.

    Attributes:
        attempt: The number of the attempt, from 1; informational and not signed.
        body: The bytes to send.
    """

    event_id: str
    event_type: str
    attempt: int
    body: bytes


def make_secret() -> str:
    """Return a new signing secret: `whsec_` and 32 random bytes in base64."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def sign(secret: str, timestamp_s: int, body: bytes) -> str:
    """Return the hex HMAC-SHA256 over `{timestamp}.{body}`, keyed with the whole secret."""
    return hmac.new(secret.encode(), b"%d.%b" % (timestamp_s, body), hashlib.sha256).hexdigest()


def sign_standard(secret: str, event_id: str, timestamp_s: int, body: bytes) -> str:
    """Return the Standard Webhooks signature over `{id}.{timestamp}.{body}`, keyed with the decoded secret."""
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    content = b"%b.%d.%b" % (event_id.encode(), timestamp_s, body)
    return "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()


def signed_headers(message: Message, secrets_: Sequence[str], timestamp_s: int) -> dict[str, str]:
    """Return the headers of one attempt.

    Args:
        secrets_: The current one first, then old ones still in their grace.
    """
    timestamp = str(timestamp_s)
    ours = [f"v1={sign(secret, timestamp_s, message.body)}" for secret in secrets_]
    standard = [sign_standard(secret, message.event_id, timestamp_s, message.body) for secret in secrets_]
    return {
        "X-Webhook-Id": message.event_id,
        "X-Webhook-Event": message.event_type,
        "X-Webhook-Timestamp": timestamp,
        "X-Webhook-Attempt": str(message.attempt),
        "X-Webhook-Signature": ",".join([f"t={timestamp}", *ours]),
        "webhook-id": message.event_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(standard),
    }
