"""What Celery shows of a run is what its row says."""

import uuid
from datetime import UTC, datetime

import pytest
from celery.exceptions import Ignore, Retry

from worker.models import BankImportRun
from worker.tasks.imports import RunFailedError, _as_task_state

LATER = datetime(2026, 12, 1, tzinfo=UTC)


def row(status, code=None, not_before=None):
    return BankImportRun(id=uuid.uuid4(), status=status, code=code, not_before=not_before, created=3, worker_name="w")


@pytest.mark.parametrize("status", ["succeeded", "partial", "cancelled"])
def test_a_run_that_ended_without_failing_is_a_success_that_says_how(status):
    shown = _as_task_state(row(status, "ok"))
    assert (shown["status"], shown["code"], shown["created"]) == (status, "ok", 3)


@pytest.mark.parametrize(
    ("values", "raised"),
    [
        pytest.param(("failed", "internal"), RunFailedError, id="failed"),
        pytest.param(("deferred", "rate_limited", LATER), Retry, id="deferred"),
        pytest.param(("queued", "stopped"), Retry, id="handed back"),
        pytest.param(("running",), Ignore, id="held by another worker"),
    ],
)
def test_everything_else_is_shown_as_what_it_is(values, raised):
    with pytest.raises(raised):
        _as_task_state(row(*values))


def test_a_failure_shows_ids_and_codes_only():
    with pytest.raises(RunFailedError, match=r"^run [0-9a-f-]{36} failed: bad_data$"):
        _as_task_state(row("failed", "bad_data"))
