"""Events, deliveries and attempts can lie in partitions by week: made beside everybody who writes, dropped by the week.

docs/decisions/0018-partitions.md says when that pays, and why the tables of each week have foreign keys of their own.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from io import BytesIO
from zipfile import ZipFile

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from tests.partition_steps import EVENTS, take
from tests.webhooks.conftest import NO_BREAKER, reply
from worker.personal_data.archive import archive
from worker.runs.retention.pace import RemovalPace
from worker.webhooks.delivery_queries import DeliveryFilter, attempts, deliveries, events
from worker.webhooks.replay import replay_event
from worker.webhooks.retention import prune

WHOLE = ("webhook_attempts", "webhook_deliveries", "webhook_events")
AHEAD = 4

FILES = """
    SELECT pg_relation_filenode(c.oid) FROM pg_class c LEFT JOIN pg_inherits ON inhrelid = c.oid
    WHERE c.relname = ANY(:whole) AND c.relkind = 'r' OR pg_get_expr(c.relpartbound, c.oid) LIKE '%MINVALUE%'
    ORDER BY 1
"""
CHAINS = """
    SELECT count(*), count(d.id), count(a.id), count(DISTINCT e.sequence), count(DISTINCT d.id), count(DISTINCT a.id)
    FROM webhook_events e LEFT JOIN webhook_deliveries d ON d.event_id = e.id
    LEFT JOIN webhook_attempts a ON a.delivery_id = d.id AND a.event_id = e.id
"""
# Another event like the first one, as the clock of a later week would number it.
LATER = """
    INSERT INTO webhook_events (id, user_id, type, api_version, data)
    SELECT encode(substring(uuid_send(first_event_id(:at)) FROM 1 FOR 6)
      || substring(uuid_send(finmind_uuid7()) FROM 7), 'hex')::uuid, user_id, type, api_version, data
    FROM webhook_events ORDER BY sequence LIMIT 1
