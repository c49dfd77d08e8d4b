"""Counts in the audit are written only by the functions that remove what they count."""

from alembic import op

revision = "r0023"
down_revision = "r0022"

_STATEMENTS = (
    """CREATE OR REPLACE FUNCTION credential_audit_counts_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT pg_has_role(current_user, (SELECT relowner FROM pg_class WHERE oid = TG_RELID), 'USAGE') THEN
    RAISE EXCEPTION 'only the functions of credential_audit write counts' USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NEW;
END $$""",
    """CREATE OR REPLACE TRIGGER credential_audit_counts BEFORE INSERT ON credential_audit
  FOR EACH ROW WHEN (NEW.actor IN ('runs', 'database')) EXECUTE FUNCTION credential_audit_counts_only()""",
    """DO $$ BEGIN
  EXECUTE 'ALTER FUNCTION credential_audit_counts_only() SET search_path = pg_catalog, '
    || quote_ident(current_schema()) || ', pg_temp';
END $$""",
)


def upgrade() -> None:
    """Create the trigger; lines that stand already stay as they are."""
    for statement in _STATEMENTS:
        op.get_bind().exec_driver_sql(statement)
