"""Options, findings and earlier results that all steps of the check of a restored database use."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import CursorResult, TextClause, text
from sqlalchemy.orm import Session

COMMAND = "db check --after-restore"


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreOptions:
    """How a restored database is treated.

    Attributes:
        backup_of: The moment of the backup; None finds the newest moment in the tables.
        send_held: Send what waited to be sent when the backup was made.
        give_up_credentials: Replace credentials that do not open, for good: their people have to log in again.
        dry_run: Change nothing.
    """

    backup_of: datetime | None = None
    send_held: bool = False
    give_up_credentials: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that was out of step.

    Attributes:
        name: A stable name.
        count: How many rows.
        says: What was found, and what was done about it.
        mended: Whether nothing is left to do for a person.
    """

    name: str
    count: int
    says: str
    mended: bool = True


def place_of(session: Session) -> str:
    """Return which restored database this is."""
    return str(session.scalar(_PLACE))


# A dump is restored into a database of another id; a base backup begins a new timeline of the same server.
_PLACE = text(
    """
    SELECT (SELECT oid FROM pg_database WHERE datname = current_database()) || '/'
      || (SELECT system_identifier FROM pg_control_system()) || '/' || (SELECT timeline_id FROM pg_control_checkpoint())
    """
)


def earlier_point(session: Session) -> str | None:
    """Return the moment that an earlier check of this database took for that of the backup."""
    before: str | None = session.scalar(_EARLIER_POINT, {"command": COMMAND, "place": place_of(session)})
    return before


_EARLIER_POINT = text(
    """
    SELECT detail ->> 'backup_of' FROM credential_audit
    WHERE action = 'operated' AND detail ->> 'command' = :command AND detail ->> 'place' = :place
    ORDER BY id DESC LIMIT 1
    """
)


def count_rows(session: Session, statement: TextClause, point: datetime) -> int:
    """Run a statement with the moment of the backup, and return how many rows it changed."""
    result = session.execute(statement, {"point": point})
    assert isinstance(result, CursorResult)
    return result.rowcount
