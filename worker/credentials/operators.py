"""Logins of operators: salted hashes by name, or one password, compared in constant time."""

import base64
import hashlib
import hmac
import re
import secrets
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from worker.credentials.strength import check_password
from worker.errors import ConfigurationError

_COST = 2**14
_PREFIX = "scrypt:"
_FAILURES_PER_MINUTE = 30
_FAILURES_PER_MINUTE_OF_ALL = 50
_PACE_S = 0.5
"""Between two checks of a queue in a flood. Three queues are at most 520,000 guesses a day, which a password that is
not weak withstands."""

_SUSPECTED_S = 3600.0
"""How long a peer whose password was wrong waits apart from peers that never guessed."""

_MOST_PEERS = 10_000
_LONGEST_WAIT_S = 2.0
"""Log-ins are checked one at a time; a flood of them must not hold every thread of the API."""

_LONGEST_HEADER = 1024
_LONGEST_PEER = 64
_PRINTABLE = re.compile(r"[^\W_]([\w.@+-]*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordHash:
    """A password hashed with scrypt (n = 2**14, r = 8, p = 1)."""

    salt: bytes
    digest: bytes

    def matches(self, password: bytes) -> bool:
        """Say whether this password was hashed; takes about 50 ms."""
        return hmac.compare_digest(_scrypt(password, self.salt), self.digest)


class TooManyFailuresError(Exception):
    """Too many passwords were wrong within a minute."""


class _Failures:
    """Moments of the last wrong passwords."""

    def __init__(self, most_per_minute: int) -> None:
        self._at = deque[float](maxlen=most_per_minute)

    def note(self, now: float) -> None:
        """Count one."""
        self._at.append(now)

    def are_within(self, seconds: float, now: float) -> bool:
        """Say whether one was within so many seconds."""
        return bool(self._at) and now - self._at[-1] < seconds

    def are_too_many(self, now: float) -> bool:
        """Say whether as many as are allowed were within the last minute."""
        return len(self._at) == self._at.maxlen and now - self._at[0] < 60  # noqa: PLR2004 - s


class OperatorLogins:
    """Checks the Basic log-ins of operators.

    A correct log-in is remembered for its peer as a keyed digest, so that a page that reloads costs no hash each time.
    Wrong ones are counted per peer and altogether. After too many within a minute, two passwords a second are checked
    and the rest is refused unread: guesses stay few, and the right password still opens, also from an address that a
    stranger shares. Peers that guessed too often have a queue of their own, and so have those that guessed within an
    hour, so that others need not wait behind them. A peer is an address, of IPv6 the network of 64 bits that one
    stranger has all addresses of.
    """

    def __init__(
        self,
        logins: Mapping[str, PasswordHash],
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._logins = logins
        self._now = now
        self._sleep = sleep
        self._nobody = hash_password(secrets.token_urlsafe())
        self._key = secrets.token_bytes(32)
        self._known: OrderedDict[bytes, str] = OrderedDict()
        self._failures_of: OrderedDict[str, _Failures] = OrderedDict()
        self._failures = _Failures(_FAILURES_PER_MINUTE_OF_ALL)
        self._next_turn_at = {"peers that guess": 0.0, "peers that guessed": 0.0, "others": 0.0}
        self._counting = threading.Lock()
        self._one_at_a_time = threading.Lock()

    def name_of(self, authorization: str, peer: str = "") -> str | None:
        """Return the operator that an `Authorization` header authenticates; None for an invalid one.

        Args:
            authorization: The header.
            peer: Address that the request came from.

        Raises:
            TooManyFailuresError: Too many passwords were wrong, and this one is wrong too or was not checked.
        """
        given = _basic(authorization)
        if given is None:
            return None
        peer = _network_of(peer)
        digest = hmac.digest(self._key, peer.encode() + b"\0" + given, "sha256")
        if digest in self._known:
            return self._known[digest]
        name, _, password = given.partition(b":")
        is_flood = self._wait_in_a_flood(peer)
        if not self._one_at_a_time.acquire(timeout=_LONGEST_WAIT_S):
            raise TooManyFailuresError
        try:
            operator = name.decode("utf-8", errors="replace")
            if self._logins.get(operator, self._nobody).matches(password):
                self._remember(digest, operator)
                return operator
            self._note_failure(peer)
            if is_flood:
                raise TooManyFailuresError
            return None
        finally:
            self._one_at_a_time.release()

    def _remember(self, digest: bytes, operator: str) -> None:
        self._known[digest] = operator
        if len(self._known) > _MOST_PEERS:
            self._known.popitem(last=False)

    def _note_failure(self, peer: str) -> None:
        with self._counting:
            now = self._now()
            self._failures.note(now)
            self._failures_of.setdefault(peer, _Failures(_FAILURES_PER_MINUTE)).note(now)
            self._failures_of.move_to_end(peer)
            if len(self._failures_of) > _MOST_PEERS:
                self._failures_of.popitem(last=False)

    def _wait_in_a_flood(self, peer: str) -> bool:
        """Wait for a turn to be checked when too many passwords were wrong; return whether that is so."""
        with self._counting:
            now = self._now()
            of_peer = self._failures_of.get(peer)
            if of_peer is not None and of_peer.are_too_many(now):
                queue = "peers that guess"
            elif self._failures.are_too_many(now):
                is_suspected = of_peer is not None and of_peer.are_within(_SUSPECTED_S, now)
                queue = "peers that guessed" if is_suspected else "others"
            else:
                return False
            turn_at = max(now, self._next_turn_at[queue])
            if turn_at - now > _LONGEST_WAIT_S:
                raise TooManyFailuresError
            self._next_turn_at[queue] = turn_at + _PACE_S
        self._sleep(turn_at - now)
        return True


def read_logins(configured: str) -> OperatorLogins:
    """Read OPS_BASIC_AUTH: log-ins separated by white space, each `name:password` or `name:scrypt:salt:hash`.

    Raises: ConfigurationError, also for an empty setting, which must not mean that everybody may log in.
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
        if not _PRINTABLE.fullmatch(name):
            raise ConfigurationError(f"{where}: the name has signs that are not printed")
        if name in logins:
            raise ConfigurationError(f"{where}: the name is there twice")
        is_hashed = password.startswith(_PREFIX)
        logins[name] = _read_hash(password, where) if is_hashed else _hash_plain(name, password, where)
    return OperatorLogins(logins)


def hash_password(password: str) -> PasswordHash:
    """Hash a password under a new salt."""
    salt = secrets.token_bytes(16)
    return PasswordHash(salt=salt, digest=_scrypt(password.encode(), salt))


def login_line(name: str, password: str) -> str:
    """Return the entry of OPS_BASIC_AUTH for one operator. Raises: ConfigurationError."""
    if not name or ":" in name or not _PRINTABLE.fullmatch(name):
        raise ConfigurationError("an operator's name is not empty and has neither a colon nor white space")
    check_password("the password", name, password)
    made = hash_password(password)
    return f"{name}:{_PREFIX}{made.salt.hex()}:{made.digest.hex()}"


def _hash_plain(name: str, password: str, where: str) -> PasswordHash:
    check_password(f"{where}: the password", name, password)
    return hash_password(password)


def _read_hash(text: str, where: str) -> PasswordHash:
    parts = text.removeprefix(_PREFIX).split(":")
    try:
        salt, digest = (bytes.fromhex(part) for part in parts)
    except ValueError:
        salt = digest = b""
    if len(salt) < 16 or len(digest) != 32:  # noqa: PLR2004 - bytes that `hash_password` makes
        raise ConfigurationError(f"{where}: the hash is damaged; make one with `finmind-worker operator NAME`")
    return PasswordHash(salt=salt, digest=digest)


def _network_of(peer: str) -> str:
    try:
        address = ip_address(peer)
    except ValueError:
        return peer[:_LONGEST_PEER]
    if isinstance(address, IPv6Address):
        return str(address.ipv4_mapped or IPv6Address(int(address) >> 64 << 64))
    return str(address)


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
