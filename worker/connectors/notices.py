"""Notices: reports of a provider about a login, in words that all providers share. Pure data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol


class NoticeAction(StrEnum):
    """What a webhook asks for.

    Attributes:
        REFRESH: There are new transactions, or the login works again.
        NEEDS_USER: The login has stopped until its user acts.
        ACCESS_ENDING: It stops at `works_until` unless its user acts.
        NEW_ACCOUNTS: The bank has accounts that are not shared yet.
        ACCOUNT_REVOKED: One account is no longer shared.
        LINK_FINISHED: A user went through a link outside of the web app.
        NONE: Nothing that concerns us.
    """

    REFRESH = "refresh"
    NEEDS_USER = "needs_user"
    ACCESS_ENDING = "access_ending"
    NEW_ACCOUNTS = "new_accounts"
    ACCOUNT_REVOKED = "account_revoked"
    LINK_FINISHED = "link_finished"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedWebhook:
    """A webhook as it arrived.

    Attributes:
        headers: By lower-case name.
        body: Exactly the bytes received.
    """

    headers: Mapping[str, str]
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedWebhook:
    """What a verification found.

    Attributes:
        issued_at: When the provider signed it (UTC).
        delivery: Tells this delivery from every other one; the same delivery sent again has the same.
    """

    issued_at: datetime
    delivery: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderNotice:
    """What a webhook is about.

    Attributes:
        login_ref: The provider's id of the login, or the reference of the link; None: about no login.
        code: The provider's own word for it.
        account_id: The one account that it is about; None: the whole login.
        reason: Why the user is needed, as `AuthenticationError` names it.
        repaired: The login works again after it had stopped.
        works_until: When the access ends, where the provider states it.
        public_tokens: One-time tokens of a finished link.
    """

    action: NoticeAction
    login_ref: str | None
    code: str
    account_id: str | None = None
    reason: str | None = None
    repaired: bool = False
    works_until: datetime | None = None
    public_tokens: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedKey:
    """A public key of a provider, and when the provider was asked for it."""

    key: Mapping[str, Any]
    fetched_at: datetime


class WebhookKeyStore(Protocol):
    """Where a provider's public keys outlive the process; the host of the connector has it."""

    def load(self) -> Mapping[str, FetchedKey]:
        """Return the keys by id."""

    def save(self, key_id: str, fetched: FetchedKey) -> None:
        """Keep a key that the provider confirmed."""

    def forget(self, key_id: str) -> None:
        """Drop a key that the provider no longer knows."""
