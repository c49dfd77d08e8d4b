"""An index of the allowances that are old enough to go: each pass of retention read all of them."""

from alembic import op

revision = "r0038"
down_revision = "r0037"


def upgrade() -> None:
    """Build the index without locking; one that an interrupted upgrade left invalid is built anew."""
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS idx_bank_quota_usage_ended")
        op.execute("CREATE INDEX CONCURRENTLY idx_bank_quota_usage_ended ON bank_quota_usage(window_ends_at)")
