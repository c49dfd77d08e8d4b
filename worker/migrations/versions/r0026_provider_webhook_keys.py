"""Public keys of providers' webhooks outlive the process that looked them up."""

from alembic import op

revision = "r0026"
down_revision = "r0025"


def upgrade() -> None:
    """Create the table."""
    op.execute(
        """
        CREATE TABLE IF NOT EXISTS provider_webhook_keys (
          connector_name VARCHAR(50) NOT NULL,
          key_id VARCHAR(100) NOT NULL,
          key JSONB NOT NULL,
          fetched_at TIMESTAMPTZ NOT NULL,
          CONSTRAINT pk_provider_webhook_keys PRIMARY KEY (connector_name, key_id)
        )
        """
    )
