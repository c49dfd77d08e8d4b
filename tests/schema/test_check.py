"""The comparison of schema.sql, models and a database: silent when they agree, plain when they do not."""

import re

import pytest
from sqlalchemy import CheckConstraint, Column, Engine, ForeignKey, Integer, MetaData, String, UniqueConstraint, text

from worker.models import Base
from worker.schema.apply import run_sql, schema_sql
from worker.schema.check import check_models, check_schema

RULE = re.compile(r"^\s*(?:CONSTRAINT (\w+)|(PRIMARY KEY \()|CREATE UNIQUE INDEX IF NOT EXISTS (\w+))")


def test_models_schema_and_database_agree(engine: Engine) -> None:
    assert check_models(engine, Base.metadata) == []
    assert check_schema(engine, Base.metadata) == []


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        ("DROP TABLE user_preferences", "the database has no table user_preferences"),
        ("ALTER TABLE bank_connections DROP COLUMN cursor", "the database has no column bank_connections.cursor"),
        (
            "ALTER TABLE bank_connections ADD COLUMN mood TEXT",
            "the database has a column bank_connections.mood that is not expected",
        ),
        (
            "ALTER TABLE bank_import_runs ALTER COLUMN trace_context TYPE TEXT",
            "bank_import_runs.trace_context is text in the database, expected character varying(512)",
        ),
        (
            "ALTER TABLE bank_import_runs ALTER COLUMN kind DROP NOT NULL",
            "bank_import_runs.kind is nullable in the database, expected NOT NULL",
        ),
        (
            "ALTER TABLE bank_import_runs ALTER COLUMN attempt SET DEFAULT 1",
            "bank_import_runs.attempt has default 1 in the database, expected default 0",
        ),
        (
            "ALTER TABLE bank_import_runs ALTER COLUMN queued_at DROP DEFAULT",
            "bank_import_runs.queued_at has no default in the database, expected default now()",
        ),
        (
            "ALTER TABLE bank_transactions DROP CONSTRAINT uq_bank_transactions_identity",
            (
                "the database has no constraint uq_bank_transactions_identity on bank_transactions:"
                " UNIQUE (account_id, identity)"
            ),
        ),
        (
            "CREATE UNIQUE INDEX surprise ON bank_transactions(amount)",
            (
                "the database has index surprise on bank_transactions that is not expected:"
                " CREATE UNIQUE INDEX surprise ON bank_transactions USING btree (amount)"
            ),
        ),
        (
            "DROP TRIGGER credential_audit_append_only ON credential_audit",
            (
                "the database has no trigger credential_audit_append_only on credential_audit: CREATE TRIGGER"
                " credential_audit_append_only BEFORE DELETE OR UPDATE ON credential_audit FOR EACH ROW EXECUTE"
                " FUNCTION credential_audit_is_append_only()"
            ),
        ),
        ("ALTER TABLE expenses DROP COLUMN notes", "the database has no column expenses.notes"),
        (
            "ALTER TABLE expenses ALTER COLUMN amount TYPE DOUBLE PRECISION",
            "expenses.amount is double precision in the database, expected numeric(12,2)",
        ),
        (
            "ALTER TABLE expenses ADD COLUMN wallet INT NOT NULL",
            "the database demands a value for expenses.wallet, which the worker does not know",
        ),
        (
            "DROP FUNCTION fold_audit_of_gone_users",
            "the database has no function fold_audit_of_gone_users(most integer)",
        ),
        (
            "ALTER FUNCTION fold_audit_of_gone_users SECURITY INVOKER",
            "function fold_audit_of_gone_users(most integer) does something else in the database than expected",
        ),
        (
            (
                "CREATE OR REPLACE FUNCTION credential_audit_counts_only() RETURNS trigger LANGUAGE plpgsql"
                " AS 'BEGIN RETURN NEW; END'"
            ),
            "function credential_audit_counts_only() does something else in the database than expected",
        ),
    ],
)
def test_every_kind_of_difference_is_one_plain_sentence(engine: Engine, statement: str, sentence: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(statement))
    assert check_schema(engine, Base.metadata) == [sentence]


