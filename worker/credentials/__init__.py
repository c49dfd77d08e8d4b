"""Sealing and opening secrets. One format for every kind of secret and every key provider."""

from worker.credentials.vault import Place, SealedValue, Vault

__all__ = ["Place", "SealedValue", "Vault"]
