"""Builds indexes beside everybody who writes, on whole tables and on tables in partitions."""

from alembic import op
from sqlalchemy import text

_PARTITIONS = text("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = to_regclass(:table) ORDER BY 1")


def build_index(name: str, table: str, of: str) -> None:
    """Build an index that is not unique, without locking; after an interruption it is called again.

    Args:
        name: At most 54 characters, so that each partition has room for a suffix.
        table: One of ours, whether an operator turned it into partitions or not.
        of: What stands behind the table, such as `(user_id, id) WHERE state = 'dead'`.
    """
    with op.get_context().autocommit_block():
        partitions = op.get_bind().scalars(_PARTITIONS, {"table": table}).all()
        built = "CREATE INDEX IF NOT EXISTS" if partitions else "CREATE INDEX CONCURRENTLY IF NOT EXISTS"
        op.execute(f"{built} {name} ON {'ONLY ' if partitions else ''}{table} {of}")
        for partition in partitions:
            own = f"{name}_{partition.rpartition('_')[2]}"
            op.execute(f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {own} ON {partition} {of}")
            op.execute(f"ALTER INDEX {name} ATTACH PARTITION {own}")
