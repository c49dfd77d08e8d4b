"""An account says how far back the bank's answers reach, for rows that it gives no more or took back."""

from alembic import op

revision = "r0046"
down_revision = "r0045"


def upgrade() -> None:
    """Add the columns; what they say of an account is known from its next refresh on."""
    op.execute("ALTER TABLE bank_connection_accounts ADD COLUMN IF NOT EXISTS longest_reach_days INTEGER")
    op.execute("ALTER TABLE bank_connection_accounts ADD COLUMN IF NOT EXISTS shortest_reach_days INTEGER")
