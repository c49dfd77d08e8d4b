"""Refuses weak secrets: too short, made up by a person, or the same as another one. Pure."""

import re
from collections.abc import Mapping
from itertools import pairwise

from worker.errors import ConfigurationError

SHORTEST_SIGNING_SECRET_BYTES = 32
"""RFC 7518, section 3.2: a key of HS256 is at least as long as its hash."""

_FEWEST_DISTINCT_BYTES = 10
_SAMPLE = re.compile(
    r"change[-_ ]?(me|this|it)|your[-_ ]?(own[-_ ]?)?(jwt|secret|key)|dev[-_ ]?secret|placeholder|insecure"
    r"|super[-_ ]?secret|^(pass(word|w0rd)?[\d\W_]*)+$",
    re.IGNORECASE,
)


_SHORTEST_PASSWORD = 8
_FEWEST_DISTINCT_CHARACTERS = 5
_ROWS = ("abcdefghijklmnopqrstuvwxyz", "0123456789", "qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertzuiop", "yxcvbnm")
_FOLLOWERS = frozenset(pair for row in _ROWS for pair in pairwise(row))


def is_guessable(secret: str) -> bool:
    """Say whether a secret is a well-known sample, of a few characters, repeated, or typed along the keyboard."""
    if _SAMPLE.search(secret) or (secret * 2).find(secret, 1) < len(secret):  # the second: one part several times
        return True
    letters = secret.lower()
    typed = sum(pair in _FOLLOWERS for pair in pairwise(letters))
    return typed * 2 > len(letters)


def check_signing_secret(name: str, secret: str) -> None:
    """Refuse a secret that signs tokens when it could be guessed. Raises: ConfigurationError naming the setting."""
    size = len(secret.encode())
    if size < SHORTEST_SIGNING_SECRET_BYTES:
        raise ConfigurationError(
            f"{name} has {size} bytes; HS256 needs at least {SHORTEST_SIGNING_SECRET_BYTES}, such as those of"
            " `openssl rand -base64 48`, in FinMind's configuration as well"
        )
    if len(set(secret.encode())) < _FEWEST_DISTINCT_BYTES or is_guessable(secret):
        raise ConfigurationError(f"{name} is a sample, not a secret; make one with `openssl rand -base64 48`")


def check_password(what: str, name: str, password: str) -> None:
    """Refuse a password of an operator that others would try. Raises: ConfigurationError.

    Args:
        what: The setting, and which of its log-ins.
        name: The operator's, which is no password.
        password: In clear.
    """
    if len(password) < _SHORTEST_PASSWORD:
        raise ConfigurationError(f"{what} has fewer than {_SHORTEST_PASSWORD} characters")
    if name == password or len(set(password)) < _FEWEST_DISTINCT_CHARACTERS or is_guessable(password):
        raise ConfigurationError(f"{what} is one that others would try; `openssl rand -base64 18` makes a good one")


def check_distinct(name: str, secret: str, others: Mapping[str, str]) -> None:
    """Refuse a secret that another setting holds as well. Raises: ConfigurationError naming both settings."""
    for other, value in others.items():
        if value.strip() == secret.strip():
            raise ConfigurationError(f"{name} and {other} hold the same secret: one that leaks would give away both")
