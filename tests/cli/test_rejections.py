"""Rows that could not be imported are listed, left out and opened again; another user's are not there."""

import json

import pytest

from tests.importer.bank import Harness

pytestmark = pytest.mark.usefixtures("addressed")


@pytest.fixture
def harness(sessions, user_id, capsys):
    """A bank with three rows of which two cannot be read."""
    harness = Harness(sessions, user_id)
    harness.bank.buy("-20", "TRATTORIA LUIGI", external_id="1")
    for number in ("2", "3"):
        harness.bank.buy("NaN", external_id=number)
    harness.refresh()
    capsys.readouterr()
    return harness


def listed(command, harness, state="open"):
    return json.loads(command("rejections", "list", "--user", harness.user_id, "--state", state, "--json").out)


def test_one_is_left_out_and_opened_again(command, harness):
    first, _ = listed(command, harness)
    why = "the card is closed"
    answer = command("rejections", "dismiss", first["id"], "--user", harness.user_id, "--why", why)
    assert answer.out.startswith("1 left out; 1 of the connection are open; run ")
    [dismissed] = listed(command, harness, "dismissed")
    assert (dismissed["dismissed_why"], dismissed["dismissed_by"].split(":")[0]) == (why, "cli")
    again = command("rejections", "dismiss", first["id"], "--user", harness.user_id, "--why", why)
    assert (again.code, "none of the 1 rows is open" in again.err) == (1, True)
    answer = command("rejections", "reopen", first["id"], "--user", harness.user_id, "--json")
    assert json.loads(answer.out)["open"] == 2


def test_all_of_one_reason_are_left_out_and_the_command_is_audited(command, harness):
    which = ("--connection", harness.connection_id, "--code", "amount_invalid", "--account", "A")
    answer = command("rejections", "dismiss", *which, "--user", harness.user_id, "--why", "never mended", "--json")
    assert json.loads(answer.out) == {"run_id": json.loads(answer.out)["run_id"], "rejections": 2, "open": 0}
    assert harness.refresh().status == "succeeded"
    assert "0 rejected rows open, 2 left out" in command("status").out
    audited = harness.sql("SELECT detail ->> 'command' FROM credential_audit WHERE action = 'operated'")
    assert ("rejections dismiss",) in audited


@pytest.mark.parametrize(
    "which",
    [(), (1, "--connection", "CONNECTION"), ("--connection", "CONNECTION"), (1, "--code", "x"), (1, "--account", "A")],
)
def test_a_choice_that_says_too_little_or_too_much_is_refused(command, harness, which):
    arguments = [harness.connection_id if one == "CONNECTION" else one for one in which]
    assert command("rejections", "reopen", *arguments, "--user", harness.user_id).code == 2


@pytest.mark.parametrize("why", ["", "  ", "x" * 201])
def test_a_reason_is_needed(command, harness, why):
    assert command("rejections", "dismiss", 1, "--user", harness.user_id, "--why", why).code == 2
    assert len(listed(command, harness)) == 2


def test_another_users_rows_are_not_there(command, harness):
    assert command("rejections", "list", "--user", harness.user_id + 1).out == "no rejected row is open\n"
    answer = command("rejections", "dismiss", 1, "--user", harness.user_id + 1, "--why", "x")
    assert (answer.code, "no rejection 1" in answer.err) == (1, True)
