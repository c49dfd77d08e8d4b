"""A worker hears requests that come without a message: one worker at a time, and again after its connection is lost."""

import fcntl
import threading

import pytest
from sqlalchemy import text

from tests.waiting import PATIENCE_S
from worker.celery_hooks import request_listener
from worker.celery_hooks.request_listener import RequestListener
from worker.process.open_files import allow_open_files
from worker.runs.wake_up import wake_at_commit

LISTENING = text("SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN %'")


@pytest.fixture
def listen(database_url, monkeypatch):
    """Start a listener; return the event that is set when it wakes the dispatcher, and the listener."""
    monkeypatch.setattr(request_listener, "_LOOK_S", 0.05)
    allow_open_files(2048, beside=0)
    started = []

    def start():
        woken = threading.Event()
        listener = RequestListener(database_url, woken.set)
        # As in a process that has many sockets open, whose next descriptors `select` refuses.
        listener._stop_reader = fcntl.fcntl(listener._stop_reader, fcntl.F_DUPFD, 1024)
        started.append(listener)
        listener.start()
        return woken, listener

    yield start
    for listener in started:
        if listener.is_alive():
            listener.stop()


def test_one_worker_hears_requests_and_another_takes_over(listen, sessions):
    def request():
        with sessions() as session:
            wake_at_commit(session)

    first, listener = listen()
    assert first.wait(PATIENCE_S)  # for what was requested before it listened
    second, _ = listen()
    first.clear()
    request()
    assert first.wait(PATIENCE_S)
    assert not second.is_set()
    listener.stop()
    assert second.wait(PATIENCE_S)
    second.clear()
    with sessions() as session:
        pid = session.execute(LISTENING).scalar_one()
        session.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
    assert second.wait(PATIENCE_S)  # it listens again
    second.clear()
    request()
    assert second.wait(PATIENCE_S)
