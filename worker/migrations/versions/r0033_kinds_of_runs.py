"""An index of the kinds of runs that are few among very many refreshes."""

from alembic import op

revision = "r0033"
down_revision = "r0032"


def upgrade() -> None:
    """Build the index without locking; one that an interrupted upgrade left invalid is built anew."""
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS idx_bank_import_runs_kind")
        op.execute(
            "CREATE INDEX CONCURRENTLY idx_bank_import_runs_kind ON bank_import_runs(kind, queued_at, id)"
            " WHERE kind <> 'refresh'"
        )
