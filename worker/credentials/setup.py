"""Builds the vault from the settings."""

from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Protocol

from pydantic import SecretStr

from worker.credentials.aws import AwsKms
from worker.credentials.cache import CachedKeyProvider, CachePolicy
from worker.credentials.envelope import EnvelopeVault
from worker.credentials.keyfile import read_key_file
from worker.credentials.local import KEY_ID, LocalKeyring, parse_keys
from worker.credentials.providers import KeyProvider
from worker.credentials.transit import TransitServer, VaultTransit
from worker.credentials.vault import CredentialPlace, SealedValue, Vault
from worker.errors import ConfigurationError
from worker.telemetry.logs import get_logger

log = get_logger(__name__)


class CredentialSettings(Protocol):
    """The settings that state where keys are; `worker.settings` documents each field."""

    @property
    def credential_keys(self) -> SecretStr | None: ...  # noqa: D102
    @property
    def credential_keys_file(self) -> Path | None: ...  # noqa: D102
    @property
    def credential_kms_keys(self) -> str | None: ...  # noqa: D102
    @property
    def credential_transit_keys(self) -> str | None: ...  # noqa: D102
    @property
    def credential_primary_key(self) -> str | None: ...  # noqa: D102
    @property
    def vault_addr(self) -> str | None: ...  # noqa: D102
    @property
    def vault_token(self) -> SecretStr | None: ...  # noqa: D102
    @property
    def vault_token_file(self) -> Path | None: ...  # noqa: D102
    @property
    def vault_namespace(self) -> str | None: ...  # noqa: D102


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

    def seal(self, plaintext: bytes, place: CredentialPlace) -> SealedValue:
        """Seal under the key that is first in the file now."""
        return self._current().seal(plaintext, place)

    def open(self, blob: bytes, place: CredentialPlace) -> bytes:
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
    providers = list(_providers(settings))
    key_ids = [key_id for provider in providers for key_id in provider.key_ids]
    if not key_ids:
        raise ConfigurationError(
            "CREDENTIAL_KEYS is not set: bank credentials cannot be sealed without a key;"
            " `finmind-worker keys generate` makes one"
        )
    return EnvelopeVault(providers, primary_key_id=settings.credential_primary_key or key_ids[0])


def _providers(settings: CredentialSettings) -> Iterator[KeyProvider]:
    """Yield the providers that are configured: the one in memory first, remote ones behind a cache."""
    if keys := _local_keys(settings):
        yield LocalKeyring(keys)
    if kms_keys := _references(settings.credential_kms_keys, source="CREDENTIAL_KMS_KEYS"):
        yield CachedKeyProvider(AwsKms(kms_keys), CachePolicy())
    if transit_keys := _references(settings.credential_transit_keys, source="CREDENTIAL_TRANSIT_KEYS"):
        yield CachedKeyProvider(VaultTransit(transit_keys, _transit_server(settings)), CachePolicy())


def _transit_server(settings: CredentialSettings) -> TransitServer:
    if not settings.vault_addr:
        raise ConfigurationError("CREDENTIAL_TRANSIT_KEYS is set: VAULT_ADDR must say where Vault is")
    token = settings.vault_token
    return TransitServer(
        address=settings.vault_addr,
        token=token.get_secret_value() if token else None,
        token_file=settings.vault_token_file,
        namespace=settings.vault_namespace,
    )


def _references(text: str | None, *, source: str) -> dict[str, str]:
    """Read `id=name` pairs separated by commas."""
    references: dict[str, str] = {}
    for position, entry in enumerate((entry.strip() for entry in (text or "").split(",") if entry.strip()), start=1):
        key_id, equals, name = entry.partition("=")
        if not equals or not name or not KEY_ID.fullmatch(key_id):
            raise ConfigurationError(f"{source}, entry {position}: not of the form `id=name`")
        if key_id in references:
            raise ConfigurationError(f"{source}, entry {position}: the id {key_id!r} is there twice")
        references[key_id] = name
    return references


def _local_keys(settings: CredentialSettings) -> dict[str, bytes]:
    if settings.credential_keys_file:
        path = settings.credential_keys_file
        return parse_keys(read_key_file(path), source=f"the key file {path}")
    if settings.credential_keys:
        return parse_keys(settings.credential_keys.get_secret_value(), source="CREDENTIAL_KEYS")
    return {}
