"""What a bank states of the money besides the amount: the original amount and rate, or gross, fee and refund."""

from alembic import op

revision = "r0009"
down_revision = "r0008"


def upgrade() -> None:
    """Add the column; it is filled from the next import on."""
    op.execute("ALTER TABLE bank_transactions ADD COLUMN stated_amounts JSONB")
