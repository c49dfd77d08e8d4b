"""Openings of credentials may be counted by week, ids follow time, and hot tables keep room for updates in place."""

from alembic import op

revision = "r0011"
down_revision = "r0010"

UNCOUNTED = """
    CREATE OR REPLACE FUNCTION credential_audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    IF OLD.action = 'opened' AND (OLD.at < now() - INTERVAL '90 days'
        OR (starts_with(OLD.actor, 'run:') OR OLD.actor = 'runs') AND OLD.at < now() - INTERVAL '1 day') THEN
      RETURN OLD;
    END IF;
  END IF;
  RAISE EXCEPTION 'credential_audit is append-only';
END $$
"""
COUNTED = """
    CREATE OR REPLACE FUNCTION credential_audit_stays_counted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (
    SELECT FROM (
      SELECT table_name, row_id, sum(coalesce((detail ->> 'times')::integer, 1)) AS times
      FROM gone WHERE at >= now() - INTERVAL '90 days' GROUP BY table_name, row_id) g
    WHERE g.times IS DISTINCT FROM (
      SELECT sum((a.detail ->> 'times')::integer) FROM credential_audit a
      WHERE a.table_name = g.table_name AND a.row_id = g.row_id AND a.action = 'opened' AND a.actor = 'runs'
        AND a.xmin = pg_current_xact_id()::xid)
  ) THEN
    RAISE EXCEPTION 'credential_audit is append-only';
  END IF;
  RETURN NULL;
END $$
"""
UUID7 = """
    CREATE OR REPLACE FUNCTION finmind_uuid7() RETURNS uuid LANGUAGE sql VOLATILE AS $$
  SELECT encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid())
    PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3) FROM 1 FOR 6),
    52, 1), 53, 1), 'hex')::uuid
$$
"""
STORAGE = {
    "bank_connections": "fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05",
    "bank_connection_accounts": "fillfactor = 85, autovacuum_vacuum_scale_factor = 0.05",
    "bank_import_runs": "autovacuum_vacuum_scale_factor = 0.05",
    "bank_import_run_accounts": "autovacuum_vacuum_scale_factor = 0.05",
    "bank_transactions": "fillfactor = 95, autovacuum_vacuum_scale_factor = 0.02,"
    " autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02",
    "bank_quota_usage": "fillfactor = 70",
    "worker_heartbeats": "fillfactor = 50",
    "credential_audit": "autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_insert_scale_factor = 0.05",
    "webhook_events": "fillfactor = 90, autovacuum_vacuum_scale_factor = 0.05",
    "webhook_deliveries": "fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05",
}


def upgrade() -> None:
    """Build the indexes without locking, then set what takes a moment."""
    with op.get_context().autocommit_block():
        op.execute(
            "CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_credential_audit_openings ON credential_audit(row_id)"
            " WHERE action = 'opened' AND starts_with(actor, 'run:')"
        )
        op.execute(
            "CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_bank_import_runs_in_order ON bank_import_runs(queued_at, id)"
        )
        op.execute("CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_credential_audit_subject ON credential_audit(row_id)")
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS idx_bank_import_runs_newest")
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS idx_credential_audit_row")
        for table, options in STORAGE.items():
            op.execute(f"ALTER TABLE {table} SET ({options})")
    for statement in (UNCOUNTED, COUNTED, UUID7):
        op.execute(statement)
    op.execute(
        """
        CREATE OR REPLACE TRIGGER credential_audit_counted AFTER DELETE ON credential_audit
          REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION credential_audit_stays_counted()
        """
    )
    op.execute("ALTER TABLE webhook_events ALTER COLUMN id SET DEFAULT finmind_uuid7()")
    op.execute("ALTER TABLE webhook_inbox ALTER COLUMN id SET DEFAULT finmind_uuid7()")
