"""Indexes by which old rows are found and removed, and an audit whose oldest openings may go."""

from alembic import op

revision = "r0005"
down_revision = "r0004"

_INDEXES = (
    """CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_bank_import_runs_quiet ON bank_import_runs(finished_at)
      WHERE finished_at IS NOT NULL AND created + updated + linked + removed + rejected + suggested = 0
        AND NOT dry_run""",
    "CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_bank_import_runs_dry ON bank_import_runs(finished_at) WHERE dry_run",
    """CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_bank_import_runs_target ON bank_import_runs(target_run_id)
      WHERE target_run_id IS NOT NULL""",
    """CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_bank_match_suggestions_run ON bank_match_suggestions(run_id)
      WHERE run_id IS NOT NULL""",
    "CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_credential_audit_age ON credential_audit USING brin (at)",
)


def upgrade() -> None:
    """Build the indexes without locking, then let the audit forget openings older than 90 days."""
    with op.get_context().autocommit_block():
        for statement in _INDEXES:
            op.execute(statement)
    op.execute(
        """
        CREATE OR REPLACE FUNCTION credential_audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    IF OLD.action = 'opened' AND OLD.at < now() - INTERVAL '90 days' THEN
      RETURN OLD;
    END IF;
  END IF;
  RAISE EXCEPTION 'credential_audit is append-only';
END $$
        """
    )
