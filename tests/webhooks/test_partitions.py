"""Events, deliveries and attempts in partitions by week: made beside everybody who writes, dropped by the week.

docs/decisions/0018-partitions.md says when that pays, and why the tables of each week have foreign keys of their own.
What maintenance does is done with the rights of its role.
"""

from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from io import BytesIO
from itertools import count
from zipfile import ZipFile

import pytest
import redis
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from tests import roles
from tests.webhooks.conftest import NO_BREAKER, reply
from worker.db.engine import open_engine
from worker.errors import ConflictError
from worker.personal_data.archive import archive
from worker.runs.retention.pace import RemovalPace
from worker.runs.retention.partitions import change_partitions, make_coming_partitions
from worker.schema.partitions import PartitionGroup, PartitionStep, partition, partition_states, partition_steps
from worker.schema.roles import apply_roles
from worker.status import concerns, read_status
from worker.status.prometheus import exposition
from worker.webhooks.delivery_queries import DeliveryFilter, attempts, deliveries, events
from worker.webhooks.replay import replay_event
from worker.webhooks.retention import prune

WHOLE = ("webhook_attempts", "webhook_deliveries", "webhook_events")
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
WEEKS = (
    "SELECT right(inhrelid::regclass::text, 8) FROM pg_inherits WHERE inhparent = CAST(:whole AS regclass) ORDER BY 1"
)


WEEK = "date_trunc('week', now() - INTERVAL '1 day', 'UTC')"
"""The oldest moment of which events are left to go with their week."""
PACE = RemovalPace(wait=lambda _seconds: None)


class StoppedError(Exception):
    """The command is stopped here."""


def stopping_before(number: int) -> Callable[[PartitionStep], None]:
    """Stop before this step; 0: never."""
    steps = count(1)

    def stop(_step: PartitionStep) -> None:
        if next(steps) == number:
            raise StoppedError

    return stop


@pytest.fixture
def partitioned(engine: Engine) -> Engine:
    """Take all steps at once, and go on with the roles."""
    apply_roles(engine, [])
    partition(engine, PartitionGroup.EVENTS)
    roles.watch(engine)
    engine.dispose()
    return engine


def week_of(at: datetime) -> str:
    return f"{at - timedelta(days=at.weekday()):%Y%m%d}"


def test_tables_become_partitions_beside_deliveries_wherever_the_command_was_stopped(  # noqa: PLR0917 - fixtures
    engine, receiver, add_subscription, publish, deliver, rows, execute
):
    add_subscription(receiver.url)
    publish(dedup_key="before")
    deliver()
    execute("UPDATE webhook_attempts SET event_id = NULL, started_at = now() - INTERVAL '1 day'")  # as 0.3.0 leaves it
    files = rows(FILES, whole=list(WHOLE))

    def announce(when: object) -> None:
        made = len(receiver.received)
        for key in (f"event {made}", f"event {made}", "before"):
            publish(dedup_key=key)
        assert deliver().delivered == 1, when

    for number in range(len(partition_steps(PartitionGroup.EVENTS)), -1, -1):
        stop = stopping_before(number)

        def work_on(step, stop=stop, until_the_end=number == 0) -> None:
            if until_the_end:
                announce(step)
            stop(step)

        with pytest.raises(StoppedError) if number else nullcontext():
            partition(engine, PartitionGroup.EVENTS, on_step=work_on)
        announce(number)
    partition(engine, PartitionGroup.EVENTS, on_step=lambda _step: pytest.fail("it was done"))
    made = len(receiver.received)
    assert rows(CHAINS) == [(made,) * 6], "each event with its delivery and its attempt"
    assert rows(FILES, whole=list(WHOLE)) == files, "the files of the tables are those of before: nothing was copied"


@pytest.mark.usefixtures("user_id")
def test_bounds_that_a_killed_command_left_are_taken_back_before_they_refuse_an_event(engine, rows, sessions):
    event = (
        "INSERT INTO webhook_events (id, user_id, type, api_version, data)"
        " SELECT first_event_id(now() + INTERVAL '3 weeks'), id, 'x', '1', '{}' FROM users"
    )
    with pytest.raises(StoppedError):
        partition(engine, PartitionGroup.EVENTS, on_step=stopping_before(5))
    with pytest.raises(DBAPIError, match="ck_first_partition"):
        rows(event)
    with engine.connect() as connection:
        said = [state.sentence() for state in partition_states(connection)]
    assert said[0].endswith("on their way to partitions; `finmind-worker db partition events` goes on")
    assert said[1].endswith("are whole tables")
    make_coming_partitions(sessions)
    assert rows(f"{event} RETURNING 1") == [(1,)]


OF_RANDOM_ID = """
    INSERT INTO webhook_events (id, user_id, type, api_version, data)
    SELECT 'f0000000-0000-4000-8000-000000000000', id, 'x', '1', '{}' FROM users
"""


