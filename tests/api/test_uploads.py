"""Statement files that people send are bounded before they are read, and a request never reads a large one."""

import asyncio
import io
import os
import tempfile
import time
import zipfile

import pytest
from starlette.requests import Request

from tests.api.conftest import token
from tests.api.test_routes import BASE, problem
from worker.api import runs, uploads
from worker.api.problems import ProblemError
from worker.api.rate_limit import COSTS, UserPlaces, cost_of_upload
from worker.api.uploads import MAX_FILE_BYTES, MAX_KEPT_FILES, MAX_LINES, READ_AT_ONCE_BYTES, spool_into

HEAD = b"OFXHEADER:100\n\n<OFX><BANKMSGSRSV1><STMTTRNRS><STMTRS><CURDEF>EUR<BANKACCTFROM><BANKID>1<ACCTID>12345678\n"
CSV = b"Date,Description,Amount\n"
ROW = b"2026-01-31,Rent for the flat,-5.00\n"


def _zipped(content):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", content)
    return target.getvalue()


def _send(client, content, name="a.csv", path="files"):
    return client.post(f"{BASE}/{path}", files={"file": (name, content)})


def _asked(app, path, headers):
    """Ask with a body that must not be read; return the status."""

    async def ask():
        sent = []
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
        }

        async def receive():
            raise AssertionError("the body was read")

        async def send(message):
            sent.append(message)

        await app(scope, receive, send)
        return sent[0]["status"]

    return asyncio.run(ask())


@pytest.mark.parametrize("path", ["files", "files/inspections"])
def test_nothing_is_read_of_somebody_unknown_or_of_what_is_too_large(app, user_id, path):
    form = {"content-type": "multipart/form-data; boundary=x"}
    known = form | {"authorization": f"Bearer {token(user_id)}"}
    assert _asked(app, f"{BASE}/{path}", form | {"content-length": "1000000"}) == 401
    assert _asked(app, f"{BASE}/{path}", known | {"content-length": str(MAX_FILE_BYTES * 2)}) == 413


def test_a_file_that_is_too_large_is_refused_with_what_to_do(client):
    refused = problem(_send(client, b"x" * (MAX_FILE_BYTES + 1024**2)), 413, "content_too_large")
    assert "export fewer months" in refused["message"]


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        (_zipped(CSV + b"0" * (MAX_FILE_BYTES + 1)), "a.zip", "unpacks to more than 32 MiB"),
        (CSV + b"a\n" * (MAX_LINES + 1), "a.csv", "more than 500000 lines"),
        (_zipped(CSV + b"a\n" * (MAX_LINES + 1)), "a.zip", "more than 500000 lines"),
    ],
)
def test_what_a_run_could_not_import_is_refused_before_it_is_kept(client, settings, content, name, said):
    refused = problem(_send(client, content, name), 413, "content_too_large")
    assert said in refused["message"]
    assert not settings.statement_folder.exists()


