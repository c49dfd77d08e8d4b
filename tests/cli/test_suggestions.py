"""Suggestions are listed, accepted and declined; another user's are not there."""

import json
from contextlib import closing

import pytest
import redis
from sqlalchemy import text

from tests.importer.bank import Harness

pytestmark = pytest.mark.usefixtures("addressed")


@pytest.fixture
def harness(sessions, user_id, capsys):
    """A bank row that may be a lunch the user typed in."""
    harness = Harness(sessions, user_id)
    with sessions() as session:
        session.execute(
            text(
                "INSERT INTO expenses (user_id, amount, currency, notes, spent_at)"
                " VALUES (:u, 20, 'EUR', 'lunch', '2026-06-15')"
            ),
            {"u": user_id},
        )
    harness.bank.buy("-20", "TRATTORIA LUIGI", external_id="1")
    harness.refresh()
    capsys.readouterr()
    return harness


def test_a_suggestion_is_listed_with_both_sides(command, harness):
    shown = command("suggestions", "list", "--user", harness.user_id).out
    assert "TRATTORIA LUIGI" in shown
    assert "lunch" in shown
    [record] = json.loads(command("suggestions", "list", "--user", harness.user_id, "--json").out)
    assert (record["bank"]["amount"], record["other"]["description"]) == ("-20", "lunch")


@pytest.mark.parametrize(("answer", "expenses"), [("accept", 1), ("decline", 2)])
def test_an_answer_is_carried_out_once(command, harness, answer, expenses):
    [record] = json.loads(command("suggestions", "list", "--user", harness.user_id, "--json").out)
    assert command("suggestions", answer, record["id"], "--user", harness.user_id).code == 0
    assert len(harness.amounts()) == expenses
    assert command("suggestions", "list", "--user", harness.user_id).out == "no open suggestions\n"
    again = command("suggestions", answer, record["id"], "--user", harness.user_id)
    assert again.code == 1
    assert "is accepted" in again.err or "is declined" in again.err


def test_another_users_suggestion_is_not_there(command, harness):
    [record] = json.loads(command("suggestions", "list", "--user", harness.user_id, "--json").out)
    answer = command("suggestions", "accept", record["id"], "--user", harness.user_id + 1)
    assert (answer.code, f"no suggestion {record['id']}" in answer.err) == (1, True)


def test_answers_and_matches_taken_back_drop_the_cached_summaries_of_the_web_app(
    command, harness, monkeypatch, redis_url
):
    monkeypatch.setenv("FINMIND_CACHE_URL", redis_url)
    key = f"insights:{harness.user_id}:2026-06"
    with closing(redis.Redis.from_url(redis_url)) as client:
        for argument in (("suggestions", "accept", 1), ("transactions", "unmatch", 1)):
            client.set(key, "{}")
            assert command(*argument, "--user", harness.user_id).code == 0
            assert not client.exists(key), argument
