"""Key provider AWS KMS: data keys from GenerateDataKey, opened with Decrypt, both bound to an encryption context."""

import logging
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NoReturn

from worker.credentials.providers import DataKey
from worker.errors import ConfigurationError, CredentialError, KeyProviderUnavailableError

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient

_ARN = re.compile(r"arn:aws[a-z-]*:kms:(?P<region>[a-z0-9-]+):\d{12}:key/[A-Za-z0-9-]+")
_TIMEOUT_S = 5
# These codes mean that the wrapped key is wrong; every other one that KMS does not serve the call now.
_WRONG_KEY = frozenset({"InvalidCiphertextException", "IncorrectKeyException"})


class AwsKms:
    """Wraps data keys with KMS keys, named by ARN. Credentials and endpoint come from boto3's own lookup."""

    def __init__(self, keys: Mapping[str, str]) -> None:
        """Create a provider.

        Args:
            keys: The ARN of a KMS key by our key id.

        Raises: ConfigurationError without boto3 or for anything but an ARN.
        """
        self._arns = dict(keys)
        self._clients = {key_id: _client(key_id, arn) for key_id, arn in keys.items()}

    @property
    def key_ids(self) -> Sequence[str]:
        """The ids in the order they were given."""
        return tuple(self._arns)

    def new_data_key(self, key_id: str) -> DataKey:
        """Ask KMS for a data key. Raises: KeyProviderUnavailableError."""
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - an optional part

        try:
            answer = self._clients[key_id].generate_data_key(
                KeyId=self._arns[key_id], KeySpec="AES_256", EncryptionContext=_context(key_id)
            )
        except (BotoCoreError, ClientError) as error:
            _refuse(key_id, error)
        return DataKey(plaintext=answer["Plaintext"], wrapped=answer["CiphertextBlob"])

    def unwrap(self, key_id: str, wrapped: bytes) -> bytes:
        """Ask KMS to decrypt a data key. Raises: CredentialError, KeyProviderUnavailableError."""
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - an optional part

        try:
            answer = self._clients[key_id].decrypt(
                KeyId=self._arns[key_id], CiphertextBlob=wrapped, EncryptionContext=_context(key_id)
            )
        except (BotoCoreError, ClientError) as error:
            _refuse(key_id, error)
        return answer["Plaintext"]


def _client(key_id: str, arn: str) -> "KMSClient":
    match = _ARN.fullmatch(arn)
    if match is None:
        # An alias can be moved to another key, and everything sealed before would stop opening.
        raise ConfigurationError(f"CREDENTIAL_KMS_KEYS, {key_id}: give the ARN of a key, not an alias or a bare id")
    try:
        import boto3  # noqa: PLC0415 - an optional part
        from botocore.config import Config  # noqa: PLC0415
    except ImportError:
        raise ConfigurationError("CREDENTIAL_KMS_KEYS is set: install finmind-worker[aws]") from None
    logging.getLogger("botocore").setLevel(logging.INFO)  # at DEBUG it logs answers, data keys included
    config = Config(
        connect_timeout=_TIMEOUT_S, read_timeout=_TIMEOUT_S, retries={"mode": "standard", "total_max_attempts": 2}
    )
    return boto3.client("kms", region_name=match["region"], config=config)


def _context(key_id: str) -> dict[str, str]:
    return {"application": "finmind-worker", "purpose": "data-key", "key-id": key_id}


def _refuse(key_id: str, error: Exception) -> NoReturn:
    code = getattr(error, "response", {}).get("Error", {}).get("Code") or type(error).__name__
    if code in _WRONG_KEY:
        raise CredentialError(f"KMS says that the key {key_id!r} did not seal this value") from None
    raise KeyProviderUnavailableError(f"KMS does not serve the key {key_id!r}: {code}") from None
