"""A connector's config between the caller and the row: validated, sealed for its row, opened again, and on record."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from sqlalchemy import func
from sqlalchemy.orm import Session

from worker.connectors.base import BankConnector
from worker.credentials import Place, Vault, open_config, seal_config
from worker.errors import CredentialError, InvalidRequestError
from worker.models import BankConnection, CredentialAudit

TABLE = "bank_connections"
COLUMN = "config_encrypted"


def read_config(connector: type[BankConnector], given: Mapping[str, Any]) -> BaseModel:
    """Validate a config as its connector declares it.

    Raises: InvalidRequestError naming the fields and what is wrong with them, never their values.
    """
    try:
        return connector.Config.model_validate(given)
    except ValidationError as error:
        problem = describe_invalid(error)
    raise InvalidRequestError(f"config of `{connector.name}`: {problem}")


def describe_invalid(error: ValidationError) -> str:
    """Say which fields are wrong and why, without the values that were given."""
    problems = error.errors(include_input=False, include_context=False, include_url=False)
    return "; ".join(f"{'.'.join(map(str, problem['loc'])) or 'as a whole'}: {problem['msg']}" for problem in problems)


def place_of(connection: BankConnection) -> Place:
    """Return the place for which this connection's config is sealed."""
    return Place(
        table=TABLE,
        column=COLUMN,
        user_id=connection.user_id,
        row_id=str(connection.id),
        version=connection.config_version,
    )


def put_config(vault: Vault, connection: BankConnection, config: BaseModel) -> None:
    """Seal the config into the row, under the row's current version. Raises: KeyProviderUnavailableError."""
    sealed = seal_config(vault, config, place_of(connection))
    connection.config_encrypted = sealed.blob
    connection.config_key_id = sealed.key_id
    connection.config_sealed_at = func.now()


def take_config(vault: Vault, connection: BankConnection, connector: type[BankConnector]) -> BaseModel:
    """Open the config of a row.

    Raises: CredentialError when it does not open or no longer fits its connector; KeyProviderUnavailableError.
    """
    if connection.config_encrypted is None:
        raise CredentialError(f"connection {connection.id} holds no config")
    return open_config(vault, connection.config_encrypted, place_of(connection), connector.Config)


def record_use(
    session: Session, connection: BankConnection, *, actor: str, action: str, detail: Mapping[str, Any] | None = None
) -> None:
    """Put on record who did what to a connection's credentials. actor: `cli:…`, `api:…` or `worker:…`."""
    session.add(
        CredentialAudit(
            actor=actor[:100],
            action=action,
            table_name=TABLE,
            row_id=str(connection.id),
            user_id=connection.user_id,
            key_id=connection.config_key_id,
            detail=dict(detail or {}),
        )
    )
