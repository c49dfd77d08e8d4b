"""The log-ins of operators: named, kept as salted hashes or as one password, compared without a difference in time."""

import base64
import hashlib
import hmac
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from worker.errors import ConfigurationError

SHORTEST_PASSWORD = 8
_COST = 2**14
_PREFIX = "scrypt:"
_FAILURES_PER_MINUTE = 30
_LONGEST_HEADER = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordHash:
    """A password hashed with scrypt (n = 2**14, r = 8, p = 1)."""

    salt: bytes
    digest: bytes

    def matches(self, password: bytes) -> bool:
        """Say whether this password was hashed; takes about 50 ms."""
        return hmac.compare_digest(_scrypt(password, self.salt), self.digest)


class TooManyFailuresError(Exception):
    """Too many passwords were wrong within a minute; none is checked now."""


class OperatorLogins:
    """Checks the Basic log-ins of operators.

    A correct log-in is remembered as a keyed digest, so that a page that reloads costs no hash each time. Wrong ones
    are bounded per minute, because each costs a hash.
    """

    def __init__(self, logins: Mapping[str, PasswordHash], now: Callable[[], float] = time.monotonic) -> None:
        self._logins = logins
        self._now = now
        self._nobody = hash_password(secrets.token_urlsafe())
        self._key = secrets.token_bytes(32)
        self._known: dict[bytes, str] = {}
        self._failed_at: deque[float] = deque(maxlen=_FAILURES_PER_MINUTE)
        self._one_at_a_time = threading.Lock()

    def name_of(self, authorization: str) -> str | None:
        """Return the operator whom an `Authorization` header proves; None when it proves nobody.

        Raises: TooManyFailuresError.
        """
        given = _basic(authorization)
        if given is None:
            return None
        digest = hmac.digest(self._key, given, "sha256")
        if digest in self._known:
            return self._known[digest]
        name, _, password = given.partition(b":")
        with self._one_at_a_time:
            self._refuse_a_flood()
            operator = name.decode("utf-8", errors="replace")
            if self._logins.get(operator, self._nobody).matches(password):
                self._known[digest] = operator
                return operator
            self._failed_at.append(self._now())
            return None

    def _refuse_a_flood(self) -> None:
        if len(self._failed_at) == _FAILURES_PER_MINUTE and self._now() - self._failed_at[0] < 60:  # noqa: PLR2004 - s
            raise TooManyFailuresError


def read_logins(configured: str) -> OperatorLogins:
    """Read OPS_BASIC_AUTH: log-ins separated by white space, each `name:password` or `name:scrypt:salt:hash`.

    Raises: ConfigurationError, also for an empty setting: it must never mean that everybody may come in.
    """
    entries = configured.split()
    if not entries:
        raise ConfigurationError("OPS_BASIC_AUTH is empty: give `user:password`, or leave it out to switch /ops off")
    logins: dict[str, PasswordHash] = {}
    for position, entry in enumerate(entries, start=1):
        name, _, password = entry.partition(":")
        where = f"OPS_BASIC_AUTH, log-in {position}"
        if not name or not password:
            raise ConfigurationError(f"{where}: needs the form user:password, neither of them empty")
        if name in logins:
            raise ConfigurationError(f"{where}: the name is there twice")
        logins[name] = _read_hash(password, where) if password.startswith(_PREFIX) else _hash_plain(password, where)
    return OperatorLogins(logins)


def hash_password(password: str) -> PasswordHash:
    """Hash a password under a new salt."""
    salt = secrets.token_bytes(16)
    return PasswordHash(salt=salt, digest=_scrypt(password.encode(), salt))


def login_line(name: str, password: str) -> str:
    """Return the entry of OPS_BASIC_AUTH for one operator. Raises: ConfigurationError."""
    if not name or ":" in name or any(character.isspace() for character in name):
        raise ConfigurationError("an operator's name is not empty and has neither a colon nor white space")
    _check_length(password, "the password")
    made = hash_password(password)
    return f"{name}:{_PREFIX}{made.salt.hex()}:{made.digest.hex()}"


def _hash_plain(password: str, where: str) -> PasswordHash:
    _check_length(password, f"{where}: the password")
    return hash_password(password)


def _check_length(password: str, what: str) -> None:
    if len(password) < SHORTEST_PASSWORD:
        raise ConfigurationError(f"{what} has fewer than {SHORTEST_PASSWORD} characters")


def _read_hash(text: str, where: str) -> PasswordHash:
    parts = text.removeprefix(_PREFIX).split(":")
    try:
        salt, digest = (bytes.fromhex(part) for part in parts)
    except ValueError:
        salt = digest = b""
    if len(salt) < 16 or len(digest) != 32:  # noqa: PLR2004 - bytes that `hash_password` makes
        raise ConfigurationError(f"{where}: the hash is damaged; make one with `finmind-worker operator NAME`")
    return PasswordHash(salt=salt, digest=digest)


def _basic(authorization: str) -> bytes | None:
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic" or len(encoded) > _LONGEST_HEADER:
        return None
    try:
        return base64.b64decode(encoded, validate=True)
    except ValueError:  # not base64, or not even ASCII
        return None


def _scrypt(password: bytes, salt: bytes) -> bytes:
    return hashlib.scrypt(password, salt=salt, n=_COST, r=8, p=1, maxmem=2**26, dklen=32)
