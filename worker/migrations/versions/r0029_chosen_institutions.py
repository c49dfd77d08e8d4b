"""Connections say whether a person chose the name of their bank, so that such a name is shown to nobody else."""

from alembic import op

revision = "r0029"
down_revision = "r0028"


def upgrade() -> None:
    """Add the column; a constant default rewrites no row, and no lock is held longer than a moment."""
    op.execute(
        "ALTER TABLE bank_connections ADD COLUMN IF NOT EXISTS institution_chosen BOOLEAN NOT NULL DEFAULT FALSE"
    )
