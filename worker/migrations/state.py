"""Reads the revision of a database, and the revisions that it lacks."""

from dataclasses import dataclass
from enum import StrEnum

from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection

from worker.migrations.chain import Chain
from worker.migrations.pending import VERSION_TABLE
from worker.schema.apply import is_fresh


class Standing(StrEnum):
    """How a database relates to the revisions of this version."""

    FRESH = "fresh"
    UNMARKED = "unmarked"
    BEHIND = "behind"
    CURRENT = "current"
    AHEAD = "ahead"


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaState:
    """The revision of a database.

    Attributes:
        revision: The revision stored in it.
        pending: Revisions it lacks, in order.
    """

    standing: Standing
    revision: str | None = None
    pending: tuple[str, ...] = ()

    def sentences(self) -> list[str]:
        """Say what is not as this version has it; nothing when the database is current."""
        match self.standing:
            case Standing.FRESH:
                return ["the database has none of the worker's tables; `finmind-worker db upgrade` creates them"]
            case Standing.UNMARKED:
                return ["the database does not say its revision; `finmind-worker db upgrade` compares and writes it"]
            case Standing.BEHIND:
                return [f"revision {revision} is pending; run `finmind-worker db upgrade`" for revision in self.pending]
            case Standing.AHEAD:
                return [f"the database is at revision {self.revision}, of a newer version than this one"]
            case Standing.CURRENT:
                return []


def read_state(connection: Connection, chain: Chain) -> SchemaState:
    """Compare the stored revision with the chain; changes nothing."""
    revision = migration_context(connection).get_current_revision()
    if revision is None:
        return SchemaState(standing=Standing.FRESH if is_fresh(connection) else Standing.UNMARKED)
    if revision not in chain.ids:
        return SchemaState(standing=Standing.AHEAD, revision=revision)
    pending = chain.after(revision)
    standing = Standing.BEHIND if pending else Standing.CURRENT
    return SchemaState(standing=standing, revision=revision, pending=pending)


def migration_context(connection: Connection) -> MigrationContext:
    """Return Alembic's view of the table that keeps the revision."""
    return MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
