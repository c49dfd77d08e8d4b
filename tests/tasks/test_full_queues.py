"""A queue that nobody consumes does not grow without end: what is repeated is sent only while there is room."""

from types import SimpleNamespace

import pytest
from celery import Celery
from celery.beat import SchedulingError
from sqlalchemy import text

from worker import app as worker_app
from worker import broker
from worker.celery_hooks.components import BeatScheduler
from worker.runs.request import request_run
from worker.runs.states import RunKind, RunRequest, RunTrigger
from worker.tasks import dispatch

MOST = 6
TICK = SimpleNamespace(
    name="tick", task=broker.TICK, args=(), kwargs={}, options={"queue": broker.Queue.MAINTENANCE.value, "retry": False}
)


@pytest.fixture
def app(redis_url, monkeypatch):
    monkeypatch.setattr(broker, "FULL_QUEUE", MOST)
    made = Celery("test", broker=redis_url, set_as_current=False)
    made.conf.update(task_queues=broker.declared_queues(redis_url), task_default_queue=broker.DEFAULT_QUEUE)
    monkeypatch.setattr(dispatch, "app", made)
    yield made
    made.close()


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize("trigger", [RunTrigger.USER, RunTrigger.SCHEDULE])
def test_runs_that_nobody_takes_are_published_again_only_while_their_queue_has_room(
    opened, sessions, connect_mock, trigger
):
    for _ in range(4):
        connection_id = connect_mock()
        with sessions() as session:
            request_run(session, RunRequest(connection_id=connection_id, kind=RunKind.REFRESH, trigger=trigger))
    queue = broker.run_queue(trigger)
    published = []
    for _ in range(4):
        published.append(dispatch.dispatch_once(opened))
        with sessions() as session:  # as after a redispatch interval
            session.execute(text("UPDATE bank_import_runs SET dispatched_at = dispatched_at - INTERVAL '1 day'"))
    assert published == [4, 4, 0, 0], "more than the queue may hold is not published once more"
    assert opened.redis.llen(queue) == 8
    opened.redis.delete(queue)
    assert dispatch.dispatch_once(opened) == 4, "a queue that was consumed, or lost, is filled again"


def test_beat_sends_no_more_to_a_queue_that_nobody_consumes(app, opened):
    beat = BeatScheduler(app=app, lazy=True)
    with app.producer_pool.acquire() as producer:
        for _ in range(MOST + 3):
            beat.apply_async(TICK, producer=producer, advance=False)
    assert opened.redis.llen(broker.Queue.MAINTENANCE) == MOST


def test_nobody_else_wakes_a_dispatcher_that_nobody_consumes_for_without_end(app, opened, monkeypatch):
    monkeypatch.setattr(worker_app, "app", app)
    monkeypatch.setattr(worker_app.heartbeat_files, "age_s", lambda _name: 60)
    wakers = (
        lambda: broker.publish_tick(app),
        lambda: worker_app._tick_if_silent(1),
        worker_app._dispatch_requests,
    )
    for wake in wakers:
        opened.redis.delete(broker.Queue.MAINTENANCE)
        for _ in range(MOST + 3):
            wake()
        assert opened.redis.llen(broker.Queue.MAINTENANCE) == MOST


def test_after_a_failure_beat_sends_through_another_connection(app, opened, monkeypatch):
    beat = BeatScheduler(app=app, lazy=True)
    first, connection = beat.producer, beat.connection
    with monkeypatch.context() as broken:
        broken.setattr(type(first), "publish", lambda *_given, **_more: 1 / 0)
        with pytest.raises(SchedulingError):
            beat.apply_async(TICK, producer=first, advance=False)
    assert (beat.producer is first, beat.connection is connection) == (False, False)
    beat.apply_async(TICK, producer=beat.producer, advance=False)
    assert opened.redis.llen(broker.Queue.MAINTENANCE) == 1
    beat.connection.close()
