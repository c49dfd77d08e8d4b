"""A leg of a transfer may have an expense: what the transfer cost."""

from alembic import op

revision = "r0045"
down_revision = "r0044"

_STEPS = (
    """
    ALTER TABLE bank_transactions DROP CONSTRAINT IF EXISTS ck_bank_transactions_expense,
      ADD CONSTRAINT ck_bank_transactions_expense
        CHECK (expense_id IS NULL OR expense_state IN ('own', 'linked', 'transfer')) NOT VALID
    """,
    "ALTER TABLE bank_transactions VALIDATE CONSTRAINT ck_bank_transactions_expense",
)


def upgrade() -> None:
    """Allow it; each step is a transaction of its own, as the check reads all rows."""
    with op.get_context().autocommit_block():
        for step in _STEPS:
            op.execute(step)
