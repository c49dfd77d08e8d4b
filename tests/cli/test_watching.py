"""Whoever watches a run sees its end, also past a restart of the database."""

import uuid
from contextlib import nullcontext

import pytest
from psycopg2.errors import AdminShutdown, UndefinedTable
from sqlalchemy.exc import DBAPIError, OperationalError, ProgrammingError

from worker.cli import watching

ENDED = {"status": "succeeded", "kind": "refresh", "accounts_total": 1, "accounts_done": 1, "pages": 0}


def watched(monkeypatch, *answers):
    left = list(answers)

    def read(*_given):
        answer = left.pop(0)
        if isinstance(answer, DBAPIError):
            raise answer
        return answer

    monkeypatch.setattr(watching, "run_of", read)
    monkeypatch.setattr(watching, "POLL_S", 0)
    return watching.follow(lambda: nullcontext(None), uuid.uuid4(), timeout_s=None, quiet=True)


def test_who_watches_waits_for_a_database_that_restarts(monkeypatch):
    away = OperationalError("SELECT", {}, AdminShutdown())
    assert watched(monkeypatch, {**ENDED, "status": "running"}, away, away, ENDED) == ENDED


def test_who_watches_is_told_of_a_database_that_refuses_or_stays_away(monkeypatch):
    with pytest.raises(ProgrammingError):
        watched(monkeypatch, ProgrammingError("SELECT", {}, UndefinedTable()))
    monkeypatch.setattr(watching, "AWAY_S", -1)
    with pytest.raises(OperationalError):
        watched(monkeypatch, OperationalError("SELECT", {}, AdminShutdown()))