"""
PLACES = "SELECT DISTINCT right(tableoid::regclass::text, 8) FROM {} ORDER BY 1"
MAKE, DROP = "SELECT make_event_weeks(:ahead)", "SELECT drop_event_week(:before_at)"
WEEKS = (
    "SELECT right(inhrelid::regclass::text, 8) FROM pg_inherits WHERE inhparent = CAST(:whole AS regclass) ORDER BY 1"
)


@pytest.fixture
def steps(engine: Engine) -> Iterator[str]:
    """Take one step after the other, so that what is done between them meets each state on the way."""

    return take(engine, EVENTS)


@pytest.fixture
def partitioned(engine: Engine, steps: Iterator[str]) -> Engine:
    """Take all steps at once."""
    for _ in steps:
        pass
    return engine


@pytest.fixture
def maintenance(partitioned: Engine) -> Iterator[Callable[[str], int]]:
    """Call a function as somebody who owns no table and may call these two."""
    role = f"maintenance_{partitioned.url.database}"

    def call(statement: str, **values: object) -> int:
        with partitioned.begin() as connection:
            connection.exec_driver_sql(f"SET LOCAL ROLE {role}")
            return int(connection.execute(text(statement), values).scalar_one())

    with partitioned.begin() as connection:
        connection.exec_driver_sql(f"CREATE ROLE {role}")
        for function in ("make_event_weeks(INTEGER)", "drop_event_week(TIMESTAMPTZ)"):
            connection.exec_driver_sql(f"GRANT EXECUTE ON FUNCTION {function} TO {role}")
    yield call
    with partitioned.begin() as connection:
        connection.exec_driver_sql(f"DROP OWNED BY {role}; DROP ROLE {role}")


def week_of(at: datetime) -> str:
    return f"{at - timedelta(days=at.weekday()):%Y%m%d}"


def test_tables_become_partitions_beside_deliveries(  # noqa: PLR0917 - fixtures
    receiver, add_subscription, publish, deliver, rows, execute, steps
):
    add_subscription(receiver.url)
    publish(dedup_key="before")
    deliver()
    execute("UPDATE webhook_attempts SET event_id = NULL")  # as a worker of the version before leaves it
    files = rows(FILES, whole=list(WHOLE))
    for number, step in enumerate(steps, 1):
        for key in (f"step {number}", f"step {number}", "before"):
            publish(dedup_key=key)
        assert deliver().delivered == 1, step
    made = 1 + len(EVENTS)
    assert len(receiver.received) == made
    assert rows(CHAINS) == [(made,) * 6], "each event with its delivery and its attempt"
    assert rows(FILES, whole=list(WHOLE)) == files, "the files of the tables are those of before: nothing was copied"


@pytest.mark.usefixtures("partitioned")
def test_an_event_whose_number_is_taken_is_written_in_partitions(add_subscription, publish, rows, execute):
    add_subscription("http://127.0.0.1:1/")
    publish(dedup_key="a")
    execute("SELECT setval('webhook_events_sequence_seq', 1, false)")
    publish(dedup_key="b")
    assert rows("SELECT dedup_key FROM webhook_events ORDER BY 1") == [("a",), ("b",)]


@pytest.mark.usefixtures("partitioned")
def test_a_person_finds_their_events_in_partitions(  # noqa: PLR0917 - fixtures
    sessions, user_id, receiver, add_subscription, publish, deliver, rows, execute
):
    subscription_id = add_subscription(receiver.url).subscription_id
    publish()
    publish()
    assert deliver().delivered == 2
    (event_id, old_id) = (found for (found,) in rows("SELECT id FROM webhook_events ORDER BY sequence"))
    for one in ("webhook_events WHERE id = :id", "webhook_deliveries WHERE event_id = :id"):
        plan = " ".join(line for (line,) in rows(f"EXPLAIN SELECT * FROM {one}", id=event_id))
        assert "Append" not in plan, "one event is looked for in one week"
    with sessions() as session:
        again = replay_event(session, user_id, subscription_id, event_id)
    assert deliver().delivered == 1
    with sessions() as session:
        assert [found["sequence"] for found in events(session, user_id)] == [2, 1]
        assert deliveries(session, user_id, DeliveryFilter(), limit=1)[0]["id"] == again
        assert [row["status_code"] for row in attempts(session, user_id, again)] == [200]
    exported = ZipFile(BytesIO(b"".join(archive(sessions, user_id))))
    assert [exported.read(f"{table}.jsonl").count(b"\n") for table in WHOLE] == [3, 3, 2]
    execute("UPDATE webhook_events SET occurred_at = now() - INTERVAL '2 days' WHERE id = :id", id=old_id)
    execute("UPDATE webhook_deliveries SET finished_at = now() - INTERVAL '2 days' WHERE event_id = :id", id=old_id)
    assert prune(sessions, keep_days=1, pace=RemovalPace(wait=lambda _seconds: None)) == 1
    assert rows(CHAINS) == [(2, 2, 2, 1, 2, 2)], "an old event goes with all that it had; the other was sent twice"
    execute("DELETE FROM users")
    for table in (*WHOLE, "webhook_event_keys"):
        assert rows(f"SELECT count(*) FROM {table}") == [(0,)]


def test_weeks_come_and_go_and_none_goes_in_which_a_delivery_waits(  # noqa: PLR0917 - fixtures
    receiver, add_subscription, publish, deliver, rows, execute, maintenance
):
    add_subscription(receiver.url)
    publish(dedup_key="before")
    deliver()
    first = rows(PLACES.format("webhook_events"))[0][0]

    # Each week is a partition of its own; what nobody made in time is in the default one, and arrives as well.
    now = datetime.now(UTC)
    coming, unforeseen = now + timedelta(weeks=2), now + timedelta(weeks=AHEAD + 2)
    receiver.answer = lambda _request: reply(503)
    for at in (coming, unforeseen):
        execute(LATER, at=at)
    deliver(breaker=NO_BREAKER)
    for table in WHOLE:
        assert rows(PLACES.format(table)) == [(first,), (week_of(coming),), ("_default",)]
    with pytest.raises(DBAPIError, match="must be owner"):
        maintenance("DROP TABLE webhook_events_default")
    maintenance(MAKE, ahead=AHEAD + 3)
    made_weeks = rows(WEEKS, whole="webhook_events")
    assert (week_of(unforeseen + timedelta(weeks=1)),) in made_weeks
    assert (week_of(unforeseen),) not in made_weeks, "its rows are in the default partition and stay there"

    # A week goes when it is old and nothing in it waits, its three tables at once. What is in other weeks stays.
    ended = coming - timedelta(days=coming.weekday())
    while maintenance(DROP, before_at=ended):
        pass
    kept = [week for week in made_weeks if week[0] >= week_of(coming)]
    assert [rows(WEEKS, whole=table) for table in WHOLE] == [kept] * 3
    assert rows(CHAINS) == [(2,) * 6]
    publish(dedup_key="before")
    assert rows(CHAINS)[0][0] == 2, "a key outlives its event"
    later = unforeseen + timedelta(weeks=4)
    while maintenance(DROP, before_at=later):
        pass
    assert rows(WEEKS, whole="webhook_events") == [(week_of(coming),), ("_default",)], "a delivery of that week waits"
    receiver.answer = lambda _request: reply(200)
    execute("UPDATE webhook_deliveries SET next_attempt_at = now()")
    assert deliver(breaker=NO_BREAKER).delivered == 2
    assert maintenance(DROP, before_at=later) == 1
    assert rows(PLACES.format("webhook_attempts")) == [("_default",)]
