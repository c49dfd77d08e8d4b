"""How long tasks take is counted per execution."""

import threading
from types import SimpleNamespace

from worker.celery_hooks import task_latencies

EXECUTE = SimpleNamespace(name="worker.tasks.imports.execute")


def test_two_messages_of_one_run_that_are_executed_side_by_side_are_both_counted(monkeypatch):
    """They have the same task id; the second one finds that the first has the run, and is ignored."""
    counted = []
    monkeypatch.setattr(task_latencies, "observe", lambda _latency, _seconds, *labels: counted.append(labels[1]))

    def execute(state):
        task_latencies._note_start(task_id="1", task=EXECUTE)
        if state == "SUCCESS":
            second = threading.Thread(target=execute, args=("IGNORED",))
            second.start()
            second.join()
        task_latencies._note_end(task_id="1", task=EXECUTE, state=state)

    execute("SUCCESS")
    assert counted == ["IGNORED", "SUCCESS"]
