"""From settings to a vault."""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Protocol

import structlog
from pydantic import SecretStr

from worker.credentials.envelope import EnvelopeVault
from worker.credentials.keyfile import read_key_file
from worker.credentials.local import LocalKeyring, parse_keys
from worker.credentials.vault import Place, SealedValue, Vault
from worker.errors import ConfigurationError

log = structlog.get_logger(__name__)


class CredentialSettings(Protocol):
    """The part of the settings that says where keys are."""

    @property
    def credential_keys(self) -> SecretStr | None:
        """`id:base64` pairs."""
        ...

    @property
    def credential_keys_file(self) -> Path | None:
        """A file with the same content."""
        ...


def open_vault(settings: CredentialSettings) -> Vault:
    """Build the vault of this process; call it after a fork.

    Raises: ConfigurationError with one sentence when there is no key, or one is malformed, doubled or a sample.
    """
    path = settings.credential_keys_file
    if path is None:
        return _build(settings)
    if settings.credential_keys:
        raise ConfigurationError("set CREDENTIAL_KEYS or CREDENTIAL_KEYS_FILE, not both")
    return FileVault(path, lambda: _build(settings))


class FileVault:
    """A vault that follows its key file: a key put first seals from the next value on, in every running process.

    So a rotation needs no restart. A file that turns wrong while we run changes nothing, and is logged once.
    """

    def __init__(self, path: Path, build: Callable[[], Vault]) -> None:
        self._path = path
        self._build = build
        self._seen = _signature(path)
        self._vault = build()

    @property
    def primary_key_id(self) -> str:
        """The key that seals."""
        return self._current().primary_key_id

    @property
    def key_ids(self) -> Collection[str]:
        """Every key that opens, the primary one included."""
        return self._current().key_ids

    def seal(self, plaintext: bytes, place: Place) -> SealedValue:
        """Seal under the key that is first in the file now."""
        return self._current().seal(plaintext, place)

    def open(self, blob: bytes, place: Place) -> bytes:
        """Open with the keys that are in the file now."""
        return self._current().open(blob, place)

    def _current(self) -> Vault:
        seen = _signature(self._path)
        if seen != self._seen:
            self._seen = seen
            try:
                self._vault = self._build()
            except ConfigurationError as error:
                log.warning("credentials.key_file_ignored", reason=str(error))
        return self._vault


def _signature(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


def _build(settings: CredentialSettings) -> EnvelopeVault:
    keys = _local_keys(settings)
    if not keys:
        raise ConfigurationError(
            "CREDENTIAL_KEYS is not set: bank credentials cannot be sealed without a key;"
            " `finmind-worker keys generate` makes one"
        )
    return EnvelopeVault([LocalKeyring(keys)], primary_key_id=next(iter(keys)))


def _local_keys(settings: CredentialSettings) -> dict[str, bytes]:
    if settings.credential_keys_file:
        path = settings.credential_keys_file
        return parse_keys(read_key_file(path), source=f"the key file {path}")
    if settings.credential_keys:
        return parse_keys(settings.credential_keys.get_secret_value(), source="CREDENTIAL_KEYS")
    return {}
