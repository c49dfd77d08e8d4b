"""Seals and opens secrets, with one format for every kind of secret and every key provider."""

from worker.credentials.config import open_config, seal_config, secrets_of
from worker.credentials.keyfile import add_key, drop_key, ensure_key_file
from worker.credentials.local import LocalKeyring, generate_key
from worker.credentials.setup import CredentialSettings, open_vault
from worker.credentials.vault import CredentialPlace, SealedValue, Vault

__all__ = [
    "CredentialPlace",
    "CredentialSettings",
    "LocalKeyring",
    "SealedValue",
    "Vault",
    "add_key",
    "drop_key",
    "ensure_key_file",
    "generate_key",
    "open_config",
    "open_vault",
    "seal_config",
    "secrets_of",
]
