"""A circuit per bank or server instead of one per connector, counted by the users for whom it failed."""

from alembic import op

revision = "r0007"
down_revision = "r0006"


def upgrade() -> None:
    """Add the columns; what is open stays open, for the provider itself."""
    op.execute(
        """
        ALTER TABLE bank_connections ADD COLUMN outage_scope VARCHAR(200) NOT NULL DEFAULT '';
        ALTER TABLE bank_connector_circuits
          ADD COLUMN scope VARCHAR(200) NOT NULL DEFAULT '',
          ADD COLUMN failed_users INTEGER[] NOT NULL DEFAULT '{}',
          DROP CONSTRAINT bank_connector_circuits_pkey,
          ADD CONSTRAINT pk_bank_connector_circuits PRIMARY KEY (connector_name, scope);
        """
    )
