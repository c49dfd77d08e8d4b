"""What is delivered of what is in Redis, whoever wrote it."""

import json

import kombu
import pytest
import redis

from worker.broker import DEFAULT_QUEUE, Queue, transport_options
from worker.celery_hooks.queue_entries import LARGEST_ENTRY_BYTES, _bounded_loads, check_queue_entries

OURS = {
    "body": "",
    "content-type": "application/json",
    "headers": {"task": "t"},
    "properties": {"delivery_info": {}, "priority": 0, "delivery_tag": "0b6c2a54-8f5e-4c39-9d0e-3f1f7f0c9c11"},
}


def with_properties(**changed):
    return OURS | {"properties": OURS["properties"] | changed}


def test_the_queue_that_a_message_was_taken_from_counts_and_not_the_one_it_names(deliver):
    (heard,) = deliver(with_properties(delivery_info={"exchange": "x", "routing_key": "heavy"}))
    assert heard["properties"]["delivery_info"] == {"exchange": "", "routing_key": "interactive"}


@pytest.fixture
def deliver():
    """Hand an entry to who consumes a queue; return what arrives."""
    check_queue_entries()
    heard = []
    transport = kombu.Connection("redis://localhost").transport
    transport._callbacks["interactive"] = heard.append

    def do(entry):
        transport._deliver(entry, "interactive")
        return heard

    return do


NOT_OURS = [
    7, {}, OURS | {"headers": []}, OURS | {"headers": {"compression": "zlib"}}, OURS | {"body": [1]},
    OURS | {"content-type": "application/data", "content-encoding": "bz2_codec"}, OURS | {"content-type": ["x"]},
    OURS | {"properties": {"delivery_info": 5}}, with_properties(priority=1e999), with_properties(delivery_info=5),
    *(with_properties(delivery_tag=tag) for tag in (True, None, 1.5, [], {}, "", "\ud800", "x" * 300_000)),
]  # fmt: skip


def test_an_entry_of_another_shape_is_not_delivered(deliver):
    for entry in NOT_OURS:
        with pytest.raises((ValueError, TypeError, AttributeError)):
            deliver(entry)
    assert len(deliver(OURS)) == 1


def test_an_entry_is_plain_json_of_bounded_size():
    assert _bounded_loads("[1]") == [1]
    assert _bounded_loads('{"__type__": "decimal", "__value__": "x"}') == {"__type__": "decimal", "__value__": "x"}
    with pytest.raises(ValueError, match="too large"):
        _bounded_loads("[" * (LARGEST_ENTRY_BYTES + 1))


@pytest.fixture
def writer(redis_url):
    with redis.Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
def channel(redis_url):
    """A channel that consumes the interactive queue, as that of a worker."""
    check_queue_entries()
    with kombu.Connection(redis_url, transport_options=transport_options("test", url=redis_url)) as connection:
        yield connection.channel()


@pytest.fixture
def consume(channel):
    """Take one message of ours and acknowledge it."""

    def take():
        queue = kombu.Queue(Queue.INTERACTIVE.value, kombu.Exchange(DEFAULT_QUEUE), routing_key="interactive")
        heard = []
        with kombu.Consumer(channel, [queue], callbacks=[lambda _body, message: heard.append(message)]):
            kombu.Producer(channel).publish({"ours": 1}, routing_key="interactive")
            channel.connection.client.drain_events(timeout=5)
        heard[0].ack()
        return heard[0].payload

    return take


@pytest.mark.parametrize(
    "key", ["unacked", "unacked_index", "interactive", "_kombu.binding.celery", "_kombu.binding_permanent.celery"]
)
def test_a_key_of_another_type_stops_no_message(writer, consume, key):
    writer.set(key, "mine")
    assert consume() == {"ours": 1}
    assert not writer.hlen("unacked")
    assert not writer.zcard("unacked_index")


def test_what_others_wrote_among_the_unacknowledged_messages_is_dropped_and_ours_come_back(writer, channel):
    forged = [
        *(b"\xff", b"", b"[", b"[" * 50_000, b"7", b"[1, 2]", b'{"__type__": "decimal", "__value__": "x"}'),
        *(json.dumps([entry, "", "interactive"]) for entry in (*NOT_OURS, OURS)),
        *(json.dumps([OURS, exchange, key]) for exchange, key in (("", "unacked"), ("celery", "interactive"))),
        json.dumps([OURS, "", ["interactive"]]),
    ]
    writer.set("unacked_mutex", "for ever")
    for number, entry in enumerate(forged):
        writer.hset("unacked", f"tag-{number}", entry)
        writer.zadd("unacked_index", {f"tag-{number}": number + 1})
    channel.qos.restore_visible(num=100, interval=1)
    assert writer.hlen("unacked") == writer.zcard("unacked_index") == 0
    (back,) = writer.lrange("interactive", 0, -1)
    assert json.loads(back)["headers"]["task"] == "t"
    assert writer.keys("*") == [b"interactive"]
