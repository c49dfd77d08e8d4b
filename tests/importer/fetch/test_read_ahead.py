"""Parts that are made ahead in a thread."""

from contextlib import closing
from threading import Event

import pytest

from worker.importer.fetch.read_ahead import read_ahead

LONG_S = 30


def test_the_next_part_is_made_while_one_is_worked_on_and_an_error_comes_in_its_turn():
    begun = Event()

    def parts():
        yield "first"
        begun.set()
        yield "second"
        raise ValueError("third")

    found = read_ahead(parts())
    assert next(found) == "first"
    assert begun.wait(LONG_S), "nobody asked for the second one yet"
    assert next(found) == "second"
    with pytest.raises(ValueError, match="third"):
        next(found)


def test_who_leaves_early_waits_for_the_part_that_is_being_made():
    left, made = Event(), []

    def parts():
        yield "first"
        left.wait(LONG_S)
        made.append("second")
        yield "second"
        made.append("third")

    with closing(read_ahead(parts())) as found:
        assert next(found) == "first"
        left.set()
    assert made == ["second"], "no thread is at work any more, and none began another part"
