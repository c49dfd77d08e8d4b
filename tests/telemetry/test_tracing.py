"""A run is one span that leads back to who asked for it, and tells ids and codes only."""

import subprocess
import sys
import threading
import uuid
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import StatusCode
from sqlalchemy.orm import Session

from tests.factories import make_connection, make_sealed_connection
from tests.spans import recorded_spans
from worker.client import WorkerClient
from worker.connectors.mock import MockConfig
from worker.credentials import generate_key
from worker.models import BankImportRun
from worker.runs.request import request_run
from worker.runs.states import RunKind, RunRequest
from worker.runtime import runtime
from worker.settings import Settings
from worker.tasks.execution import execute_run
from worker.telemetry.tracing import current_traceparent, note_outcome, span, start_tracing, stop_tracing

TRACE = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE}-b7ad6b7169203331-01"


@pytest.fixture
def opened(database_url, redis_url):
    settings = Settings(_env_file=None, database_url=database_url, redis_url=redis_url, credential_keys=generate_key())
    with runtime(settings) as found:
        yield found


@pytest.fixture
def client():
    client = WorkerClient("redis://127.0.0.1:1/0", timeout_s=0.1)
    yield client
    client.close()


def run(opened, connection_id, **asked) -> uuid.UUID:
    with opened.sessions() as session:
        run_id = request_run(session, RunRequest(connection_id=connection_id, kind=RunKind.IMPORT, **asked))
    execute_run(opened, run_id, worker_name="test", soft_limit_s=240)
    return run_id


def test_a_run_is_a_span_linked_to_the_trace_of_who_asked(opened, user_id):
    row_id = make_sealed_connection(opened.sessions, opened.vault, user_id, MockConfig(history_days=3))
    with recorded_spans() as spans:
        run_id = run(opened, row_id, trace_context=TRACEPARENT)
        (found,) = spans.get_finished_spans()
    assert found.name == "run"
    assert [f"{link.context.trace_id:032x}" for link in found.links] == [TRACE]
    assert dict(found.attributes) == {
        "finmind.run_id": str(run_id), "finmind.attempt": 1, "finmind.status": "succeeded", "finmind.code": "ok",
    }  # fmt: skip
    assert found.status.status_code is StatusCode.OK


def test_a_failed_run_is_an_error_without_words(opened, user_id):
    with opened.sessions() as session:
        connection_id = make_connection(session, user_id)
    with recorded_spans() as spans:
        run(opened, connection_id, trace_context="no traceparent at all")
        (found,) = spans.get_finished_spans()
    assert (found.status.status_code, found.status.description) == (StatusCode.ERROR, None)
    assert (found.links, found.events) == ((), ())


def test_the_text_of_an_exception_stays_out():
    with recorded_spans() as spans:
        with pytest.raises(RuntimeError), span("run", {"run_id": "r"}):
            raise RuntimeError("hunter2")
        assert "hunter2" not in spans.get_finished_spans()[0].to_json()


def test_the_web_apps_trace_is_stored_with_the_request(engine, sessions, user_id, client):
    with sessions() as session:
        connection_id = make_connection(session, user_id)
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("web app")
    with Session(engine) as session, tracer.start_as_current_span("POST /refresh") as request:
        run_id = client.request_refresh(session, connection_id)
        session.commit()
        stored = session.get_one(BankImportRun, run_id).trace_context
    asked = request.get_span_context()
    assert stored.split("-")[:3] == ["00", f"{asked.trace_id:032x}", f"{asked.span_id:016x}"]


@pytest.mark.parametrize("given", [None, TRACEPARENT], ids=["outside of a trace", "given by the caller"])
def test_otherwise_the_request_says_it(engine, sessions, user_id, client, given):
    with sessions() as session:
        connection_id = make_connection(session, user_id)
    with Session(engine) as session:
        asked = RunRequest(connection_id=connection_id, kind=RunKind.REFRESH, trace_context=given)
        assert session.get_one(BankImportRun, client.request(session, asked)).trace_context == given


def test_spans_reach_a_collector_at_the_latest_when_the_process_ends(monkeypatch):
    paths = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["content-length"]))
            paths.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_details):
            pass

    with HTTPServer(("127.0.0.1", 0), Collector) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        start_tracing()
        with span("run", {"run_id": "r"}):
            assert current_traceparent() is not None
        stop_tracing()
        server.shutdown()
        thread.join()
    assert paths == ["/v1/traces"]


def test_each_child_of_a_worker_traces_from_its_start_to_its_end(monkeypatch):
    from celery import signals

    from worker import app
    from worker.telemetry import tracing

    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    signals.worker_process_init.send(sender=app)
    assert tracing._provider is not None
    signals.worker_process_shutdown.send(sender=app, pid=0, exitcode=0)
    assert tracing._provider is None


def test_nothing_happens_without_an_endpoint(monkeypatch):
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    start_tracing()
    with span("run", {"run_id": "r"}):
        note_outcome(failed=False, code="ok")
        assert current_traceparent() is None


def test_nothing_happens_without_the_extra():
    program = """
import os, sys
sys.modules["opentelemetry"] = None
os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = "http://127.0.0.1:1"
from worker.telemetry.tracing import current_traceparent, span, start_tracing, stop_tracing
start_tracing()
with span("run", {"run_id": "r"}):
    assert current_traceparent() is None
stop_tracing()
"""
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True, capture_output=True, timeout=60)
