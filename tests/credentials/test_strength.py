"""Secrets that would protect nothing are refused with a sentence that names the setting and no value."""

import os
from base64 import b64encode
from secrets import token_hex

import pytest

from worker.credentials.strength import check_distinct, check_password, check_signing_secret, is_guessable
from worker.errors import ConfigurationError


@pytest.mark.parametrize(
    ("secret", "reason"),
    [
        ("", "0 bytes"),
        ("s", "1 bytes"),
        ("thirty-one characters, too few!", "31 bytes"),
        ("a" * 64, "sample"),
        ("ab" * 32, "sample"),
        ("dev-secret-change-in-production-please", "sample"),
        ("super-secret-key-for-jwt-that-is-long", "sample"),
        ("0123456789" * 4, "sample"),
        ("abcdefghijklmnopqrstuvwxyz0123456789", "sample"),
        ("qwertyuiopasdfghjklzxcvbnm1234567890", "sample"),
        ("passwordpasswordpasswordpassword123456", "sample"),
        ("k9Xq2Lw7Tb4Z" * 3, "sample"),
        ("CHANGE_ME_CHANGE_ME_CHANGE_ME_1234567", "sample"),
    ],
)
def test_a_weak_secret_is_refused(secret, reason):
    with pytest.raises(ConfigurationError, match=reason) as refused:
        check_signing_secret("JWT_SECRET", secret)
    assert "JWT_SECRET" in str(refused.value)
    assert len(secret) < 2 or secret not in str(refused.value)


def test_a_random_secret_is_taken():
    check_signing_secret("JWT_SECRET", "y4Tq0mS9bC2kXwVr7LzN1uHgF8pJdE5a")


def test_one_secret_for_two_things_is_refused():
    with pytest.raises(ConfigurationError, match="JWT_SECRET and REDIS_URL"):
        check_distinct("JWT_SECRET", "one", {"DATABASE_URL": "other", "REDIS_URL": "one"})


@pytest.mark.parametrize(
    "secret", [b64encode(os.urandom(48)).decode() for _ in range(3)] + [token_hex(32)], ids=range(4)
)
def test_what_a_machine_made_is_never_guessable(secret):
    assert not is_guessable(secret)


@pytest.mark.parametrize("password", ["operator", "password", "aaaaaaaa", "change-me-please", "12345678", "short"])
def test_a_password_that_others_would_try_is_refused(password):
    with pytest.raises(ConfigurationError, match="OPS_BASIC_AUTH") as refused:
        check_password("OPS_BASIC_AUTH", "operator", password)
    assert password == "operator" or password not in str(refused.value)


def test_blanks_around_a_secret_make_no_other_one_of_it():
    with pytest.raises(ConfigurationError):
        check_distinct("JWT_SECRET", "one", {"EVENT_SIGNING_KEY": "one "})
