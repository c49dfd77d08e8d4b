"""Upgrades a database to the newest revision, one process at a time."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from psycopg2.errors import DatabaseError
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, ProgrammingError

from worker.errors import ConflictError
from worker.migrations.chain import Chain, baseline_sql, open_chain
from worker.migrations.state import SchemaState, Standing, migration_context, read_state
from worker.schema.apply import create_missing, drop_half_built_indexes, patiently, schema_locked, schema_sql
from worker.schema.check import database_differences
from worker.schema.roles import grant_again

_NAMED = 5
"""Differences that a refusal names; `db check` lists all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgrade:
    """The result of an upgrade.

    Attributes:
        before: The revision before.
        applied: Revisions run, in order.
        revision: The revision now.
    """

    before: Standing
    applied: tuple[str, ...]
    revision: str


def inspect_schema(engine: Engine, chain: Chain | None = None) -> SchemaState:
    """Return the revision of the database; changes nothing."""
    with engine.connect() as connection:
        return read_state(connection, chain or open_chain())


def upgrade(
    engine: Engine, chain: Chain | None = None, on_revision: Callable[[str], None] = lambda _applied: None
) -> Upgrade:
    """Upgrade the database to the newest revision; an interrupted upgrade is continued.

    A fresh database gets schema.sql; one without a revision is compared first. One that a newer version upgraded is
    left as it is. Roles that were made get their rights on what is new. Raises ConflictError when the schema is none
    that is known, or a revision does not go through.

    Args:
        engine: The database.
        chain: The revisions; by default those of the package.
        on_revision: Called with each revision that was applied.
    """
    chain = chain or open_chain()
    with schema_locked(engine) as connection:
        before = read_state(connection, chain)
        if before.standing is Standing.FRESH:
            _create(connection, chain)
        elif before.standing is Standing.UNMARKED:
            _adopt(engine, connection, chain)
        state = read_state(connection, chain)
        connection.rollback()
        if state.pending:
            _run(connection, chain, on_revision)
        grant_again(connection)
        connection.commit()
    newest = chain.head if state.pending else state.revision or chain.head
    return Upgrade(before=before.standing, applied=state.pending, revision=newest)


def initialise(engine: Engine) -> bool:
    """Apply schema.sql: create what is missing, and write the revision where all agrees. False: nothing was missing.

    Raises ConflictError when revisions are pending, for creating what they create would be in their way, and when
    tables of another program have the names of ours.
    """
    chain = open_chain()
    with schema_locked(engine) as connection:
        state = read_state(connection, chain)
        if state.pending:
            raise ConflictError("; ".join(state.sentences()))
        if state.standing is Standing.AHEAD:
            return False
        try:
            changed = create_missing(connection)
        except ProgrammingError as error:
            connection.rollback()
            if differences := database_differences(engine, schema_sql()):
                raise _unknown(differences) from error
            raise
        connection.commit()
        if state.revision is None and not database_differences(engine, schema_sql()):
            _stamp(connection, chain, chain.head)
        grant_again(connection)
        connection.commit()
    return changed


def _create(connection: Connection, chain: Chain) -> None:
    create_missing(connection)
    _stamp(connection, chain, chain.head)


def _adopt(engine: Engine, connection: Connection, chain: Chain) -> None:
    """Write down the revision of a schema that was applied by hand or before revisions were kept."""
    connection.rollback()
    differences = database_differences(engine, schema_sql())
    if not differences:
        _stamp(connection, chain, chain.head)
    elif not database_differences(engine, baseline_sql()):
        _stamp(connection, chain, chain.baseline)
    else:
        raise _unknown(differences)


def _unknown(differences: Sequence[str]) -> ConflictError:
    """Say what differs from every schema that is known: first what is there, then what is missing."""
    named = sorted(differences, key=lambda difference: " has no table " in difference)[:_NAMED]
    more = len(differences) - len(named)
    rest = f"; {more} more, which `finmind-worker db check` lists" if more else ""
    return ConflictError(f"nothing was changed, because this schema is not a known one: {'; '.join(named)}{rest}")


def _stamp(connection: Connection, chain: Chain, revision: str) -> None:
    migration_context(connection).stamp(ScriptDirectory.from_config(chain.config), revision)
    connection.commit()


def _run(connection: Connection, chain: Chain, on_revision: Callable[[str], None]) -> None:
    """Apply what is pending."""
    configured = _on(connection, chain.config, on_revision)

    def apply() -> None:
        drop_half_built_indexes(connection)
        command.upgrade(configured, "head")

    try:
        patiently(connection, apply)
    except DBAPIError as error:
        if error.connection_invalidated or not isinstance(error.orig, DatabaseError):
            raise
        stopped_at = read_state(connection, chain).pending[0]
        raise ConflictError(
            f"revision {stopped_at} did not go through, the ones before it did:"
            f" {error.orig.diag.message_primary}; `finmind-worker db upgrade` goes on from there"
        ) from error


def _on(connection: Connection, config: Config, on_revision: Callable[[str], None]) -> Config:
    """Return the configuration with what env.py is to use."""
    given = copy.copy(config)
    given.attributes = {
        "connection": connection,
        "on_version_apply": lambda step, **_: on_revision(step.up_revision_id),
    }
    return given
