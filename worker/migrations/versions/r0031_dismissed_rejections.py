"""A person may leave rejected rows out; who, when and why is kept, and the decision is a run of its own."""

from alembic import op

revision = "r0031"
down_revision = "r0030"


_STEPS = (
    """
    ALTER TABLE bank_import_rejections
      ADD COLUMN IF NOT EXISTS dismissed_at TIMESTAMPTZ,
      ADD COLUMN IF NOT EXISTS dismissed_by VARCHAR(100),
      ADD COLUMN IF NOT EXISTS dismissed_why VARCHAR(500),
      ADD COLUMN IF NOT EXISTS dismissed_run_id UUID
    """,
    """
    ALTER TABLE bank_import_rejections DROP CONSTRAINT IF EXISTS ck_bank_import_rejections_dismissed,
      ADD CONSTRAINT ck_bank_import_rejections_dismissed
        CHECK (num_nonnulls(dismissed_at, dismissed_by, dismissed_why, dismissed_run_id) IN (0, 4)) NOT VALID
    """,
    "ALTER TABLE bank_import_rejections VALIDATE CONSTRAINT ck_bank_import_rejections_dismissed",
    """
    ALTER TABLE bank_import_runs DROP CONSTRAINT IF EXISTS ck_bank_import_runs_kind,
      ADD CONSTRAINT ck_bank_import_runs_kind
        CHECK (kind IN ('import', 'refresh', 'revert', 'replay', 'unmatch', 'move', 'dismiss')) NOT VALID
    """,
    "ALTER TABLE bank_import_runs VALIDATE CONSTRAINT ck_bank_import_runs_kind",
)


def upgrade() -> None:
    """Add the columns and allow the kind.

    Each step is a transaction of its own: the check reads all runs, and in the transaction that adds it everybody who
    reads or writes a run would wait for that. A step that was interrupted is done again.
    """
    with op.get_context().autocommit_block():
        for step in _STEPS:
            op.execute(step)
