"""Runs wait apart for each connector, so that those of one hide nobody who waits for another."""

from alembic import op

revision = "r0048"
down_revision = "r0047"

_NEW = """
    CREATE INDEX CONCURRENTLY idx_bank_import_runs_fronts
      ON bank_import_runs((CASE trigger WHEN 'schedule' THEN 0 ELSE 1 END), (COALESCE(connector_name, '')),
                          (COALESCE(not_before, queued_at)))
      WHERE status IN ('queued', 'deferred') AND dispatched_at IS NULL
"""


def upgrade() -> None:
    """Add the column, and build the index without locking; one that an interrupted upgrade left invalid anew.

    Runs that wait meanwhile name no connector, and wait in a front of their own.
    """
    op.execute("ALTER TABLE bank_import_runs ADD COLUMN IF NOT EXISTS connector_name VARCHAR(50)")
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS idx_bank_import_runs_fronts")
        op.execute(_NEW)
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS idx_bank_import_runs_due")
