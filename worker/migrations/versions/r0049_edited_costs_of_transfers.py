"""A leg keeps what was written as the expense of what its transfer cost, to see what the user changed in it."""

from alembic import op

revision = "r0049"
down_revision = "r0048"


def upgrade() -> None:
    """Add the column; what a transfer cost before it is taken for what was written."""
    op.execute("ALTER TABLE bank_transactions ADD COLUMN IF NOT EXISTS base_cost JSONB")
