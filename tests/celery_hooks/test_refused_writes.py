"""A Redis that answers and takes no writes counts as one that is away, until one takes them again."""

import uuid

import kombu
import pytest
import redis
from celery import Celery
from kombu.exceptions import OperationalError

from tests.waiting import PATIENCE_S
from worker import broker
from worker.celery_hooks.queue_entries import check_queue_entries
from worker.celery_hooks.refused_writes import takes_no_writes
from worker.local.redis import EmbeddedRedis


@pytest.fixture
def server(tmp_path):
    started = EmbeddedRedis(tmp_path / "redis")
    yield started
    started.stop()


STATES = {  # how it comes to take no writes, and to take them again
    "became a replica": (("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE")),
    "is out of memory": (("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "maxmemory", "0")),
}


def test_who_is_refused_its_writes_connects_again_and_what_is_sent_later_arrives(server):
    check_queue_entries()
    with kombu.Connection(server.url) as connection, redis.Redis.from_url(server.url) as operator:
        producer = connection.Producer()
        producer.publish({}, routing_key="interactive", retry=False)
        for stops, begins in STATES.values():
            known = {client["id"] for client in operator.client_list()}
            operator.execute_command(*stops)
            with pytest.raises(connection.connection_errors, match="takes no writes"):
                producer.publish({}, routing_key="interactive", retry=False)
            operator.execute_command(*begins)
            producer.publish({}, routing_key="interactive", retry=False)
            now = {client["id"] for client in operator.client_list()}
            assert now - known, "the address may lead to another server by now"
        assert operator.llen("interactive") == 1 + len(STATES)


def test_nudges_that_a_redis_refuses_are_refused_in_the_words_that_their_senders_expect(server):
    check_queue_entries()
    nudge = broker.Nudge(run_id=uuid.uuid4(), queue=broker.Queue.HEAVY)
    with Celery(broker=server.url, set_as_current=False) as app, redis.Redis.from_url(server.url) as operator:
        app.conf.task_queues = broker.declared_queues(server.url)
        broker.publish(app, [nudge])
        for stops, begins in STATES.values():
            operator.execute_command(*stops)
            for send in (lambda: broker.publish(app, [nudge]), lambda: broker.publish_tick(app)):
                with pytest.raises(OperationalError, match="takes no writes"):
                    send()
            operator.execute_command(*begins)
        broker.publish(app, [nudge])
        assert operator.llen(broker.Queue.HEAVY) == 2


def test_a_message_whose_end_is_not_heard_holds_no_place(server):
    check_queue_entries()
    took = []
    with kombu.Connection(server.url) as connection, redis.Redis.from_url(server.url) as operator:
        producer = connection.Producer()
        for number in range(2):
            producer.publish(number, routing_key="interactive", serializer="json", retry=False)
        consumer = connection.Consumer(kombu.Queue("interactive"), on_message=took.append, accept=["json"])
        consumer.qos(prefetch_count=1)
        with consumer:
            connection.drain_events(timeout=PATIENCE_S)
            operator.config_set("maxmemory", "1")
            with pytest.raises(connection.connection_errors):
                took[0].ack()
            operator.config_set("maxmemory", "0")
            connection.drain_events(timeout=PATIENCE_S)
    assert [message.payload for message in took] == [0, 1]


@pytest.mark.parametrize(
    ("said", "is_refused"),
    [
        ("MISCONF Redis is configured to save RDB snapshots, but it is currently unable to persist to disk", True),
        ("NOREPLICAS Not enough good replicas to write.", True),
        ("WRONGTYPE Operation against a key holding the wrong kind of value", False),
    ],
)
def test_what_speaks_of_the_server_and_what_of_the_command(said, is_refused):
    assert takes_no_writes(redis.ResponseError(said)) is is_refused
