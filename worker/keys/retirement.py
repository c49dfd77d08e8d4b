"""Checks that a credential key can be removed."""

from sqlalchemy.orm import Session

from worker.credentials import Vault
from worker.errors import ConflictError, NotFoundError
from worker.keys.usage import key_usage


def check_unneeded(session: Session, vault: Vault, key_id: str) -> None:
    """Check that no stored value is sealed with a key and that it does not seal new ones.

    Raises:
        ConflictError: The key seals new values, or stored values are sealed with it.
        NotFoundError: No such key is configured.
    """
    usage = next((usage for usage in key_usage(session, vault) if usage.key_id == key_id), None)
    if usage is None:
        raise NotFoundError(f"no credential key {key_id!r} is configured")
    if usage.primary:
        raise ConflictError(f"the key {key_id!r} seals new values: put another one first, then rotate")
    if usage.sealed:
        where = ", ".join(f"{count} of {column}" for column, count in usage.per_column.items())
        raise ConflictError(f"the key {key_id!r} is still needed ({where}): run `finmind-worker keys rotate` first")
