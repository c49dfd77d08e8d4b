"""The balance that an account's opening amount was taken from, which proves nothing by itself."""

from alembic import op

revision = "r0008"
down_revision = "r0007"


def upgrade() -> None:
    """Add the columns; of accounts opened before, any balance counts as another one."""
    op.execute(
        """
        ALTER TABLE bank_connection_accounts
          ADD COLUMN opening_balance NUMERIC,
          ADD COLUMN opening_balance_on DATE,
          ADD COLUMN opening_pending NUMERIC NOT NULL DEFAULT 0
        """
    )
