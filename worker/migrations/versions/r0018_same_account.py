"""Which account of another connection an account is, and at what time of day its bank writes days as moments."""

from alembic import op

revision = "r0018"
down_revision = "r0017"


def upgrade() -> None:
    """Add the columns; accounts that were imported before keep to their last digits and moments."""
    op.execute(
        """
        ALTER TABLE bank_connection_accounts
          ADD COLUMN same_as_account_id BIGINT REFERENCES bank_connection_accounts(id) ON DELETE SET NULL,
          ADD COLUMN days_at TIME
        """
    )
    op.execute(
        "CREATE INDEX IF NOT EXISTS idx_bank_connection_accounts_same_as"
        " ON bank_connection_accounts(same_as_account_id) WHERE same_as_account_id IS NOT NULL"
    )
