"""What a person says about a row that may be gone is a run of its own, like what else they do to rows."""

from alembic import op

revision = "r0040"
down_revision = "r0039"


_STEPS = (
    """
    ALTER TABLE bank_import_runs DROP CONSTRAINT IF EXISTS ck_bank_import_runs_kind,
      ADD CONSTRAINT ck_bank_import_runs_kind
        CHECK (kind IN ('import', 'refresh', 'revert', 'replay', 'unmatch', 'move', 'dismiss', 'answer')) NOT VALID
    """,
    "ALTER TABLE bank_import_runs VALIDATE CONSTRAINT ck_bank_import_runs_kind",
)


def upgrade() -> None:
    """Allow the kind.

    Each step is a transaction of its own: the check reads all runs, and in the transaction that adds it everybody who
    reads or writes a run would wait for that. A step that was interrupted is done again.
    """
    with op.get_context().autocommit_block():
        for step in _STEPS:
            op.execute(step)
