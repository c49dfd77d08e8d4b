"""Ids of accounts that were distrusted for good are trusted again, unless their connector says otherwise."""

from alembic import op

revision = "r0022"
down_revision = "r0021"


def upgrade() -> None:
    """Forget the class; a connector whose ids are no identities states it with the next list of accounts."""
    op.execute("UPDATE bank_connection_accounts SET id_class = NULL WHERE id_class = 'none'")
