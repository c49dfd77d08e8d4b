"""Data keys are asked for rarely, used for a bounded time, and a renewed token survives a key service that is down."""

import os

import pytest

from worker.credentials import CredentialPlace, LocalKeyring
from worker.credentials.cache import CachedKeyProvider, CachePolicy
from worker.credentials.envelope import EnvelopeVault
from worker.errors import KeyProviderUnavailableError


class Remote:
    """A provider that counts, and can be down."""

    def __init__(self):
        self._ring = LocalKeyring({"k1": os.urandom(32)})
        self.key_ids = self._ring.key_ids
        self.calls = 0
        self.down = False

    def _ask(self):
        self.calls += 1
        if self.down:
            raise KeyProviderUnavailableError

    def new_data_key(self, key_id):
        self._ask()
        return self._ring.new_data_key(key_id)

    def unwrap(self, key_id, wrapped):
        self._ask()
        return self._ring.unwrap(key_id, wrapped)


class Clock:
    now_s = 1000.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def remote():
    return Remote()


def vault_with(remote, clock, **policy):
    cached = CachedKeyProvider(remote, CachePolicy(**policy), clock)
    return EnvelopeVault([cached], primary_key_id="k1")


def place(number: int) -> CredentialPlace:
    return CredentialPlace(table="t", column="c", user_id=1, row_id=str(number), version=1)


def test_ten_thousand_refreshes_make_a_handful_of_calls(remote, clock):
    vault = vault_with(remote, clock)
    blobs = [vault.seal(b"token", place(number)).blob for number in range(10_000)]
    assert remote.calls == 10
    fresh_process = vault_with(remote, clock)
    for number, blob in enumerate(blobs):
        fresh_process.open(blob, place(number))
    assert remote.calls == 20


def test_a_data_key_is_used_so_often_and_then_never_again(remote, clock):
    vault = vault_with(remote, clock, uses=3)
    for number in range(7):
        vault.seal(b"token", place(number))
    assert remote.calls == 3


def test_a_data_key_is_used_so_long_and_then_asked_for_again(remote, clock):
    vault = vault_with(remote, clock, ttl_s=300)
    blob = vault.seal(b"token", place(1)).blob
    clock.now_s += 299
    vault.open(blob, place(1))
    assert remote.calls == 1
    clock.now_s += 1
    vault.open(blob, place(1))
    vault.seal(b"token", place(2))
    assert remote.calls == 3


def test_only_so_many_data_keys_are_kept(remote, clock):
    vault = vault_with(remote, clock, uses=1, entries=10)
    blobs = [vault.seal(b"token", place(number)).blob for number in range(50)]
    assert remote.calls == 50
    assert len(vault._providers["k1"]._known) == 10
    vault.open(blobs[0], place(0))
    assert remote.calls == 51


def test_while_the_service_is_down_a_renewed_token_is_sealed_with_the_data_key_the_run_opened(remote, clock):
    blob = vault_with(remote, clock).seal(b"token", place(1)).blob
    run = vault_with(remote, clock)
    run.open(blob, place(1))
    remote.down = True
    clock.now_s += 840
    renewed = run.seal(b"renewed", place(2))
    remote.down = False
    assert vault_with(remote, clock).open(renewed.blob, place(2)) == b"renewed"


def test_while_the_service_is_down_nothing_is_opened_past_the_bound_and_sealing_ends_too(remote, clock):
    vault = vault_with(remote, clock, ttl_s=300, grace_s=900)
    blob = vault.seal(b"token", place(1)).blob
    remote.down = True
    clock.now_s += 300
    with pytest.raises(KeyProviderUnavailableError):
        vault.open(blob, place(1))
    clock.now_s += 600
    with pytest.raises(KeyProviderUnavailableError):
        vault.seal(b"token", place(2))


def test_a_service_that_is_down_is_left_alone_for_a_moment(remote, clock):
    vault = vault_with(remote, clock, pause_s=5)
    remote.down = True
    for _ in range(100):
        with pytest.raises(KeyProviderUnavailableError):
            vault.seal(b"token", place(1))
    assert remote.calls == 1
    remote.down = False
    clock.now_s += 5
    vault.seal(b"token", place(1))


def test_reprs_show_no_data_key(remote, clock):
    vault = vault_with(remote, clock)
    vault.seal(b"token", place(1))
    cached = vault._providers["k1"]
    (entry,) = cached._known.values()
    assert repr(entry.data_key.plaintext)[2:20] not in repr(cached) + repr(entry)
