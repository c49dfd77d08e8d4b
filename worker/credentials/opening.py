"""From settings to a vault."""

from pathlib import Path
from typing import Protocol

from pydantic import SecretStr

from worker.credentials.envelope import EnvelopeVault
from worker.credentials.local import LocalKeyring, parse_keys
from worker.errors import ConfigurationError


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


def open_vault(settings: CredentialSettings) -> EnvelopeVault:
    """Build the vault of this process; call it after a fork.

    Raises: ConfigurationError with one sentence when there is no key, or one is malformed, doubled or a sample.
    """
    keys = _local_keys(settings)
    if not keys:
        raise ConfigurationError(
            "CREDENTIAL_KEYS is not set: bank credentials cannot be sealed without a key;"
            " `finmind-worker keys generate` makes one"
        )
    return EnvelopeVault([LocalKeyring(keys)], primary_key_id=next(iter(keys)))


def _local_keys(settings: CredentialSettings) -> dict[str, bytes]:
    if settings.credential_keys and settings.credential_keys_file:
        raise ConfigurationError("set CREDENTIAL_KEYS or CREDENTIAL_KEYS_FILE, not both")
    if settings.credential_keys:
        return parse_keys(settings.credential_keys.get_secret_value(), source="CREDENTIAL_KEYS")
    if settings.credential_keys_file:
        path = settings.credential_keys_file
        try:
            return parse_keys(path.read_text(encoding="ascii"), source=f"CREDENTIAL_KEYS_FILE ({path})")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"CREDENTIAL_KEYS_FILE ({path}) cannot be read: {_reason(error)}") from None
    return {}


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return (error.strerror or type(error).__name__) if isinstance(error, OSError) else "it is not plain text"
