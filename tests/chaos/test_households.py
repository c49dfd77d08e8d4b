"""People with several connections: imported at once and disturbed, every ledger ends as the truth has it."""

import tempfile
from pathlib import Path

import pytest

from tests.chaos.bank import Bank
from tests.chaos.households import Households
from tests.chaos.stack import Stack

pytestmark = [pytest.mark.chaos, pytest.mark.processes]

SEED = 20261128


@pytest.fixture
def households():
    with tempfile.TemporaryDirectory(prefix="finmind-households-", ignore_cleanup_errors=True) as directory:
        Path(directory).chmod(0o755)  # as root the database server runs as a system user of its own
        with Bank(SEED) as bank, Stack(Path(directory), bank) as stack:
            yield Households(stack, bank, SEED)


def test_nothing_is_lost_doubled_or_left_unpaired_where_connections_of_one_person_meet(households):
    for _ in range(3):
        households.round()
    print(households.summary(), households.explained(), sep="\n")
    assert households.broken_rules() == []
    assert (households.tally.lost, households.tally.doubled, households.tally.unpaired) == (0, 0, 0)
