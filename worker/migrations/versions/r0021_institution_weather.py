"""What is known of each bank, counted from the records of runs."""

from alembic import op

revision = "r0021"
down_revision = "r0020"


def upgrade() -> None:
    """Create the tables."""
    op.execute(
        """
        CREATE TABLE IF NOT EXISTS institution_weather (
          connector_name VARCHAR(50) NOT NULL,
          institution VARCHAR(200) NOT NULL,
          score DOUBLE PRECISION NOT NULL DEFAULT 0,
          failed_users INTEGER[] NOT NULL DEFAULT '{}',
          answered INTEGER NOT NULL DEFAULT 0,
          failing_since_at TIMESTAMPTZ,
          outage_since_at TIMESTAMPTZ,
          last_code VARCHAR(40),
          last_good_at TIMESTAMPTZ,
          connections INTEGER NOT NULL DEFAULT 0,
          users INTEGER NOT NULL DEFAULT 0,
          fresh INTEGER NOT NULL DEFAULT 0,
          lateness_days INTEGER,
          CONSTRAINT pk_institution_weather PRIMARY KEY (connector_name, institution)
        );

        CREATE TABLE IF NOT EXISTS institution_days (
          connector_name VARCHAR(50) NOT NULL,
          institution VARCHAR(200) NOT NULL,
          day_on DATE NOT NULL,
          runs INTEGER NOT NULL DEFAULT 0,
          good INTEGER NOT NULL DEFAULT 0,
          CONSTRAINT pk_institution_days PRIMARY KEY (connector_name, institution, day_on)
        );

        CREATE TABLE IF NOT EXISTS institution_weather_progress (
          id BOOLEAN PRIMARY KEY DEFAULT TRUE,
          until_at TIMESTAMPTZ NOT NULL,
          figures_at TIMESTAMPTZ,
          CONSTRAINT ck_institution_weather_progress_one CHECK (id)
        );
        """
    )
