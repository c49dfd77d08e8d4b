"""Makes coming partitions and drops old ones, where tables are in partitions: docs/decisions/0018-partitions.md."""

from typing import Literal

from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from worker.db.engine import Sessions
from worker.db.trouble import is_contention
from worker.telemetry.logs import get_logger

log = get_logger(__name__)


def make_coming_partitions(sessions: Sessions) -> None:
    """Make the partitions of coming weeks and months, and take back what a `db partition` that was killed left."""
    change_partitions(sessions, "forget_partition_bounds")
    change_partitions(sessions, "make_event_weeks")
    change_partitions(sessions, "make_history_months")


def change_partitions(
    sessions: Sessions,
    name: Literal["forget_partition_bounds", "make_event_weeks", "make_history_months", "drop_event_week"],
    *arguments: object,
) -> int:
    """Call a function of schema.sql in a transaction of its own; return how many partitions it made or dropped.

    It waits half a second for a lock: where it gives way, the next pass tries again. Whole tables are left as they are.
    """
    try:
        with sessions() as session:
            session.execute(text("SET LOCAL statement_timeout = 0"))  # a week is looked through before it goes
            changed = session.execute(select(getattr(func, name)(*arguments))).scalar_one()
    except DBAPIError as error:
        if not is_contention(error):
            raise
        log.info("partitions.gave_way", function=name)
        return 0
    if changed:
        log.info("partitions.changed", function=name, count=changed)
    return int(changed)
