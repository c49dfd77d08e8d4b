"""An index by which the newest runs of everybody are listed."""

from alembic import op

revision = "r0010"
down_revision = "r0009"


def upgrade() -> None:
    """Build the index without locking."""
    with op.get_context().autocommit_block():
        op.execute(
            "CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_bank_import_runs_newest"
            " ON bank_import_runs(queued_at DESC, id DESC)"
        )
