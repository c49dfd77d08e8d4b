"""What Celery shows of a run is what its row says."""

import uuid
from contextlib import nullcontext
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from celery.exceptions import Ignore, Retry
from psycopg2.errors import AdminShutdown, UndefinedFunction
from sqlalchemy.exc import OperationalError, ProgrammingError

from worker.errors import NotFoundError
from worker.models import BankImportRun
from worker.runs.states import RunKind
from worker.tasks import imports
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


AWAY = OperationalError("SELECT", {}, AdminShutdown("terminating connection"))
DEFECT = ProgrammingError("SELECT", {}, UndefinedFunction("no such function"))


@pytest.mark.parametrize(
    ("written", "looked", "ends"),
    [
        pytest.param(NotFoundError("no connection"), AWAY, "not_found: no connection", id="a refused message"),
        pytest.param(uuid.uuid4(), AWAY, None, id="a message that joins a run"),
        pytest.param(NotFoundError("no connection"), DEFECT, DEFECT, id="a defect is not hidden"),
        pytest.param(AWAY, None, "database_down: .*send it again", id="a request that is not written"),
    ],
)
def test_a_message_says_what_became_of_itself_while_the_database_goes_away(monkeypatch, written, looked, ends):
    def answer_or_raise(value):
        if isinstance(value, Exception):
            raise value
        return value

    opened = SimpleNamespace(sessions=lambda: nullcontext(SimpleNamespace(get=lambda *_: None)))
    monkeypatch.setattr(imports, "process_runtime", lambda: opened)
    monkeypatch.setattr(imports, "check_message_allowance", lambda *_: None)
    monkeypatch.setattr(imports, "request_run", lambda *_, **__: answer_or_raise(written))
    monkeypatch.setattr(imports, "longest_waiting_run", lambda *_, **__: answer_or_raise(looked))
    request = SimpleNamespace(id=str(uuid.uuid4()), called_directly=False, delivery_info={"routing_key": "interactive"})
    task = SimpleNamespace(request=request)
    if ends is None:
        assert imports._ask_and_execute(task, str(uuid.uuid4()), kind=RunKind.REFRESH)["joined"]
        return
    raised = RunFailedError if isinstance(ends, str) else ProgrammingError
    with pytest.raises(raised, match=ends if isinstance(ends, str) else None):
        imports._ask_and_execute(task, str(uuid.uuid4()), kind=RunKind.REFRESH)
