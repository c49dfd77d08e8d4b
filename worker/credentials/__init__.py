"""Sealing and opening secrets. One format for every kind of secret and every key provider."""

from worker.credentials.config import open_config, seal_config
from worker.credentials.local import LocalKeyring, ensure_key_file, generate_key
from worker.credentials.opening import CredentialSettings, open_vault
from worker.credentials.vault import Place, SealedValue, Vault

__all__ = [
    "CredentialSettings",
    "LocalKeyring",
    "Place",
    "SealedValue",
    "Vault",
    "ensure_key_file",
    "generate_key",
    "open_config",
    "open_vault",
    "seal_config",
]
