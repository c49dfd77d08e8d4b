"""Refuses weak secrets: too short, made up, or the same as another one. Pure."""

import re
from collections.abc import Mapping

from worker.errors import ConfigurationError

SHORTEST_SIGNING_SECRET_BYTES = 32
"""RFC 7518, section 3.2: a key of HS256 is at least as long as its hash."""

_FEWEST_DISTINCT_BYTES = 10
_SAMPLE = re.compile(
    r"change[-_ ]?(me|this|it)|your[-_ ]?(own[-_ ]?)?(jwt|secret|key)|dev[-_ ]?secret|placeholder|insecure"
    r"|super[-_ ]?secret",
    re.IGNORECASE,
)


def check_signing_secret(name: str, secret: str) -> None:
    """Refuse a secret that signs tokens when it could be guessed. Raises: ConfigurationError naming the setting."""
    size = len(secret.encode())
    if size < SHORTEST_SIGNING_SECRET_BYTES:
        raise ConfigurationError(
            f"{name} has {size} bytes; HS256 needs at least {SHORTEST_SIGNING_SECRET_BYTES}, such as those of"
            " `openssl rand -base64 48`, in FinMind's configuration as well"
        )
    if len(set(secret.encode())) < _FEWEST_DISTINCT_BYTES or _SAMPLE.search(secret):
        raise ConfigurationError(f"{name} is a sample, not a secret; make one with `openssl rand -base64 48`")


def check_distinct(name: str, secret: str, others: Mapping[str, str]) -> None:
    """Refuse a secret that another setting holds as well. Raises: ConfigurationError naming both settings."""
    for other, value in others.items():
        if value == secret:
            raise ConfigurationError(f"{name} and {other} hold the same secret: one that leaks would give away both")
