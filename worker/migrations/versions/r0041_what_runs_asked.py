"""An index of the runs that tell what they asked the bank, so that none is missed however old it is."""

from alembic import op

revision = "r0041"
down_revision = "r0040"


def upgrade() -> None:
    """Build the index without locking; one that an interrupted upgrade left invalid is built anew."""
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS idx_bank_import_runs_told")
        op.execute(
            "CREATE INDEX CONCURRENTLY idx_bank_import_runs_told ON bank_import_runs(finished_at)"
            " WHERE requests IS NOT NULL OR earlier_attempts IS NOT NULL"
        )
