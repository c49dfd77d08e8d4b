"""Verifies Plaid's webhooks and reads what they ask for, without a database."""

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import jwt

from worker.connectors.errors import AuthenticationError, InvalidDataError, RateLimitError
from worker.connectors.plaid.errors import NEEDS_USER, reason_of
from worker.connectors.reading import read_moment, text

MAX_AGE = timedelta(minutes=5)
_KEY_LIFE = timedelta(hours=24)
_LOOKUPS_PER_MINUTE = 10


class PlaidAction(StrEnum):
    """What the web app should do about a webhook.

    refresh: ask for a run. needs_user: ask the user to renew the connection. new_accounts: tell the user that the bank
    has accounts which are not shared yet; renewing the connection lets them choose. account_revoked: tell the user that
    one account is no longer shared; the others go on.
    """

    REFRESH = "refresh"
    NEEDS_USER = "needs_user"
    NEW_ACCOUNTS = "new_accounts"
    ACCOUNT_REVOKED = "account_revoked"
    IGNORE = "ignore"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaidNotice:
    """A webhook that was proven to be Plaid's.

    Attributes:
        account_id: The one account that it is about; None: the whole login.
        reason: As `AuthenticationError` names it, when the user is needed.
        works_until: Plaid warns ahead; until then the connection goes on working. None under NEEDS_USER means that it
            has already stopped.
    """

    action: PlaidAction
    item_id: str | None
    code: str
    account_id: str | None = None
    reason: str | None = None
    works_until: datetime | None = None


_ACTIONS: Mapping[tuple[str, str], PlaidAction] = {
    ("TRANSACTIONS", "SYNC_UPDATES_AVAILABLE"): PlaidAction.REFRESH,
    ("TRANSACTIONS", "INITIAL_UPDATE"): PlaidAction.REFRESH,
    ("TRANSACTIONS", "HISTORICAL_UPDATE"): PlaidAction.REFRESH,
    ("TRANSACTIONS", "DEFAULT_UPDATE"): PlaidAction.REFRESH,
    ("TRANSACTIONS", "TRANSACTIONS_REMOVED"): PlaidAction.REFRESH,
    ("ITEM", "LOGIN_REPAIRED"): PlaidAction.REFRESH,
    ("ITEM", "PENDING_EXPIRATION"): PlaidAction.NEEDS_USER,
    ("ITEM", "PENDING_DISCONNECT"): PlaidAction.NEEDS_USER,
    ("ITEM", "USER_PERMISSION_REVOKED"): PlaidAction.NEEDS_USER,
    ("ITEM", "USER_ACCOUNT_REVOKED"): PlaidAction.ACCOUNT_REVOKED,
    ("ITEM", "NEW_ACCOUNTS_AVAILABLE"): PlaidAction.NEW_ACCOUNTS,
}


@dataclass(slots=True)
class WebhookKeys:
    """Plaid's public keys by id, kept for a day; strangers who invent ids cannot make us ask Plaid without end.

    fetch: asks Plaid for the key of an id (`PlaidApi.webhook_key`). now: the current moment (UTC).
    """

    fetch: Callable[[str], Mapping[str, Any]]
    now: Callable[[], datetime]
    _keys: dict[str, tuple[datetime, Mapping[str, Any]]] = field(default_factory=dict)
    _lookups: list[datetime] = field(default_factory=list)

    def get(self, key_id: str) -> Mapping[str, Any]:
        """Return the key. Raises: AuthenticationError when it expired; RateLimitError; whatever asking Plaid raises."""
        now = self.now()
        fetched_at, key = self._keys.get(key_id, (None, {}))
        if fetched_at is None or now - fetched_at > _KEY_LIFE:
            key = self._ask(key_id, now)
            self._keys[key_id] = (now, key)
        expired_at = key.get("expired_at")
        if expired_at is not None and expired_at <= now.timestamp():
            raise AuthenticationError("the webhook was signed with an expired key", reason="credentials")
        return key

    def _ask(self, key_id: str, now: datetime) -> Mapping[str, Any]:
        self._lookups = [asked_at for asked_at in self._lookups if now - asked_at < timedelta(minutes=1)]
        if len(self._lookups) >= _LOOKUPS_PER_MINUTE:
            raise RateLimitError("too many unknown webhook key ids", retry_after_s=60)
        self._lookups.append(now)
        return self.fetch(key_id)


def plaid_webhook(body: bytes, signature: str, keys: WebhookKeys) -> PlaidNotice:
    """Verify a webhook and say what it asks for.

    body: exactly as received. signature: the `Plaid-Verification` header. Plaid signs with ES256, states a SHA-256 of
    the body, and a webhook older than five minutes is refused: https://plaid.com/docs/api/webhooks/webhook-verification

    Raises: AuthenticationError when it is not Plaid's, InvalidDataError when the body is no webhook, and what looking
    up an unknown key raises.
    """
    claims = _verified_claims(signature, keys)
    issued_at = claims.get("iat")
    now = keys.now()
    if not isinstance(issued_at, int | float) or abs(now.timestamp() - issued_at) > MAX_AGE.total_seconds():
        raise AuthenticationError("the webhook is too old", reason="credentials")
    stated = claims.get("request_body_sha256")
    if not isinstance(stated, str) or not hmac.compare_digest(stated.encode(), _sha256(body)):
        raise AuthenticationError("the webhook's body is not the one that was signed", reason="credentials")
    return read_notice(body)


def read_notice(body: bytes) -> PlaidNotice:
    """Say what a webhook asks for; codes we do not know are ignored. Raises: InvalidDataError."""
    try:
        notice = json.loads(body)
        kind, code = notice["webhook_type"], notice["webhook_code"]
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidDataError("the body is not a Plaid webhook") from error
    item_id = notice.get("item_id")
    if (kind, code) == ("ITEM", "ERROR"):
        return _item_error(item_id, notice.get("error") or {})
    action = _ACTIONS.get((kind, code), PlaidAction.IGNORE)
    if action is not PlaidAction.NEEDS_USER:
        return PlaidNotice(action=action, item_id=item_id, code=code, account_id=text(notice, "account_id"))
    works_until = read_moment(notice.get("consent_expiration_time") or notice.get("disconnect_time"))
    return PlaidNotice(action=action, item_id=item_id, code=code, reason=reason_of(code), works_until=works_until)


def _item_error(item_id: str | None, error: Mapping[str, Any]) -> PlaidNotice:
    code = str(error.get("error_code") or "ERROR")
    if code not in NEEDS_USER:
        return PlaidNotice(action=PlaidAction.IGNORE, item_id=item_id, code=code)
    reason = reason_of(code, error.get("error_code_reason"))
    return PlaidNotice(action=PlaidAction.NEEDS_USER, item_id=item_id, code=code, reason=reason)


def _verified_claims(signature: str, keys: WebhookKeys) -> Mapping[str, Any]:
    try:
        header = jwt.get_unverified_header(signature)
        if header.get("alg") != "ES256" or not isinstance(header.get("kid"), str):
            raise AuthenticationError("the webhook is not signed with ES256", reason="credentials")
        key = jwt.PyJWK(dict(keys.get(header["kid"])), algorithm="ES256")
        claims: Mapping[str, Any] = jwt.decode(
            signature, key=key, algorithms=["ES256"], options={"verify_iat": False, "verify_aud": False}
        )
    except jwt.PyJWTError as error:
        raise AuthenticationError("the webhook's signature is not Plaid's", reason="credentials") from error
    return claims


def _sha256(body: bytes) -> bytes:
    return hashlib.sha256(body).hexdigest().encode()
