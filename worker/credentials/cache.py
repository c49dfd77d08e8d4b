"""Caches data keys of a remote provider, bounded in time and uses, so that few calls serve 10,000 refreshes.

Why these bounds, and why values are still sealed while the key service is down: docs/decisions/0021-data-key-cache.md.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import TypeVar

from worker.credentials.providers import DataKey, KeyProvider
from worker.errors import KeyProviderUnavailableError
from worker.telemetry.logs import get_logger

log = get_logger(__name__)

AnswerT = TypeVar("AnswerT")


@dataclass(frozen=True, slots=True, kw_only=True)
class CachePolicy:
    """The limits of the cache.

    Attributes:
        ttl_s: How long one data key is used.
        uses: How often one data key is used.
        entries: How many data keys are kept.
        grace_s: How long a cached data key may still seal, never open, while the key service is down.
        pause_s: How long a key service that did not answer is not called.
    """

    ttl_s: float = 300
    uses: int = 1000
    entries: int = 10_000
    grace_s: float = 900
    pause_s: float = 5


@dataclass(slots=True, kw_only=True)
class _Entry:
    data_key: DataKey
    made_at_s: float
    uses_left: int


@dataclass(slots=True)
class CachedKeyProvider:
    """Caches the data keys of another provider. Thread-safe; never shared between processes."""

    inner: KeyProvider
    policy: CachePolicy = field(default_factory=CachePolicy)
    clock: Callable[[], float] = time.monotonic
    _known: OrderedDict[tuple[str, bytes], _Entry] = field(default_factory=OrderedDict, repr=False)
    _sealing: dict[str, _Entry] = field(default_factory=dict, repr=False)
    _down_until_s: float = 0
    _lock: Lock = field(default_factory=Lock, repr=False)

    @property
    def key_ids(self) -> Sequence[str]:
        """The ids of the provider's keys."""
        return self.inner.key_ids

    def new_data_key(self, key_id: str) -> DataKey:
        """Return a data key to seal with; the same one for a while. Raises: KeyProviderUnavailableError."""
        entry = self._use(self._sealing.get(key_id))
        if entry is not None:
            return entry.data_key
        try:
            data_key = self._call_unless_down(lambda: self.inner.new_data_key(key_id))
        except KeyProviderUnavailableError:
            entry = self._within_grace(key_id)
            if entry is None:
                raise
            log.warning("credentials.sealed_with_a_known_data_key", key_id=key_id)
            return entry.data_key
        self._sealing[key_id] = self._keep(key_id, data_key)
        return data_key

    def unwrap(self, key_id: str, wrapped: bytes) -> bytes:
        """Return the data key behind `wrapped`. Raises: CredentialError, KeyProviderUnavailableError."""
        entry = self._use(self._known.get((key_id, wrapped)))
        if entry is not None:
            return entry.data_key.plaintext
        plaintext = self._call_unless_down(lambda: self.inner.unwrap(key_id, wrapped))
        self._keep(key_id, DataKey(plaintext=plaintext, wrapped=wrapped))
        return plaintext

    def _use(self, entry: _Entry | None) -> _Entry | None:
        with self._lock:
            if entry is None or entry.uses_left < 1 or self._age_s(entry) >= self.policy.ttl_s:
                return None
            entry.uses_left -= 1
            return entry

    def _keep(self, key_id: str, data_key: DataKey) -> _Entry:
        entry = _Entry(data_key=data_key, made_at_s=self.clock(), uses_left=self.policy.uses - 1)
        with self._lock:
            self._known[key_id, data_key.wrapped] = entry
            self._known.move_to_end((key_id, data_key.wrapped))
            while self._known and (len(self._known) > self.policy.entries or self._is_stale(self._oldest())):
                self._known.popitem(last=False)
        return entry

    def _within_grace(self, key_id: str) -> _Entry | None:
        with self._lock:
            known = (entry for (owner, _), entry in reversed(self._known.items()) if owner == key_id)
            return next((entry for entry in known if not self._is_stale(entry)), None)

    def _call_unless_down(self, call: Callable[[], AnswerT]) -> AnswerT:
        if self.clock() < self._down_until_s:
            raise KeyProviderUnavailableError(f"the key service of {', '.join(self.key_ids)} did not answer just now")
        try:
            return call()
        except KeyProviderUnavailableError:
            self._down_until_s = self.clock() + self.policy.pause_s
            raise

    def _oldest(self) -> _Entry:
        return next(iter(self._known.values()))

    def _is_stale(self, entry: _Entry) -> bool:
        return self._age_s(entry) >= self.policy.grace_s

    def _age_s(self, entry: _Entry) -> float:
        return self.clock() - entry.made_at_s
