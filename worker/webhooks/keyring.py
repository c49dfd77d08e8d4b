"""The signing secrets of a subscription: the current one, and old ones until their grace ends. Sealed as one value."""

import json
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

from worker.credentials import CredentialPlace, SealedValue, Vault
from worker.redaction import remember

MAX_OLD_SECRETS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class OldSecret:
    """A secret that still signs beside the current one until `expires_at`."""

    secret: str
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyring:
    """The secrets of one subscription; old ones newest first."""

    current: str
    old: tuple[OldSecret, ...] = ()

    def signing(self, now: datetime) -> list[str]:
        """Return the secrets to sign with at this moment, the current one first."""
        return [self.current, *(old.secret for old in self.old if old.expires_at > now)]

    def rotated(self, secret: str, *, now: datetime, grace_ends_at: datetime) -> "Keyring":
        """Return the keyring with a new current secret; without a grace, no old secret signs any more."""
        if grace_ends_at <= now:
            return Keyring(current=secret)
        kept = [OldSecret(secret=self.current, expires_at=grace_ends_at)]
        kept += [
            OldSecret(secret=old.secret, expires_at=min(old.expires_at, grace_ends_at))
            for old in self.old
            if old.expires_at > now
        ]
        return Keyring(current=secret, old=tuple(kept[:MAX_OLD_SECRETS]))


def place(user_id: int, subscription_id: uuid.UUID, version: int) -> CredentialPlace:
    """Return the place that a subscription's sealed secrets are bound to."""
    return CredentialPlace(
        table="webhook_subscriptions",
        column="secret_encrypted",
        user_id=user_id,
        row_id=str(subscription_id),
        version=version,
    )


def seal_keyring(vault: Vault, keyring: Keyring, where: CredentialPlace) -> SealedValue:
    """Seal all secrets as one value. Raises: KeyProviderUnavailableError."""
    old = [{"secret": item.secret, "expires_at": item.expires_at.isoformat()} for item in keyring.old]
    return vault.seal(json.dumps({"current": keyring.current, "old": old}).encode(), where)


def open_keyring(vault: Vault, blob: bytes, where: CredentialPlace) -> Keyring:
    """Open a sealed keyring. Raises: CredentialError, KeyProviderUnavailableError."""
    loaded = json.loads(vault.open(blob, where))
    old = [
        OldSecret(secret=item["secret"], expires_at=datetime.fromisoformat(item["expires_at"]).astimezone(UTC))
        for item in loaded["old"]
    ]
    remember([loaded["current"], *(item.secret for item in old)])
    return Keyring(current=loaded["current"], old=tuple(old))
