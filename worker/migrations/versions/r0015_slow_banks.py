"""How far a run has read while pages arrive, and how many days it asks a slow bank for at once."""

from alembic import op

revision = "r0015"
down_revision = "r0014"


def upgrade() -> None:
    """Add the columns."""
    op.execute(
        """
        ALTER TABLE bank_import_runs
          ADD COLUMN read_from_on DATE,
          ADD COLUMN read_to_on DATE,
          ADD COLUMN part_days INTEGER
        """
    )
