"""What an attempt asked the bank is kept: bounded, in order, and told of every attempt of a run."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from tests.factories import make_connection
from tests.leases import claim
from worker.net.request_timing import MeasuredRequest
from worker.runs.attempt_log import FIRST, LAST, AttemptLog, read_attempts
from worker.runs.ending import close
from worker.runs.hand_back import hand_back
from worker.runs.lease import EARLIER_ATTEMPTS, extend
from worker.runs.request import request_run
from worker.runs.run_queries import told_run
from worker.runs.states import Outcome, RunKind, RunRequest, RunStatus

AT = datetime(2026, 3, 4, 12, tzinfo=UTC)


def request(endpoint="transactions", result="200", account_id="DE02-canary", took_s=0.5, body_bytes=2048):
    return MeasuredRequest(
        method="GET",
        endpoint=endpoint,
        account_id=account_id,
        result=result,
        took_s=took_s,
        body_bytes=body_bytes,
        is_answered=result == "200",
    )


def logged(*requests):
    """Note each request a second after the one before; a number is a wait."""
    now_s = [0.0]
    log = AttemptLog(lambda: now_s[0])
    for one in requests:
        if isinstance(one, float):
            log.note_wait(one)
        else:
            now_s[0] += 1
            log.note(one)
    return log


def read(log):
    run = {"claimed_at": AT, "earlier_attempts": None, "worker_name": "w", "heartbeat_at": AT, "status": "running"}
    return read_attempts(run | {"requests": log.as_json()})[0]


def test_a_request_says_when_it_was_sent_how_it_went_and_which_try_it_was_and_names_no_account():
    log = logged(
        request(),
        request(),
        request(result="503"),
        1.0,
        0.5,
        request(result="timeout"),
        request(),
        request("other", "429"),
    )
    assert "canary" not in json.dumps(log.as_json())
    told = [(one.label, one.result, one.waited_s, one.tried) for one in read(log).requests]
    assert told == [
        ("transactions", "200", 0, 1),
        ("transactions", "200", 0, 1),  # another page
        ("transactions", "503", 0, 1),
        ("transactions", "timeout", 1.5, 2),
        ("transactions", "200", 0, 3),
        ("other", "429", 0, 1),
    ]
    first = read(log).requests[0]
    assert (first.at, first.took_s, first.body_bytes) == (AT + timedelta(seconds=0.5), 0.5, 2048)


def test_of_many_requests_the_first_and_the_last_are_kept():
    attempt = read(logged(*(request(body_bytes=number) for number in range(1000))))
    kept = [one.body_bytes for one in attempt.requests]
    assert kept == [*range(FIRST), *range(1000 - LAST, 1000)]
    assert attempt.asked == 1000
    longest = logged(*(request("e" * 60, "no_connection") for _ in range(1000)))
    assert len(json.dumps(longest.as_json())) < 6000


def test_an_attempt_without_a_request_stores_nothing():
    assert AttemptLog().as_json() is None


@pytest.fixture
def run_id(sessions, user_id):
    with sessions() as session:
        connection_id = make_connection(session, user_id)
        return request_run(session, RunRequest(connection_id=connection_id, kind=RunKind.REFRESH))


def attempts_of(sessions, run_id):
    with sessions() as session:
        return read_attempts(told_run(session, run_id))


def test_every_attempt_of_a_run_is_told_with_how_it_ended_and_a_wait_for_its_turn_is_none(sessions, run_id):
    """Handed back, lost, told that it is not its turn, deferred, and closed: each by another worker."""

    def attempt(name, end):
        with sessions() as session:
            lease = claim(session, run_id, worker_name=name)
        lease.log.note(request(name))
        with sessions() as session:
            end(session, lease)

    def lose(session, lease):
        extend(session, lease, lease_s=60)
        session.execute(text("UPDATE bank_import_runs SET lease_expires_at = now() - INTERVAL '1 second'"))

    waits = Outcome(status=RunStatus.DEFERRED, code="rate_limited", defer_s=-1)
    attempt("a", hand_back)
    assert [(one.worker_name, one.code) for one in attempts_of(sessions, run_id)] == [("a", "stopped")]
    attempt("b", lose)
    assert [one.requests[0].label for one in attempts_of(sessions, run_id)] == ["a", "b"]
    attempt("c", lambda session, lease: hand_back(session, lease, started=False))
    attempt("d", lambda session, lease: close(session, lease, waits))
    attempt("e", lambda session, lease: close(session, lease, Outcome(status=RunStatus.SUCCEEDED, code="ok")))
    told = [(one.worker_name, one.code, [of.label for of in one.requests]) for one in attempts_of(sessions, run_id)]
    assert told == [
        ("a", "stopped", ["a"]),
        ("b", "worker_lost", ["b"]),
        ("d", "rate_limited", ["d"]),
        ("e", None, ["e"]),
    ]
    assert attempts_of(sessions, run_id)[-1].ended_at is None


def test_no_more_attempts_are_kept_than_the_last_ones(sessions, run_id):
    for number in range(EARLIER_ATTEMPTS + 3):
        with sessions() as session:
            hand_back(session, claim(session, run_id, worker_name=str(number)))
    names = [int(one.worker_name) for one in attempts_of(sessions, run_id)]
    assert names == list(range(2, EARLIER_ATTEMPTS + 3))
