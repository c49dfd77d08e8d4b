"""A run tells of its attempts and of what they asked the bank."""

from alembic import op

revision = "r0034"
down_revision = "r0033"


def upgrade() -> None:
    """Add the columns; nothing is known of the runs there are."""
    op.execute(
        "ALTER TABLE bank_import_runs ADD COLUMN claimed_at TIMESTAMPTZ, ADD COLUMN requests JSONB,"
        " ADD COLUMN earlier_attempts JSONB"
    )
