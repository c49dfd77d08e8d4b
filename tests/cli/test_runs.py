"""A run is asked for, watched to its end, explained, cancelled and asked for again."""

import json
import threading
import uuid

import pytest
from sqlalchemy import text

from tests.factories import make_connection
from tests.leases import claim
from worker.connectors.base import Account
from worker.credentials import generate_key
from worker.importer.store.accounts.listed import sync_accounts
from worker.models import BankImportRun
from worker.runs.ending import close
from worker.runs.request import request_run
from worker.runs.states import Counts, Outcome, RunKind, RunRequest, RunStatus

pytestmark = pytest.mark.usefixtures("addressed")


@pytest.fixture
def connection_id(sessions, user_id):
    with sessions() as session:
        return make_connection(session, user_id)


@pytest.fixture
def end_the_run(sessions):
    """Play the worker: wait for a run to appear, take it, and end it so."""
    stop = threading.Event()
    threads = []

    def play(outcome, accounts):
        while not stop.wait(0.02):
            with sessions() as session:
                run_id = session.query(BankImportRun.id).filter_by(status="queued").scalar()
                lease = run_id and claim(session, run_id, worker_name="w", lease_s=60)
            if lease:
                with sessions() as session:
                    run = session.get_one(BankImportRun, run_id)
                    sync_accounts(session, run.connection_id, run.user_id, accounts, ask=False)
                    run.accounts_total = len(accounts)
                with sessions() as session:
                    close(session, lease, outcome)
                return

    def start(outcome, accounts=()):
        threads.append(threading.Thread(target=play, args=(outcome, accounts)))
        threads[-1].start()

    yield start
    stop.set()
    for thread in threads:
        thread.join(5)


def _ended(sessions, connection_id, **request):
    with sessions() as session:
        run_id = request_run(session, RunRequest(connection_id=connection_id, kind=RunKind.IMPORT, **request))
        lease = claim(session, run_id, worker_name="w", lease_s=60)
        close(session, lease, Outcome(status=RunStatus.SUCCEEDED, code="ok"))
    return run_id


def test_a_list_names_the_bank_and_says_what_was_dry(command, sessions, connection_id):
    run_id = _ended(sessions, connection_id, dry_run=True)
    listed = command("runs", "list").out
    assert "Mock bank" in listed
    assert "dry import" in listed
    assert f"dry import {run_id} of Mock bank succeeded (ok)" in command("runs", "show", run_id).out


def test_a_run_is_taken_back_once_and_says_by_which_run(command, sessions, connection_id):
    run_id = _ended(sessions, connection_id)
    revert_id = command("runs", "revert", run_id).out.strip()
    with sessions() as session:
        lease = claim(session, uuid.UUID(revert_id), worker_name="w", lease_s=60)
        close(session, lease, Outcome(status=RunStatus.SUCCEEDED, code="ok"))
    assert f"taken back since by run {revert_id}" in command("runs", "show", run_id).out
    again = command("runs", "revert", run_id)
    assert again.code == 1
    assert f"was taken back by run {revert_id}" in again.err
    assert command("runs", "revert", revert_id).code == 0


def test_the_beginning_or_the_end_of_an_id_is_enough_where_it_names_one_row(command, sessions, user_id, connection_id):
    run_id = command("import", str(connection_id)[:8]).out.strip()
    assert run_id in command("runs", "show", run_id[:6]).out
    assert run_id in command("runs", "show", run_id[-6:]).out
    assert command("runs", "show", "zz").code == 2
    twin = uuid.UUID(str(connection_id)[:8] + uuid.uuid4().hex[8:])
    with sessions() as session:
        make_connection(session, user_id, id=twin)
    ambiguous = command("connections", "show", str(connection_id)[:8])
    assert ambiguous.code == 2
    assert str(twin) in ambiguous.err
    assert str(connection_id) in ambiguous.err


def test_days_of_the_future_are_refused(command, connection_id):
    refused = command("import", connection_id, "--from", "2999-01-01")
    assert (refused.code, refused.out) == (2, "")
    assert "2999-01-01 is in the future" in refused.err


def test_an_import_prints_its_run_and_asking_twice_gives_the_same_run(command, connection_id):
    first = command("import", connection_id, "--dry-run")
    again = json.loads(command("import", connection_id, "--dry-run", "--json").out)
    assert uuid.UUID(first.out.strip()) == uuid.UUID(again["run_id"])
    shown = json.loads(command("runs", "show", first.out.strip(), "--rows", "--json").out)
    assert (shown["kind"], shown["dry_run"], shown["decisions"]) == ("import", True, [])