@pytest.mark.parametrize(
    ("statement", "word"),
    [
        (
            (
                "DROP INDEX uq_bank_import_runs_running; CREATE UNIQUE INDEX uq_bank_import_runs_running"
                " ON bank_import_runs(connection_id) WHERE status = 'queued'"
            ),
            "WHERE status::text = 'queued'::text",
        ),
        (
            (
                "ALTER TABLE bank_connection_accounts DROP CONSTRAINT bank_connection_accounts_user_id_fkey,"
                " ADD FOREIGN KEY (user_id) REFERENCES users(id)"
            ),
            "ON DELETE CASCADE",
        ),
        (
            (
                "ALTER TABLE bank_connections DROP CONSTRAINT ck_bank_connections_status,"
                " ADD CONSTRAINT ck_bank_connections_status CHECK (status <> '')"
            ),
            "needs_user",
        ),
        (
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'uq_bank_import_runs_running'::regclass",
            "(half built: drop it, then run db init)` in the database",
        ),
        (
            "ALTER TABLE credential_audit DISABLE TRIGGER credential_audit_append_only",
            "(switched off)` in the database",
        ),
        ("ALTER TABLE idempotency_keys DISABLE TRIGGER ALL", "(switched off)` in the database"),
    ],
    ids=["predicate of an index", "foreign key", "check", "index half built", "trigger", "foreign key switched off"],
)
def test_a_rule_of_the_same_name_that_says_something_else_is_shown_both_ways(
    engine: Engine, statement: str, word: str
) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(statement)
    (sentence,) = check_schema(engine, Base.metadata)
    assert word in sentence
    assert "in the database, expected `" in sentence


MADE_AGAIN = """
    SELECT format('ALTER TABLE %s DROP CONSTRAINT %I, ADD CONSTRAINT %2$I %s', conrelid::regclass, conname,
      pg_get_constraintdef(oid)) FROM pg_constraint WHERE contype = 'c' AND connamespace = 'public'::regnamespace
    UNION ALL
    SELECT format('DROP INDEX %s; %s', indexrelid::regclass, pg_get_indexdef(indexrelid)) FROM pg_index
    WHERE indrelid::regclass::text LIKE 'bank_%' AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
"""


def test_a_restored_dump_differs_in_nothing(engine: Engine) -> None:
    """A dump makes rules and indexes of what Postgres prints of them, which it then prints otherwise."""
    with engine.begin() as connection:
        made = connection.exec_driver_sql(MADE_AGAIN, execution_options={"no_parameters": True}).scalars().all()
        assert len(made) > 50
        run_sql(connection, ";".join(made))
    assert check_schema(engine, Base.metadata) == []


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE expenses ADD COLUMN receipt TEXT",
        "ALTER TABLE users ADD COLUMN phone TEXT NOT NULL",
        "CREATE TABLE wallets (id INT)",
        "CREATE INDEX faster ON bank_transactions(amount)",
        "DROP INDEX idx_expenses_user_spent_at",
        "ALTER TABLE expenses ALTER COLUMN currency SET DEFAULT 'EUR'",
    ],
)
def test_what_finmind_and_operators_may_change_is_no_difference(engine: Engine, statement: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(statement))
    assert check_schema(engine, Base.metadata) == []


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda tables: tables["expenses"].append_column(Column("mood", String(3))), "expenses.mood"),
        (lambda tables: setattr(tables["users"].c.role, "nullable", True), "users.role"),
        (lambda tables: tables["categories"].c.id.append_foreign_key(ForeignKey("users.id")), "FOREIGN KEY (id)"),
        (
            lambda tables: tables["categories"].append_column(Column("u", Integer, ForeignKey("users.id"))),
            "categories.u",
        ),
    ],
    ids=["column", "nullable", "foreign key", "column with a foreign key"],
)
def test_a_model_that_says_more_than_the_schema_is_found(engine: Engine, change, word: str) -> None:
    changed = MetaData()
    for table in Base.metadata.tables.values():
        table.to_metadata(changed)
    change(changed.tables)
    sentences = check_models(engine, changed)
    assert sentences
    assert any(word in sentence and "the models" in sentence for sentence in sentences)


def test_rules_and_indexes_stand_in_schema_sql_alone() -> None:
    kinds = (CheckConstraint, UniqueConstraint)
    found = [
        rule
        for table in Base.metadata.tables.values()
        for rule in (*table.indexes, *(one for one in table.constraints if isinstance(one, kinds)))
    ]
    assert found == []


def test_checking_leaves_nothing_behind(engine: Engine) -> None:
    check_schema(engine, Base.metadata)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'finmind%'")) == 0


def test_every_constraint_says_what_it_prevents() -> None:
    lines = schema_sql().splitlines()
    rules = [(number, RULE.match(line)) for number, line in enumerate(lines)]
    silent = [
        lines[number].strip() for number, rule in rules if rule and not lines[number - 1].strip().startswith("--")
    ]
    assert silent == []
