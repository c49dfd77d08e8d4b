"""Functions that make and drop partitions, idle until `db partition`, and the keys of events beside their table."""

from pathlib import Path

from alembic import op

revision = "r0047"
down_revision = "r0046"


def upgrade() -> None:
    """Create what is new; no table that has rows is touched."""
    sql = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    op.get_bind().exec_driver_sql(sql.replace("%", "%%"))
