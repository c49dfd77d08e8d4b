"""The first released schema as a whole."""

from alembic import op

from worker.migrations.chain import baseline_sql

revision = "r0001"
down_revision = None


def upgrade() -> None:
    """Create what is not there; FinMind's own tables are left as they are."""
    op.get_bind().exec_driver_sql(baseline_sql())
