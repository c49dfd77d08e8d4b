"""A worker that is struck at every point, and at random, loses and doubles nothing, and every run tells the truth."""

import os
import tempfile
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.chaos import witness
from tests.chaos.bank import Bank
from tests.chaos.campaign import RECOVERY_BOUND_S, Campaign
from tests.chaos.faults import AT_POINTS, AT_RANDOM
from tests.chaos.stack import Stack
from tests.waiting import until
from worker.runs.states import CLOSED

pytestmark = [pytest.mark.chaos, pytest.mark.processes]

SEED = 20261122


@pytest.fixture(scope="module")
def campaign():
    with tempfile.TemporaryDirectory(prefix="finmind-chaos-", ignore_cleanup_errors=True) as directory:
        Path(directory).chmod(0o755)  # as root the database server runs as a system user of its own
        with Bank(SEED) as bank, Stack(Path(directory), bank) as stack:
            yield Campaign(stack, bank, SEED, users=4)


def judge(campaign):
    print(campaign.table())
    assert campaign.broken_rules() == []
    assert (campaign.lost, campaign.doubled) == (0, 0)
    assert campaign.slowest_s < RECOVERY_BOUND_S
    assert witness.claims(campaign.stack.sessions) > 0


def test_killed_at_every_point(campaign):
    for name, fault in AT_POINTS.items():
        campaign.round({name: fault})
    judge(campaign)


def test_struck_at_random_by_several_faults_at_once(campaign):
    names = sorted(AT_RANDOM)
    campaign.chance.shuffle(names)
    for some in (names[:3], names[3:6]):
        campaign.round({name: AT_RANDOM[name] for name in some})
    judge(campaign)


def test_the_witness_tells_on_a_write_by_somebody_else(campaign):
    campaign.round({})
    first = "(SELECT min(id) FROM bank_import_run_accounts)"
    with campaign.stack.sessions() as session:
        run_id = session.scalar(
            text(f"UPDATE bank_import_run_accounts SET pages = pages WHERE id = {first} RETURNING run_id")
        )
        ((found, writer),) = session.execute(text("DELETE FROM chaos_offences RETURNING run_id, writer"))
    assert (found, writer) == (run_id, f"finmind-chaos-{os.getpid()}")


def test_without_beat_the_workers_keep_time(campaign):
    stack = campaign.stack
    stack.kill("beat")
    try:
        stack.ask(next(iter(campaign.connections.values())), "clock")
        until(campaign.is_done, every_s=0.2)
    finally:
        stack.start("beat")


def test_a_run_that_kills_its_worker_every_time_fails_as_poison(campaign):
    stack = campaign.stack
    connection_id = next(iter(campaign.connections.values()))
    armed = stack.faults / "after_claim.kill-always"
    armed.touch()
    stack.ask(connection_id, "client")

    def closed():
        stack.supervise()
        return stack.rows("SELECT status, code, attempt FROM bank_import_runs WHERE code = 'poison'")

    try:
        ((status, _code, attempt),) = until(closed, every_s=0.2)
    finally:
        armed.unlink()
    assert status in CLOSED
    assert attempt == stack.settings.max_attempts
