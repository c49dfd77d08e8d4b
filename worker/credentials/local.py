"""Local key provider: keys from the environment or a mounted file, made by `keys generate`."""

import base64
import binascii
import os
import re
import secrets
import string
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from worker.credentials.providers import DATA_KEY_BYTES, DataKey
from worker.errors import ConfigurationError, CredentialError

KEY_BYTES = 32
KEY_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_NONCE_BYTES = 12
_DOMAIN = b"finmind-data-key:"
_FEWEST_DISTINCT_BYTES = 12
_PRINTABLE = frozenset(string.printable.encode())


class LocalKeyring:
    """Wraps data keys with AES-256-GCM under keys in this process's memory. A key may wrap 2**32 data keys."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        self._ciphers = {key_id: AESGCM(key) for key_id, key in keys.items()}
        self._contexts = {key_id: _DOMAIN + key_id.encode("ascii") for key_id in keys}

    @property
    def key_ids(self) -> Sequence[str]:
        """The ids in the order they were given; the first one seals by default."""
        return tuple(self._ciphers)

    def new_data_key(self, key_id: str) -> DataKey:
        """Make a data key and wrap it."""
        random = os.urandom(DATA_KEY_BYTES + _NONCE_BYTES)
        plaintext, nonce = random[:DATA_KEY_BYTES], random[DATA_KEY_BYTES:]
        wrapped = nonce + self._ciphers[key_id].encrypt(nonce, plaintext, self._contexts[key_id])
        return DataKey(plaintext=plaintext, wrapped=wrapped)

    def unwrap(self, key_id: str, wrapped: bytes) -> bytes:
        """Return the data key. Raises: CredentialError when another key of the same name wrapped it."""
        nonce, ciphertext = wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:]
        try:
            return self._ciphers[key_id].decrypt(nonce, ciphertext, self._contexts[key_id])
        except (InvalidTag, ValueError):
            raise CredentialError(
                f"the key {key_id!r} is not the one that sealed this value, although it has the same id"
            ) from None


def parse_keys(text: str, *, source: str) -> dict[str, bytes]:
    """Read `id:base64` pairs separated by commas or line ends.

    Args:
        source: The variable or file, named in errors.

    Raises: ConfigurationError naming the entry, never its content.
    """
    keys: dict[str, bytes] = {}
    for position, entry in enumerate((entry for entry in re.split(r"[,\s]+", text) if entry), start=1):
        key_id, colon, encoded = entry.partition(":")
        where = f"{source}, entry {position}"
        if not colon or not KEY_ID.fullmatch(key_id):
            raise ConfigurationError(f"{where}: not of the form `id:base64` (id: letters, digits, dot, dash)")
        if key_id in keys:
            raise ConfigurationError(f"{where}: the id {key_id!r} is there twice")
        key = _decode(encoded, where=f"{where} ({key_id})")
        if key in keys.values():
            raise ConfigurationError(f"{where} ({key_id}): the same key is there under another id")
        keys[key_id] = key
    return keys


def generate_key(now: datetime | None = None) -> str:
    """Return a new `id:base64` entry; the id carries the day, so that the age of a key can be seen."""
    day = (now or datetime.now(UTC)).strftime("%Y-%m-%d")
    return f"k{day}-{secrets.token_hex(2)}:{base64.b64encode(os.urandom(KEY_BYTES)).decode()}"


def _decode(encoded: str, *, where: str) -> bytes:
    try:
        key = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        raise ConfigurationError(f"{where}: the key is not base64") from None
    if len(key) != KEY_BYTES:
        raise ConfigurationError(f"{where}: the key has {len(key)} bytes instead of {KEY_BYTES}")
    if _looks_made_up(key):
        raise ConfigurationError(f"{where}: this is a sample, not a secret; make a key with `keys generate`")
    return key


def _looks_made_up(key: bytes) -> bool:
    """Zeros, patterns, sequences and typed text: none of it happens to 32 random bytes within a lifetime."""
    steps = {(right - left) % 256 for left, right in pairwise(key)}
    return len(set(key)) < _FEWEST_DISTINCT_BYTES or len(steps) == 1 or set(key) <= _PRINTABLE
