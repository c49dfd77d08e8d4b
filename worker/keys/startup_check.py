"""Checks credential keys at start-up: the process does not start unless one value per key can be opened."""

from worker.credentials import Vault
from worker.db.engine import Sessions
from worker.errors import ConfigurationError, KeyProviderUnavailableError
from worker.keys.sealed_columns import SEALED_COLUMNS, SealedColumn, SealedRow, count_rows, each_key
from worker.keys.verification import problem_with
from worker.telemetry.logs import get_logger

log = get_logger(__name__)


def check_keys(sessions: Sessions, vault: Vault) -> None:
    """Open one value for every key that seals a stored value.

    A key service that does not answer does not stop the process; runs are deferred until it does.

    Raises:
        ConfigurationError: The key that is missing or wrong, and how many rows need it.
    """
    for column in SEALED_COLUMNS:
        with sessions() as session:
            samples = list(each_key(session, column))
        for key_id, row in samples:
            if key_id not in vault.key_ids:
                raise ConfigurationError(_missing(sessions, column, key_id))
            _open_sample(vault, row)


def _open_sample(vault: Vault, row: SealedRow) -> None:
    try:
        problem = problem_with(vault, row)
    except KeyProviderUnavailableError as error:
        log.warning("credentials.key_provider_down", key_id=row.key_id, reason=str(error))
        return
    if problem is not None:
        raise ConfigurationError(f"credential keys: {problem}")


def _missing(sessions: Sessions, column: SealedColumn, key_id: str) -> str:
    with sessions() as session:
        needed_by = count_rows(session, column, where=f"{column.key_id} = :key_id", key_id=key_id)
    return (
        f"the credential key {key_id!r} is missing: {needed_by} row(s) of {column.table} cannot be opened without it;"
        " put it back, after the key that seals"
    )
