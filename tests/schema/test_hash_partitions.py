"""The table of transactions can be partitioned by account: the same columns and rules, and an import goes on in it."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine, text

from tests.importer.bank import TODAY, WINDOWED, Harness

PARTITIONS = 4

# What points at a transaction by its id alone carries the account as well, or is checked by the worker: docs/decisions.
_CONVERT = (
    """
    DO $$ DECLARE rule RECORD; BEGIN
      FOR rule IN SELECT conrelid::regclass AS owner, conname FROM pg_constraint
                  WHERE contype = 'f' AND confrelid = 'bank_transactions'::regclass LOOP
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', rule.owner, rule.conname);
      END LOOP;
    END $$
    """,
    "CREATE SEQUENCE bank_transactions_ids CACHE 1000",
    "SELECT setval('bank_transactions_ids', (SELECT coalesce(max(id), 0) + 1 FROM bank_transactions))",
    "ALTER TABLE bank_transactions RENAME TO bank_transactions_before",
    """
    CREATE TABLE bank_transactions (LIKE bank_transactions_before INCLUDING DEFAULTS INCLUDING CONSTRAINTS)
      PARTITION BY HASH (account_id)
    """,
    "ALTER TABLE bank_transactions ALTER COLUMN id SET DEFAULT nextval('bank_transactions_ids')",
    "ALTER SEQUENCE bank_transactions_ids OWNED BY bank_transactions.id",
    "ALTER TABLE bank_transactions ADD PRIMARY KEY (account_id, id)",
    "ALTER TABLE bank_transactions ADD CONSTRAINT uq_identity UNIQUE (account_id, identity)",
    """ALTER TABLE bank_transactions ADD FOREIGN KEY (account_id)
      REFERENCES bank_connection_accounts(id) ON DELETE CASCADE""",
    "ALTER TABLE bank_transactions ADD FOREIGN KEY (expense_id) REFERENCES expenses(id) ON DELETE SET NULL",
    "CREATE INDEX ON bank_transactions(id)",
    "CREATE INDEX ON bank_transactions(expense_id)",
    "CREATE INDEX ON bank_transactions(account_id, effective_on)",
)


@pytest.fixture
def harness(sessions, user_id) -> Harness:
    return Harness(sessions, user_id)


def partition(engine: Engine) -> None:
    with engine.begin() as connection:
        for statement in _CONVERT:
            connection.exec_driver_sql(statement.replace("%", "%%"))
        for number in range(PARTITIONS):
            connection.exec_driver_sql(
                f"CREATE TABLE bank_transactions_{number} PARTITION OF bank_transactions"
                f" FOR VALUES WITH (MODULUS {PARTITIONS}, REMAINDER {number})"
            )
        connection.exec_driver_sql("INSERT INTO bank_transactions SELECT * FROM bank_transactions_before")
        connection.exec_driver_sql("DROP TABLE bank_transactions_before")


def test_an_import_goes_on_in_partitions_and_knows_its_rows(harness, engine):
    harness.bank.capabilities = replace(WINDOWED, history_days=60)
    for day in range(40):
        harness.bank.buy("-2.00", f"Shop {day}", external_id=f"r{day}", booking_on=TODAY - timedelta(days=day))
    assert harness.refresh().counts.created == 40
    partition(engine)
    harness.bank.buy("-3.00", "New", external_id="new")
    harness.bank.change(harness.bank.rows[0], description="Renamed")
    outcome = harness.refresh()
    assert (outcome.status, outcome.counts.created, outcome.counts.updated) == ("succeeded", 1, 1)
    assert len(harness.amounts()) == 41
    assert harness.refresh().code == "nothing_new"
    with engine.connect() as connection:
        used, rows = connection.execute(text("SELECT count(DISTINCT tableoid), count(*) FROM bank_transactions")).one()
        plan = connection.execute(
            text("EXPLAIN SELECT * FROM bank_transactions WHERE account_id = 1 AND identity = '\\x00'")
        ).scalars()
        assert "Append" not in "".join(plan), "one account is in one partition"
    assert (used, rows) == (1, 41)
