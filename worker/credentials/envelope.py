"""The format of sealed values: AES-256-GCM under a wrapped data key, bound to the value's place.

    0x01 | algorithm (1) | key id: length (1), text | wrapped data key: length (2), bytes | nonce (12) | ciphertext+tag

Associated data: everything before the nonce, and the place (table, column, user, row, version), each length-prefixed.
"""

import os
import struct
from collections.abc import Collection, Sequence
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from worker.credentials.providers import KeyProvider
from worker.credentials.vault import CredentialPlace, SealedValue
from worker.errors import ConfigurationError, CredentialError

FORMAT_VERSION = 1
AES_256_GCM = 1
NONCE_BYTES = 12
_DOMAIN = b"finmind-sealed-value:"


class SealedEnvelope(NamedTuple):
    """A blob taken apart.

    Attributes:
        header: The bytes before the nonce, which are authenticated.
    """

    header: bytes
    key_id: str
    wrapped: bytes
    nonce: bytes
    ciphertext: bytes


def read_envelope(blob: bytes) -> SealedEnvelope:
    """Take a blob apart; pure, nothing is proved yet. Raises: ValueError when it is no blob of this format."""
    try:
        version, algorithm, key_id_length = struct.unpack_from(">BBB", blob)
        key_id_end = 3 + key_id_length
        (wrapped_length,) = struct.unpack_from(">H", blob, key_id_end)
        header_end = key_id_end + 2 + wrapped_length
        key_id = blob[3:key_id_end].decode("ascii")
    except (struct.error, UnicodeDecodeError) as error:
        raise ValueError("not a sealed value") from error
    if (version, algorithm) != (FORMAT_VERSION, AES_256_GCM) or len(blob) < header_end + NONCE_BYTES + 16:
        raise ValueError("not a sealed value of a known format")
    return SealedEnvelope(
        header=blob[:header_end],
        key_id=key_id,
        wrapped=blob[key_id_end + 2 : header_end],
        nonce=blob[header_end : header_end + NONCE_BYTES],
        ciphertext=blob[header_end + NONCE_BYTES :],
    )


class EnvelopeVault:
    """Seals under one key of its providers and opens what any of their keys sealed."""

    def __init__(self, providers: Sequence[KeyProvider], *, primary_key_id: str) -> None:
        self._providers = {key_id: provider for provider in providers for key_id in provider.key_ids}
        if len(self._providers) != sum(len(provider.key_ids) for provider in providers):
            raise ConfigurationError("two credential keys have the same id")
        if primary_key_id not in self._providers:
            raise ConfigurationError(f"the primary credential key {primary_key_id!r} is not configured")
        self._primary_key_id = primary_key_id

    @property
    def primary_key_id(self) -> str:
        """The key that seals."""
        return self._primary_key_id

    @property
    def key_ids(self) -> Collection[str]:
        """Every key that opens, the primary one included."""
        return self._providers.keys()

    def seal(self, plaintext: bytes, place: CredentialPlace) -> SealedValue:
        """Seal `plaintext` under the primary key for one place. Raises: KeyProviderUnavailableError."""
        key_id = self._primary_key_id
        data_key = self._providers[key_id].new_data_key(key_id)
        header = _header(key_id, data_key.wrapped)
        nonce = os.urandom(NONCE_BYTES)
        ciphertext = AESGCM(data_key.plaintext).encrypt(nonce, plaintext, _associated_data(header, place))
        return SealedValue(blob=header + nonce + ciphertext, key_id=key_id)

    def open(self, blob: bytes, place: CredentialPlace) -> bytes:
        """Open a blob that was sealed for this very place. Raises: CredentialError, KeyProviderUnavailableError."""
        try:
            envelope = read_envelope(blob)
        except ValueError as error:
            raise CredentialError(f"{place}: {error}") from None
        provider = self._providers.get(envelope.key_id)
        if provider is None:
            raise CredentialError(f"{place} needs the key {envelope.key_id!r}, which is not configured")
        data_key = provider.unwrap(envelope.key_id, envelope.wrapped)
        try:
            return AESGCM(data_key).decrypt(
                envelope.nonce, envelope.ciphertext, _associated_data(envelope.header, place)
            )
        except InvalidTag:
            raise CredentialError(
                f"{place} was not sealed for this place with the key {envelope.key_id!r}, or was changed since"
            ) from None


def _header(key_id: str, wrapped: bytes) -> bytes:
    name = key_id.encode("ascii")
    return struct.pack(f">BBB{len(name)}sH", FORMAT_VERSION, AES_256_GCM, len(name), name, len(wrapped)) + wrapped


def _associated_data(header: bytes, place: CredentialPlace) -> bytes:
    """Join what a blob is bound to; lengths keep neighbouring fields apart."""
    table, column, row_id = place.table, place.column, place.row_id
    names = f"{len(table)}:{table},{len(column)}:{column},{len(row_id)}:{row_id}"
    return _DOMAIN + f"{names},{place.user_id},{place.version},{len(header)}:".encode() + header
