"""Settings that hold nothing but what a test gives them."""

import os

import pytest

from worker.settings import Settings


@pytest.fixture
def given(monkeypatch):
    """Build settings from the fields given, whatever the environment says."""
    for name in list(os.environ):
        if name.startswith(("CREDENTIAL_", "VAULT_")):
            monkeypatch.delenv(name)

    def build(**fields):
        return Settings(_env_file=None, database_url="postgresql://x", redis_url="redis://x", **fields)

    return build
