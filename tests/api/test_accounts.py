"""A person's accounts over HTTP: sources, months, a move that is shown before it is done, a source that is parted."""

import pytest
from sqlalchemy import text

from tests.importer.bank import Harness
from worker.connectors.base import Account

BASE = "/bank-connections/accounts"


@pytest.fixture
def harness(sessions, user_id):
    """Two connections to one account, imported."""
    both = Harness(sessions, user_id, display_name="Feed"), Harness(sessions, user_id, display_name="Old feed")
    for harness in both:
        harness.bank.accounts = [Account(external_id="A", name="Giro", anchor="iban:DE1", currency="EUR")]
        harness.bank.buy("-4.20", "Cafe Central", external_id="1")
        harness.refresh()
    return both[0]


def test_an_account_shows_its_sources_moves_to_another_and_lets_one_go(client, harness, sessions):
    def leading():
        with sessions() as session:
            return session.scalar(text("SELECT account_id FROM bank_transactions WHERE expense_id IS NOT NULL"))

    [account] = client.get(BASE).json()["items"]
    old, new = account["sources"]
    assert [source["connection"] for source in (old, new)] == ["Feed", "Old feed"]
    months = client.get(f"{BASE}/{account['id']}/coverage").json()["items"]
    assert [(month["sources"], month["rows"]) for month in months if month["month"] == "2026-06"] == [
        (["Feed: Giro", "Old feed: Giro"], 2)
    ]
    to = {"connection_id": new["connection_id"]}
    preview = client.post(f"{BASE}/{account['id']}/move", json=to | {"preview": True}).json()
    assert (preview["run_id"], preview["moved"], leading()) == (None, 1, old["id"])
    moved = client.post(f"{BASE}/{account['id']}/move", json=to).json()
    assert moved | {"run_id": None} == preview
    assert leading() == new["id"]
    assert client.post(f"{BASE}/sources/{old['id']}/detach").status_code == 200
    assert len(client.get(BASE).json()["items"]) == 2
    assert harness.amounts() == ["-4.20", "-4.20"]
