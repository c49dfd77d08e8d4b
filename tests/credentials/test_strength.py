"""Secrets that would protect nothing are refused with a sentence that names the setting and no value."""

import pytest

from worker.credentials.strength import check_distinct, check_signing_secret
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
