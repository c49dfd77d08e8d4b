"""The hours of all connectors say how their runs ended and how long they took, for metrics and status."""

from alembic import op

revision = "r0037"
down_revision = "r0036"


def upgrade() -> None:
    """Add the columns; the next pass of retention fills those of the last day."""
    added = ", ".join(f"ADD COLUMN {name} JSONB" for name in ("outcomes", "run_seconds", "wait_seconds"))
    op.execute(f"ALTER TABLE run_activity {added}")
