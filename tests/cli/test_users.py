"""People to try the worker with, and people who do not exist."""

import json

import pytest


@pytest.fixture(autouse=True)
def _addressed(monkeypatch, database_url):
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    monkeypatch.setenv("JWT_SECRET", "a secret of at least thirty-two bytes, for tests")


def test_a_user_is_added_once_and_listed(command):
    made = command("users", "add", "ada@example.com", "--currency", "chf")
    assert made.code == 0, made.err
    listed = json.loads(command("users", "list", "--json").out)
    assert (listed[0]["id"], listed[0]["preferred_currency"]) == (int(made.out), "CHF")
    again = command("users", "add", "ada@example.com")
    assert again.code == 1
    assert "already" in again.err
    assert command("token", "--user", made.out.strip()).code == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("users", "add", "ada"), "not an e-mail address"),
        (("users", "add", "ada@example.com", "--currency", "EURO"), "not an ISO 4217 currency"),
        (("token", "--user", "999999"), "no user 999999"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(command, arguments, says):
    refused = command(*arguments)
    assert refused.code == 2
    assert says in refused.err
