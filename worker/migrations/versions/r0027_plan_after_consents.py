"""Connections whose consent had ended get their schedule back: a run asks the bank, and the bank asks the person."""

from alembic import op

revision = "r0027"
down_revision = "r0026"


def upgrade() -> None:
    """Plan a refresh of the connections that were left without one."""
    op.execute(
        """
        UPDATE bank_connections SET next_refresh_at = now() + random() * interval '1 hour'
        WHERE status = 'active' AND next_refresh_at IS NULL AND refresh_interval IS NOT NULL
          AND consent_expires_at IS NOT NULL
        """
    )
