"""The sample of `up --demo` is added once and holds banks in different states."""

import pytest
from sqlalchemy import text

from worker.connectors.mock import MockConfig
from worker.credentials import generate_key
from worker.local.sample_banks import BANKS, add_sample_banks
from worker.runtime import runtime
from worker.settings import Settings


@pytest.fixture
def opened(database_url, redis_url):
    settings = Settings(
        database_url=database_url, redis_url=redis_url, credential_keys=generate_key(), webhook_allow_loopback=True
    )
    with runtime(settings, role="test") as found:
        yield found


def test_the_sample_is_added_once(opened, sessions):
    user_id = add_sample_banks(opened)
    assert add_sample_banks(opened) is None
    with sessions() as session:
        names = session.scalars(text("SELECT display_name FROM bank_connections WHERE user_id = :id"), {"id": user_id})
        assert sorted(names) == sorted(bank.name for bank in BANKS)
        waiting = session.scalar(text("SELECT count(*) FROM bank_import_runs WHERE status = 'queued'"))
        assert waiting == len(BANKS)
        assert session.scalar(text("SELECT count(*) FROM webhook_subscriptions")) == 1


def test_the_banks_of_the_sample_differ_in_how_they_behave():
    modes = [(MockConfig(**bank.config).mode, MockConfig(**bank.config).fault_account) for bank in BANKS]
    assert len(set(modes)) == len(BANKS)
