"""Verifies Plaid's webhooks and reads what they ask for, without a database."""

import hashlib
import hmac
import json
import math
import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
from pydantic import BaseModel

from worker.connectors.base import ConnectorContext, ProviderWebhooks
from worker.connectors.errors import (
    AuthenticationError,
    InvalidDataError,
    ProviderUnavailableError,
)
from worker.connectors.notices import NoticeAction, ProviderNotice, ReceivedWebhook, VerifiedWebhook
from worker.connectors.plaid.api import PlaidApi, PlaidApp
from worker.connectors.plaid.errors import NEEDS_USER, reason_of
from worker.connectors.plaid.webhook_keys import WebhookKeys
from worker.connectors.reading import read_moment, text

HEADER = "plaid-verification"
MAX_AGE = timedelta(minutes=5)
_KEY_ID = re.compile(r"[\x21-\x7e]{1,100}")
_LONGEST_SIGNATURE = 4096
_LONGEST_REF = 255

_ACTIONS: Mapping[tuple[str, str], NoticeAction] = {
    ("TRANSACTIONS", "SYNC_UPDATES_AVAILABLE"): NoticeAction.REFRESH,
    ("TRANSACTIONS", "INITIAL_UPDATE"): NoticeAction.REFRESH,
    ("TRANSACTIONS", "HISTORICAL_UPDATE"): NoticeAction.REFRESH,
    ("TRANSACTIONS", "DEFAULT_UPDATE"): NoticeAction.REFRESH,
    ("TRANSACTIONS", "TRANSACTIONS_REMOVED"): NoticeAction.REFRESH,
    ("ITEM", "LOGIN_REPAIRED"): NoticeAction.REFRESH,
    ("ITEM", "PENDING_EXPIRATION"): NoticeAction.ACCESS_ENDING,
    ("ITEM", "PENDING_DISCONNECT"): NoticeAction.ACCESS_ENDING,
    ("ITEM", "USER_PERMISSION_REVOKED"): NoticeAction.NEEDS_USER,
    ("ITEM", "USER_ACCOUNT_REVOKED"): NoticeAction.ACCOUNT_REVOKED,
    ("ITEM", "NEW_ACCOUNTS_AVAILABLE"): NoticeAction.NEW_ACCOUNTS,
}


class PlaidWebhooks(ProviderWebhooks):
    """Plaid signs with ES256 and states a SHA-256 of the body.

    https://plaid.com/docs/api/webhooks/webhook-verification
    """

    needs_app = True

    def __init__(
        self, app: BaseModel | None, open_context: Callable[[], AbstractContextManager[ConnectorContext]]
    ) -> None:
        super().__init__(app, open_context)
        self._keys = WebhookKeys(fetch=self._fetch_key, now=self._now, find_store=lambda: self.key_store)

    def verify(self, received: ReceivedWebhook) -> VerifiedWebhook:
        """Check signature, age and hash of the body.

        Raises: AuthenticationError when it is not Plaid's, and what looking up an unknown key raises.
        """
        signature = received.headers.get(HEADER, "")
        issued_at = verify_signature(received.body, signature, self._keys)
        # Not the signature: the same one can be spelt in several ways.
        delivery = f"{issued_at.isoformat()} {hashlib.sha256(received.body).hexdigest()}"
        return VerifiedWebhook(issued_at=issued_at, delivery=delivery)

    def interpret(self, body: bytes) -> ProviderNotice:
        """Read the webhook. Raises: InvalidDataError."""
        return read_notice(body)

    def _fetch_key(self, key_id: str) -> Mapping[str, Any]:
        assert isinstance(self.app, PlaidApp)
        try:
            with self.open_context() as context:
                return PlaidApi(self.app, context).webhook_key(key_id)
        except AuthenticationError:
            raise ProviderUnavailableError("Plaid refuses the application itself") from None

    def _now(self) -> datetime:
        with self.open_context() as context:
            return context.now()


def verify_signature(body: bytes, signature: str, keys: WebhookKeys) -> datetime:
    """Prove that Plaid sent this body at most five minutes ago, and return when it was signed.

    Args:
        body: Exactly as received.
        signature: The `Plaid-Verification` header.

    Raises: AuthenticationError when it is not Plaid's, and what looking up an unknown key raises.
    """
    _refuse_implausible(body, signature, keys.now())
    claims = _verified_claims(signature, keys)
    return _check_claims(claims, body, keys.now())


