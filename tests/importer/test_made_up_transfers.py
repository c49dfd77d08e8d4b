"""Transfers at the made-up bank, where it is known which rows are one: all are found, and nothing else is asked."""

from dataclasses import replace
from datetime import UTC, datetime

import httpx2
import pytest

from tests.importer.bank import Harness
from worker.connectors.base import ConnectorContext
from worker.connectors.mock import MockConfig, MockConnector

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)


class AtTheMockBank(Harness):
    """A connection to the made-up bank."""

    def context(self):
        context = ConnectorContext(http=httpx2.Client(), now=lambda: NOW)
        connector = MockConnector(MockConfig(accounts=self.accounts), context)
        return replace(super().context(), open_connector=lambda _connection_id: connector)


@pytest.mark.parametrize("accounts", [2, 3, 4, 6])
def test_every_standing_order_is_linked_and_no_stranger_is_asked_about(sessions, user_id, accounts):
    harness = AtTheMockBank(sessions, user_id)
    harness.accounts = accounts
    harness.refresh()
    left = harness.sql("SELECT count(*) FROM bank_transactions WHERE kind = 'transfer' AND transfer_peer_id IS NULL")
    others = harness.sql(
        "SELECT count(*) FROM bank_transactions WHERE kind IS DISTINCT FROM 'transfer' AND transfer_peer_id IS NOT NULL"
    )
    asked = harness.sql(
        "SELECT count(*) FROM bank_match_suggestions s JOIN bank_transactions t ON t.id = s.transaction_id"
        " WHERE t.kind IS DISTINCT FROM 'transfer'"
    )
    assert (left, others, asked) == ([(0,)], [(0,)], [(0,)])