def test_decisions_of_a_large_run_are_printed_in_parts(command, connection_id, sessions, monkeypatch):
    monkeypatch.setattr("worker.cli.runs._MOST_ROWS", 2)
    run_id = command("import", connection_id).out.strip()
    changes = text(
        "INSERT INTO bank_transaction_changes (run_id, decision, reason, detail) SELECT :run_id, 'rejected',"
        " 'bad_amount', jsonb_build_object('description', 'row ' || n) FROM generate_series(0, 2) n ORDER BY n"
    )
    with sessions() as session:
        session.execute(changes, {"run_id": run_id})
    first = command("runs", "show", run_id, "--rows").out
    assert ("row 1" in first, "row 2" in first) == (True, False)
    further = first.rstrip().rsplit(" ", 1)[1]
    assert f"runs show {run_id} --rows --after {further}" in first
    rest = json.loads(command("runs", "show", run_id, "--rows", "--after", further, "--json").out)
    assert ([row["description"] for row in rest["decisions"]], rest["further_after"]) == (["row 2"], None)


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (Outcome(status=RunStatus.SUCCEEDED, code="ok", counts=Counts(fetched=3, created=2, unchanged=1)), 0),
        (Outcome(status=RunStatus.PARTIAL, code="account_failed"), 3),
        (Outcome(status=RunStatus.DEFERRED, code="rate_limited", defer_s=3600), 3),
        (Outcome(status=RunStatus.FAILED, code="needs_user", message="log in again"), 1),
        (Outcome(status=RunStatus.CANCELLED, code="cancelled"), 1),
    ],
    ids=lambda value: getattr(value, "status", value),
)
def test_waiting_ends_with_the_outcome_as_exit_code(command, connection_id, end_the_run, outcome, code):
    end_the_run(outcome)
    answer = command("refresh", connection_id, "--wait", "--timeout", "20")
    assert answer.code == code, answer.err
    assert f"{outcome.status} ({outcome.code})" in answer.out
    if outcome.counts.created:
        assert "2 created, 1 unchanged" in answer.out
    if outcome.message:
        assert outcome.message in answer.out


@pytest.mark.parametrize("as_json", [False, True], ids=["words", "JSON"])
def test_a_new_connection_that_is_imported_at_once_names_its_accounts(
    command, user_id, end_the_run, monkeypatch, as_json
):
    monkeypatch.setenv("CREDENTIAL_KEYS", generate_key())
    listed = [Account(external_id="a", name="Every\x1bday", currency="EUR"), Account(external_id="b", name="Savings")]
    end_the_run(Outcome(status=RunStatus.PARTIAL, code="account_failed", counts=Counts(created=2)), listed)
    asked = ("connections", "add", "--user", user_id, "--connector", "mock", "--config", "{}", "--import")
    answer = command(*asked, *(("--json",) if as_json else ()))
    assert answer.code == 3, answer.err
    if as_json:
        told = json.loads(answer.out)
        assert ([one["name"] for one in told["accounts"]], told["run"]["created"]) == (["Every day", "Savings"], 2)
    else:
        assert "accounts: Every day (EUR), Savings\n" in answer.err
        assert "2 created" in answer.out.splitlines()[1]
        assert uuid.UUID(answer.out.splitlines()[0])


def test_waiting_for_nobody_ends_in_time(command, connection_id):
    answer = command("refresh", connection_id, "--wait", "--timeout", "0")
    assert answer.code == 1
    assert "is still queued" in answer.err


def test_waiting_can_answer_in_json(command, connection_id, end_the_run):
    end_the_run(Outcome(status=RunStatus.SUCCEEDED, code="ok"))
    answer = command("refresh", connection_id, "--wait", "--timeout", "20", "--json")
    assert json.loads(answer.out)["status"] == "succeeded"
    assert answer.err == ""


def test_a_run_is_cancelled_and_asked_for_again(command, connection_id):
    run_id = command("refresh", connection_id).out.strip()
    assert command("runs", "cancel", run_id).out == f"cancelled {run_id}\n"
    assert command("runs", "cancel", run_id).code == 1
    again = command("runs", "retry", run_id)
    assert again.code == 0
    assert again.out.strip() != run_id
    assert again.out.strip() in command("runs", "list", "--connection", connection_id, "--status", "queued").out


def test_an_ended_run_is_taken_back_by_a_run_of_its_own(command, sessions, connection_id):
    with sessions() as session:
        run_id = request_run(session, RunRequest(connection_id=connection_id, kind=RunKind.IMPORT))
    with sessions() as session:
        lease = claim(session, run_id, worker_name="w", lease_s=60)
    assert command("runs", "revert", run_id).code == 1
    with sessions() as session:
        close(session, lease, Outcome(status=RunStatus.SUCCEEDED, code="ok"))
    answer = command("runs", "revert", run_id, "--json")
    shown = json.loads(command("runs", "show", json.loads(answer.out)["run_id"], "--json").out)
    assert (shown["kind"], shown["target_run_id"]) == ("revert", str(run_id))


def test_a_broker_that_is_down_does_not_lose_the_request(command, connection_id, monkeypatch, sessions):
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:9/0")
    answer = command("refresh", connection_id)
    assert answer.code == 0, answer.err
    with sessions() as session:
        assert session.get(BankImportRun, uuid.UUID(answer.out.strip())).status == "queued"


def test_what_an_operator_changes_is_in_the_audit_and_what_one_reads_is_not(command, connection_id, sessions):
    command("connections", "pause", str(connection_id))
    command("connections", "list")
    command("connections", "set", str(connection_id), "--name", "a secret name")
    with sessions() as session:
        lines = session.execute(
            text(
                "SELECT actor, row_id, detail ->> 'command' AS command, detail FROM credential_audit"
                " WHERE action = 'operated'"
            )
        ).all()
    assert [line.command for line in lines] == ["connections pause", "connections set"]
    assert {line.row_id for line in lines} == {str(connection_id)}
    assert all(line.actor.startswith("cli:") for line in lines)
    assert "a secret name" not in str(lines)
