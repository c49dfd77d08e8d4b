"""Plaid's public keys of webhooks, by id."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from worker.connectors.errors import (
    AuthenticationError,
    ConnectorError,
    RateLimitError,
)
from worker.connectors.notices import FetchedKey, WebhookKeyStore

_KEY_LIFE = timedelta(hours=24)
_LOOKUPS_PER_MINUTE = 20
_REPEATED_LOOKUPS_PER_MINUTE = 10
_MOST_KEYS = 50
_MOST_REMEMBERED = 1000
_UNKNOWN_KEY = "INVALID_WEBHOOK_VERIFICATION_KEY_ID"


@dataclass(slots=True)
class WebhookKeys:
    """Plaid's public keys by id, cached for a day; how many unknown ids are looked up is limited.

    The keys that Plaid confirmed are known again after a restart: a process loads them once from where they are kept.
    Only ids that were never seen are counted: a key that is known is renewed in any case, and an id that Plaid refused
    is not asked for again. Strangers invent a new id for each request, while Plaid signs all its webhooks with one key
    and repeats those that were turned away. So further lookups are kept for ids that come again: among them the one
    that came most often is next.

    Attributes:
        fetch: Asks Plaid for the key of an id (`PlaidApi.webhook_key`).
        now: The current moment (UTC).
        find_store: Returns where keys outlive the process; None where they do not.
    """

    fetch: Callable[[str], Mapping[str, Any]]
    now: Callable[[], datetime]
    find_store: Callable[[], WebhookKeyStore | None] = lambda: None
    _keys: OrderedDict[str, FetchedKey] = field(default_factory=OrderedDict)
    _is_loaded: bool = False
    _lookups: list[datetime] = field(default_factory=list)
    _repeated_lookups: list[datetime] = field(default_factory=list)
    _refused: OrderedDict[str, int] = field(default_factory=OrderedDict)
    _turned_away: OrderedDict[str, int] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, key_id: str) -> Mapping[str, Any]:
        """Return the key. Raises: AuthenticationError when it expired; RateLimitError; and what `fetch` raises."""
        now = self.now()
        with self._lock:
            self._load()
            known = self._keys.get(key_id)
            if known is None:
                self._count_lookup(key_id, now)
        if known is None or now - known.fetched_at > _KEY_LIFE:
            known = FetchedKey(key=self._fetched(key_id), fetched_at=now)
            with self._lock:
                self._keys[key_id] = known
                while len(self._keys) > _MOST_KEYS:
                    self._keys.popitem(last=False)
            if (store := self.find_store()) is not None:
                store.save(key_id, known)
        expired_at = known.key.get("expired_at")
        if isinstance(expired_at, int | float) and expired_at <= now.timestamp():
            raise AuthenticationError("the webhook was signed with an expired key", reason="credentials")
        return known.key

    def _load(self) -> None:
        store = None if self._is_loaded else self.find_store()
        if store is not None:
            self._keys.update(store.load())
            self._is_loaded = True

    def _fetched(self, key_id: str) -> Mapping[str, Any]:
        try:
            return self.fetch(key_id)
        except ConnectorError as error:
            if _UNKNOWN_KEY not in str(error):
                raise
            self._forget(key_id)
            raise AuthenticationError("Plaid knows no such key", reason="credentials") from None

    def _forget(self, key_id: str) -> None:
        """Refuse an id that Plaid does not know; one that it knew before is forgotten."""
        with self._lock:
            _remember(self._refused, key_id, 1)
            was_known = self._keys.pop(key_id, None) is not None
        if was_known and (store := self.find_store()) is not None:
            store.forget(key_id)

    def _count_lookup(self, key_id: str, now: datetime) -> None:
        """Count the lookup of an unknown id. Raises: AuthenticationError, RateLimitError."""
        if key_id in self._refused:
            raise AuthenticationError("Plaid knows no such key", reason="credentials")
        repeated = _REPEATED_LOOKUPS_PER_MINUTE if self._came_most_often(key_id) else 0
        for lookups, most in ((self._lookups, _LOOKUPS_PER_MINUTE), (self._repeated_lookups, repeated)):
            lookups[:] = [asked_at for asked_at in lookups if now - asked_at < timedelta(minutes=1)]
            if len(lookups) < most:
                lookups.append(now)
                self._turned_away.pop(key_id, None)
                return
        _remember(self._turned_away, key_id, self._turned_away.get(key_id, 0) + 1)
        raise RateLimitError("too many unknown webhook key ids", retry_after_s=60)

    def _came_most_often(self, key_id: str) -> bool:
        times = self._turned_away.get(key_id, 0)
        return times > 0 and times == max(self._turned_away.values())


def _remember(known: OrderedDict[str, int], key_id: str, value: int) -> None:
    """Keep a number under an id, of the ids that came last."""
    known[key_id] = value
    known.move_to_end(key_id)
    while len(known) > _MOST_REMEMBERED:
        known.popitem(last=False)
