import pytest

from tests.importer.bank import Harness


@pytest.fixture
def harness(sessions, user_id) -> Harness:
    """A connection to a scripted bank."""
    return Harness(sessions, user_id)
