"""Checks that every sealed value opens; changes nothing and shows no content."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from worker.credentials import Vault
from worker.credentials.envelope import read_envelope
from worker.db.engine import Sessions
from worker.errors import CredentialError, KeyProviderUnavailableError
from worker.keys.sealed_columns import SEALED_COLUMNS, SealedColumn, SealedRow, in_batches

_BATCH = 1000


@dataclass(slots=True, kw_only=True)
class VerificationReport:
    """The result of a verification.

    Attributes:
        opened: Number of values that opened, per key.
        failures: Why a value did not open, by place.
    """

    opened: Counter[str] = field(default_factory=Counter)
    failures: dict[str, str] = field(default_factory=dict)


def verify(
    sessions: Sessions, vault: Vault, *, on_progress: Callable[[int], None] = lambda _rows: None
) -> VerificationReport:
    """Open every value. Raises: KeyProviderUnavailableError when a key service does not answer."""
    report = VerificationReport()
    for column in SEALED_COLUMNS:
        _walk(sessions, vault, column, report, on_progress)
    return report


def problem_with(vault: Vault, row: SealedRow) -> str | None:
    """Return why a value does not open, or that its row names another key; None when neither."""
    try:
        vault.open(row.blob, row.place)
    except KeyProviderUnavailableError:
        raise
    except CredentialError as error:
        return str(error)
    sealed_by = read_envelope(row.blob).key_id
    if sealed_by != row.key_id:
        return f"{row.place} is sealed with the key {sealed_by!r}, its row says {row.key_id!r}"
    return None


def _walk(
    sessions: Sessions,
    vault: Vault,
    column: SealedColumn,
    report: VerificationReport,
    on_progress: Callable[[int], None],
) -> None:
    for rows in in_batches(sessions, column, _BATCH):
        for row in rows:
            problem = problem_with(vault, row)
            if problem is None:
                report.opened[row.key_id] += 1
            else:
                report.failures[str(row.place)] = problem
        on_progress(len(rows))
