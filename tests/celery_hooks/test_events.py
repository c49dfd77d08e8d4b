"""Which tasks tell dashboards such as Flower what they do: those of runs, and not what beat sends by the second."""

import pytest

from worker import broker
from worker.app import app
from worker.celery_hooks.beat_schedule import beat_entries
from worker.settings import load_messaging_settings


@pytest.fixture
def tasks(monkeypatch, redis_url):
    monkeypatch.setenv("REDIS_URL", redis_url)
    app.loader.import_default_modules()
    app.finalize()
    return app.tasks


def test_what_beat_sends_makes_no_events_and_runs_do(tasks):
    sent_by_beat = {entry.task for entry in beat_entries(load_messaging_settings())}
    assert sent_by_beat
    assert {name for name in sent_by_beat if tasks[name].send_events} == set()
    assert all(
        tasks[name].send_events for name in (broker.EXECUTE, broker.IMPORT_CONNECTION, broker.REFRESH_CONNECTION)
    )
