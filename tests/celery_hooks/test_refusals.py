"""A flood of refused messages is a line for each reason and its number, not a line for each message."""

import pytest
import structlog

from worker.celery_hooks.messages import FloodError, RefusedMessageError
from worker.celery_hooks.refusals import REPORT_S, DroppedEntries, RefusalLog


@pytest.fixture
def timer():
    """Calls that are due, in their order."""
    return []


@pytest.fixture
def refusals(timer):
    def later(seconds, call):
        assert seconds == REPORT_S
        timer.append(call)

    return RefusalLog(later)


def test_a_flood_is_one_line_and_then_its_number(refusals, timer):
    with structlog.testing.capture_logs() as lines:
        for _ in range(10_000):
            refusals.note(RefusedMessageError("not a task of ours"))
        refusals.note(KeyError("x"))
        assert [(line["event"], line["reason"]) for line in lines] == [
            ("message.refused", "not a task of ours"),
            ("message.refused", "KeyError"),
        ]
        while timer:
            timer.pop(0)()
    [counted] = lines[2:]
    assert (counted["event"], counted["reason"], counted["count"]) == ("messages.refused", "not a task of ours", 9_999)


def test_after_a_pause_the_first_one_is_reported_again(refusals, timer):
    with structlog.testing.capture_logs() as lines:
        refusals.note(RefusedMessageError("too large"))
        timer.pop(0)()
        refusals.note(RefusedMessageError("too large"))
    assert [line["event"] for line in lines] == ["message.refused"] * 2


def test_ticks_that_waited_for_a_worker_are_no_warning(refusals):
    with structlog.testing.capture_logs() as lines:
        for _ in range(20):
            refusals.note(FloodError("sooner than anybody sends it"))
    assert [line["log_level"] for line in lines] == ["info"]


def test_a_flood_of_dropped_entries_is_a_line_in_ten_seconds():
    now_s = 0.0
    dropped = DroppedEntries(now=lambda: now_s)
    with structlog.testing.capture_logs() as lines:
        for number in range(1000):
            now_s = number / 40
            dropped.note("ValueError")
        dropped.note("KeyError")
    assert [(line["reason"], line["count"]) for line in lines] == [
        ("ValueError", 1), ("ValueError", 400), ("ValueError", 400), ("KeyError", 1),
    ]  # fmt: skip
