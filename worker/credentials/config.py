"""Seals and opens configs: pydantic models whose secrets are readable only inside the sealed value."""

from collections.abc import Iterator
from typing import Any, TypeVar

from pydantic import BaseModel, Secret, SecretBytes, SecretStr, ValidationError
from pydantic_core import to_json

from worker.credentials.vault import CredentialPlace, SealedValue, Vault
from worker.errors import CredentialError
from worker.redaction import remember

ConfigT = TypeVar("ConfigT", bound=BaseModel)


def seal_config(vault: Vault, config: BaseModel, place: CredentialPlace) -> SealedValue:
    """Seal all fields of `config`, including its secrets. Raises: KeyProviderUnavailableError."""
    remember(secrets_of(config))
    return vault.seal(to_json(revealed(config.model_dump())), place)


def open_config(vault: Vault, blob: bytes, place: CredentialPlace, config_type: type[ConfigT]) -> ConfigT:
    """Open a sealed config as the model it was.

    Raises: CredentialError when it does not open or no longer fits the model; KeyProviderUnavailableError.
    """
    plaintext = vault.open(blob, place)
    try:
        config = config_type.model_validate_json(plaintext, by_name=True, by_alias=False)
    except ValidationError as error:
        fields = ", ".join(sorted({".".join(map(str, problem["loc"])) for problem in error.errors()}))
    else:
        remember(secrets_of(config))
        return config
    raise CredentialError(f"{place} does not fit {config_type.__qualname__} any more: {fields or 'not an object'}")


def secrets_of(config: BaseModel) -> Iterator[str]:
    """Yield the value of every secret of a config, wherever it is nested."""
    yield from _secrets(config.model_dump())


def _secrets(value: Any) -> Iterator[str]:  # noqa: ANN401 - whatever a config may hold
    match value:
        case SecretStr() | SecretBytes() | Secret():
            revealed = value.get_secret_value()
            yield revealed.decode(errors="replace") if isinstance(revealed, bytes) else str(revealed)
        case dict():
            for item in value.values():
                yield from _secrets(item)
        case list() | tuple() | set() | frozenset():
            for item in value:
                yield from _secrets(item)
        case _:
            pass


def revealed(value: Any) -> Any:  # noqa: ANN401 - whatever a config may hold
    """Return a dumped config with its secrets in the clear: only to be sealed, or scrubbed."""
    match value:
        case SecretStr() | SecretBytes() | Secret():
            return revealed(value.get_secret_value())
        case dict():
            return {key: revealed(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [revealed(item) for item in value]
        case _:
            return value
