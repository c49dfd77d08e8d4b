"""An account keeps the currency that was assumed for its rows while its bank stated none."""

from alembic import op

revision = "r0032"
down_revision = "r0031"


def upgrade() -> None:
    """Add the column; nothing is known of the accounts there are."""
    op.execute("ALTER TABLE bank_connection_accounts ADD COLUMN currency_assumed VARCHAR(3)")