@pytest.mark.parametrize(
    ("change", "role", "says"),
    [
        ("UPDATE webhook_attempts SET event_id = NULL", None, "a worker of 0.3.0 or older made an attempt"),
        (OF_RANDOM_ID, None, "1 events have ids that do not follow time"),
        ("SELECT 1", "pg_monitor", "this log-in does not own the tables"),
    ],
)
def test_what_is_in_the_way_of_partitions_is_said_before_anything_is_changed(  # noqa: PLR0917 - fixtures
    engine, receiver, add_subscription, publish, deliver, execute, change, role, says
):
    add_subscription(receiver.url)
    publish()
    deliver()
    execute(change)
    as_role = open_engine(engine.url.update_query_dict({"options": f"-c role={role or 'none'}"}))
    with pytest.raises(ConflictError, match=says):
        partition(as_role, PartitionGroup.EVENTS, on_step=lambda _step: pytest.fail("nothing may be changed"))
    as_role.dispose()


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
    for seconds, gone in ((0, 0), (1, 1)):
        old_at = f"{WEEK} - make_interval(secs => {seconds})"
        execute(f"UPDATE webhook_events SET occurred_at = {old_at} WHERE id = :id", id=old_id)
        execute(f"UPDATE webhook_deliveries SET finished_at = {old_at} WHERE event_id = :id", id=old_id)
        assert prune(sessions, keep_days=1, pace=PACE) == gone, "a week goes as a whole, once all of it is old"
    assert rows(CHAINS) == [(2, 2, 2, 1, 2, 2)], "an old event goes with all that it had; the other was sent twice"
    execute("DELETE FROM users")
    for table in (*WHOLE, "webhook_event_keys"):
        assert rows(f"SELECT count(*) FROM {table}") == [(0,)]


def test_weeks_come_and_go_and_none_goes_in_which_a_delivery_waits(  # noqa: PLR0917 - fixtures
    partitioned, sessions, receiver, add_subscription, publish, deliver, rows, execute
):
    add_subscription(receiver.url)
    publish(dedup_key="before")
    deliver()
    first = rows(PLACES.format("webhook_events"))[0][0]

    # Each week is a partition of its own; what nobody made in time is in the default one, and arrives as well.
    now = datetime.now(UTC)
    coming, unforeseen = now + timedelta(weeks=3), now + timedelta(weeks=6)
    receiver.answer = lambda _request: reply(503)
    for at in (coming, unforeseen):
        execute(LATER, at=at)
    deliver(breaker=NO_BREAKER)
    for table in WHOLE:
        assert rows(PLACES.format(table)) == [(first,), (week_of(coming),), ("_default",)]
    with pytest.raises(DBAPIError, match="must be owner"), partitioned.begin() as connection:
        connection.exec_driver_sql("SET LOCAL ROLE finmind_worker; DROP TABLE webhook_events_default")
    with partitioned.begin() as connection:
        connection.exec_driver_sql("LOCK TABLE webhook_events")
        assert change_partitions(sessions, "make_event_weeks", 7) == 0, "it gives way, and the next pass makes them"
    assert change_partitions(sessions, "make_event_weeks", 7) == 2
    made_weeks = rows(WEEKS, whole="webhook_events")
    assert (week_of(unforeseen + timedelta(weeks=1)),) in made_weeks
    assert (week_of(unforeseen),) not in made_weeks, "its rows are in the default partition and stay there"

    # A week goes when it is old and nothing in it waits, its three tables at once. What is in other weeks stays.
    while change_partitions(sessions, "drop_event_week", coming - timedelta(days=coming.weekday())):
        pass
    kept = [week for week in made_weeks if week[0] >= week_of(coming)]
    assert [rows(WEEKS, whole=table) for table in WHOLE] == [kept] * 3
    assert rows(CHAINS) == [(2,) * 6]
    publish(dedup_key="before")
    assert rows(CHAINS)[0][0] == 2, "a key outlives its event"
    later = unforeseen + timedelta(weeks=4)
    while change_partitions(sessions, "drop_event_week", later):
        pass
    assert rows(WEEKS, whole="webhook_events") == [(week_of(coming),), ("_default",)], "a delivery of that week waits"
    receiver.answer = lambda _request: reply(200)
    execute("UPDATE webhook_deliveries SET next_attempt_at = now()")
    assert deliver(breaker=NO_BREAKER).delivered == 2
    assert change_partitions(sessions, "drop_event_week", later) == 1
    assert rows(PLACES.format("webhook_attempts")) == [("_default",)]

    # An operator sees that none is coming, and that the next pass made some.
    def said() -> tuple[list[str], bool]:
        with redis.Redis.from_url("redis://127.0.0.1:1/0") as nobody:
            with sessions() as session:
                words = concerns(read_status(session, nobody))
            return words, "finmind_coming_partition_seconds" in exposition(sessions, nobody).decode()

    assert said() == (["1 partitioned table has coming partitions for less than a week"], True)
    make_coming_partitions(sessions)
    assert said() == ([], True)
