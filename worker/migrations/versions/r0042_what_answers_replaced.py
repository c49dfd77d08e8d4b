"""Answers keep what they replaced, so that undoing one leaves everything as it was."""

from alembic import op

revision = "r0042"
down_revision = "r0041"


def upgrade() -> None:
    """Add the column; what was answered before is undone as far as the bank's rows tell."""
    op.execute("ALTER TABLE bank_match_suggestions ADD COLUMN IF NOT EXISTS replaced JSONB")
