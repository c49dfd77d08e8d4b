"""A provider is told where to report changes once for each address, and a refusal stops no run."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from tests.factories import make_connection
from tests.fakes.plaid_server import CLIENT_ID, SECRET, FakePlaid
from tests.fakes.provider_server import context_for, serving
from worker.connections.credentials import StoredConfig
from worker.connections.webhook_registration import register_webhook
from worker.connectors.plaid import PlaidConfig, PlaidConnector
from worker.models import BankConnection

DOOR = "https://finmind.test/bank-connections/provider-webhooks/plaid"


@pytest.fixture
def plaid():
    fake = FakePlaid()
    with serving(fake) as url, context_for(url) as context:
        config = PlaidConfig(
            client_id=CLIENT_ID, secret=SecretStr(SECRET), access_token=SecretStr("t"), item_id="item-1"
        )
        fake.connector = PlaidConnector(config, context)
        yield fake


@pytest.fixture
def stored(sessions, user_id):
    with sessions() as session:
        connection_id = make_connection(session, user_id, connector_name="plaid", webhook_seen_at=datetime.now(UTC))
    return StoredConfig(
        connection_id=connection_id, user_id=user_id, connector_name="plaid", version=1, key_id="k", blob=b""
    )


def row(sessions, stored):
    with sessions() as session:
        return session.get(BankConnection, stored.connection_id)


def test_a_changed_address_is_told_once_and_the_schedule_polls_until_a_webhook_arrives(plaid, sessions, stored):
    for _ in range(2):
        register_webhook(sessions, stored, plaid.connector, "https://finmind.test/")
        stored = replace(stored, webhook_url=row(sessions, stored).webhook_url)
    assert (plaid.webhook, plaid.paths()) == (DOOR, ["/item/webhook/update"])
    found = row(sessions, stored)
    assert (found.webhook_url, found.webhook_seen_at, found.login_ref) == (DOOR, None, "item-1")


def test_a_refusal_is_no_failure_and_is_tried_again(plaid, sessions, stored):
    plaid.fail("/item/webhook/update", "API_ERROR", "INTERNAL_SERVER_ERROR", 500)
    register_webhook(sessions, stored, plaid.connector, "https://finmind.test")
    assert row(sessions, stored).webhook_url is None
    register_webhook(sessions, stored, plaid.connector, "https://finmind.test")
    assert row(sessions, stored).webhook_url == DOOR


def test_without_an_address_the_connection_is_polled_as_its_user_wants(plaid, sessions, stored):
    register_webhook(sessions, replace(stored, webhook_url=DOOR), plaid.connector, None)
    assert (row(sessions, stored).webhook_url, row(sessions, stored).webhook_seen_at) == (None, None)
    assert plaid.asked == []
