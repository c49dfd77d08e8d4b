"""A person gets their own archive, once at a time, and nobody else's."""

import io
import json
import socket
import threading
import zipfile
from functools import partial

import httpx2
import pytest
from sqlalchemy import text

from tests.api.conftest import token
from tests.api.serving import serving
from tests.waiting import PATIENCE_S, until
from worker.api import personal_data
from worker.api.app import create_app
from worker.runtime import open_runtime

PLACE = "/bank-connections/export"


def test_the_caller_gets_their_own_archive(client, connection_id, user_id, other_user_id, sessions):
    answer = client.get(PLACE)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    assert answer.headers["content-disposition"] == f'attachment; filename="finmind-export-{user_id}.zip"'
    found = zipfile.ZipFile(io.BytesIO(answer.content))
    assert found.testzip() is None
    assert connection_id in found.read("bank_connections.jsonl").decode()
    others = client.get(PLACE, headers={"Authorization": f"Bearer {token(other_user_id)}"})
    manifest = json.loads(zipfile.ZipFile(io.BytesIO(others.content)).read("manifest.json"))
    assert (manifest["user_id"], manifest["datasets"]["bank_connections"]["rows"]) == (other_user_id, 0)
    with sessions() as session:
        query = "SELECT actor, user_id FROM credential_audit WHERE detail ->> 'command' = 'users export' ORDER BY id"
        on_record = [tuple(row) for row in session.execute(text(query))]
    assert on_record == [(f"api:{user_id}", user_id), (f"api:{other_user_id}", other_user_id)]


def test_a_user_who_is_gone_is_told_so_and_leaves_nothing_behind(client, user_id, sessions, settings):
    with sessions() as session:
        session.execute(text("DELETE FROM users WHERE id = :id"), {"id": user_id})
    statement = {"file": ("a.csv", "Date,Description,Amount\n2026-01-31,Rent,-5.00\n2026-01-30,Tea,-1.00\n")}
    answer = client.post("/bank-connections/files", files=statement, data={"currency": "EUR"})
    assert (client.get(PLACE).status_code, answer.status_code) == (404, 404), answer.text
    assert not list(settings.statement_folder.rglob("*.csv"))
    with sessions() as session:
        assert not session.scalars(text("SELECT actor FROM credential_audit")).all()


def test_nobody_without_a_token(client):
    assert client.get(PLACE, headers={"Authorization": ""}).status_code == 401


def test_a_reader_who_takes_their_time_holds_neither_a_transaction_nor_another_persons_export(
    settings, user_id, other_user_id, sessions
):
    with sessions() as session:
        session.execute(
            text(
                "INSERT INTO webhook_inbox (id, user_id, type, data) SELECT gen_random_uuid(), :user, 'x',"
                " jsonb_build_object('text', md5(n::text) || md5((n + 1)::text)) FROM generate_series(1, 60000) AS n"
            ),
            {"user": user_id},
        )
    with serving(create_app(open_runtime(settings))) as port:
        slow = socket.create_connection(("127.0.0.1", port))
        with slow:
            ask = f"GET {PLACE} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token(user_id)}\r\n\r\n"
            slow.sendall(ask.encode())
            assert slow.recv(15) == b"HTTP/1.1 200 OK"
            until(lambda: other_transactions(sessions) == 0)
            address, headers = f"http://127.0.0.1:{port}{PLACE}", {"Authorization": f"Bearer {token(other_user_id)}"}
            assert httpx2.get(address, headers=headers, timeout=PATIENCE_S).status_code == 200
            again = httpx2.get(address, headers={"Authorization": f"Bearer {token(user_id)}"})
            assert again.status_code == 429  # one at a time


def other_transactions(sessions):
    with sessions() as session:
        return session.scalar(
            text(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND xact_start IS NOT NULL"
                " AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
            )
        )


@pytest.mark.parametrize("fails", [False, True], ids=["it is made", "it fails"])
def test_an_archive_that_takes_long_is_sent_while_it_is_made_and_breaks_off_where_that_fails(
    settings, user_id, monkeypatch, fails
):
    go_on = threading.Event()

    def slow(*_given, **_options):
        yield b"begin"
        assert go_on.wait(PATIENCE_S)
        if fails:
            raise OSError("no space")
        yield b", end"

    monkeypatch.setattr(personal_data, "archive", slow)
    monkeypatch.setattr(personal_data, "_MOMENT_S", 0)
    got = []
    with serving(create_app(open_runtime(settings))) as port:
        address, headers = f"http://127.0.0.1:{port}{PLACE}", {"Authorization": f"Bearer {token(user_id)}"}
        with httpx2.stream("GET", address, headers=headers, timeout=PATIENCE_S) as answer:
            parts = answer.iter_raw()
            got.append(next(parts))
            go_on.set()
            if fails:
                with pytest.raises(httpx2.RemoteProtocolError):
                    next(parts)
            else:
                got += parts
    assert (answer.status_code, b"".join(got)) == (200, b"begin" if fails else b"begin, end")


@pytest.mark.parametrize("place", ["/dev/full", "/nowhere/to write"])
def test_an_archive_for_which_there_is_no_room_is_a_problem_each_time(client, monkeypatch, place):
    monkeypatch.setattr(personal_data.tempfile, "TemporaryFile", partial(open, place, "wb"))
    answers = [client.get(PLACE) for _ in range(personal_data._AT_ONCE + 1)]
    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(503, "disk_full")}
