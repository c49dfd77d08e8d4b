"""A stop keeps its words on whatever way it comes out of a block."""

import threading

import pytest

from worker.process import interruption
from worker.process.interruption import StoppedByPersonError, when_stopped


def test_a_stop_that_a_library_passes_on_as_an_error_of_its_own_keeps_its_words(monkeypatch):
    monkeypatch.setattr(interruption, "_RAISED", [])
    monkeypatch.setattr(interruption, "_NOTICED", threading.Event())
    stop = StoppedByPersonError()
    with pytest.raises(OSError, match="cancelled"), when_stopped("the same command goes on"):
        raise OSError("cancelled") from stop
    assert stop.words == "the same command goes on"
