"""Functions through which alone the audit forgets, so that no role needs the right to delete from it."""

from pathlib import Path

from alembic import op

revision = "r0014"
down_revision = "r0013"


def upgrade() -> None:
    """Create the functions, and let the lines about people who are gone be removed."""
    op.get_bind().exec_driver_sql(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))
