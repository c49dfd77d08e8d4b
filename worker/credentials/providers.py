"""The interface of key providers, which wrap data keys: a keyring, AWS KMS or Vault's transit engine."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

DATA_KEY_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class DataKey:
    """A key for AES-256-GCM, in plain and in wrapped form."""

    plaintext: bytes = field(repr=False)
    wrapped: bytes


class KeyProvider(Protocol):
    """Holds one or more keys that never leave it and wraps data keys with them.

    Raises: CredentialError for a wrapped key of another provider; KeyProviderUnavailableError when it does not answer.
    """

    @property
    def key_ids(self) -> Sequence[str]:
        """The ids of its keys; blobs and rows name keys by them."""
        ...

    def new_data_key(self, key_id: str) -> DataKey:
        """Make a data key and wrap it with the key `key_id`."""
        ...

    def unwrap(self, key_id: str, wrapped: bytes) -> bytes:
        """Return the data key that `key_id` wrapped."""
        ...
