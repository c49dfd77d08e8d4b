"""Indexes of what operators look for among very many rows: long runs, changes, words, troubles, dead letters."""

from alembic import op

revision = "r0030"
down_revision = "r0029"

_INDEXES = {
    "idx_bank_import_runs_longest": """bank_import_runs((EXTRACT(EPOCH FROM finished_at - started_at)), queued_at, id)
      WHERE EXTRACT(EPOCH FROM finished_at - started_at) > 5""",
    "idx_bank_import_runs_most_changed": """bank_import_runs((created + updated + linked + removed), queued_at, id)
      WHERE created + updated + linked + removed > 0""",
    "idx_bank_import_runs_message": "bank_import_runs(queued_at, id) WHERE message IS NOT NULL",
    "idx_bank_connections_in_order": "bank_connections(created_at, id)",
    "idx_bank_connections_trouble": """bank_connections(created_at, id)
      WHERE status IN ('needs_user', 'error') OR consecutive_failures > 0
        OR (problem_code IS NOT NULL AND status <> 'disconnected')""",
    "idx_webhook_deliveries_dead": "webhook_deliveries(id) WHERE state = 'dead'",
}


def upgrade() -> None:
    """Build the indexes without locking; one that an interrupted upgrade left invalid is built anew."""
    with op.get_context().autocommit_block():
        for name, definition in _INDEXES.items():
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.execute(f"CREATE INDEX CONCURRENTLY {name} ON {definition}")
