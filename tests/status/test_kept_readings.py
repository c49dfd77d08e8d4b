"""What takes long is answered from the last reading and renewed behind the scrape; what is quick is always fresh."""

import threading
import time

import pytest
from sqlalchemy.exc import OperationalError

from tests.waiting import until
from worker.status.kept_readings import REST, KeptReadings


class Clock:
    now_s = 0.0

    def __call__(self):
        return self.now_s


def test_a_quick_reading_is_taken_every_time():
    numbers = iter(range(9))
    readings = KeptReadings(Clock())
    assert [readings.get("quick", lambda: next(numbers)) for _ in range(3)] == [0, 1, 2]


def test_a_slow_reading_is_answered_from_the_last_one_until_it_is_renewed_in_the_background():
    clock, taken = Clock(), []
    readings = KeptReadings(clock)
    may_end = threading.Event()
    may_end.set()

    def read():
        assert may_end.wait(10)
        clock.now_s += 1
        taken.append(clock.now_s)
        return len(taken)

    assert readings.get("slow", read) == 1
    clock.now_s += REST - 1
    assert readings.get("slow", read) == 1
    assert taken == [1], "too young to be read again"
    may_end.clear()
    clock.now_s += 2
    assert readings.get("slow", read) == readings.get("slow", read) == 1, "nobody waits, and one thread reads"
    may_end.set()
    until(lambda: len(taken) == 2)
    until(lambda: readings.get("slow", read) == 2)
    assert len(taken) == 2


def test_a_first_reading_that_takes_long_is_left_out_and_is_there_later():
    clock, may_end, taken = Clock(), threading.Event(), []
    readings = KeptReadings(clock)

    def read():
        assert may_end.wait(10)
        taken.append(1)
        clock.now_s += 1
        return "read"

    for _ in range(2):
        assert readings.get("slow", read, first_until_s=0.01) is None
    may_end.set()
    assert readings.get("slow", read, first_until_s=10) == "read"
    assert readings.get("slow", read, first_until_s=0) == "read", "kept"
    assert taken == [1], "one reading for all who ask"


def test_a_first_reading_that_is_quick_is_waited_for():
    assert KeptReadings().get("quick", lambda: 7, first_until_s=time.monotonic() + 10) == 7


def test_a_first_reading_that_fails_is_taken_anew_by_the_next_caller():
    answers = iter([OperationalError("SELECT", {}, Exception()), 7])
    readings = KeptReadings()

    def read():
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    with pytest.raises(OperationalError):
        readings.get("quick", read, first_until_s=time.monotonic() + 10)
    assert readings.get("quick", read, first_until_s=time.monotonic() + 10) == 7


def test_what_is_kept_can_hang_on_what_was_read_instead_of_on_how_long_it_took():
    numbers = iter([1, 2, 50, 3])
    readings = KeptReadings(Clock(), keeps=lambda value, _took_s: value >= 50)
    assert [readings.get("size", lambda: next(numbers)) for _ in range(4)] == [1, 2, 50, 50]


def test_what_nobody_asked_for_in_a_long_time_is_taken_anew_at_once():
    clock, numbers = Clock(), iter(range(9))
    readings = KeptReadings(clock, keeps=lambda _value, _took_s: True, oldest_s=60)

    def read():
        clock.now_s += 1
        return next(numbers)

    assert readings.get("fleet", read) == 0
    clock.now_s += REST
    assert readings.get("fleet", read) == 0
    clock.now_s += 12 * 3600
    assert readings.get("fleet", read) == 1, "not the state of the evening before"
    assert readings.get("fleet", read) == 1
