"""An attempt says of which event it is, so that attempts can lie in the partition of their event."""

from alembic import op

revision = "r0044"
down_revision = "r0043"


def upgrade() -> None:
    """Add the column; attempts there are go with their events, within the time of retention."""
    op.execute("ALTER TABLE webhook_attempts ADD COLUMN IF NOT EXISTS event_id UUID")
