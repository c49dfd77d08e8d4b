"""Parameters of the query: unknown ones, those of an import, and waiting for its end."""

import re
import threading
import uuid

import pytest

from tests.leases import claim
from worker.api import run_requests
from worker.api.runs import wait_for_end
from worker.runs.ending import close
from worker.runs.states import Counts, Outcome, RunStatus


@pytest.mark.parametrize(
    ("path", "unknown"),
    [("connections?limit=1", "limit"), ("connections?dry_run=true&x=1", "x"), ("connectors?page=2", "page")],
)
def test_a_parameter_that_the_route_does_not_have_is_refused_by_name(client, path, unknown):
    answer = client.get(f"/bank-connections/{path}")
    assert answer.status_code == 422
    assert f"query.{unknown}" in [error["field"] for error in answer.json()["errors"]]
    assert "no such parameter" in answer.json()["message"]


def test_a_dry_run_that_the_query_asks_for_is_dry(client, connection_id):
    path = f"/bank-connections/connections/{connection_id}/import"
    run = client.post(f"{path}?dry_run=true&from_date=2026-01-01").json()
    assert (run["dry_run"], run["from_on"]) == (True, "2026-01-01")
    contradicted = client.post(f"{path}?dry_run=true", json={"dry_run": False})
    assert (contradicted.status_code, contradicted.json()["code"]) == (422, "invalid_request")
    assert client.post(f"{path}?dryrun=true").status_code == 422


def test_a_refresh_takes_its_account_from_the_query(client, connection_id):
    run = client.post(f"/bank-connections/connections/{connection_id}/refresh?account_id=A").json()
    assert run["account_external_id"] == "A"


def test_a_request_that_waits_answers_with_the_finished_run(client, connection_id, sessions, monkeypatch):
    path = f"/bank-connections/connections/{connection_id}/refresh"
    asked = client.post(path).json()

    def work():
        with sessions() as session:
            lease = claim(session, asked["id"], worker_name="w", lease_s=60)
            close(session, lease, Outcome(status=RunStatus.SUCCEEDED, code="ok", counts=Counts(created=3)))

    worker = threading.Timer(0.5, work)

    async def wait_and_work(*arguments, **options):
        worker.start()  # not before the request waits: a run that ended earlier would be another one's
        return await wait_for_end(*arguments, **options)

    monkeypatch.setattr(run_requests, "wait_for_end", wait_and_work)
    answer = client.post(f"{path}?wait=20")
    worker.join()
    assert answer.status_code == 200, answer.text
    assert (answer.json()["id"], answer.json()["status"]) == (asked["id"], "succeeded")
    assert answer.headers["Location"].endswith(asked["id"])


def test_a_run_that_does_not_end_in_time_is_answered_as_it_was_asked_for(client, connection_id):
    answer = client.post(f"/bank-connections/connections/{connection_id}/refresh?wait=1")
    assert (answer.status_code, answer.json()["status"]) == (202, "queued")
    assert client.post(f"/bank-connections/connections/{connection_id}/refresh?wait=31").status_code == 422


def test_an_error_has_the_names_that_finminds_client_reads(client):
    problem = client.get("/bank-connections/import-runs/00000000-0000-4000-8000-000000000001").json()
    assert problem["error"] == problem["message"] == problem["detail"]


UNSTORABLE = ("\\u0000", "\\ud800")


@pytest.mark.parametrize("odd", UNSTORABLE)
def test_text_that_nothing_can_hold_is_refused_at_every_route_that_takes_a_body(client, odd):
    """Whatever else a body has: text is looked at before anything is done with it."""
    tried = 0
    for path, methods in client.app.openapi()["paths"].items():
        for method, operation in methods.items():
            media = operation.get("requestBody", {}).get("content", {})
            if "application/json" not in media:
                continue
            tried += 1
            url = re.sub(r"{\w+_id}", str(uuid.UUID(int=7)), path)
            for body in (f'{{"x": {{"y": ["{odd}"]}}}}', f'{{"{odd}": 1}}'):
                answer = client.request(method, url, content=body, headers={"Content-Type": "application/json"})
                assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request"), (method, path)
                assert "half a character" in answer.json()["message"], (method, path, answer.text)
    assert tried > 10


def test_a_nul_in_a_query_or_a_form_is_refused_by_its_place(client):
    for path, methods in client.app.openapi()["paths"].items():
        for parameter in methods.get("get", {}).get("parameters", []):
            if parameter["in"] == "query":
                url = re.sub(r"{\w+_id}", str(uuid.UUID(int=7)), path)
                answer = client.get(url, params={parameter["name"]: "a\x00"})
                assert answer.status_code == 422, (path, parameter["name"])
                assert f"query.{parameter['name']}" in [one["field"] for one in answer.json()["errors"]], answer.text
    statement = {"file": ("s.csv", b"Date,Amount,Currency,Description\n2026-01-02,-1.10,EUR,Shop\n")}
    for name in ("iban", "column", "encoding"):
        answer = client.post("/bank-connections/files/inspections", files=statement, data={name: "a=b\x00"})
        assert answer.status_code == 422, answer.text
