"""What is delivered of an entry of a Redis list."""

import kombu
import pytest

from worker.celery_hooks.queue_entries import LARGEST_ENTRY_BYTES, _bounded_loads, _PlainMessage, check_queue_entries


def test_the_queue_that_a_message_was_taken_from_counts_and_not_the_one_it_names():
    check_queue_entries()
    heard = []
    transport = kombu.Connection("redis://localhost").transport
    transport._callbacks["interactive"] = heard.append  # as a consumer of that queue
    transport._deliver({"properties": {"delivery_info": {"exchange": "x", "routing_key": "heavy"}}}, "interactive")
    assert heard == [{"properties": {"delivery_info": {"exchange": "", "routing_key": "interactive"}}}]


def test_an_entry_larger_than_any_of_ours_is_not_parsed():
    assert _bounded_loads("[1]") == [1]
    with pytest.raises(ValueError, match="too large"):
        _bounded_loads("[" * (LARGEST_ENTRY_BYTES + 1))


def test_a_compressed_body_is_not_unpacked():
    with pytest.raises(ValueError, match="compressed"):
        _PlainMessage({"headers": {"compression": "zlib"}, "body": "eJw=", "properties": {"delivery_tag": "t"}})
