import pytest

from tests.importer.bank import IBAN, Harness
from worker.connectors.base import Account


@pytest.fixture
def harness(sessions, user_id) -> Harness:
    """A connection to a scripted bank."""
    return Harness(sessions, user_id)


@pytest.fixture
def two(sessions, user_id) -> tuple[Harness, Harness]:
    """Two connections, each with an account of its own."""
    both = Harness(sessions, user_id), Harness(sessions, user_id)
    for harness, mask in zip(both, ("1111", "2222"), strict=True):
        harness.bank.accounts = [Account(external_id="A", name="Account", mask=mask, currency="EUR")]
    return both


@pytest.fixture
def one_account(two) -> tuple[Harness, Harness]:
    """Two connections to one account, which tell the same purchases."""
    for harness, account_id in zip(two, "AX", strict=True):
        account = Account(external_id=account_id, name="Giro", anchor=f"iban:{IBAN}", currency="EUR")
        harness.bank.accounts = [account]
        harness.bank.buy("-9", "Baker", external_id=f"{account_id}1", account_id=account_id)
        harness.bank.buy("-1", "Bus", external_id=f"{account_id}2", account_id=account_id)
    return two
