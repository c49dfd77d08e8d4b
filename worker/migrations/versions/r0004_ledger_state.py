"""What every run must account for, and whether the ledger agrees with the bank, per account and connection."""

from alembic import op

revision = "r0004"
down_revision = "r0003"


def upgrade() -> None:
    """Add the columns, and let one IBAN hold an account per currency."""
    op.execute(
        """
        ALTER TABLE bank_connections
          ADD COLUMN problem_code VARCHAR(40),
          ADD COLUMN problem_message VARCHAR(1000),
          ADD COLUMN problem_since_at TIMESTAMPTZ,
          ADD CONSTRAINT ck_bank_connections_problem CHECK ((problem_code IS NULL) = (problem_since_at IS NULL));
        ALTER TABLE bank_connection_accounts
          ADD COLUMN inverted BOOLEAN NOT NULL DEFAULT FALSE,
          ADD COLUMN problem_code VARCHAR(40),
          ADD COLUMN problem_message VARCHAR(1000),
          ADD COLUMN problem_since_at TIMESTAMPTZ,
          ADD CONSTRAINT ck_bank_connection_accounts_problem
            CHECK ((problem_code IS NULL) = (problem_since_at IS NULL)),
          DROP CONSTRAINT uq_bank_connection_accounts_anchor,
          ADD CONSTRAINT uq_bank_connection_accounts_anchor UNIQUE (connection_id, anchor, currency);
        ALTER TABLE bank_import_runs
          ADD COLUMN delivered INTEGER NOT NULL DEFAULT 0,
          ADD COLUMN accounted INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE bank_import_run_accounts
          ADD COLUMN delivered INTEGER NOT NULL DEFAULT 0,
          ADD COLUMN accounted INTEGER NOT NULL DEFAULT 0;
        """
    )
