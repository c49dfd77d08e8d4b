"""A new connection answers with the accounts that its bank lists, when its request waits for them."""

import uuid

import pytest
from fastapi import BackgroundTasks

from tests.leases import claim
from worker.api import first_imports
from worker.connectors.base import Account
from worker.importer.store.accounts.listed import sync_accounts
from worker.models import BankImportRun
from worker.runs.ending import close
from worker.runs.request import request_run
from worker.runs.states import Outcome, RunKind, RunRequest, RunStatus

CONNECTIONS = "/bank-connections/connections"
LINK = {"connector_name": "mock", "display_name": "Joint"}
LISTED = (Account(external_id="a", name="Everyday", currency="EUR"), Account(external_id="b", name="Savings"))


@pytest.fixture
def bank(sessions, user_id, monkeypatch):
    """Play the worker and the bank: what `answers` says happens as soon as a request waits."""
    waiting = first_imports.wait_until

    async def work_and_wait(services, user, run_id, is_reached, **options):
        with sessions() as session:
            lease = claim(session, run_id, worker_name="w", lease_s=60)
        with sessions() as session:
            if bank.accounts:
                connection_id = session.get_one(BankImportRun, run_id).connection_id
                sync_accounts(session, connection_id, user_id, bank.accounts, ask=False)
                session.get_one(BankImportRun, run_id).accounts_total = len(bank.accounts)
            else:
                close(session, lease, Outcome(status=RunStatus.FAILED, code="needs_user", message="log in again"))
        return await waiting(services, user, run_id, is_reached, **options)

    class Bank:
        accounts = LISTED

    bank = Bank()
    monkeypatch.setattr(first_imports, "wait_until", work_and_wait)
    return bank


def test_without_waiting_nothing_is_asked_of_the_bank(client):
    made = client.post(CONNECTIONS, json=LINK).json()
    assert (made["accounts"], made["first_run_id"]) == ([], None)
    assert client.get("/bank-connections/import-runs").json()["items"] == []


@pytest.mark.usefixtures("bank")
def test_the_accounts_are_listed_while_the_first_import_goes_on(client):
    answer = client.post(f"{CONNECTIONS}?wait=20", json=LINK, headers={"Idempotency-Key": "k"})
    made = answer.json()
    assert answer.status_code == 201, answer.text
    assert [(one["name"], one["currency"]) for one in made["accounts"]] == [("Everyday", "EUR"), ("Savings", None)]
    assert client.get(f"/bank-connections/import-runs/{made['first_run_id']}").json()["status"] == "running"
    again = client.post(f"{CONNECTIONS}?wait=20", json=LINK, headers={"Idempotency-Key": "k"})
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.headers["Location"] == answer.headers["Location"]
    assert [again.json()[name] for name in ("id", "first_run_id")] == [made["id"], made["first_run_id"]]
    assert [one["id"] for one in again.json()["accounts"]] == [one["id"] for one in made["accounts"]]
    assert len(client.get(CONNECTIONS).json()["items"]) == 1


def test_a_bank_that_wants_its_person_is_answered_at_once(client, bank):
    bank.accounts = ()
    made = client.post(f"{CONNECTIONS}?wait=30", json=LINK).json()
    assert made["accounts"] == []
    assert client.get(f"/bank-connections/import-runs/{made['first_run_id']}").json()["code"] == "needs_user"


def test_a_bank_that_lists_nothing_in_time_is_connected_all_the_same(client):
    made = client.post(f"{CONNECTIONS}?wait=1", json=LINK)
    assert (made.status_code, made.json()["accounts"]) == (201, [])
    assert client.get(f"/bank-connections/import-runs/{made.json()['first_run_id']}").json()["status"] == "queued"
    assert client.post(f"{CONNECTIONS}?wait=31", json=LINK).status_code == 422


def test_a_run_that_waits_already_lists_the_accounts_of_a_connection_that_was_made(client, app, sessions, user_id):
    connection_id = uuid.UUID(client.post(CONNECTIONS, json=LINK).json()["id"])
    with sessions() as session:  # as a provider's news of the finished link asks for it
        waiting = request_run(session, RunRequest(connection_id=connection_id, kind=RunKind.REFRESH))
    made = first_imports.read_new(app.state.services, user_id, connection_id, BackgroundTasks())
    assert (made.accounts, made.first_run_id) == ([], waiting)
