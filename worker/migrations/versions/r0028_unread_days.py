"""Sources keep the days that nobody read, so that the calendar of an account shows them as missing."""

from alembic import op

revision = "r0028"
down_revision = "r0027"


def upgrade() -> None:
    """Add the column; a constant default rewrites no row, and no lock is held longer than a moment."""
    op.execute(
        "ALTER TABLE bank_connection_accounts ADD COLUMN IF NOT EXISTS unread_days DATEMULTIRANGE NOT NULL DEFAULT '{}'"
    )
