"""A person may leave rejected rows out; who, when and why is kept, and the decision is a run of its own."""

from alembic import op

revision = "r0031"
down_revision = "r0030"


def upgrade() -> None:
    """Add the columns and allow the kind; no stored row breaks the rules, so that new ones alone wait for the check."""
    op.execute(
        """
        ALTER TABLE bank_import_rejections
          ADD COLUMN dismissed_at TIMESTAMPTZ,
          ADD COLUMN dismissed_by VARCHAR(100),
          ADD COLUMN dismissed_why VARCHAR(500),
          ADD COLUMN dismissed_run_id UUID,
          ADD CONSTRAINT ck_bank_import_rejections_dismissed
            CHECK (num_nonnulls(dismissed_at, dismissed_by, dismissed_why, dismissed_run_id) IN (0, 4)) NOT VALID
        """
    )
    op.execute("ALTER TABLE bank_import_rejections VALIDATE CONSTRAINT ck_bank_import_rejections_dismissed")
    op.execute(
        """
        ALTER TABLE bank_import_runs DROP CONSTRAINT ck_bank_import_runs_kind,
          ADD CONSTRAINT ck_bank_import_runs_kind
            CHECK (kind IN ('import', 'refresh', 'revert', 'replay', 'unmatch', 'move', 'dismiss')) NOT VALID
        """
    )
    op.execute("ALTER TABLE bank_import_runs VALIDATE CONSTRAINT ck_bank_import_runs_kind")
