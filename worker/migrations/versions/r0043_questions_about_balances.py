"""A person may be asked whether a balance that never fits is right from its day on."""

from alembic import op

revision = "r0043"
down_revision = "r0042"

_STEPS = (
    """
    ALTER TABLE bank_match_suggestions DROP CONSTRAINT IF EXISTS ck_bank_match_suggestions_kind,
      ADD CONSTRAINT ck_bank_match_suggestions_kind CHECK (
        kind IN ('expense', 'transfer', 'account', 'category', 'twin', 'takeover', 'withdrawn', 'balance')) NOT VALID
    """,
    "ALTER TABLE bank_match_suggestions VALIDATE CONSTRAINT ck_bank_match_suggestions_kind",
)


def upgrade() -> None:
    """Allow the kind; each step is a transaction of its own, as the check reads all questions."""
    with op.get_context().autocommit_block():
        for step in _STEPS:
            op.execute(step)
