"""Runs whose exchanges with the bank are kept, scrubbed."""

from alembic import op

revision = "r0019"
down_revision = "r0018"


def upgrade() -> None:
    """Create the table."""
    op.execute(
        """
        CREATE TABLE IF NOT EXISTS bank_recordings (
          run_id UUID PRIMARY KEY REFERENCES bank_import_runs(id) ON DELETE CASCADE,
          connection_id UUID NOT NULL REFERENCES bank_connections(id) ON DELETE CASCADE,
          user_id INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
          scrub_key BYTEA NOT NULL,
          content BYTEA,
          problem VARCHAR(200),
          requested_at TIMESTAMPTZ NOT NULL DEFAULT now(),
          finished_at TIMESTAMPTZ,
          CONSTRAINT ck_bank_recordings_finished
            CHECK ((finished_at IS NOT NULL) = ((content IS NULL) <> (problem IS NULL)))
        );
        CREATE INDEX IF NOT EXISTS idx_bank_recordings_connection ON bank_recordings(connection_id, requested_at DESC);
        CREATE INDEX IF NOT EXISTS idx_bank_recordings_user ON bank_recordings(user_id);
        """
    )
