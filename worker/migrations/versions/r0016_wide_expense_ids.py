"""Ids of expenses fit beyond two thousand million: filled beside the old columns while everybody goes on writing."""

from alembic import op
from sqlalchemy import text

revision = "r0016"
down_revision = "r0015"

BATCH = 2000

_EXPAND = (
    "ALTER TABLE {table} ADD COLUMN IF NOT EXISTS expense_ref BIGINT",
    """
    CREATE OR REPLACE FUNCTION finmind_copy_expense_id() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN NEW.expense_ref := NEW.expense_id; RETURN NEW; END $$
    """,
    """
    CREATE OR REPLACE TRIGGER finmind_copy_expense_id BEFORE INSERT OR UPDATE ON {table}
      FOR EACH ROW EXECUTE FUNCTION finmind_copy_expense_id()
    """,
)
# A row that somebody else changes is skipped, because the trigger fills it; nobody waits for a batch.
_FILL = """
    WITH batch AS (
      SELECT id FROM {table} WHERE id > :after AND expense_id IS NOT NULL AND expense_ref IS NULL
      ORDER BY id LIMIT :batch FOR NO KEY UPDATE SKIP LOCKED
    ), filled AS (
      UPDATE {table} t SET expense_ref = expense_id FROM batch WHERE t.id = batch.id
    )
    SELECT max(id) FROM batch
"""
_UNFILLED = "SELECT EXISTS (SELECT FROM {table} WHERE expense_id IS NOT NULL AND expense_ref IS NULL)"

# Who writes locks expenses before our tables; the other order would deadlock. Two statements sent as one are one
# transaction.
_EXPENSES_FIRST = "LOCK TABLE expenses IN SHARE ROW EXCLUSIVE MODE; "
_TRANSACTIONS = (
    "DROP INDEX CONCURRENTLY IF EXISTS uq_bank_transactions_expense_ref",
    """CREATE UNIQUE INDEX CONCURRENTLY uq_bank_transactions_expense_ref ON bank_transactions(expense_ref)
      WHERE expense_ref IS NOT NULL""",
    _EXPENSES_FIRST
    + """ALTER TABLE bank_transactions DROP CONSTRAINT IF EXISTS fk_expense_ref,
      DROP CONSTRAINT IF EXISTS ck_expense_ref,
      ADD CONSTRAINT fk_expense_ref FOREIGN KEY (expense_ref) REFERENCES expenses(id) ON DELETE SET NULL NOT VALID,
      ADD CONSTRAINT ck_expense_ref CHECK (expense_ref IS NULL OR expense_state IN ('own', 'linked')) NOT VALID""",
    "ALTER TABLE bank_transactions VALIDATE CONSTRAINT fk_expense_ref",
    "ALTER TABLE bank_transactions VALIDATE CONSTRAINT ck_expense_ref",
)
_SUGGESTIONS = (
    "DROP INDEX CONCURRENTLY IF EXISTS uq_expense_ref",
    "DROP INDEX CONCURRENTLY IF EXISTS idx_bank_match_suggestions_expense_ref",
    """CREATE UNIQUE INDEX CONCURRENTLY uq_expense_ref ON bank_match_suggestions
      (kind, transaction_id, expense_ref, other_transaction_id, account_id, other_account_id) NULLS NOT DISTINCT""",
    """CREATE INDEX CONCURRENTLY idx_bank_match_suggestions_expense_ref
      ON bank_match_suggestions(expense_ref)""",
    _EXPENSES_FIRST
    + """ALTER TABLE bank_match_suggestions
      ADD CONSTRAINT uq_expense_ref UNIQUE USING INDEX uq_expense_ref,
      ADD CONSTRAINT fk_expense_ref FOREIGN KEY (expense_ref) REFERENCES expenses(id) ON DELETE CASCADE NOT VALID""",
    "ALTER TABLE bank_match_suggestions VALIDATE CONSTRAINT fk_expense_ref",
)
_SWAP = (
    "DROP TRIGGER finmind_copy_expense_id ON {table}",
    "ALTER TABLE {table} DROP COLUMN expense_id",
    "ALTER TABLE {table} RENAME COLUMN expense_ref TO expense_id",
    "ALTER TABLE {table} RENAME CONSTRAINT fk_expense_ref TO {table}_expense_id_fkey",
)
_RENAME = {
    "bank_transactions": (
        "ALTER TABLE bank_transactions RENAME CONSTRAINT ck_expense_ref TO ck_bank_transactions_expense",
        "ALTER INDEX uq_bank_transactions_expense_ref RENAME TO uq_bank_transactions_expense",
    ),
    "bank_match_suggestions": (
        "ALTER TABLE bank_match_suggestions RENAME CONSTRAINT uq_expense_ref TO uq_bank_match_suggestions",
        "ALTER INDEX idx_bank_match_suggestions_expense_ref RENAME TO idx_bank_match_suggestions_expense",
    ),
}


def upgrade() -> None:
    """Add the wide columns, fill them in batches, give them the old rules, and let them take the old names at last.

    The name stays, so workers of the version before go on. Each step may be interrupted and is done again.
    """
    with op.get_context().autocommit_block():
        for table, rules in (("bank_transactions", _TRANSACTIONS), ("bank_match_suggestions", _SUGGESTIONS)):
            for statement in _EXPAND:
                op.execute(statement.format(table=table))
            while _is_unfilled(table):
                _fill(table)
            for statement in rules:
                op.execute(statement)
    op.execute("LOCK TABLE expenses IN ACCESS EXCLUSIVE MODE")
    for table, renames in _RENAME.items():
        for statement in (*_SWAP, *renames):
            op.execute(statement.format(table=table))
    op.execute("DROP FUNCTION finmind_copy_expense_id()")


def _is_unfilled(table: str) -> bool:
    return bool(op.get_bind().scalar(text(_UNFILLED.format(table=table))))


def _fill(table: str) -> None:
    after: int | None = 0
    while after is not None:
        after = op.get_bind().scalar(text(_FILL.format(table=table)), {"after": after, "batch": BATCH})
