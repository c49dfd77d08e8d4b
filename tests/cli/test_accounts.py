"""The commands of accounts and of single rows."""

import json

import pytest

from tests.importer.bank import Harness
from worker.connectors.base import Account

pytestmark = pytest.mark.usefixtures("addressed")


@pytest.fixture
def harness(sessions, user_id, capsys):
    """Two connections to one account, imported."""
    both = Harness(sessions, user_id, display_name="Feed"), Harness(sessions, user_id, display_name="Old feed")
    for harness in both:
        harness.bank.accounts = [Account(external_id="A", name="Giro", anchor="iban:DE1", currency="EUR")]
        harness.bank.buy("-4.20", "Cafe Central", external_id="1")
        harness.refresh()
    capsys.readouterr()
    return both[0]


def test_accounts_are_listed_with_their_sources_and_months(command, harness):
    user = harness.user_id
    (account,) = json.loads(command("accounts", "list", "--user", user, "--json").out)
    assert [source["connection"] for source in account["sources"]] == ["Feed", "Old feed"]
    months = json.loads(command("accounts", "coverage", account["id"], "--user", user, "--json").out)
    assert [month["rows"] for month in months if month["month"] == "2026-06"] == [2]
    assert "Old feed" in command("accounts", "show", account["id"], "--user", user).out
    assert "Giro" in command("accounts", "list", "--user", user).out
    for name in ("show", "coverage"):
        assert command("accounts", name, account["id"], "--user", user + 1).code == 1


def test_a_twin_is_unmatched_and_matched_again(command, harness):
    user = harness.user_id
    twin_id = harness.sql("SELECT id FROM bank_transactions WHERE expense_state = 'twin'")[0][0]
    assert f"unmatch {twin_id}" in command("transactions", "show", twin_id, "--user", user).out
    undone = json.loads(command("transactions", "unmatch", twin_id, "--user", user, "--json").out)
    assert harness.amounts() == ["-4.20", "-4.20"]
    assert command("transactions", "unmatch", twin_id, "--user", user).code == 1
    assert command("suggestions", "undo", undone["suggestion_id"], "--user", user).code == 0
    assert harness.amounts() == ["-4.20"]


def test_a_source_is_detached(command, harness):
    (account,) = json.loads(command("accounts", "list", "--user", harness.user_id, "--json").out)
    source_id = account["sources"][1]["id"]
    assert command("accounts", "detach", source_id, "--user", harness.user_id).code == 0
    assert len(json.loads(command("accounts", "list", "--user", harness.user_id, "--json").out)) == 2


def test_a_move_is_shown_first_and_then_done_with_the_command_that_undoes_it(command, harness):
    user, owner = harness.user_id, "SELECT id, account_id FROM bank_transactions WHERE expense_id IS NOT NULL"
    (account,) = json.loads(command("accounts", "list", "--user", user, "--json").out)
    old, new = account["sources"]
    asked = ("accounts", "move", account["id"], "--to", new["connection_id"], "--user", user)
    before = harness.sql(owner)
    assert "nothing was changed" in command(*asked, "--dry-run").out
    assert (harness.sql(owner), before[0].account_id) == (before, old["id"])
    assert command(*asked[:-1], user + 1).code == 1
    said = command(*asked).out
    assert [row.account_id for row in harness.sql(owner)] == [new["id"]]
    [run_id] = harness.sql("SELECT id FROM bank_import_runs ORDER BY queued_at DESC LIMIT 1")[0]
    assert f"finmind-worker runs revert {run_id}" in said
