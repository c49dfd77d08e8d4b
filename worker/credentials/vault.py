"""The vault: seals bytes for one place in the database, so that they cannot be opened elsewhere."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialPlace:
    """The place that a sealed value is bound to; moved to another one it cannot be opened.

    Attributes:
        version: Counts the values of this row, so that an older one cannot be put back.
    """

    table: str
    column: str
    user_id: int
    row_id: str
    version: int

    def __str__(self) -> str:
        return f"{self.table}.{self.column} of row {self.row_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedValue:
    """A blob and the id of the key that wraps it, as the row stores both."""

    blob: bytes
    key_id: str


class Vault(Protocol):
    """Seals and opens. Raises: CredentialError, KeyProviderUnavailableError."""

    @property
    def primary_key_id(self) -> str:
        """The key that seals."""
        ...

    @property
    def key_ids(self) -> Collection[str]:
        """Every key that opens, the primary one included."""
        ...

    def seal(self, plaintext: bytes, place: CredentialPlace) -> SealedValue:
        """Seal `plaintext` under the primary key for one place."""
        ...

    def open(self, blob: bytes, place: CredentialPlace) -> bytes:
        """Open a blob that was sealed for this very place."""
        ...
