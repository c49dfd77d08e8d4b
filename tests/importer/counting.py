"""How many statements a piece of work sends to Postgres."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import event

from worker.db.engine import Sessions


@contextmanager
def statements(sessions: Sessions) -> Iterator[list[str]]:
    """Collect the statements that SQLAlchemy sends while the block runs."""
    with sessions() as session:
        engine = session.get_bind()
    sent: list[str] = []

    def note(_connection, _cursor, statement, *_rest) -> None:
        sent.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(engine, "before_cursor_execute", note)
