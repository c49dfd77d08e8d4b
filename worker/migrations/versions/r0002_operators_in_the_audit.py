"""The audit also records what operators did and whose data they looked at, and cannot be truncated."""

from alembic import op

revision = "r0002"
down_revision = "r0001"


def upgrade() -> None:
    """Widen the list of actions, and refuse TRUNCATE as UPDATE and DELETE are refused."""
    op.execute(
        """
        ALTER TABLE credential_audit DROP CONSTRAINT ck_credential_audit_action,
          ADD CONSTRAINT ck_credential_audit_action CHECK (action IN (
            'sealed', 'opened', 'replaced', 'rotated', 'removed', 'revoked', 'refused', 'operated', 'viewed'))
            NOT VALID
        """
    )
    op.execute("ALTER TABLE credential_audit VALIDATE CONSTRAINT ck_credential_audit_action")
    op.execute(
        """
        CREATE OR REPLACE TRIGGER credential_audit_not_truncated BEFORE TRUNCATE ON credential_audit
          FOR EACH STATEMENT EXECUTE FUNCTION credential_audit_is_append_only()
        """
    )
