"""The audit and the changes in partitions by month: the audit stays append-only, and runs can be taken back."""

import pytest
from sqlalchemy.exc import DBAPIError

from tests.importer.bank import Harness
from worker.personal_data.traces import search
from worker.runs.states import RunKind
from worker.schema.partitions import PartitionGroup, partition, partition_steps

FILES = "SELECT pg_relation_filenode(oid) FROM pg_class WHERE oid IN (SELECT tableoid FROM {} LIMIT 1)"
PLACES = "SELECT DISTINCT tableoid FROM {}"
OPENED = """
    INSERT INTO credential_audit (at, actor, action, table_name, row_id)
    SELECT now() + CAST(:after AS interval), actor, 'opened', 'bank_connections', '1'
    FROM unnest(ARRAY['run:1', 'run:2', 'cli:root']) actor
"""


@pytest.fixture
def harness(sessions, user_id) -> Harness:
    return Harness(sessions, user_id)


def test_the_audit_is_append_only_and_counted_in_partitions(harness, engine):
    harness.sql(OPENED, after="-2 days")
    harness.sql(OPENED, after="-92 days")
    file = harness.sql(FILES.format("credential_audit"))
    partition(engine, PartitionGroup.HISTORY, on_step=lambda _step: harness.sql(OPENED, after="0 days"))
    assert harness.sql(FILES.format("credential_audit")) == file, "the file is that of before"
    harness.sql(OPENED, after="2 months")
    assert len(harness.sql(PLACES.format("credential_audit"))) == 2
    for forbidden in (
        "UPDATE credential_audit SET actor = 'x'",
        "DELETE FROM credential_audit",
        "TRUNCATE credential_audit",
    ):
        with pytest.raises(DBAPIError, match="append-only"):
            harness.sql(forbidden)
    with pytest.raises(DBAPIError, match="append-only"):
        harness.sql("DELETE FROM credential_audit WHERE actor = 'run:1' AND at < now() - INTERVAL '1 day'")
    assert harness.sql("SELECT folded_openings FROM fold_credential_openings('', 10)") == [(1,)]
    assert harness.sql("SELECT forget_credential_openings(INTERVAL '90 days', 10)") == [(3,)]
    kept = "SELECT actor, count(*), sum((detail ->> 'times')::integer) FROM credential_audit GROUP BY 1 ORDER BY 1"
    lines = len(partition_steps(PartitionGroup.HISTORY)) + 1
    assert harness.sql(kept) == [
        ("cli:root", lines + 1, None),
        ("run:1", lines, None),
        ("run:2", lines, None),
        ("runs", 1, 2),
    ]


def test_runs_are_told_and_taken_back_whose_changes_lie_in_several_months(harness, engine):
    harness.bank.buy("-2.00", "Coffee", external_id="a")
    harness.bank.buy("-3.00", "Tea", external_id="b")
    assert harness.refresh().counts.created == 2
    first_id = harness.run_id
    for row in tuple(harness.bank.rows):
        harness.bank.change(row, description="Renamed")
    assert harness.refresh().counts.updated == 2
    before = harness.sql("SELECT id, decision, reason FROM bank_transaction_changes ORDER BY id")
    partition(engine, PartitionGroup.HISTORY)
    assert harness.sql("SELECT id, decision, reason FROM bank_transaction_changes ORDER BY id") == before
    harness.sql(
        "UPDATE bank_transaction_changes SET created_at = now() + INTERVAL '2 months' WHERE id = :id", id=before[-1].id
    )
    harness.bank.buy("-4.00", "New", external_id="c")
    assert harness.refresh().counts.created == 1
    assert len(harness.sql(PLACES.format("bank_transaction_changes"))) == 2
    with harness.sessions() as session:
        found = [trace.table for trace in search(session, ["Coffee"], user_id=harness.user_id).traces]
    assert found.count("bank_transaction_changes") == 1
    assert not [table for table in found if table[-1].isdigit()], "a person is looked for in whole tables"
    harness.run(RunKind.REVERT, target_run_id=first_id)
    assert harness.amounts() == ["-4.00"]
    harness.sql("DELETE FROM bank_import_runs")
    assert harness.sql("SELECT count(*) FROM bank_transaction_changes") == [(0,)]
