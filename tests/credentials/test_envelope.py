"""A sealed value opens in its own place, with its own key, unchanged; and nowhere else."""

import dataclasses
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.credentials import CredentialPlace, LocalKeyring
from worker.credentials.envelope import EnvelopeVault, read_envelope
from worker.errors import ConfigurationError, CredentialError

PLACE = CredentialPlace(table="bank_connections", column="config_encrypted", user_id=7, row_id="a1", version=3)
KEYS = {"k1": os.urandom(32), "k2": os.urandom(32)}
VAULT = EnvelopeVault([LocalKeyring(KEYS)], primary_key_id="k1")


@given(st.binary(max_size=2000))
def test_what_was_sealed_opens(plaintext):
    sealed = VAULT.seal(plaintext, PLACE)
    assert sealed.key_id == "k1"
    assert VAULT.open(sealed.blob, PLACE) == plaintext
    assert len(plaintext) < 4 or plaintext not in sealed.blob


def test_equal_secrets_never_make_equal_blobs():
    assert len({VAULT.seal(b"same", PLACE).blob for _ in range(50)}) == 50


@pytest.mark.parametrize(
    "elsewhere",
    [{"table": "webhook_subscriptions"}, {"column": "other"}, {"user_id": 8}, {"row_id": "a2"}, {"version": 2}],
    ids=lambda change: next(iter(change)),
)
def test_a_blob_moved_to_another(elsewhere):
    sealed = VAULT.seal(b"secret", PLACE)
    with pytest.raises(CredentialError, match="not sealed for this place"):
        VAULT.open(sealed.blob, dataclasses.replace(PLACE, **elsewhere))


def test_neighbouring_fields_cannot_be_shifted_into_each_other():
    left = dataclasses.replace(PLACE, table="ab", column="c")
    right = dataclasses.replace(PLACE, table="a", column="bc")
    with pytest.raises(CredentialError):
        VAULT.open(VAULT.seal(b"secret", left).blob, right)


def test_no_changed_bit_opens():
    blob = VAULT.seal(b"secret", PLACE).blob
    for position in range(len(blob) * 8):
        changed = bytearray(blob)
        changed[position // 8] ^= 1 << position % 8
        with pytest.raises(CredentialError):
            VAULT.open(bytes(changed), PLACE)


@given(st.binary(max_size=200))
def test_noise_is_refused_by_name_and_never_crashes(noise):
    with pytest.raises(CredentialError, match=r"bank_connections\.config_encrypted of row a1"):
        VAULT.open(noise, PLACE)


def test_a_truncated_blob_is_refused():
    blob = VAULT.seal(b"secret", PLACE).blob
    for length in range(len(blob)):
        with pytest.raises(CredentialError):
            VAULT.open(blob[:length], PLACE)


def test_the_blob_names_its_key_and_an_older_key_still_opens_it():
    blob = VAULT.seal(b"secret", PLACE).blob
    assert read_envelope(blob).key_id == "k1"
    assert EnvelopeVault([LocalKeyring(KEYS)], primary_key_id="k2").open(blob, PLACE) == b"secret"


def test_a_missing_key_is_named():
    other = EnvelopeVault([LocalKeyring({"k2": KEYS["k2"]})], primary_key_id="k2")
    with pytest.raises(CredentialError, match="needs the key 'k1', which is not configured"):
        other.open(VAULT.seal(b"secret", PLACE).blob, PLACE)


def test_another_key_under_the_same_id_is_told_apart():
    impostor = EnvelopeVault([LocalKeyring({"k1": os.urandom(32)})], primary_key_id="k1")
    with pytest.raises(CredentialError, match="not the one that sealed this value"):
        impostor.open(VAULT.seal(b"secret", PLACE).blob, PLACE)


def test_errors_never_carry_the_content():
    sealed = VAULT.seal(b"hunter2-canary", PLACE)
    with pytest.raises(CredentialError) as caught:
        VAULT.open(sealed.blob[:-1] + b"x", PLACE)
    assert "hunter2" not in repr(caught.value) + str(caught.value.__cause__)


def test_a_vault_without_its_primary_key_or_with_two_keys_of_one_name_does_not_start():
    ring = LocalKeyring(KEYS)
    with pytest.raises(ConfigurationError, match="'k9' is not configured"):
        EnvelopeVault([ring], primary_key_id="k9")
    with pytest.raises(ConfigurationError, match="same id"):
        EnvelopeVault([ring, ring], primary_key_id="k1")
