"""Key provider HashiCorp Vault or OpenBao (transit): data keys are made here and wrapped there."""

import base64
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from worker.credentials.providers import DATA_KEY_BYTES, DataKey
from worker.errors import ConfigurationError, CredentialError, KeyProviderUnavailableError

_TIMEOUT_S = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class TransitServer:
    """The address of Vault and the token for it.

    Attributes:
        token_file: Read again for every call, because an agent renews it.
    """

    address: str
    token: str | None = field(default=None, repr=False)
    token_file: Path | None = None
    namespace: str | None = None

    def current_token(self) -> str | None:
        """Return the token to send now."""
        if self.token_file is None:
            return self.token
        try:
            return self.token_file.read_text(encoding="ascii").strip()
        except OSError as error:
            raise KeyProviderUnavailableError(f"VAULT_TOKEN_FILE cannot be read: {error.strerror}") from None


class VaultTransit:
    """Wraps data keys with transit keys, named `mount/name`. The key id is authenticated along with each."""

    def __init__(self, keys: Mapping[str, str], server: TransitServer) -> None:
        """Create a provider.

        Args:
            keys: `mount/name` of a transit key by our key id.

        Raises: ConfigurationError without hvac or for a malformed name.
        """
        self._server = server
        self._keys = {key_id: _mount_and_name(key_id, path) for key_id, path in keys.items()}
        self._client = _client(server)

    @property
    def key_ids(self) -> Sequence[str]:
        """The ids in the order they were given."""
        return tuple(self._keys)

    def new_data_key(self, key_id: str) -> DataKey:
        """Make a data key and have Vault encrypt it. Raises: KeyProviderUnavailableError."""
        plaintext = os.urandom(DATA_KEY_BYTES)
        answer = self._call(key_id, self._client.secrets.transit.encrypt_data, plaintext=_text(plaintext))
        return DataKey(plaintext=plaintext, wrapped=answer["ciphertext"].encode("ascii"))

    def unwrap(self, key_id: str, wrapped: bytes) -> bytes:
        """Have Vault decrypt a data key. Raises: CredentialError, KeyProviderUnavailableError."""
        answer = self._call(
            key_id, self._client.secrets.transit.decrypt_data, ciphertext=wrapped.decode("ascii", "replace")
        )
        return base64.b64decode(answer["plaintext"])

    def _call(self, key_id: str, method: Callable[..., Any], **arguments: str) -> dict[str, str]:
        import hvac.exceptions  # noqa: PLC0415 - an optional part
        import requests  # noqa: PLC0415 - the HTTP client of hvac

        mount, name = self._keys[key_id]
        self._client.token = self._server.current_token()
        try:
            answer = method(name, mount_point=mount, associated_data=_text(_associated_data(key_id)), **arguments)
            return dict(answer["data"])
        except hvac.exceptions.InvalidRequest:
            raise CredentialError(f"Vault says that the key {key_id!r} did not seal this value") from None
        except (hvac.exceptions.VaultError, requests.RequestException, KeyError, TypeError, ValueError) as error:
            _refuse(key_id, error)


def _mount_and_name(key_id: str, path: str) -> tuple[str, str]:
    mount, slash, name = path.rpartition("/")
    if not slash or not mount or not name:
        raise ConfigurationError(f"CREDENTIAL_TRANSIT_KEYS, {key_id}: give `mount/name`, such as `transit/finmind`")
    return mount, name


def _client(server: TransitServer) -> Any:  # noqa: ANN401 - hvac is untyped
    try:
        import hvac  # noqa: PLC0415 - an optional part
    except ImportError:
        raise ConfigurationError("CREDENTIAL_TRANSIT_KEYS is set: install finmind-worker[vault]") from None
    # A redirect would carry the token to another host.
    return hvac.Client(url=server.address, namespace=server.namespace, timeout=_TIMEOUT_S, allow_redirects=False)


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


def _associated_data(key_id: str) -> bytes:
    return b"finmind-data-key:" + key_id.encode("ascii")


def _refuse(key_id: str, error: Exception) -> NoReturn:
    raise KeyProviderUnavailableError(f"Vault does not serve the key {key_id!r}: {type(error).__name__}") from None
