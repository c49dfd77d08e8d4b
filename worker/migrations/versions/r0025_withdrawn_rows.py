"""Suggestions may ask whether a row that the bank's answers come without is gone."""

from alembic import op

revision = "r0025"
down_revision = "r0024"


def upgrade() -> None:
    """Allow the kind; no stored row breaks the wider rule, so that it is checked for new ones alone at first."""
    op.execute(
        """
        ALTER TABLE bank_match_suggestions DROP CONSTRAINT ck_bank_match_suggestions_kind,
          ADD CONSTRAINT ck_bank_match_suggestions_kind
            CHECK (kind IN ('expense', 'transfer', 'account', 'category', 'twin', 'takeover', 'withdrawn')) NOT VALID
        """
    )
    op.execute("ALTER TABLE bank_match_suggestions VALIDATE CONSTRAINT ck_bank_match_suggestions_kind")
