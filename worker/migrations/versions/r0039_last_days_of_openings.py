"""Sources keep what was posted in the last days before the balance that their opening amount was taken from."""

from alembic import op

revision = "r0039"
down_revision = "r0038"


def upgrade() -> None:
    """Add the column; without it, the rows that those days have now stand for those that they had."""
    op.execute("ALTER TABLE bank_connection_accounts ADD COLUMN IF NOT EXISTS opening_last_days NUMERIC[]")
