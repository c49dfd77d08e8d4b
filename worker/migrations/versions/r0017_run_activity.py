"""A table of what happened in each hour, and an index of the runs that did not simply succeed."""

from alembic import op

revision = "r0017"
down_revision = "r0016"


def upgrade() -> None:
    """Create the table, and build the index without locking."""
    op.execute(
        """
        CREATE TABLE IF NOT EXISTS run_activity (
          hour_at TIMESTAMPTZ NOT NULL,
          connector_name VARCHAR(50) NOT NULL,
          succeeded INTEGER NOT NULL DEFAULT 0,
          partial INTEGER NOT NULL DEFAULT 0,
          failed INTEGER NOT NULL DEFAULT 0,
          cancelled INTEGER NOT NULL DEFAULT 0,
          rows_changed BIGINT NOT NULL DEFAULT 0,
          wait_p95_s DOUBLE PRECISION,
          run_p50_s DOUBLE PRECISION,
          run_p95_s DOUBLE PRECISION,
          connections INTEGER,
          fresh INTEGER,
          CONSTRAINT pk_run_activity PRIMARY KEY (hour_at, connector_name)
        )
        """
    )
    with op.get_context().autocommit_block():
        op.execute(
            "CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_bank_import_runs_trouble"
            " ON bank_import_runs(code, queued_at, id) WHERE code NOT IN ('ok', 'nothing_new')"
        )
