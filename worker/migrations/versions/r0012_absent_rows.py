"""An index by which the rows are counted that the bank's answers come without."""

from alembic import op

revision = "r0012"
down_revision = "r0011"


def upgrade() -> None:
    """Build the index without locking."""
    with op.get_context().autocommit_block():
        op.execute(
            "CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_bank_transactions_absent"
            " ON bank_transactions(account_id) WHERE absent_since_at IS NOT NULL"
        )