def read_notice(body: bytes) -> ProviderNotice:
    """Say what a webhook asks for; codes we do not know ask for nothing. Raises: InvalidDataError."""
    try:
        notice = json.loads(body)
        kind, code = notice["webhook_type"], notice["webhook_code"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InvalidDataError("the body is not a Plaid webhook") from error
    if not isinstance(kind, str) or not isinstance(code, str):
        raise InvalidDataError("the body is not a Plaid webhook")
    if (kind, code) == ("LINK", "SESSION_FINISHED"):
        return _link_session(notice)
    item_id = _ref(notice.get("item_id"))
    if (kind, code) == ("ITEM", "ERROR"):
        return _item_error(item_id, notice.get("error"))
    action, account_id = _ACTIONS.get((kind, code), NoticeAction.NONE), _ref(notice.get("account_id"))
    if action is NoticeAction.ACCOUNT_REVOKED and account_id is None:
        action = NoticeAction.REFRESH
    return ProviderNotice(
        action=action,
        login_ref=item_id,
        code=_ref(code) or "OTHER",
        account_id=account_id,
        reason=reason_of(code) if action in {NoticeAction.NEEDS_USER, NoticeAction.ACCESS_ENDING} else None,
        repaired=code == "LOGIN_REPAIRED",
        works_until=read_moment(notice.get("consent_expiration_time") or notice.get("disconnect_time")),
    )


def link_ref(link_token: str) -> str:
    """Return the reference of a link that was opened with this token; the token itself is not kept."""
    return "link:" + hashlib.sha256(link_token.encode()).hexdigest()


def _link_session(notice: Mapping[str, Any]) -> ProviderNotice:
    """Read the end of a Hosted Link session; one that the user broke off leaves nothing to do."""
    token = text(notice, "link_token")
    given = notice.get("public_tokens")
    tokens = [one for one in given if isinstance(one, str) and one] if isinstance(given, list) else []
    if not tokens and (only := text(notice, "public_token")):
        tokens = [only]
    finished = str(notice.get("status") or "").upper() == "SUCCESS"
    return ProviderNotice(
        action=NoticeAction.LINK_FINISHED if finished and token else NoticeAction.NONE,
        login_ref=link_ref(token) if token else None,
        code="SESSION_FINISHED",
        public_tokens=tuple(dict.fromkeys(tokens)),
    )


def _item_error(item_id: str | None, error: object) -> ProviderNotice:
    stated: Mapping[str, Any] = error if isinstance(error, Mapping) else {}
    code = _ref(stated.get("error_code")) or "ERROR"
    if code not in NEEDS_USER:
        return ProviderNotice(action=NoticeAction.NONE, login_ref=item_id, code=code)
    reason = reason_of(code, stated.get("error_code_reason"))
    return ProviderNotice(action=NoticeAction.NEEDS_USER, login_ref=item_id, code=code, reason=reason)


def _ref(value: object) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= _LONGEST_REF and value.isprintable() else None


def _refuse_implausible(body: bytes, signature: str, now: datetime) -> None:
    """Refuse what cannot be right before Plaid is asked for a key: strangers cost us nothing but a hash."""
    if not 0 < len(signature) <= _LONGEST_SIGNATURE:
        raise AuthenticationError("the webhook carries no signature", reason="credentials")
    try:
        claims = jwt.decode(signature, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, RecursionError) as error:
        raise AuthenticationError("the webhook's signature is not Plaid's", reason="credentials") from error
    header = jwt.get_unverified_header(signature)
    if header.get("alg") != "ES256" or not isinstance(header.get("kid"), str):
        raise AuthenticationError("the webhook is not signed with ES256", reason="credentials")
    if not _KEY_ID.fullmatch(header["kid"]):
        raise AuthenticationError("the webhook's signature is not Plaid's", reason="credentials")
    _check_claims(claims, body, now)


def _check_claims(claims: Mapping[str, Any], body: bytes, now: datetime) -> datetime:
    issued_at_s = _seconds(claims.get("iat"))
    if not abs(now.timestamp() - issued_at_s) <= MAX_AGE.total_seconds():  # also false for what is no number
        raise AuthenticationError("the webhook is too old", reason="credentials")
    stated = claims.get("request_body_sha256")
    made = hashlib.sha256(body).hexdigest()
    if not isinstance(stated, str) or not stated.isascii() or not hmac.compare_digest(stated, made):
        raise AuthenticationError("the webhook's body is not the one that was signed", reason="credentials")
    return datetime.fromtimestamp(issued_at_s, UTC)


def _seconds(value: object) -> float:
    """Return a moment in seconds; not a number (NaN) for anything that is none."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.nan


def _verified_claims(signature: str, keys: WebhookKeys) -> Mapping[str, Any]:
    try:
        key = jwt.PyJWK(dict(keys.get(jwt.get_unverified_header(signature)["kid"])), algorithm="ES256")
        claims: Mapping[str, Any] = jwt.decode(
            signature, key=key, algorithms=["ES256"], options={"verify_iat": False, "verify_aud": False}
        )
    except jwt.PyJWTError as error:
        raise AuthenticationError("the webhook's signature is not Plaid's", reason="credentials") from error
    return claims