def test_a_large_file_is_left_to_its_run_unless_its_beginning_shows_that_it_is_none(client):
    broken_late = HEAD + b"<STMTTRN>\n" * (READ_AT_ONCE_BYTES // 8)
    assert problem(_send(client, HEAD + b"<STMTTRN>", "a.ofx"), 422, "invalid_request")
    assert _send(client, broken_late, "a.ofx").status_code == 202
    page = b"<!doctype html><html>" + b"x" * READ_AT_ONCE_BYTES
    assert "web page" in problem(_send(client, page, "a.csv"), 422, "invalid_request")["message"]
    shown = problem(_send(client, broken_late, "a.ofx", "files/inspections"), 413, "content_too_large")
    assert "this one can be imported" in shown["message"]


def test_a_file_is_read_by_one_request_at_a_time(client, monkeypatch):
    monkeypatch.setattr(uploads, "_TURN_S", 0.01)
    with uploads.reading_turn() as free:
        assert free
        problem(_send(client, CSV + ROW, path="files/inspections"), 503, "busy")
        assert _send(client, CSV + ROW).status_code == 202


def test_files_of_a_user_are_kept_up_to_a_number_and_a_size(client, settings, user_id):
    folder = settings.statement_folder / f"user-{user_id}" / "files"
    folder.mkdir(parents=True)
    with (folder / "large.csv").open("wb") as large:
        large.truncate(uploads.MAX_KEPT_BYTES - 1000)
    problem(_send(client, CSV + ROW * 10_000), 413, "content_too_large")
    (folder / "large.csv").unlink()
    for number in range(MAX_KEPT_FILES):
        (folder / f"{number}.csv").touch()
    assert "remove a connection" in problem(_send(client, CSV + ROW), 413, "content_too_large")["message"]


def test_a_user_has_so_many_at_once_and_nobody_else_notices():
    places = UserPlaces(per_user=2, per_process=3, what="uploads")
    with places.taken(1), places.taken(1):
        with pytest.raises(ProblemError) as refused, places.taken(1):
            pass
        assert (refused.value.status, refused.value.headers) == (429, {"Retry-After": "5"})
        with places.taken(2), pytest.raises(ProblemError), places.taken(3):
            pass
    with places.taken(1):
        assert places.is_free(1)


def test_streams_and_waits_of_a_user_are_few(client, monkeypatch):
    none = UserPlaces(per_user=0, per_process=9, what="streams")
    monkeypatch.setattr(runs, "_streams", none)
    monkeypatch.setattr(runs, "_waits", none)
    made = client.post(f"{BASE}/connections", json={"connector_name": "mock", "config": {}}).json()
    started_s = time.monotonic()
    run = client.post(f"{BASE}/connections/{made['id']}/refresh?wait=20")
    assert (run.status_code, time.monotonic() - started_s < 10) == (202, True)
    problem(client.get(f"{BASE}/import-runs/{run.json()['id']}/progress"), 429, "too_many_requests")


def test_every_operation_with_a_cost_exists(client):
    known = {one["operationId"] for path in client.app.openapi()["paths"].values() for one in path.values()}
    assert set(COSTS) <= known
    assert [cost_of_upload(size) for size in (0, 1, 1024**2, MAX_FILE_BYTES)] == [4, 8, 8, 132]


def test_a_request_that_asks_a_bank_counts_several(app, client, user_id):
    limit = app.state.services.limit
    before = limit.remaining(user_id)
    client.get(f"{BASE}/connections")
    assert before - limit.remaining(user_id) == 1
    client.post(f"{BASE}/connections", json={"connector_name": "mock", "config": {}})
    assert before - limit.remaining(user_id) == 6
    _send(client, CSV + ROW)
    assert before - limit.remaining(user_id) == 14


def test_bodies_wait_on_the_disk_of_the_statement_folder_and_what_a_killed_process_left_is_removed(tmp_path):
    left, fresh = tmp_path / ".incoming" / "left", tmp_path / ".incoming" / "fresh"
    for one in (left, fresh):
        one.mkdir(parents=True)
    old = time.time() - 100_000
    os.utime(left, (old, old))
    before = tempfile.tempdir
    try:
        spool_into(tmp_path)
        assert tempfile.gettempdir() == str(tmp_path / ".incoming")
    finally:
        tempfile.tempdir = before
    assert [one.name for one in (tmp_path / ".incoming").iterdir()] == ["fresh"]


@pytest.mark.parametrize(
    ("headers", "size"),
    [
        ([(b"content-length", b"7")], 7),
        ([(b"content-length", b"7"), (b"transfer-encoding", b"chunked")], uploads.MAX_REQUEST_BYTES),
        ([], uploads.MAX_REQUEST_BYTES),
        ([(b"content-length", b"-7")], uploads.MAX_REQUEST_BYTES),
    ],
)
def test_a_body_counts_as_the_largest_unless_its_length_is_certain(headers, size):
    assert uploads._stated_bytes(Request({"type": "http", "headers": headers})) == size
