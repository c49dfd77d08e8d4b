"""Turns whole tables into partitions by time, in steps beside everybody who writes: docs/decisions/0018-partitions.md.

The functions that make and drop partitions later are in schema.sql, for maintenance has the right to call them alone.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from importlib import resources

from sqlalchemy import Connection, Engine, text

from worker.errors import ConflictError
from worker.schema.apply import patiently, run_sql, schema_locked
from worker.schema.roles import grant_again


class PartitionGroup(StrEnum):
    """Tables that become partitions together."""

    EVENTS = "events"
    HISTORY = "history"

    @property
    def tables(self) -> tuple[str, ...]:
        """The tables; the first one says how far all are."""
        return _TABLES[self]


_TABLES = {
    PartitionGroup.EVENTS: ("webhook_events", "webhook_deliveries", "webhook_attempts"),
    PartitionGroup.HISTORY: ("credential_audit", "bank_transaction_changes"),
}


class Form(StrEnum):
    """How the tables of a group are stored."""

    WHOLE = "whole"
    BEGUN = "begun"
    PARTITIONED = "partitioned"


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionState:
    """How far a group is.

    Attributes:
        newest: The newest partition of its first table; None before there is one.
    """

    group: PartitionGroup
    form: Form
    newest: str | None

    def sentence(self) -> str:
        """Say what the state is, and what goes on with it."""
        tables = " and ".join(", ".join(self.group.tables).rsplit(", ", 1))
        match self.form:
            case Form.WHOLE:
                return f"{self.group}: {tables} are whole tables"
            case Form.BEGUN:
                return (
                    f"{self.group}: {tables} are on their way to partitions;"
                    f" `finmind-worker db partition {self.group}` goes on"
                )
            case Form.PARTITIONED:
                return f"{self.group}: {tables} are in partitions, the newest is {self.newest}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionStep:
    """One step: a transaction, or a loop of them that commits page by page."""

    says: str
    sql: str


_STATE = text(
    """
    SELECT CASE WHEN c.relkind = 'p' THEN 'partitioned'
      WHEN to_regclass('whole_' || c.relname) IS NOT NULL
        OR EXISTS (SELECT FROM pg_trigger WHERE tgrelid = c.oid AND tgname = 'webhook_event_takes_its_key')
        OR EXISTS (SELECT FROM pg_constraint WHERE conrelid = c.oid AND conname = 'ck_first_partition') THEN 'begun'
      ELSE 'whole' END AS form,
      (SELECT max(n.relname) FROM pg_inherits i JOIN pg_class n ON n.oid = i.inhrelid
       WHERE i.inhparent = c.oid AND n.relname ~ '[0-9]$') AS newest
    FROM pg_class c WHERE c.oid = to_regclass(:table)
    """
)
_OWNS = text(
    """
    SELECT bool_and(pg_has_role(relowner, 'USAGE')) AND has_schema_privilege(current_schema(), 'CREATE')
    FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relname = ANY(:tables)
    """
)
_OF_AN_OLD_WORKER = text(
    """
    SELECT EXISTS (
      SELECT FROM (SELECT event_id, started_at FROM webhook_attempts ORDER BY id DESC LIMIT 1000) newest
      WHERE event_id IS NULL AND started_at > now() - INTERVAL '10 minutes')
    """
)
_MAKE_COMING = "SELECT make_event_weeks(), make_history_months()"
_OF_RANDOM_ID = text("SELECT count(*) FROM webhook_events WHERE id >= first_event_id(now() + INTERVAL '8 days')")


def partition_states(connection: Connection) -> list[PartitionState]:
    """Say how far each group is; nothing of a database that lacks the tables."""
    states = []
    for group in PartitionGroup:
        found = connection.execute(_STATE, {"table": group.tables[0]}).one_or_none()
        if found:
            states.append(PartitionState(group=group, form=Form(found.form), newest=found.newest))
    return states


def partition_steps(group: PartitionGroup) -> list[PartitionStep]:
    """Return the steps in their order."""
    parts = re.split(r"^-- \d+\. (.*)$", _sql(f"{group.removesuffix('s')}_partitions.sql"), flags=re.MULTILINE)
    return [PartitionStep(says=says, sql=sql) for says, sql in zip(parts[1::2], parts[2::2], strict=True)]


def partition(
    engine: Engine,
    group: PartitionGroup,
    *,
    on_step: Callable[[PartitionStep], object] = lambda _next: None,
    dry_run: bool = False,
) -> None:
    """Take all steps, and make coming partitions; when it was stopped, calling it again goes on.

    A step that waits two seconds for a lock gives up, lets everybody else go first, and is tried again.

    Args:
        engine: The database; its log-in owns the tables.
        group: What is to be partitioned.
        on_step: Called before each step.
        dry_run: Take no step.

    Raises:
        ConflictError: Something is in the way; nothing was changed.
    """
    with schema_locked(engine) as connection:
        (state,) = (one for one in partition_states(connection) if one.group is group)
        if state.form is not Form.PARTITIONED:
            _refuse(connection, group)
            run_sql(connection, "SET lock_timeout = '2s'")
            run_sql(connection, _sql("whole_tables.sql"))
        connection.commit()
        steps = [] if state.form is Form.PARTITIONED else partition_steps(group)
        for step in steps:
            on_step(step)
            if not dry_run:
                patiently(connection, partial(_take, connection, step.sql, with_rights=step is steps[-1]))
        if not dry_run:
            patiently(connection, partial(_take, connection, _MAKE_COMING))


def _refuse(connection: Connection, group: PartitionGroup) -> None:
    """Look for what is in the way. Raises: ConflictError."""
    if not connection.scalar(_OWNS, {"tables": list(group.tables)}):
        raise ConflictError("this log-in does not own the tables: use that of finmind_migrate or of the owner")
    if group is not PartitionGroup.EVENTS:
        return
    if connection.scalar(_OF_AN_OLD_WORKER):
        raise ConflictError(
            "a worker of 0.3.0 or older made an attempt within ten minutes: it writes no events into partitions."
            " Replace all workers and the API first"
        )
    if count := connection.scalar(_OF_RANDOM_ID):
        raise ConflictError(
            f"{count} events have ids that do not follow time, of before revision r0011;"
            " they go after WEBHOOK_RETENTION_DAYS, once nothing waits for them"
        )


def run_partition_steps(connection: Connection, group: PartitionGroup) -> None:
    """Take all steps in the caller's transaction, on empty tables: where rows are, steps commit page by page."""
    run_sql(connection, _sql("whole_tables.sql"))
    for step in partition_steps(group):
        run_sql(connection, step.sql)


def _take(connection: Connection, sql: str, *, with_rights: bool = False) -> None:
    in_pages = "COMMIT;" in sql
    connection.execution_options(isolation_level="AUTOCOMMIT" if in_pages else "READ COMMITTED")
    run_sql(connection, sql)
    if with_rights:
        grant_again(connection)  # the rights come with the names: no process is without them for a moment
    connection.commit()


def _sql(name: str) -> str:
    return (resources.files("worker.schema") / name).read_text(encoding="utf-8")
