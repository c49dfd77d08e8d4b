"""What providers report by webhook: an inbox of notices, and what a connection knows of its login there."""

from alembic import op

revision = "r0013"
down_revision = "r0012"

# A login that was linked before is known by the attempt that led to it.
_COLUMNS = """
    ALTER TABLE bank_connections
      ADD COLUMN login_ref VARCHAR(255),
      ADD COLUMN linked_at TIMESTAMPTZ NOT NULL DEFAULT now(),
      ADD COLUMN webhook_url VARCHAR(2048),
      ADD COLUMN webhook_seen_at TIMESTAMPTZ,
      ADD COLUMN new_accounts_at TIMESTAMPTZ;
    UPDATE bank_connections c SET login_ref = a.provider_ref
    FROM (SELECT DISTINCT ON (connection_id) connection_id, provider_ref FROM bank_link_attempts
          WHERE connector_name = 'plaid' AND status = 'linked' AND provider_ref IS NOT NULL
          ORDER BY connection_id, finished_at DESC) a
    WHERE a.connection_id = c.id;
    CREATE INDEX IF NOT EXISTS idx_bank_connections_login_ref ON bank_connections(connector_name, login_ref)
      WHERE login_ref IS NOT NULL;
"""
_NOTICES = """
    CREATE TABLE IF NOT EXISTS provider_notices (
      id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
      connector_name VARCHAR(50) NOT NULL,
      login_ref VARCHAR(255) NOT NULL,
      action VARCHAR(20) NOT NULL,
      code VARCHAR(100) NOT NULL,
      account_external_id VARCHAR(255),
      reason VARCHAR(40),
      repaired BOOLEAN NOT NULL DEFAULT FALSE,
      works_until TIMESTAMPTZ,
      delivery_digest BYTEA NOT NULL,
      issued_at TIMESTAMPTZ NOT NULL,
      received_at TIMESTAMPTZ NOT NULL DEFAULT now(),
      not_before TIMESTAMPTZ NOT NULL DEFAULT now(),
      user_id INTEGER REFERENCES users(id) ON DELETE CASCADE,
      secret_encrypted BYTEA,
      secret_version INTEGER NOT NULL DEFAULT 1,
      secret_key_id VARCHAR(64),
      secret_sealed_at TIMESTAMPTZ,
      handled_at TIMESTAMPTZ,
      result VARCHAR(20),
      run_id UUID,
      CONSTRAINT uq_provider_notices_delivery UNIQUE (delivery_digest),
      CONSTRAINT ck_provider_notices_action CHECK (action IN
        ('refresh', 'needs_user', 'access_ending', 'new_accounts', 'account_revoked', 'link_finished', 'none')),
      CONSTRAINT ck_provider_notices_handled CHECK ((handled_at IS NULL) = (result IS NULL)),
      CONSTRAINT ck_provider_notices_secret CHECK ((secret_encrypted IS NULL) = (secret_key_id IS NULL)
        AND (secret_encrypted IS NULL OR user_id IS NOT NULL AND handled_at IS NULL))
    );
    CREATE INDEX IF NOT EXISTS idx_provider_notices_waiting ON provider_notices(not_before)
      WHERE handled_at IS NULL;
    CREATE INDEX IF NOT EXISTS idx_provider_notices_login ON provider_notices(connector_name, login_ref, action)
      WHERE handled_at IS NULL;
    CREATE INDEX IF NOT EXISTS idx_provider_notices_handled ON provider_notices(handled_at)
      WHERE handled_at IS NOT NULL;
    CREATE INDEX IF NOT EXISTS idx_provider_notices_user ON provider_notices(user_id) WHERE user_id IS NOT NULL;
    CREATE INDEX IF NOT EXISTS idx_provider_notices_key ON provider_notices(secret_key_id)
      WHERE secret_key_id IS NOT NULL;
"""


def upgrade() -> None:
    """Add the inbox and the columns."""
    op.execute(_COLUMNS)
    op.execute(_NOTICES)
