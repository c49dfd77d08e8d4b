"""Turns tables into partitions in the steps of a revision, each a transaction: docs/decisions/0018-partitions.md."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from sqlalchemy import Engine

_TESTS = Path(__file__).parent


def _steps(file: str) -> tuple[str, ...]:
    both = ((_TESTS / name).read_text() for name in ("schema/whole_tables.sql", file))
    return tuple("--" + step.replace("%", "%%") for text in both for step in text.split("\n-- then"))


EVENTS = _steps("webhooks/event_partitions.sql")
"""Events, deliveries and attempts, by the week of the event."""
HISTORY = _steps("schema/history_partitions.sql")
"""The audit of credentials and the changes of transactions, by month."""


def take(engine: Engine, steps: Sequence[str]) -> Iterator[str]:
    """Take one step after the other, so that what the caller does between them meets each state on the way."""
    for step in steps:
        with engine.begin() as connection:
            connection.exec_driver_sql(step)
        yield step
