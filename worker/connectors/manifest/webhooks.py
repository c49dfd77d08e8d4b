"""Verifies and reads the webhooks of a provider as a manifest describes them."""

import base64
import binascii
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, ClassVar

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from worker.connectors.base import ProviderWebhooks
from worker.connectors.errors import AuthenticationError, InvalidDataError
from worker.connectors.manifest.authentication import values_of
from worker.connectors.manifest.fields import as_text, walk
from worker.connectors.manifest.request_filling import fill
from worker.connectors.manifest.rules import Webhook, WebhookSignature
from worker.connectors.notices import NoticeAction, ProviderNotice, ReceivedWebhook, VerifiedWebhook

_HASHES = {"hmac_sha256": hashlib.sha256, "hmac_sha512": hashlib.sha512, "hmac_sha1": hashlib.sha1}
_LONGEST_TEXT = 255


class ManifestWebhooks(ProviderWebhooks):
    """The webhooks of one manifest; `make_webhooks` makes the class of one. The secret is the operator's."""

    needs_app = True
    declared: ClassVar[Webhook]

    @cached_property
    def _secret(self) -> str | None:
        return fill(self.declared.signature.secret, values_of(self.app)) if self.app is not None else None

    def verify(self, received: ReceivedWebhook) -> VerifiedWebhook:
        """Check the signature, and the age where the time is signed. Raises: AuthenticationError."""
        signature = self.declared.signature
        with self.open_context() as context:
            now = context.now()
        stated = received.headers.get(signature.header.lower(), "")
        timestamp, found = _taken_apart(signature, stated, received)
        if self._secret is None or not any(_fits(signature, self._secret, one, timestamp, received) for one in found):
            raise AuthenticationError("the webhook's signature is not the provider's", reason="credentials")
        issued_at = _issued_at(signature, timestamp, now)
        return VerifiedWebhook(issued_at=issued_at, delivery=self._delivery(received.body, issued_at))

    def interpret(self, body: bytes) -> ProviderNotice:
        """Say what the webhook asks for; events that the manifest does not name ask for nothing.

        Raises: InvalidDataError when the body is no webhook of this provider.
        """
        found = _read(body)
        event = _text(found, self.declared.event)
        if event is None:
            raise InvalidDataError(f"the webhook names no event: {self.declared.event}")
        action = NoticeAction.NONE
        if event in self.declared.refresh:
            action = NoticeAction.REFRESH
        elif event in self.declared.needs_user:
            action = NoticeAction.NEEDS_USER if self._signs_time else NoticeAction.REFRESH
        return ProviderNotice(
            action=action,
            login_ref=_text(found, self.declared.connection),
            code=event,
            account_id=_text(found, self.declared.account),
            reason="action_required" if action is NoticeAction.NEEDS_USER else None,
        )

    @property
    def _signs_time(self) -> bool:
        """Whether it is known when a webhook was signed; else it may be one of long ago that comes again."""
        return self.declared.signature.signed == "timestamp.body"

    def _delivery(self, body: bytes, issued_at: datetime) -> str:
        """Return what tells a delivery from others: its own id, or its bytes and the moment.

        Where no time is signed, the same bytes are another delivery in the next minute: news may always read alike.
        """
        try:
            named = _text(_read(body), self.declared.id)
        except InvalidDataError:
            named = None
        if named is not None:
            return f"id {named}"
        moment = issued_at.isoformat() if self._signs_time else f"{issued_at:%Y-%m-%dT%H:%M}"
        return f"{moment} {hashlib.sha256(body).hexdigest()}"


def make_webhooks(declared: Webhook) -> type[ManifestWebhooks]:
    """Return the class that reads the webhooks of a manifest."""
    return type("WebhooksOfManifest", (ManifestWebhooks,), {"declared": declared, "__module__": __name__})


def _read(body: bytes) -> Any:  # noqa: ANN401 - the provider's own JSON
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise InvalidDataError("the webhook is not JSON") from None


def _text(found: Any, path: str | None) -> str | None:  # noqa: ANN401 - the provider's own JSON
    value = walk(found, path.split(".")) if path else None
    if value is None or isinstance(value, dict | list):
        return None
    return as_text(value, path or "")[:_LONGEST_TEXT] or None


def _taken_apart(signature: WebhookSignature, stated: str, received: ReceivedWebhook) -> tuple[str | None, list[str]]:
    """Return the time and the signatures of a webhook; several while the provider changes its secret."""
    timestamp = received.headers.get(signature.timestamp_header.lower()) if signature.timestamp_header else None
    if signature.signature_key is None:
        return timestamp, [stated.strip()]
    pairs = [part.strip().partition("=") for part in stated.split(",")]
    found = [value for name, _, value in pairs if name == signature.signature_key]
    times = [value for name, _, value in pairs if name == signature.timestamp_key]
    return timestamp or next(iter(times), None), found


def _fits(
    signature: WebhookSignature, secret: str, found: str, timestamp: str | None, received: ReceivedWebhook
) -> bool:
    if signature.kind == "shared_secret":
        return bool(found) and hmac.compare_digest(found.encode(), secret.encode())
    if signature.signed == "timestamp.body" and not timestamp:
        return False
    signed = received.body if signature.signed == "body" else f"{timestamp}.".encode() + received.body
    text = found.partition("=")[2] if "=" in found and signature.encoding == "hex" else found
    given = _decoded(text, signature.encoding)
    if signature.kind == "rsa_sha256":
        return _is_rsa(secret, given, signed)
    expected = hmac.new(secret.encode(), signed, _HASHES[signature.kind]).digest()
    return bool(given) and hmac.compare_digest(given, expected)


def _decoded(text: str, encoding: str) -> bytes:
    try:
        return bytes.fromhex(text) if encoding == "hex" else base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return b""


def _is_rsa(public_key: str, given: bytes, signed: bytes) -> bool:
    try:
        key = load_pem_public_key(public_key.encode())
        if not isinstance(key, RSAPublicKey):
            return False
        key.verify(given, signed, padding.PKCS1v15(), SHA256())
    except (ValueError, UnsupportedAlgorithm, InvalidSignature):
        return False
    return True


def _issued_at(signature: WebhookSignature, timestamp: str | None, now: datetime) -> datetime:
    """Return when a webhook was signed; now, where nothing says so. Raises: AuthenticationError for an old one."""
    if timestamp is None or signature.signed != "timestamp.body":
        return now
    try:
        at = datetime.fromtimestamp(int(timestamp), UTC)
    except (ValueError, OverflowError, OSError):
        raise AuthenticationError("the webhook's time cannot be read", reason="credentials") from None
    if abs(now - at) > timedelta(seconds=signature.max_age_s):
        raise AuthenticationError("the webhook is too old", reason="credentials")
    return at
