"""Indexes by which the dispatcher, the claim and the figures of a day read no more than they need."""

from alembic import op

revision = "r0003"
down_revision = "r0002"

_NEW = (
    """CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_bank_connections_ready
      ON bank_connections(connector_name, (GREATEST(next_refresh_at, rate_limited_until)), id)
      WHERE status = 'active' AND next_refresh_at IS NOT NULL""",
    """CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_bank_import_runs_due
      ON bank_import_runs((CASE trigger WHEN 'schedule' THEN 0 ELSE 1 END), (COALESCE(not_before, queued_at)))
      WHERE status IN ('queued', 'deferred') AND dispatched_at IS NULL""",
    """CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_bank_import_runs_published ON bank_import_runs(dispatched_at)
      WHERE status IN ('queued', 'deferred') AND dispatched_at IS NOT NULL""",
    """CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_bank_import_runs_running ON bank_import_runs(user_id)
      WHERE status = 'running'""",
    """CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_bank_import_runs_finished ON bank_import_runs(finished_at)
      WHERE finished_at IS NOT NULL""",
)
_OLD = ("idx_bank_connections_due", "idx_bank_import_runs_waiting", "idx_bank_import_runs_lease")


def upgrade() -> None:
    """Build the new indexes without locking, then drop those they replace."""
    with op.get_context().autocommit_block():
        for statement in _NEW:
            op.execute(statement)
        for name in _OLD:
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
