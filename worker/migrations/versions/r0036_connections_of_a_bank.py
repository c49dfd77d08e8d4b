"""An index of the connections of a bank, for its page."""

from alembic import op

revision = "r0036"
down_revision = "r0035"


def upgrade() -> None:
    """Build the index without locking; one that an interrupted upgrade left invalid is built anew."""
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS idx_bank_connections_bank")
        op.execute(
            "CREATE INDEX CONCURRENTLY idx_bank_connections_bank ON bank_connections(institution_name, connector_name)"
            " WHERE institution_name IS NOT NULL"
        )
