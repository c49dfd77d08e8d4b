"""Events of other programs arrive as rows of an inbox, because a message of the broker can be forged."""

from alembic import op

revision = "r0006"
down_revision = "r0005"


def upgrade() -> None:
    """Create the inbox."""
    op.execute(
        """
        CREATE TABLE IF NOT EXISTS webhook_inbox (
          id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
          user_id INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
          type VARCHAR(60) NOT NULL,
          data JSONB NOT NULL,
          dedup_key VARCHAR(200),
          created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
          refused_reason VARCHAR(500)
        )
        """
    )
    op.execute("CREATE INDEX IF NOT EXISTS idx_webhook_inbox_user ON webhook_inbox(user_id)")
    op.execute(
        "CREATE INDEX IF NOT EXISTS idx_webhook_inbox_waiting ON webhook_inbox(created_at) WHERE refused_reason IS NULL"
    )
