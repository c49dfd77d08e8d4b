"""The worker's own app with one task more, which does nothing: the floor that a run through Celery is compared with."""

from worker.app import app

EMPTY = "worker.tasks.benchmark.empty"
"""Under the prefix of our tasks: the worker refuses every other name."""


@app.task(name=EMPTY)
def empty(number: int) -> int:
    return number
